/**
 * Our pages at a server that has only what go2rtc has: the players play by each way, are let go when they are closed, and ask for nothing else; pages show what there is and say nothing wrong.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, holdMse, launch, without} from './browser.mjs';
import {plainServer} from './plain-server.mjs';
import {BINARY, rs2rtc, until} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
/** What a page asks for to find out, each once: the answer is a fault on the console. */
const PROBES = /404 \(Not Found\) .*\/api\/rs\/(events|poster)\?/;

/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
/** @type {Awaited<ReturnType<typeof rs2rtc>>} */
let server;
/** @type {Awaited<ReturnType<typeof plainServer>>} */
let plain;
before(async () => {
    if (skip) return;
    server = await rs2rtc('streams:\n  cam: demo:?width=320&height=180&fps=15\n  pictures: demo:?video=mjpeg&audio=none&width=320&height=180&fps=10\n  gate: rtsp://127.0.0.1:1/x\n');
    plain = await plainServer(server.port);
    chromium = await launch({mdns: 'show'});
});
after(async () => {
    await chromium?.close();
    plain?.close();
    await server?.stop();
});

/** @param {string} path @param {() => void} [prepare] runs in the page before its own scripts */
async function open(path, prepare = () => {}) {
    plain.missed.length = 0;
    plain.dropped.clear();
    const page = await chromium.browser.newPage(), said = /** @type {string[]} */ ([]);
    page.on('console', msg => ['error', 'warn'].includes(msg.type()) && said.push(`${msg.text()} ${msg.location()?.url ?? ''}`));
    page.on('pageerror', err => said.push(String(/** @type {any} */ (err).stack ?? err)));
    await page.evaluateOnNewDocument(prepare);
    await page.goto(`${plain.url}${path}`);
    return {page, async done(/** @type {RegExp} */ but = /^$/) {
        await page.close();
        assert.deepEqual(said.filter(line => !but.test(line)), [], path);
        // What is closed is let go, although no goodbye of ours is heard.
        await until(async () => Object.values(await (await fetch(`${server.url}api/streams`)).json()).flatMap(one => one.consumers ?? []), list => !list.length);
    }};
}

test('the player plays by each way, and asks for nothing that is not there', {skip}, async () => {
    for (const [path, mode] of [['stream.html?src=cam', 'webrtc'], ['stream.html?src=cam&mode=webrtc', 'webrtc'], ['stream.html?src=cam&mode=mse', 'mse'], ['stream.html?src=cam&mode=mp4', 'mp4'],
        ['stream.html?src=pictures&mode=mjpeg', 'mjpeg'], ['hls.html?src=cam', 'hls'], ['webrtc.html?src=cam', 'webrtc']]) {
        // Where both race, WebRTC does not come too late.
        const {page, done} = await open(path, path === 'stream.html?src=cam' ? holdMse : undefined);
        // MP4 is one still picture after the other.
        await page.waitForFunction((mode, title) => {
            const player = /** @type {any} */ (document.querySelector('rs-player'));
            return player?.phase === 'live' && player.textContent.includes(title) && (mode === 'mp4' ? player.video.poster : player.shown === player.video ? player.video.currentTime > 0.5 : player.shown.width === 320);
        }, {polling: 50}, mode, mode === 'webrtc' ? 'RTC' : mode.toUpperCase()).catch(async err => assert.fail(`${path}: ${err.message} ${await page.$eval('body', n => n.textContent)}`));
        assert.deepEqual([plain.missed, [...plain.dropped].filter(kind => !/^(hello|stop)$/.test(kind))], [[], []], path);
        await done();
    }
});

