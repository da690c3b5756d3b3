#!/usr/bin/env node
/**
 * A real browser on a bad network. First nothing reaches it for four seconds, more than can
 * be sent again: it asks for a keyframe, and gets it from the cache long before the camera
 * makes the next one. Then 30 % of the datagrams are lost, in bursts of 200 ms: the picture
 * stands and comes back, each time. The session stays the same. Needs root.
 *
 *     node tests/release/relay.mjs [--seconds 20] [--network "loss 0.3 burst 200ms"]
 */
import {spawn, spawnSync} from 'node:child_process';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {launch} from '../../tools/ui/browser.mjs';
import {build, cannotRun, destroy, names, PORTS, ROOT, SERVER} from './lab.mjs';
import {startLab} from './lane.mjs';
import {RARE} from './sources.mjs';

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const {values} = parseArgs({options: {
    seconds: {type: 'string', default: '20'}, network: {type: 'string', default: 'loss 0.3 burst 200ms'}, inside: {type: 'string'},
}});
const STREAM = 'rare';
/**
 * The picture may stand so long, in seconds: a browser asks for a keyframe after 3 s, some
 * requests are lost, and some keyframes with what follows them. Still shorter than to wait for
 * the camera.
 */
const LONGEST_STAND = 12;
/** Nothing reaches the browser for so long, in seconds: longer than packets are kept to be sent again. */
const CUT = 4;
/** It stands if no picture came for so long. */
const STANDS = 0.5;
/** Time between two looks, in seconds. */
const LOOK = 0.1;

async function inside() {
    const lab = await startLab(values.inside);
    const {server} = lab;
    const relay = spawn(process.env.RELAY || join(ROOT, 'target/release/udp-relay'),
        ['--server', `${SERVER}:${PORTS.webrtc}`, '--listen', `${SERVER}:9000`], {stdio: ['pipe', 'pipe', 'inherit']});
    let said = '';
    relay.stdout.on('data', data => { said += data; });
    const chromium = await launch({netns: names(values.inside).browser, mdns: 'show', meek: true});
    try {
        const page = await chromium.browser.newPage();
        await page.goto(`http://${SERVER}:${PORTS.page}/?src=${STREAM}&relay=${SERVER}:9000&server=${encodeURIComponent(server.base)}`);
        await page.waitForFunction('(document.querySelector("video")?.currentTime ?? 0) > 1', {timeout: 20_000, polling: 50});
        const first = await server.session(STREAM);
        const from = server.feed.seen.length;
        const look = `pc.getStats().then(all => { for (const s of all.values()) if (s.type === 'inbound-rtp' && s.kind === 'video') return {frames: s.framesDecoded, keyframes: s.keyFramesDecoded, plis: s.pliCount, freezes: s.freezeCount, frozen: s.totalFreezesDuration, state: pc.connectionState}; })`;
        const whole = await page.evaluate(look);
        let last = whole.frames, since = performance.now();
        const stands = [], states = new Set();
        const stood = () => (performance.now() - since) / 1000;
        const watch = async seconds => {
            const until = performance.now() + seconds * 1000;
            let now = await page.evaluate(look);
            while (performance.now() < until && stood() < 2 * RARE) {
                await sleep(LOOK * 1000);
                now = await page.evaluate(look);
                states.add(now.state);
                if (now.frames === last) continue;
                if (stood() >= STANDS) stands.push(stood());
                [last, since] = [now.frames, performance.now()];
            }
            return now;
        };
        relay.stdin.write('down blackhole\n');
        const began = performance.now();
        await watch(CUT);
        relay.stdin.write('clear\n');
        let start = await watch(0.5);
        while (start.keyframes === whole.keyframes && stood() < CUT + LONGEST_STAND) start = await watch(0.2);
        start = await watch(0.5);
        const cut = {plis: start.plis - whole.plis, keyframes: start.keyframes - whole.keyframes, seconds: Math.max(0, ...stands, stood())};
        // The camera's first keyframe was before the first picture.
        const late = (performance.now() - began) / 1000 + 5 > RARE;
        stands.length = 0;
        relay.stdin.write(`profile ${values.network}\n`);
        const bad = await watch(Number(values.seconds));
        relay.stdin.write('clear\n');
        // A stand that lasts is over soon, too.
        const before = (await watch(3)).frames;
        const after = await watch(2);
        const session = await server.session(STREAM);
        const events = server.feed.seen.slice(from).filter(e => e.data.stream === STREAM).map(e => e.name);
        const count = name => events.filter(e => e === name).length;
        relay.stdin.end('stats\nquit\n');
        await sleep(200);
        const lost = said.trim().split('\n').at(-1);
        const [keyframes, plis] = [bad.keyframes - start.keyframes, bad.plis - start.plis];
        const camera = Math.floor(Number(values.seconds) / RARE) + 1;
        const longest = Math.max(0, ...stands, stood());
        console.log(`  cut for ${CUT} s: stood for ${cut.seconds.toFixed(1)} s, ${cut.plis} requests for a keyframe, ${cut.keyframes} keyframes from the cache`);
        console.log(`  ${bad.frames - start.frames} pictures; ${plis} requests for a keyframe, ${keyframes} keyframes, at most ${camera} of them the camera's next ones; `
            + `stood ${stands.length} times, longest ${longest.toFixed(1)} s; parks ${count('viewer_parked')}, resumes ${count('viewer_resumed')}; browser ${[...states].join(' ')}; `
            + `limit then ${session?.limit_ms} ms, loss of probes ${session?.loss?.toFixed(2)}; afterwards ${((after.frames - before) / 2).toFixed(1)} pictures a second`);
        console.log(`  ${lost}`);
        const faults = [];
        if (late) faults.push('the cut came too late to tell whose keyframe it was');
        if (!cut.plis || !cut.keyframes) faults.push('after the cut no keyframe came from the cache');
        if (cut.seconds < CUT - 1 || cut.seconds > CUT + LONGEST_STAND) faults.push(`the cut stood for ${cut.seconds.toFixed(1)} s`);
        if (session?.id !== first?.id || count('viewer_left')) faults.push('the session did not survive');
        if (longest > LONGEST_STAND) faults.push(`the picture stood for ${longest.toFixed(1)} s`);
        if (after.frames - before < 10) faults.push('the picture did not come back');
        if (plis > 2 && keyframes === 0) faults.push('requests for keyframes were not answered');
        console.log(`relay: ${values.network} for ${values.seconds} s: ${faults.join('; ') || `the same session, the picture came back ${stands.length} times (longest stand ${longest.toFixed(1)} s), ${keyframes} keyframes for ${plis} requests`}`);
        if (faults.length) process.exitCode = 1;
    } finally {
        relay.kill('SIGKILL');
        await chromium.close();
        await lab.close();
    }
}

if (cannotRun('relay')) {
    // Said.
} else if (values.inside) {
    await inside();
} else {
    const id = String(process.pid % 100_000);
    for (const sign of ['SIGINT', 'SIGTERM']) process.on(sign, () => { destroy(id); process.exit(1); });
    build(id);
    try {
        const again = spawnSync('ip', ['netns', 'exec', names(id).server, process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2), '--inside', id], {stdio: 'inherit'});
        process.exitCode = again.status ?? 1;
    } finally {
        destroy(id);
    }
}
