/**
 * Addresses of cameras as people give them: user name and password apart, so that nothing has to be escaped by hand. Pure.
 */

/** What most cameras understand, by its scheme. */
export const EXAMPLES = {rtsp: 'rtsp://192.168.1.64/stream1', http: 'http://192.168.1.64/video.mjpg', onvif: 'onvif://192.168.1.64', demo: 'demo:', ffmpeg: 'ffmpeg:rtsp://192.168.1.64/stream1#video=h264', dvrip: 'dvrip://192.168.1.64', rtmp: 'rtmp://192.168.1.64/bcs/channel0_main.bcs'};

/** Sources that only the configuration file may name, because they start programs. */
export const FILE_ONLY = ['exec', 'expr', 'echo'];

/** What `raw` of an FFmpeg source may say over the network: to turn and mirror. */
const TURNS = /^-vf "?(hflip|vflip|transpose(=[\w:=]+)?)(,(hflip|vflip|transpose(=[\w:=]+)?))*"?$/;

/** What `input` of an FFmpeg source may say over the network. */
const INPUTS = /^(file|http|rtsp|rtsp\/udp)$/;

/** What FFmpeg opens that is neither a stream nor in the network: a device, or an address of another kind. */
const LOCAL = /^ffmpeg:(device\?|(?!(https?|rtsps?|rtmps?):)[a-z][\w+.-]*:\/\/)/i;

/**
 * Only the configuration file may name it: it starts a program, opens a device, or gives FFmpeg options of its own. What else of FFmpeg's the server
 * refuses it says itself.
 * @param {string} text
 */
export function isFileOnly(text) {
    const source = text.trim(), values = (/** @type {string} */ name) => [...source.matchAll(new RegExp(`#${name}=([^#]*)`, 'g'))].map(([, value]) => value.trim());
    return FILE_ONLY.includes(schemeOf(source)) || schemeOf(source) === 'ffmpeg' && (LOCAL.test(source) || values('raw').some(one => !TURNS.test(one)) || values('input').some(one => !INPUTS.test(one)));
}

/** The server does not take a source from a page. @param {unknown} err */
export const wantsFile = err => err instanceof Error && /insecure producer|configuration file only/.test(err.message);

/** The host of a source; empty for what is plugged in. @param {string} url */
export const hostOf = url => /^(?:[a-z][\w+.-]*:)+\/\/(?:[^/?#]*@)?(\[[^\]]+\]|[^/:?#]+)/i.exec(url.trim())?.[1].toLowerCase() ?? '';

/** The scheme of a source; empty without one. @param {string} text */
export const schemeOf = text => /^([a-z][a-z0-9+.-]*):/i.exec(text.trim())?.[1].toLowerCase() ?? '';

/**
 * Puts user and password into an address. An address without a scheme is one of RTSP; a bare host gets no path.
 * @param {string} text
 * @param {string} user
 * @param {string} password
 */
export function compose(text, user, password) {
    let url = text.trim();
    if (!url) return '';
    if (!schemeOf(url) || /^[\w.-]+:\d+(\/|$)/.test(url)) url = `rtsp://${url}`;
    const parts = /^([a-z][a-z0-9+.-]*:\/\/)(?:([^/?#]*)@)?(.*)$/i.exec(url);
    if (!parts || !user && !password) return url;
    return `${parts[1]}${encodeURIComponent(user)}${password ? `:${encodeURIComponent(password)}` : ''}@${parts[3]}`;
}

/** Takes user and password out of an address. @param {string} text @returns {{url: string, user: string, password: string}} */
export function split(text) {
    const parts = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)@(.*)$/i.exec(text.trim());
    if (!parts) return {url: text.trim(), user: '', password: ''};
    const decode = (/** @type {string} */ part) => {
        try {
            return decodeURIComponent(part);
        } catch {
            return part;
        }
    };
    const at = parts[2].indexOf(':');
    return {url: parts[1] + parts[3], user: decode(at < 0 ? parts[2] : parts[2].slice(0, at)), password: at < 0 ? '' : decode(parts[2].slice(at + 1))};
}

/** A name for a camera, from its address. @param {string} url @param {(name: string) => boolean} taken */
export function suggest(url, taken) {
    const host = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#]*@)?([^/:?#]+)/i.exec(url)?.[1] ?? schemeOf(url);
    const base = /^[\d.]+$/.test(host) ? `camera_${host.split('.').pop()}` : (host.split('.')[0] || 'camera').replace(/[^\w-]/g, '_');
    let name = base;
    for (let i = 2; taken(name); i++) name = `${base}_${i}`;
    return name;
}
