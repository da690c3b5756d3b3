/**
 * Each way of playing, pinned on the page of a camera, with the release binary: it plays, the page says so, the pin outlives a reload, and
 * the camera is let go with the page.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, FIREFOX, isDebian, launch, launchFirefox, without, withoutFfmpeg} from './browser.mjs';
import {BINARY, rs2rtc, until} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');

/** @type {Awaited<ReturnType<typeof rs2rtc>>} */
let server;
before(async () => {
    if (!skip) server = await rs2rtc('streams:\n  cam: demo:?width=320&height=180&fps=15\n  pictures: demo:?video=mjpeg&audio=pcmu&width=320&height=180&fps=15\n');
});
after(() => server?.stop());

/** @param {import('puppeteer-core').Browser} browser @param {[string, string, string][]} ways name of the stream, mode, and what the page calls it */
async function pins(browser, ways) {
    for (const [src, mode, title] of ways) {
        const page = await browser.newPage(), faults = /** @type {string[]} */ ([]);
        page.on('console', msg => {
            if (msg.type() === 'error') faults.push(msg.text());
        });
        page.on('pageerror', err => faults.push(String(err)));
        const plays = () => page.waitForFunction(title => {
            const player = /** @type {any} */ (document.querySelector('rs-player'));
            return player?.phase === 'live' && player.video.currentTime > (title === 'MJPEG' ? -1 : 0.5) && document.querySelector('.why')?.textContent?.includes(`over ${title}`);
        }, {polling: 100, timeout: 60_000}, title).catch(async err => assert.fail(`${mode}: ${err.message} ${await page.$eval('main', n => n.textContent)}\n${faults.join('\n')}`));
        await page.goto(`${server.url}camera.html?src=${src}&lang=en`);
        const input = await page.waitForSelector(`input[name=mode][value=${mode}]`);
        await input?.evaluate(node => /** @type {HTMLInputElement} */ (node).click());
        await plays();
        await page.reload();
        await plays();
        assert.equal(await page.$eval('input[name=mode]:checked', node => /** @type {HTMLInputElement} */ (node).value), mode);
        // What the page says is what the server sends, and how. The viewer before the reload may be on its way out.
        const viewers = async () => (await (await fetch(`${server.url}api/streams?src=${src}`)).json()).consumers ?? [], [viewer] = await until(viewers, all => all.length === 1);
        const sent = (/** @type {string} */ kind) => viewer.senders.map((/** @type {any} */ one) => one.codec).find((/** @type {any} */ one) => one.codec_type === kind)?.codec_name;
        assert.equal(viewer.format_name.split('/')[0], mode);
        assert.equal(viewer.protocol, mode === 'webrtc' ? 'ws+udp' : 'ws');
        const told = `^${sent('video')}( 320x180)? over ${title}${mode === 'webrtc' ? '/UDP' : ''}\\. ${sent('audio') ? `Sound: ${sent('audio')}\\.` : '(?!Sound)'}`;
        await page.waitForFunction(told => new RegExp(told, 'i').test(document.querySelector('.why')?.textContent ?? ''), {polling: 50, timeout: 60_000}, told)
            .catch(async err => assert.fail(`${mode}: ${err.message}: ${told}: ${await page.$eval('.why', n => n.textContent)}`));
        await page.close();
        assert.deepEqual(faults, [], mode);
    }
    const all = async () => Object.values(await (await fetch(`${server.url}api/streams`)).json()).flatMap(one => one.consumers ?? []);
    await until(all, all => !all.length);
}

test('Chromium plays each way that is pinned', {skip}, async () => {
    const {browser, close} = await launch({mdns: 'show'});
    try {
        await pins(browser, [['cam', 'webrtc', 'WebRTC'], ['cam', 'mse', 'MSE'], ['cam', 'hls', 'HLS'], ['pictures', 'mjpeg', 'MJPEG']]);
    } finally {
        await close();
    }
});

