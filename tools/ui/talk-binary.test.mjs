/**
 * Talking with the release binary: what is said into the browser's microphone comes out at the camera, others see who talks and wait, a page
 * that goes gives the floor back with its goodbye, and no player stops for that. How soon that is, and how evenly pictures go on, is measured by
 * `bench-pages.mjs`.
 */
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, statSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc, until} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
const folder = mkdtempSync(join(tmpdir(), 'rs2rtc-talk-')), heard = join(folder, 'heard');

/** Two, so that none of the pages is behind the other. @type {Awaited<ReturnType<typeof launch>>[]} */
let chromiums = [];
/** @type {Awaited<ReturnType<typeof rs2rtc>>} */
let server;
before(async () => {
    if (skip) return;
    server = await rs2rtc(`streams:\n  bell:\n    - demo:?width=320&height=180&fps=25\n    - exec:/bin/sh -c 'exec cat > ${heard}'#backchannel=1#audio=alaw/8000\n  yard: demo:?width=320&height=180&fps=25\n`);
    const one = () => launch({mdns: 'show', args: ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']});
    chromiums = await Promise.all([one(), one()]);
});
after(async () => {
    await Promise.all(chromiums.map(one => one.close()));
    await server?.stop();
    rmSync(folder, {recursive: true, force: true});
});

/** Bytes that have come out. */
const said = () => statSync(heard, {throwIfNoEntry: false})?.size ?? 0;

/** Remembers what else than playing players do; one that waits for a frame on a slow machine plays. @param {import('puppeteer-core').Page} page */
const observe = page => page.evaluate(() => {
    const phases = /** @type {string[]} */ ([]);
    /** @type {any} */ (window).phases = phases;
    document.addEventListener('state', ev => {
        const {state} = /** @type {CustomEvent} */ (ev).detail;
        if (!['live', 'buffering'].includes(state)) phases.push(state);
    });
});
/** @param {import('puppeteer-core').Page} page */
const observed = page => page.evaluate(() => /** @type {any} */ (window).phases);

test('what is said is heard, others see who talks, and a closed tab lets them talk at once', {skip}, async () => {
    const faults = /** @type {string[]} */ ([]);
    const open = async (/** @type {number} */ index, name = '') => {
        const page = await chromiums[index].browser.newPage();
        page.on('console', msg => {
            if (msg.type() === 'error') faults.push(msg.text());
        });
        page.on('pageerror', err => faults.push(String(err)));
        await page.goto(`${server.url}camera.html?src=bell&lang=en`);
        await page.waitForSelector('.controls button:nth-child(3):not([hidden])', {timeout: 60_000});
        if (name) {
            await page.type('label.field input', name);
            await page.keyboard.press('Enter');
        }
        await page.waitForFunction(() => /** @type {any} */ (document.querySelector('rs-player'))?.phase === 'live', {polling: 50, timeout: 60_000});
        await observe(page);
        return page;
    };
    const sees = (/** @type {import('puppeteer-core').Page} */ page, /** @type {string} */ wanted, /** @type {boolean} */ waits) => page.waitForFunction((wanted, waits) =>
        document.querySelector('.controls [role=status]')?.textContent === wanted
        && /** @type {HTMLButtonElement} */ (document.querySelector('.controls button:nth-child(3)')).disabled === waits, {polling: 50, timeout: 60_000}, wanted, waits);

    const other = await open(0), talker = await open(1, 'kitchen <tablet>');
    await talker.keyboard.down('t');
    await talker.waitForSelector('.controls .talking', {timeout: 60_000});
    await sees(talker, '', false);
    for (const until = Date.now() + 60_000; said() < 8000 && Date.now() < until;) await new Promise(resolve => setTimeout(resolve, 50));
    assert.ok(said() >= 8000, 'a second of G.711 has come out');
    await sees(other, 'Somebody else is talking (kitchen <tablet>).', true);
    await talker.close();
    await sees(other, '', false);
    // Nobody has to wait: the other one talks now.
    await other.keyboard.down('t');
    await other.waitForSelector('.controls .talking', {timeout: 60_000});
    // Who only talks is no viewer: the other page's picture is the only one.
    await other.waitForFunction(() => document.querySelector('.card dd span')?.textContent === '1', {polling: 50, timeout: 60_000});
    await other.keyboard.up('t');
    await other.waitForFunction(() => !document.querySelector('.controls .talking'), {polling: 50, timeout: 60_000});
    // The floor was free because the tab had gone, not because nothing was heard.
    const left = async () => /** @type {any[]} */ ((await (await fetch(`${server.url}api/rs/sessions`)).json()).ended).filter(one => one.stream === 'bell').map(one => one.reason);
    const reasons = await until(left, all => all.length >= 2);
    assert.ok(!reasons.includes('silence'), JSON.stringify(reasons));
    // Its picture was the same one all the time.
    assert.deepEqual(await observed(other), []);
    await other.close();
    assert.deepEqual(faults, []);
});

test('two presses keep the microphone open until the next one', {skip}, async () => {
    const page = await chromiums[0].browser.newPage();
    await page.goto(`${server.url}camera.html?src=bell&lang=en`);
    const button = await page.waitForSelector('.controls button:nth-child(3):not([hidden])', {timeout: 60_000});
    await button?.click({count: 2, delay: 10});
    await page.waitForFunction(() => document.querySelector('.controls .talking')?.textContent === 'Talking – press to stop', {polling: 50, timeout: 60_000});
    await button?.click();
    await page.waitForFunction(() => document.querySelector('.controls button:nth-child(3)')?.textContent === 'Hold to talk', {polling: 50, timeout: 60_000});
    // In full screen nothing is seen but the picture, and what is said there; it is pressed to stop.
    const air = () => page.waitForFunction(() => {
        const node = document.querySelector('.stage > .air'), box = node?.getBoundingClientRect();
        return box && document.fullscreenElement?.contains(node) && node.textContent?.startsWith('Talking') && document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2)?.closest('button') === node;
    }, {polling: 50, timeout: 60_000});
    await page.keyboard.press('f');
    await page.waitForFunction(() => document.fullscreenElement?.className === 'stage');
    assert.equal(await page.$eval('.air', node => node.checkVisibility()), false);
    await page.keyboard.down('t');
    await air();
    await page.keyboard.up('t');
    await page.waitForFunction(() => !document.querySelector('.air')?.checkVisibility(), {polling: 50, timeout: 60_000});
    await page.keyboard.down('t');
    await air();
    await page.click('.air');
    await page.waitForFunction(() => !document.querySelector('.air')?.checkVisibility() && document.querySelector('.controls button:nth-child(3)')?.textContent === 'Hold to talk', {polling: 50, timeout: 60_000});
    await page.close();
});

test('a tile of Live talks while its button or T is held, if its camera has a loudspeaker, and tells how far behind it is', {skip}, async () => {
    for (const way of ['WebRTC', 'MSE']) {
        const page = await chromiums[0].browser.newPage(), faults = /** @type {string[]} */ ([]), before = said();
        page.on('console', msg => ['error', 'warn'].includes(msg.type()) && faults.push(msg.text()));
        page.on('pageerror', err => faults.push(String(err)));
        // The way that was kept in mind.
        await page.evaluateOnNewDocument(way => localStorage.setItem('rs.ways', JSON.stringify([[`${location.host}  bell`, way.toLowerCase(), Date.now() + 1e6]])), way);
        await page.goto(`${server.url}?lang=en`);
        const sees = (/** @type {string} */ name, /** @type {RegExp} */ label, /** @type {RegExp} */ words) => page.waitForFunction((name, label, words) => {
            const tile = document.querySelector(`[data-name=${name}]`);
            return new RegExp(label).test(tile?.getAttribute('aria-label') ?? '') && new RegExp(words).test(tile?.querySelector('.state')?.textContent ?? '');
        }, {polling: 50, timeout: 60_000}, name, label.source, words.source);
        for (const name of ['yard', 'bell']) {
            await page.waitForSelector(`[data-name=${name}]`);
            await page.focus(`[data-name=${name}]`);
            await page.keyboard.press('Space');
        }
        await sees('bell', new RegExp(`^bell, Live, ${way}, \\d(\\.\\d)? s delay$`), /^Live · \d(\.\d)? s behind$/);
        await sees('yard', /^yard, Live, (WebRTC|MSE), \d(\.\d)? s delay$/, /^Live · \d(\.\d)? s behind$/);
        await observe(page);
        const mic = '[data-name=bell] [aria-label="Hold to talk"]', is = (/** @type {string} */ words) => page.waitForFunction(words => document.querySelector('[data-name=bell] .floor')?.textContent === words, {polling: 50, timeout: 60_000}, words);
        await page.waitForSelector(mic);
        assert.equal(await page.$('[data-name=yard] [aria-label="Hold to talk"]'), null);
        // Where there is no loudspeaker the key does nothing.
        await page.focus('[data-name=yard]');
        await page.keyboard.press('t');
        await page.focus('[data-name=bell]');
        await page.keyboard.down('t');
        await is('Talking');
        assert.ok(await page.$('[data-name=bell] .talking[aria-pressed=true]'));
        await until(async () => said(), bytes => bytes >= before + 4000);
        await page.keyboard.up('t');
        await is('');
        await page.hover(mic);
        await page.mouse.down();
        await is('Talking');
        await page.mouse.up();
        await is('');
        // What is stopped has nothing to talk into, and the picture went on until then.
        await page.waitForFunction(() => [...document.querySelectorAll('rs-player')].every(one => /** @type {any} */ (one).phase === 'live'), {polling: 50, timeout: 60_000});
        assert.deepEqual(await observed(page), []);
        await page.keyboard.press('Space');
        await page.waitForFunction(mic => !document.querySelector(mic)?.checkVisibility(), {polling: 50, timeout: 60_000}, mic);
        await page.close();
        assert.deepEqual(faults, []);
    }
});
