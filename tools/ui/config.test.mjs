/**
 * The configuration page in a real Chromium: the question whether to keep a change cannot be lost, a draft is not replaced unsaid, and the
 * review tells who watches what is changed.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {fixture, HOSTILE} from './pages-fixture.mjs';
import {visit} from './visit.mjs';

const skip = without(CHROMIUM, 'Chromium');
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) chromium = await launch({mdns: 'show'});
});
after(() => chromium?.close());

/** The page with something written and not applied. @param {Awaited<ReturnType<typeof fixture>>} own */
async function drafted(own) {
    const visited = await visit(chromium.browser, 'config.html', {own}), {page, says} = visited;
    await says('p', /in force/);
    await page.waitForFunction(() => document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-content'));
    await page.evaluate(() => /** @type {HTMLElement|null|undefined} */ (document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-content'))?.focus());
    await page.keyboard.type('# draft\n');
    await says('p', /changed, not in force/);
    return visited;
}

test('the question whether to keep it stays until it is answered, and Enter keeps', {skip}, async () => {
    const own = await fixture(), {page, says, press, done} = await drafted(own);
    await press('Review and apply', '.tools');
    await page.waitForSelector('dialog .diff .add');
    await press('undo in 60 s', 'dialog');
    await says('dialog h2', /Keep this configuration/);
    // Browsers let a dialog that does not want to close do so at the second press.
    await page.evaluate(() => document.querySelector('dialog')?.addEventListener('close', () => /** @type {any} */ (window).wasClosed = true));
    while (!await page.evaluate(() => /** @type {any} */ (window).wasClosed)) await page.keyboard.press('Escape');
    await page.waitForSelector('dialog[open]');
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Keep');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => !document.querySelector('dialog'));
    assert.deepEqual(own.state.calls, ['apply v1', 'confirm v2']);
    await done();
    own.close();
});

test('an earlier version says that it replaces what is not applied', {skip}, async () => {
    const own = await fixture(), {page, says, press, done} = await drafted(own);
    await page.select('.tools select', '3');
    await says('dialog', /What you have written and not applied is replaced too/);
    await press('Restore this version', 'dialog');
    await says('p', /(^|· )in force/);
    await page.select('.tools select', '3');
    await page.waitForSelector('dialog .diff');
    assert.doesNotMatch(await page.$eval('dialog', node => node.textContent ?? ''), /not applied/);
    await done();
    own.close();
});

test('the review tells who watches what is changed or gone', {skip}, async () => {
    const own = await fixture(), {says, press, done} = await drafted(own);
    own.state.check = () => ({valid: true, problems: [], restart_required: [], changes: [{path: `streams.${HOSTILE}`, change: 'removed'}, {path: 'streams.gate', change: 'changed'}, {path: 'streams.demo', change: 'changed'}]});
    own.state.sessions.sessions.push(...[8, 9].map(id => ({...own.state.sessions.sessions[0], id, stream: 'gate'})));
    await press('Review and apply', '.tools');
    await says('dialog li:nth-child(1)', /^− streams\.<img.* · its viewer loses the stream$/);
    await says('dialog li:nth-child(2)', /^~ streams\.gate · its 2 viewers go on without a new connection$/);
    await says('dialog li:nth-child(3)', /^~ streams\.demo$/);
    await done();
    own.close();
});

test('a browser without the editor has a plain field, opened at the stream that is asked for', {skip}, async () => {
    const own = await fixture({answers: {'GET vendor/codemirror.js': () => 404}}), {page, done} = await visit(chromium.browser, 'config.html?stream=demo', {own});
    await page.waitForFunction(() => document.activeElement?.matches('.editor textarea'));
    assert.equal(await page.$eval('.editor textarea', node => /** @type {HTMLTextAreaElement} */ (node).value.slice(/** @type {HTMLTextAreaElement} */ (node).selectionStart)), '  demo: "demo:"\n');
    await done(/404 \(Not Found\) .*codemirror/, /^TypeError|JSHandle|dynamically imported/);
    own.close();
});
