#!/usr/bin/env node
/**
 * Plays a stream as HLS with a foreign player, hls.js, on a page that is not the
 * server's, and tells in numbers what was seen: the burnt-in clock of the demo camera
 * says how far behind live the picture is. Of streams without that clock pictures are counted.
 *
 *     node tools/ui/foreign-hls.mjs --url http://127.0.0.1:1984/ --src demo [--query mp4]
 *         [--low-latency] [--seconds 10] [--joins 1] [--restarts] [--timeout 20] [--json]
 *
 * `--joins` joins so often, at random moments. `--restarts` lets the player lose its place
 * in all the ways there are. The exit code is 0 if the picture advances each time.
 */
import {fileURLToPath, pathToFileURL} from 'node:url';
import {parseArgs} from 'node:util';
import {launch} from './browser.mjs';
import {readStrip} from './strip.mjs';

const HLS_JS = fileURLToPath(import.meta.resolve('hls.js/dist/hls.min.js'));

/**
 * @typedef {object} Options
 * @property {string} url
 * @property {string} src
 * @property {string} [query]
 * @property {boolean} [lowLatency]
 * @property {number} [seconds] how long to watch
 * @property {number} [joins]
 * @property {boolean} [restarts]
 * @property {number} [timeout] how long to wait for the first picture, seconds
 */

/** @param {Options} options what was seen at each join */
export async function joinForeign({url, src, query = '', lowLatency = false, seconds = 10, joins = 1, restarts = false, timeout = 20}) {
    const chromium = await launch();
    const address = new URL(`api/stream.m3u8?src=${encodeURIComponent(src)}${query && `&${query}`}`, url).href;
    const all = [];
    try {
        for (let join = 0; join < joins; join++) {
            const page = await chromium.browser.newPage();
            await page.setContent('<!doctype html><video muted autoplay playsinline></video>');
            await page.addScriptTag({path: HLS_JS});
            if (joins > 1) await new Promise(done => setTimeout(done, Math.random() * 1500));
            const seen = /** @type {any} */ (await page.evaluate(`(${inPage})(${JSON.stringify({address, lowLatency, seconds, timeout, restarts})}, ${readStrip})`));
            all.push({src, query, lowLatency, ...seen});
            await page.close();
        }
    } finally {
        await chromium.close();
    }
    return all;
}

/** Runs inside the page. @param {any} options @param {typeof readStrip} read */
async function inPage({address, lowLatency, seconds, timeout, restarts}, read) {
    const {Hls} = /** @type {any} */ (window);
    const video = /** @type {HTMLVideoElement} */ (document.querySelector('video'));
    const errors = /** @type {string[]} */ ([]), readings = /** @type {{at: number, frame: number, delay: number}[]} */ ([]);
    const sleep = (/** @type {number} */ ms) => new Promise(done => setTimeout(done, ms));
    const asked = performance.now();
    let segments = 0, parts = 0, pictures = 0;
    const open = (/** @type {string} */ source) => {
        const hls = new Hls({lowLatencyMode: lowLatency, enableWorker: false});
        hls.on(Hls.Events.ERROR, (/** @type {any} */ _, /** @type {any} */ data) => errors.push(`${data.fatal ? 'fatal ' : ''}${data.details} ${data.response?.code ?? ''} ${data.url ?? data.frag?.url ?? ''} ${Math.round(performance.now() - asked)} ${data.reason ?? ''}`));
        hls.on(Hls.Events.FRAG_LOADED, (/** @type {any} */ _, /** @type {any} */ data) => data.part ? parts++ : segments++);
        hls.loadSource(source);
        hls.attachMedia(video);
        video.play().catch(() => {});
        return hls;
    };
    const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const look = (/** @type {number} */ _, /** @type {VideoFrameCallbackMetadata} */ frame) => {
        pictures++;
        const {videoWidth: width, videoHeight: height} = video, top = Math.floor(height * 54 / 60);
        pen.canvas.width = width;
        pen.canvas.height = height - top;
        pen.drawImage(video, 0, top, width, height - top, 0, 0, width, height - top);
        const reading = read(pen.getImageData(0, 0, width, height - top), height);
        if (reading) readings.push({at: performance.now(), frame: reading.frame, delay: performance.timeOrigin + frame.expectedDisplayTime - reading.unixMs});
        video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    /** Milliseconds until there is another picture, or -1. */
    const picture = async () => {
        const begun = performance.now(), before = pictures;
        while (pictures === before) {
            if (performance.now() - begun > timeout * 1000) return -1;
            await sleep(10);
        }
        return Math.round(performance.now() - begun);
    };
    let hls = open(address);
    const firstFrame = await picture();
    await sleep(seconds * 1000);
    const latency = hls.latency, target = hls.targetLatency, width = video.videoWidth;
    // What counts is where it has settled.
    const settled = readings.slice(Math.floor(readings.length / 2)).map(({delay}) => Math.round(delay)).sort((a, b) => a - b);
    const at = (/** @type {number} */ part) => settled[Math.min(settled.length - 1, Math.floor(settled.length * part))] ?? null;
    const advanced = readings.length ? readings[readings.length - 1].frame - readings[0].frame : pictures;
    /** Milliseconds until it plays again after it lost its place, or -1, by how it lost it. */
    const again = /** @type {Record<string, number>} */ ({});
    const ways = {
        recover: async () => hls.recoverMediaError(),
        stop: async () => { hls.stopLoad(); await sleep(2500); hls.startLoad(-1); },
        seek: async () => { video.pause(); await sleep(2500); video.currentTime = hls.liveSyncPosition; await video.play(); },
        back: async () => { video.currentTime = Math.max(0, video.currentTime - 2); },
        // Longer than it is waited for, as on a busy machine.
        starve: async () => { const until = performance.now() + 7000; while (performance.now() < until); },
        reopen: async () => { const {url} = hls.levels[0]; hls.destroy(); hls = open(Array.isArray(url) ? url[0] : url); },
    };
    for (const [name, lose] of restarts ? Object.entries(ways) : []) {
        await lose();
        again[name] = await picture();
        // It plays on, however busy the machine is.
        const enough = pictures + 30, until = performance.now() + 15_000;
        while (pictures < enough && performance.now() < until) await sleep(50);
        if (pictures < enough) again[name] = -1;
    }
    hls.destroy();
    return {
        ok: advanced > seconds * 10 && Object.values(again).every(ms => ms >= 0), firstFrame, width, frames: readings.length, advanced,
        behind: {p50: at(0.5), p95: at(0.95), max: at(1)}, latency, target, segments, parts, again, errors,
    };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
    const {values} = parseArgs({options: {
        url: {type: 'string'}, src: {type: 'string'}, query: {type: 'string'}, 'low-latency': {type: 'boolean'},
        seconds: {type: 'string'}, joins: {type: 'string'}, restarts: {type: 'boolean'}, timeout: {type: 'string'}, json: {type: 'boolean'},
    }});
    if (!values.url || !values.src) throw new Error('--url and --src are needed');
    const all = await joinForeign({
        url: values.url, src: values.src, query: values.query, lowLatency: values['low-latency'], restarts: values.restarts,
        seconds: Number(values.seconds ?? 10), joins: Number(values.joins ?? 1), timeout: Number(values.timeout ?? 20),
    });
    for (const seen of all) console.log(values.json ? JSON.stringify(seen) : seen);
    process.exitCode = all.every(seen => seen.ok) ? 0 : 1;
}
