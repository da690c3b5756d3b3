/**
 * Every page and every flow of the web interface in a real Chromium, under the product's content security policy: no error on the
 * console, nothing from elsewhere, no finding of axe-core, in both languages, both themes, on a desk and on a phone. With
 * `SCREENSHOTS=folder` the pages are kept as pictures, with `PAGES_BROWSER=firefox` it is Firefox (`firefox.test.mjs`).
 */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {after, before, test} from 'node:test';
import {CHROMIUM, FIREFOX, isDebian, launch, launchFirefox, without} from './browser.mjs';
import {fixture, HOSTILE, LONG, STREAMS} from './pages-fixture.mjs';
import {pageCamera} from './page-camera.mjs';
import {freePort} from './rs2rtc.mjs';
import {stripCells} from './strip.mjs';
import {NO_FAULT, UNREACHED} from './visit.mjs';

const isFirefox = process.env.PAGES_BROWSER === 'firefox';
const skip = isFirefox ? without(FIREFOX, 'Firefox', isDebian()) : without(CHROMIUM, 'Chromium');
/** @type {typeof import('jsqr').default} */
const jsQR = skip ? /** @type {any} */ (null) : createRequire(import.meta.url)('jsqr');
const AXE = skip ? '' : readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const SRC = encodeURIComponent(HOSTILE);
const PAGES = {'': '.tile', 'streams.html': 'tbody tr', 'sessions.html': 'tbody tr', 'add.html': '.examples button', 'log.html': '.loglist li', 'config.html': '.problems',
    'net.html': '.graph g, .table td', [`links.html?src=${SRC}`]: '.urls li', 'doctor.html': '.checks li:nth-child(7) .state:not([data-state=run])', [`camera.html?src=${SRC}`]: 'rs-player .info'};

/** @type {Awaited<ReturnType<typeof launch>>} */
let started;
/** @type {Awaited<ReturnType<typeof fixture>>} */
let server;

before(async () => {
    if (skip) return;
    server = await serve({base: '/a/b/', errors: {gate: 'rtsp: dial 192.168.1.70:554: connection refused', [HOSTILE]: 'rtsp: timed out'}});
    started = isFirefox ? await launchFirefox() : await launch({mdns: 'show'});
});
after(async () => {
    await started?.close();
    for (const one of served) one.close();
});

/** All servers of the tests: one that is left by a test that fails would keep the whole run from its end. @type {Awaited<ReturnType<typeof fixture>>[]} */
const served = [];
/** @param {Parameters<typeof fixture>[0]} [options] */
async function serve(options) {
    const one = await fixture(options);
    served.push(one);
    return one;
}

/** The page of the last test. @type {import('puppeteer-core').Page|null} */
let last = null;
/** A page whose faults are gathered; `done` wants none but the expected ones. @param {{own?: any, camera?: boolean}} [options] */
async function open(options = {}) {
    await last?.close().catch(() => {});
    const own = options.own ?? server, page = await started.browser.newPage(), faults = /** @type {string[]} */ ([]);
    last = page;
    await page.setViewport({width: 1280, height: 800});
    page.on('console', msg => {
        if (['error', 'warn'].includes(msg.type()) && !NO_FAULT.test(msg.text())) faults.push(`${msg.text()} ${msg.location()?.url ?? ''}`);
    });
    page.on('pageerror', err => faults.push(String(/** @type {any} */ (err).stack ?? err)));
    page.on('request', request => {
        if (!request.url().startsWith(own.url) && !/^(data|blob):/.test(request.url())) faults.push(`asks ${request.url()}`);
    });
    if (options.camera) await page.evaluateOnNewDocument(`(${pageCamera})(${stripCells})`);
    await page.evaluateOnNewDocument(() => {
        try {
            if (!new URLSearchParams(location.search).has('lang')) localStorage.setItem('rs.lang', 'en');
        } catch { /* no storage yet */ }
    });
    await page.evaluateOnNewDocument(() => document.addEventListener('securitypolicyviolation', ev => console.error(`policy: ${ev.violatedDirective} ${ev.blockedURI} ${ev.sample}`)));
    return {page, faults, async done(/** @type {RegExp[]} */ ...expected) {
        await page.close();
        last = null;
        assert.deepEqual(faults.filter(fault => !expected.some(pattern => pattern.test(fault))), []);
        // Firefox does not tell tests of requests that failed.
        for (const pattern of isFirefox ? [] : expected) assert.ok(faults.some(fault => pattern.test(fault)), `expected: ${pattern}`);
    }};
}

