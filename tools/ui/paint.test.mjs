/**
 * How soon the grid is on the screen, from the release binary, with the connection and the browser's process warm and the cache empty. The
 * best of some visits counts: a machine that does other things shows what it can do now and then.
 */
import assert from 'node:assert/strict';
import {loadavg} from 'node:os';
import {test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
/** Milliseconds from the navigation to the tiles, and visits to try. */
const LIMIT = 300, VISITS = 20;

test('the grid is painted within 300 ms', {skip}, async () => {
    const server = await rs2rtc(`streams:\n${Array.from({length: 16}, (_, i) => `  cam${i + 1}: demo:?width=320&height=180\n`).join('')}`);
    const chromium = await launch({mdns: 'show'}), seen = [];
    try {
        const page = await chromium.browser.newPage();
        await page.setCacheEnabled(false);
        await page.evaluateOnNewDocument(() => {
            // In the frame after the one that they are drawn in they have been seen.
            const look = () => document.querySelectorAll('.tile').length >= 16
                ? requestAnimationFrame(() => { /** @type {any} */ (window).painted = performance.now(); }) : requestAnimationFrame(look);
            look();
        });
        while (seen.length < VISITS && !seen.some(ms => ms <= LIMIT)) {
            await page.goto(`${server.url}?lang=en`);
            await page.waitForFunction(() => /** @type {any} */ (window).painted, {timeout: 30_000});
            seen.push(await page.evaluate(() => Math.round(/** @type {any} */ (window).painted)));
        }
        console.log(`16 tiles are painted after ${seen.join(', ')} ms (load ${loadavg()[0].toFixed(1)})`);
        assert.ok(Math.min(...seen) <= LIMIT, `${seen.join(', ')} ms`);
        assert.equal(Object.values(await (await fetch(`${server.url}api/streams`)).json()).filter(one => one.consumers).length, 0, 'no camera was opened');
    } finally {
        await chromium.close();
        await server.stop();
    }
});
