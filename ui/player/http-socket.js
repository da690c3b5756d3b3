/**
 * What a player uses where a proxy lets no WebSocket through: something like a socket that fetches the endless MP4 (`api/stream.mp4`) when it
 * is asked for MSE. Closing it ends the request, which is how the server hears that nobody watches. Other ways of playing are refused over it.
 */

/** The codecs of a player in the words of the query; sound as PCM comes as FLAC. @type {[RegExp, 'video'|'audio', string][]} */
const WORDS = [[/^avc1/, 'video', 'h264'], [/^hvc1/, 'video', 'h265'], [/^av01/, 'video', 'av1'], [/^mp4a\.40\.2$/, 'audio', 'aac'], [/^opus/, 'audio', 'opus'], [/^flac/, 'audio', 'pcma,pcmu,l16,pcml']];
const REFUSED = 'a proxy lets no WebSocket through';

export class HttpSocket extends EventTarget {
    /** @type {number} */
    readyState = WebSocket.CONNECTING;
    binaryType = 'arraybuffer';
    #abort = new AbortController();

    /** @param {string} url of the WebSocket that cannot be had, `.../api/ws?src=NAME` */
    constructor(url) {
        super();
        this.url = url;
        queueMicrotask(() => {
            if (this.readyState !== WebSocket.CONNECTING) return;
            this.readyState = WebSocket.OPEN;
            this.dispatchEvent(new Event('open'));
        });
    }

    /** @param {string} text */
    send(text) {
        const {type, value} = JSON.parse(text);
        if (type === 'mse') this.#play(String(value ?? ''));
        else if (/^(webrtc\/offer|webrtc|hls|mp4|mjpeg)$/.test(type)) queueMicrotask(() => this.#tell({type: 'error', value: `${type}: ${REFUSED}`}));
    }

    close() {
        if (this.readyState === WebSocket.CLOSED) return;
        this.readyState = WebSocket.CLOSED;
        this.#abort.abort();
        queueMicrotask(() => this.dispatchEvent(new Event('close')));
    }

    /** @param {string} codecs */
    async #play(codecs) {
        try {
            const response = await fetch(addressOf(this.url, codecs), {signal: this.#abort.signal, cache: 'no-store'});
            const type = response.headers.get('Content-Type') ?? '';
            if (!response.ok || !response.body || !type.startsWith('video/mp4')) {
                const text = response.ok ? `it answers with ${type || 'nothing'}` : (await response.text()).trim().slice(0, 500) || `status ${response.status}`;
                return this.#tell({type: 'error', value: `mse: ${text}`});
            }
            this.#tell({type: 'mse', value: type});
            for (const reader = response.body.getReader(); ;) {
                const {value, done} = await reader.read();
                if (done) break;
                this.dispatchEvent(new MessageEvent('message', {data: value.slice().buffer}));
            }
        } catch {
            // Ended by us, or the network.
        }
        this.close();
    }

    /** @param {object} message */
    #tell(message) {
        if (this.readyState === WebSocket.OPEN) this.dispatchEvent(new MessageEvent('message', {data: JSON.stringify(message)}));
    }
}

/** The address of the MP4 with what the browser plays. @param {string} url of the WebSocket @param {string} codecs a list as for MSE */
export function addressOf(url, codecs) {
    const place = new URL(url.replace(/^ws/, 'http'));
    place.pathname = place.pathname.replace(/ws$/, 'stream.mp4');
    for (const kind of ['video', 'audio']) {
        const names = WORDS.filter(([known, of]) => of === kind && codecs.split(',').some(codec => known.test(codec))).map(([, , name]) => name);
        if (names.length) place.searchParams.set(kind, names.join());
    }
    place.searchParams.set('burst', '1');
    return place.href;
}
