/**
 * A camera with sound whose picture is Motion JPEG, played by the class that other pages extend: WebRTC or MSE carries the sound, and the
 * picture is seen beside it.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';
import {readStrip} from './strip.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');

/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
/** @type {Awaited<ReturnType<typeof rs2rtc>>} */
let server;
before(async () => {
    if (skip) return;
    server = await rs2rtc('streams:\n  cam: demo:?video=mjpeg&audio=pcmu&width=640&height=360\n');
    chromium = await launch({mdns: 'show'});
});
after(async () => {
    await chromium?.close();
    await server?.stop();
});

/** The counter in the picture that is on the screen, 0 if there is none. @param {import('puppeteer-core').Page} page */
async function counter(page) {
    const png = Buffer.from(await page.screenshot({clip: {x: 0, y: 0, width: 640, height: 360}})).toString('base64');
    const image = await page.evaluate(async text => {
        const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(text), c => c.charCodeAt(0))], {type: 'image/png'}));
        const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d'));
        pen.drawImage(bitmap, 0, 0);
        const {data, width, height} = pen.getImageData(0, 300, bitmap.width, 60);
        return {data: [...data], width, height};
    }, png);
    return readStrip(image, 360)?.frame ?? 0;
}

for (const mode of ['webrtc,mse,hls,mjpeg', 'webrtc,mjpeg', 'mse,mjpeg']) {
    test(`${mode}: the picture advances while the sound plays`, {skip}, async () => {
        const page = await chromium.browser.newPage(), faults = /** @type {string[]} */ ([]);
        page.on('console', msg => {
            if (['error', 'warn'].includes(msg.type())) faults.push(msg.text());
        });
        await page.setViewport({width: 640, height: 360});
        await page.goto(`${server.url}stream.html`);
        await page.evaluate(async mode => {
            await import(/** @type {any} */ (new URL('video-stream.js', location.href).href));
            const player = /** @type {any} */ (document.createElement('video-stream'));
            Object.assign(player, {id: 'player', mode, pcConfig: {iceServers: []}});
            player.src = new URL('api/ws?src=cam', location.href);
            document.body.replaceChildren(player);
            Object.assign(player.style, {position: 'fixed', inset: '0'});
        }, mode);
        await page.waitForFunction(() => {
            const player = /** @type {any} */ (document.getElementById('player'));
            return player.video.currentTime > 0.5 && player.video.style.background && player.querySelector('.mode').textContent === 'MJPEG';
        }, {timeout: 60_000});
        // The controls are there for the sound, and would lie over the lower edge.
        assert.equal(await page.evaluate(() => {
            const {video} = /** @type {any} */ (document.getElementById('player'));
            const had = video.controls;
            video.controls = false;
            return had && !video.muted;
        }), true);
        const seen = new Set();
        for (const until = Date.now() + 60_000; seen.size < 3 && Date.now() < until;) {
            const frame = await counter(page);
            if (frame) seen.add(frame);
        }
        assert.equal(seen.size, 3, 'the burnt-in counter moves');
        assert.deepEqual([...seen], [...seen].sort((a, b) => a - b));
        await page.close();
        assert.deepEqual(faults, []);
    });
}
