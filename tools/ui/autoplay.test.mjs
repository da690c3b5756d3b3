/**
 * A browser that plays no sound before its visitor has done something: the picture plays without it, a button says so and brings it.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc, until} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');

test('no sound without a gesture: it plays muted, and a tap brings the sound', {skip}, async () => {
    const server = await rs2rtc('streams:\n  cam: demo:?width=320&height=180&fps=15\n');
    const {browser, close} = await launch({mdns: 'show', args: ['--autoplay-policy=document-user-activation-required']});
    try {
        const page = await browser.newPage(), devtools = await page.createCDPSession();
        // What the driver asks in its own way counts as a gesture.
        const ask = async (/** @type {string} */ expression) => (await devtools.send('Runtime.evaluate', {expression, returnByValue: true})).result.value;
        for (const mode of ['webrtc', 'mse']) {
            await page.goto(`${server.url}camera.html?src=cam&mode=${mode}&lang=en`);
            const state = () => ask('(() => { const player = document.querySelector("rs-player"), video = player?.video; return player?.phase === "live" && {muted: video.muted, paused: video.paused}; })()');
            let now = await state();
            for (const end = Date.now() + 60_000; !now; now = await state()) {
                assert.ok(Date.now() < end, await ask('document.querySelector("main").textContent'));
                await new Promise(resolve => setTimeout(resolve, 50));
            }
            assert.deepEqual(now, {muted: true, paused: false}, mode);
            assert.equal(await ask('document.querySelector("button.unmute").checkVisibility() && document.querySelector("button.unmute").textContent'), 'Tap for sound', mode);
            await page.click('button.unmute');
            assert.deepEqual(await state(), {muted: false, paused: false}, mode);
            // The browser tells of the sound a little later.
            await until(() => ask('document.querySelector("button.unmute").checkVisibility()'), visible => !visible);
            await page.goto('about:blank');
        }
    } finally {
        await close();
        await server.stop();
    }
});

test('nothing plays without a gesture, not even muted, as on a phone that saves power: a button says so and plays it', {skip}, async () => {
    const server = await rs2rtc('streams:\n  cam: demo:?width=320&height=180&fps=15\n');
    const {browser, close} = await launch({mdns: 'show'});
    try {
        const page = await browser.newPage(), devtools = await page.createCDPSession();
        const ask = async (/** @type {string} */ expression) => (await devtools.send('Runtime.evaluate', {expression, returnByValue: true})).result.value;
        await page.evaluateOnNewDocument(() => {
            const {play} = HTMLMediaElement.prototype;
            Object.assign(window, {plays: 0});
            HTMLMediaElement.prototype.play = function () {
                /** @type {any} */ (window).plays++;
                // Whoever has pressed may wait for longer than the browser remembers it.
                Object.assign(window, {pressed: /** @type {any} */ (window).pressed || navigator.userActivation.isActive});
                return /** @type {any} */ (window).pressed ? play.call(this) : Promise.reject(new DOMException('', 'NotAllowedError'));
            };
        });
        for (const mode of ['webrtc', 'mse']) {
            await page.goto(`${server.url}camera.html?src=cam&mode=${mode}&lang=en`);
            const state = () => ask('(() => { const player = document.querySelector("rs-player"), act = player?.querySelector("button.act"); return act && [player.phase, act.checkVisibility() ? act.textContent : "-", player.querySelector(".status").textContent].join(" "); })()');
            await until(state, now => now === 'parked Play This browser plays nothing by itself, perhaps to save power.');
            // The camera is let go as of a hidden page, and nothing is tried meanwhile.
            const plays = await ask('plays');
            await until(async () => Object.values(await (await fetch(`${server.url}api/streams`)).json()).flatMap(one => one.consumers ?? []).length, open => !open);
            assert.equal(await ask('plays'), plays, mode);
            await page.click('rs-player button.act');
            await until(() => ask('(() => { const player = document.querySelector("rs-player"); return player.phase === "live" && !player.video.paused && player.video.currentTime > 0.2; })()'), Boolean);
            await page.goto('about:blank');
        }
    } finally {
        await close();
        await server.stop();
    }
});
