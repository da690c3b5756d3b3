/**
 * The player on a bad line, with the release binary: the network stands still for a while, and a proxy lets no WebSocket through.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {badLine} from './bad-line.mjs';
import {CHROMIUM, FIREFOX, isDebian, launch, launchFirefox, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');

/** @type {Awaited<ReturnType<typeof rs2rtc>>} */
let server;
before(async () => {
    if (!skip) server = await rs2rtc('streams:\n  cam: demo:?audio=opus&width=320&height=180&fps=25\n');
});
after(() => server?.stop());

/** @param {import('puppeteer-core').Page} page @param {string} way what the page calls it */
const plays = (page, way) => page.waitForFunction(way => {
    const player = /** @type {any} */ (document.querySelector('rs-player'));
    return player?.phase === 'live' && player.video.currentTime > 0.5 && document.querySelector('.why')?.textContent?.includes(`over ${way}`);
}, {polling: 100, timeout: 60_000}, way).catch(async err => assert.fail(`${err.message} ${await page.$eval('main', n => n.textContent)}`));

/** Milliseconds until nobody holds a camera. */
async function released() {
    const began = Date.now();
    for (;;) {
        const open = Object.values(await (await fetch(`${server.url}api/streams`)).json()).flatMap(one => one.consumers ?? []);
        if (!open.length) return Date.now() - began;
        assert.ok(Date.now() - began < 60_000, JSON.stringify(open));
        await new Promise(resolve => setTimeout(resolve, 20));
    }
}

/** What the player does, every 20 ms: [milliseconds, seconds behind the newest, position, speed]. @param {import('puppeteer-core').Page} page */
const watch = page => page.evaluate(() => {
    const seen = /** @type {number[][]} */ ([]), video = /** @type {HTMLVideoElement} */ (document.querySelector('rs-player video'));
    /** @type {any} */ (window).seen = seen;
    setInterval(() => {
        const {buffered} = video;
        if (buffered.length) seen.push([performance.now(), buffered.end(buffered.length - 1) - video.currentTime, video.currentTime, video.playbackRate]);
    }, 20);
});
/** How far it jumped, in seconds, each time. @param {number[][]} seen */
const jumps = seen => seen.flatMap(([ms, , at], i) => {
    const played = i ? 1.2 * (ms - seen[i - 1][0]) / 1000 : Infinity, moved = i ? at - seen[i - 1][2] : 0;
    return moved < 0.3 + played ? [] : [moved];
});
/** Who is 3 s behind may jump to where it should be, 0.3 s behind. */
const ALLOWED = 2.6;

test('MSE after the network stood still: near the live edge again, never faster than 1.1, no jump that is heard for less than 3 s', {skip}, async () => {
    const line = await badLine(server.port), {browser, close} = await launch();
    try {
        const page = await browser.newPage();
        await page.goto(`${line.url}camera.html?src=cam&mode=mse&lang=en`);
        await plays(page, 'MSE');
        assert.equal(await page.$eval('rs-player video', video => /** @type {HTMLVideoElement} */ (video).muted), false, 'the sound is heard');
        await watch(page);
        // Pieces themselves come more or less evenly: this is what there is to come back to.
        await page.waitForFunction(() => /** @type {any} */ (window).seen.length >= 100, {polling: 50});
        const usual = Math.max(...(await page.evaluate(() => /** @type {any} */ (window).seen)).map((/** @type {number[]} */ one) => one[1]));
        const stall = async (/** @type {number} */ ms) => {
            const before = await page.$eval('rs-player video', video => [performance.now(), /** @type {HTMLVideoElement} */ (video).currentTime]);
            line.stop();
            await new Promise(resolve => setTimeout(resolve, ms));
            await page.evaluate(() => { /** @type {any} */ (window).seen.length = 0; });
            line.go();
            return before;
        };
        const watched = () => /** @type {Promise<number[][]>} */ (page.evaluate(() => /** @type {any} */ (window).seen.splice(0)));
        await stall(2000);
        await page.waitForFunction(() => /** @type {any} */ (window).seen.some(one => one[1] > 1), {polling: 50}).catch(err => assert.fail(`it was never a second behind: ${err.message}`));
        const began = await page.evaluate(() => performance.now());
        await page.waitForFunction(until => performance.now() > until, {polling: 50}, began + 2000);
        const short = await watched(), most = Math.max(...short.map(one => one[1]));
        assert.deepEqual(jumps(short).filter(far => far < ALLOWED), [], 'two seconds are caught up with, not jumped over');
        const [stopped, at] = await stall(4000), near = Math.max(0.5, usual + 0.1);
        // For five seconds at least, and until the last pictures are as near as they should be, with nothing of the four seconds still to come.
        await page.waitForFunction((stopped, at, near) => {
            const all = /** @type {number[][]} */ (/** @type {any} */ (window).seen), last = all.slice(-10), [now, , position] = last.at(-1) ?? [0, 0, 0];
            return now - all[0]?.[0] >= 5000 && position - at >= (now - stopped) / 1000 - near && last.every(one => one[1] <= near);
        }, {polling: 50}, stopped, at, near).catch(async err => assert.fail(`${err.message} ${JSON.stringify((await watched()).slice(-10))}, ${near.toFixed(2)} s behind wanted`));
        const long = await watched();
        assert.deepEqual(jumps(long).filter(far => far < ALLOWED), []);
        // Four seconds at 1.1 would be a chase of forty: it jumps, and plays little until it is near. By the clock of the picture, which no machine slows down.
        assert.ok(jumps(long).length, 'it has jumped');
        const there = long.findIndex((one, i) => one[1] <= near && jumps(long.slice(0, i + 1)).length), chased = long[there][2] - long[0][2] - jumps(long.slice(0, there + 1)).reduce((sum, far) => sum + far, 0);
        assert.ok(chased <= 10, `${chased} s played until it was near`);
        const fastest = Math.max(...short.concat(long).map(one => one[3]));
        console.log(`2 s without network: ${most.toFixed(2)} s behind, caught up by ${(most - short.at(-1)[1]).toFixed(2)} s in 2 s; 4 s: ${long.at(-1)[1].toFixed(2)} s behind after ${((long.at(-1)[0] - long[0][0]) / 1000).toFixed(1)} s, ${chased.toFixed(1)} s of it before it was near, ${usual.toFixed(2)} s before; fastest ${fastest}`);
        assert.ok(fastest <= 1.1);
        await page.close();
        await released();
    } finally {
        await close();
        line.close();
    }
});