/** @param {import('puppeteer-core').Page} page @param {string} what @param {string[]} [rules] only these @param {string[]} [without] not these */
async function accessible(page, what, rules, without = []) {
    if (!await page.evaluate(() => 'axe' in window)) await page.evaluate(AXE);
    const found = await page.evaluate(async (only, without) => {
        const {violations} = await /** @type {any} */ (window).axe.run(document, {resultTypes: ['violations'], ...only ? {runOnly: only} : {}, rules: Object.fromEntries(without.map(id => [id, {enabled: false}]))});
        return violations.map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => `${n.html.slice(0, 160)} ${n.any.map(a => a.message).join(' ')}`).join(' | ')}`);
    }, rules, without);
    assert.deepEqual(found, [], what);
}

/** What the system prefers; Firefox cannot be told by tests, so the page is. @param {import('puppeteer-core').Page} page @param {string} scheme */
async function setTheme(page, scheme) {
    if (isFirefox) await page.evaluate(s => { document.documentElement.dataset.theme = s; }, scheme);
    else await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value: scheme}]);
}

const text = (page, selector) => page.$eval(selector, node => node.textContent ?? '');
const waitText = (page, selector, pattern) => page.waitForFunction((s, p) => [...document.querySelectorAll(s)].some(n => new RegExp(p).test(n.textContent ?? '')), {timeout: 60_000}, selector, pattern.source);
/** Clicks the button or link with these words. */
const press = async (page, words, within = 'body') => {
    const handle = await page.waitForSelector(`${within} ::-p-text(${words})`, {visible: true});
    await (await handle.evaluateHandle(node => node.closest('button, a, summary, label') ?? node)).click();
};

/** What a QR code on the page says, read from its picture. @param {import('puppeteer-core').Page} page */
async function readCode(page) {
    const picture = await (await page.$('dialog svg.qr'))?.screenshot({encoding: 'base64'});
    const {pixels, width, height} = await page.evaluate(async src => {
        const image = Object.assign(new Image(), {src});
        await image.decode();
        const {width, height} = image, context = /** @type {CanvasRenderingContext2D} */ (Object.assign(document.createElement('canvas'), {width, height}).getContext('2d'));
        context.drawImage(image, 0, 0);
        const {data} = context.getImageData(0, 0, width, height);
        // A list of numbers takes the driver seconds.
        let pixels = '';
        for (let i = 0; i < data.length; i += 4096) pixels += String.fromCharCode(...data.subarray(i, i + 4096));
        return {pixels, width, height};
    }, `data:image/png;base64,${picture}`);
    return jsQR(Uint8ClampedArray.from(pixels, one => one.charCodeAt(0)), width, height)?.data;
}

for (const [path, ready] of Object.entries(PAGES)) {
    const name = path.split(/[.?]/)[0] || 'live';
    test(`${name}: both languages, both themes, desk and phone`, {skip}, async () => {
        const {page, done} = await open();
        for (const lang of ['en', 'zh']) {
            await setTheme(page, 'light');
            await page.setViewport({width: 1280, height: 800});
            await page.goto(`${server.url}${path}${path.includes('?') ? '&' : '?'}lang=${lang}`);
            await page.waitForSelector(ready, {timeout: 60_000});
            if (name === 'config') await page.waitForFunction(() => document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-content'));
            assert.equal(await page.$eval('html', n => n.lang), lang === 'zh' ? 'zh-CN' : 'en');
            for (const [scheme, width] of [['light', 1280], ['dark', 1280], ['light', 390], ['dark', 390]]) {
                await setTheme(page, String(scheme));
                await page.setViewport({width: Number(width), height: 800});
                const what = `${name} ${lang} ${scheme} ${width}`;
                assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, `${what}: no horizontal scroll`);
                // What belongs on one line is on one.
                const lines = await page.evaluate(() => ['.rail > a:not(.wide) > span, .rail .more summary > span', '.camera .controls > button'].map(one => new Set([...document.querySelectorAll(one)]
                    .filter(node => node.checkVisibility()).map(node => Math.round(node.getBoundingClientRect().top + node.clientHeight / 2))).size));
                if (width === 390) assert.ok(lines[0] === 1 && lines[1] <= 1, `${what}: ${lines} lines`);
                // The other theme changes colours only.
                const rules = scheme === (width === 1280 ? 'dark' : 'light') ? ['color-contrast'] : lang === 'zh' ? ['color-contrast', 'button-name', 'label', 'link-name'] : undefined;
                await accessible(page, what, rules);
                if (process.env.SCREENSHOTS) await page.screenshot({path: /** @type {any} */ (`${process.env.SCREENSHOTS}/${name}-${lang}-${scheme}-${width}.png`)});
            }
            if (lang === 'zh') {
                const plain = await page.$$eval('button, .rail a', nodes => nodes.map(n => (n.textContent || n.getAttribute('aria-label') || '').trim()).filter(s => /^[a-zA-Z ]{4,}$/.test(s)));
                assert.deepEqual(plain.filter(s => !['WebRTC', 'MJPEG'].includes(s)), [], 'labels are translated');
            }
        }
        await done();
    });
}

test('the bare players: both languages, both themes, desk and phone, with an error, with nothing to play, and while they play', {skip}, async () => {
    const {page, done} = await open({camera: true}), says = /** @param {string} selector */ selector => page.waitForFunction(s => [...document.querySelectorAll(s)].some(n => n.textContent?.trim()), {timeout: 60_000}, selector);
    for (const lang of ['en', 'zh']) {
        // The camera in the page plays `demo`, and `gate` fails at the server.
        for (const path of ['stream.html?src=gate&mode=mjpeg', 'stream.html?src=demo', 'stream.html', 'webrtc.html?src=demo', 'webrtc.html', 'webrtc-sync.html?src=gate', 'webrtc-sync.html', 'hls.html?src=gate', 'hls.html']) {
            await page.goto(`${server.url}${path}${path.includes('?') ? '&' : '?'}lang=${lang}`);
            if (path.includes('demo')) await page.waitForFunction(() => /** @type {any} */ (document.querySelector('video'))?.videoWidth > 0, {timeout: 60_000});
            else await says('.status, .hint, p');
            for (const [scheme, width] of [['light', 1280], ['dark', 390]]) {
                await setTheme(page, String(scheme));
                await page.setViewport({width: Number(width), height: 800});
                const what = `${path} ${lang} ${scheme} ${width}`;
                assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, `${what}: no horizontal scroll`);
                // A picture in a frame has no heading of its own: its page's title names it.
                await accessible(page, what, undefined, ['page-has-heading-one']);
            }
        }
    }
    await done(/404 \(Not Found\)/);
});

test('the colours of the person: states have their signs, what is pressed and what has the focus is seen, drawings are readable in any theme', {skip: isFirefox ? 'Firefox cannot be told by tests' : skip}, async () => {
    const {page, done} = await open(), devtools = await page.createCDPSession();
    /** What system colours are now. */
    const system = () => page.evaluate(() => Object.fromEntries(['Canvas', 'CanvasText', 'Highlight', 'HighlightText'].map(name => {
        const node = document.body.appendChild(document.createElement('i'));
        node.style.setProperty('forced-color-adjust', 'none');
        node.style.setProperty('color', name);
        const {color} = getComputedStyle(node);
        node.remove();
        return [name, color];
    })));
    /** How the element that has the focus shows it. */
    const focus = () => page.evaluate(() => {
        const node = /** @type {Element} */ (document.activeElement), drawn = node.querySelector('rect'), style = getComputedStyle(drawn ?? node);
        return drawn ? [style.stroke, style.strokeWidth] : [style.outlineColor, style.outlineStyle === 'solid' ? style.outlineWidth : style.outlineStyle];
    });
    for (const [scheme, theme] of [['light', 'dark'], ['dark', 'light']]) {
        await devtools.send('Emulation.setEmulatedMedia', {features: [{name: 'forced-colors', value: 'active'}, {name: 'prefers-color-scheme', value: scheme}]});
        for (const [path, ready] of Object.entries(PAGES)) {
            await page.goto(`${server.url}${path}${path.includes('?') ? '&' : '?'}lang=en`);
            await page.evaluate(theme => { document.documentElement.dataset.theme = theme; }, theme);
            await page.waitForSelector(ready, {timeout: 60_000});
            const what = `${path} ${scheme}`, colours = await system();
            assert.ok(await page.evaluate(() => matchMedia('(forced-colors: active)').matches));
            assert.notEqual(colours.Canvas, colours.CanvasText);
            await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
            for (let i = 0; i < 8; i++) {
                await page.keyboard.press('Tab');
                const [colour, width] = await focus();
                assert.ok(parseFloat(width) >= 2 && ![colours.Canvas, 'rgba(0, 0, 0, 0)'].includes(colour), `${what}: the focus on ${await page.evaluate(() => document.activeElement?.outerHTML.slice(0, 80))}: ${width} ${colour}`);
            }
            assert.deepEqual(await page.$eval('.rail [aria-current]', n => [getComputedStyle(n).backgroundColor, getComputedStyle(n).color]), [colours.Highlight, colours.HighlightText], what);
            const signs = await page.$$eval('.state[data-state]', nodes => nodes.filter(n => n.checkVisibility()).map(n => [n.getAttribute('data-state'), getComputedStyle(n, '::before').content, n.textContent?.trim()]));
            for (const [state, sign, words] of signs) assert.ok(sign !== 'none' && words, `${what}: ${state} ${sign} ${words}`);
        }
        // The connection: whole or hollow, not only green or grey.
        await page.goto(`${server.url}streams.html?lang=en`);
        await page.evaluate(theme => { document.documentElement.dataset.theme = theme; }, theme);
        await page.waitForSelector('.dot[data-state=live]');
        const dot = () => page.$eval('.dot', n => getComputedStyle(n).borderTopWidth);
        const whole = await dot();
        await page.$eval('.dot', n => { /** @type {HTMLElement} */ (n).dataset.state = 'connecting'; });
        assert.deepEqual([whole, await dot()], ['5px', '2px']);
        await page.goto(`${server.url}net.html?lang=en`);
        await page.evaluate(theme => { document.documentElement.dataset.theme = theme; }, theme);
        await page.waitForSelector('.graph g');
        const colours = await system();
        await page.$eval('.graph g', n => /** @type {any} */ (n).focus());
        await page.keyboard.press('ArrowRight');
        assert.deepEqual(await focus(), [colours.Highlight, '2px']);
        assert.deepEqual(await page.evaluate(() => ['.graph .head', '.graph g text'].map(one => getComputedStyle(/** @type {Element} */ (document.querySelector(one))).fill)), [colours.CanvasText, colours.CanvasText]);
        assert.deepEqual(await page.$eval('.graph g:last-of-type rect', n => [getComputedStyle(n).fill, getComputedStyle(n).stroke]), [colours.Canvas, colours.CanvasText]);
        if (process.env.SCREENSHOTS) await page.screenshot({path: /** @type {any} */ (`${process.env.SCREENSHOTS}/forced-${scheme}.png`)});
    }
    await done();
});

test('every page in a frame of the same origin', {skip}, async () => {
    const {page, done} = await open();
    await page.goto(`${server.url}log.html`);
    for (const [path, ready] of Object.entries(PAGES)) {
        await page.evaluate(src => {
            document.querySelector('iframe')?.remove();
            document.body.append(Object.assign(document.createElement('iframe'), {src}));
        }, server.url + path);
        // Asked from outside: what the driver waits for within a frame that goes to its page may be forgotten.
        const inside = (/** @type {string} */ selector) => Boolean(document.querySelector('iframe')?.contentDocument?.querySelector(selector));
        await page.waitForFunction(inside, {polling: 50, timeout: 60_000}, ready).catch(async err => assert.fail(`${path}: ${err.message}: ${await page.evaluate(() => {
            const there = document.querySelector('iframe')?.contentDocument;
            return `${there?.URL} ${there?.readyState} ${there?.body?.outerHTML.slice(0, 2000)}`;
        })}`));
    }
    await done();
});

test('opening Live starts no camera; names are only text; a tile plays when it is started', {skip}, async () => {
    const quiet = await serve({streams: {}});
    quiet.state.streams = {...STREAMS, [HOSTILE]: {producers: [{url: 'rtsp://192.168.1.64/x'}], consumers: null}};
    const {page, done} = await open({own: quiet, camera: true});
    await page.goto(quiet.url);
    // A tile that is seen asks for its still picture: what would play by itself plays by then.
    await page.waitForFunction(n => document.querySelectorAll('.tile .still').length === n, {}, Object.keys(STREAMS).length);
    assert.equal(await page.evaluate(() => /** @type {any} */ (window).__sockets.length), 0);
    const names = await page.$$eval('.tile .name', nodes => nodes.map(n => [n.textContent, new URL(/** @type {any} */ (n).href).searchParams.get('src')]));
    assert.deepEqual(new Set(names.map(n => n[0])), new Set(Object.keys(STREAMS)));
    assert.ok(names.every(([shown, src]) => shown === src));
    await page.focus('.tile[data-name=demo]');
    await page.keyboard.press(' ');
    await page.waitForFunction(() => /** @type {any} */ (document.querySelector('.tile.playing video'))?.videoWidth > 0, {timeout: 60_000});
    assert.equal(await page.$eval('.tile.playing video', v => /** @type {any} */ (v).muted), true);
    await page.keyboard.press('m');
    await page.waitForFunction(() => /** @type {any} */ (document.querySelector('.tile.playing video')).muted === false);
    await page.keyboard.press(' ');
    await page.waitForFunction(() => !document.querySelector('rs-player'));
    await done();
    quiet.close();
});

/** In the page: every picture is large, and how many frames of it are shown stays unknown, so that as many tiles play at any time. */
function unmeasured() {
    Object.defineProperties(HTMLVideoElement.prototype, {videoWidth: {get: () => 1280}, videoHeight: {get: () => 720}});
    HTMLVideoElement.prototype.getVideoPlaybackQuality = () => /** @type {any} */ ({totalVideoFrames: 0, droppedVideoFrames: 0});
    RTCRtpReceiver.prototype.getStats = async () => new Map();
}

test('of 200 running cameras only those on the screen play, within the budget', {skip}, async () => {
    const many = await serve({streams: {}});
    many.state.streams = Object.fromEntries(Array.from({length: 200}, (_, i) => [`cam ${i}`, {producers: [{id: i + 1, format_name: 'rtsp'}], consumers: [{id: 1000 + i, format_name: 'rtsp'}]}]));
    const {page, done} = await open({own: many, camera: true});
    await page.evaluateOnNewDocument(unmeasured);
    await page.setViewport({width: 1280, height: 800});
    await page.goto(many.url);
    await page.waitForSelector('rs-player', {timeout: 60_000});
    await page.waitForFunction(() => document.querySelectorAll('.tile').length === 200);
    await waitText(page, '.note', /Still picture to save power/);
    const seen = await page.evaluate(() => ({
        players: document.querySelectorAll('rs-player').length, below: [...document.querySelectorAll('rs-player')].filter(p => p.getBoundingClientRect().top > innerHeight).length,
        visible: [...document.querySelectorAll('.tile')].filter(n => n.getBoundingClientRect().top < innerHeight).length,
    }));
    assert.ok(seen.players >= 1 && seen.players < seen.visible, JSON.stringify(seen));
    assert.equal(seen.below, 0);
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await page.waitForFunction(() => [...document.querySelectorAll('rs-player')].every(p => p.closest('.tile')?.getAttribute('data-name')?.match(/^cam 1[89]\d$/)) && document.querySelector('rs-player'), {timeout: 60_000});
    await done();
    many.close();
});

test('a server that goes away is told, and comes back by itself', {skip}, async () => {
    // Nobody is given it meanwhile.
    const port = await freePort(), first = await serve({base: '/', port});
    const {page, done} = await open({own: first});
    await page.goto(`${first.url}streams.html`);
    await page.waitForSelector('tbody tr');
    // A tab behind another one may give its connection back, and draws nothing: each is looked at in front.
    const others = [];
    for (const [path, ready] of [['links.html?src=demo&lang=en', '.urls li'], ['add.html?lang=en', '.examples button']]) {
        const other = await started.browser.newPage();
        await other.goto(`${first.url}${path}`);
        await other.waitForSelector(ready);
        others.push(other);
    }
    await page.bringToFront();
    await first.until(() => first.readers() > 0);
    first.close();
    await waitText(page, '.banner', /Server not reachable.*Last data/);
    for (const other of others) {
        await other.bringToFront();
        await waitText(other, '.banner', /Server not reachable/);
        await other.close();
    }
    await page.bringToFront();
    assert.equal(await page.$eval('tbody', n => n.children.length > 0), true, 'the last data stays');
    const second = await serve({base: '/', port});
    second.state.streams = {fresh: {producers: [{url: 'demo:'}], consumers: null}};
    await waitText(page, '.banner', /Server restarted/);
    await waitText(page, 'tbody', /fresh/);
    await done(UNREACHED);
    second.close();
});

test('streams: filter, details, warm start, deletion with its name and undo', {skip}, async () => {
    const own = await serve({base: '/'}), {page, done} = await open({own});
    // Who waits for it keeps it trying.
    Object.assign(own.state.streams.gate, {consumers: [{id: 3, format_name: 'rtsp'}]});
    await page.goto(`${own.url}streams.html`);
    await page.waitForSelector('tbody tr');
    await page.keyboard.press('/');
    await page.keyboard.type('gate');
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1);
    assert.match(page.url(), /q=gate/);
    await own.until(() => own.readers() > 0);
    own.emit('source_failed', {stream: 'gate', source: 'rtsp://x', error: 'connection refused', kind: 'unreachable', retry_ms: 60_000});
    await waitText(page, 'tbody .state', /Camera not reachable · Retry in \d+ s/);
    await page.click('tbody button[aria-label=Details]');
    await waitText(page, '.detail', /connection refused/);
    await accessible(page, 'details of a stream');
    await press(page, 'Warm start on or off', '.detail');
    await waitText(page, '.toast', /kept warm/);
    await press(page, 'Delete stream', '.detail');
    await page.waitForSelector('dialog input');
    assert.equal(await page.$eval('dialog .danger', n => /** @type {any} */ (n).disabled), true);
    await accessible(page, 'question before deletion');
    await page.type('dialog input', 'gate');
    await page.click('dialog .danger');
    await waitText(page, '.toast', /gate is deleted/);
    await page.waitForSelector('.toast button');
    await press(page, 'Undo', '.toast');
    await waitText(page, '.toast', /gate is back/);
    assert.deepEqual(own.state.calls, ['warm gate', 'delete gate', 'apply v2']);
    await done();
    own.close();
});

test('streams: undo puts nothing over what others have changed meanwhile', {skip}, async () => {
    const own = await serve({base: '/'}), {page, done} = await open({own});
    await page.goto(`${own.url}streams.html?q=gate`);
    await (await page.waitForSelector('tbody button[aria-label=Details]'))?.click();
    await press(page, 'Delete stream', '.detail');
    await page.waitForSelector('dialog input');
    await page.type('dialog input', 'gate');
    await page.click('dialog .danger');
    await page.waitForSelector('.toast button');
    own.state.version = 'v7';
    own.state.config = 'streams:\n  theirs: "demo:"\n';
    await press(page, 'Undo', '.toast');
    await waitText(page, '.toast', /gate is not put back: the configuration was changed meanwhile/);
    assert.deepEqual(own.state.calls, ['delete gate', 'apply v2']);
    assert.match(own.state.config, /theirs/);
    await done(/409 \(Conflict\)/);
    own.close();
});

test('a name that every object of the language has is only a name', {skip}, async () => {
    const {page, done} = await open();
    await page.goto(`${server.url}add.html`);
    await page.waitForSelector('.examples button');
    await page.type('[name=src]', 'rtsp://constructor/x');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'name');
    assert.equal(await page.$eval('[name=name]', n => /** @type {any} */ (n).value), 'constructor');
    assert.equal(await text(page, 'form:not([hidden]) [name=name]'), '');
    assert.deepEqual(await page.$$eval('form [role=status]', nodes => nodes.map(n => n.textContent)), ['', '']);
    await page.goto(`${server.url}links.html?src=constructor`);
    await waitText(page, '.empty', /There is no stream named constructor/);
    await page.goto(`${server.url}camera.html?src=demo&mode=constructor`);
    await waitText(page, '.modes + p', /the mode constructor, which does not exist/);
    await done();
});

test('sessions: why, how fast, the timeline, kick; told as it happens', {skip}, async () => {
    const own = await serve({base: '/'}), {page, done} = await open({own});
    await page.goto(`${own.url}sessions.html`);
    await waitText(page, '.card', /Half within .* 95 %/);
    await waitText(page, 'tbody', /Browser said goodbye/);
    assert.match(await text(page, 'tbody tr[data-id="7"]'), /6\.1 ms.*32 ms.*39 ms|6\.1 ms32 ms/);
    assert.deepEqual(await page.$$eval('tr[data-id="5"] td:not([hidden])', cells => cells.map(cell => cell.textContent)), ['#5', 'demo', 'WebRTC, publishing', '2 s', 'Browser said goodbye', '–', '–', '–', ''], 'a publisher that has left');
    assert.deepEqual(await page.$$eval('.bars meter', nodes => nodes.map(n => n.getAttribute('aria-label'))), ['Browser said goodbye', 'No sign of life'], 'the same words stand once');
    await page.click('tr[data-id="7"] button');
    await page.waitForSelector('.timeline li:nth-child(4)');
    await page.waitForSelector('svg.lanes circle');
    await accessible(page, 'a timeline');
    await page.select('.tools select', 'silence');
    await page.waitForFunction(() => !document.querySelector('tr[data-id="7"]'));
    assert.match(page.url(), /reason=silence/);
    await page.click('tr[data-id="2"] button:last-of-type');
    await page.click('dialog .danger');
    await page.waitForFunction(() => !document.querySelector('dialog'));
    own.state.sessions = {sessions: [], ended: []};
    own.emit('viewer_left', {stream: HOSTILE, viewer: 2, format: 'webrtc', reason: 'admin', detect_ms: 0, profile: ''});
    await waitText(page, '.empty', /Nobody is watching/);
    assert.deepEqual(own.state.calls, ['kick 2']);
    await done();
    own.close();
});

test('a camera from nothing to saved: one page, three inputs, the test before it', {skip}, async () => {
    const own = await serve({base: '/'}), {page, done} = await open({own});
    await page.goto(`${own.url}add.html`);
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'src');
    let keys = 0;
    const type = async value => {
        keys += value.length;
        await page.keyboard.type(value);
    };
    const hit = async key => {
        keys++;
        await page.keyboard.press(key);
    };
    // A wrong password first: its own words, and what to do.
    await type('rtsp://wrong@192.168.1.64/stream1');
    await hit('Enter');
    await waitText(page, '.checks .why', /Wrong user name or password[\s\S]*rtsp: wrong user/);
    await waitText(page, '.checks', /Camera let go/);
    await waitText(page, 'form:not([hidden]) + .card + form:not([hidden]) button', /^Save anyway$/);
    await accessible(page, 'a test that failed');
    keys = 0;
    await page.reload();
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'src');
    await type('192.168.1.64/stream1');
    await hit('Tab');
    for (let i = 0; i < 4 && await page.evaluate(() => document.activeElement?.getAttribute('name') !== 'user'); i++) await hit('Tab');
    await type('admin');
    await hit('Tab');
    await type('p@ss/word');
    await hit('Enter');
    await waitText(page, '.checks', /H264 1920x1080[\s\S]*every 2 s[\s\S]*Camera let go/);
    await waitText(page, 'body', /Plays in this browser by|This browser cannot play/);
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'name');
    await accessible(page, 'a test that went well');
    await hit('Enter');
    await waitText(page, 'h2', /camera_64 is added/);
    console.log(`a camera with a password: 3 inputs, ${keys} keys of which 34 are text, no click`);
    assert.deepEqual(own.state.calls, ['test rtsp://wrong@192.168.1.64/stream1', 'test rtsp://admin:p%40ss%2Fword@192.168.1.64/stream1', 'put camera_64 rtsp://admin:p%40ss%2Fword@192.168.1.64/stream1']);
    const kept = await page.evaluate(() => JSON.stringify({...localStorage, ...sessionStorage, url: location.href}));
    assert.doesNotMatch(kept, /p@ss|p%40ss|admin/);
    await done();
    own.close();
});

test('add: programs only in the file, unknown kinds, what the search finds', {skip}, async () => {
    const {page, done} = await open();
    await page.goto(`${server.url}add.html`);
    await page.waitForSelector('.examples button');
    await page.type('[name=src]', 'exec:ls');
    await waitText(page, 'form', /only in the configuration file/);
    assert.equal(await page.$eval('form button.primary', n => /** @type {any} */ (n).disabled), true);
    await page.$eval('[name=src]', n => /** @type {any} */ (n).value = '');
    await page.type('[name=src]', 'nosuch://host/x');
    await waitText(page, 'form', /no source of the kind nosuch/);
    await press(page, 'Search', 'main .card .row');
    await waitText(page, '.urls', /USB/);
    await press(page, 'Use', '.urls');
    assert.equal(await page.$eval('[name=src]', n => /** @type {any} */ (n).value), 'ffmpeg:device?video=0');
    await done();
});

test('add: what is found keeps its password', {skip}, async () => {
    const own = await serve({base: '/', answers: {'GET api/ffmpeg/devices': () => ({sources: [{name: 'Door', url: 'rtsp://admin:p%40ss@192.168.1.9/x', info: ''}]})}}), {page, done} = await open({own});
    await page.goto(`${own.url}add.html`);
    await page.waitForSelector('.examples button');
    await press(page, 'Search', 'main .card .row');
    await press(page, 'Use', '.urls');
    await page.click('form button.primary');
    await waitText(page, '.checks', /Camera let go/);
    assert.deepEqual(own.state.calls, ['test rtsp://admin:p%40ss@192.168.1.9/x']);
    await done();
    own.close();
});

test('configuration: completes, marks what is wrong, shows the difference, applies, meets a conflict, goes back', {skip}, async () => {
    const own = await serve({base: '/'}), {page, done} = await open({own});
    await page.goto(`${own.url}config.html`);
    await waitText(page, 'p', /in force · nothing is wrong/);
    const content = await page.evaluateHandle(() => document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-content'));
    await /** @type {any} */ (content).focus();
    await page.keyboard.down('Control');
    await page.keyboard.press('End');
    await page.keyboard.up('Control');
    await page.keyboard.type('log:\nle');
    await page.waitForFunction(() => document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-tooltip-autocomplete'));
    await page.keyboard.press('Escape');
    await page.keyboard.type('vel: info\nlisen: broken\n');
    await waitText(page, '.problems', /line 2.*did you mean/);
    await page.waitForFunction(() => document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-lint-marker-error'));
    await press(page, 'Review and apply', '.tools');
    await page.waitForSelector('dialog .diff .add');
    assert.equal(await page.$eval('dialog .primary', n => /** @type {any} */ (n).disabled), true, 'what is broken is not applied');
    await press(page, 'Cancel', 'dialog');
    own.state.check = () => ({valid: true, problems: [], changes: [{path: 'log.level', change: 'added'}], restart_required: ['api.listen']});
    await press(page, 'Review and apply', '.tools');
    await waitText(page, 'dialog', /log\.level[\s\S]*Holds from the next start on: api\.listen/);
    await accessible(page, 'the review');
    // Somebody else was faster.
    own.state.version = 'v5';
    await page.click('dialog .primary');
    await waitText(page, 'dialog h2', /Changed on disk meanwhile/);
    await press(page, 'Go on with mine', 'dialog');
    await press(page, 'Review and apply', '.tools');
    await page.waitForSelector('dialog .diff');
    await press(page, 'undo in 60 s', 'dialog');
    await waitText(page, 'dialog h2', /Keep this configuration/);
    await waitText(page, 'dialog p', /server goes back by itself, also when this page is closed/);
    await accessible(page, 'the question whether to keep it');
    assert.match(own.state.config, /lisen: broken/);
    // A page that is opened later asks too.
    await page.reload();
    await waitText(page, 'dialog h2', /Keep this configuration/);
    await press(page, 'Go back', 'dialog');
    await waitText(page, '.toast', /in force again/);
    assert.doesNotMatch(own.state.config, /lisen/);
    await page.select('.tools select', '3');
    await page.waitForSelector('dialog .diff .del');
    await press(page, 'Restore this version', 'dialog');
    await page.waitForFunction(() => !document.querySelector('dialog'));
    const again = ['apply v9', 'confirm v10'];
    await page.waitForFunction(() => document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-content'));
    await page.evaluate(() => /** @type {HTMLElement|null|undefined} */ (document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-content'))?.focus());
    await page.keyboard.type('# once more\n');
    await press(page, 'Review and apply', '.tools');
    await page.waitForSelector('dialog .diff .add');
    await press(page, 'undo in 60 s', 'dialog');
    await waitText(page, 'dialog h2', /Keep this configuration/);
    // The one before it goes.
    await page.waitForFunction(() => document.querySelectorAll('dialog').length === 1);
    await page.click('dialog .primary');
    await page.waitForFunction(() => !document.querySelector('dialog'));
    assert.deepEqual(own.state.calls, ['apply v1', 'apply v5', 'go back v6', 'rollback 3', ...again]);
    await done(/409 \(Conflict\)/);
    own.close();
});

test('log: follows, stops when scrolled up, filters, stays quick with many lines', {skip}, async () => {
    const own = await serve({base: '/'}), {page, done} = await open({own});
    await page.goto(`${own.url}log.html`);
    await waitText(page, '.loglist', /line 399/);
    await waitText(page, 'main', /rtsp: debug/);
    await page.click('main summary');
    await accessible(page, 'another level for a while');
    const emit = (from, n) => {
        for (let i = from; i < from + n; i++) own.emit('log', {level: 'error', message: `[api] new ${i}`});
    };
    emit(0, 50);
    await waitText(page, '.loglist', /new 49/);
    assert.ok(await page.$$eval('.loglist li', nodes => nodes.length) < 80, 'only what is seen is there');
    await page.$eval('.loglist', n => n.scrollTop = 0);
    await waitText(page, '.loglist', /line 0\b/);
    emit(50, 3);
    await waitText(page, 'button.primary', /3 new lines/);
    await press(page, '3 new lines', 'main');
    await waitText(page, '.loglist', /new 52/);
    await page.select('.tools select', 'error');
    await waitText(page, '.muted', /53 of 453 lines/);
    assert.match(page.url(), /level=error/);
    own.emit('log', {level: 'error', message: '[rtsp] only of one', stream: 'gate'});
    await page.waitForSelector('.tools option[value=gate]');
    await page.select('.tools [aria-label=Stream]', 'gate');
    await waitText(page, '.muted', /1 of 454 lines/);
    await page.reload();
    await waitText(page, 'p:not([hidden])', /No line matches/);
    assert.equal(await page.$eval('.tools [aria-label=Stream]', n => /** @type {any} */ (n).value), 'gate');
    await page.select('.tools [aria-label=Stream]', HOSTILE);
    await page.select('.tools select', 'warn');
    await waitText(page, '.muted', /8 of 400 lines/);
    await page.type('.tools input', 'nothing like this');
    await waitText(page, 'p:not([hidden])', /No line matches/);
    await accessible(page, 'no line');
    await done();
    own.close();
});

test('graph: columns, details, table; links: all addresses, a QR code that stays here', {skip}, async () => {
    const {page, done} = await open();
    await page.goto(`${server.url}net.html?src=${SRC}`);
    await page.waitForSelector('.graph g');
    assert.equal(await page.$$eval('.graph g', nodes => nodes.length), 6);
    assert.equal(await page.$$eval('.graph path.drops', nodes => nodes.length), 0, 'what was dropped before is not what drops now');
    /** @type {any} */ (server.state.streams)[HOSTILE].consumers[0].senders[0].drops++;
    server.emit('viewer_joined', {});
    await page.waitForFunction(() => document.querySelectorAll('.graph path.drops').length === 1);
    await page.$eval('.graph g', n => /** @type {any} */ (n).focus());
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    await waitText(page, 'section', /rtsp\+tcp/);
    await press(page, 'Show as table', '.tools');
    await waitText(page, '.table', /H264[\s\S]*webrtc/);
    await page.goto(`${server.url}links.html?src=${SRC}`);
    await page.waitForSelector('.urls li');
    const urls = await page.$$eval('.urls li', nodes => nodes.map(n => n.getAttribute('data-url') ?? ''));
    assert.ok(urls.filter(url => url.startsWith('http')).every(url => url.startsWith(server.url)));
    assert.equal(new URL(urls[0]).searchParams.get('src'), HOSTILE);
    await page.click('.urls li .row button:last-of-type');
    await page.waitForSelector('svg.qr path');
    await accessible(page, 'QR code');
    for (const scheme of ['light', 'dark']) {
        await setTheme(page, scheme);
        assert.equal(await readCode(page), urls[0], `the code as it is seen on a ${scheme} page`);
    }
    await done();
});

test('camera: what the server says, the pinned mode stays, keys', {skip}, async () => {
    const own = await serve({base: '/'}), {page, done} = await open({own, camera: true});
    await page.goto(`${own.url}camera.html?src=demo`);
    await page.waitForFunction(() => /** @type {any} */ (document.querySelector('video'))?.videoWidth > 0, {timeout: 60_000});
    await waitText(page, '.why', /H264|VP8|Picture.* over WebRTC/);
    await page.keyboard.press('1');
    await waitText(page, '.card', /Pinned to WebRTC/);
    await page.reload();
    await page.waitForFunction(() => /** @type {any} */ (document.querySelector('video'))?.videoWidth > 0, {timeout: 60_000});
    assert.equal(await page.$eval('.modes input:checked', n => /** @type {any} */ (n).value), 'webrtc');
    await page.keyboard.press('i');
    await waitText(page, '.card dl', /Frame rate/);
    await page.keyboard.press('?');
    await waitText(page, 'dialog', /Snapshot/);
    await accessible(page, 'list of keys');
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => !document.querySelector('dialog'));
    // The second key follows the first one soon.
    await Promise.all([page.waitForNavigation(), page.keyboard.press('g'), page.keyboard.press('s')]);
    assert.match(page.url(), /streams\.html$/);
    await done();
    own.close();
});

test('camera: when it is let go, what is known of it, a sheet on a phone, its place in the configuration', {skip}, async () => {
    const own = await serve({base: '/'}), {page, done} = await open({own, camera: true});
    const stream = own.state.streams[HOSTILE];
    own.state.streams.demo = {producers: structuredClone(stream.producers), consumers: structuredClone(stream.consumers)};
    await page.goto(`${own.url}camera.html?src=demo`);
    await waitText(page, '.drawer dl', /Release policyat once/);
    await press(page, 'Info', '.drawer');
    await waitText(page, '#info li', /Chrome .* · WebRTC .*Kick$/);
    await accessible(page, 'what is known of a camera');
    await page.setViewport({width: 390, height: 844});
    await page.waitForFunction(() => document.querySelector('#sheet')?.checkVisibility({visibilityProperty: true}) === false);
    await page.focus('.handle');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector('#info li button')?.checkVisibility({visibilityProperty: true}) && !document.querySelector('.drawer')?.getAnimations().length);
    for (const scheme of ['light', 'dark']) {
        await setTheme(page, scheme);
        await accessible(page, `the open sheet, ${scheme}`);
    }
    await page.keyboard.press('Escape');
    // By mouse too, whose drag ends with a click.
    for (const open of [true, false]) {
        await page.waitForFunction(open => document.querySelector('.handle')?.getAttribute('aria-expanded') === String(!open) && !document.querySelector('.drawer')?.getAnimations().length, {}, open);
        const {y} = await page.$eval('.handle', node => node.getBoundingClientRect().toJSON());
        await page.mouse.move(100, y + 30);
        await page.mouse.down();
        await page.mouse.move(100, y + (open ? -90 : 150), {steps: 4});
        await page.mouse.up();
        await page.waitForSelector(`.handle[aria-expanded=${open}]`);
    }
    await page.setViewport({width: 1280, height: 800});
    await press(page, 'Edit', '.drawer');
    await page.waitForFunction(() => document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-activeLine')?.textContent === '  demo: "demo:"');
    assert.match(page.url(), /config\.html\?stream=demo$/);
    await done();
});

test('no WebRTC in the browser: said in words, the next best way is used', {skip}, async () => {
    const {page, done} = await open();
    await page.evaluateOnNewDocument(() => {
        delete /** @type {any} */ (window).RTCPeerConnection;
    });
    await page.goto(`${server.url}camera.html?src=demo`);
    await waitText(page, '.why', /no WebRTC; MSE or MJPEG/);
    await done();
});

test('pages for embedding keep their addresses and parameters', {skip}, async () => {
    const {page, done} = await open();
    await page.goto(`${server.url}webrtc.html?src=${SRC}&media=video`);
    await page.waitForSelector('rs-player');
    assert.deepEqual(await page.$eval('rs-player', n => [/** @type {any} */ (n).mode, /** @type {any} */ (n).media, new URL(/** @type {any} */ (n).wsURL).searchParams.get('src')]), ['webrtc', 'video', HOSTILE]);
    for (const more of ['', '&video=h264']) {
        await page.goto(`${server.url}hls.html?src=nobody${more}`);
        await waitText(page, '.hint', /HLS does not play here/);
        await page.waitForSelector('rs-player');
    }
    await page.goto(`${server.url}webrtc-sync.html?src=demo`);
    await waitText(page, '.hint', /404/);
    await page.goto(`${server.url}webrtc-sync.html`);
    await waitText(page, '.hint', /\?src=NAME/);
    await done(/404 \(Not Found\) .*api\/stream\.m3u8/, /404 \(Not Found\) .*api\/webrtc/);
});

test('hls.html: a camera that fails is said as elsewhere, and HLS stays what is tried', {skip}, async () => {
    const refused = 'rtsp: dial 192.168.1.70:554: connection refused';
    const own = await serve({base: '/', errors: {gate: refused}, answers: {'GET api/stream.m3u8': call => {
        call.response.statusCode = 500;
        return `${refused}\n`;
    }}}), {page, done} = await open({own});
    // Only who chooses tracks asks for the playlist before there is one, which the browser tells on its console.
    for (const [more, asked] of /** @type {const} */ ([['', false], ['&mp4', false], ['&video=h264', true]])) {
        await page.goto(`${own.url}hls.html?src=gate${more}`);
        await waitText(page, '.info .status', /The camera refuses the connection[\s\S]*192\.168\.1\.70/);
        assert.equal(await page.$('.hint'), null);
        assert.equal(await page.$eval('rs-player', n => /** @type {any} */ (n).mode), 'hls');
        assert.equal(own.requests.includes('/api/stream.m3u8'), asked);
    }
    await done(/500 \(Internal Server Error\) .*api\/stream\.m3u8/);
    own.close();
});

/** In the page: devices that give a drawn picture and a tone; their tracks are in `__tracks`. */
function devices() {
    const tracks = /** @type {any[]} */ ([]), end = new AbortController();
    /** @type {any} */ (window).__tracks = tracks;
    /** @type {any} */ (window).__ask = () => {};
    Object.defineProperty(navigator, 'mediaDevices', {value: {async getUserMedia(/** @type {any} */ wanted) {
        /** @type {any} */ (window).__ask();
        const out = new AudioContext().createMediaStreamDestination(), canvas = document.createElement('canvas');
        canvas.getContext('2d');
        const all = [...wanted.audio ? out.stream.getTracks() : [], ...wanted.video ? canvas.captureStream(5).getTracks() : []];
        tracks.push(...all);
        end.abort();
        return new MediaStream(all);
    }}});
}
const ended = page => page.waitForFunction(() => /** @type {any} */ (window).__tracks.length && /** @type {any} */ (window).__tracks.every(track => track.readyState === 'ended'));

test('pages that send let go of camera and microphone with the first error, and when they are left', {skip}, async () => {
    const {page, done} = await open();
    await page.evaluateOnNewDocument(devices);
    for (const [path, said] of /** @type {[string, RegExp][]} */ ([
        ['webrtc.html?dst=nobody&media=camera+microphone', /There is no stream named "nobody"/], ['webrtc-sync.html?dst=nobody&media=camera+microphone', /404/],
        ['webrtc-sync.html?src=nobody&media=video+microphone', /404/],
    ])) {
        await page.goto(server.url + path);
        await waitText(page, '.hint', said);
        await ended(page);
    }
    // The socket goes before there is a connection.
    await page.evaluateOnNewDocument(() => {
        window.WebSocket = /** @type {any} */ (class extends EventTarget {
            constructor() {
                super();
                setTimeout(() => this.dispatchEvent(new CloseEvent('close')));
            }
            close() {}
        });
    });
    await page.goto(`${server.url}webrtc.html?dst=nobody&media=camera`);
    await waitText(page, '.hint', /connection to the server was lost/);
    await ended(page);
    await done(/404 \(Not Found\) .*api\/webrtc/);
});

test('a page that is left while it asks for the microphone does not open it', {skip}, async () => {
    for (const name of ['webrtc.html', 'webrtc-sync.html']) {
        const {page, done} = await open();
        await page.evaluateOnNewDocument(devices);
        // Left at the moment of the question; the answer comes after it.
        await page.evaluateOnNewDocument(() => /** @type {any} */ (window).__ask = () => dispatchEvent(new Event('pagehide')));
        await page.goto(`${server.url}${name}?dst=nobody&media=microphone`);
        await ended(page);
        await done();
    }
});

test('T talks only where nothing is in front, and not together with Alt', {skip}, async () => {
    const {page, done} = await open();
    await page.evaluateOnNewDocument(devices);
    await page.evaluateOnNewDocument(() => {
        const asked = [];
        /** @type {any} */ (window).__asked = asked;
        navigator.mediaDevices.getUserMedia = async () => {
            asked.push(document.querySelector('dialog[open]') ? 'behind a dialog' : 'here');
            throw new Error('refused');
        };
    });
    await page.goto(`${server.url}camera.html?src=${SRC}`);
    await page.waitForFunction(() => [...document.querySelectorAll('.controls button')].some(n => /Hold to talk/.test(n.textContent ?? '') && n.checkVisibility()));
    await page.keyboard.press('?');
    await waitText(page, 'dialog', /Hold to talk/);
    await page.keyboard.press('t');
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => !document.querySelector('dialog'));
    await page.keyboard.down('Alt');
    await page.keyboard.press('t');
    await page.keyboard.up('Alt');
    // It is held until the server has been asked who talks.
    await page.keyboard.down('t');
    await page.waitForFunction(() => /** @type {any} */ (window).__asked.length);
    await page.keyboard.up('t');
    assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).__asked), ['here']);
    await done();
});

/** A smallest picture. */
const PICTURE = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
/** Many cameras that run, more than are played: the rest shows still pictures. @param {() => Promise<void>|void} [before] each picture */
async function gallery(before = () => {}) {
    const own = await serve({streams: {}, answers: {'GET api/rs/poster': async call => {
        await before();
        call.response.setHeader('content-type', 'image/png');
        call.response.end(PICTURE);
    }}});
    own.state.streams = Object.fromEntries(Array.from({length: 40}, (_, i) => [`cam ${i}`, {producers: [{id: i + 1, format_name: 'rtsp'}], consumers: [{id: 1000 + i, format_name: 'rtsp'}]}]));
    const opened = await open({own, camera: true});
    await opened.page.evaluateOnNewDocument(unmeasured);
    await opened.page.evaluateOnNewDocument(() => {
        /** @type {any} */ (window).__made = 0;
        const places = new Set(), {createObjectURL, revokeObjectURL} = URL;
        /** @type {any} */ (window).__places = places;
        URL.createObjectURL = what => {
            const place = createObjectURL(what);
            if (what instanceof Blob && what.type === 'image/png') {
                places.add(place);
                /** @type {any} */ (window).__made++;
            }
            return place;
        };
        URL.revokeObjectURL = place => {
            places.delete(place);
            revokeObjectURL(place);
        };
    });
    await opened.page.goto(own.url);
    return {own, ...opened, posters: () => own.requests.filter(path => path.endsWith('/poster')).length};
}

test('a tile that goes asks for no more pictures and gives back those that it has', {skip}, async () => {
    let hold = false;
    const held = /** @type {(() => void)[]} */ ([]);
    // Two, so that the browser has connections left.
    const {own, page, done} = await gallery(() => hold && held.length < 2 ? new Promise(resolve => held.push(resolve)) : undefined);
    await page.waitForFunction(() => /** @type {any} */ (window).__places.size > 2);
    await page.waitForSelector('.dot[data-state=live]');
    hold = true;
    await own.until(() => held.length === 2);
    // These are on their way while their tiles go.
    own.state.streams = {};
    own.emit('viewer_left', {stream: 'cam 0', viewer: 1000, format: 'rtsp', reason: 'left', detect_ms: 0, profile: ''});
    await waitText(page, '.empty', /No cameras yet/);
    const made = await page.evaluate(() => /** @type {any} */ (window).__made);
    for (const go of held) go();
    // A tile that went on would keep its picture, and ask for the next one.
    await page.waitForFunction(n => /** @type {any} */ (window).__made >= n && /** @type {any} */ (window).__places.size === 0, {}, made + 2);
    await done();
    own.close();
});

test('a hidden page asks for no pictures and gives its connection back', {skip}, async () => {
    const {own, page, done, posters} = await gallery();
    await page.waitForFunction(() => /** @type {any} */ (window).__places.size > 2);
    await own.until(() => own.readers() === 1);
    const other = await started.browser.newPage();
    await other.bringToFront();
    await page.waitForFunction(() => document.hidden, {polling: 50});
    const before = posters(), tiles = await page.$$eval('.tile', nodes => nodes.length);
    await own.until(() => own.readers() === 0);
    // Only those that were on their way.
    assert.ok(posters() - before <= tiles / 4, `${posters() - before} pictures`);
    const hidden = posters();
    await page.bringToFront();
    await own.until(() => own.readers() === 1 && posters() > hidden);
    await other.close();
    await done();
    own.close();
});

test('what happens while the list is loaded is not missed', {skip}, async () => {
    for (const [path, seen] of [['', '.tile'], ['net.html', '.graph g'], ['sessions.html', 'tbody tr']]) {
        let hold = false, held = /** @type {(() => void)|null} */ (null);
        const list = async value => {
            const now = structuredClone(value());
            if (hold) await new Promise(resolve => held = () => resolve(undefined));
            return now;
        };
        const own = await serve({base: '/', answers: {'GET api/streams': () => list(() => own.state.streams), 'GET api/rs/sessions': () => list(() => own.state.sessions)}});
        const {page, done} = await open({own});
        // Counts how often a load is wished for; nothing is loaded only because time goes by.
        await page.evaluateOnNewDocument(() => {
            window.setInterval = /** @type {any} */ (() => 0);
            const real = window.setTimeout;
            /** @type {any} */ (window).__wished = 0;
            window.setTimeout = /** @type {any} */ ((run, ms, ...rest) => real(() => {
                if (/now\(\)|load\(\)/.test(String(run))) /** @type {any} */ (window).__wished++;
                run(...rest);
            }, ms));
        });
        await page.goto(own.url + path);
        await page.waitForSelector(seen);
        await own.until(() => own.readers() === 1);
        hold = true;
        const left = () => own.emit('viewer_left', {stream: HOSTILE, viewer: 2, format: 'webrtc', reason: 'left', detect_ms: 0, profile: ''});
        left();
        await own.until(() => held !== null);
        // The answer on its way is older than this.
        own.state.streams = {};
        own.state.sessions = {sessions: [], ended: []};
        left();
        await page.waitForFunction(() => /** @type {any} */ (window).__wished >= 2);
        hold = false;
        /** @type {any} */ (held)();
        await page.waitForFunction(s => !document.querySelector(s), {}, seen);
        await done();
        own.close();
    }
});

test('streams of every name are deleted and linked by that name only', {skip}, async () => {
    const {page, done} = await open();
    await page.goto(`${server.url}streams.html`);
    await page.waitForSelector('tbody tr');
    const links = await page.$$eval('tbody a', nodes => nodes.map(n => [n.textContent, new URL(/** @type {any} */ (n).href).searchParams.get('src')]));
    assert.deepEqual(new Set(links.map(l => l[1])), new Set(['demo', 'gate', HOSTILE, LONG]));
    assert.ok(links.every(([shown, src]) => shown === src));
    assert.equal(await page.evaluate(() => document.querySelectorAll('main img').length), 0);
    for (const width of [1280, 390]) {
        await page.setViewport({width, height: 800});
        const {height, title} = await page.$$eval('tbody a', nodes => {
            const node = /** @type {HTMLElement} */ (nodes.find(n => n.textContent?.startsWith('xxx')));
            return {height: node.getBoundingClientRect().height, title: node.title};
        });
        assert.ok(height < 90, `500 letters are ${height} pixels high at a width of ${width}`);
        assert.equal(title, LONG);
    }
    await done();
});
