/**
 * The pages in a real Chromium, under the product's content security policy, with a
 * camera inside the page or a server that answers with errors.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {mockServer} from './mock-server.mjs';
import {pageCamera} from './page-camera.mjs';
import {playIn} from './play.mjs';
import {stripCells} from './strip.mjs';

const skip = without(CHROMIUM, 'Chromium');
const HOSTILE = `<img src=x onerror=1>"'&?#/空格`;
const streams = {
    demo: {producers: [{url: 'demo:'}], consumers: null},
    gate: {producers: [{url: 'rtsp://192.168.1.70/x', error: 'connection refused'}], consumers: null},
    [HOSTILE]: {producers: [{id: 1, format_name: 'rtsp'}], consumers: [{id: 2, format_name: 'webrtc'}]},
};

/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
/** @type {Awaited<ReturnType<typeof mockServer>>} */
let server;

before(async () => {
    if (skip) return;
    server = await mockServer({streams, errors: {gate: 'rtsp: dial 192.168.1.70:554: connection refused'}, base: '/a/b/'});
    chromium = await launch({mdns: 'show'});
});
after(async () => {
    await chromium?.close();
    server?.close();
});

const camera = page => page.evaluateOnNewDocument(`(${pageCamera})(${stripCells})`).then(() => {});

/** @param {{console: string[]}} result */
function clean(result) {
    // What the measuring itself uses is no fault of the page.
    assert.deepEqual(result.console.filter(text => !text.includes('ScriptProcessorNode')), []);
}

test('stream.html plays by webrtc: picture, strip, sound', {skip}, async () => {
    const result = await playIn(chromium.browser, {url: server.url, src: 'demo', seconds: 1.5, pictures: 12, sound: true, timeout: 60, prepare: camera});
    clean(result);
    assert.ok(result.ok);
    assert.equal(result.status[0].mode, 'RTC');
    assert.deepEqual([result.video.width, result.video.height, result.video.muted], [640, 360, false]);
    assert.ok(result.video.decoded > 5, `decoded ${result.video.decoded}`);
    assert.ok(result.strip.advanced > 5, `advanced ${result.strip.advanced}`);
    assert.ok(result.audio.heard && result.audio.peak > 0.1);
    assert.ok(result.marks.firstFrame >= result.marks.answer);
    assert.ok(result.pictures.distinct > 1);
});

test('index.html plays what is clicked, with sound, though the server has no mse', {skip}, async () => {
    // Alone: a camera that runs anyway would play too.
    const alone = await mockServer({streams: {demo: streams.demo}});
    const result = await playIn(chromium.browser, {url: alone.url, src: 'demo', page: 'index', seconds: 1, pictures: 12, timeout: 60, prepare: camera});
    alone.close();
    clean(result);
    assert.ok(result.ok);
    assert.equal(result.video.muted, false);
    assert.match(result.errors.join(), /mse: not implemented/);
});

test('one player per source and mode', {skip}, async () => {
    const page = await chromium.browser.newPage();
    await page.goto(`${server.url}stream.html?src=a&src=b&src=c&mode=webrtc&mode=mse&width=200px&background=false`);
    await page.waitForSelector('rs-player');
    const players = await page.$$eval('rs-player', nodes => nodes.map(n => [new URL(n.wsURL).searchParams.get('src'), n.mode, n.background]));
    assert.deepEqual(players, [['a', 'webrtc', false], ['b', 'mse', false], ['c', 'webrtc', false]]);
    assert.equal(await page.title(), 'a, b, c – rs2rtc');
    await page.close();
});

test('errors of the server stand on the picture', {skip}, async () => {
    for (const [src, mode, text] of [
        ['gate', 'webrtc,mse,mjpeg', /^The camera refuses the connection[\s\S]*192\.168\.1\.70:554/],
        ['nobody', 'webrtc', /^There is no stream named "nobody"\./],
        ['demo', 'mse', /^The server cannot play it this way\./],
    ]) {
        const page = await chromium.browser.newPage();
        await page.goto(`${server.url}stream.html?src=${src}&mode=${mode}`);
        await page.waitForFunction(() => document.querySelector('.mode')?.textContent === 'error'
            && document.querySelector('.act')?.textContent === 'Retry now');
        assert.match(await page.$eval('.status', node => node.textContent ?? ''), text);
        await page.close();
    }
});
