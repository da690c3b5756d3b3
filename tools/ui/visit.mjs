/**
 * One page of the fixture server in a Chromium, in English, with what stands on its console.
 */
import assert from 'node:assert/strict';
import {pageCamera} from './page-camera.mjs';
import {fixture} from './pages-fixture.mjs';
import {stripCells} from './strip.mjs';

/** What Chromium itself writes about requests and sockets that found no server, or lost it. It asks for the icon of the page when it likes, also while there is none. */
export const UNREACHED = /^Failed to load resource: net::ERR_(CONNECTION_\w+|INCOMPLETE_CHUNKED_ENCODING|CONTENT_LENGTH_MISMATCH|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED)|^WebSocket connection to '[^']*' failed|icon from the Manifest/;

/** What the measuring itself uses, and a page that is left while it dials. */
export const NO_FAULT = /ScriptProcessorNode|closed before the connection is established/;

/**
 * What the page puts off for `least` milliseconds or longer comes much later: not within a test, however slow the machine is.
 * @param {import('puppeteer-core').Page} page that is not there yet
 * @param {number} least
 */
export const putOff = (page, least) => page.evaluateOnNewDocument(least => {
    const {setTimeout} = window;
    window.setTimeout = /** @type {any} */ ((/** @type {any} */ run, /** @type {number} */ ms, /** @type {any[]} */ ...more) => setTimeout(run, ms >= least ? ms * 400 : ms, ...more));
}, least);

/**
 * @param {import('puppeteer-core').Browser} browser
 * @param {string} path
 * @param {{own?: Awaited<ReturnType<typeof fixture>>, camera?: boolean, width?: number, height?: number, touch?: boolean}} [options] `own`: a server that is there already and is not closed
 *     at the end; `camera`: one inside the page
 */
export async function visit(browser, path, {own, camera, width = 1280, height = 800, touch} = {}) {
    const server = own ?? await fixture(), page = await browser.newPage(), faults = /** @type {string[]} */ ([]);
    await page.setViewport({width, height, hasTouch: touch, isMobile: touch});
    page.on('console', msg => ['error', 'warn'].includes(msg.type()) && !NO_FAULT.test(msg.text()) && faults.push(`${msg.text()} ${msg.location()?.url ?? ''}`));
    page.on('pageerror', err => faults.push(String(/** @type {any} */ (err).stack ?? err)));
    if (camera) await page.evaluateOnNewDocument(`(${pageCamera})(${stripCells})`);
    await page.goto(`${server.url}${path}${path.includes('?') ? '&' : '?'}lang=en`);
    return {
        server, page,
        /** Waits for words in one of the elements. @param {string} selector @param {RegExp} pattern */
        says: (selector, pattern) => page.waitForFunction((s, p) => [...document.querySelectorAll(s)].some(n => new RegExp(p).test(n.textContent ?? '')), {timeout: 60_000}, selector, pattern.source),
        /** Clicks the button or link with these words. @param {string} words @param {string} [within] */
        async press(words, within = 'body') {
            const handle = await page.waitForSelector(`${within} ::-p-text(${words})`, {visible: true});
            assert.ok(handle);
            await /** @type {any} */ (await handle.evaluateHandle(node => node.closest('button, a, summary, label') ?? node)).click();
        },
        /** Closes the page, with nothing on its console but what is expected. @param {...RegExp} expected */
        async done(...expected) {
            await page.close();
            if (!own) server.close();
            assert.deepEqual(faults.filter(fault => !expected.some(pattern => pattern.test(fault))), []);
        },
    };
}
