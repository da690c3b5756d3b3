/**
 * The page of a stream's addresses, with the release binary: it hears what happens to the stream, and leaves alone what somebody is busy with; and the
 * order of names here and where else one is chosen.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
/** Names in the order of people, those of the test's cameras. */
const NAMES = ['cam1', 'cam2', 'cam10', 'front door', 'H265 cam'];

/** @type {Awaited<ReturnType<typeof rs2rtc>>} */
let server;
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (skip) return;
    [server, chromium] = await Promise.all([rs2rtc(`streams:\n${NAMES.toReversed().map(name => `  ${name}: demo:?width=320&height=180&fps=15\n`).join('')}`), launch({mdns: 'show'})]);
});
after(async () => {
    await chromium?.close();
    await server?.stop();
});

/** @param {string} path */
async function open(path) {
    const page = await chromium.browser.newPage();
    await page.goto(`${server.url}${path}${path.includes('?') ? '&' : '?'}lang=en`);
    return page;
}
/** @param {import('puppeteer-core').Page} page @param {RegExp} pattern */
const says = (page, pattern) => page.waitForFunction(source => new RegExp(source).test(document.querySelector('main')?.textContent ?? ''), {polling: 20, timeout: 60_000}, pattern.source);
/** Names to choose from. @param {import('puppeteer-core').Page} page @param {string} within */
const choices = async (page, within) => {
    await page.waitForSelector(`${within} option[value="cam1"]`);
    return page.$$eval(`${within} option:not([value=""])`, nodes => nodes.map(n => n.textContent));
};

test('names stand in the order of people wherever one is chosen', {skip}, async () => {
    for (const path of ['links.html', 'doctor.html', 'sessions.html']) {
        const page = await open(path);
        if (path === 'sessions.html') await (await page.waitForSelector('main ::-p-text(Try it), .tools ::-p-text(Try it)'))?.click();
        assert.deepEqual(await choices(page, {'links.html': '.tools', 'doctor.html': 'main'}[path] ?? 'dialog'), NAMES, path);
        await page.close();
    }
});

test('a stream that begins to run is seen, and nothing is lost that somebody is busy with', {skip}, async () => {
    const page = await open('links.html?src=cam1');
    await says(page, /codecs are not known/);
    await page.type('form.card input', 'https://host/bell.mp3');
    await page.$eval('section.card details', n => /** @type {HTMLDetailsElement} */ (n).open = true);
    await page.focus('[data-url*="frame.jpeg"] button');
    const viewer = new AbortController();
    await fetch(`${server.url}api/stream.mp4?src=cam1`, {signal: viewer.signal});
    await says(page, /carries H264/);
    await says(page, /more that do not fit/);
    assert.deepEqual(await page.evaluate(() => [document.activeElement?.closest('li')?.getAttribute('data-url')?.includes('frame.jpeg'), document.querySelector('section.card details')?.hasAttribute('open'),
        /** @type {HTMLInputElement} */ (document.querySelector('form.card input')).value]), [true, true, 'https://host/bell.mp3']);
    viewer.abort();
    // It is known from now on.
    await page.waitForResponse(async response => response.url().endsWith('api/streams') && !(await response.json()).cam1.consumers?.length);
    await page.evaluate(() => new Promise(requestAnimationFrame));
    assert.match(await page.$eval('main', n => n.textContent ?? ''), /carries H264/);
    await page.close();
});
