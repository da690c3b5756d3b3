#!/usr/bin/env node
/**
 * A stranger on the network floods the server with forged packets while viewers watch:
 * "port unreachable" in a viewer's name, connectivity checks of strangers, of its session
 * with another password, and recorded ones. Nobody's camera is let go, nobody loses a
 * datagram. Needs root.
 *
 *     node tests/release/floods.mjs [--seconds 5] [--rate 10000] [--kind TEXT]
 */
import {execFile, spawnSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs, promisify} from 'node:util';
import {launch} from '../../tools/ui/browser.mjs';
import {browserAddress, build, cannotRun, destroy, names, PORTS, ROOT, SERVER} from './lab.mjs';
import {startLab} from './lane.mjs';
import {Viewer} from './viewer.mjs';

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const run = promisify(execFile);
const {values} = parseArgs({options: {
    seconds: {type: 'string', default: '5'}, rate: {type: 'string', default: '10000'}, kind: {type: 'string', default: ''}, inside: {type: 'string'},
}});
const KINDS = ['icmp-wrong', 'icmp-right', 'stun-wrong', 'stun-hmac', 'stun-spoofed', 'stun-replayed'].filter(kind => kind.includes(values.kind));
/** Hosts: of the viewer whose name is used, of the others (a native viewer, Chromium), of the stranger. */
const TARGET = 0, OTHERS = 1, STRANGER = 2;
/** The share of the rate that must be reached: less says little. */
const REACHED = 0.5;
const here = name => join(ROOT, 'tests/release', name);

async function inside() {
    const id = values.inside;
    const lab = await startLab(id);
    const {server} = lab;
    const target = new Viewer({id, number: TARGET}, 'demo0fast');
    const other = new Viewer({id, number: OTHERS}, 'demo1');
    const chromium = await launch({netns: names(id, OTHERS).browser, mdns: 'show', meek: true});
    const faults = [], rates = [];
    try {
        const {address, ufrag, own} = await target.until('answered');
        const recording = run('ip', ['netns', 'exec', names(id, TARGET).browser, here('record.py'), names(id, TARGET).cable[0], address.split(':')[1]]);
        await target.until('first');
        await other.until('first');
        const page = await chromium.browser.newPage();
        await page.goto(`http://${SERVER}:${PORTS.page}/?src=demo2&server=${encodeURIComponent(server.base)}`);
        await page.waitForFunction('(document.querySelector("video")?.currentTime ?? 0) > 1', {timeout: 20_000, polling: 50});
        const lost = 'pc.getStats().then(all => { for (const s of all.values()) if (s.type === "inbound-rtp" && s.kind === "video") return {lost: s.packetsLost, packets: s.packetsReceived, frames: s.framesDecoded}; })';
        const recorded = (await recording).stdout.trim();
        await sleep(2000);
        const from = server.feed.seen.length;
        const sessions = await ids(server);
        const sockets = dropped();
        for (const kind of KINDS) {
            const before = [await target.stats(), await other.stats(), await page.evaluate(lost)];
            const taken = arrived(kind);
            const {stdout} = await run('ip', ['netns', 'exec', names(id, STRANGER).browser, here('flood.py'),
                kind, values.seconds, values.rate, `${SERVER}:${PORTS.webrtc}`, address, ufrag, own, recorded]);
            const flood = JSON.parse(stdout);
            await sleep(500);
            const after = [await target.stats(), await other.stats(), await page.evaluate(lost)];
            const rate = flood.sent / flood.seconds;
            rates.push(rate);
            const packets = after.map((now, i) => now.packets - before[i].packets);
            const missing = [after[0].gaps - before[0].gaps, after[1].gaps - before[1].gaps, after[2].lost - before[2].lost];
            console.log(`  ${kind.padEnd(14)} ${rate.toFixed(0)}/s for ${flood.seconds.toFixed(1)} s; received ${packets.join(' / ')} packets, lost ${missing.join(' / ')} (its target, another viewer, Chromium)`);
            if (arrived(kind) - taken < flood.sent * REACHED) faults.push(`${kind}: only ${arrived(kind) - taken} of ${flood.sent} arrived`);
            if (rate < Number(values.rate) * REACHED) faults.push(`${kind}: only ${rate.toFixed(0)}/s were reached`);
            if (missing.some(Boolean)) faults.push(`${kind}: lost ${missing.join(' / ')} datagrams`);
            if (packets.some(n => n < Number(values.seconds) * 5)) faults.push(`${kind}: received ${packets.join(' / ')} packets`);
        }
        // Whoever was muted or doubted would show now.
        await sleep(2000);
        const wrong = server.feed.seen.slice(from).filter(e => /viewer_(parked|left|resumed)|source_(released|failed|stalled)/.test(e.name));
        for (const {name, data} of wrong) faults.push(`${name} ${data.stream} ${data.reason ?? ''}`);
        if (await ids(server) !== sessions) faults.push('other sessions than before');
        const metrics = await server.get('metrics');
        const sum = name => [...metrics.matchAll(new RegExp(`^rs2rtc_${name}(?:{[^}]*})? (\\S+)$`, 'gm'))].reduce((all, m) => all + Number(m[1]), 0);
        const drops = dropped();
        if (drops.others > sockets.others) faults.push(`${drops.others - sockets.others} datagrams of the others did not fit into their sockets`);
        console.log(`  the server had no room for ${drops.all - sockets.all} datagrams, ${drops.others - sockets.others} of them the others'`);
        if (KINDS.includes('icmp-right') && !sum('icmp_quotes_rejected_total')) faults.push('no ICMP message reached the viewer\'s session');
        console.log(`  ICMP quotes rejected ${sum('icmp_quotes_rejected_total')}, hints ${sum('hints_total')}, late ticks ${sum('late_ticks_total')}`);
        if (/panic/.test(server.log())) faults.push('the server panicked');
    } finally {
        await Promise.all([target.kill(), other.kill()]);
        await chromium.close();
        await lab.close();
    }
    console.log(`floods: ${KINDS.length} kinds, ${Math.min(...rates).toFixed(0)} to ${Math.max(...rates).toFixed(0)} a second: ${faults.join('; ') || 'nobody was let go, no datagram was lost'}`);
    if (faults.length) process.exitCode = 1;
}

