/**
 * The page of a stream's addresses, with the release binary: it hears what happens to the stream, and leaves alone what somebody is busy with; and the
 * order of names here and where else one is chosen.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, FIREFOX, isDebian, launch, launchFirefox, without} from './browser.mjs';
import {fixture} from './pages-fixture.mjs';
import {BINARY, rs2rtc, until, watch} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
const DEMO = 'demo:?width=320&height=180&fps=15';
/** The test's cameras, their names in the order of people. */
const CAMERAS = {cam1: DEMO, cam2: DEMO, cam10: DEMO, 'front door': DEMO, gate: 'rtsp://127.0.0.1:1/x', 'H265 cam': DEMO}, NAMES = Object.keys(CAMERAS);

/** @type {Awaited<ReturnType<typeof rs2rtc>>} */
let server;
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (skip) return;
    [server, chromium] = await Promise.all([rs2rtc(`streams:\n${Object.entries(CAMERAS).toReversed().map(([name, source]) => `  ${name}: ${source}\n`).join('')}`), launch({mdns: 'show'})]);
});
after(async () => {
    await chromium?.close();
    await server?.stop();
});

/** @param {string} path */
async function open(path) {
    const page = await chromium.browser.newPage();
    await page.goto(`${server.url}${path}${path.includes('?') ? '&' : '?'}lang=en`);
    return page;
}
/** @param {import('puppeteer-core').Page} page @param {RegExp} pattern */
const says = (page, pattern) => page.waitForFunction(source => new RegExp(source).test(document.querySelector('main')?.textContent ?? ''), {polling: 20, timeout: 60_000}, pattern.source);
/** Names to choose from. @param {import('puppeteer-core').Page} page @param {string} within */
const choices = async (page, within) => {
    await page.waitForSelector(`${within} option[value="cam1"]`);
    return page.$$eval(`${within} option:not([value=""])`, nodes => nodes.map(n => n.textContent));
};

test('names stand in the order of people wherever one is chosen', {skip}, async () => {
    for (const path of ['links.html', 'doctor.html', 'sessions.html']) {
        const page = await open(path);
        if (path === 'sessions.html') {
            // The reasons take their place when they are known.
            await page.waitForSelector('.tools option');
            await (await page.waitForSelector('main ::-p-text(Try it), .tools ::-p-text(Try it)'))?.click();
        }
        assert.deepEqual(await choices(page, {'links.html': '.tools', 'doctor.html': 'main'}[path] ?? 'dialog'), NAMES, path);
        await page.close();
    }
});

test('a stream that begins to run is seen, and nothing is lost that somebody is busy with', {skip}, async () => {
    const page = await open('links.html?src=cam1');
    await says(page, /codecs are not known/);
    await page.type('form.card input', 'https://host/bell.mp3');
    await page.$eval('section.card details', n => /** @type {HTMLDetailsElement} */ (n).open = true);
    await page.focus('[data-url*="frame.jpeg"] button');
    const leave = await watch(`${server.url}api/stream.mp4?src=cam1`);
    await says(page, /carries H264/);
    await says(page, /more that do not fit/);
    assert.deepEqual(await page.evaluate(() => [document.activeElement?.closest('li')?.getAttribute('data-url')?.includes('frame.jpeg'), document.querySelector('section.card details')?.hasAttribute('open'),
        /** @type {HTMLInputElement} */ (document.querySelector('form.card input')).value]), [true, true, 'https://host/bell.mp3']);
    leave();
    // It is known from now on.
    await page.waitForResponse(async response => response.url().endsWith('api/streams') && !(await response.json()).cam1.consumers?.length);
    await page.evaluate(() => new Promise(requestAnimationFrame));
    assert.match(await page.$eval('main', n => n.textContent ?? ''), /carries H264/);
    await page.close();
});

/** The addresses that are shown. @param {import('puppeteer-core').Page} page @param {string} selector */
const urls = (page, selector = '.urls li') => page.$$eval(selector, nodes => nodes.map(n => n.getAttribute('data-url') ?? ''));
/** Tests an address and waits for what comes of it. @param {import('puppeteer-core').Page} page @param {string} path in it */
async function tested(page, path) {
    const row = `.urls li[data-url*="${path}"]`;
    await page.$eval(row, n => /** @type {HTMLElement} */ ([...n.querySelectorAll('button')].find(one => one.textContent === 'Test')).click());
    await page.waitForSelector(`${row} .state:not([hidden], [data-state=run])`, {timeout: 60_000});
    return page.$eval(`${row} .state`, n => [n.getAttribute('data-state'), n.textContent]);
}
/** Nobody holds a camera any more. */
const free = () => until(async () => (await fetch(`${server.url}api/streams`)).json(), streams => !Object.values(streams).some(stream => stream.consumers?.length));