test('paused by each way the camera is let go, and why is told; it plays again on a press', {skip}, async () => {
    const {browser, close} = await launch({mdns: 'show'}), consumers = async () => Object.values(await (await fetch(`${server.url}api/streams`)).json()).flatMap(one => one.consumers ?? []);
    try {
        for (const [src, mode] of [['cam', 'webrtc'], ['cam', 'mse'], ['cam', 'hls'], ['pictures', 'mjpeg']]) {
            const page = await browser.newPage(), phase = (/** @type {string} */ wanted) => page.waitForFunction(wanted => /** @type {any} */ (document.querySelector('rs-player'))?.phase === wanted, {polling: 50, timeout: 60_000}, wanted)
                .catch(async err => assert.fail(`${mode}, ${wanted}: ${err.message} ${await page.$eval('main', n => n.textContent)}`));
            await page.goto(`${server.url}camera.html?src=${src}&mode=${mode}&lang=en`);
            await phase('live');
            await page.keyboard.press('Space');
            await phase('parked');
            await until(consumers, all => !all.length);
            await page.waitForFunction(() => /^Stopped\. The camera was let go in [\d.]+ m?s\.$/.test(document.querySelector('.why')?.textContent ?? ''), {polling: 50, timeout: 60_000});
            assert.equal(await page.$eval('rs-player canvas.last', node => node.checkVisibility()), true, mode);
            await page.keyboard.press('Space');
            await phase('live');
            await page.close();
            await until(consumers, all => !all.length);
        }
    } finally {
        await close();
    }
});

/** H.264 with AAC, which WebRTC does not carry: what most cameras send. */
const SOUND = 'exec:ffmpeg -v error -re -f lavfi -i testsrc2=size=320x180:rate=15 -f lavfi -i sine=sample_rate=48000 -pix_fmt yuv420p -c:v libx264 -preset ultrafast -tune zerolatency -g 15 -c:a aac -f mpegts -';

/**
 * WebRTC and MSE begin together, and what has the sound stays. The end of the other one is none of the camera.
 * @param {import('puppeteer-core').Browser} browser
 */
async function playsWhatHasSound(browser) {
    const own = await rs2rtc(`streams:\n  cam: ${SOUND}\n`), ended = new AbortController();
    let heard = '';
    const events = fetch(`${own.url}api/rs/events`, {signal: ended.signal}).then(async answer => {
        for await (const bytes of answer.body ?? []) heard += Buffer.from(bytes).toString();
    }).catch(() => {});
    try {
        for (const [index, path] of ['camera.html?src=cam&lang=en', 'stream.html?src=cam'].entries()) {
            const page = await browser.newPage(), faults = /** @type {string[]} */ ([]);
            page.on('console', msg => {
                if (msg.type() === 'error') faults.push(msg.text());
            });
            await page.goto(`${own.url}${path}`);
            await page.waitForFunction(() => (document.querySelector('video')?.currentTime ?? 0) > 4, {polling: 100, timeout: 60_000})
                .catch(err => assert.fail(`${path}: ${err.message}\n${faults.join('\n')}\n${heard}`));
            const watching = async () => (await (await fetch(`${own.url}api/streams?src=cam`)).json()).consumers.map((/** @type {any} */ one) => one.format_name);
            // The other one may be on its way out.
            await until(watching, all => String(all) === 'mse/fmp4');
            await page.close();
            await until(watching, all => !all.length);
            assert.equal(heard.match(/^event: source_opened$/gm)?.length, index + 1, heard);
            assert.deepEqual(faults, [], path);
        }
    } finally {
        ended.abort();
        await events;
        await own.stop();
    }
}

test('Chromium plays a camera with AAC by itself, and it is opened once', {skip: skip || withoutFfmpeg()}, async () => {
    const {browser, close} = await launch({mdns: 'show'});
    try {
        await playsWhatHasSound(browser);
    } finally {
        await close();
    }
});

/** A still picture is there, and is shown: its size is known before. */
const isSeen = () => {
    const image = /** @type {HTMLImageElement|null} */ (document.querySelector('rs-player > img.stills'));
    return image?.naturalWidth === 320 && !image.hidden;
};

test('a camera with H.265 is seen in still pictures where the browser has no decoder', {skip: skip || withoutFfmpeg()}, async () => {
    const own = await rs2rtc('streams:\n  cam: exec:ffmpeg -v error -re -f lavfi -i testsrc2=size=320x180:rate=10 -pix_fmt yuv420p -c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=10 -f mpegts -\n');
    const {browser, close} = await launch({mdns: 'show'});
    try {
        const page = await browser.newPage();
        await page.goto(`${own.url}camera.html?src=cam&lang=en`);
        const has = await page.evaluate(() => MediaSource.isTypeSupported('video/mp4; codecs="hvc1.1.6.L93.B0"'));
        if (has) return;
        await page.waitForFunction(isSeen, {polling: 100, timeout: 60_000})
            .catch(async err => assert.fail(`${err.message} ${await page.$eval('main', n => n.textContent)}`));
        assert.match(await page.$eval('rs-player .status', n => n.textContent ?? ''), /H\.265[\s\S]*Still pictures/);
        await page.close();
        const watching = async () => (await (await fetch(`${own.url}api/streams?src=cam`)).json()).consumers ?? [];
        await until(watching, all => !all.length);
    } finally {
        await close();
        await own.stop();
    }
});

