/**
 * Every address at which a stream can be had, and who can play it with the codecs that it has. Pure.
 */

/**
 * @typedef {object} Place
 * @property {string} key words of its name
 * @property {string} url
 * @property {string[]} who words of who plays it
 * @property {string} hard the codec of the picture that not every browser decodes; empty if all do, or no browser is meant
 * @property {string} silent the codecs of the sound that it leaves out; empty if it has sound, or there is none
 * @property {string} misfit the codecs that keep it from this stream, or `clip`: the setting that it lacks; empty if it fits
 * @property {boolean} [page] it opens in a browser
 * @property {boolean} [into] who sends uses it, instead of who plays
 */

/** What is a picture, and what carries which of it and of the sound. */
const VIDEO = ['H264', 'H265', 'AV1', 'VP8', 'VP9', 'MJPEG', 'JPEG', 'RAWVIDEO'];
const AVC = ['H264', 'H265'], PICTURES = ['MJPEG', 'JPEG', 'RAWVIDEO'], PCM = ['PCMA', 'PCMU', 'PCM_S16BE', 'PCM_S16LE'];
/** Beyond AAC only who asks for them gets these. */
const MORE = ['Opus', 'MP3', 'FLAC', ...PCM], IN_MP4 = [...AVC, 'AV1', 'AAC', ...MORE], RTC_SOUND = ['Opus', 'PCMA', 'PCMU'];
/** What a browser decodes, or not, as its machine does. */
const HARD = ['H265', 'AV1'];

/**
 * @param {{name: string, base: string, host: string, rtspPort: string, codecs: string[], own: boolean, clip?: boolean}} about `base`: address of the pages with a
 *     slash at its end; `codecs`: names for people, empty if they are not known; `own`: the server has what go2rtc has not; `clip`: what has passed is kept
 * @returns {Place[]}
 */
