#!/usr/bin/env node
/**
 * Publishes a drawn picture from a real browser over WHIP (RFC 9725), in one codec.
 *
 *     node tools/ui/publish.mjs --url http://127.0.0.1:1984/ --dst studio [--codec AV1] [--timeout 20]
 *
 * Prints `connected` once it is, and goes on until its input ends. The picture has the strip of the demo camera
 * (`strip.mjs`), so that who plays it knows what it should see.
 */
import {parseArgs} from 'node:util';
import {launch} from './browser.mjs';
import {stripCells} from './strip.mjs';

const {values} = parseArgs({options: {
    url: {type: 'string'}, dst: {type: 'string'}, codec: {type: 'string', default: 'AV1'}, timeout: {type: 'string', default: '20'},
}});
if (!values.url || !values.dst) throw new Error('--url and --dst are needed');
const address = new URL(`api/webrtc?dst=${encodeURIComponent(values.dst)}`, values.url).href;
const chromium = await launch();
try {
    const page = await chromium.browser.newPage();
    // Of the same origin, and without a player.
    await page.goto(new URL('api', values.url).href);
    await page.evaluate(`(${send})(${JSON.stringify({address, codec: values.codec, timeout: Number(values.timeout) * 1000})}, ${stripCells})`);
    console.log('connected');
    for await (const _ of process.stdin) { /* its end is what counts */ }
    const status = await page.evaluate('__leave()');
    if (status !== 200) throw new Error(`goodbye: ${status}`);
} finally {
    await chromium.close();
}

/** Runs inside the page, until it is connected. @param {any} options @param {typeof stripCells} stripCells */
async function send({address, codec, timeout}, stripCells) {
    const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
    const width = 320, height = 180, cell = width / 54, row = height / 60;
    Object.assign(canvas, {width, height});
    let frame = 0;
    setInterval(() => {
        pen.fillStyle = `hsl(${frame % 360} 60% 40%)`;
        pen.fillRect(0, 0, width, 55 * row);
        pen.fillStyle = '#000';
        pen.fillRect(0, 55 * row, width, 5 * row);
        pen.fillStyle = '#fff';
        for (const [line, cells] of stripCells({frame, unixMs: Date.now()}).entries()) {
            for (const [at, white] of cells.entries()) {
                if (white) pen.fillRect((at + 1) * cell, (55 + 2 * line) * row, cell, 2 * row);
            }
        }
        frame++;
    }, 50);
    const pc = new RTCPeerConnection();
    const [track] = canvas.captureStream(20).getTracks();
    const transceiver = pc.addTransceiver(track, {direction: 'sendonly'});
    const wanted = RTCRtpSender.getCapabilities('video').codecs.filter(one => one.mimeType === `video/${codec}`);
    if (!wanted.length) throw new Error(`this browser does not send ${codec}`);
    transceiver.setCodecPreferences(wanted);
    await pc.setLocalDescription();
    const gathered = new Promise(done => pc.addEventListener('icegatheringstatechange', () => pc.iceGatheringState === 'complete' && done()));
    if (pc.iceGatheringState !== 'complete') await gathered;
    const answer = await fetch(address, {method: 'POST', headers: {'Content-Type': 'application/sdp'}, body: pc.localDescription.sdp});
    if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
    window.__leave = async () => (await fetch(new URL(answer.headers.get('location'), address), {method: 'DELETE'})).status;
    await pc.setRemoteDescription({type: 'answer', sdp: await answer.text()});
    const began = performance.now();
    while (pc.connectionState !== 'connected') {
        if (performance.now() - began > timeout) throw new Error(`not connected: ${pc.connectionState}`);
        await new Promise(done => setTimeout(done, 20));
    }
}
