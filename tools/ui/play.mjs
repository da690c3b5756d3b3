#!/usr/bin/env node
/**
 * Plays a stream in a real browser and tells in numbers what was seen and heard.
 *
 *     node tools/ui/play.mjs --url http://127.0.0.1:1984/ --src demo [--mode webrtc] [--seconds 3]
 *         [--page stream|index] [--mdns show|hide] [--netns NAME] [--timeout 20]
 *         [--pictures 0] [--browser chromium|firefox] [--put SOURCE] [--until-error] [--screenshot picture.png] [--json]
 *
 * The exit code is 0 if the picture advances.
 */
import {pathToFileURL} from 'node:url';
import {parseArgs} from 'node:util';
import {launch, launchFirefox} from './browser.mjs';
import {probe} from './probe.mjs';
import {readStrip} from './strip.mjs';

export {readStrip};

/**
 * @typedef {object} PlayOptions
 * @property {string} url base address of the server
 * @property {string} src name of the stream
 * @property {string} [mode] modes of the player; default `webrtc`
 * @property {'stream'|'index'} [page] `stream.html`, or the start of a tile on the first page
 * @property {number} [seconds] how long to watch after the first frame; default 3
 * @property {number} [pictures] watch on until so many were shown, for at most 30 s more; default 0
 * @property {boolean} [sound] watch on until something is heard, for at most 30 s more
 * @property {number} [timeout] seconds to wait for the first frame; default 20
 * @property {'show'|'hide'} [mdns]
 * @property {string} [netns]
 * @property {'chromium'|'firefox'} [browser]
 * @property {string} [put] what the stream gets as its source once it plays; the picture then has another size
 * @property {boolean} [untilError] an error of the server ends the wait for the first frame
 * @property {string} [screenshot] file for a picture of the page
 * @property {(page: import('puppeteer-core').Page) => Promise<void>} [prepare] called with the empty page
 */

/**
 * Plays in a browser of its own.
 * @param {PlayOptions} options
 */
export async function play(options) {
    const {browser, close} = options.browser === 'firefox' ? await launchFirefox() : await launch(options);
    try {
        return await playIn(browser, options);
    } finally {
        await close();
    }
}

/**
 * Plays in a new tab of a browser and closes it.
 * @param {import('puppeteer-core').Browser} browser
 * @param {PlayOptions} options
 */
export async function playIn(browser, options) {
    const page = await browser.newPage();
    try {
        const opened = await openPlayer(page, options);
        const changed = options.put && opened.ok ? await change(page, options) : null;
        return {...opened, changed, ...await watch(page, options, opened)};
    } finally {
        await page.close();
    }
}

/**
 * Opens the page and waits for the first frame, or for the time to be over.
 * @param {import('puppeteer-core').Page} page
 * @param {PlayOptions} options
 */
export async function openPlayer(page, options) {
    const {url, src, mode = 'webrtc', timeout = 20, untilError = false} = options;
    const messages = /** @type {string[]} */ ([]);
    page.on('console', msg => {
        if (['error', 'warn'].includes(msg.type())) messages.push(`${msg.type()}: ${msg.text()}`);
    });
    page.on('pageerror', err => messages.push(`exception: ${/** @type {Error} */ (err).message}`));
    await page.setViewport({width: 1280, height: 720});
    await options.prepare?.(page);
    await page.evaluateOnNewDocument(`(${probe})(${readStrip})`);

    const base = url.endsWith('/') ? url : `${url}/`;
    const startedAt = Date.now();
    if (options.page === 'index') {
        await page.goto(base, {waitUntil: 'domcontentloaded'});
        await page.waitForFunction(name => [...document.querySelectorAll('.tile .name')].some(n => n.textContent === name),
            {polling: 100, timeout: timeout * 1000}, src);
        await page.evaluate(name => {
            const found = [...document.querySelectorAll('.tile .name')].find(n => n.textContent === name);
            found?.closest('.tile')?.setAttribute('data-test', 'tile');
        }, src);
        await page.evaluate(() => /** @type {any} */ (window).__probe.reset());
        await page.click('[data-test=tile] .over button');
    } else {
        const query = new URLSearchParams({src, mode});
        await page.goto(`${base}stream.html?${query}`, {waitUntil: 'domcontentloaded'});
    }
    const came = await page.waitForFunction(untilError => {
        const {marks, errors = []} = /** @type {any} */ (window).__probe;
        return marks.firstFrame !== undefined ? 'picture' : untilError && errors.length ? 'error' : '';
    }, {polling: 20, timeout: timeout * 1000}, untilError).then(result => result.jsonValue(), () => '');
    const ok = came === 'picture';
    // Tiles are silent until somebody wants to hear one.
    if (ok && options.page === 'index') await page.click('[data-test=tile] .bar button:not([hidden])');
    const seen = await page.evaluate(() => {
        const {marks, zero = 0, errors = []} = /** @type {any} */ (window).__probe;
        return {
            marks: Object.fromEntries(Object.entries(marks).map(([name, at]) => [name, Math.round((at - zero) * 10) / 10])),
            errors,
            status: [...document.querySelectorAll(':is(rs-player, video-stream) .info')].map(n => ({
                mode: n.querySelector('.mode')?.textContent ?? '', text: n.querySelector('.status')?.textContent ?? '',
            })),
        };
    });
    return {ok, src, mode, startedAt, ...seen, console: messages};
}

