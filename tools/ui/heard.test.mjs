/**
 * What a tile asks for, with the release binary: a muted one its picture alone, the sound only once it is to be heard; and as soon as the size of
 * a picture is known, the others begin.
 */
import assert from 'node:assert/strict';
import {createServer} from 'node:net';
import {test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');

test('a muted tile asks for no sound, and gets it when it is to be heard, without losing its picture', {skip}, async () => {
    const source = await rs2rtc('streams:\n  cam: demo:?width=640&height=360&fps=15\n');
    const server = await rs2rtc(`streams:\n  cam: rtsp://127.0.0.1:${source.rtsp}/cam\n  tone: rtsp://127.0.0.1:${source.rtsp}/cam?audio\n`);
    const {browser, close} = await launch({mdns: 'show'});
    try {
        const page = await browser.newPage();
        await page.evaluateOnNewDocument(() => localStorage.setItem('rs.alwaysAll', 'true'));
        await page.goto(`${server.url}?lang=en`);
        /** What it gets, once its player is alone, plays, and is muted or not; by MSE alone, where WebRTC came too late. @param {string} name @param {boolean} muted */
        const gets = async (name, muted) => (await page.waitForFunction((name, muted) => {
            const [one, other] = /** @type {any[]} */ ([...document.querySelectorAll(`[data-name=${name}] rs-player`)]);
            if (other || one?.phase !== 'live' || one.video.muted !== muted) return '';
            const kinds = one.pc ? one.pc.getReceivers().map((/** @type {RTCRtpReceiver} */ it) => it.track.kind) : [/avc1/.test(one.mseCodecs) && 'video', /opus|flac|mp4a/.test(one.mseCodecs) && 'audio'];
            return kinds.filter(Boolean).sort().join();
        }, {polling: 50, timeout: 60_000}, name, muted)).jsonValue();
        assert.equal(await gets('cam', true), 'video');
        const senders = async () => (await (await fetch(`${server.url}api/streams`)).json()).cam.consumers.flatMap((/** @type {any} */ one) => (one.senders ?? []).map((/** @type {any} */ it) => it.codec.codec_type));
        assert.deepEqual([...new Set(await senders())], ['video']);
        // There is no picture to ask for.
        assert.match(String(await gets('tone', true)), /audio/);
        // Whoever looks sees a picture all the time.
        await page.evaluate(() => {
            const seen = /** @type {boolean[]} */ ([]), look = () => {
                seen.push(/** @type {any[]} */ ([...document.querySelectorAll('[data-name=cam] rs-player')]).some(one => ['live', 'buffering'].includes(one.phase) && (one.video.videoWidth > 0 || !one.querySelector('.last').hidden)));
                requestAnimationFrame(look);
            };
            /** @type {any} */ (window).seen = seen;
            look();
        });
        await page.focus('[data-name=cam]');
        await page.keyboard.press('m');
        assert.equal(await gets('cam', false), 'audio,video');
        await page.waitForFunction(() => {
            const {webkitAudioDecodedByteCount: bytes, srcObject: stream} = /** @type {any} */ (document.querySelector('[data-name=cam] rs-player')).video;
            return bytes > 0 || stream?.getAudioTracks?.().some((/** @type {MediaStreamTrack} */ one) => !one.muted);
        }, {polling: 50, timeout: 60_000});
        const seen = await page.evaluate(() => /** @type {boolean[]} */ (/** @type {any} */ (window).seen));
        assert.ok(seen.length && seen.every(Boolean), `${seen.filter(one => !one).length} of ${seen.length} frames without a picture`);
        // Silenced it keeps what it gets: it may be heard again at once.
        const player = await page.$('[data-name=cam] rs-player');
        for (const muted of [true, false]) {
            await page.keyboard.press('m');
            assert.equal(await gets('cam', muted), 'audio,video');
        }
        assert.ok(await page.evaluate(one => one === document.querySelector('[data-name=cam] rs-player'), player));
    } finally {
        await close();
        await server.stop();
        await source.stop();
    }
});

test('a tile that waits for its better stream and then for its sound keeps the picture that it has', {skip}, async () => {
    const source = await rs2rtc('streams:\n  cam: demo:?width=640&height=360&fps=15\n');
    // Whoever dials the better one gets no answer.
    const silent = createServer(() => {});
    await new Promise(resolve => silent.listen(0, '127.0.0.1', () => resolve(undefined)));
    const {port} = /** @type {import('node:net').AddressInfo} */ (silent.address());
    const server = await rs2rtc(`streams:\n  door: rtsp://127.0.0.1:${port}/cam\n  door_sub: rtsp://127.0.0.1:${source.rtsp}/cam\n`);
    const {browser, close} = await launch({mdns: 'show'});
    try {
        const page = await browser.newPage();
        await page.evaluateOnNewDocument(() => {
            localStorage.setItem('rs.alwaysAll', 'true');
            localStorage.setItem('rs.cols', '4');
        });
        await page.goto(`${server.url}?lang=en`);
        const first = await page.waitForFunction(() => {
            const one = /** @type {any} */ (document.querySelector('.tile rs-player'));
            return one?.phase === 'live' && one;
        }, {polling: 50, timeout: 60_000});
        /** Others that wait for their pictures, of which there is never more than one. @param {string} media */
        const waits = media => page.waitForFunction((first, media) => {
            const others = /** @type {any[]} */ ([...document.querySelectorAll('.tile rs-player')]).filter(one => one !== first);
            return others.length === 1 && others[0].media === media && /src=door$/.test(others[0].wsURL);
        }, {polling: 20, timeout: 60_000}, first, media);
        await (await page.waitForSelector('.tile button.quality'))?.click();
        await waits('video');
        await page.focus('.tile');
        await page.keyboard.press('m');
        await waits('video,audio');
        const state = await first.evaluate((/** @type {any} */ one) => [one.isConnected, one.phase, one.nextElementSibling?.localName ?? '']);
        assert.deepEqual([state[0], ['live', 'buffering'].includes(String(state[1])), state[2]], [true, true, ''], `it is there, and before the other one: ${state}`);
        // The lesser one again, and heard.
        const quality = () => page.click('.tile button.quality');
        await quality();
        const heard = () => page.waitForFunction(() => {
            const all = /** @type {any[]} */ ([...document.querySelectorAll('.tile rs-player')]);
            return all.length === 1 && all[0].phase === 'live' && !all[0].video.muted && all[0];
        }, {polling: 50, timeout: 60_000});
        const last = await heard();
        for (let i = 0; i < 2; i++) await quality();
        await page.waitForFunction(last => [...document.querySelectorAll('.tile rs-player')].some(one => one !== last && /src=door$/.test(/** @type {any} */ (one).wsURL)), {polling: 20, timeout: 60_000}, last);
        // What stays in front while the better one is waited for is silenced as well.
        await page.keyboard.press('m');
        assert.deepEqual(await page.$$eval('.tile rs-player', all => all.map(one => /** @type {any} */ (one).video.muted)), [true, true]);
    } finally {
        await close();
        await server.stop();
        await source.stop();
        silent.close();
    }
});

test('the sizes of the first pictures tell how many more may begin, and nothing has to be counted for that', {skip}, async () => {
    const server = await rs2rtc(`streams:\n  demo: demo:?width=320&height=180&fps=5&audio=none\n${Array.from({length: 12}, (_, i) => `  cam${i}: demo\n`).join('')}`);
    const {browser, close} = await launch({mdns: 'show'});
    try {
        const page = await browser.newPage();
        await page.setViewport({width: 1280, height: 900});
        await page.evaluateOnNewDocument(() => {
            localStorage.setItem('rs.alwaysAll', 'true');
            localStorage.setItem('rs.cols', '5');
            // Nobody measures.
            window.setInterval = /** @type {any} */ (() => 0);
        });
        await page.goto(`${server.url}?lang=en`);
        await page.waitForFunction(() => document.querySelectorAll('.tile.playing').length === 13, {polling: 'raf', timeout: 60_000})
            .catch(async err => assert.fail(`${err.message}: ${await page.$$eval('.tile.playing', all => all.length)} play`));
    } finally {
        await close();
        await server.stop();
    }
});
