/**
 * A small loader of live HLS with fMP4 segments (RFC 8216) for browsers that do not play it themselves: fetches the playlist and each
 * segment once, and stays near the live edge.
 */

/** Seconds of media behind the picture that are kept, and that it may be behind the newest. */
const KEEP = 10, BEHIND = 8;
/** Milliseconds that a request may take, requests in a row that may fail, and milliseconds after the first that did; later ones take more. */
const LIMIT = 10_000, TRIES = 5, PAUSE = 500;

const sleep = (/** @type {number} */ ms) => new Promise(resolve => setTimeout(resolve, ms));

/**
 * A playlist as far as it is needed here. Pure.
 * @param {string} text
 * @param {URL} base where it came from
 * @returns {{streams: {url: string, codecs: string}[], target: number, sequence: number, segments: {url: string, map: string, isNew: boolean}[], ended: boolean}}
 *     `isNew`: it does not continue what was before
 */
export function parse(text, base) {
    const out = {streams: /** @type {{url: string, codecs: string}[]} */ ([]), target: 1, sequence: 0, segments: /** @type {{url: string, map: string, isNew: boolean}[]} */ ([]), ended: false};
    let map = '', isNew = false;
    const at = (/** @type {string} */ url) => new URL(url, base).href;
    /** @type {string|null} */
    let codecs = null;
    for (const line of text.split(/\r?\n/)) {
        if (line.startsWith('#EXT-X-STREAM-INF:')) codecs = /CODECS="([^"]*)"/.exec(line)?.[1] ?? '';
        else if (line.startsWith('#EXT-X-MAP:')) map = at(/URI="([^"]*)"/.exec(line)?.[1] ?? '');
        else if (line === '#EXT-X-DISCONTINUITY') isNew = true;
        else if (line.startsWith('#EXT-X-TARGETDURATION:')) out.target = Number(line.split(':')[1]) || 1;
        else if (line.startsWith('#EXT-X-MEDIA-SEQUENCE:')) out.sequence = Number(line.split(':')[1]) || 0;
        else if (line.startsWith('#EXT-X-ENDLIST')) out.ended = true;
        else if (line && !line.startsWith('#')) {
            if (codecs !== null) out.streams.push({url: at(line), codecs});
            else out.segments.push({url: at(line), map, isNew});
            codecs = null;
            isNew = false;
        }
    }
    return out;
}

/**
 * Boxes one behind the other (ISO/IEC 14496-12 4.2), those in the named ones too.
 * @param {DataView} view
 * @param {Set<string>} open names of boxes that hold boxes
 * @param {number} [from]
 * @param {number} [to]
 * @returns {Generator<{name: string, at: number}>} `at`: where the content of a box begins
 */
function* boxes(view, open, from = 0, to = view.byteLength) {
    while (from + 8 <= to) {
        const size = view.getUint32(from), name = String.fromCharCode(...[4, 5, 6, 7].map(i => view.getUint8(from + i)));
        if (size < 8 || from + size > to) return;
        yield {name, at: from + 8};
        if (open.has(name)) yield* boxes(view, open, from + 8, from + size);
        from += size;
    }
}

const HOLDERS = new Set(['moov', 'trak', 'mdia', 'moof', 'traf']);

/**
 * When the first fragment of a segment begins, in seconds; `null` if it does not say. Pure.
 * @param {ArrayBuffer} init its initialisation segment
 * @param {ArrayBuffer} segment
 */
export function beginOf(init, segment) {
    const head = new DataView(init), body = new DataView(segment), scales = new Map();
    let track = 0;
    for (const {name, at} of boxes(head, HOLDERS)) {
        const long = (name === 'tkhd' || name === 'mdhd') && head.getUint8(at) === 1;
        if (name === 'tkhd') track = head.getUint32(at + (long ? 20 : 12));
        if (name === 'mdhd') scales.set(track, head.getUint32(at + (long ? 20 : 12)));
    }
    for (const {name, at} of boxes(body, HOLDERS)) {
        if (name === 'tfhd') track = body.getUint32(at + 4);
        if (name === 'tfdt') {
            const time = body.getUint8(at) === 1 ? Number(body.getBigUint64(at + 4)) : body.getUint32(at + 4);
            return scales.get(track) ? time / scales.get(track) : null;
        }
    }
    return null;
}

/** Does the browser play live playlists itself? Others say "maybe" and fail. @param {HTMLVideoElement} video */
export const native = video => video.canPlayType('application/vnd.apple.mpegurl') !== '' && ('ManagedMediaSource' in window || /^Apple/.test(navigator.vendor));

/** The server gives no playlist or no segment; why is in its own words. */
export class Refused extends Error {
    /** @param {string} text @param {number} status 0: it does not answer */
    constructor(text, status) {
        super(text);
        this.status = status;
    }
}

export class Loader {
    #stop = new AbortController();
    #next = -1;
    #map = '';
    /** What the address of `#map` holds. @type {ArrayBuffer|null} */
    #init = null;

