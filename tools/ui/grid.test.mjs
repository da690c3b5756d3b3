/**
 * The grid in a real Chromium: layouts are arranged, kept, shared and deleted; a camera with two streams is one tile that changes over without
 * going black; a failure from before the page was loaded is told.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {pageCamera} from './page-camera.mjs';
import {fixture} from './pages-fixture.mjs';
import {stripCells} from './strip.mjs';

const skip = without(CHROMIUM, 'Chromium');
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) chromium = await launch({mdns: 'show'});
});
after(() => chromium?.close());

/** @param {Record<string, object>} streams @param {number} [width] */
async function live(streams, width = 1280) {
    const server = await fixture({streams: {}}), page = await chromium.browser.newPage(), faults = /** @type {string[]} */ ([]);
    server.state.streams = /** @type {any} */ (streams);
    await page.setViewport({width, height: 800});
    page.on('console', msg => msg.type() === 'error' && faults.push(msg.text()));
    page.on('pageerror', err => faults.push(String(err)));
    await page.evaluateOnNewDocument(`(${pageCamera})(${stripCells})`);
    await page.goto(`${server.url}?lang=en`);
    await page.waitForSelector('.tile');
    return {server, page, async done() {
        await page.close();
        server.close();
        assert.deepEqual(faults, []);
    }};
}
const idle = {producers: [{url: 'rtsp://192.168.1.70/x'}], consumers: null};
const names = page => page.$$eval('.tile', nodes => nodes.map(n => n.dataset.name));
const choose = (page, text) => page.evaluate(words => {
    const select = /** @type {HTMLSelectElement} */ (document.querySelector('.tools select'));
    select.value = [...select.options].find(o => o.text.startsWith(words))?.value ?? 'none';
    select.dispatchEvent(new Event('change'));
}, text);
/** What is seldom used is loaded when it is. */
const press = async (page, within, label) => (await page.waitForSelector(`${within} [aria-label="${label}"]`)).evaluate(node => node.click());
const write = async (page, text) => {
    await page.waitForSelector('dialog input');
    await page.type('dialog input', text);
};

test('a layout is arranged, kept, opened elsewhere and deleted', {skip}, async () => {
    const {server, page, done} = await live({a: idle, b: idle, c: idle});
    await page.evaluate(() => /** @type {any} */ ([...document.querySelectorAll('.tools button')].find(b => b.textContent === 'Arrange')).click());
    await press(page, '[data-name=c]', 'Move forward');
    await press(page, '[data-name=b]', 'Leave out');
    await press(page, '[data-name=c]', 'Move forward');
    await press(page, '[data-name=a]', 'Show large');
    assert.deepEqual(await names(page), ['c', 'a']);
    assert.deepEqual(await page.$$eval('.tile.big', nodes => nodes.map(n => n.dataset.name)), ['a']);
    await choose(page, 'Save layout');
    await write(page, 'Door & yard');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => !document.querySelector('dialog') && location.search.includes('src=c&src=a'));
    const shared = page.url();
    await choose(page, 'All cameras');
    assert.deepEqual(await names(page), ['a', 'b', 'c']);
    assert.equal(new URL(page.url()).search, '');
    await choose(page, 'Door & yard');
    assert.deepEqual(await names(page), ['c', 'a']);
    // The next visit shows it again, and its address shows it in a browser that has not kept it.
    await page.goto(server.url);
    await page.waitForSelector('.tile');
    assert.deepEqual(await names(page), ['c', 'a']);
    await page.evaluate(() => localStorage.clear());
    await page.goto(shared);
    await page.waitForSelector('.tile.big');
    assert.deepEqual(await names(page), ['c', 'a']);
    await choose(page, 'Save layout');
    await write(page, 'x');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => [.../** @type {any} */ (document.querySelector('.tools select')).options].some(o => o.text === 'Delete layout x'));
    await choose(page, 'Delete layout x');
    assert.deepEqual(await names(page), ['a', 'b', 'c']);
    await done();
});

test('two streams of a camera are one tile, which plays the lesser one while it is small', {skip}, async () => {
    const {page, done} = await live({door: idle, door_sub: idle}, 420);
    assert.deepEqual(await names(page), ['door']);
    await page.focus('.tile');
    await page.keyboard.press('Space');
    const plays = name => page.waitForFunction(wanted => {
        const all = [...document.querySelectorAll('.tile rs-player')];
        return all.length === 1 && new URL(/** @type {any} */ (all[0]).wsURL).searchParams.get('src') === wanted && /** @type {any} */ (all[0]).video.videoWidth > 0;
    }, {timeout: 60_000}, name);
    await plays('door_sub');
    // While the other one has no picture yet, this one stays in front.
    await page.evaluate(() => {
        const seen = [];
        /** @type {any} */ (window).seen = seen;
        new MutationObserver(() => seen.push(document.querySelectorAll('.tile rs-player').length)).observe(/** @type {Element} */ (document.querySelector('.picture')), {childList: true});
    });
    await page.click('.tile button.quality');
    await plays('door');
    assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).seen), [2, 1]);
    await page.reload();
    await page.waitForSelector('.tile');
    assert.equal(await page.$eval('.tile button.quality', n => n.textContent), 'HD', 'it is remembered');
    await done();
});

test('a failure from before is told with its reason', {skip}, async () => {
    const {page, done} = await live({gate: {producers: [{url: 'rtsp://192.168.1.70/x', error: 'rtsp: wrong user/pass', error_kind: 'auth'}], consumers: null}});
    await page.waitForFunction(() => document.querySelector('.tile .state')?.getAttribute('data-state') === 'failed');
    assert.match(await page.$eval('.tile', n => n.textContent ?? ''), /rtsp: wrong user\/pass[\s\S]*Retry now[\s\S]*Wrong user name or password/);
    await done();
});