test('the server by another name: all addresses have it, and it is kept', {skip}, async () => {
    const page = await open('links.html?src=cam2');
    await page.waitForSelector('.urls li');
    assert.match(await page.$eval('main', n => n.innerText), /only this machine does/);
    assert.equal(await page.$eval('main .field input', n => n.checkVisibility()), false);
    await page.select('main .field select', '+');
    await page.type('main .field input', 'cams.example.com:8080');
    assert.deepEqual([...new Set((await urls(page)).map(url => new URL(url).host))], ['cams.example.com:8080', `cams.example.com:${server.rtsp}`]);
    assert.doesNotMatch(await page.$eval('main', n => n.innerText), /only this machine does/);
    assert.match(await page.$eval('section.card', n => n.textContent ?? ''), /http:\/\/cams\.example\.com:8080\/stream\.html/);
    assert.equal(await page.$$eval('.urls button', nodes => nodes.some(n => n.textContent === 'Test' && n.checkVisibility())), false, 'from here it cannot be told');
    await page.reload();
    await page.waitForSelector('.urls li');
    assert.ok((await urls(page)).every(url => new URL(url).hostname === 'cams.example.com'));
    assert.equal(await page.$eval('main .field input', n => n.checkVisibility() && /** @type {HTMLInputElement} */ (n).value), 'cams.example.com:8080');
    await page.$eval('main .field input', n => /** @type {HTMLInputElement} */ (n).select());
    await page.keyboard.press('Backspace');
    assert.ok((await urls(page)).every(url => new URL(url).hostname === new URL(server.url).hostname));
    await page.keyboard.type('other.example.com');
    await page.select('main .field select', '');
    assert.ok((await urls(page)).every(url => new URL(url).hostname === new URL(server.url).hostname));
    await page.close();
});

test('a name with a password is refused with a word: neither kept nor in an address; what an earlier version kept goes', {skip}, async () => {
    const page = await open('links.html?src=cam2'), kept = () => page.evaluate(() => JSON.stringify(Object.entries(localStorage)));
    await page.waitForSelector('.urls li');
    await page.select('main .field select', '+');
    await page.type('main .field input', 'cams.example.com');
    assert.match(await kept(), /cams\.example\.com/);
    await page.$eval('main .field input', n => /** @type {HTMLInputElement} */ (n).select());
    await page.keyboard.type('user:word@cams');
    await says(page, /Without user name and password/);
    assert.doesNotMatch(await kept(), /word@|rs\.host/);
    assert.ok((await urls(page)).every(url => new URL(url).hostname === new URL(server.url).hostname));
    assert.equal(await page.$eval('main .field input', n => n.getAttribute('aria-invalid')), 'true');
    await page.evaluate(() => localStorage.setItem('rs.host', '"user:word@cams"'));
    await page.reload();
    await page.waitForSelector('.urls li');
    assert.deepEqual([await page.evaluate(() => localStorage.getItem('rs.host')), await page.$eval('main', n => /word@/.test(n.innerHTML)), await page.$eval('main .field input', n => /** @type {HTMLInputElement} */ (n).value)], [null, false, '']);
    await page.close();
});

test('each address says who plays it for what this stream carries', {skip}, async () => {
    const own = await fixture({streams: {}});
    own.state.streams = {cam: {producers: [{id: 1, receivers: [{id: 2, codec: {codec_name: 'hevc', codec_type: 'video'}}, {id: 3, codec: {codec_name: 'aac', codec_type: 'audio'}}]}], consumers: null}};
    const page = await chromium.browser.newPage();
    await page.goto(`${own.url}links.html?src=cam&lang=en`);
    await page.waitForSelector('.urls li');
    const who = (/** @type {string} */ path) => page.$eval(`.urls li[data-url*="${path}"] .who`, n => n.textContent);
    assert.deepEqual([await who('camera.html'), await who('webrtc.html'), await who('stream.m3u8')], ['Browsers that decode H265, which not all do · still pictures in the others, made by FFmpeg on the server', 'Browsers that decode H265, which not all do · without the sound (AAC)', 'iPhone, Safari, television sets']);
    await page.close();
    own.close();
});

