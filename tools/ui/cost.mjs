#!/usr/bin/env node
/**
 * What a grid of tiles costs the browser: our Live page against another player's pages, in turn, from the same server.
 *
 *     node tools/ui/cost.mjs FOLDER [--tiles 16] [--seconds 30] [--rounds 3] [--size 640x360] [--fps 15]
 *
 * FOLDER holds the other player with a `stream.html` that takes `src` again and again and `width`. Both are served by the release
 * binary and play the same streams, all from one camera. Prints the processor time of the browser's processes in percent of one core, the
 * frames that were shown and dropped, and the load of the machine. Nothing here is a test.
 */
import {readdirSync, readFileSync} from 'node:fs';
import {loadavg} from 'node:os';
import {resolve} from 'node:path';
import {parseArgs} from 'node:util';
import {launch} from './browser.mjs';
import {rs2rtc} from './rs2rtc.mjs';

const {values, positionals} = parseArgs({allowPositionals: true, options: {
    tiles: {type: 'string', default: '16'}, seconds: {type: 'string', default: '30'}, rounds: {type: 'string', default: '3'},
    size: {type: 'string', default: '640x360'}, fps: {type: 'string', default: '15'},
}});
if (positionals.length !== 1) {
    console.error('usage: cost.mjs FOLDER [--tiles N] [--seconds N] [--rounds N] [--size WxH] [--fps N]');
    process.exit(2);
}
const tiles = Number(values.tiles), seconds = Number(values.seconds), rounds = Number(values.rounds);
const [width, height] = values.size.split('x').map(Number);
const names = Array.from({length: tiles}, (_, i) => `cam${i + 1}`);
const config = `streams:\n  demo: demo:?width=${width}&height=${height}&fps=${values.fps}\n${names.map(name => `  ${name}: demo\n`).join('')}`;
const sleep = ms => new Promise(done => setTimeout(done, ms));

/**
 * Processor time of a browser's processes so far, in milliseconds, by their type.
 * @param {number} leader the browser, which leads a process group
 */
function spent(leader) {
    /** @type {Map<string, number>} */
    const all = new Map();
    for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
        try {
            const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
            if (Number(fields[2]) !== leader) continue;
            const type = /--type=([\w-]+)/.exec(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.[1] ?? 'browser';
            // Clock ticks are a hundredth of a second on Linux.
            all.set(type, (all.get(type) ?? 0) + (Number(fields[11]) + Number(fields[12])) * 10);
        } catch {
            // It has just ended.
        }
    }
    return all;
}

/** Frames of all videos of a page so far. @param {import('puppeteer-core').Page} page */
const frames = page => page.evaluate(() => [...document.querySelectorAll('video')].reduce((sum, video) => {
    const quality = video.getVideoPlaybackQuality();
    return {playing: sum.playing + Number(video.videoWidth > 0 && quality.totalVideoFrames > 1), shown: sum.shown + quality.totalVideoFrames - quality.droppedVideoFrames, dropped: sum.dropped + quality.droppedVideoFrames};
}, {playing: 0, shown: 0, dropped: 0}));

/** One run in a browser of its own. @param {string} url @param {(page: import('puppeteer-core').Page) => Promise<unknown>} start */
async function run(url, start) {
    const chromium = await launch({mdns: 'show'});
    try {
        const page = await chromium.browser.newPage();
        await page.setViewport({width: 1400, height: 1100});
        await page.goto(url);
        await start(page);
        await page.waitForFunction(() => [...document.querySelectorAll('video')].some(v => v.videoWidth && v.currentTime > 0.5), {timeout: 60_000});
        // Joining costs more than playing, and a budget has to find its measure.
        await sleep(15_000);
        const before = spent(chromium.pid), seen = await frames(page), from = performance.now();
        await sleep(seconds * 1000);
        const after = spent(chromium.pid), now = await frames(page), took = performance.now() - from;
        const percent = (/** @type {string[]} */ ...types) => [...after].filter(([type]) => !types.length || types.includes(type)).reduce((sum, [type, ms]) => sum + ms - (before.get(type) ?? 0), 0) / took * 100;
        const gone = now.shown < seen.shown;
        return {media: percent('renderer', 'gpu-process'), all: percent(), playing: now.playing,
            fps: gone ? NaN : (now.shown - seen.shown) / took * 1000, dropped: gone ? NaN : (now.dropped - seen.dropped) / took * 1000};
    } finally {
        await chromium.close();
    }
}

const ours = await rs2rtc(config), theirs = await rs2rtc(config, {api: `static_dir: ${JSON.stringify(resolve(positionals[0]))}`});
/** @type {Record<string, Awaited<ReturnType<typeof run>>[]>} */
const results = {ours: [], other: []};
try {
    const query = names.map(name => `src=${name}`).join('&');
    for (let round = 0; round < rounds; round++) {
        for (const who of round % 2 ? ['other', 'ours'] : ['ours', 'other']) {
            const one = who === 'ours'
                ? await run(`${ours.url}?${query}&cols=4&lang=en`, page => page.waitForSelector('.tile').then(() => page.evaluate(() => /** @type {any} */ ([...document.querySelectorAll('.tools button')].find(b => b.textContent?.includes('Play all'))).click())))
                : await run(`${theirs.url}stream.html?${query}&width=320px`, async () => {});
            results[who].push(one);
            const f = (/** @type {number} */ n) => n.toFixed(0).padStart(4);
            console.log(`${who.padEnd(6)} renderer + GPU ${f(one.media)} %, whole browser ${f(one.all)} %, ${one.playing} of ${tiles} play, ${f(one.fps)} frames/s shown, ${f(one.dropped)} dropped (load ${loadavg()[0].toFixed(1)})`);
        }
    }
} finally {
    await Promise.all([ours.stop(), theirs.stop()]);
}
for (const [who, list] of Object.entries(results)) {
    const sorted = list.map(one => one.media).sort((a, b) => a - b);
    console.log(`${who.padEnd(6)} renderer + GPU: min ${sorted[0].toFixed(0)} %, median ${sorted[Math.floor(sorted.length / 2)].toFixed(0)} %, max ${sorted.at(-1)?.toFixed(0)} % of one core, ${tiles} tiles of ${values.size} at ${values.fps}`);
}
