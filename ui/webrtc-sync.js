/**
 * `webrtc-sync.html`: one request with a whole offer (`POST api/webrtc`), no socket. `?src=NAME` watches, `?dst=NAME` sends; `media` as in
 * `webrtc.html`. The session ends with the page.
 */
import {bye, gathered} from './lib/whep.js';
import {capture, explained, lease, note, release, wanted, words} from './webrtc-media.js';

const params = new URLSearchParams(location.search);
const media = wanted(params), main = /** @type {HTMLElement} */ (document.getElementById('streams'));
/** Milliseconds that gathering the own addresses may take. */
const GATHER = 3000;

async function start() {
    const status = note(main, '');
    if (!params.get('src') && !params.get('dst')) {
        status.textContent = words.none;
        return;
    }
    const {end, own} = lease(status), pc = new RTCPeerConnection({bundlePolicy: 'max-bundle', iceServers: []});
    own(() => pc.close());
    pc.addEventListener('connectionstatechange', () => {
        if (pc.connectionState === 'failed') end(words.noPath);
    });
    try {
        if (params.get('dst')) {
            const {stream, video} = await capture(media);
            own(() => release(stream));
            main.prepend(video);
            for (const track of stream.getTracks()) pc.addTransceiver(track, {direction: 'sendonly', streams: [stream]});
        } else {
            const video = document.createElement('video'), stream = new MediaStream();
            Object.assign(video, {controls: true, playsInline: true});
            main.prepend(video);
            // Without a picture it would only stand behind the words.
            own(() => video.readyState || video.remove());
            for (const kind of ['video', 'audio']) if (media.has(kind)) pc.addTransceiver(kind, {direction: 'recvonly'});
            if (media.has('microphone')) {
                const voice = await navigator.mediaDevices.getUserMedia({audio: true});
                own(() => release(voice));
                pc.addTransceiver(voice.getAudioTracks()[0], {direction: 'sendonly'});
            }
            pc.addEventListener('track', ev => {
                stream.addTrack(ev.track);
                // An empty one would keep the page from being loaded.
                video.srcObject = stream;
                video.play().catch(() => {
                    video.muted = true;
                    video.play().catch(() => {});
                });
            });
        }
        await pc.setLocalDescription();
        await gathered(pc, GATHER);
        const rest = new URLSearchParams(params);
        rest.delete('media');
        const response = await fetch(`api/webrtc?${rest}`, {method: 'POST', body: pc.localDescription?.sdp, headers: {'Content-Type': 'application/sdp'}});
        const text = await response.text();
        if (!response.ok) throw new Error(explained(text, params));
        const place = response.headers.get('Location');
        if (place) own(() => bye(new URL(place, response.url).href));
        await pc.setRemoteDescription({type: 'answer', sdp: text});
        if (params.get('dst')) status.textContent = words.sending;
    } catch (err) {
        end(err);
    }
}
start();
