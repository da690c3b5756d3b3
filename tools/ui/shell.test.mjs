/**
 * What pages say around themselves, in a real Chromium: that the server is away and was started again, whatever the page loads
 * meanwhile; what came of a question, after its dialog has closed; and which keys they take.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {fixture} from './pages-fixture.mjs';
import {freePort} from './rs2rtc.mjs';
import {UNREACHED, visit} from './visit.mjs';

const skip = without(CHROMIUM, 'Chromium');
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) chromium = await launch({mdns: 'show'});
});
after(() => chromium?.close());

test('that the server is away stays on the page while it asks in vain, and that it was started again while it loads', {skip}, async () => {
    // Nobody is given it meanwhile.
    const port = await freePort(), first = await fixture({port});
    const {page, says, press, done} = await visit(chromium.browser, 'camera.html?src=demo', {own: first, camera: true});
    // What comes above it moves it.
    await says('.drawer dl', /Release policy/);
    // The page asks again and again only while somebody looks at the details.
    await press('Info');
    await page.waitForSelector('#info:not([hidden])');
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
    let go = () => {};
    const pressed = new Promise(resolve => {
        go = () => resolve('');
    });
    // Who is answered at once has no dialog for the second one.
    const own = await fixture({answers: {'DELETE api/streams': (/** @type {any} */ call) => {
        own.state.calls.push(`delete ${call.query.get('src')}`);
        return pressed;
    }}}), {page, press, done} = await visit(chromium.browser, 'streams.html', {own});
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
    go();
    await page.waitForFunction(() => !document.querySelector('dialog'));
    assert.deepEqual(own.state.calls, ['delete demo']);
    await done();
    own.close();
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

