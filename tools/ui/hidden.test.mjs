/**
 * A page that is hidden, and pages that go, with the release binary: the session stays while nobody looks and is the same when somebody does
 * again, a camera that only one may have is let go meanwhile, and the page of sessions tells of each end what the server has measured.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import './no-page.mjs';
import {BINARY, rs2rtc, until} from './rs2rtc.mjs';
import {duration} from '../../ui/lib/i18n.js';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');

/** @type {Awaited<ReturnType<typeof rs2rtc>>} */
let server;
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (skip) return;
    server = await rs2rtc('streams:\n  shared: demo:?width=320&height=180&fps=15\n  own: {url: "demo:?width=320&height=180&fps=15", exclusive: device}\n');
    chromium = await launch({mdns: 'show'});
});
after(async () => {
    await chromium?.close();
    await server?.stop();
});

/** @param {string} path */
const ask = async path => (await fetch(server.url + path)).json();
/** The sessions of a stream that go on. @param {string} stream */
const sessions = async stream => (await ask('api/rs/sessions')).sessions.filter((/** @type {any} */ one) => one.stream === stream);
/** Is its camera open? @param {string} stream */
const running = async stream => (await ask(`api/streams?src=${stream}`)).producers.some((/** @type {any} */ one) => one.id);
/** @param {import('puppeteer-core').Page} page @param {string} wanted */
const phase = (page, wanted) => page.waitForFunction(wanted => /** @type {any} */ (document.querySelector('rs-player'))?.phase === wanted, {polling: 50, timeout: 60_000}, wanted);
/** @param {string} stream @param {string} [more] */
async function watch(stream, more = '') {
    const page = await chromium.browser.newPage();
    await page.goto(`${server.url}camera.html?src=${stream}&lang=en${more}`);
    await phase(page, 'live');
    return page;
}

test('hidden and seen again: the same session; a camera for one is let go meanwhile', {skip}, async () => {
    for (const stream of ['shared', 'own']) {
        const page = await watch(stream, '&mode=webrtc'), [before] = await until(() => sessions(stream), list => list[0]?.state === 'alive');
        const other = await chromium.browser.newPage();
        await other.bringToFront();
        await phase(page, 'parked');
        await until(() => sessions(stream), list => list.length === 1 && list[0].state === 'parked');
        if (stream === 'own') await until(() => running(stream), on => !on);
        await page.bringToFront();
        await phase(page, 'live');
        const now = await until(() => sessions(stream), list => list.length === 1 && list[0].state === 'alive');
        assert.equal(now[0].id, before.id, `${stream}: the same session`);
        await other.close();
        await page.close();
        await until(() => sessions(stream), list => !list.length);
    }
});

test('frozen by the browser: the server is told; woken up, the same session shows a new picture', {skip}, async () => {
    for (const [stream, mode] of [['shared', 'webrtc'], ['own', 'webrtc'], ['shared', 'mse']]) {
        const page = await watch(stream, `&mode=${mode}`), devtools = await page.createCDPSession(), alive = () => until(() => sessions(stream), list => list.length === 1 && list[0].state === 'alive');
        const [before] = await alive();
        await page.evaluate(() => Object.assign(window, {states: [], frames: 0}) && document.querySelector('rs-player')?.addEventListener('state', ev => /** @type {any} */ (window).states.push(/** @type {CustomEvent} */ (ev).detail.state)));
        await devtools.send('Page.setWebLifecycleState', {state: 'frozen'});
        // Nothing runs in the page any more: the server knows it.
        await until(() => sessions(stream), list => list.length === 1 && list[0].state === 'parked');
        if (stream === 'own') await until(() => running(stream), on => !on);
        const states = () => page.evaluate(() => /** @type {any} */ (window).states);
        assert.deepEqual(await states(), ['parked'], `${stream} ${mode}`);
        await page.evaluate(() => {
            const video = /** @type {HTMLVideoElement} */ (document.querySelector('rs-player video')), seen = () => {
                /** @type {any} */ (window).frames++;
                video.requestVideoFrameCallback(seen);
            };
            video.requestVideoFrameCallback(seen);
        });
        await devtools.send('Page.setWebLifecycleState', {state: 'active'});
        // What is frozen has been hidden before, and is woken up before it is seen.
        const other = await chromium.browser.newPage();
        await other.bringToFront();
        await page.bringToFront();
        await phase(page, 'live');
        await page.waitForFunction(() => /** @type {any} */ (window).frames > 3, {polling: 50, timeout: 60_000});
        const [now] = await alive();
        // What a WebSocket carries begins anew once it is parked.
        if (mode === 'webrtc') assert.equal(now.id, before.id, `${stream}: the same session`);
        await other.close();
        await page.close();
        await until(() => sessions(stream), list => !list.length);
    }
});

test('each way of leaving is told, with the milliseconds of the server', {skip}, async () => {
    const list = await chromium.browser.newPage();
    await list.goto(`${server.url}sessions.html?lang=en`);
    await list.waitForSelector('h1');
    for (const [what, leave] of /** @type {[string, (page: import('puppeteer-core').Page) => Promise<unknown>][]} */ ([
        ['closed', page => page.close()],
        ['left', page => page.goto('about:blank')],
        ['crashed', async page => (await page.createCDPSession()).send('Page.crash').catch(() => {})],
    ])) {
        const page = await watch('shared', '&mode=webrtc'), [{id}] = await until(() => sessions('shared'), all => all[0]?.state === 'alive');
        leave(page).catch(() => {});
        const gone = await until(async () => (await ask('api/rs/sessions')).ended.find((/** @type {any} */ one) => one.id === id), one => one && one.release_ms !== null);
        // The goodbye or the end of the connection, and not that nothing was heard for seconds.
        assert.ok(!['silence', 'connect_timeout'].includes(gone.reason), `${what}: ${gone.reason}`);
        await list.bringToFront();
        const shown = [gone.detect_ms, gone.release_ms].map(ms => duration(ms));
        // How long the camera took comes after the viewer has gone.
        const cells = () => list.$$eval(`tr.lead[data-id="${id}"]:has(.state[data-state=gone]) td`, all => all.slice(6, 8).map(cell => cell.textContent));
        await until(cells, texts => String(texts) === String(shown));
        if (!page.isClosed()) await page.close().catch(() => {});
    }
    await list.close();
});
