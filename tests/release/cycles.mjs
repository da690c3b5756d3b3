#!/usr/bin/env node
/**
 * Viewers come and go, many times, several at once, in every way: native WebRTC viewers,
 * RTSP and WebSocket viewers, pages in Chromium, and offers that nobody follows. Afterwards
 * nothing is left of them: no session, lease, child, descriptor, task. Needs root.
 *
 *     node tests/release/cycles.mjs [--cycles 1000] [--chromium 50] [--at-once 10]
 */
import {spawnSync} from 'node:child_process';
import {createRequire} from 'node:module';
import {readdirSync, readlinkSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {launch} from '../../tools/ui/browser.mjs';
import {build, cannotRun, destroy, names, PORTS, ROOT} from './lab.mjs';
import {startLab} from './lane.mjs';
import {OFFER} from './offer.mjs';
import {watchRtsp} from './rtsp-viewer.mjs';
import {Viewer} from './viewer.mjs';

const {WebSocket} = createRequire(join(ROOT, 'tools/ui/package.json'))('ws');
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const {values} = parseArgs({options: {
    cycles: {type: 'string', default: '1000'}, chromium: {type: 'string', default: '50'},
    'at-once': {type: 'string', default: '10'}, inside: {type: 'string'},
}});
const API = `http://127.0.0.1:${PORTS.api}/`;
/** A session whose viewer vanished may come back for so long. */
const SETTLE = 75_000;
const pick = list => list[Math.floor(Math.random() * list.length)];
/** Streams to choose from; the device takes one viewer's stream at a time, so its users may be refused. */
const STREAMS = ['demo0', 'demo1', 'exec0', 'exec1', 'rtsp0', 'device0'];

/** How many native viewers were started, and how many of them got pictures. */
const native = {started: 0, played: 0};
/** How many pages got pictures. */
let shown = 0;

/** Connects, sees pictures, and leaves with a goodbye, by its death, or by silence. */
async function webrtc() {
    native.started += 1;
    const leave = pick(['close', 'delete', 'kill', '4s']);
    const viewer = new Viewer({id: values.inside, number: 0}, pick(STREAMS), ['--for', `${Math.ceil(Math.random() * 600)}ms`, '--leave', leave]);
    try {
        await viewer.until('first');
        native.played += 1;
        // Some die in the middle.
        if (Math.random() < 0.2) await viewer.kill();
        else await viewer.until('end');
    } finally {
        await viewer.kill();
    }
}

/** Offers and is never heard of. */
async function offer() {
    const reply = await fetch(`${API}api/webrtc?src=${pick(STREAMS)}`, {
        method: 'POST', headers: {'content-type': 'application/sdp', connection: 'close'}, body: OFFER,
    });
    if (!reply.ok) throw new Error(await reply.text());
    await reply.text();
    await sleep(Math.random() * 500);
    const own = new URL(reply.headers.get('location') ?? '', `${API}api/webrtc`);
    // Some say goodbye, some are never heard of again.
    if (Math.random() < 0.7) await fetch(own, {method: 'DELETE', headers: {connection: 'close'}});
}

async function socket() {
    const ws = new WebSocket(`${API.replace('http', 'ws')}api/ws?src=${pick(STREAMS)}`);
    await new Promise((resolve, reject) => { ws.once('open', resolve); ws.once('error', reject); });
    let bye = '';
    ws.on('message', data => { const m = JSON.parse(String(data)); if (m.type === 'session') bye = m.value.bye; });
    ws.on('error', () => {});
    const cid = Array.from({length: 32}, () => pick([...'0123456789abcdef'])).join('');
    if (Math.random() < 0.7) ws.send(JSON.stringify({type: 'hello', value: {v: 1, cid}}));
    if (Math.random() < 0.9) ws.send(JSON.stringify({type: 'webrtc/offer', value: OFFER}));
    await sleep(Math.random() * 800);
    if (Math.random() < 0.3) ws.send(JSON.stringify({type: 'park'}));
    if (bye && Math.random() < 0.5) await fetch(API + bye, {method: 'DELETE', headers: {connection: 'close'}});
    if (Math.random() < 0.3) ws.terminate(); else ws.close();
}

/** How many RTSP viewers came to the end, and how many packets they got. */
const recorder = {ended: 0, packets: 0};

async function rtsp() {
    recorder.packets += await watchRtsp(PORTS.rtsp, pick(STREAMS), pick(['teardown', 'fin', 'reset']), Math.random() * 600);
    recorder.ended += 1;
}

function pages(browser, server) {
    return async () => {
        const page = await browser.newPage();
        try {
            const url = `${server.base}stream.html?src=${pick(STREAMS.slice(0, 4))}&background=true&mode=webrtc`;
            await page.goto(url, {waitUntil: 'domcontentloaded'});
            await page.waitForFunction('(document.querySelector("video")?.currentTime ?? 0) > 0', {timeout: 20_000, polling: 50}).then(() => { shown += 1; }, () => {});
            await sleep(Math.random() * 500);
            const end = pick(['close', 'reload', 'navigate']);
            if (end === 'reload') await page.reload({waitUntil: 'domcontentloaded'});
            if (end === 'navigate') await page.goto(`${server.base}api`);
        } finally {
            await page.close();
        }
    };
}

/** What is there now. */
async function count(server) {
    const metrics = await server.get('metrics');
    const sum = (name, labels = '') => {
        const found = [...metrics.matchAll(new RegExp(`^rs2rtc_${name}${labels || '(?:{[^}]*})?'} (\\S+)$`, 'gm'))];
        if (!found.length) throw new Error(`there is no rs2rtc_${name}${labels}`);
        return found.reduce((all, m) => all + Number(m[1]), 0);
    };
    const {sessions} = await server.get('api/rs/sessions');
    return {
        sessions: sessions.length, consumers: sum('consumers'), leases: sum('leases', '{state="held"}'), waiting: sum('leases', '{state="waiting"}'),
        tasks: sum('tasks'), children: server.children().length, descriptors: server.descriptors(),
    };
}

/** Descriptors by what they are, to see which are too many. */
function kinds(pid) {
    const found = {};
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        let name = 'gone';
        try { name = readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/\d+/g, 'N'); } catch { /* closed */ }
        found[name] = (found[name] ?? 0) + 1;
    }
    return JSON.stringify(found);
}