test('the server by its own addresses, those of the machine alone left out: offered, and chosen with their port and whatever stands above the pages', {skip}, async () => {
    const own = await fixture({streams: {}, answers: {'GET api': () => ({version: '1', host: 'inner:1984', rtsp: {listen: ':8554'}, rs2rtc: {version: '1', addresses: ['http://192.168.1.5:1984/cams/', 'https://[fd00::5]:1985/', 'http://127.0.0.1:1984/', 'http://[::1]:1984/', 'https://localhost:1985/']}})}});
    own.state.streams = {cam1: {producers: [{url: 'demo:'}], consumers: null}};
    const page = await chromium.browser.newPage();
    await page.goto(`${own.url}links.html?src=cam1&lang=en`);
    await page.waitForSelector('.urls li');
    assert.deepEqual(await page.$$eval('main .field option', nodes => nodes.map(n => n.textContent)), [`As this page does: ${new URL(own.url).host}`, '192.168.1.5:1984/cams', 'https://[fd00::5]:1985', 'inner:1984', 'By another name or address…']);
    for (const [base, rtsp] of [['http://192.168.1.5:1984/cams/', 'rtsp://192.168.1.5:8554/'], ['https://[fd00::5]:1985/', 'rtsp://[fd00::5]:8554/']]) {
        await page.select('main .field select', base);
        assert.deepEqual((await urls(page)).filter(url => !url.startsWith(base) && !url.startsWith(rtsp)), []);
        await page.reload();
        await page.waitForSelector('.urls li');
        assert.equal(await page.$eval('main .field select', n => /** @type {HTMLSelectElement} */ (n).value), base, 'it is kept');
    }
    await page.evaluate(() => localStorage.clear());
    await page.close();
    own.close();
});

test('a server that comes back while it is asked about the stream is asked again', {skip}, async () => {
    const gate = () => {
        let open = () => {};
        const held = new Promise(resolve => {
            open = () => resolve(null);
        });
        return {held, open: () => open()};
    };
    const [release, again] = [gate(), gate()], errors = /** @type {string[]} */ ([]);
    let asked = 0;
    const own = await fixture({answers: {
        'GET api': async () => {
            if (asked++) await again.held;
            return {version: '1', host: 'h', rs2rtc: {version: '1', addresses: []}};
        },
        'GET api/rs/release': async () => {
            await release.held;
            return {clip_ms: 0};
        },
    }});
    const page = await chromium.browser.newPage();
    page.on('pageerror', err => errors.push(/** @type {Error} */ (err).message));
    await page.goto(`${own.url}links.html?src=demo&lang=en`);
    await own.until(() => own.requests.includes('/api/rs/release'));
    await page.waitForSelector('.dot[data-state=live]');
    own.emit('hello', {boot: 'another'});
    await own.until(() => asked > 1);
    const told = page.waitForResponse(response => response.url().includes('api/rs/release'));
    release.open();
    await told;
    again.open();
    await page.waitForSelector('.urls li');
    assert.deepEqual(errors, []);
    await page.close();
    own.close();
});

test('rows by keyboard: arrows go through those that are seen, C copies, and what is typed is only typed', {skip}, async () => {
    const page = await open('links.html?src=cam2'), at = () => page.evaluate(() => [...document.querySelectorAll('.urls li')].indexOf(/** @type {Element} */ (document.activeElement)));
    await page.waitForSelector('.urls li');
    await page.evaluate(() => {
        navigator.clipboard.writeText = async text => { /** @type {any} */ (window).copied = text; };
    });
    const seen = [];
    for (const key of /** @type {const} */ (['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowUp'])) {
        await page.keyboard.press(key);
        seen.push(await at());
    }
    assert.deepEqual(seen, [0, 1, 2, 1]);
    await page.keyboard.press('c');
    await page.waitForSelector('.toast');
    assert.equal(await page.evaluate(() => /** @type {any} */ (window).copied), (await urls(page))[1]);
    // What starts a player.
    const starts = await page.$$eval('[data-url^="rtsp:"]', rows => rows.map(row => [...row.querySelectorAll('button')].map(n => n.textContent).filter(text => text === 'ffplay' || text === 'VLC').join()));
    assert.deepEqual(starts, ['ffplay,VLC', 'ffplay,VLC', '']);
    for (const [program, line] of [['ffplay', 'ffplay -rtsp_transport tcp'], ['VLC', 'vlc']]) {
        await page.$$eval('[data-url^="rtsp:"] button', (nodes, program) => nodes.find(n => n.textContent === program)?.click(), program);
        assert.equal(await page.evaluate(() => /** @type {any} */ (window).copied), `${line} 'rtsp://127.0.0.1:${server.rtsp}/cam2'`);
    }
    await page.focus('form.card input');
    await page.keyboard.type('c');
    await page.keyboard.press('ArrowDown');
    assert.equal(await page.evaluate(() => /** @type {any} */ (document.activeElement).value), 'c');
    await page.close();
});

