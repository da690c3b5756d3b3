#!/usr/bin/env node
/**
 * Plays a stream as HLS with a foreign player, hls.js, on a page that is not the
 * server's, and tells in numbers what was seen: the burnt-in clock of the demo camera
 * says how far behind live the picture is.
 *
 *     node tools/ui/foreign-hls.mjs --url http://127.0.0.1:1984/ --src demo [--query mp4]
 *         [--low-latency] [--seconds 10] [--timeout 20] [--json]
 *
 * The exit code is 0 if the picture advances.
 */
import {fileURLToPath, pathToFileURL} from 'node:url';
import {parseArgs} from 'node:util';
import {launch} from './browser.mjs';
import {readStrip} from './strip.mjs';

const HLS_JS = fileURLToPath(import.meta.resolve('hls.js/dist/hls.min.js'));

/**
 * @param {{url: string, src: string, query?: string, lowLatency?: boolean, seconds?: number, timeout?: number}} options
 */
export async function playForeign({url, src, query = '', lowLatency = false, seconds = 10, timeout = 20}) {
    const chromium = await launch();
    try {
        const page = await chromium.browser.newPage();
        await page.setContent('<!doctype html><video muted autoplay playsinline></video>');
        await page.addScriptTag({path: HLS_JS});
        const address = new URL(`api/stream.m3u8?src=${encodeURIComponent(src)}${query && `&${query}`}`, url).href;
        const seen = await page.evaluate(inPage, {address, lowLatency, seconds, timeout, readStrip: String(readStrip)});
        return {src, query, lowLatency, ...seen};
    } finally {
        await chromium.close();
    }
}

/** Runs inside the page. @param {any} options */
async function inPage({address, lowLatency, seconds, timeout, readStrip}) {
    const {Hls} = /** @type {any} */ (window), read = (0, eval)(`(${readStrip})`);
    const video = /** @type {HTMLVideoElement} */ (document.querySelector('video'));
    const errors = /** @type {string[]} */ ([]), readings = /** @type {{frame: number, delay: number}[]} */ ([]);
    const asked = performance.now();
    let firstFrame = -1, segments = 0, parts = 0;
    const hls = new Hls({lowLatencyMode: lowLatency, enableWorker: false});
    hls.on(Hls.Events.ERROR, (/** @type {any} */ _, /** @type {any} */ data) => errors.push(`${data.fatal ? 'fatal ' : ''}${data.details} ${data.response?.code ?? ''} ${data.url ?? data.frag?.url ?? ''} ${Math.round(performance.now() - asked)} ${data.reason ?? ''}`));
    hls.on(Hls.Events.FRAG_LOADED, (/** @type {any} */ _, /** @type {any} */ data) => data.part ? parts++ : segments++);
    const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const look = (/** @type {number} */ _, /** @type {VideoFrameCallbackMetadata} */ frame) => {
        if (firstFrame < 0) firstFrame = performance.now() - asked;
        const {videoWidth: width, videoHeight: height} = video, top = Math.floor(height * 54 / 60);
        pen.canvas.width = width;
        pen.canvas.height = height - top;
        pen.drawImage(video, 0, top, width, height - top, 0, 0, width, height - top);
        const reading = read(pen.getImageData(0, 0, width, height - top), height);
        if (reading) readings.push({frame: reading.frame, delay: performance.timeOrigin + frame.expectedDisplayTime - reading.unixMs});
        video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    hls.loadSource(address);
    hls.attachMedia(video);
    video.play().catch(() => {});
    const until = performance.now() + timeout * 1000;
    while (firstFrame < 0 && performance.now() < until) await new Promise(done => setTimeout(done, 20));
    await new Promise(done => setTimeout(done, seconds * 1000));
    const latency = hls.latency, target = hls.targetLatency, width = video.videoWidth;
    // What counts is where it has settled.
    const settled = readings.slice(Math.floor(readings.length / 2)).map(({delay}) => Math.round(delay)).sort((a, b) => a - b);
    const at = (/** @type {number} */ part) => settled[Math.min(settled.length - 1, Math.floor(settled.length * part))] ?? null;
    const advanced = readings.length ? readings[readings.length - 1].frame - readings[0].frame : 0;
    hls.destroy();
    return {
        ok: advanced > seconds * 10, firstFrame: Math.round(firstFrame), width, frames: readings.length, advanced,
        behind: {p50: at(0.5), p95: at(0.95), max: at(1)}, latency, target, segments, parts, errors,
    };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
    const {values} = parseArgs({options: {
        url: {type: 'string'}, src: {type: 'string'}, query: {type: 'string'}, 'low-latency': {type: 'boolean'},
        seconds: {type: 'string'}, timeout: {type: 'string'}, json: {type: 'boolean'},
    }});
    if (!values.url || !values.src) throw new Error('--url and --src are needed');
    const seen = await playForeign({
        url: values.url, src: values.src, query: values.query, lowLatency: values['low-latency'],
        seconds: Number(values.seconds ?? 10), timeout: Number(values.timeout ?? 20),
    });
    console.log(values.json ? JSON.stringify(seen) : seen);
    process.exitCode = seen.ok ? 0 : 1;
}