/**
 * Gives the stream another source and waits until the picture has another size, without a new socket or a new page.
 * @param {import('puppeteer-core').Page} page
 * @param {PlayOptions} options
 */
async function change(page, {url, src, put = '', timeout = 20}) {
    const before = await page.evaluate(() => {
        const {sockets, video} = /** @type {any} */ (window).__probe;
        return {sockets, width: video().videoWidth};
    });
    const query = new URLSearchParams({name: src, src: put});
    const reply = await fetch(`${url.endsWith('/') ? url : `${url}/`}api/streams?${query}`, {method: 'PUT'});
    if (!reply.ok) throw new Error(`PUT: ${reply.status} ${await reply.text()}`);
    const ok = await page.waitForFunction(width => {
        const video = /** @type {any} */ (window).__probe.video();
        return video && video.videoWidth !== width && video.videoWidth > 0;
    }, {polling: 20, timeout: timeout * 1000}, before.width).then(() => true, () => false);
    const sockets = await page.evaluate(() => /** @type {any} */ (window).__probe.sockets);
    return {ok, sockets: sockets - before.sockets};
}

/**
 * Watches for some seconds what plays.
 * @param {import('puppeteer-core').Page} page
 * @param {PlayOptions} options
 * @param {{ok: boolean}} opened
 */
export async function watch(page, options, {ok}) {
    const {seconds = 3, pictures = 0, sound = false, screenshot} = options;
    if (!ok) {
        if (screenshot) await page.screenshot({path: /** @type {any} */ (screenshot)});
        return {ok: false};
    }
    const before = await page.evaluate(() => {
        const state = /** @type {any} */ (window).__probe;
        state.reading = true;
        state.listen();
        state.shownBefore = state.shown;
        return state.stats();
    });
    const begun = performance.now();
    await new Promise(resolve => setTimeout(resolve, seconds * 1000));
    await page.waitForFunction((pictures, sound) => {
        const state = /** @type {any} */ (window).__probe;
        return state.shown - state.shownBefore >= pictures && (!sound || state.sound?.peak > 0.1);
    }, {polling: 100, timeout: 30_000}, pictures, sound).catch(() => { /* then there are fewer */ });
    const watched = (performance.now() - begun) / 1000;
    const after = await page.evaluate(async () => {
        const state = /** @type {any} */ (window).__probe;
        state.reading = false;
        const video = state.video();
        return {
            stats: await state.stats(),
            video: {
                width: video.videoWidth, height: video.videoHeight, ...state.size, time: video.currentTime,
                paused: video.paused, muted: video.muted, shown: state.shown - state.shownBefore,
            },
            readings: state.readings, damaged: state.damaged, hashes: state.hashes, sound: state.sound ?? null, beeps: state.beeps ?? [],
        };
    });
    if (screenshot) await page.screenshot({path: /** @type {any} */ (screenshot)});

    const {stats, readings} = after;
    const grown = (kind, name) => (stats[kind]?.[name] ?? 0) - (before[kind]?.[name] ?? 0);
    const decoded = grown('video', 'framesDecoded');
    const energy = grown('audio', 'totalAudioEnergy');
    return {
        ok: decoded > 0 || after.video.shown > 0,
        video: {
            ...after.video, codec: stats.video?.codec, decoded, fps: Math.round(decoded / watched * 10) / 10,
            dropped: grown('video', 'framesDropped'), lost: grown('video', 'packetsLost'), freezes: stats.video?.freezeCount ?? 0,
            keyframes: stats.video?.keyFramesDecoded, plis: stats.video?.pliCount,
        },
        audio: stats.audio ? {
            codec: stats.audio.codec, energy, samples: grown('audio', 'totalSamplesReceived'),
            concealed: grown('audio', 'concealedSamples'), packets: grown('audio', 'packetsReceived'),
            heard: energy > 0 || (after.sound?.peak ?? 0) > 0, ...after.sound,
        } : null,
        path: stats.path ?? null,
        sync: readings.length ? inStep(readings, after.beeps) : null,
        strip: readings.length ? summary(readings, after.damaged) : null,
        pictures: {sampled: after.hashes.length, distinct: new Set(after.hashes).size, hashes: after.hashes.slice(0, 20)},
    };
}

