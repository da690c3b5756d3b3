/**
 * Every address at which a stream can be had, and who can play it with the codecs that it has. Pure.
 */

/**
 * @typedef {object} Place
 * @property {string} key words of its name
 * @property {string} url
 * @property {string} who words of who plays it
 * @property {string} misfit why it does not fit this stream; empty if it does
 * @property {boolean} [page] it opens in a browser
 * @property {boolean} [into] who sends uses it, instead of who plays
 */

/** What is a picture, and what carries which of it and of the sound. */
const VIDEO = ['H264', 'H265', 'AV1', 'VP8', 'VP9', 'MJPEG', 'JPEG', 'RAWVIDEO'];
const AVC = ['H264', 'H265'], PICTURES = ['MJPEG', 'JPEG', 'RAWVIDEO'], PCM = ['PCMA', 'PCMU', 'PCM_S16BE', 'PCM_S16LE'];
/** Beyond AAC only who asks for them gets these. */
const MORE = ['Opus', 'MP3', 'FLAC', ...PCM], IN_MP4 = [...AVC, 'AV1', 'AAC', ...MORE];

/**
 * @param {{name: string, base: string, host: string, rtspPort: string, codecs: string[], own: boolean}} about `base`: address of the pages with a
 *     slash at its end; `codecs`: names for people, empty if they are not known; `own`: the server has what go2rtc has not
 * @returns {Place[]}
 */
export function places({name, base, host, rtspPort, codecs, own}) {
    const q = encodeURIComponent(name), at = (/** @type {string} */ path) => `${base}${path}`, rtsp = rtspOf(name, host, rtspPort);
    const pictures = codecs.filter(c => VIDEO.includes(c));
    // Sound alone is not what is meant, where there is a picture.
    const only = (/** @type {string[]} */ fit) => codecs.length && !(pictures.length ? pictures : codecs).some(c => fit.includes(c)) ? codecs.join(', ') : '';
    const shown = only(['H264', ...PICTURES]), rtc = only(['H264', 'AV1', 'Opus', 'PCMA', 'PCMU']), mp4 = only(IN_MP4), more = !codecs.includes('AAC') && codecs.some(c => MORE.includes(c)) ? '=all' : '';
    const sound = (/** @type {string[]} */ fit) => codecs.length && !codecs.some(c => fit.includes(c)) ? codecs.join(', ') : '';
    const all = [
        {key: 'camera', url: at(`camera.html?src=${q}`), who: 'browsers', misfit: '', page: true},
        {key: 'player', url: at(`stream.html?src=${q}&background=false`), who: 'frames', misfit: '', page: true},
        {key: 'webrtc', url: at(`webrtc.html?src=${q}`), who: 'browsers', misfit: rtc, page: true},
        {key: 'twoway', url: at(`webrtc.html?src=${q}&media=video+audio+microphone`), who: 'talk', misfit: rtc, page: true},
        {key: 'whep', url: at(`api/webrtc?src=${q}`), who: 'whep', misfit: rtc},
        {key: 'rtsp', url: rtsp, who: 'rtsp', misfit: ''},
        {key: 'rtspMp4', url: `${rtsp}?mp4`, who: 'recorders', misfit: only([...AVC, 'AAC'])},
        {key: 'snapshot', url: at(`api/frame.jpeg?src=${q}`), who: 'pictures', misfit: '', page: true},
        {key: 'poster', url: at(`api/rs/poster?src=${q}`), who: 'poster', misfit: '', page: true},
        {key: 'hlsPage', url: at(`hls.html?src=${q}&mp4${more}`), who: 'browsers', misfit: mp4, page: true},
        {key: 'hls', url: at(`api/stream.m3u8?src=${q}&mp4${more}`), who: 'apple', misfit: mp4},
        {key: 'hlsTs', url: at(`api/stream.m3u8?src=${q}`), who: 'vlc', misfit: only([...AVC, 'AAC'])},
        {key: 'mp4', url: at(`api/stream.mp4?src=${q}${more && `&mp4${more}`}`), who: 'progressive', misfit: mp4},
        {key: 'clip', url: at(`api/rs/clip.mp4?src=${q}&before=10s&after=20s`), who: 'clip', misfit: mp4},
        {key: 'ts', url: at(`api/stream.ts?src=${q}`), who: 'vlc', misfit: only([...AVC, 'AAC'])},
        {key: 'flv', url: at(`api/stream.flv?src=${q}`), who: 'flv', misfit: only([...AVC, 'AAC'])},
        {key: 'mjpeg', url: at(`api/stream.mjpeg?src=${q}`), who: 'anything', misfit: shown, page: true},
        {key: 'ascii', url: at(`api/stream.ascii?src=${q}`), who: 'terminal', misfit: shown},
        {key: 'y4m', url: at(`api/stream.y4m?src=${q}`), who: 'rtsp', misfit: only(['RAWVIDEO'])},
        {key: 'frame', url: at(`api/frame.mp4?src=${q}`), who: 'progressive', misfit: mp4},
        {key: 'annexb', url: at(`api/stream.${codecs.includes('H265') ? 'hevc' : 'h264'}?src=${q}`), who: 'rtsp', misfit: only(AVC)},
        {key: 'aac', url: at(`api/stream.aac?src=${q}`), who: 'sound', misfit: sound(['AAC'])},
        {key: 'wav', url: at(`api/stream.wav?src=${q}`), who: 'sound', misfit: sound(PCM)},
        {key: 'sendCamera', url: at(`webrtc.html?dst=${q}&media=camera+microphone`), who: 'talk', misfit: '', page: true, into: true},
        {key: 'sendScreen', url: at(`webrtc.html?dst=${q}&media=display+microphone`), who: 'talk', misfit: '', page: true, into: true},
        {key: 'whip', url: at(`api/webrtc?dst=${q}`), who: 'whip', misfit: '', into: true},
        {key: 'rtsp', url: rtsp, who: 'flv', misfit: '', into: true},
        {key: 'ts', url: at(`api/stream.ts?dst=${q}`), who: 'flv', misfit: '', into: true},
    ];
    return all.filter(({key, url}) => (rtspPort || !key.startsWith('rtsp')) && (own || !url.startsWith(at('api/rs/'))));
}

