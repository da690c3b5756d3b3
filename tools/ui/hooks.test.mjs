/**
 * A card that extends the player as those of others do, in a real Chromium with the release binary: each of its hooks is called, in the order of
 * go2rtc's player, and what it gives is what is used.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc, until} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
/** @type {Awaited<ReturnType<typeof rs2rtc>>} */
let server;
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (skip) return;
    [server, chromium] = await Promise.all([rs2rtc('streams:\n  cam: demo:?width=320&height=180&fps=15\n  pictures: demo:?video=mjpeg&audio=none&width=320&height=180&fps=10\n'), launch({mdns: 'show'})]);
});
after(async () => {
    await chromium?.close();
    await server?.stop();
});

/** In the page: a card with every hook, which notes in `window.calls` that it was called, and with what it leaves. @param {string} src @param {string} mode */
async function card(src, mode) {
    const {VideoRTC} = await import(String(new URL('video-rtc.js', location.href)));
    const calls = /** @type {any[][]} */ ([]), note = (/** @type {any[]} */ ...call) => calls.push(call), own = VideoRTC.btoa;
    Object.assign(window, {calls, data: 0, texts: []});
    // Given away by the class, so that a card may give another one.
    VideoRTC.btoa = (/** @type {ArrayBuffer} */ buffer) => {
        note('btoa');
        return own(buffer);
    };
    class Card extends VideoRTC {
        oninit() {
            super.oninit();
            note('oninit', this.video.tagName);
        }

        onconnect() {
            const begins = super.onconnect();
            note('onconnect', begins);
            return begins;
        }

        ondisconnect() {
            super.ondisconnect();
            note('ondisconnect', this.wsState, this.pcState);
        }

        onopen() {
            note('onopen');
            const modes = super.onopen();
            note('opened', [...modes]);
            this.onmessage.card = (/** @type {any} */ msg) => /** @type {any} */ (window).texts.push(msg.type);
            return modes;
        }

        onclose(/** @type {Event} */ ev) {
            const again = super.onclose(ev);
            note('onclose', again);
            return again;
        }

        onmse() {
            note('onmse');
            return super.onmse();
        }

        onwebrtc() {
            note('onwebrtc');
            return super.onwebrtc();
        }

        onhls() {
            note('onhls');
            return super.onhls();
        }

        onmp4() {
            note('onmp4');
            super.onmp4();
            this.#count();
        }

        onmjpeg() {
            note('onmjpeg');
            super.onmjpeg();
            this.#count();
        }

        /** Has a look at what comes, and passes it on. */
        #count() {
            const next = this.ondata;
            this.ondata = (/** @type {ArrayBuffer} */ data) => {
                /** @type {any} */ (window).data++;
                next(data);
            };
        }

        onpcvideo(/** @type {HTMLVideoElement} */ video) {
            note('onpcvideo', video.videoWidth);
            super.onpcvideo(video);
        }

        onpcfailed(/** @type {any} */ report) {
            note('onpcfailed', report.lost, report.remote.length > 0);
            super.onpcfailed(report);
        }

        play() {
            note('play');
            super.play();
        }

        send(/** @type {any} */ message) {
            note('send', message.type, message.value);
            super.send(message);
        }

        codecs(/** @type {(type: string) => any} */ isSupported) {
            // The pictures alone.
            const list = super.codecs(isSupported).split(',').filter((/** @type {string} */ one) => /^avc1/.test(one)).join();
            note('codecs', list);
            return list;
        }

        async createOffer(/** @type {RTCPeerConnection} */ pc) {
            const offer = await super.createOffer(pc);
            note('createOffer', offer.type);
            return {type: offer.type, sdp: `${offer.sdp}a=x-card:1\r\n`};
        }
    }
    customElements.define('a-card', Card);
    const element = /** @type {any} */ (Object.assign(document.createElement('a-card'), {mode}));
    document.body.append(element);
    element.src = `api/ws?src=${src}`;
}

/** @param {string} src @param {string} mode */
async function open(src, mode) {
    const page = await chromium.browser.newPage(), faults = /** @type {string[]} */ ([]);
    page.on('pageerror', err => faults.push(String(err)));
    page.on('console', msg => msg.type() === 'error' && faults.push(msg.text()));
    await page.goto(`${server.url}stream.html`);
    await page.evaluate(card, src, mode);
    const calls = () => /** @type {Promise<any[][]>} */ (page.evaluate(() => /** @type {any} */ (window).calls));
    return {
        page, calls,
        /** Waits until a hook was called, with these for its first arguments. @param {any[]} wanted */
        until: (...wanted) => page.waitForFunction(wanted => /** @type {any} */ (window).calls.some((/** @type {any[]} */ call) => JSON.stringify(call.slice(0, wanted.length)) === JSON.stringify(wanted)), {polling: 20, timeout: 60_000}, wanted)
            .catch(async err => assert.fail(`${mode}: ${wanted}: ${err.message} ${JSON.stringify(await calls())} ${faults}`)),
        /** Takes the card out of the page; nobody holds the camera after that. */
        async done() {
            const element = () => page.evaluate(() => {
                const card = /** @type {any} */ (document.querySelector('a-card'));
                card.DISCONNECT_TIMEOUT = 0;
                card.remove();
            });
            await element();
            await page.waitForFunction(() => /** @type {any} */ (window).calls.some((/** @type {any[]} */ [name, ws, pc]) => name === 'ondisconnect' && ws === WebSocket.CLOSED && pc === WebSocket.CLOSED), {polling: 20, timeout: 60_000});
            await until(async () => (await (await fetch(`${server.url}api/streams?src=${src}`)).json()).consumers ?? [], all => !all.length);
            await page.close();
            assert.deepEqual(faults, [], mode);
        },
    };
}
/** The names alone, each once, without those that come at any time. @param {any[][]} calls */
const order = calls => [...new Set(calls.map(([name, about]) => name === 'send' ? `send ${about}` : name).filter(name => !['play', 'btoa', 'send webrtc/candidate'].includes(name)))];

