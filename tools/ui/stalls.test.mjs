/**
 * A picture that stands still in a real Chromium, by WebRTC and by MSE: it is noticed by what the browser itself counts, and the other way is taken when it has happened twice.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, holdMse, launch, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
/** @type {Awaited<ReturnType<typeof rs2rtc>>} */
let server;
before(async () => {
    if (skip) return;
    server = await rs2rtc('streams:\n  cam: demo:?width=320&height=180&fps=15\n');
    chromium = await launch({mdns: 'show'});
});
after(async () => {
    await chromium?.close();
    await server?.stop();
});

for (const [way, other] of [['webrtc', 'mse'], ['mse', 'webrtc']]) {
    test(`${way} that stands still twice is left for ${other}, and the page says so`, {skip}, async () => {
        const page = await chromium.browser.newPage(), is = (/** @type {(...args: any[]) => any} */ fits, /** @type {any[]} */ ...args) => page.waitForFunction(fits, {polling: 50, timeout: 60_000}, ...args);
        // The one that is asked for is shown first, however slow the machine is.
        if (way === 'webrtc') await page.evaluateOnNewDocument(holdMse);
        await page.evaluateOnNewDocument(way => {
            const answer = RTCPeerConnection.prototype.setRemoteDescription;
            // WebRTC takes the place of MSE, unless it comes too late.
            if (way === 'mse') RTCPeerConnection.prototype.setRemoteDescription = () => {
                RTCPeerConnection.prototype.setRemoteDescription = answer;
                return new Promise(() => {});
            };
            // Sound and pictures that come are held back for a while.
            const {createEncodedStreams} = /** @type {any} */ (RTCRtpReceiver.prototype);
            if (!createEncodedStreams) return;
            const Peer = RTCPeerConnection;
            /** @type {any} */ (window).RTCPeerConnection = class extends Peer {
                constructor(/** @type {any} */ config) {
                    super(way === 'webrtc' ? {...config, encodedInsertableStreams: true} : config);
                    if (way === 'webrtc') this.addEventListener('track', ({receiver}) => {
                        const {readable, writable} = /** @type {any} */ (receiver).createEncodedStreams();
                        readable.pipeThrough(new TransformStream({transform: (frame, to) => /** @type {any} */ (window).hold || to.enqueue(frame)})).pipeTo(writable).catch(() => {});
                    });
                }
            };
        }, way);
        await page.goto(`${server.url}camera.html?src=cam&lang=en`);
        const plays = (/** @type {string} */ way) => is(way => {
            const player = /** @type {any} */ (document.querySelector('rs-player'));
            return player?.phase === 'live' && (way === 'webrtc' ? player.video.srcObject : !player.pc && !player.video.srcObject) && player.video.getVideoPlaybackQuality().totalVideoFrames > 45;
        }, way);
        await plays(way);
        await page.evaluate(() => {
            const log = /** @type {string[]} */ ([]);
            Object.assign(window, {log});
            // That it stands still and goes on is said on the picture.
            document.addEventListener('state', ev => ['live', 'buffering'].includes(/** @type {any} */ (ev).detail.state) || log.push(/** @type {any} */ (ev).detail.reason));
        });
        for (const round of [1, 2]) {
            await page.evaluate(() => {
                const player = /** @type {any} */ (document.querySelector('rs-player')), take = player.ondata, held = () => {};
                Object.assign(window, {hold: true, go: () => {
                    Object.assign(window, {hold: false});
                    // Another way has its own.
                    if (player.ondata === held) player.ondata = take;
                }});
                if (take) player.ondata = held;
            });
            // Until it has said that it stands still, or has begun anew.
            await is(() => /** @type {any} */ (window).log.length || /** @type {any} */ (document.querySelector('rs-player')).phase === 'buffering');
            if (round === 2) break;
            assert.equal(await page.$eval('rs-player .status', node => node.checkVisibility() && node.textContent), 'The picture stands still, waiting for the next one…');
            assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).log), [], 'once is nothing');
            await page.evaluate(() => {
                const {video} = /** @type {any} */ (document.querySelector('rs-player'));
                /** @type {any} */ (window).go();
                // What was thrown away is missing in between.
                Object.assign(window, {before: video.getVideoPlaybackQuality().totalVideoFrames});
            });
            await is(() => {
                const {video} = /** @type {any} */ (document.querySelector('rs-player'));
                if (video.buffered.length && !video.srcObject && video.currentTime < video.buffered.end(video.buffered.length - 1) - 3) video.currentTime = video.buffered.end(video.buffered.length - 1) - 0.5;
                return /** @type {any} */ (document.querySelector('rs-player')).phase === 'live' && video.getVideoPlaybackQuality().totalVideoFrames > /** @type {any} */ (window).before + 15;
            });
        }
        await is(() => /** @type {any} */ (window).log.some((/** @type {string} */ reason) => /another way is tried/.test(reason)));
        await page.evaluate(() => /** @type {any} */ (window).go());
        await plays(other);
        const names = (/** @type {string} */ one) => one === 'mse' ? 'MSE' : 'WebRTC';
        await is(text => document.querySelector('.why')?.textContent?.endsWith(text), `${names(way)} stood still here: ${names(other)} is taken first for a day.`);
        await page.evaluate(() => localStorage.removeItem('rs.ways'));
        await page.close();
    });
}