test('an address is tested: what answers, how soon, or why not; and nothing stays open', {skip}, async () => {
    const page = await open('links.html?src=cam10');
    await page.waitForSelector('.urls li');
    const [state, text] = await tested(page, 'stream.ts');
    assert.equal(state, 'ok');
    assert.match(text ?? '', /^Answers: video\/mp2t, \d+(\.\d+)? (ms|s)$/);
    assert.equal((await tested(page, 'frame.jpeg'))[1]?.startsWith('Answers: image/jpeg'), true);
    assert.deepEqual((await tested(page, 'clip.mp4'))[0], 'fail');
    await free();
    await page.close();
});

test('QR pressed twice shows one code', {skip}, async () => {
    const page = await open('links.html?src=cam2');
    await page.waitForSelector('.urls li');
    const press = (/** @type {number} */ times) => page.$$eval('.urls button', (nodes, times) => {
        for (let i = 0; i < times; i++) nodes.find(n => n.textContent === 'QR')?.click();
    }, times);
    await press(2);
    await page.waitForSelector('dialog[open] svg');
    // The other one would be there, too.
    await page.evaluate(() => fetch('api').then(answer => answer.text()));
    assert.equal((await page.$$('dialog')).length, 1);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => !document.querySelector('dialog'));
    await press(1);
    await page.waitForSelector('dialog[open] svg');
    await page.close();
});

test('what an address answers is not told of another one that was chosen meanwhile', {skip}, async () => {
    let end = (/** @type {any} */ _value) => {}, asked = 0;
    const own = await fixture({answers: {'GET api/frame.jpeg': () => new Promise(resolve => {
        asked++;
        end = resolve;
    })}}), page = await chromium.browser.newPage();
    await page.goto(`${own.url}links.html?src=demo&lang=en`);
    const row = '.urls li[data-url*="api/frame.jpeg"]', told = () => page.$eval(`${row} .state`, n => [n.checkVisibility(), n.textContent]);
    await page.waitForSelector(row);
    await page.$$eval(`${row} button`, nodes => nodes.find(n => n.textContent === 'Test')?.click());
    await own.until(() => asked === 1);
    assert.deepEqual(await told(), [true, 'running…']);
    await page.select('main .field select', '+');
    await page.type('main .field input', 'cams.example.com');
    const answered = page.waitForResponse(response => response.url().includes('api/frame.jpeg'));
    end(404);
    await answered;
    await page.evaluate(() => fetch('api/streams').then(answer => answer.text()));
    assert.equal((await told())[0], false);
    await page.close();
    own.close();
});

for (const [name, start, missing] of /** @type {[string, typeof launch, string|false][]} */ ([['Chromium', launch, skip], ['Firefox', launchFirefox, skip || without(FIREFOX, 'Firefox', isDebian())]])) {
    test(`${name}: WHEP is tested by a session of which something arrives, and which is ended`, {skip: missing}, async () => {
        const {browser, close} = await start({mdns: 'show'});
        try {
            const page = await browser.newPage();
            await page.goto(`${server.url}links.html?src=cam2&lang=en`);
            await page.waitForSelector('.urls li');
            const [state, text] = await tested(page, 'api/webrtc?src=');
            assert.match(`${state} ${text}`, /^ok Answers: WebRTC, \d/);
            await free();
            const {ended} = await (await fetch(`${server.url}api/rs/sessions?stream=cam2`)).json();
            // The page closes the connection and deletes the session: either may come first.
            assert.ok(['http_delete', 'close_notify'].includes(ended[0].reason), ended[0].reason);
        } finally {
            await close();
        }
    });
}

test('WHEP of a camera that is not there: the words of the server', {skip}, async () => {
    const page = await open('links.html?src=gate');
    await page.waitForSelector('.urls li');
    const [state, text] = await tested(page, 'api/webrtc?src=');
    assert.match(`${state} ${text}`, /^fail Not reachable\n.*refused/);
    await page.close();
});

