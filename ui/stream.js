/**
 * `stream.html?src=NAME&mode=webrtc,mse&media=video,audio&width=320px&background=false`
 *
 * One player per `src` and `mode`, side by side; of the two lists the shorter one is
 * filled up with its first item. `background` is on unless it is `false`: a screen on
 * the wall goes on playing.
 */
import './player/rs-player.js';
import {speak, translate} from './player/words.js';

await speak();
const params = new URLSearchParams(location.search);
const sources = params.getAll('src').filter(Boolean);
const modes = params.getAll('mode').filter(Boolean);
const main = /** @type {HTMLElement} */ (document.getElementById('streams'));

if (sources.length) {
    document.title = `${[...new Set(sources)].join(', ')} – rs2rtc`;
} else {
    const text = document.createElement('p');
    text.className = 'hint';
    text.textContent = translate('No stream is given: add ?src=NAME to the address.');
    main.append(text);
}

const width = params.get('width') || '320px';
main.style.setProperty('--tile', /^\d+$/.test(width) ? `${width}px` : width);

for (let i = 0; sources.length && i < Math.max(sources.length, modes.length); i++) {
    const video = /** @type {import('./player/rs-player.js').RsPlayer} */ (document.createElement('rs-player'));
    video.background = params.get('background') !== 'false';
    video.mode = modes[i] || modes[0] || video.mode;
    video.media = params.get('media') || video.media;
    // No outside host is asked; the server knows its addresses.
    video.pcConfig = {bundlePolicy: 'max-bundle', iceServers: []};
    video.src = new URL(`api/ws?src=${encodeURIComponent(sources[i] || sources[0])}`, location.href);
    main.append(video);
}
