/**
 * More pictures than a slow machine can decode, with the release binary: of 16 cameras in the grid the page plays what it can, shows the others as
 * stills and says so, and stays usable. What is dropped afterwards is printed and bounded.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
/** Tiles, and times that the page's thread is slower. */
const TILES = 16, SLOWER = 4;
/** Seconds after which, seconds in which, less than a share of the frames is dropped. */
const LEARNT = 15, CALM = 4, SHARE = 0.1;

test('16 tiles on a slow processor: as many play as it can decode', {skip}, async () => {
    // One encoder for all: the others only pass on what they get.
    const source = await rs2rtc('streams:\n  cam: demo:?width=640&height=360&fps=25&audio=none\n');
    const server = await rs2rtc(`streams:\n${Array.from({length: TILES}, (_, i) => `  cam ${i}: rtsp://127.0.0.1:${source.rtsp}/cam\n`).join('')}`);
    const {browser, close} = await launch({mdns: 'show'});
    try {
        const page = await browser.newPage(), devtools = await page.createCDPSession();
        await page.setViewport({width: 1280, height: 900});
        await page.evaluateOnNewDocument(() => {
            localStorage.setItem('rs.alwaysAll', 'true');
            localStorage.setItem('rs.cols', '4');
            const long = /** @type {any} */ (window).long = /** @type {number[]} */ ([]);
            new PerformanceObserver(list => long.push(...list.getEntries().map(one => one.duration))).observe({type: 'longtask'});
        });
        await devtools.send('Emulation.setCPUThrottlingRate', {rate: SLOWER});
        await page.goto(`${server.url}?lang=en`);
        await page.waitForFunction(n => document.querySelectorAll('.tile').length === n, {polling: 50, timeout: 30_000}, TILES);
        // Every second: what has come to all players since the last one, and how much of it nobody has seen.
        await page.evaluate(() => {
            const seconds = /** @type {any} */ (window).seconds = /** @type {{all: number, dropped: number, playing: number}[]} */ ([]), before = new Map();
            setInterval(async () => {
                const now = {all: 0, dropped: 0, playing: 0};
                for (const player of /** @type {any} */ (document.querySelectorAll('rs-player'))) {
                    const {totalVideoFrames = 0, droppedVideoFrames = 0} = player.video.getVideoPlaybackQuality(), receiver = player.pc?.getReceivers().find(one => one.track.kind === 'video');
                    const rtc = [...(await receiver?.getStats())?.values() ?? []].find(one => one.type === 'inbound-rtp' && one.framesReceived);
                    const count = rtc ? {all: rtc.framesReceived, dropped: droppedVideoFrames + rtc.framesReceived - rtc.framesDecoded} : {all: totalVideoFrames, dropped: droppedVideoFrames}, last = before.get(player) ?? count;
                    now.all += Math.max(0, count.all - last.all);
                    now.dropped += Math.max(0, count.dropped - last.dropped);
                    now.playing += player.phase === 'live' ? 1 : 0;
                    before.set(player, count);
                }
                seconds.push(now);
            }, 1000);
        });
        // Some seconds in a row in which nearly all is seen.
        const settled = await page.waitForFunction((learnt, calm, share) => {
            const {seconds} = /** @type {any} */ (window), last = seconds.slice(-calm), sum = (/** @type {'all'|'dropped'} */ key) => last.reduce((all, one) => all + one[key], 0);
            return seconds.length >= learnt && last.every(one => one.playing && one.all) && sum('dropped') < share * sum('all') && {after: seconds.length, all: sum('all'), dropped: sum('dropped')};
        }, {polling: 200, timeout: 150_000}, LEARNT, CALM, SHARE).then(handle => handle.jsonValue());
        const tiles = await page.$$eval('.tile', nodes => nodes.map(node => node.querySelector('rs-player') ? 'plays' : node.querySelector('.note')?.textContent));
        const playing = tiles.filter(one => one === 'plays').length;
        assert.ok(playing >= 1);
        assert.deepEqual([...new Set(tiles)].filter(one => one !== 'plays'), playing < TILES ? ['Still picture to save power'] : []);
        // It is still there for its visitor.
        await page.keyboard.press('2');
        await page.waitForFunction(() => /** @type {HTMLElement} */ (document.activeElement).matches('.tile:nth-child(2)'), {polling: 20, timeout: 30_000});
        const long = await page.evaluate(() => /** @type {any} */ (window).long);
        console.log(`after ${settled.after} s ${playing} of ${TILES} tiles play and ${settled.dropped} of ${settled.all} frames are dropped; ${long.length} long tasks, the longest ${Math.round(Math.max(0, ...long))} ms`);
    } finally {
        await close();
        await server.stop();
        await source.stop();
    }
});