async function inside() {
    const lab = await startLab(values.inside);
    const {server} = lab;
    const chromium = await launch({netns: names(values.inside).browser, mdns: 'show', meek: true});
    try {
        const page = pages(chromium.browser, server);
        for (const kind of [webrtc, offer, socket, rtsp, page]) await kind().catch(() => {});
        native.started = native.played = shown = recorder.ended = recorder.packets = 0;
        await settle(server, c => c.sessions === 0 && c.consumers === 0 && c.children === 0);
        await sleep(6000);
        const before = await count(server), kindsBefore = kinds(server.pid);
        const total = Number(values.cycles), began = Date.now();
        const jobs = Array.from({length: total}, (_, i) => i < Number(values.chromium) ? page : pick([webrtc, webrtc, webrtc, socket, socket, rtsp, rtsp, offer]));
        jobs.sort(() => Math.random() - 0.5);
        const errors = new Map();
        await Promise.all(Array.from({length: Number(values['at-once'])}, async () => {
            for (let job = jobs.pop(); job; job = jobs.pop()) {
                try { await job(); } catch (err) {
                    const text = `${job.name || 'page'}: ${String(err.message).slice(0, 100)}`;
                    errors.set(text, (errors.get(text) ?? 0) + 1);
                }
            }
        }));
        const took = (Date.now() - began) / 1000;
        const same = c => Object.keys(before).every(key => c[key] <= before[key]);
        const after = await settle(server, same);
        for (const [text, times] of errors) console.log(`  refused ${times} times: ${text}`);
        console.log(`  before ${JSON.stringify(before)}\n  after  ${JSON.stringify(after)}`);
        const faults = [];
        if (!same(after)) {
            faults.push('something is left over');
            console.log(`  left over:\n  ${kindsBefore}\n  ${kinds(server.pid)}`);
        }
        // A stream may refuse some (a camera that still closes); most must play, or this says nothing.
        if (native.played < native.started * 0.8) faults.push('too few native viewers got pictures');
        if (recorder.packets < recorder.ended) faults.push('RTSP viewers got nothing');
        const panics = server.log().split('\n').filter(line => line.includes('panic'));
        if (panics.length) faults.push(panics.join('\n'));
        console.log(`cycles: ${total} in ${took.toFixed(0)} s (${native.played} of ${native.started} native WebRTC viewers and `
            + `${shown} of ${values.chromium} pages got pictures, ${recorder.ended} RTSP viewers ${recorder.packets} packets): ${faults.join('; ') || 'nothing is left over'}`);
        if (faults.length) process.exitCode = 1;
    } finally {
        await chromium.close();
        await lab.close();
    }
}

/** Waits until it fits. */
async function settle(server, fits) {
    const until = Date.now() + SETTLE;
    for (;;) {
        const now = await count(server);
        if (fits(now) || Date.now() > until) return now;
        await sleep(250);
    }
}

if (cannotRun('cycles')) {
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