    /**
     * @param {HTMLVideoElement} video
     * @param {URL} url of the playlist
     * @param {(why: unknown) => void} onlost it played and does not any more
     * @param {string} [master] the playlist, if it is known
     */
    constructor(video, url, onlost, master) {
        this.master = master;
        this.video = video;
        this.url = url;
        this.onlost = onlost;
    }

    /** Resolves when media is there; goes on by itself until it is stopped. */
    async start() {
        const Source = /** @type {typeof MediaSource|undefined} */ (/** @type {any} */ (window).ManagedMediaSource ?? window.MediaSource);
        if (!Source) throw new Error('this browser has no MediaSource');
        const master = parse(this.master ?? await this.#text(this.url), this.url);
        const best = master.streams[0] ?? {url: this.url.href, codecs: ''};
        const type = `video/mp4; codecs="${best.codecs}"`;
        if (!best.codecs || !Source.isTypeSupported(type)) throw new Error(`this browser cannot play ${best.codecs || 'this playlist'}`);
        const media = new Source();
        this.video.disableRemotePlayback = true;
        const place = URL.createObjectURL(media);
        this.video.src = place;
        await new Promise(resolve => media.addEventListener('sourceopen', resolve, {once: true}));
        URL.revokeObjectURL(place);
        const buffer = media.addSourceBuffer(type);
        const playlist = new URL(best.url);
        for (let fails = 0; !(await this.#round(playlist, buffer));) if (++fails > 100) throw new Error('no segment comes');
        this.#go(playlist, buffer);
    }

    stop() {
        this.#stop.abort();
    }

    /** @param {URL} playlist @param {SourceBuffer} buffer */
    async #go(playlist, buffer) {
        let fails = 0;
        while (!this.#stop.signal.aborted) {
            try {
                await this.#round(playlist, buffer);
                fails = 0;
            } catch (err) {
                if (this.#stop.signal.aborted) return;
                if (++fails >= TRIES) {
                    this.stop();
                    return this.onlost(err);
                }
                await sleep(PAUSE * fails);
            }
        }
    }

    /** Looks once, and takes what is new. @param {URL} url @param {SourceBuffer} buffer @returns {Promise<boolean>} media came */
    async #round(url, buffer) {
        const list = parse(await this.#text(url), url);
        if (this.#next < list.sequence || this.#next > list.sequence + list.segments.length) this.#next = Math.max(list.sequence, list.sequence + list.segments.length - 2);
        let came = false;
        for (const [i, segment] of list.segments.entries()) {
            if (list.sequence + i < this.#next) continue;
            if (segment.map && segment.map !== this.#map) {
                this.#init = await this.#bytes(segment.map);
                await this.#append(buffer, this.#init);
                this.#map = segment.map;
            }
            const bytes = await this.#bytes(segment.url);
            // Its time begins anew: it is put behind what is there.
            if (segment.isNew && this.#init) this.#follow(buffer, beginOf(this.#init, bytes));
            await this.#append(buffer, bytes);
            this.#next = list.sequence + i + 1;
            came = true;
        }
        this.#edge(buffer);
        if (!came) await sleep(Math.min(2000, Math.max(100, list.target * 250)));
        return came;
    }

    /** What comes next begins where the buffer ends. @param {SourceBuffer} buffer @param {number|null} begin in seconds of its own */
    #follow(buffer, begin) {
        const ranges = buffer.buffered;
        if (begin !== null && ranges.length) buffer.timestampOffset = ranges.end(ranges.length - 1) - begin;
    }

    /** @param {SourceBuffer} buffer */
    #edge(buffer) {
        const {video} = this, ranges = video.buffered;
        if (!ranges.length) return;
        const end = ranges.end(ranges.length - 1), start = ranges.start(0);
        if (video.currentTime < ranges.start(ranges.length - 1) || end - video.currentTime > BEHIND) video.currentTime = Math.max(ranges.start(ranges.length - 1), end - 2);
        if (video.currentTime - start > KEEP * 2 && !buffer.updating) buffer.remove(start, video.currentTime - KEEP);
    }

    /** @param {SourceBuffer} buffer @param {ArrayBuffer} bytes */
    async #append(buffer, bytes) {
        const idle = () => new Promise(resolve => buffer.updating ? buffer.addEventListener('updateend', resolve, {once: true}) : resolve(undefined));
        await idle();
        buffer.appendBuffer(bytes);
        await idle();
    }

    /** @param {URL|string} url */
    async #ask(url) {
        const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(LIMIT)]);
        const response = await fetch(url, {signal, cache: 'no-store'}).catch(err => {
            throw new Refused(err.message, 0);
        });
        if (!response.ok) throw new Refused((await response.text()).trim().slice(0, 300) || `status ${response.status}`, response.status);
        return response;
    }

    /** @param {URL|string} url */
    async #text(url) {
        const text = await (await this.#ask(url)).text();
        if (!text.startsWith('#EXTM3U')) throw new Error('the server gives no playlist');
        return text;
    }

    /** @param {URL|string} url */
    #bytes = async url => (await this.#ask(url)).arrayBuffer();
}