test('a line that is dead without a word: the picture stands still, the server is asked, and it is dialled again', {skip}, async () => {
    const line = await badLine(server.port), {browser, close} = await launch();
    try {
        const page = await browser.newPage();
        await page.goto(`${line.url}camera.html?src=cam&mode=mse&lang=en`);
        await plays(page, 'MSE');
        await page.waitForFunction(() => document.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames > 75, {polling: 50});
        const log = () => page.evaluate(() => /** @type {any} */ (window).log), told = (/** @type {string} */ text) => page.waitForFunction(text => /** @type {any} */ (window).log.some((/** @type {string} */ one) => one.includes(text)), {polling: 50, timeout: 60_000}, text)
            .catch(async err => assert.fail(`${err.message} ${await log()}`));
        await page.evaluate(() => {
            const log = /** @type {string[]} */ ([]);
            Object.assign(window, {log});
            document.addEventListener('state', ev => log.push(`${/** @type {any} */ (ev).detail.state} ${/** @type {any} */ (ev).detail.reason}`));
        });
        line.stop();
        await told('buffering The picture stands still');
        assert.equal(await page.$eval('rs-player .status', node => node.checkVisibility() && node.textContent), 'The picture stands still, waiting for the next one…');
        assert.equal(await page.$eval('rs-player video', video => /** @type {HTMLVideoElement} */ (video).controls), true, 'it can still be paused');
        await told('retrying The server does not answer.');
        line.go();
        await plays(page, 'MSE');
        assert.deepEqual((await log()).map((/** @type {string} */ one) => one.split(' ')[0]).filter((/** @type {string} */ one) => one !== 'dialling' && one !== 'connecting').slice(0, 3), ['buffering', 'retrying', 'live']);
        await page.close();
        await released();
    } finally {
        await close();
        line.close();
    }
});

for (const [name, absent, start] of /** @type {[string, string|false, () => Promise<{browser: import('puppeteer-core').Browser, close: () => Promise<void>}>][]} */ ([
    ['Chromium', skip, launch], ['Firefox', skip || without(FIREFOX, 'Firefox', isDebian()), launchFirefox]])) {
    test(`${name}: a proxy lets no WebSocket through: it plays without, and a page that is closed lets go`, {skip: absent}, async () => {
        const line = await badLine(server.port, {sockets: false}), {browser, close} = await start();
        try {
            const page = await browser.newPage();
            // Without a window it calls itself something that is taken for Safari.
            if (name === 'Chromium') await page.setUserAgent({userAgent: (await browser.userAgent()).replace('Headless', '')});
            await page.goto(`${line.url}camera.html?src=cam&lang=en`);
            await plays(page, 'MSE/HTTP');
            assert.deepEqual(Object.values(await (await fetch(`${server.url}api/streams?src=cam`)).json()).flat().filter(one => one.format_name?.startsWith('mp4')).length, 1);
            await page.close();
            console.log(`${name}: let go ${await released()} ms after the page was closed`);
            // HLS by requests alone.
            const other = await browser.newPage();
            await other.goto(`${line.url}hls.html?src=cam&lang=en`);
            await other.waitForFunction(() => !document.querySelector('rs-player') && (document.querySelector('video')?.currentTime ?? 0) > 0.5, {polling: 100, timeout: 60_000})
                .catch(async err => assert.fail(`${err.message} ${await other.$eval('main', n => n.textContent)}`));
            await other.close();
            await released();
        } finally {
            await close();
            line.close();
        }
    });
}
