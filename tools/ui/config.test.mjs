/**
 * The configuration page in a real Chromium: the question whether to keep a change cannot be lost, a draft is not replaced unsaid, and the
 * review tells who watches what is changed.
 */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {fixture, HOSTILE} from './pages-fixture.mjs';
import {plainServer} from './plain-server.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';
import {visit} from './visit.mjs';

const skip = without(CHROMIUM, 'Chromium'), noServer = skip || without(BINARY, 'rs2rtc');
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

test('what was settled in another tab is told as it is, whatever is pressed here', {skip}, async () => {
    let version = '';
    const settled = (/** @type {any} */ call) => {
        call.response.statusCode = 409;
        return {version};
    }, own = await fixture({answers: {'POST api/rs/config/confirm': settled, 'DELETE api/rs/config/confirm': settled}}), {page, says, press, done} = await drafted(own);
    for (const [words, is, told] of /** @type {const} */ ([['Keep', 'v2', /^In force\.$/], ['Go back', 'v3', /^In force\.$/], ['Keep', 'v9', /^Too late: the configuration before/], ['Go back', 'v9', /^The configuration before/]])) {
        await page.evaluate(() => /** @type {HTMLElement|null|undefined} */ (document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-content'))?.focus());
        await page.keyboard.type('# more\n');
        await press('Review and apply', '.tools');
        await page.waitForSelector('dialog .diff .add');
        await press('undo in 60 s', 'dialog');
        await page.waitForFunction(() => document.querySelectorAll('dialog').length === 1 && document.querySelector('dialog .primary')?.textContent === 'Keep');
        version = is;
        own.state.left = 0;
        await page.$eval('body', n => n.querySelector('.toast')?.remove());
        await press(words, 'dialog .row');
        await says('.toast', told);
        await page.waitForFunction(() => !document.querySelector('dialog'));
    }
    await done(/409 \(Conflict\)/);
    own.close();
});

test('an answer from before the question was settled does not ask it again', {skip}, async () => {
    let answer = (/** @type {any} */ _value) => {}, asked = 0;
    const versions = {unconfirmed: null, versions: [], unavailable: null}, own = await fixture({answers: {'GET api/rs/config/versions': () => asked++ === 1 ? new Promise(resolve => answer = resolve) : {version: own.state.version, ...versions}}}), {page, says, press, done} = await drafted(own);
    await press('Review and apply', '.tools');
    await page.waitForSelector('dialog .diff .add');
    await press('undo in 60 s', 'dialog');
    await says('dialog h2', /Keep this configuration/);
    await press('Keep', 'dialog .row');
    await own.until(() => asked === 3);
    const late = page.waitForResponse(response => response.url().endsWith('/api/rs/config/versions') && response.text().then(text => text.includes('late')));
    answer({version: 'v2', ...versions, unconfirmed: {left_ms: 50_000}, saved: Date.now(), by: 'late'});
    // What comes of it is there before the answer to this.
    await late;
    await page.evaluate(() => fetch('api/streams').then(answer => answer.text()));
    assert.equal(await page.$('dialog'), null);
    assert.ok(!/by late/.test(await page.$eval('main', n => n.textContent ?? '')), 'what came later is newer');
    await done();
    own.close();
});

test('what is pressed twice is done once, and a file that cannot be read is no conflict', {skip}, async () => {
    const ends = /** @type {((value: unknown) => void)[]} */ ([]), bases = /** @type {string[]} */ ([]);
    let reads = true;
    const own = await fixture({answers: {
        'GET api/config': (/** @type {any} */ call) => {
            call.response.setHeader('etag', '"v1"');
            return reads ? own.state.config : 500;
        },
        'POST api/rs/config/apply': (/** @type {any} */ call) => {
            bases.push(call.query.get('base'));
            return new Promise(resolve => ends.push(resolve));
        },
    }}), {page, says, press, done} = await drafted(own);
    await press('Review and apply', '.tools');
    await page.waitForSelector('dialog .diff .add');
    reads = false;
    await page.$eval('dialog .primary', n => /** @type {HTMLElement} */ (n).click());
    await own.until(() => ends.length === 1);
    await page.$$eval('dialog .row button:not(:first-child)', nodes => {
        for (const node of nodes) node.click();
    });
    // It would have gone out before this one.
    await page.evaluate(() => fetch('api/streams').then(answer => answer.text()));
    assert.deepEqual(bases, ['v1']);
    ends[0](409);
    await says('.toast', /status 500/);
    assert.equal(await page.$('dialog'), null);
    page.on('dialog', dialog => dialog.accept());
    await done(/409 \(Conflict\)|500 \(Internal/);
    own.close();
});

test('what is said of a text is not said of the one that was written meanwhile', {skip}, async () => {
    /** Questions that wait for their answers. */
    const held = /** @type {Map<string, (found: string) => void>} */ (new Map()), problem = (/** @type {string} */ text) => ({line: 1, column: 1, path: 'api.listen', text, severity: 'error'});
    const own = await fixture({answers: {'POST api/rs/config/check': (/** @type {{body: string}} */ {body}) => new Promise(resolve => held.set(body, found => resolve({valid: false, problems: [problem(found)], changes: [], restart_required: []})))}});
    const {page, says, done} = await drafted(own), asked = async (/** @type {RegExp} */ text) => {
        await own.until(() => [...held.keys()].some(body => text.test(body)));
        return [...held].filter(([body]) => text.test(body)).map(([, answer]) => answer);
    };
    const before = await asked(/# draft\n(?!#)/);
    await page.evaluate(() => {
        const heard = /** @type {string[]} */ ([]);
        Object.assign(window, {heard});
        new MutationObserver(() => heard.push(document.querySelector('main')?.textContent ?? '')).observe(/** @type {Element} */ (document.querySelector('main')), {subtree: true, childList: true, characterData: true});
    });
    await page.keyboard.type('#');
    for (const answer of before) answer('of the text before');
    for (const answer of await asked(/# draft\n#/)) answer('of this text');
    await says('main', /of this text/);
    assert.ok(!await page.evaluate(() => /** @type {any} */ (window).heard.some((/** @type {string} */ text) => text.includes('of the text before'))));
    await done();
    own.close();
});

test('an earlier version says that it replaces what is not applied', {skip}, async () => {
    const own = await fixture(), {page, says, press, done} = await drafted(own);
    await page.waitForSelector('.tools option[value="3"]');
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

test('what is written while the file is loaded again stays, and a file of somebody else is a question', {skip}, async () => {
    let read = () => /** @type {any} */ (own.state.config);
    const own = await fixture({answers: {'GET api/config': (/** @type {any} */ call) => {
        call.response.setHeader('etag', `"${own.state.version}"`);
        return read();
    }}}), {page, says, press, done} = await drafted(own), asked = (/** @type {string} */ path) => own.requests.filter(one => one === path).length;
    const type = async (/** @type {string} */ text) => {
        await page.evaluate(() => /** @type {HTMLElement|null|undefined} */ (document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-content'))?.focus());
        await page.keyboard.type(text);
    };
    const keep = async () => {
        await press('Review and apply', '.tools');
        await page.waitForSelector('dialog .diff .add');
        await press('undo in 60 s', 'dialog');
        await press('Keep', 'dialog .row');
        await page.waitForFunction(() => !document.querySelector('dialog'));
    };
    let answer = (/** @type {any} */ _text) => {};
    read = () => new Promise(resolve => answer = resolve);
    const before = asked('/api/config');
    await keep();
    await own.until(() => asked('/api/config') > before);
    await type('# later\n');
    const looks = asked('/api/rs/config/versions');
    answer(own.state.config);
    await own.until(() => asked('/api/rs/config/versions') > looks);
    assert.match(await written(page), /^# draft\n# later\n/);
    await says('main p', /changed, not in force/);
    // It fails, and somebody else writes before it is tried again.
    read = () => 500;
    await keep();
    await says('.banner', /status 500/);
    await type('# mine\n');
    Object.assign(own.state, {config: `${own.state.config}# theirs\n`, version: 'v9'});
    read = () => own.state.config;
    await page.click('.banner button');
    await says('dialog h2', /Changed on disk meanwhile/);
    assert.match(await written(page), /^# draft\n# later\n# mine\n/);
    await press('Go on with mine', 'dialog');
    await says('main p', /changed, not in force/);
    await keep();
    assert.deepEqual(own.state.calls.filter(one => one.startsWith('apply')), ['apply v1', 'apply v2', 'apply v9']);
    await done(/500 \(Internal/);
    own.close();
});

/** The text in the editor. @param {import('puppeteer-core').Page} page */
const written = page => page.$eval('.editor > div', node => [...node.shadowRoot?.querySelectorAll('.cm-line') ?? []].map(line => line.textContent).join('\n'));
/** The text or the form. @param {import('puppeteer-core').Page} page @param {string} view */
const look = (page, view) => page.$eval(`.modes [value=${view}]`, node => /** @type {HTMLElement} */ (node).click());

test('the form changes its own place in the text, and leaves the rest as it is', {skip}, async () => {
    const own = await fixture(), lines = ['# mine', 'api:', '  listen: ":1984"  # all of them', '  odd: 1', 'log:', '  level: &how info', 'streams:', '  demo: "demo:"', ''];
    own.state.config = lines.join('\n');
    const {page, says, press, done} = await visit(chromium.browser, 'config.html', {own});
    await says('p', /in force/);
    await look(page, 'form');
    const field = (/** @type {string} */ name) => `[aria-describedby=field-${name}]`;
    await page.waitForSelector(field('api-listen'));
    assert.equal(await page.$eval('.editor', n => n.checkVisibility()), false);
    const seen = await page.$$eval('.fields :is(input, select)', nodes => nodes.map(n => [n.getAttribute('aria-describedby'), n.value, n.placeholder ?? n.options[0].textContent, n.disabled]));
    assert.deepEqual(seen, [['field-api-listen', ':1984', ':1984', false], ['field-api-local_auth', '', 'Not set', false], ['field-log-level', '', 'Not set', true]]);
    assert.match(await page.$eval('.fields', n => n.textContent ?? ''), /listen.*Where it listens/);
    assert.deepEqual(await page.$$eval('details.card', nodes => nodes.map(n => [n.querySelector('summary')?.textContent, n.open])), [['api 1 set', true], ['log 1 set', true]]);
    // What is typed on the way leaves nothing, and a field that is emptied and filled again keeps its line.
    await page.click(field('api-listen'), {count: 3});
    await page.keyboard.press('Backspace');
    await page.keyboard.type(':1985');
    await page.select(field('api-local_auth'), 'true');
    await says('p', /changed, not in force/);
    await look(page, 'text');
    assert.equal(await written(page), lines.with(2, '  listen: ":1985"  # all of them').toSpliced(4, 0, '  local_auth: true').join('\n'));
    await look(page, 'form');
    await page.select(field('api-local_auth'), '');
    await page.click(field('api-listen'), {count: 3});
    await page.keyboard.type(':1984');
    await says('p', /(^|· )in force/);
    // What is wrong stands at its field, and is gone to there.
    await page.click(field('api-listen'), {count: 3});
    own.state.check = () => ({valid: false, problems: [{line: 3, column: 3, path: 'api.listen', text: 'no address', severity: 'error'}, {line: 4, column: 3, path: 'api.odd', text: 'unknown key', severity: 'warning'}], changes: [], restart_required: []});
    await page.keyboard.type('broken');
    await says('#field-api-listen .state', /no address/);
    await page.focus(field('api-local_auth'));
    await page.keyboard.press('F8');
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-describedby')), 'field-api-listen');
    await page.keyboard.press('F8');
    await page.waitForFunction(() => document.querySelector('.editor')?.checkVisibility() && document.activeElement?.shadowRoot?.querySelector('.cm-activeLine')?.textContent === '  odd: 1');
    await look(page, 'form');
    await press('line 3', '.problems');
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-describedby')), 'field-api-listen');
    await done();
    own.close();
});

test('nothing is asked of an editor that is not there yet, and of text and form the one chosen last is shown', {skip}, async () => {
    const ends = /** @type {((value: unknown) => void)[]} */ ([]), own = await fixture({answers: {'GET schema.json': () => new Promise(resolve => ends.push(resolve))}}), {page, done} = await visit(chromium.browser, 'config.html', {own});
    await own.until(() => ends.length > 0);
    const enabled = () => page.$$eval('.tools > button:enabled', nodes => nodes.length);
    assert.equal(await enabled(), 0);
    ends[0]({type: 'object', properties: {log: {type: 'object', properties: {level: {enum: ['info', 'debug']}}}}});
    await page.waitForSelector('.modes:not([hidden])');
    assert.equal(await enabled(), 3);
    await page.evaluate(() => {
        for (const one of ['form', 'text', 'form', 'text']) /** @type {HTMLElement|null} */ (document.querySelector(`.modes [value=${one}]`))?.click();
    });
    await page.waitForSelector('form.stack');
    // What it does then, it does in the same turn.
    await page.evaluate(() => new Promise(resolve => setTimeout(resolve)));
    assert.deepEqual(await page.$$eval('.editor, form.stack', nodes => nodes.map(n => n.checkVisibility())), [true, false]);
    await done();
    own.close();
});

test('a configuration that is not there yet is written from the page, and its mistakes are told in the language of the page', {skip: noServer}, async () => {
    const server = await rs2rtc(null), page = await chromium.browser.newPage(), says = (/** @type {RegExp} */ text) => page.waitForFunction(text => new RegExp(text).test(document.body.textContent ?? ''), {polling: 50}, text.source);
    const control = async (/** @type {import('puppeteer-core').KeyInput} */ key) => {
        await page.keyboard.down('Control');
        await page.keyboard.press(key);
        await page.keyboard.up('Control');
    };
    await page.goto(`${server.url}config.html?lang=zh`);
    await page.waitForFunction(() => /# front_door: rtsp:/.test(document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-content')?.textContent ?? ''));
    // Nobody has written that.
    await says(/ · 已生效/);
    await page.evaluate(() => /** @type {HTMLElement|null|undefined} */ (document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-content'))?.focus());
    await control('End');
    await page.keyboard.type('  new: exec:true');
    // The mark of what only the file can set.
    await page.waitForFunction(() => document.querySelector('.editor > div')?.shadowRoot?.querySelectorAll('.cm-program').length === 1);
    await control('Home');
    await page.keyboard.type('lgo: {level: debug}\n');
    await says(/lgo: 未知配置项，是否想写“log”？/);
    // One of no kind that has words is told as the server says it.
    await page.keyboard.type('preload: {nobody: }\n');
    await says(/preload.nobody: no stream of this name/);
    await says(/lgo: 未知配置项，是否想写“log”？/);
    await control('Enter');
    await page.waitForSelector('dialog .diff .add');
    await page.$$eval('dialog button.primary', nodes => /** @type {HTMLElement} */ (nodes.at(-1)).click());
    await page.waitForFunction(() => !document.querySelector('dialog'));
    await says(/ · 已生效/);
    assert.match(readFileSync(server.file, 'utf8'), /\n {2}new: exec:true/);
    assert.ok('new' in await (await fetch(`${server.url}api/streams`)).json());
    await page.close();
    await server.stop();
});

test('the form of the release binary: every section, in braces too, put in force', {skip: noServer}, async () => {
    const server = await rs2rtc('log: {level: info} # as it was\nstreams:\n  cam: demo:\n'), page = await chromium.browser.newPage();
    await page.goto(`${server.url}config.html?lang=en`);
    await page.waitForFunction(() => /in force · nothing is wrong/.test(document.querySelector('main p')?.textContent ?? ''));
    await look(page, 'form');
    await page.waitForSelector('[aria-describedby=field-log-level]');
    const sections = await page.$$eval('details.card summary strong', nodes => nodes.map(n => n.textContent));
    assert.deepEqual(['api', 'rtsp', 'webrtc', 'log', 'defaults', 'compat'].filter(one => !sections.includes(one)), []);
    assert.equal(await page.$eval('[aria-describedby=field-api-password]', n => n.type), 'password');
    assert.equal(await page.$eval('[aria-describedby=field-api-listen]', n => n.value), `127.0.0.1:${server.port}`);
    await page.select('[aria-describedby=field-log-level]', 'debug');
    await page.click('details:has([aria-describedby=field-defaults-linger]) summary');
    await page.type('[aria-describedby=field-defaults-linger]', '5s');
    await page.waitForFunction(() => /changed, not in force · nothing is wrong/.test(document.querySelector('main p')?.textContent ?? ''), {polling: 50}).catch(async err => assert.fail(`${err.message} ${await page.$eval('main', n => n.textContent)}`));
    await page.keyboard.down('Control');
    await page.keyboard.press('Enter');
    await page.keyboard.up('Control');
    await page.waitForSelector('dialog .diff .add');
    await page.$eval('dialog .primary', n => /** @type {HTMLElement} */ (n).click());
    await page.waitForFunction(() => !document.querySelector('dialog') && /saved \d\d:\d\d · in force/.test(document.querySelector('main p')?.textContent ?? ''));
    const file = readFileSync(server.file, 'utf8');
    assert.match(file, /\nlog: \{level: debug\} # as it was\nstreams:\n {2}cam: demo:\ndefaults:\n {2}linger: 5s\n$/);
    await page.close();
    await server.stop();
});

test('when it was saved, and by whom where the server tells', {skip}, async () => {
    const told = {saved: Date.now(), by: 'admin'}, own = await fixture({answers: {'GET api/rs/config/versions': () => ({version: 'v1', unconfirmed: null, versions: [], unavailable: null, ...told})}});
    const {page, says, done} = await visit(chromium.browser, 'config.html', {own});
    await says('main p', /· saved \d\d:\d\d by admin · in force/);
    Object.assign(told, {saved: Date.now() - 40 * 86_400_000, by: undefined});
    await page.reload();
    await says('main p', /· saved [A-Z][a-z]+ \d+, \d{4}, [\d:]+.[AP]M · in force/);
    await done();
    own.close();
});

test('what may lock one out is undone unless it is confirmed: that is what Enter does', {skip}, async () => {
    const own = await fixture(), {page, press, done} = await drafted(own);
    for (const [path, restart, words] of /** @type {[string, string[], string][]} */ ([['api.username', [], 'Apply, undo in 60 s unless I confirm'], ['api.listen', ['api.listen'], 'Apply'], ['streams.gate', [], 'Apply']])) {
        own.state.check = () => ({valid: true, problems: [], changes: [{path, change: 'changed'}], restart_required: restart});
        await press('Review and apply', '.tools');
        await page.waitForSelector('dialog .diff');
        assert.equal(await page.$eval('dialog .primary', n => n.textContent), words, path);
        assert.equal(await page.$eval('dialog', n => /may lock you out/.test(n.textContent ?? '')), words !== 'Apply');
        await press('Cancel', 'dialog');
        await page.waitForFunction(() => !document.querySelector('dialog'));
    }
    await done();
    own.close();
});

test('on a phone the editor has no gutter, and problems are a sheet', {skip}, async () => {
    const own = await fixture();
    own.state.config = 'api:\n  lisen: x\n';
    const {page, says, done} = await visit(chromium.browser, 'config.html', {own, width: 390, height: 800, touch: true});
    await says('.handle', /1 problem/);
    const gutters = () => page.$eval('.editor > div', n => [...n.shadowRoot?.querySelectorAll('.cm-gutters') ?? []].map(one => getComputedStyle(one).display));
    assert.deepEqual(await gutters(), ['none']);
    const box = () => page.$eval('.problems button', n => n.checkVisibility({visibilityProperty: true}));
    assert.equal(await box(), false);
    await page.click('.handle');
    await page.waitForFunction(() => document.querySelector('.problems button')?.checkVisibility({visibilityProperty: true}) && document.querySelector('.handle')?.getAttribute('aria-expanded') === 'true');
    await page.$eval('.problems button', n => n.click());
    await page.waitForFunction(() => document.querySelector('.handle')?.getAttribute('aria-expanded') === 'false' && document.activeElement?.shadowRoot?.querySelector('.cm-activeLine')?.textContent === '  lisen: x');
    // Nothing wrong, nothing there.
    own.state.config = 'api:\n  listen: ":1"\n';
    await page.reload();
    await says('main p', /nothing is wrong/);
    assert.equal(await page.$eval('.drawer', n => n.checkVisibility()), false);
    await page.setViewport({width: 1280, height: 800, hasTouch: true, isMobile: true});
    assert.notDeepEqual(await gutters(), ['none']);
    await done();
    own.close();
});

test('at a go2rtc the file is written as it is, unless somebody else has changed it', {skip: noServer}, async () => {
    const server = await rs2rtc('streams:\n  cam: demo:\n'), plain = await plainServer(server.port), {page, says, press, done} = await visit(chromium.browser, 'config.html', {own: /** @type {any} */ ({url: plain.url, close() {}})});
    await says('main p', /in force/);
    await page.waitForSelector('body.plain');
    await page.waitForFunction(() => document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-content'));
    assert.deepEqual(await page.$$eval('.tools button, .tools select', nodes => nodes.filter(n => n.checkVisibility()).map(n => n.textContent)), ['Review and apply', 'Download']);
    assert.equal(await page.$eval('.banner', n => n.checkVisibility()), false, 'one may write');
    const write = async (/** @type {string} */ text) => {
        await page.evaluate(() => /** @type {HTMLElement|null|undefined} */ (document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-content'))?.focus());
        await page.keyboard.down('Control');
        await page.keyboard.press('End');
        await page.keyboard.up('Control');
        await page.keyboard.type(text);
        await press('Review and apply', '.tools');
        await page.waitForSelector('dialog .diff .add');
        await page.$$eval('dialog button', nodes => nodes.find(n => n.textContent === 'Save')?.click());
    };
    await write('# one\n');
    await says('.toast', /holds from the next start on/);
    assert.match(readFileSync(server.file, 'utf8'), /\n# one\n$/);
    await says('main p', /saved \d\d:\d\d · in force/);
    const theirs = `${readFileSync(server.file, 'utf8')}# theirs\n`;
    await fetch(`${server.url}api/config`, {method: 'POST', body: theirs});
    await write('# two\n');
    await says('dialog h2', /Changed on disk meanwhile/);
    assert.equal(readFileSync(server.file, 'utf8'), theirs);
    assert.deepEqual([...new Set(plain.missed)], ['/api/rs/events']);
    await page.$$eval('dialog button', nodes => nodes.find(n => n.textContent === 'Go on with mine')?.click());
    page.on('dialog', dialog => dialog.accept());
    await done(/404 \(Not Found\) .*\/api\/rs\/events/);
    plain.close();
    await server.stop();
});