export function places({name, base, host, rtspPort, codecs, own, clip}) {
    const q = encodeURIComponent(name), at = (/** @type {string} */ path) => `${base}${path}`, rtsp = rtspOf(name, host, rtspPort);
    const pictures = codecs.filter(c => VIDEO.includes(c)), sounds = codecs.filter(c => !VIDEO.includes(c));
    // Sound alone is not what is meant, where there is a picture.
    const main = pictures.length ? pictures : sounds, only = (/** @type {string[]} */ fit) => main.some(c => fit.includes(c)) ? '' : main.join(', ');
    const rtc = [...AVC, 'AV1', ...RTC_SOUND], ts = [...AVC, 'AAC'], more = !codecs.includes('AAC') && codecs.some(c => MORE.includes(c)) ? '=all' : '';
    const sound = (/** @type {string[]} */ fit) => codecs.some(c => fit.includes(c)) ? '' : (sounds.length ? sounds : pictures).join(', ');
    // What is to have sound leaves it out where it carries none of this kind.
    const silent = (/** @type {string[]} */ fit) => pictures.length && !sounds.some(c => fit.includes(c)) ? sounds.join(', ') : '';
    const carries = (/** @type {string[]} */ fit) => ({misfit: only(fit), silent: silent(fit)});
    // In a browser, where it is one of those that some do not decode.
    const hard = pictures.every(c => HARD.includes(c)) && pictures[0] || '', stills = hard === 'H265' ? ['stills'] : [];
    const all = [
        {key: 'camera', url: at(`camera.html?src=${q}`), who: ['browsers', ...stills], hard, ...carries([...IN_MP4, ...PICTURES]), page: true},
        {key: 'player', url: at(`stream.html?src=${q}&background=false`), who: ['frames', ...stills], hard, ...carries([...IN_MP4, ...PICTURES]), page: true},
        {key: 'webrtc', url: at(`webrtc.html?src=${q}`), who: ['browsers'], hard, ...carries(rtc), page: true},
        {key: 'twoway', url: at(`webrtc.html?src=${q}&media=video+audio+microphone`), who: ['talk'], hard, ...carries(rtc), page: true},
        {key: 'whep', url: at(`api/webrtc?src=${q}`), who: ['whep'], ...carries(rtc)},
        {key: 'rtsp', url: rtsp, who: ['rtsp']},
        {key: 'rtspMp4', url: `${rtsp}?mp4`, who: ['recorders'], ...carries(ts)},
        {key: 'snapshot', url: at(`api/frame.jpeg?src=${q}`), who: ['pictures'], page: true},
        {key: 'poster', url: at(`api/rs/poster?src=${q}`), who: ['poster'], page: true},
        {key: 'hlsPage', url: at(`hls.html?src=${q}&mp4${more}`), who: ['browsers'], hard, ...carries(IN_MP4), page: true},
        {key: 'hls', url: at(`api/stream.m3u8?src=${q}&mp4${more}`), who: ['apple'], ...carries(IN_MP4)},
        {key: 'hlsTs', url: at(`api/stream.m3u8?src=${q}`), who: ['vlc'], ...carries(ts)},
        {key: 'mp4', url: at(`api/stream.mp4?src=${q}${more && `&mp4${more}`}`), who: [hard ? 'rtsp' : 'progressive'], hard, ...carries(IN_MP4)},
        {key: 'clip', url: at(`api/rs/clip.mp4?src=${q}&before=10s&after=20s`), who: ['clip'], ...carries(IN_MP4), ...clip === false && {misfit: 'clip'}},
        {key: 'ts', url: at(`api/stream.ts?src=${q}`), who: ['vlc'], ...carries(ts)},
        {key: 'flv', url: at(`api/stream.flv?src=${q}`), who: ['flv'], ...carries(ts)},
        {key: 'mjpeg', url: at(`api/stream.mjpeg?src=${q}`), who: ['anything'], misfit: only(['H264', ...PICTURES]), page: true},
        {key: 'ascii', url: at(`api/stream.ascii?src=${q}`), who: ['terminal'], misfit: only(['H264', ...PICTURES])},
        {key: 'y4m', url: at(`api/stream.y4m?src=${q}`), who: ['rtsp'], misfit: only(['RAWVIDEO'])},
        {key: 'frame', url: at(`api/frame.mp4?src=${q}`), who: [hard ? 'rtsp' : 'progressive'], hard, misfit: only(IN_MP4)},
        {key: 'annexb', url: at(`api/stream.${codecs.includes('H265') ? 'hevc' : 'h264'}?src=${q}`), who: ['rtsp'], misfit: only(AVC)},
        {key: 'aac', url: at(`api/stream.aac?src=${q}`), who: ['sound'], misfit: sound(['AAC'])},
        {key: 'wav', url: at(`api/stream.wav?src=${q}`), who: ['sound'], misfit: sound(PCM)},
        {key: 'sendCamera', url: at(`webrtc.html?dst=${q}&media=camera+microphone`), who: ['talk'], page: true, into: true},
        {key: 'sendScreen', url: at(`webrtc.html?dst=${q}&media=display+microphone`), who: ['talk'], page: true, into: true},
        {key: 'whip', url: at(`api/webrtc?dst=${q}`), who: ['whip'], into: true},
        {key: 'rtsp', url: rtsp, who: ['flv'], into: true},
        {key: 'ts', url: at(`api/stream.ts?dst=${q}`), who: ['flv'], into: true},
    ];
    return all.map(place => ({hard: '', silent: '', misfit: '', ...place})).filter(({key, url}) => (rtspPort || !key.startsWith('rtsp')) && (own || !url.startsWith(at('api/rs/'))));
}

/** It names somebody, perhaps with a password: nothing to be kept or shown around. @param {string} wish */
export const isSecret = wish => wish.includes('@');

/** What is kept of such a wish: nothing of what may stand behind an address. @param {string} base @param {string} wish */
export const keptOf = (base, wish) => isSecret(wish) ? '' : /^https?:/i.test(wish) ? seenAs(base, wish) : wish.split(/[/?#]/)[0];

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
        // It takes such cameras from this dialog only, from no file.
        ['Home Assistant', `Settings > Devices & services > Add integration > Generic Camera\n\nStill Image URL: ${base}api/frame.jpeg?src=${q}\nStream Source URL: ${rtsp}\nRTSP transport protocol: TCP`],
    ];
}