/** Packets of this kind that have reached the server's host. */
function arrived(kind) {
    const [protocol, counter] = kind.startsWith('icmp') ? ['Icmp:', 'InDestUnreachs'] : ['Udp:', 'InDatagrams'];
    const [heads, numbers] = readFileSync('/proc/net/snmp', 'utf8').split('\n').filter(line => line.startsWith(protocol)).map(line => line.split(' '));
    return Number(numbers[heads.indexOf(counter)]);
}

/** Datagrams that the server's sockets had no room for: all, and those of the other viewers' own sockets. */
function dropped() {
    const found = {all: 0, others: 0};
    const others = browserAddress(OTHERS).split('.').reverse().map(part => Number(part).toString(16).padStart(2, '0')).join('').toUpperCase();
    for (const file of ['udp', 'udp6']) {
        for (const line of readFileSync(`/proc/net/${file}`, 'utf8').trim().split('\n').slice(1)) {
            const [, local, remote, ...rest] = line.trim().split(/\s+/);
            if (parseInt(local.split(':')[1], 16) !== PORTS.webrtc) continue;
            found.all += Number(rest.at(-1));
            if (remote.split(':')[0].endsWith(others)) found.others += Number(rest.at(-1));
        }
    }
    return found;
}

/** The sessions that hold their cameras. */
async function ids(server) {
    const {sessions} = await server.get('api/rs/sessions');
    return sessions.filter(s => !['gone', 'parked'].includes(s.state)).map(s => s.id).sort().join(' ');
}

if (cannotRun('floods')) {
    // Said.
} else if (values.inside) {
    await inside();
} else {
    const id = String(process.pid % 100_000);
    for (const sign of ['SIGINT', 'SIGTERM']) process.on(sign, () => { destroy(id); process.exit(1); });
    build(id, 3);
    try {
        const again = spawnSync('ip', ['netns', 'exec', names(id).server, process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2), '--inside', id], {stdio: 'inherit'});
        process.exitCode = again.status ?? 1;
    } finally {
        destroy(id);
    }
}