test('<video-stream> plays by WebRTC and MSE', {skip}, async () => {
    for (const mode of ['webrtc', 'mse', 'webrtc,mse,mp4,mjpeg']) {
        const {page, done} = await open('stream.html');
        await page.evaluate(async mode => {
            await import(/** @type {any} */ (new URL('video-stream.js', location.href).href));
            const player = /** @type {any} */ (document.createElement('video-stream'));
            player.mode = mode;
            player.src = new URL('api/ws?src=cam', location.href);
            document.body.append(player);
        }, mode);
        await page.waitForFunction(() => {
            const video = document.querySelector('video');
            return video && video.currentTime > 0.5 && video.videoWidth === 320;
        }, {polling: 50});
        assert.deepEqual([plain.missed, [...plain.dropped]], [[], []]);
        await done();
    }
});

test('a camera that is not there is said in words', {skip}, async () => {
    const {page, done} = await open('stream.html?src=gate&lang=en');
    await page.waitForFunction(() => /The camera refuses the connection/.test(document.querySelector('rs-player')?.textContent ?? ''), {polling: 50});
    await done();
});

test('a camera is added without a test, and its viewers are not offered to be stopped', {skip}, async () => {
    const {page, done} = await open('add.html?lang=en');
    await page.waitForSelector('body.plain');
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'src');
    await page.keyboard.type('demo:?width=320&height=180');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'name');
    assert.equal(await page.$eval('.checks', n => n.textContent), 'This server has no such call.');
    assert.equal(await page.$eval('[data-part=name] select', n => n.checkVisibility()), false, 'how long it is held is only written there');
    await page.keyboard.type('fresh');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => /fresh is added/.test(document.querySelector('main')?.textContent ?? ''));
    assert.ok(plain.missed.every(one => one === '/api/rs/events'), `${plain.missed}`);
    await done(PROBES);
    const table = await open('streams.html?lang=en&q=fresh');
    await table.page.waitForSelector('body.plain');
    await (await table.page.waitForSelector('tbody [aria-label=Details]'))?.click();
    await table.page.waitForSelector('.detail');
    assert.equal(await table.page.$$eval('.detail button', nodes => nodes.some(n => n.textContent === 'Stop viewers' && n.checkVisibility())), false);
    await table.page.$$eval('.detail button', nodes => nodes.find(n => n.textContent === 'Delete stream')?.click());
    await table.page.waitForSelector('dialog input');
    await table.page.type('dialog input', 'fresh');
    await table.page.keyboard.press('Enter');
    await table.page.waitForFunction(() => !document.querySelector('tbody tr'));
    await table.done(PROBES);
});

test('pages show what there is, hide what is not, and do not say that the server is away', {skip}, async () => {
    for (const [path, ready] of [['', '.tile .start'], ['streams.html', 'tbody tr'], ['camera.html?src=cam', 'rs-player .info[data-phase=live]'], ['links.html?src=cam', '.urls li'], ['net.html', '.empty, .graph g'], ['log.html', '.loglist li']]) {
        const {page, done} = await open(`${path}${path.includes('?') ? '&' : '?'}lang=en`);
        await page.waitForSelector(ready);
        await page.waitForSelector('body.plain');
        assert.equal(await page.$eval('.banner', n => n.hidden ? '' : n.textContent), '', path);
        assert.equal(await page.$$eval('[href="sessions.html"]', nodes => nodes.some(n => n.checkVisibility())), false, path);
        if (path === 'log.html') assert.equal(await page.$$eval('main details', nodes => nodes.some(n => n.checkVisibility())), false, 'its levels are not told');
        if (path.startsWith('camera')) await page.waitForSelector('.drawer a[href="log.html?q=cam"]');
        if (path === '') {
            await page.click('[data-name=cam] .start');
            await page.waitForFunction(() => /** @type {any} */ (document.querySelector('.tile rs-player'))?.phase === 'live', {polling: 50});
            // It is looked at again without being told.
            await page.waitForSelector('[data-name=cam] .state[data-state=live]');
        }
        assert.ok(plain.missed.filter(one => one === '/api/rs/events').length <= 1, `${path}: ${plain.missed}`);
        assert.ok(plain.missed.every(one => /events|poster/.test(one)), `${path}: ${plain.missed}`);
        await done(PROBES);
    }
});