// It decodes H.264 by WebRTC only with a plug-in that it downloads.
test('Firefox plays each other way that is pinned', {skip: skip || without(FIREFOX, 'Firefox', isDebian())}, async () => {
    const {browser, close} = await launchFirefox();
    try {
        await pins(browser, [['cam', 'mse', 'MSE'], ['cam', 'hls', 'HLS'], ['pictures', 'mjpeg', 'MJPEG']]);
    } finally {
        await close();
    }
});

test('a browser that says that it plays H.265 and does not: it is tried once, and seen in still pictures', {skip: skip || withoutFfmpeg()}, async () => {
    const own = await rs2rtc('streams:\n  cam: exec:ffmpeg -v error -re -f lavfi -i testsrc2=size=320x180:rate=10 -pix_fmt yuv420p -c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=10 -f mpegts -\n');
    const {browser, close} = await launch({mdns: 'show'});
    try {
        // The buffer is refused, or is there and what comes into it cannot be decoded.
        for (const refused of [true, false]) {
            const page = await browser.newPage();
            await page.evaluateOnNewDocument(refused => {
                const {isTypeSupported} = MediaSource, add = MediaSource.prototype.addSourceBuffer, starts = /** @type {string[]} */ ([]);
                MediaSource.isTypeSupported = type => /hvc1/.test(type) || isTypeSupported(type);
                MediaCapabilities.prototype.decodingInfo = async () => /** @type {any} */ ({supported: true});
                MediaSource.prototype.addSourceBuffer = function (type) {
                    starts.push(type);
                    return add.call(this, refused ? type : type.replace(/hvc1[^",]*/, 'avc1.640029'));
                };
                Object.assign(window, {starts});
            }, refused);
            await page.goto(`${own.url}camera.html?src=cam&lang=en`);
            if (await page.evaluate(() => document.createElement('video').canPlayType('video/mp4; codecs="hvc1.1.6.L93.B0"'))) return;
            await page.waitForFunction(isSeen, {polling: 100, timeout: 60_000})
                .catch(async err => assert.fail(`${err.message} ${await page.$eval('main', n => n.textContent)}`));
            assert.match(await page.$eval('rs-player .status', n => n.textContent ?? ''), /(H\.265|cannot decode)[\s\S]*Still pictures/);
            assert.equal(await page.evaluate(() => /** @type {any} */ (window).starts.length), 1);
            await page.close();
        }
    } finally {
        await close();
        await own.stop();
    }
});

test('Firefox plays H.265, or shows still pictures where it only says that it does', {skip: skip || without(FIREFOX, 'Firefox', isDebian()) || withoutFfmpeg()}, async () => {
    const own = await rs2rtc('streams:\n  cam: exec:ffmpeg -v error -re -f lavfi -i testsrc2=size=320x180:rate=10 -pix_fmt yuv420p -c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=10 -f mpegts -\n');
    const {browser, close} = await launchFirefox();
    try {
        const page = await browser.newPage();
        await page.goto(`${own.url}camera.html?src=cam&lang=en`);
        await page.waitForFunction(() => {
            const player = /** @type {any} */ (document.querySelector('rs-player')), image = /** @type {HTMLImageElement|null} */ (document.querySelector('rs-player > img.stills'));
            return image?.naturalWidth === 320 && !image.hidden || player?.phase === 'live';
        }, {polling: 100, timeout: 60_000}).catch(async err => assert.fail(`${err.message} ${await page.$eval('main', n => n.textContent)}`));
        // With a decoder it plays.
        if (await page.$eval('rs-player', n => /** @type {any} */ (n).phase === 'live')) return;
        assert.match(await page.$eval('rs-player .status', n => n.textContent ?? ''), /(H\.265|cannot decode)[\s\S]*Still pictures/);
        await until(async () => (await (await fetch(`${own.url}api/streams?src=cam`)).json()).consumers ?? [], all => !all.length);
        assert.equal(await page.$eval('rs-player', n => /** @type {any} */ (n).phase), 'failed');
    } finally {
        await close();
        await own.stop();
    }
});
