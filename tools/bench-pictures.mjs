#!/usr/bin/env node
/**
 * How long still pictures of running cameras take, with the release binary.
 *
 *     node tools/bench-pictures.mjs [RUNS]
 *
 * Asks at random phases of the groups of pictures, and prints each figure with its
 * spread beside its target, and the load of the machine. What decoding and encoding
 * cost is told by the server and stands beside it. A poster counts where it is the
 * first of its keyframe; the others were made already. About 20 s per camera and ten
 * runs. Nothing here is a test.
 */
import {spawn, spawnSync} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {loadavg, tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

const runs = Number(process.argv[2] ?? 30);
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const binary = process.env.RS2RTC ?? join(root, 'target', 'release', 'rs2rtc');
const port = 21985, url = `http://127.0.0.1:${port}/`;
const generated = (size, codec) => `exec:ffmpeg -v error -re -f lavfi -i testsrc2=size=${size}:rate=15 ${codec} -g 30 -f mpegts -`;
/** Sources by name, and the targets that hold for them. */
const CAMERAS = {
    'H.264 1080p15, group of 2 s': ['demo:?width=1920&height=1080&fps=15&gop=30', true],
    'H.264 1080p15, group of 4 s': ['demo:?width=1920&height=1080&fps=15&gop=60', true],
    'H.264 720p30, group of 2 s': ['demo:?gop=60', true],
    'H.264 360p30, group of 10 s': ['demo:?width=640&height=360&gop=300', true],
    'H.264 320x180, group of 2 s': ['demo:?width=320&height=180&gop=60', true],
    'Motion JPEG 720p30': ['demo:?video=mjpeg', true],
    ...spawnSync('ffmpeg', ['-version']).status === 0 && {
        'H.264 4:2:2 720p15, by FFmpeg': [generated('1280x720', '-c:v libx264 -preset ultrafast -pix_fmt yuv422p'), false],
        'H.265 720p15, by FFmpeg': [generated('1280x720', '-c:v libx265 -preset ultrafast -x265-params log-level=error -pix_fmt yuv420p'), false],
    },
};
/** How long is waited at most between two questions, in milliseconds: phases of groups are hit by chance. */
const PAUSE = 2000;
const LIMIT = 100;

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** An answer, how long it took, and what the server says of it, in milliseconds. */
async function ask(method, path) {
    const began = performance.now();
    const answer = await fetch(url + path, {method});
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const now = performance.now(), total = now - began;
    const timing = answer.headers.get('server-timing') ?? '';
    const told = name => Number(timing.match(new RegExp(`${name};dur=([\\d.]+)`))?.[1] ?? 0);
    if (method === 'GET' && (answer.status !== 200 || bytes[0] !== 0xFF)) throw new Error(`${path}: ${answer.status}`);
    // When its frame came, by our clock.
    const taken = now - told('age');
    return {total, taken, decode: told('decode'), encode: told('encode'), age: told('age'), frames: Number(timing.match(/desc="(\d+)/)?.[1] ?? 0)};
}

function spread(values) {
    if (!values.length) return {p95: NaN, text: 'none'};
    const sorted = [...values].sort((a, b) => a - b);
    const at = part => sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? NaN;
    const f = v => v.toFixed(1).padStart(7);
    return {p95: at(0.95), text: `min${f(sorted[0])} p50${f(at(0.5))} p95${f(at(0.95))} max${f(at(1))}`};
}

function report(what, values, limit) {
    const {p95, text} = spread(values);
    const verdict = limit && values.length ? `  target p95 <= ${limit} ms: ${p95 <= limit ? 'reached' : 'MISSED'}` : '';
    console.log(`  ${what.padEnd(36)} n=${String(values.length).padStart(2)} ${text}${verdict}`);
}

const folder = mkdtempSync(join(tmpdir(), 'rs2rtc-bench-'));
const config = join(folder, 'bench.yaml');
writeFileSync(config, JSON.stringify({
    api: {listen: `127.0.0.1:${port}`}, rtsp: {listen: ''}, webrtc: {listen: ''}, log: {level: 'warn'},
    streams: Object.fromEntries(Object.entries(CAMERAS).map(([name, [source]]) => [name, source])),
}));
const child = spawn(binary, ['-config', config], {stdio: ['ignore', 'ignore', 'inherit']});
try {
    while (!await fetch(`${url}api`).then(answer => answer.ok, () => false)) await sleep(20);
    for (const [name, [, isBound]] of Object.entries(CAMERAS)) {
        const src = encodeURIComponent(name), limit = isBound ? LIMIT : 0;
        const asleep = await ask('GET', `api/frame.jpeg?src=${src}`);
        await ask('PUT', `api/preload?src=${src}&video`);
        await sleep(1000);
        const first = [], again = [], frames = [], small = [];
        let last = 0;
        for (let i = 0; i < runs; i++) {
            await sleep(Math.random() * PAUSE);
            const poster = await ask('GET', `api/rs/poster?src=${src}`);
            const isNew = Math.abs(poster.taken - last) > 100;
            (isNew ? first : again).push(poster);
            last = poster.taken;
            frames.push(await ask('GET', `api/frame.jpeg?src=${src}`));
            small.push(await ask('GET', `api/frame.jpeg?src=${src}&w=320`));
        }
        await ask('DELETE', `api/preload?src=${src}`);
        const of = (list, what) => list.map(p => p[what]);
        console.log(`${name} (load ${loadavg()[0].toFixed(1)}), ms`);
        report('poster, first of its keyframe', of(first, 'total'), limit);
        report('  of that decoding', of(first, 'decode'));
        report('  and the JPEG image', of(first, 'encode'));
        if (again.length) report('poster, once more', of(again, 'total'), LIMIT);
        report('frame.jpeg', of(frames, 'total'));
        report(`  of that decoding, up to ${Math.max(...of(frames, 'frames'))} frames`, of(frames, 'decode'));
        report('  and the rest', frames.map(p => p.total - p.decode), limit);
        report('  and the rest at 320 wide', small.map(p => p.total - p.decode), limit);
        report('  age of the picture when it leaves', of(frames, 'age'));
        console.log(`  asleep: first picture after ${asleep.total.toFixed(0)} ms`);
    }
} finally {
    const ended = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, {recursive: true, force: true});
}