/**
 * The readings of the strip in a few numbers.
 * @param {{frame: number, unixMs: number, at: number, delay: number}[]} readings
 * @param {number} damaged pictures without a readable strip
 */
export function summary(readings, damaged) {
    const delays = readings.map(r => r.delay).sort((a, b) => a - b);
    const at = part => delays[Math.min(delays.length - 1, Math.floor(part * delays.length))];
    let repeated = 0, backward = 0, missing = 0;
    for (let i = 1; i < readings.length; i++) {
        const step = readings[i].frame - readings[i - 1].frame;
        if (step === 0) repeated++;
        else if (step < 0) backward++;
        else missing += step - 1;
    }
    return {
        read: readings.length, damaged, first: readings[0], last: readings[readings.length - 1],
        advanced: readings[readings.length - 1].frame - readings[0].frame, repeated, backward, missing,
        delay: {min: delays[0], median: at(0.5), p95: at(0.95), max: delays[delays.length - 1]},
    };
}

/**
 * How far the beeps are behind (or, negative, before) the frames that they belong to, in ms:
 * one begins with each frame whose number is a multiple of `fps`.
 * @param {{frame: number, at: number}[]} readings
 * @param {number[]} beeps times of their beginnings
 */
export function inStep(readings, beeps, fps = 30) {
    const frames = readings.filter((r, i) => r.frame % fps === 0 && readings[i - 1]?.frame !== r.frame);
    const offsets = beeps.flatMap(beep => {
        const nearest = frames.map(r => beep - r.at).sort((a, b) => Math.abs(a) - Math.abs(b))[0];
        return nearest !== undefined && Math.abs(nearest) < 400 ? [Math.round(nearest * 10) / 10] : [];
    });
    const sorted = [...offsets].sort((a, b) => a - b);
    return {beeps: offsets.length, median: sorted[Math.floor(sorted.length / 2)] ?? null, offsets};
}

async function main() {
    const {values} = parseArgs({
        options: {
            url: {type: 'string', default: 'http://127.0.0.1:1984/'}, src: {type: 'string', default: 'demo'},
            mode: {type: 'string', default: 'webrtc'}, page: {type: 'string', default: 'stream'},
            seconds: {type: 'string', default: '3'}, pictures: {type: 'string', default: '0'}, timeout: {type: 'string', default: '20'},
            mdns: {type: 'string', default: 'hide'}, netns: {type: 'string'},
            browser: {type: 'string', default: 'chromium'}, put: {type: 'string'},
            'until-error': {type: 'boolean', default: false}, screenshot: {type: 'string'}, json: {type: 'boolean', default: false},
        },
    });
    const numbers = {seconds: Number(values.seconds), pictures: Number(values.pictures), timeout: Number(values.timeout)};
    const result = await play(/** @type {any} */ ({...values, ...numbers, untilError: values['until-error']}));
    if (values.json) {
        console.log(JSON.stringify(result));
    } else {
        const {ok, marks, video, audio, path, strip, status, errors} = /** @type {any} */ (result);
        console.log(ok ? 'plays' : 'does not play', `${result.src} (${result.mode})`);
        console.log('ms since start:', Object.entries(marks).map(([name, ms]) => `${name} ${ms}`).join(', '));
        if (video) console.log(`video: ${video.codec} ${video.width}x${video.height}, ${video.decoded} frames decoded, ${video.fps} fps, ${video.dropped} dropped`);
        if (audio) console.log(`audio: ${audio.codec}, peak ${audio.peak?.toFixed(3)}, energy ${audio.energy.toFixed(5)}, ${audio.concealed} of ${audio.samples} samples concealed`);
        if (path) console.log(`path: ${path.local.address}:${path.local.port} to ${path.remote.address}:${path.remote.port} ${path.remote.protocol}`);
        if (strip) console.log(`strip: ${strip.read} read, ${strip.damaged} not, ${strip.missing} missing, delay ${strip.delay.median} ms (${strip.delay.min} to ${strip.delay.max})`);
        for (const line of [...errors, ...status.map(s => `${s.mode}: ${s.text}`), ...result.console]) console.log(line);
    }
    process.exitCode = result.ok ? 0 : 1;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