test('WebRTC: the offer of the card is the one that is sent, its picture is announced, a lost one is told', {skip}, async () => {
    const {page, calls, until: called, done} = await open('cam', 'webrtc');
    await called('onpcvideo', 320);
    await called('onclose', false);
    assert.deepEqual(order(await calls()), ['oninit', 'onconnect', 'onopen', 'onwebrtc', 'opened', 'createOffer', 'send webrtc/offer', 'onpcvideo', 'onclose']);
    const all = await calls(), [[, , offer]] = all.filter(([name, type]) => name === 'send' && type === 'webrtc/offer');
    assert.match(offer, /a=x-card:1/);
    assert.deepEqual(all.filter(([name]) => name === 'onconnect').map(call => call[1]).sort(), [false, true], 'only one of two began something');
    assert.deepEqual(all.find(([name]) => name === 'opened')?.[1], ['webrtc']);
    assert.ok(await page.evaluate(() => /** @type {any} */ (window).texts.includes('webrtc/answer')), 'messages reach the card');
    assert.ok(all.some(([name]) => name === 'play'));
    // An administrator ends it: there was a path, and it is tried again.
    const {sessions: [{id}]} = await (await fetch(`${server.url}api/rs/sessions?stream=cam`)).json();
    await fetch(`${server.url}api/rs/sessions?id=${id}`, {method: 'DELETE'});
    await called('onpcfailed', true, true);
    await page.waitForFunction(() => /** @type {any} */ (window).calls.filter((/** @type {any[]} */ [name]) => name === 'onopen').length === 2, {polling: 20, timeout: 60_000});
    await done();
});

test('MSE: what the card offers is asked for', {skip}, async () => {
    const {page, calls, until: called, done} = await open('cam', 'mse');
    await page.waitForFunction(() => /** @type {any} */ (document.querySelector('a-card'))?.video.currentTime > 0.5, {polling: 20, timeout: 60_000});
    assert.deepEqual(order(await calls()), ['oninit', 'onconnect', 'onopen', 'onmse', 'opened', 'codecs', 'send mse']);
    const all = await calls(), offered = all.find(([name]) => name === 'codecs')?.[1];
    assert.match(offered, /^avc1\.\w+(,avc1\.\w+)*$/);
    assert.equal(all.find(([name]) => name === 'send')?.[2], offered);
    assert.deepEqual(await page.evaluate(() => {
        const {mseCodecs, ondata} = /** @type {any} */ (document.querySelector('a-card'));
        return [/avc1/.test(mseCodecs), /mp4a|opus/.test(mseCodecs), typeof ondata];
    }), [true, false, 'function'], 'without the sound that the card left out');
    assert.ok(await page.evaluate(() => /** @type {any} */ (window).texts.includes('mse')));
    await page.evaluate(() => /** @type {any} */ (document.querySelector('a-card')).ws.close());
    await called('onclose', true);
    await done();
});

for (const [src, mode] of /** @type {const} */ ([['cam', 'mp4'], ['pictures', 'mjpeg']])) {
    test(`${mode.toUpperCase()}: the card sees the data, and its own btoa is the one that is used`, {skip}, async () => {
        const {page, calls, done} = await open(src, mode);
        await page.waitForFunction(() => /** @type {any} */ (window).data >= 3 && /** @type {any} */ (document.querySelector('a-card')).video.poster.startsWith('data:image/jpeg'), {polling: 20, timeout: 60_000});
        const all = await calls();
        assert.deepEqual(order(all), ['oninit', 'onconnect', 'onopen', `on${mode}`, ...mode === 'mp4' ? ['codecs'] : [], `send ${mode}`, 'opened']);
        assert.deepEqual(all.find(([name]) => name === 'opened')?.[1], [mode]);
        assert.ok(all.filter(([name]) => name === 'btoa').length >= 3);
        await done();
    });
}

test('HLS: it is asked for with what the card offers, and a browser that cannot play it ends the attempt', {skip}, async () => {
    const {page, calls, until: called, done} = await open('cam', 'hls');
    // Chromium may play HLS, it says, and does not play this.
    await page.waitForFunction(() => /** @type {any} */ (window).texts.includes('hls'), {polling: 20, timeout: 60_000});
    assert.deepEqual(order(await calls()).slice(0, 7), ['oninit', 'onconnect', 'onopen', 'onhls', 'codecs', 'send hls', 'opened']);
    assert.ok((await calls()).some(([name]) => name === 'play'), 'it is started');
    await called('onclose', true);
    await done();
});
