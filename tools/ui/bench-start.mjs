#!/usr/bin/env node
/**
 * Start-up, join and delay figures of the release binary with a real Chromium.
 *
 *     node tools/ui/bench-start.mjs [RUNS]
 *
 * Prints each figure with its spread beside its target, and the load of the
 * machine: two shared cores are noisy. Nothing here is a test.
 */
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {loadavg, tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {launch} from './browser.mjs';
import {openPlayer, watch} from './play.mjs';

const runs = Number(process.argv[2] ?? 20);
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const binary = process.env.RS2RTC ?? join(root, 'target', 'release', 'rs2rtc');
const port = 21984, url = `http://127.0.0.1:${port}/`;
const folder = mkdtempSync(join(tmpdir(), 'rs2rtc-bench-'));
const config = join(folder, 'bench.yaml');
writeFileSync(config, [
    'api: {listen: "127.0.0.1:21984"}', 'rtsp: {listen: "127.0.0.1:28554"}', 'webrtc: {listen: "127.0.0.1:28555"}',
    'streams: {demo: "demo:"}', 'log: {level: warn}', '',
].join('\n'));

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** Starts the server; returns the child and the milliseconds to the first answer. */
async function start() {
    const began = performance.now();
    const child = spawn(binary, ['-config', config], {stdio: ['ignore', 'ignore', 'inherit']});
    for (;;) {
        if (performance.now() - began > 10_000) throw new Error('no answer from the API within 10 s');
        try {
            const answer = await fetch(`${url}api`);
            if (answer.ok) return {child, ms: performance.now() - began};
        } catch {
            await sleep(1);
        }
    }
}

async function stop(child) {
    const ended = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
}

function spread(values) {
    const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
    const at = part => sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? NaN;
    return {n: sorted.length, min: sorted[0], p50: at(0.5), p95: at(0.95), max: sorted.at(-1)};
}

function report(what, values, target) {
    const s = spread(values);
    const f = v => (Number.isFinite(v) ? v.toFixed(1) : '-').padStart(8);
    const verdict = Number.isFinite(s.p95) ? (s.p95 <= target ? 'reached' : 'MISSED') : 'no data';
    console.log(`${what.padEnd(46)} n=${String(s.n).padStart(2)} min${f(s.min)} p50${f(s.p50)} p95${f(s.p95)} max${f(s.max)}`
        + `  target p95 <= ${target} ms: ${verdict}  (load ${loadavg()[0].toFixed(1)})`);
}

const startups = [];
for (let i = 0; i < Math.min(runs, 10); i++) {
    const {child, ms} = await start();
    startups.push(ms);
    await stop(child);
}
report('start to first API answer', startups, 50);

const {child} = await start();
const chromium = await launch({mdns: 'hide'});
try {
    const {browser} = chromium;
    const once = async () => {
        const page = await browser.newPage();
        try {
            return await openPlayer(page, {url, src: 'demo', page: 'index', timeout: 20});
        } finally {
            await page.close();
        }
    };
    await once(); // the browser's own first use is not ours

    const cold = [];
    for (let i = 0; i < runs; i++) {
        await sleep(600);
        cold.push((await once()).marks.firstFrame);
    }

    // A viewer that stays keeps the camera running with its groups of two seconds.
    const keeper = await browser.newPage();
    const kept = await openPlayer(keeper, {url, src: 'demo', timeout: 20});
    if (!kept.ok) throw new Error(`the first viewer does not play: ${JSON.stringify(kept)}`);
    const connected = [], clicked = [];
    for (let i = 0; i < runs; i++) {
        await sleep(Math.random() * 2000);
        const {marks} = await once();
        connected.push(marks.firstFrame - (marks.connected ?? marks.iceConnected));
        clicked.push(marks.firstFrame);
    }
    report('running camera: connected to first frame', connected, 150);
    report('running camera: click to first frame', clicked, 400);
    report('cold demo: click to first frame', cold, 500);

    const steps = [];
    const later = async phase => {
        await phase();
        const page = await browser.newPage();
        try {
            const opened = await openPlayer(page, {url, src: 'demo', timeout: 20});
            await sleep(10_000);
            const seen = await watch(page, {seconds: 6}, opened);
            steps.push(Math.abs(seen.sync?.median ?? NaN));
            return seen.strip?.delay.median ?? NaN;
        } finally {
            await page.close();
        }
    };
    const random = [], aligned = [];
    for (let i = 0; i < 3; i++) random.push(await later(() => sleep(Math.random() * 2000)));
    await keeper.close();
    await sleep(600);
    // A camera that just began is joined at a keyframe.
    for (let i = 0; i < 3; i++) aligned.push(await later(() => sleep(600)));
    report('delay 10 s after a join at random phase', random, Math.max(...aligned) + 34);
    report('delay 10 s after a join at a keyframe', aligned, 1000);
    report('10 s after a join: beep against its frame', steps, 60);
} finally {
    await chromium.close();
    await stop(child);
    rmSync(folder, {recursive: true, force: true});
}