test('WHEP without WebRTC, or without the server: words of the page, in its language', {skip}, async () => {
    const own = await fixture(), page = await chromium.browser.newPage();
    await page.goto(`${own.url}links.html?src=demo&lang=zh`);
    await page.waitForSelector('.urls li');
    const row = '.urls li[data-url*="api/webrtc?src="]', tells = async (/** @type {string} */ words) => {
        await page.$eval(row, n => /** @type {HTMLElement} */ ([...n.querySelectorAll('button')].find(one => one.textContent === '测试')).click());
        await page.waitForFunction((row, words) => document.querySelector(`${row} [data-state=fail]`)?.textContent === words, {timeout: 60_000}, row, words);
    };
    await page.evaluate(() => Object.assign(window, {kept: RTCPeerConnection}) && delete /** @type {any} */ (window).RTCPeerConnection);
    await tells('此浏览器不支持 WebRTC，改用 MSE 或 MJPEG。');
    await page.evaluate(() => Object.assign(window, {RTCPeerConnection: /** @type {any} */ (window).kept}));
    own.close();
    await tells('无法连接服务器。');
    await page.close();
});

test('a stream that nobody watches: its codecs are asked for, and the camera is let go', {skip}, async () => {
    const page = await open('links.html?src=front%20door');
    await says(page, /codecs are not known/);
    await page.$eval('main .row button', n => /** @type {HTMLElement} */ (n).focus());
    await page.keyboard.press('Enter');
    await says(page, /carries H264 \+ Opus/);
    await free();
    await page.waitForFunction(() => document.activeElement !== document.body, {polling: 20, timeout: 60_000});
    assert.deepEqual(await page.evaluate(() => [document.activeElement?.textContent, [...document.querySelectorAll('main button')].some(n => n.textContent === 'Test to see' && n.checkVisibility())]), ['This stream carries H264 + Opus.', false]);
    await page.close();
});

test('who asks for the codecs stays where the answer is, also if the events were there before it', {skip}, async () => {
    const codec = {codec_name: 'h264', codec_type: 'video'}, idle = {cam: {producers: [{url: 'rtsp://x'}], consumers: null}}, running = {cam: {producers: [{id: 1, format_name: 'rtsp', receivers: [{id: 2, codec}]}], consumers: null}};
    let answer = /** @type {(() => void)|null} */ (null), state = /** @type {object} */ (idle);
    const own = await fixture({answers: {'GET api/streams': (/** @type {{query: URLSearchParams}} */ {query}) => query.has('video') ? new Promise(resolve => answer = () => resolve(running.cam)) : state}}), page = await chromium.browser.newPage();
    await page.goto(`${own.url}links.html?src=cam&lang=en`);
    await says(page, /codecs are not known/);
    await own.until(() => own.readers() > 0);
    await page.$eval('main .row button', n => /** @type {HTMLElement} */ (n).focus());
    await page.keyboard.press('Enter');
    await own.until(() => answer !== null);
    state = running;
    own.emit('source_opened', {stream: 'cam', source: 'rtsp://x', took_ms: 1});
    await says(page, /carries H264/);
    await page.waitForFunction(() => document.activeElement === document.body, {polling: 20, timeout: 60_000});
    answer?.();
    await page.waitForFunction(() => /carries H264/.test(document.activeElement?.textContent ?? '') && document.activeElement?.localName === 'p', {polling: 20, timeout: 60_000});
    await page.close();
    own.close();
});

test('a stream, a sound and words are played to the camera, and what is refused is told', {skip}, async () => {
    const page = await open('links.html?src=cam1');
    await page.waitForSelector('form.card select');
    for (const [kind, what, path] of [['text', 'Somebody is here', 'api/ffmpeg'], ['file', 'https://127.0.0.1:1/bell.mp3', 'api/ffmpeg'], ['live', 'https://127.0.0.1:1/radio.mp3', 'api/ffmpeg'], ['src', 'nobody', 'api/streams']]) {
        await page.select('form.card select', kind);
        await page.$eval('form.card input', n => n.value = '');
        await page.type('form.card input', what);
        const [answer] = await Promise.all([page.waitForResponse(response => response.request().method() === 'POST'), page.keyboard.press('Enter')]);
        const url = new URL(answer.url());
        assert.deepEqual([url.pathname, url.searchParams.get('dst'), url.searchParams.get(kind)], [`/${path}`, 'cam1', what]);
        // This camera has no loudspeaker.
        assert.equal(answer.ok(), false, kind);
        await page.waitForFunction(() => document.querySelector('.toast')?.textContent);
    }
    await page.close();
});
