/**
 * The back/forward cache of the browser, with the release binary: a page that is left is kept by the browser, has let go of its camera meanwhile,
 * and has a new picture at once when the visitor comes back; there is one session then.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
/** Milliseconds from the page being back to a new picture. */
const LIMIT = 500, VISITS = 5;

test('back: the page is out of the cache, with a new picture within half a second', {skip}, async () => {
    const server = await rs2rtc('streams:\n  cam: demo:?width=320&height=180&fps=25\n'), {browser, close} = await launch({mdns: 'show', backForwardCache: true});
    const consumers = async () => (await (await fetch(`${server.url}api/streams?src=cam`)).json()).consumers ?? [];
    const until = async (/** @type {number} */ wanted) => {
        for (const end = Date.now() + 20_000; (await consumers()).length !== wanted;) {
            assert.ok(Date.now() < end, JSON.stringify(await consumers()));
            await new Promise(resolve => setTimeout(resolve, 20));
        }
    };
    try {
        const page = await browser.newPage(), seen = /** @type {number[]} */ ([]);
        await page.goto(`${server.url}camera.html?src=cam&lang=en`);
        await page.waitForFunction(() => /** @type {any} */ (document.querySelector('rs-player'))?.phase === 'live', {polling: 20, timeout: 30_000});
        const fresh = Math.round(await page.evaluate(() => performance.now()));
        await page.evaluate(() => addEventListener('pageshow', ev => {
            const back = /** @type {any} */ (window).back = {persisted: ev.persisted, ms: 0}, began = performance.now();
            const player = /** @type {any} */ (document.querySelector('rs-player')), video = /** @type {HTMLVideoElement} */ (player.video);
            const look = () => {
                if (player.phase === 'live') back.ms = performance.now() - began;
                else video.requestVideoFrameCallback(look);
            };
            video.requestVideoFrameCallback(look);
        }));
        // The best of some visits counts: a machine that does other things shows what it can do now and then.
        while (seen.length < VISITS && !seen.some(ms => ms < LIMIT)) {
            await page.goto(`${server.url}links.html?src=cam&lang=en`);
            await page.waitForSelector('.urls li');
            await until(0);
            await page.goBack();
            // What the driver waits for in a page that comes out of the cache may be forgotten; a question is answered.
            let back;
            for (const end = Date.now() + 20_000; !(back = await page.evaluate(() => /** @type {any} */ (window).back))?.ms;) {
                assert.ok(Date.now() < end, JSON.stringify(back));
                await new Promise(resolve => setTimeout(resolve, 20));
            }
            assert.equal(back.persisted, true, 'the browser has kept the page');
            await page.evaluate(() => { delete /** @type {any} */ (window).back; });
            seen.push(Math.round(back.ms));
            await until(1);
        }
        console.log(`a new picture ${seen.join(', ')} ms after the page was back, ${fresh} ms after it was loaded`);
        // A machine that is too slow for that is so for a new page, too.
        assert.ok(Math.min(...seen) < Math.max(LIMIT, fresh), `${seen.join(', ')} ms`);
    } finally {
        await close();
        await server.stop();
    }
});
