/**
 * `webrtc.html`: `?src=NAME` watches, `?dst=NAME` sends, over the socket. `media` is a combination of `video`, `audio`, `microphone`,
 * `camera`, `display` and `speaker`; without it `video+audio`.
 */
import {capture, explained, lease, note, release, wanted, words} from './webrtc-media.js';

const params = new URLSearchParams(location.search);
const media = wanted(params);
const main = /** @type {HTMLElement} */ (document.getElementById('streams'));

if (params.get('dst')) send();
else if (params.get('src')) watch();
else note(main, words.none);

async function watch() {
    await import('./player/rs-player.js');
    const player = /** @type {any} */ (document.createElement('rs-player'));
    player.mode = 'webrtc';
    player.media = ['video', 'audio', ...(media.has('microphone') ? ['microphone'] : [])].filter(kind => kind === 'microphone' || media.has(kind)).join();
    player.pcConfig = {bundlePolicy: 'max-bundle', iceServers: []};
    player.src = new URL(`api/ws?${query()}`, location.href);
    main.append(player);
    if (media.has('microphone') && !window.isSecureContext) note(main, words.https);
}

/** The parameters without `media`, which is the page's. */
function query() {
    const rest = new URLSearchParams(params);
    rest.delete('media');
    return rest;
}

async function send() {
    const status = note(main, words.asking), {end, own} = lease(status);
    try {
        const {stream, video} = await capture(media);
        own(() => release(stream));
        main.prepend(video);
        const pc = new RTCPeerConnection({bundlePolicy: 'max-bundle', iceServers: []});
        own(() => pc.close());
        for (const track of stream.getTracks()) pc.addTransceiver(track, {direction: 'sendonly', streams: [stream]});
        if (media.has('speaker')) pc.addTransceiver('audio', {direction: 'recvonly'});
        const url = new URL(`api/ws?${query()}`, location.href);
        url.protocol = url.protocol.replace('http', 'ws');
        const ws = new WebSocket(url);
        own(() => ws.close());
        const say = (/** @type {string} */ type, /** @type {any} */ value) => ws.send(JSON.stringify({type, value}));
        pc.addEventListener('icecandidate', ev => ws.readyState === WebSocket.OPEN && say('webrtc/candidate', ev.candidate?.candidate ?? ''));
        pc.addEventListener('connectionstatechange', () => {
            if (pc.connectionState === 'connected') status.textContent = words.sending;
            else if (pc.connectionState === 'failed') end(words.noPath);
        });
        ws.addEventListener('open', () => pc.setLocalDescription().then(() => say('webrtc/offer', pc.localDescription?.sdp)).catch(end));
        ws.addEventListener('message', ev => {
            const msg = JSON.parse(ev.data);
            if (msg.type === 'webrtc/answer') pc.setRemoteDescription({type: 'answer', sdp: msg.value}).catch(end);
            else if (msg.type === 'webrtc/candidate' && msg.value) pc.addIceCandidate({candidate: msg.value, sdpMid: '0'}).catch(() => {});
            // Without one address another may do.
            else if (msg.type === 'error' && String(msg.value).startsWith('webrtc/candidate')) status.textContent = msg.value;
            else if (msg.type === 'error') end(explained(String(msg.value), params));
        });
        ws.addEventListener('close', () => {
            // A connection that stands needs no socket.
            if (pc.connectionState !== 'connected') end(words.lost);
        });
    } catch (err) {
        end(err);
    }
}
