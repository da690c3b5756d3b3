#!/usr/bin/env node
/**
 * Figures of MSE with the release binary: how fast the first picture of a running stream is there, how far behind live it is in
 * Chromium and Firefox, and what a viewer costs the server when there are a hundred of them.
 *
 *     node tools/ui/bench-mse.mjs [RUNS]
 *
 * Prints each figure beside its target, and the load of the machine. Nothing here is a test.
 */
import {spawn} from 'node:child_process';
import {existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {connect} from 'node:net';
import {loadavg, tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {FIREFOX, launch, launchFirefox} from './browser.mjs';
import {openPlayer, watch} from './play.mjs';

const FILE = fileURLToPath(import.meta.url);
const PORT = 21984, URL_ = `http://127.0.0.1:${PORT}/`;
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

if (process.argv[2] === '--viewers') await viewers(Number(process.argv[3]));
else await main(Number(process.argv[2] ?? 20));

/** So many viewers that read and throw away; tells the bytes of the one that has the fewest, again and again. @param {number} count */
async function viewers(count) {
    const read = Array(count).fill(0);
    for (const viewer of read.keys()) {
        const socket = connect(PORT, '127.0.0.1');
        // RFC 6455; masks of zeros.
        const ask = JSON.stringify({type: 'mse', value: 'avc1.640029,opus'});
        socket.write(`GET /api/ws?src=demo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`
            + 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');
        socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | ask.length, 0, 0, 0, 0]), Buffer.from(ask)]));
        socket.on('data', data => { read[viewer] += data.length; });
        socket.on('close', () => { throw new Error('a viewer was sent away'); });
    }
    for (;;) {
        await sleep(200);
        process.stdout.write(`${Math.min(...read)}\n`);
    }
}

/** @param {number} runs */
async function main(runs) {
    const folder = mkdtempSync(join(tmpdir(), 'rs2rtc-bench-'));
    const config = join(folder, 'bench.yaml');
    writeFileSync(config, `api: {listen: "127.0.0.1:${PORT}"}\nrtsp: {listen: ""}\nwebrtc: {listen: "127.0.0.1:28555"}\n`
        + 'streams: {demo: "demo:"}\nlog: {level: warn}\n');
    const binary = process.env.RS2RTC ?? join(dirname(FILE), '..', '..', 'target', 'release', 'rs2rtc');
    const server = spawn(binary, ['-config', config], {stdio: ['ignore', 'ignore', 'inherit']});
    const ended = new Promise(resolve => server.once('exit', resolve));
    try {
        await until('the API answers', async () => (await fetch(`${URL_}api`)).ok);
        await cost(server.pid ?? 0);
        await joins(runs);
        await delay('Chromium', () => launch({mdns: 'hide'}));
        if (existsSync(FIREFOX)) await delay('Firefox', launchFirefox);
    } finally {
        server.kill('SIGTERM');
        await ended;
        rmSync(folder, {recursive: true, force: true});
    }
}