/**
 * The address of the pages as others reach them.
 * @param {string} base as this browser does, with a slash at its end
 * @param {string} wish a name or an address, with a port if it has another one, or all of what stands above a page there; anything else changes nothing
 */
export function seenAs(base, wish) {
    if (/^https?:\/\/[^@]+$/i.test(wish) && URL.canParse(wish)) return new URL('./', wish).href;
    const url = new URL(base);
    url.host = /^[\da-f]*:[\da-f]*:[\da-f:.]*$/i.test(wish) ? `[${wish}]` : wish;
    return url.href;
}

/** An address of pages as people read it: without what is the same everywhere. @param {string} base */
export const shortOf = base => base.replace(/^http:\/\//, '').replace(/\/$/, '');

/** The address that a server listens on, if it is one and not all. @param {string} listen as in the configuration */
export const boundTo = listen => listen.replace(/:\d*$/, '').replace(/^(0\.0\.0\.0|\[::\])$/, '');

/** Only the machine itself means itself by it. @param {string} host */
export const isLocal = host => /^(localhost|127[\d.]+|\[::1\])$/i.test(host);

/** @param {string} name @param {string} host @param {string} port */
const rtspOf = (name, host, port) => `rtsp://${host}:${port}/${name.split('/').map(encodeURIComponent).join('/')}`;

/** Text to copy into other programs. @param {{name: string, base: string, host: string, rtspPort: string}} about @returns {[string, string][]} */
export function snippets({name, base, host, rtspPort}) {
    const q = encodeURIComponent(name), rtsp = rtspOf(name, host, rtspPort), quoted = `'${rtsp.replaceAll('\'', '%27')}'`;
    const key = /^[\w-]+$/.test(name) ? name : JSON.stringify(name);
    return [
        ['iframe', `<iframe src="${base}stream.html?src=${q}&amp;background=false" allow="autoplay; fullscreen" width="640" height="360"></iframe>`],
        ['ffmpeg', `ffmpeg -rtsp_transport tcp -i ${quoted} -c copy out.mkv`],
        ['ffplay', `ffplay -rtsp_transport tcp ${quoted}`],
        ['VLC', `vlc ${quoted}`],
        ['Frigate', `cameras:\n  ${key}:\n    ffmpeg:\n      inputs:\n        - path: ${rtsp}\n          input_args: preset-rtsp-restream\n          roles: [record]`],
        ['Home Assistant', `camera:\n  - platform: generic\n    name: ${key}\n    stream_source: ${rtsp}`],
    ];
}
