/**
 * The page of one camera in a real Chromium, with a camera inside the page: what it says while it is paused and stopped, a phone on its
 * side, which of two streams plays, and how loud.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {fixture} from './pages-fixture.mjs';
import {visit} from './visit.mjs';

const skip = without(CHROMIUM, 'Chromium');
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) chromium = await launch({mdns: 'show'});
});
after(() => chromium?.close());

/** @param {import('puppeteer-core').Page} page */
const plays = page => page.waitForFunction(() => /** @type {any} */ (document.querySelector('rs-player'))?.phase === 'live', {timeout: 60_000});
/** The address that is played. @param {import('puppeteer-core').Page} page @param {string} name */
const playing = (page, name) => page.waitForFunction(name => {
    const player = /** @type {any} */ (document.querySelector('rs-player'));
    return player?.phase === 'live' && new URL(player.wsURL).searchParams.get('src') === name;
}, {timeout: 60_000}, name);

test('paused and stopped: the button says what it does, and nothing is told of what is over', {skip}, async () => {
    const {page, says, done} = await visit(chromium.browser, 'camera.html?src=demo', {camera: true});
    const does = (/** @type {string} */ words) => page.waitForSelector(`.controls button[aria-label="${words}"][title="${words} (Space)"]`);
    const icon = () => page.$eval('.controls button .icon', node => node.getAttribute('fill'));
    await plays(page);
    await page.keyboard.press('i');
    await says('.card dl', /Resolution/);
    await does('Pause');
    await page.keyboard.press('Space');
    await does('Play');
    assert.equal(await icon(), 'currentColor');
    await page.keyboard.press('Space');
    await does('Pause');
    await page.keyboard.press('Space');
    await page.waitForSelector('.stage .rest');
    await does('Start camera');
    await says('.why', /^Stopped\. The camera is let go\.$/);
    assert.equal(await page.$eval('details dl', node => node.textContent), '');
    await page.keyboard.press('Space');
    await plays(page);
    await does('Pause');
    await says('.why', /over WebRTC/);
    await done();
});

test('a phone on its side: the picture over the whole width, the controls in reach; two taps fill the screen', {skip}, async () => {
    const {page, done} = await visit(chromium.browser, 'camera.html?src=demo', {camera: true, width: 844, height: 390, touch: true});
    await plays(page);
    const {stage, main, over} = await page.evaluate(() => {
        const place = (/** @type {string} */ selector) => /** @type {Element} */ (document.querySelector(selector)).getBoundingClientRect().toJSON();
        const covered = [...document.querySelectorAll('.controls button')].filter(one => {
            const {left, top, width, height} = one.getBoundingClientRect();
            return width && !one.contains(document.elementFromPoint(left + width / 2, top + height / 2));
        });
        return {stage: place('.stage'), main: place('main'), over: covered.map(one => one.getAttribute('aria-label'))};
    });
    assert.deepEqual([stage.left, stage.right], [main.left, main.right]);
    assert.ok(stage.height > 250, `${stage.height}`);
    assert.deepEqual(over, []);
    const tap = () => page.touchscreen.tap(stage.left + stage.width / 2, stage.top + stage.height / 3);
    await tap();
    await tap();
    await page.waitForFunction(() => document.fullscreenElement?.className === 'stage');
    await done();
});

test('of a camera with two streams a small picture is of the lesser one, unless somebody wants the other', {skip}, async () => {
    const own = await fixture({streams: {}}), idle = {producers: [{url: 'rtsp://192.168.1.70/x'}], consumers: null};
    own.state.streams = /** @type {any} */ ({door: idle, door_sub: idle, gate: idle});
    const {page, press, done} = await visit(chromium.browser, 'camera.html?src=door', {own, camera: true, width: 390, height: 844});
    await playing(page, 'door_sub');
    assert.equal(await page.evaluate(() => /** @type {any} */ (window).__sockets.length), 1, 'the better one is not opened before');
    await press('HD', '.modes');
    await playing(page, 'door');
    await page.reload();
    await playing(page, 'door');
    assert.deepEqual(await page.evaluate(() => JSON.parse(localStorage.getItem('rs.quality') ?? '')), {door: 'high'}, 'as Live keeps it');
    await press('SD', '.modes');
    await playing(page, 'door_sub');
    await page.setViewport({width: 1280, height: 800});
    await press('Auto', '.modes + p + .modes');
    await playing(page, 'door');
    const sound = await page.waitForSelector('input[type=range]');
    await sound?.focus();
    for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowLeft');
    await page.waitForFunction(() => Math.abs(/** @type {HTMLVideoElement} */ (document.querySelector('video')).volume - 0.8) < 0.01);
    await page.keyboard.press('Home');
    await page.waitForFunction(() => /** @type {HTMLVideoElement} */ (document.querySelector('video')).muted);
    await page.waitForSelector('.controls [aria-label=Sound][aria-pressed=false]');
    await page.goto(`${own.url}camera.html?src=gate&lang=en`);
    await plays(page);
    assert.equal(await page.$eval('[name=quality]', node => node.checkVisibility()), false);
    await done();
    own.close();
});
