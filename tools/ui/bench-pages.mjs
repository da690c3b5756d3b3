#!/usr/bin/env node
/**
 * What is promised of the pages in milliseconds, with the release binary and a real Chromium.
 *
 *     node tools/ui/bench-pages.mjs [RUNS]
 *
 * Prints each figure with its spread beside its target, and the load of the machine. That all of it happens at all, and in the right order, is
 * tested; nothing here is a test.
 */
import {loadavg} from 'node:os';
import {launch} from './browser.mjs';
import {busyLog, busySessions, busyStreams} from './busy.mjs';
import {firstPictures, overload, paints, restarts, returns, slowStarts, stills, talks} from './scenes.mjs';

const runs = Number(process.argv[2] ?? 20);

/**
 * @param {string} what
 * @param {number[]} values
 * @param {number} target of the 95th percentile
 * @param {string} [unit]
 */
function report(what, values, target, unit = 'ms') {
    const sorted = [...values].sort((a, b) => a - b), at = (/** @type {number} */ part) => sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)];
    const f = (/** @type {number} */ value) => value.toFixed(1).padStart(8);
    console.log(`${what.padEnd(52)} n=${String(sorted.length).padStart(2)} min${f(sorted[0])} p50${f(at(0.5))} p95${f(at(0.95))} max${f(at(1))}`
        + `  target p95 <= ${target} ${unit}: ${at(0.95) <= target ? 'reached' : 'MISSED'}  (load ${loadavg()[0].toFixed(1)})`);
}

report('Live with 16 cameras: painted', (await paints({visits: runs})).map(one => one.ms), 300);
const slow = await slowStarts({visits: runs});
report('the same, thread 4 times slower: all buttons', slow.map(one => one.ms), 600);
report('the same: longest task of the page', slow.map(one => Math.max(0, ...one.long)), 100);
report('the same: moved, of 1000', slow.map(one => 1000 * one.shift), 20, 'of 1000');
report('back out of the cache: new picture', (await returns({visits: runs})).map(one => one.ms), 500);

// In turn, so that both meet the same machine.
const without = /** @type {{ms: number, own: number}[]} */ ([]), withThem = /** @type {{ms: number, own: number}[]} */ ([]);
for (let i = 0; i < Math.ceil(runs / 5); i++) {
    without.push(...await firstPictures({visits: 5, posters: false}));
    withThem.push(...await firstPictures({visits: 5, posters: true}));
}
const late = without.map(one => one.ms).sort((a, b) => a - b)[Math.ceil(0.95 * without.length) - 1];
report('a camera that runs: first picture of the player', without.map(one => one.own), 400);
report('the same since the navigation, without stills', without.map(one => one.ms), 400);
report('the same with stills', withThem.map(one => one.ms), Math.round(late + 20));
report('still picture of a camera that sleeps, since asked', await stills({visits: runs}), 150);

const chromium = await launch();
try {
    for (const [what, busy, target] of /** @type {[string, (browser: any) => Promise<import('./busy.mjs').Busy>, number][]} */ ([
        ['log of 5000 lines: script for 12 more', busyLog, 10], ['100 streams: script for 20 events', busyStreams, 8], ['300 sessions: script for 20 events', busySessions, 8]])) {
        const {batch, times, heap, close} = await busy(chromium.browser), seen = [];
        // The first ones are compiled.
        for (let i = 0; i < 5; i++) await batch(i);
        for (let i = 0; i < runs; i++) {
            const before = await times();
            for (let k = 0; k < 5; k++) await batch(5 + i * 5 + k);
            // Only the time on a processor counts, so that other work of the machine is left out.
            const [script, task, thread] = (await times()).map((now, k) => now - before[k]);
            seen.push(script * Math.min(1, thread / task) / 5 * 1000);
        }
        const bytes = await heap();
        await close();
        report(what, seen, target);
        report(`${what.split(':')[0]}: heap`, [bytes / 1e6], 60, 'MB');
    }
} finally {
    await chromium.close();
}

const few = Math.max(3, Math.ceil(runs / 4)), dead = await restarts({rounds: few, tries: 5});
report('server dies: banner', dead.map(one => one.banner), 2000);
report('server listens again: both tiles play', dead.map(one => one.tiles), 5000);

const spoken = await talks({rounds: few});
report('who talks closes the page: the floor is free', spoken.map(one => one.freed), 300);
report('meanwhile: longest time without a new picture', spoken.map(one => one.pause), 100);
report('the same while a page is closed that only looked', spoken.map(one => one.silent), 100);

const loads = [];
for (let i = 0; i < few; i++) loads.push(await overload({seconds: 19, last: 4}));
report('16 tiles, thread 4 times slower: dropped after 15 s', loads.map(one => 100 * one.dropped / Math.max(1, one.frames)), 10, '%');
report('the same: longest task of the page', loads.map(one => Math.max(0, ...one.long)), 200);
console.log(`of the 16 tiles there play ${loads.map(one => one.playing).join(', ')}`);
