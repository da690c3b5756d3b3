#!/usr/bin/env node
/**
 * A real browser on a bad network: 30 % of the datagrams are lost, in bursts of 200 ms.
 * The picture freezes and comes back; the session stays the same. Needs root.
 *
 *     node tests/release/relay.mjs [--seconds 20] [--network "loss 0.3 burst 200ms"]
 */
import {spawn, spawnSync} from 'node:child_process';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {launch} from '../../tools/ui/browser.mjs';
import {build, destroy, names, PORTS, ROOT, SERVER} from './lab.mjs';
import {startLab} from './lane.mjs';

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const {values} = parseArgs({options: {
    seconds: {type: 'string', default: '20'}, network: {type: 'string', default: 'loss 0.3 burst 200ms'}, inside: {type: 'string'},
}});
const STREAM = 'demo0';

async function inside() {
    const lab = await startLab(values.inside);
    const {server} = lab;
    const relay = spawn(process.env.RELAY || join(ROOT, 'target/release/udp-relay'),
        ['--server', `${SERVER}:${PORTS.webrtc}`, '--listen', `${SERVER}:9000`], {stdio: ['pipe', 'pipe', 'inherit']});
    let said = '';
    relay.stdout.on('data', data => { said += data; });
    const chromium = await launch({netns: names(values.inside).browser, mdns: 'show'});
    try {
        const page = await chromium.browser.newPage();
        await page.goto(`http://${SERVER}:${PORTS.page}/?src=${STREAM}&relay=${SERVER}:9000&server=${encodeURIComponent(server.base)}`);
        await page.waitForFunction('(document.querySelector("video")?.currentTime ?? 0) > 1', {timeout: 20_000, polling: 50});
        const first = await server.session(STREAM);
        const from = server.feed.seen.length;
        relay.stdin.write(`profile ${values.network}\n`);
        const look = `pc.getStats().then(all => { for (const s of all.values()) if (s.type === 'inbound-rtp' && s.kind === 'video') return {frames: s.framesDecoded, keyframes: s.keyFramesDecoded, plis: s.pliCount, freezes: s.freezeCount, frozen: s.totalFreezesDuration, state: pc.connectionState}; })`;
        const start = await page.evaluate(look);
        let last = start.frames, still = 0, longest = 0;
        const states = new Set();
        for (let i = 0; i < Number(values.seconds) * 2; i++) {
            await sleep(500);
            const now = await page.evaluate(look);
            states.add(now.state);
            still = now.frames === last ? still + 0.5 : 0;
            longest = Math.max(longest, still);
            last = now.frames;
        }
        const bad = await page.evaluate(look);
        relay.stdin.write('clear\n');
        await sleep(3000);
        const before = (await page.evaluate(look)).frames;
        await sleep(2000);
        const after = await page.evaluate(look);
        const session = await server.session(STREAM);
        const events = server.feed.seen.slice(from).filter(e => e.data.stream === STREAM).map(e => e.name);
        const count = name => events.filter(e => e === name).length;
        relay.stdin.end('stats\nquit\n');
        await sleep(200);
        console.log(`${values.network} for ${values.seconds} s: ${bad.frames - start.frames} frames decoded, ${bad.keyframes - start.keyframes} keyframes, `
            + `${bad.plis - start.plis} requests for one, ${bad.freezes - start.freezes} freezes of ${(bad.frozen - start.frozen).toFixed(1)} s in all, longest stand ${longest} s`);
        console.log(`parks ${count('viewer_parked')}, resumes ${count('viewer_resumed')}, browser ${[...states].join(' ')}, limit then ${session?.limit_ms} ms, loss of probes ${session?.loss?.toFixed(2)}`);
        console.log(`afterwards ${((after.frames - before) / 2).toFixed(1)} frames a second`);
        console.log(said.trim().split('\n').at(-1));
        const same = session?.id === first?.id && !count('viewer_left');
        console.log(same ? 'the session is the same' : 'the session did not survive');
        if (!same || after.frames - before < 10) process.exitCode = 1;
    } finally {
        relay.kill('SIGKILL');
        await chromium.close();
        await lab.close();
    }
}

if (process.getuid?.() !== 0 || spawnSync('ip', ['netns']).status !== 0) {
    console.log('SKIPPED: needs root and `ip netns`');
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
