/**
 * `<rs-player>` in a real Chromium, with a camera inside the page that knows sessions:
 * leaving, hiding, and what the server ends.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {mockServer} from './mock-server.mjs';
import {pageCamera} from './page-camera.mjs';
import {stripCells} from './strip.mjs';
import {putOff} from './visit.mjs';

const skip = without(CHROMIUM, 'Chromium');
const ID = '0123456789abcdef0123456789abcdef';
const SESSION = {id: '7', bye: `api/rs/bye/${ID}`, boot: 'b1', caps: ['park', 'bye', 'released']};

/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
/** @type {Awaited<ReturnType<typeof mockServer>>} */
let server;

before(async () => {
    if (skip) return;
    server = await mockServer({streams: {demo: {producers: [{url: 'demo:'}], consumers: null}}, base: '/a/b/'});
    chromium = await launch({mdns: 'show'});
});
after(async () => {
    await chromium?.close();
    server?.close();
});

/** A page that plays. */
async function playing() {
    const page = await chromium.browser.newPage();
    await page.evaluateOnNewDocument(`window.__session = ${JSON.stringify(SESSION)}; (${pageCamera})(${stripCells})`);
    await page.evaluateOnNewDocument(() => {
        const seen = [];
        /** @type {any} */ (window).__seen = seen;
        document.addEventListener('state', ev => seen.push(/** @type {CustomEvent} */ (ev).detail.state));
        document.addEventListener('released', ev => seen.push(/** @type {CustomEvent} */ (ev).detail));
    });
    await page.goto(`${server.url}stream.html?src=demo&mode=webrtc&background=false`);
    await phase(page, 'live');
    server.goodbyes.length = 0;
    return page;
}

/** @param {import('puppeteer-core').Page} page @param {string} name */
const phase = (page, name) => page.waitForFunction(
    name => /** @type {any} */ (document.querySelector('rs-player'))?.phase === name, {polling: 20, timeout: 60_000}, name);

const BOTH = [`DELETE ${ID}`, `POST ${ID}/bye`];

test('a closed tab says goodbye twice', {skip}, async () => {
    const page = await playing();
    await page.close();
    assert.deepEqual(await server.said(2), BOTH);
});

test('so does a page that is left or loaded again; the identity stays', {skip}, async () => {
    const page = await playing();
    const cid = await page.$eval('rs-player', node => /** @type {any} */ (node).cid);
    await page.reload();
    assert.deepEqual(await server.said(2), BOTH);
    await phase(page, 'live');
    assert.equal(await page.$eval('rs-player', node => /** @type {any} */ (node).cid), cid);
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
    server.goodbyes.length = 0;
    await page.goto('about:blank');
    assert.deepEqual(await server.said(2), BOTH);
    await page.close();
});

test('an element that is taken out leaves at once', {skip}, async () => {
    const page = await playing();
    const closed = await page.evaluate(async () => {
        document.querySelector('rs-player')?.remove();
        await null;
        return /** @type {any} */ (window).__sockets.every(socket => socket.readyState === 3);
    });
    assert.equal(closed, true);
    assert.deepEqual(await server.said(1), [`DELETE ${ID}`]);
    await page.close();
});

test('a hidden tab parks, a seen one goes on over the same connection', {skip}, async () => {
    const page = await playing();
    const other = await chromium.browser.newPage();
    await other.bringToFront();
    await phase(page, 'parked');
    assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).__sockets.map(s => s.sent.at(-1))), ['park']);
    await page.bringToFront();
    await phase(page, 'live');
    assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).__seen.filter((s, i, all) => s !== 'buffering' && !(s === 'live' && all[i - 1] === 'buffering'))), ['dialling', 'connecting', 'live', 'parked', 'connecting', 'live']);
    assert.equal(await page.evaluate(() => /** @type {any} */ (window).__camera.length), 1);
    await other.close();
    await page.close();
});

test('paused by the server: the last frame, the reason and a button', {skip}, async () => {
    const page = await playing();
    await page.evaluate(() => /** @type {any} */ (window).__sockets[0].answer('state', {state: 'parked', reason: 'contended'}));
    await phase(page, 'parked');
    const seen = await page.evaluate(() => {
        const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector('canvas.last'));
        const pixel = canvas.getContext('2d')?.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data ?? [0, 0, 0];
        return {
            text: [...document.querySelectorAll('.title, .status, .act')].map(node => node.textContent),
            painted: !canvas.hidden && Math.max(...[...pixel].slice(0, 3)) > 30,
        };
    });
    assert.deepEqual(seen, {text: ['Paused, camera is off', 'Somebody else needs the camera.', 'Resume'], painted: true});
    await page.click('.act');
    await phase(page, 'live');
    assert.equal(await page.$eval('canvas.last', node => /** @type {HTMLElement} */ (node).hidden), true);
    await page.close();
});

test('the server lets go: connected again in a moment; kicked: not', {skip}, async () => {
    const page = await playing();
    await page.evaluate(() => /** @type {any} */ (window).__camera[0].close());
    await page.waitForFunction(() => /** @type {any} */ (window).__camera.length === 2, {polling: 20, timeout: 12_000});
    await phase(page, 'live');
    await page.evaluate(() => {
        /** @type {any} */ (window).__sockets[1].answer('released', {reason: 'admin', detectMs: 1, releaseMs: 30});
        /** @type {any} */ (window).__camera[1].close();
    });
    await phase(page, 'failed');
    assert.match(await page.$eval('.status', node => node.textContent ?? ''), /administrator/);
    assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).__seen.filter(s => s.reason)), [{reason: 'admin', detectMs: 1, releaseMs: 30}]);
    await page.close();
});

test('what a page loads is in its head, so that it comes in one go', {skip}, async () => {
    // Each with what is there once all is loaded; the words of the language come after the event `load`.
    for (const [name, ready] of [['', '.rail'], ['stream.html?src=demo', 'rs-player']]) {
        const page = await chromium.browser.newPage();
        // Soon there is more, which nothing waits for: here it is not soon.
        await putOff(page, 250);
        await page.goto(server.url + name);
        const {modules, listed} = await (await page.waitForFunction(ready => document.querySelector(ready) && {
            modules: performance.getEntriesByType('resource').map(e => e.name).filter(n => n.endsWith('.js')),
            listed: [...document.querySelectorAll('link[rel=modulepreload], script[src]')].map(n => String(/** @type {any} */ (n).href || /** @type {any} */ (n).src)),
        }, {polling: 'mutation', timeout: 60_000}, ready)).jsonValue() ?? {modules: [], listed: []};
        assert.deepEqual([...new Set(modules)].sort(), listed.sort());
        await page.close();
    }
});
