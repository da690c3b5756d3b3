/**
 * The page of a stream's addresses, with the release binary: it hears what happens to the stream, and leaves alone what somebody is busy with; and the
 * order of names here and where else one is chosen.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc, until} from './rs2rtc.mjs';

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

/** The addresses that are shown. @param {import('puppeteer-core').Page} page @param {string} selector */
const urls = (page, selector = '.urls li') => page.$$eval(selector, nodes => nodes.map(n => n.getAttribute('data-url') ?? ''));
/** Tests an address and waits for what comes of it. @param {import('puppeteer-core').Page} page @param {string} path in it */
async function tested(page, path) {
    const row = `.urls li[data-url*="${path}"]`;
    await page.$eval(row, n => /** @type {HTMLElement} */ ([...n.querySelectorAll('button')].find(one => one.textContent === 'Test')).click());
    await page.waitForSelector(`${row} .state:not([hidden], [data-state=run])`, {timeout: 60_000});
    return page.$eval(`${row} .state`, n => [n.getAttribute('data-state'), n.textContent]);
}
/** Nobody holds a camera any more. */
const free = () => until(async () => (await fetch(`${server.url}api/streams`)).json(), streams => !Object.values(streams).some(stream => stream.consumers?.length));

test('the server by another name: all addresses have it, and it is kept', {skip}, async () => {
    const page = await open('links.html?src=cam2');
    await page.waitForSelector('.urls li');
    assert.match(await page.$eval('main', n => n.innerText), /only this machine does/);
    await page.type('main .field input', 'cams.example.com:8080');
    assert.deepEqual([...new Set((await urls(page)).map(url => new URL(url).host))], ['cams.example.com:8080', `cams.example.com:${server.rtsp}`]);
    assert.doesNotMatch(await page.$eval('main', n => n.innerText), /only this machine does/);
    assert.match(await page.$eval('section.card', n => n.textContent ?? ''), /http:\/\/cams\.example\.com:8080\/stream\.html/);
    assert.equal(await page.$$eval('.urls button', nodes => nodes.some(n => n.textContent === 'Test' && n.checkVisibility())), false, 'from here it cannot be told');
    await page.reload();
    await page.waitForSelector('.urls li');
    assert.ok((await urls(page)).every(url => new URL(url).hostname === 'cams.example.com'));
    await page.$eval('main .field input', n => /** @type {HTMLInputElement} */ (n).select());
    await page.keyboard.press('Backspace');
    assert.ok((await urls(page)).every(url => new URL(url).hostname === new URL(server.url).hostname));
    await page.close();
});

test('an address is tested: what answers, how soon, or why not; and nothing stays open', {skip}, async () => {
    const page = await open('links.html?src=cam10');
    await page.waitForSelector('.urls li');
    const [state, text] = await tested(page, 'stream.ts');
    assert.equal(state, 'ok');
    assert.match(text ?? '', /^Answers: video\/mp2t, \d+(\.\d+)? (ms|s)$/);
    assert.equal((await tested(page, 'frame.jpeg'))[1]?.startsWith('Answers: image/jpeg'), true);
    assert.deepEqual((await tested(page, 'clip.mp4'))[0], 'fail');
    await free();
    await page.close();
});

test('a stream that nobody watches: its codecs are asked for, and the camera is let go', {skip}, async () => {
    const page = await open('links.html?src=front%20door');
    await says(page, /codecs are not known/);
    await page.$eval('main .row button', n => /** @type {HTMLElement} */ (n).focus());
    await page.keyboard.press('Enter');
    await says(page, /carries H264 \+ Opus/);
    await free();
    assert.deepEqual(await page.evaluate(() => [document.activeElement?.textContent, [...document.querySelectorAll('main button')].some(n => n.textContent === 'Test to see' && n.checkVisibility())]), ['This stream carries H264 + Opus.', false]);
    await page.close();
});