test('what the server refuses is said with its kind in the language of the page, else as its own words', {skip}, async () => {
    for (const [lang, kind, words] of /** @type {[string, string, RegExp][]} */ ([
        ['zh', 'unreachable', /无法连接\ndial tcp: i\/o timeout/], ['zh', '', /服务器返回：dial tcp: i\/o timeout/], ['zh', 'toString', /服务器返回：dial/], ['en', '', /^Could not load\. dial tcp/]])) {
        const own = await fixture({answers: {'GET api/rs/sessions': ({response}) => {
            response.statusCode = 500;
            if (kind) response.setHeader('X-RS-Error', kind);
            return 'dial tcp: i/o timeout\n';
        }}});
        const {says, done} = await visit(chromium.browser, `sessions.html?lang=${lang}`, {own});
        await says('.banner', words);
        await done(/500 \(Internal/);
        own.close();
    }
});

test('what could not be loaded is copied with all that is known of it, but for passwords', {skip}, async () => {
    const own = await fixture({answers: {'GET api/rs/sessions': ({response}) => {
        response.statusCode = 500;
        return 'no answer of rtsp://admin:secret@192.168.1.64/x\n';
    }}});
    const {page, says, press, done} = await visit(chromium.browser, 'sessions.html', {own});
    await says('.banner', /^Could not load\. no answer/);
    await page.evaluate(() => {
        navigator.clipboard.writeText = async text => {
            document.body.dataset.copied = text;
        };
    });
    await press('Copy details', '.banner');
    await says('.toast', /Copied/);
    const [time, ...lines] = String(await page.$eval('body', body => /** @type {HTMLElement} */ (body).dataset.copied)).split('\n');
    assert.ok(Math.abs(Date.now() - Date.parse(time)) < 600_000, time);
    assert.deepEqual(lines, ['GET api/rs/sessions', '500', 'no answer of rtsp://***@192.168.1.64/x']);
    await done(/500 \(Internal/);
    own.close();
});

test('a question whose answer fails says so, and may be answered again', {skip}, async () => {
    const {page, says, press, done} = await visit(chromium.browser, 'sessions.html');
    await page.evaluate(async () => {
        const {ask} = await import(String(new URL('shell/ask.js', location.href)));
        let tries = 0;
        ask({title: 'Sure?', yes: 'Do it', async onyes() {
            document.body.dataset.tries = String(++tries);
            if (tries < 2) throw new Error('not now');
        }});
    });
    await press('Do it', 'dialog');
    await says('dialog .error', /^not now$/);
    await press('Do it', 'dialog');
    await page.waitForFunction(() => !document.querySelector('dialog'));
    assert.equal(await page.$eval('body', body => /** @type {HTMLElement} */ (body).dataset.tries), '2');
    await done();
});

test('a tile that fills the screen shows what is said, and is not grey while its picture comes', {skip}, async () => {
    const own = await fixture();
    own.state.streams = /** @type {any} */ ({a: {producers: [{id: 1, format_name: 'rtsp'}], consumers: null}, b: {producers: [{url: 'rtsp://192.168.1.70/x'}], consumers: null}});
    const {page, says, done} = await visit(chromium.browser, '', {own, camera: true});
    await page.waitForFunction(() => /** @type {any} */ (document.querySelector('[data-name=a] rs-player'))?.phase === 'live', {timeout: 60_000});
    await own.until(() => own.readers() > 0);
    await page.focus('[data-name=a]');
    await page.keyboard.press('f');
    await page.waitForFunction(() => document.fullscreenElement?.matches('[data-name=a]'));
    own.close();
    // It goes away by itself.
    await page.waitForFunction(() => /Server not reachable/.test(document.querySelector('[data-name=a] > .toast')?.textContent ?? '') && document.exitFullscreen().then(() => true), {polling: 'mutation', timeout: 60_000});
    await says('body > .toast', /Server not reachable/);
    await page.waitForSelector('.stale');
    const filters = () => page.evaluate(() => ['main', '[data-name=a]', '[data-name=a] .picture', '[data-name=a] .bar', '[data-name=b]', '.summary'].map(one => getComputedStyle(/** @type {Element} */ (document.querySelector(one))).filter !== 'none'));
    assert.deepEqual(await filters(), [false, false, false, true, true, true]);
    await done(UNREACHED);
});

test('a choice keeps the keys that mean something to it, a field those that are written; without single letters and signs the other keys are there', {skip}, async () => {
    const {page, done} = await visit(chromium.browser, 'camera.html?src=demo', {camera: true});
    await page.waitForFunction(() => /** @type {any} */ (document.querySelector('video'))?.videoWidth > 0, {timeout: 60_000});
    await page.click('.modes label:nth-of-type(1)');
    assert.equal(await page.evaluate(() => /** @type {any} */ (document.activeElement).type), 'radio');
    await page.keyboard.press('i');
    await page.waitForSelector('.camera > .stack > details[open]');
    await page.keyboard.press('ArrowRight');
    assert.deepEqual(await page.evaluate(() => [new URLSearchParams(location.search).get('src'), /** @type {any} */ (document.activeElement).value]), ['demo', 'webrtc'], 'the next choice, not the next camera');
    await page.goto(`${new URL(page.url()).origin}/?lang=en`);
    await page.waitForSelector('.tile');
    await page.evaluate(() => localStorage.setItem('rs.letters', 'false'));
    const columns = (/** @type {string} */ n) => page.waitForFunction(n => /** @type {any} */ (document.querySelector('.grid')).dataset.cols === n, {polling: 50}, n);
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction(() => document.activeElement?.matches('.tile:nth-child(2)'));
    await page.keyboard.press('[');
    await page.keyboard.press('1');
    await page.keyboard.press('g');
    await page.keyboard.press('s');
    await page.keyboard.press('Space');
    await page.waitForSelector('.tile:nth-child(2).playing');
    await page.keyboard.press('m');
    assert.equal(await page.$eval('.tile:nth-child(2) [aria-label=Sound]', node => node.getAttribute('aria-pressed')), null);
    await page.evaluate(() => localStorage.removeItem('rs.letters'));
    await page.keyboard.press('[');
    await columns('2');
    await page.keyboard.press('m');
    await page.waitForSelector('.tile:nth-child(2) [aria-label=Sound][aria-pressed=true]');
    await done();
});

test('what is touched is large enough for a finger, also on a screen as wide as a table', {skip}, async () => {
    for (const [path, ready] of [['', '.tile .start'], ['streams.html', 'tbody tr'], ['sessions.html', 'tbody tr'], ['camera.html?src=demo', '.controls button'], ['log.html', '.loglist li']]) {
        const {page, done} = await visit(chromium.browser, path, {width: 1180, height: 820, touch: true});
        await page.waitForSelector(ready);
        assert.ok(await page.evaluate(() => matchMedia('(pointer: coarse)').matches));
        assert.deepEqual(await page.$$eval('button, .button, select, .check, summary, .rail a, input:not([type=checkbox], [type=radio])', nodes => nodes.filter(one => one.checkVisibility()).map(one => [one.textContent || one.outerHTML, one.getBoundingClientRect().height])
            .filter(([, height]) => Number(height) < 44)), [], path);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), path);
        await done();
    }
});
