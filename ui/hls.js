/**
 * `hls.html?src=NAME`: the parameters go to `api/stream.m3u8`. Browsers of Apple play it themselves; for the others the segments (fMP4) are
 * fetched here. Where neither works, it says so and plays the next best way.
 */
import {Loader, native} from './lib/hls.js';
import {speak, speaksChinese} from './player/words.js';

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

/** The same stream in another way, with the reason. @param {string} why */
async function instead(why) {
    say(`${chinese ? '此处无法以 HLS 播放，改用其他方式：' : 'HLS does not play here, another way is used: '}${why}`);
    main.querySelector('video')?.remove();
    await import('./player/rs-player.js');
    const player = /** @type {any} */ (document.createElement('rs-player'));
    Object.assign(player, {mode: 'webrtc,mse,mjpeg', pcConfig: {bundlePolicy: 'max-bundle', iceServers: []}});
    player.src = new URL(`api/ws?src=${encodeURIComponent(params.get('src') ?? '')}`, location.href);
    main.append(player);
}

function start() {
    if (!params.get('src')) return say(chinese ? '没有指定视频流：请在地址后加上 ?src=名称。' : 'No stream is given: add ?src=NAME to the address.');
    document.title = `${params.get('src')} – rs2rtc`;
    const video = document.createElement('video');
    Object.assign(video, {controls: true, playsInline: true, autoplay: true});
    main.append(video);
    const play = () => video.play().catch(() => {
        video.muted = true;
        video.play().catch(() => {});
    });
    if (native(video)) {
        video.src = `api/stream.m3u8?${params}`;
        video.addEventListener('error', () => instead(video.error?.message ?? ''), {once: true});
        play();
        return;
    }
    if (!params.has('mp4') && !params.has('video') && !params.has('audio')) params.set('mp4', '');
    const loader = new Loader(video, new URL(`api/stream.m3u8?${params}`, location.href), why => instead(why));
    window.addEventListener('pagehide', () => loader.stop());
    loader.start().then(play, err => instead(err instanceof Error ? err.message : String(err)));
}
start();
