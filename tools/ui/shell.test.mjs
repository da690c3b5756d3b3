/**
 * What pages say around themselves, in a real Chromium: that the server is away and was started again, whatever the page loads
 * meanwhile; what came of a question, after its dialog has closed.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {fixture} from './pages-fixture.mjs';
import {UNREACHED, visit} from './visit.mjs';

const skip = without(CHROMIUM, 'Chromium');
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) chromium = await launch({mdns: 'show'});
});
after(() => chromium?.close());

test('that the server is away stays on the page while it asks in vain, and that it was started again while it loads', {skip}, async () => {
    const first = await fixture(), port = Number(new URL(first.url).port);
    const {page, says, done} = await visit(chromium.browser, 'camera.html?src=demo', {own: first, camera: true});
    let asked = 0;
    page.on('requestfailed', request => request.url().endsWith('/api/streams') && asked++);
    await first.until(() => first.readers() > 0);
    await page.evaluate(() => {
        const banner = /** @type {HTMLElement} */ (document.querySelector('.banner')), told = /** @type {string[]} */ ([]);
        const look = () => {
            const now = banner.hidden ? '' : (banner.textContent ?? '').replace(/Last.*/, '');
            if ((now || told.length) && told.at(-1) !== now) told.push(now);
        };
        /** @type {any} */ (window).told = told;
        new MutationObserver(look).observe(banner, {attributes: true, childList: true, subtree: true, characterData: true});
    });
    first.close();
    await says('.banner', /Server not reachable/);
    const told = () => page.evaluate(() => /** @type {any} */ (window).told);
    // Each of them is followed by what the page does with it.
    while (asked < 3) await page.waitForRequest(request => request.url().endsWith('/api/streams'));
    assert.deepEqual(await told(), ['Server not reachable. ']);
    const second = await fixture({port});
    await says('.banner', /Server restarted/);
    const before = second.requests.filter(path => path === '/api/streams').length;
    await second.until(() => second.requests.filter(path => path === '/api/streams').length > before + 1);
    await page.evaluate(() => new Promise(resolve => requestAnimationFrame(resolve)));
    // It goes by itself, maybe meanwhile.
    assert.deepEqual((await told()).filter(Boolean), ['Server not reachable. ', 'Server restarted']);
    await page.waitForFunction(() => /** @type {any} */ (document.querySelector('.banner')).hidden);
    await done(UNREACHED);
    second.close();
});

test('what the server refuses after a question is still said when its dialog has closed', {skip}, async () => {
    const own = await fixture({answers: {'DELETE api/rs/sessions': () => 403}}), {page, says, press, done} = await visit(chromium.browser, 'sessions.html', {own});
    await press('Kick', 'tbody');
    await page.waitForSelector('dialog[open]');
    await press('Kick', 'dialog');
    await page.waitForFunction(() => !document.querySelector('dialog'));
    await says('body > .toast', /You may view but not change this/);
    await done(/403 \(Forbidden\)/);
    own.close();
});

test('Enter answers a question once its answer may be given, and only once', {skip}, async () => {
    const {server, page, press, done} = await visit(chromium.browser, 'streams.html');
    await page.waitForSelector('tbody [aria-label=Details]');
    await page.evaluate(() => {
        const row = [...document.querySelectorAll('tbody tr')].find(one => one.querySelector('a')?.textContent === 'demo');
        /** @type {HTMLElement|null|undefined} */ (row?.querySelector('[aria-label=Details]'))?.click();
    });
    await press('Delete stream', 'tr.detail');
    await page.waitForSelector('dialog input');
    await page.type('dialog input', 'dem');
    await page.keyboard.press('Enter');
    await page.type('dialog input', 'o');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => !document.querySelector('dialog'));
    assert.deepEqual(server.state.calls, ['delete demo']);
    await done();
});

test('on a phone the way to a page behind "More" marks it, and each page shows how the connection is', {skip}, async () => {
    const own = await fixture(), marked = /** @type {Record<string, (string|null)[]>} */ ({});
    for (const path of ['doctor.html', 'log.html', 'sessions.html']) {
        const {page, done} = await visit(chromium.browser, path, {own, width: 390, height: 844});
        await page.waitForSelector('.dot[data-state=live]');
        marked[path] = await page.$$eval('.rail [aria-current]', nodes => nodes.filter(node => node.checkVisibility()).map(node => node.textContent));
        await done();
    }
    assert.deepEqual(marked, {'doctor.html': ['More'], 'log.html': ['More'], 'sessions.html': ['Sessions']});
    own.close();
});

test('who may not see something is told so, and an answer of somebody else is no riddle', {skip}, async () => {
    for (const [answer, words] of /** @type {[() => any, RegExp][]} */ ([
        [() => 401, /^Could not load\. You may not see this\.\nstatus 401/], [() => '<!doctype html><title>Log in</title>', /^Could not load\. Something else than the server has answered/]])) {
        const own = await fixture({answers: {'GET api/rs/sessions': answer}}), {says, done} = await visit(chromium.browser, 'sessions.html', {own});
        await says('.banner', words);
        await done(/401 \(Unauthorized\)/);
        own.close();
    }
});
