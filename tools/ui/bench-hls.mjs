#!/usr/bin/env node
/**
 * Figures of HLS with the release binary and a foreign player, hls.js in Chromium: how soon after it asks for the playlist of a
 * running stream there is a picture, and how far behind live it stays, with whole segments and with parts.
 *
 *     node tools/ui/bench-hls.mjs [RUNS]
 *
 * Prints each figure beside its target, and the load of the machine. Nothing here is a test.
 */
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {loadavg, tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {joinForeign} from './foreign-hls.mjs';

const runs = Number(process.argv[2] ?? 20);
const port = 21986, url = `http://127.0.0.1:${port}/`;
const binary = process.env.RS2RTC ?? join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'target', 'release', 'rs2rtc');
/** Sources by name: a keyframe every second, two seconds, and ten. */
const CAMERAS = {'one second': 'demo:?gop=30', 'two seconds': 'demo:', 'ten seconds': 'demo:?gop=300'};
/** Query, low latency, and the most that the picture may be behind live, in milliseconds; 0 where nothing was promised. */
const WAYS = /** @type {const} */ ([['MPEG-TS', '', false, 0], ['fMP4', 'mp4=all', false, 0], ['low latency, MPEG-TS', '', true, 2000], ['low latency, fMP4', 'mp4=all', true, 2000]]);

/** @param {string} what @param {number[]} values @param {number} target */
function say(what, values, target) {
    const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
    const at = (/** @type {number} */ part) => sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? NaN;
    const verdict = target ? `  target p95 <= ${target} ms: ${at(0.95) <= target ? 'reached' : 'MISSED'}` : '';
    console.log(`  ${what.padEnd(44)} n=${String(sorted.length).padStart(2)} min ${sorted[0]} p50 ${at(0.5)} p95 ${at(0.95)} max ${sorted.at(-1)} ms${verdict}`);
}

const folder = mkdtempSync(join(tmpdir(), 'rs2rtc-bench-')), config = join(folder, 'bench.yaml');
writeFileSync(config, JSON.stringify({
    api: {listen: `127.0.0.1:${port}`}, rtsp: {listen: ''}, webrtc: {listen: ''}, log: {level: 'warn'},
    streams: CAMERAS, preload: Object.fromEntries(Object.keys(CAMERAS).map(name => [name, ''])),
}));
const server = spawn(binary, ['-config', config], {stdio: ['ignore', 'ignore', 'inherit']});
try {
    while (!await fetch(`${url}api`).then(answer => answer.ok, () => false)) await new Promise(done => setTimeout(done, 20));
    for (const name of Object.keys(CAMERAS)) {
        for (const [form, query, lowLatency, bound] of WAYS) {
            const joins = await joinForeign({url, src: name, query, lowLatency, seconds: 4, joins: Math.max(2, Math.ceil(runs / 4))});
            console.log(`HLS, ${form}, a keyframe every ${name} (load ${loadavg()[0]?.toFixed(1)})`);
            say('playlist asked for to first picture', joins.map(seen => seen.firstFrame < 0 ? NaN : seen.firstFrame), 1000);
            say('behind live, median of each viewer', joins.map(seen => seen.behind.p50 ?? NaN), bound);
            const failed = joins.filter(seen => !seen.ok).length;
            if (failed) console.log(`  ${failed} viewers did not play: ${JSON.stringify(joins.flatMap(seen => seen.errors))}`);
        }
    }
} finally {
    const ended = new Promise(resolve => server.once('exit', resolve));
    server.kill('SIGTERM');
    await ended;
    rmSync(folder, {recursive: true, force: true});
}
