/**
 * More pictures than a browser can decode, with the release binary: of 16 cameras in the grid the page plays as many as the browser keeps up with,
 * shows the others as stills and says so. The browser only says that it drops frames: how it fares on a processor that really is too slow is
 * measured by `bench-pages.mjs`.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
/** Tiles, and how many of them the browser says that it can decode. */
const TILES = 16, ENOUGH = 4;

test('16 tiles, more than the browser can decode: the others are stills', {skip}, async () => {
    // One encoder for all: the others only pass on what they get.
    const source = await rs2rtc('streams:\n  cam: demo:?width=640&height=360&fps=10&audio=none\n');
    const server = await rs2rtc(`streams:\n${Array.from({length: TILES}, (_, i) => `  cam ${i}: rtsp://127.0.0.1:${source.rtsp}/cam\n`).join('')}`);
    const {browser, close} = await launch({mdns: 'show'});
    try {
        const page = await browser.newPage();
        await page.setViewport({width: 1280, height: 900});
        await page.evaluateOnNewDocument(enough => {
            localStorage.setItem('rs.alwaysAll', 'true');
            localStorage.setItem('rs.cols', '4');
            // Half of what comes is dropped as long as more play.
            const real = HTMLVideoElement.prototype.getVideoPlaybackQuality, before = new WeakMap();
            HTMLVideoElement.prototype.getVideoPlaybackQuality = function () {
                const quality = real.call(this), last = before.get(this) ?? {all: quality.totalVideoFrames, dropped: 0};
                const more = quality.totalVideoFrames - last.all, late = document.querySelectorAll('rs-player').length > enough;
                const now = {all: quality.totalVideoFrames, dropped: last.dropped + (late ? more / 2 : 0)};
                before.set(this, now);
                return /** @type {any} */ ({totalVideoFrames: now.all, droppedVideoFrames: now.dropped});
            };
            /** How many play, each time that it changes. */
            const counts = /** @type {number[]} */ ([]);
            /** @type {any} */ (window).counts = counts;
            addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
                const n = document.querySelectorAll('rs-player').length;
                if (n !== counts.at(-1)) counts.push(n);
            }).observe(document.body, {subtree: true, childList: true}));
        }, ENOUGH);
        await page.goto(`${server.url}?lang=en`);
        const look = () => page.$$eval('.tile', nodes => nodes.map(node => node.querySelector('rs-player') ? 'plays' : node.querySelector('.note')?.textContent));
        await page.waitForFunction((tiles, enough) => document.querySelectorAll('.tile').length === tiles && Math.max(.../** @type {any} */ (window).counts) > enough
            && document.querySelectorAll('rs-player').length <= enough, {polling: 100, timeout: 150_000}, TILES, ENOUGH)
            .catch(async err => assert.fail(`${err.message}: ${JSON.stringify([await page.evaluate(() => /** @type {any} */ (window).counts), await look()])}`));
        const tiles = await look(), playing = tiles.filter(one => one === 'plays').length;
        assert.ok(playing >= 1 && playing <= ENOUGH, JSON.stringify(tiles));
        assert.deepEqual([...new Set(tiles)].sort(), ['Still picture to save power', 'plays']);
        // It is still there for its visitor.
        await page.keyboard.press('9');
        await page.waitForFunction(() => /** @type {HTMLElement} */ (document.activeElement).matches('.tile:nth-child(9)'), {polling: 20, timeout: 60_000});
        // Nothing takes a slow thread for long: players begin one after the other.
        const counts = await page.evaluate(() => /** @type {number[]} */ (/** @type {any} */ (window).counts));
        assert.ok(counts.every((n, i) => n - (counts[i - 1] ?? 0) <= 1), counts.join(', '));
        console.log(`${playing} of ${TILES} play; over time ${counts.join(', ')}`);
    } finally {
        await close();
        await server.stop();
        await source.stop();
    }
});
