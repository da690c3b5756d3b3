/**
 * A camera that is not there when its page is opened, with the release binary: the page says why, tries again by itself, and has a picture when
 * the camera is there, without being loaded again.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');

test('an offer that fails, then the camera is back: the picture comes without a reload', {skip}, async () => {
    const source = await rs2rtc('streams:\n  cam: demo:?width=320&height=180&fps=15\n');
    const server = await rs2rtc(`streams:\n  cam: rtsp://127.0.0.1:${source.rtsp}/cam\n`), {browser, close} = await launch({mdns: 'show'});
    try {
        await source.kill();
        for (const mode of ['webrtc', 'mse']) {
            const page = await browser.newPage();
            await page.goto(`${server.url}camera.html?src=cam&mode=${mode}&lang=en`);
            await page.waitForFunction(() => {
                const player = /** @type {any} */ (document.querySelector('rs-player'));
                return player?.phase === 'retrying' && /camera refuses the connection/i.test(player.textContent);
            }, {polling: 50, timeout: 60_000}).catch(async err => assert.fail(`${err.message}: ${await page.$eval('main', n => n.textContent)}`));
            await page.evaluate(() => { /** @type {any} */ (window).same = true; });
            await source.again();
            await page.waitForFunction(() => {
                const player = /** @type {any} */ (document.querySelector('rs-player'));
                return player.phase === 'live' && player.video.videoWidth === 320;
            }, {polling: 50, timeout: 60_000});
            assert.equal(await page.evaluate(() => /** @type {any} */ (window).same), true, 'it is the same page');
            await page.close();
            await source.kill();
        }
    } finally {
        await close();
        await server.stop();
        await source.stop();
    }
});
