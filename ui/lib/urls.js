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
 */

const IN_MP4 = ['H264', 'H265', 'HEVC', 'AAC', 'OPUS', 'MP3', 'FLAC', 'PCM_ALAW', 'PCM_MULAW', 'PCMA', 'PCMU', 'AV1'];

/**
 * @param {{name: string, base: string, host: string, rtspPort: string, codecs: string[]}} about `base`: address of the pages with a slash at
 *     its end; `codecs`: upper case, empty if they are not known
 * @returns {Place[]}
 */
export function places({name, base, host, rtspPort, codecs}) {
    const q = encodeURIComponent(name), at = (/** @type {string} */ path) => `${base}${path}`, inPath = name.split('/').map(encodeURIComponent).join('/');
    const without = (/** @type {string[]} */ fit) => codecs.length && !codecs.some(c => fit.includes(c)) ? codecs.join(', ') : '';
    const h265 = codecs.includes('H265') || codecs.includes('HEVC');
    const all = [
        {key: 'camera', url: at(`camera.html?src=${q}`), who: 'browsers', misfit: '', page: true},
        {key: 'player', url: at(`stream.html?src=${q}&background=false`), who: 'frames', misfit: '', page: true},
        {key: 'webrtc', url: at(`webrtc.html?src=${q}`), who: 'browsers', misfit: h265 ? codecs.join(', ') : '', page: true},
        {key: 'twoway', url: at(`webrtc.html?src=${q}&media=video+audio+microphone`), who: 'talk', misfit: h265 ? codecs.join(', ') : '', page: true},
        {key: 'whep', url: at(`api/webrtc?src=${q}`), who: 'whep', misfit: h265 ? codecs.join(', ') : ''},
        {key: 'rtsp', url: `rtsp://${host}:${rtspPort}/${inPath}`, who: 'rtsp', misfit: ''},
        {key: 'rtspMp4', url: `rtsp://${host}:${rtspPort}/${inPath}?mp4`, who: 'recorders', misfit: without(['H264', 'H265', 'HEVC', 'AAC'])},
        {key: 'snapshot', url: at(`api/frame.jpeg?src=${q}`), who: 'pictures', misfit: '', page: true},
        {key: 'mp4', url: at(`api/stream.mp4?src=${q}`), who: 'progressive', misfit: without(IN_MP4)},
        {key: 'hls', url: at(`api/stream.m3u8?src=${q}&mp4`), who: 'apple', misfit: without(IN_MP4)},
        {key: 'hlsPage', url: at(`hls.html?src=${q}&mp4`), who: 'browsers', misfit: without(IN_MP4), page: true},
        {key: 'ts', url: at(`api/stream.ts?src=${q}`), who: 'vlc', misfit: without(['H264', 'H265', 'HEVC', 'AAC'])},
        {key: 'mjpeg', url: at(`api/stream.mjpeg?src=${q}`), who: 'anything', misfit: '', page: true},
    ];
    return rtspPort ? all : all.filter(place => !place.key.startsWith('rtsp'));
}

/** Text to copy into other programs. @param {{name: string, base: string, host: string, rtspPort: string}} about @returns {[string, string][]} */
export function snippets({name, base, host, rtspPort}) {
    const q = encodeURIComponent(name), rtsp = `rtsp://${host}:${rtspPort}/${name.split('/').map(encodeURIComponent).join('/')}`;
    const key = /^[\w-]+$/.test(name) ? name : JSON.stringify(name);
    return [
        ['iframe', `<iframe src="${base}stream.html?src=${q}&amp;background=false" allow="autoplay; fullscreen" width="640" height="360"></iframe>`],
        ['ffmpeg', `ffmpeg -rtsp_transport tcp -i '${rtsp.replaceAll('\'', '%27')}' -c copy out.mkv`],
        ['VLC', `vlc '${rtsp.replaceAll('\'', '%27')}'`],
        ['Frigate', `cameras:\n  ${key}:\n    ffmpeg:\n      inputs:\n        - path: ${rtsp}\n          input_args: preset-rtsp-restream\n          roles: [record]`],
        ['Home Assistant', `camera:\n  - platform: generic\n    name: ${key}\n    stream_source: ${rtsp}`],
    ];
}
