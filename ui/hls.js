/**
 * `hls.html?src=NAME`: the parameters go to `api/stream.m3u8`. Browsers of Apple play it themselves; for the others the segments (fMP4) are
 * fetched here, by the player of the other pages unless the parameters choose tracks or a proxy lets no WebSocket through. Where neither works, it says so and plays the next best way; where the camera
 * does not work, it says that.
 */
import './player/rs-player.js';
import {Loader, native, Refused} from './lib/hls.js';
import {speak, speaksChinese, translate} from './player/words.js';
import {classOfError} from './reasons.js';

const params = new URLSearchParams(location.search), main = /** @type {HTMLElement} */ (document.getElementById('streams'));
await speak();
const chinese = speaksChinese();
// That is for this page, the rest for the stream.
params.delete('lang');

/** @param {string} text */
function say(text) {
    const node = document.createElement('p');
    node.className = 'hint over';
    node.setAttribute('role', 'status');
    node.textContent = text;
    main.append(node);
}

/** The player of the other pages in the place of what does not play. @param {string} mode */
function play(mode) {
    main.querySelector('video')?.remove();
    let played = false;
    const player = /** @type {any} */ (document.createElement('rs-player'));
    Object.assign(player, {mode, pcConfig: {bundlePolicy: 'max-bundle', iceServers: []}});
    player.addEventListener('firstframe', () => { played = true; });
    player.addEventListener('state', (/** @type {CustomEvent<import('./player/status.js').StateDetail>} */ {detail}) => {
        if (mode !== 'hls' || detail.kind !== 'config' || played) return;
        player.remove();
        lost(new Error(detail.reason));
    });
    if (mode === 'hls') {
        player.addEventListener('blocked', () => {
            player.remove();
            fetchAll();
        }, {once: true});
    }
    player.src = new URL(`api/ws?src=${encodeURIComponent(params.get('src') ?? '')}`, location.href);
    main.append(player);
}

/** It does not play, or not any more. @param {unknown} err @param {boolean} [played] */
function lost(err, played = false) {
    const why = err instanceof Error ? err.message : String(err);
    // What the camera or the network is to blame for no other way would mend: the player says it, and tries again.
    if (err instanceof Refused && (played || err.status === 0 || err.status >= 500) && classOfError(why) !== 'config') return play('hls');
    say(`${chinese ? '此处无法以 HLS 播放，改用其他方式：' : 'HLS does not play here, another way is used: '}${translate(why)}`);
    return play('webrtc,mse,mjpeg');
}

/** What plays by HTTP alone. @type {Loader|null} */
let loader = null;
window.addEventListener('pagehide', () => loader?.stop());
// Out of the cache of the browser.
window.addEventListener('pageshow', ev => ev.persisted && loader && location.reload());

/** Plays by HTTP alone. */
function fetchAll() {
    const query = new URLSearchParams(params), video = element();
    if (!query.has('mp4') && !query.has('video') && !query.has('audio')) query.set('mp4', '');
    loader = new Loader(video, new URL(`api/stream.m3u8?${query}`, location.href), err => lost(err, true));
    loader.start().then(() => begin(video), err => lost(err));
}

function element() {
    const video = document.createElement('video');
    Object.assign(video, {controls: true, playsInline: true, autoplay: true});
    main.append(video);
    return video;
}

/** With sound, where the browser allows it. @param {HTMLVideoElement} video */
const begin = video => video.play().catch(() => {
    video.muted = true;
    video.play().catch(() => {});
});

/** Why the browser's own player has failed, which tells only that it has. @param {string} playlist @param {string} [words] */
async function ask(playlist, words = '') {
    const response = await fetch(playlist, {cache: 'no-store'}).catch(() => null);
    const text = response?.ok === false ? await response.text() : words;
    lost(response?.ok ? text : new Refused(text.trim().slice(0, 300), response?.status ?? 0));
}

function start() {
    if (!params.get('src')) return say(chinese ? '没有指定视频流：请在地址后加上 ?src=名称。' : 'No stream is given: add ?src=NAME to the address.');
    document.title = `${params.get('src')} – rs2rtc`;
    if (native(document.createElement('video'))) {
        const video = element();
        const playlist = `api/stream.m3u8?${params}`;
        video.src = playlist;
        video.addEventListener('error', () => ask(playlist, video.error?.message), {once: true});
        begin(video);
        return;
    }
    // Over the socket of the player a camera that fails is no request that fails.
    if ([...params].every(([name, value]) => name === 'src' || name === 'mp4' && !value) && 'MediaSource' in window) {
        return play('hls');
    }
    fetchAll();
}
start();