/** Seconds of processor that a process has used. */
function used(pid) {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** What one viewer and a hundred cost. */
async function cost(pid) {
    const fragments = async () => {
        const text = await (await fetch(`${URL_}metrics`)).text();
        const of = name => Number(text.match(new RegExp(`^rs2rtc_mp4_fragments_${name}_total (\\d+)`, 'm'))?.[1] ?? NaN);
        return {built: of('built'), sent: of('sent')};
    };
    const measure = async count => {
        const child = spawn('nice', ['-n', '10', process.execPath, FILE, '--viewers', String(count)], {stdio: ['ignore', 'pipe', 'inherit']});
        const gone = new Promise(resolve => child.once('exit', resolve));
        let read = 0;
        child.stdout.on('data', text => { read = Number(String(text).trim().split('\n').at(-1)); });
        try {
            if (count) await until('all read', async () => read > 100_000);
            const [before, cpu, at] = [await fragments(), used(pid), performance.now()];
            await sleep(10_000);
            const [after, more, seconds] = [await fragments(), used(pid), (performance.now() - at) / 1000];
            return {load: (more - cpu) / seconds * 100, built: after.built - before.built, sent: after.sent - before.sent};
        } finally {
            child.kill();
            await gone;
        }
    };
    const preload = method => fetch(`${URL_}api/preload?src=demo&video&audio`, {method});
    await preload('PUT');
    await sleep(1000);
    const none = await measure(0), one = await measure(1), many = await measure(100);
    await preload('DELETE');
    for (const [count, {load, built, sent}] of [[0, none], [1, one], [100, many]]) {
        console.log(`${String(count).padStart(3)} viewers: ${load.toFixed(1)} % of a core, ${built} fragments built, ${sent} sent  (load ${loadavg()[0].toFixed(1)})`);
    }
    console.log(`one viewer: ${(one.load - none.load).toFixed(2)} % of a core; each of a hundred: ${((many.load - none.load) / 100).toFixed(3)} %`);
    console.log(`built once: ${many.built <= one.built * 1.1 ? 'yes' : 'NO'}`);
}

/** How soon a viewer of a running stream sees something. */
async function joins(runs) {
    const chromium = await launch({mdns: 'hide'});
    try {
        const open = async () => {
            const page = await chromium.browser.newPage();
            return {page, opened: await openPlayer(page, {url: URL_, src: 'demo', mode: 'mse', timeout: 20})};
        };
        const keeper = await open();
        if (!keeper.opened.ok) throw new Error(`the first viewer does not play: ${JSON.stringify(keeper.opened)}`);
        const all = [];
        for (let i = 0; i < runs; i++) {
            await sleep(Math.random() * 2000);
            const {page, opened: {marks}} = await open();
            await page.close();
            all.push(marks);
        }
        const between = (from, to) => all.map(marks => marks[to] - (marks[from] ?? 0));
        say('running camera: asked to first media', between('mse', 'media'), 50);
        say('running camera: asked to first picture', between('mse', 'firstFrame'), 200);
        // Where the time of a page goes.
        say('  page opened to its first script', between('', 'documentStart'));
        say('  script to the socket', between('documentStart', 'socketDial'));
        say('  socket to open', between('socketDial', 'socketOpen'));
        say('  open to asked', between('socketOpen', 'mse'));
        say('  asked to first media', between('mse', 'media'));
        say('  first media to first picture', between('media', 'firstFrame'));
        say('running camera: page opened to first picture', between('', 'firstFrame'), 400);
    } finally {
        await chromium.close();
    }
}

/** How far behind live the pictures are. */
async function delay(name, start) {
    const {browser, close} = await start();
    try {
        const page = await browser.newPage();
        const opened = await openPlayer(page, {url: URL_, src: 'demo', mode: 'mse', timeout: 30});
        await sleep(10_000);
        const seen = await watch(page, {url: URL_, src: 'demo', seconds: 10}, opened);
        const strip = seen.strip?.delay;
        const median = strip?.median ?? NaN;
        console.log(`${name}: behind live, median ${median} ms, p95 ${strip?.p95} ms, ${seen.strip?.read ?? 0} pictures, ${seen.strip?.missing} missing`
            + `  target median <= 300 ms: ${median <= 300 ? 'reached' : 'MISSED'}  (load ${loadavg()[0].toFixed(1)})`);
    } finally {
        await close();
    }
}

/** @param {string} what @param {() => Promise<boolean>} is */
async function until(what, is) {
    for (const end = Date.now() + 20_000; Date.now() < end; await sleep(20)) {
        if (await is().catch(() => false)) return;
    }
    throw new Error(`not in time: ${what}`);
}

/** @param {string} what @param {number[]} values @param {number} [target] */
function say(what, values, target) {
    const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
    const at = part => sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? NaN;
    const [p50, p95] = [at(0.5), at(0.95)];
    const verdict = target ? `  target p95 <= ${target} ms: ${p95 <= target ? 'reached' : 'MISSED'}` : '';
    console.log(`${what.padEnd(46)} n=${sorted.length} min ${sorted[0]?.toFixed(1)} p50 ${p50.toFixed(1)} p95 ${p95.toFixed(1)} max ${sorted.at(-1)?.toFixed(1)} ms`
        + `${verdict}  (load ${loadavg()[0].toFixed(1)})`);
}
