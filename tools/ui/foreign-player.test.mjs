/**
 * Another player's pages, unmodified, play from the release binary by each of its ways. `FOREIGN_PLAYER` names their folder, with a `stream.html`
 * that takes `src` and `mode`; they are nobody's dependency, so that without it this is left out. What their code throws is their own.
 */
import assert from 'node:assert/strict';
import {join} from 'node:path';
import {test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const FOLDER = process.env.FOREIGN_PLAYER ?? '';
const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc') || (FOLDER ? without(join(FOLDER, 'stream.html'), 'stream.html of another player') : 'no FOREIGN_PLAYER given');

test('another player\'s pages play, and let go when they are closed', {skip}, async () => {
    const server = await rs2rtc('streams:\n  cam: demo:?width=320&height=180&fps=15\n  pictures: demo:?video=mjpeg&audio=none&width=320&height=180&fps=10\n', {api: `static_dir: ${JSON.stringify(FOLDER)}`});
    const {browser, close} = await launch({mdns: 'show'});
    try {
        // go2rtc 1.9's `mp4` throws before it asks for anything.
        for (const [src, mode] of [['cam', 'webrtc'], ['cam', 'webrtc/tcp'], ['cam', 'mse'], ['pictures', 'mjpeg'], ['cam', 'webrtc,mse,mjpeg']]) {
            const page = await browser.newPage();
            await page.goto(`${server.url}stream.html?src=${src}&mode=${mode}`);
            await page.waitForFunction(() => {
                const video = document.querySelector('video');
                // Motion JPEG is a poster again and again.
                return video && (video.currentTime > 0.5 && video.videoWidth === 320 || video.poster.startsWith('data:image/jpeg'));
            }, {polling: 50}).catch(async err => assert.fail(`${mode}: ${err.message} ${await page.$eval('body', n => n.textContent)}`));
            await page.close();
            for (const end = Date.now() + 60_000; ;) {
                const open = Object.values(await (await fetch(`${server.url}api/streams`)).json()).flatMap(one => one.consumers ?? []);
                if (!open.length) break;
                assert.ok(Date.now() < end, `${mode}: ${JSON.stringify(open)}`);
                await new Promise(resolve => setTimeout(resolve, 50));
            }
        }
    } finally {
        await close();
        await server.stop();
    }
});
