/**
 * Nothing stands on the console of any page, with the release binary: while all is well, with a camera that is not there, for somebody who may only look. What the browser itself writes
 * about requests that found no server cannot be helped; nothing but that is there when the server goes, and each page is as before when it is back.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';
import {UNREACHED} from './visit.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
/** Pages with a frame around, and what is there when each is. */
const PAGES = {'': '.tile', 'streams.html': 'tbody tr', 'sessions.html': '.empty, tbody tr', 'add.html': '.examples button', 'log.html': '.loglist li', 'config.html': '.editor > div', 'net.html': '.empty, .graph g, .table td',
    'links.html?src=cam': '.urls li', 'doctor.html': '.checks li:nth-child(7) .state:not([data-state=run])'};
/** Pages that play. */
const PLAYERS = ['camera.html?src=cam', 'stream.html?src=cam', 'webrtc.html?src=cam', 'hls.html?src=cam'];

/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) chromium = await launch({mdns: 'show'});
});
after(() => chromium?.close());

/** Opens a page; `quiet` closes it and tells what nobody wants on its console. @param {string} url @param {Record<string, string>} [headers] */
async function open(url, headers = {}) {
    const page = await chromium.browser.newPage(), said = /** @type {string[]} */ ([]);
    await page.setExtraHTTPHeaders(headers);
    page.on('console', msg => ['error', 'warn'].includes(msg.type()) && said.push(`${msg.text()} ${msg.location()?.url ?? ''}`));
    page.on('pageerror', err => said.push(String(/** @type {any} */ (err).stack ?? err)));
    await page.goto(`${url}${url.includes('?') ? '&' : '?'}lang=en`);
    return {page, async quiet(/** @type {RegExp} */ but = /^$/) {
        await page.close();
        assert.deepEqual(said.filter(line => !but.test(line)), [], url);
    }};
}
/** @param {import('puppeteer-core').Page} page @param {string} phase */
const plays = (page, phase) => page.waitForFunction(phase => /** @type {any} */ (document.querySelector('rs-player'))?.phase === phase, {polling: 20, timeout: 60_000}, phase);
/** How the connection for events is. @param {import('puppeteer-core').Page} page @param {string} state */
const feed = (page, state) => page.waitForSelector(`.dot[data-state=${state}]`, {timeout: 60_000});

test('all is well', {skip}, async () => {
    const server = await rs2rtc('streams:\n  cam: demo:?width=320&height=180&fps=10\n');
    try {
        for (const [path, ready] of Object.entries(PAGES)) {
            const {page, quiet} = await open(server.url + path);
            await page.waitForSelector(ready, {timeout: 60_000});
            await quiet();
        }
        for (const path of PLAYERS) {
            const {page, quiet} = await open(server.url + path);
            await plays(page, 'live');
            await quiet();
        }
        // What is no page of ours has an icon too.
        assert.equal((await fetch(`${server.url}favicon.ico`)).headers.get('content-type'), 'image/x-icon');
        const {quiet} = await open(`${server.url}api/streams`);
        await quiet();
    } finally {
        await server.stop();
    }
});

test('the camera is not there', {skip}, async () => {
    const server = await rs2rtc('streams:\n  cam: rtsp://127.0.0.1:1/x\n');
    try {
        for (const path of PLAYERS) {
            const {page, quiet} = await open(server.url + path);
            await plays(page, 'retrying');
            await quiet();
        }
        const {page: sync, quiet: answered} = await open(`${server.url}webrtc-sync.html?src=cam`);
        await sync.waitForSelector('.hint');
        // The status of the one answer that there is; other programs need it.
        await answered(/500 \(Internal Server Error\).*\/api\/webrtc\?/);
        for (const [path, ready] of Object.entries(PAGES)) {
            const {page, quiet} = await open(server.url + path);
            await page.waitForSelector(ready, {timeout: 60_000});
            if (path === '') {
                await page.click('.tile .start');
                await plays(page, 'retrying');
            }
            await quiet();
        }
    } finally {
        await server.stop();
    }
});

test('who may only look', {skip}, async () => {
    const server = await rs2rtc('streams:\n  cam: demo:?width=320&height=180&fps=10\n'), somebody = {'X-Forwarded-For': '192.168.77.9'};
    try {
        for (const [path, ready] of Object.entries(PAGES)) {
            const {page, quiet} = await open(server.url + path, somebody);
            await page.waitForSelector(ready, {timeout: 60_000});
            if (path === 'config.html') await page.waitForFunction(() => /look but not change/.test(document.querySelector('.banner')?.textContent ?? ''));
            await quiet();
        }
    } finally {
        await server.stop();
    }
});

test('the server goes and comes back', {skip}, async () => {
    const server = await rs2rtc('streams:\n  cam: demo:?width=320&height=180&fps=10\n');
    try {
        for (const [path, ready] of Object.entries(PAGES)) {
            const {page, quiet} = await open(server.url + path);
            await page.waitForSelector(ready, {timeout: 60_000});
            await feed(page, 'live');
            await server.kill();
            if (path === 'doctor.html') {
                await page.click('.tools button');
                await page.waitForSelector('.checks .state[data-state=fail]', {timeout: 60_000});
            }
            await feed(page, 'lost');
            await server.again();
            await feed(page, 'live');
            await quiet(UNREACHED);
        }
        for (const path of PLAYERS) {
            const {page, quiet} = await open(server.url + path);
            await plays(page, 'live');
            await server.kill();
            await plays(page, 'retrying');
            await server.again();
            await plays(page, 'live');
            await quiet(UNREACHED);
        }
    } finally {
        await server.stop();
    }
});
