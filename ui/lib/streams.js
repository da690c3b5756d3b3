/**
 * The streams of the server: their list is loaded once and again when something happens, states come from the events, and pages that show
 * rates ask now and then. Below: the state in words and as a chip, and what the JSON tells.
 */
import {h, say} from './dom.js';
import {duration, has, orderOf, t} from './i18n.js';
import {call, clockShift, Gatherer, getJson} from './server.js';

/** Events after which the list is loaded again. @type {import('../types.js').StreamEventName[]} */
const CHANGES = ['source_opened', 'source_released', 'viewer_joined', 'viewer_left', 'viewer_parked', 'viewer_resumed', 'source_failed', 'streams_changed'];
/** Milliseconds between two tellings: hundreds of events may come at once. */
const TELL_EVERY = 250;
/**
 * @typedef {object} Entry
 * @property {string} name
 * @property {Stream} json
 * @property {'idle'|'dialling'|'live'|'lingering'|'warm'|'retrying'|'failed'|'queued'} state
 * @property {number} since when the source that is open was opened, as of `Date.now()`; 0: not known
 * @property {number} viewers
 * @property {string} error why it failed
 * @property {string} kind class of the failure
 * @property {number} retryAt when it is tried again; 0: not by itself
 * @property {number|null} released milliseconds of the last release
 * @property {number} bitsIn per second, from the last two looks
 * @property {number} bitsOut
 * @property {number[]} history rates of the last looks, oldest first
 * @property {{at: number, error: string}[]} errors the last five
 */

export class Streams extends EventTarget {
    /** @type {Map<string, Entry>} */
    all = new Map();
    loaded = false;
    /** Why the last load failed; without a `status` the server was not reached. @type {any} */
    problem = null;
    #loads = new Gatherer(() => this.#load());
    #times = new Gatherer(() => this.#loadTimes());
    /** The server knows no times. */
    #timeless = false;
    /** @type {Map<string, {at: number, in: number, out: number}>} */
    #bytes = new Map();
    /** @type {any} */
    #telling = 0;
    #toldAt = -TELL_EVERY;

    /**
     * @param {import('./server.js').Feed} feed
     * @param {{look?: number}} [options] `look`: milliseconds between looks at the rates; 0: none
     */
    constructor(feed, {look = 0} = {}) {
        super();
        this.feed = feed;
        feed.on(['source_opening', 'source_opened', 'source_failed', 'source_waiting', 'source_stalled', 'source_released'], (/** @type {any} */ ev, name) => this.#hear(ev, name));
        // What failed may be another source now; what still fails is told with the next answer.
        feed.on(['streams_changed'], ({stream}) => Object.assign(this.all.get(stream) ?? {}, {error: '', kind: '', retryAt: 0}));
        feed.on(CHANGES, () => this.#loads.soon());
        feed.on(['source_opened'], () => this.#times.soon());
        for (const name of ['reset', 'restarted']) feed.addEventListener(name, () => {
            for (const entry of this.all.values()) Object.assign(entry, {error: '', kind: '', retryAt: 0});
            this.#timeless = false;
            this.load();
            this.#times.soon();
        });
        let first = true;
        feed.addEventListener('state', () => {
            // The page is asking already: what happens meanwhile waits for the first paint.
            if (feed.state === 'live' && first) asked.then(() => this.#loads.soon());
            else if (feed.state === 'live') this.load();
            if (feed.state === 'live') asked.then(() => this.#times.soon());
            first = false;
        });
        // A server without the feed is looked at now and then, and one that was not reached again.
        setInterval(() => {
            if (!document.hidden && (look || this.problem && !this.problem.status || feed.state === 'lost' || feed.state === 'absent')) this.#loads.look();
        }, look || 2000);
        document.addEventListener('visibilitychange', () => document.hidden || this.load());
        const asked = this.load();
    }

    load() {
        return this.#loads.now();
    }

    async #load() {
        try {
            const json = await getJson('api/streams');
            this.problem = null;
            this.loaded = true;
            // The feed may wait for much longer until it tries again.
            if (this.feed.boot) this.feed.now();
            for (const name of this.all.keys()) if (!Object.hasOwn(json, name)) {
                this.all.delete(name);
                this.#bytes.delete(name);
            }
            for (const [name, stream] of Object.entries(json)) this.#take(name, stream);
        } catch (err) {
            this.problem = err;
        }
        this.#tell();
    }

    /** Since when each is open, and how long it took to let it go. */
    async #loadTimes() {
        if (this.#timeless || this.feed.state !== 'live') return;
        const response = await call('GET', 'api/rs/streams', {accept: [404]}).catch(() => null), /** @type {import('../types.js').StreamsAbout|false|undefined} */ answer = response?.ok && await response.json().catch(() => null);
        this.#timeless = response?.status === 404;
        if (!answer) return;
        for (const [name, {since, release_ms}] of Object.entries(answer.streams)) {
            const entry = this.all.get(name);
            if (!entry) continue;
            entry.since = since ? since + clockShift(/** @type {Response} */ (response)) : 0;
            entry.released = release_ms ?? entry.released;
        }
        this.#tellSoon();
    }

    /** In the order of their names. @returns {Entry[]} */
    sorted() {
        const order = orderOf([...this.all.keys()]);
        return [...this.all.values()].sort((a, b) => order(a.name, b.name));
    }

    #tell() {
        clearTimeout(this.#telling);
        this.#telling = 0;
        this.#toldAt = performance.now();
        this.dispatchEvent(new Event('change'));
    }

    #tellSoon() {
        this.#telling ||= setTimeout(() => this.#tell(), Math.max(0, this.#toldAt + TELL_EVERY - performance.now()));
    }

    /** @param {string} name @returns {Entry} */
    #entry(name) {
        let entry = this.all.get(name);
        if (!entry) {
            entry = {name, json: {producers: null, consumers: null}, state: 'idle', since: 0, viewers: 0, error: '', kind: '',
                retryAt: 0, released: null, bitsIn: 0, bitsOut: 0, history: [], errors: []};
            this.all.set(name, entry);
        }
        return entry;
    }

    /** @param {string} name @param {Stream} json */
    #take(name, json) {
        const entry = this.#entry(name), now = describe(json), consumers = json.consumers ?? [];
        entry.json = json;
        entry.viewers = now.viewers;
        const warm = consumers.some(c => c.format_name === 'preload');
        const pushing = (json.producers ?? []).some(p => p.format_name && !p.source && p.url === 'external');
        // A failure from before this page; what the events tell is fresher.
        const failed = now.state === 'failed' && !entry.error ? json.producers?.find(p => p.error) : null;
        if (failed) Object.assign(entry, {error: failed.error, kind: failed.error_kind ?? ''});
        if (now.state === 'live') {
            entry.error = '';
            // What stands still is about to be opened again.
            if (entry.kind !== 'stalled') entry.state = now.viewers || pushing ? 'live' : warm ? 'warm' : 'lingering';
        } else if (entry.error) {
            entry.state = entry.retryAt && (now.viewers || warm) ? 'retrying' : 'failed';
        } else if (entry.state === 'queued' && now.viewers) {
            // It still waits.
        } else {
            entry.state = now.viewers || warm ? 'dialling' : 'idle';
        }
        if (now.state !== 'live') entry.since = 0;
        this.#measure(entry);
    }

    /** @param {Entry} entry */
    #measure(entry) {
        const sum = (/** @type {Connection[]|null} */ list, /** @type {'bytes_recv'|'bytes_send'} */ key) => (list ?? []).reduce((all, c) => all + (c[key] ?? 0), 0);
        const now = {at: Date.now(), in: sum(entry.json.producers, 'bytes_recv'), out: sum(entry.json.consumers, 'bytes_send')};
        const before = this.#bytes.get(entry.name);
        if (before && now.at - before.at < 900) return;
        this.#bytes.set(entry.name, now);
        if (!before) return;
        const per = (/** @type {number} */ bytes) => Math.max(0, bytes * 8000 / (now.at - before.at));
        entry.bitsIn = per(now.in - before.in);
        entry.bitsOut = per(now.out - before.out);
        entry.history.push(entry.bitsIn);
        if (entry.history.length > 30) entry.history.shift();
    }

    /** @param {import('../types.js').EventSourceFailed & import('../types.js').EventSourceReleased} ev has what its name tells @param {string} name */
    #hear(ev, name) {
        const entry = this.all.get(ev.stream);
        // One that is only tried, or not loaded yet.
        if (!entry) return;
        if (name === 'source_opening') {
            if (entry.state !== 'live') entry.state = 'dialling';
        } else if (name === 'source_waiting') {
            entry.state = 'queued';
        } else if (name === 'source_opened') {
            Object.assign(entry, {error: '', kind: '', retryAt: 0, bitsIn: 0, bitsOut: 0, since: entry.since || Date.now()});
            // Another connection counts anew.
            this.#bytes.delete(entry.name);
            entry.state = entry.viewers ? 'live' : 'dialling';
        } else if (name === 'source_failed') {
            entry.error = ev.error;
            // It ends what stands still to open it again.
            if (entry.kind !== 'stalled' || ev.kind !== 'ended') entry.kind = ev.kind;
            const retryAt = ev.retry_ms === null ? 0 : Date.now() + ev.retry_ms;
            Object.assign(entry, {retryAt, state: retryAt ? 'retrying' : 'failed', since: 0, errors: [{at: ev.at, error: ev.error}, ...entry.errors].slice(0, 5)});
        } else if (name === 'source_stalled') {
            Object.assign(entry, {state: 'failed', kind: 'stalled'});
        } else if (name === 'source_released') {
            Object.assign(entry, {state: 'idle', since: 0, released: ev.release_ms});
        }
        this.#tellSoon();
    }
}

// ---- the state in words and as a chip: a shape and a word, never colour alone ----

/** @returns {{node: HTMLElement, show: (entry: Entry, text?: string) => void}} */
export function chip() {
    const node = h('span', {class: 'state', hidden: true});
    return {
        node,
        show(entry, text = stateText(entry)) {
            node.hidden = false;
            node.dataset.state = entry.state;
            say(node, text);
            node.title = entry.error;
        },
    };
}

/** The state in words. @param {Entry} entry */
export function stateText(entry) {
    if (entry.state === 'retrying') {
        const wait = Math.ceil((entry.retryAt - Date.now()) / 1000);
        return wait > 0 ? `${failure(entry.kind)} · ${t('tile.retryIn', {s: wait})}` : t('state.retrying');
    }
    if (entry.state === 'failed') return failure(entry.kind);
    if (entry.state === 'live') return `${t('state.live')}${entry.since ? ` ${duration(Math.max(1, Math.floor((Date.now() - entry.since) / 1000)) * 1000)}` : ''}`;
    return t(`state.${entry.state}`);
}

const KINDS = ['auth', 'busy', 'unreachable', 'config', 'unsupported', 'not_found', 'gone', 'ended', 'stalled', 'protocol'];

/** Words for the class of a failure. @param {string} kind */
export const failure = kind => KINDS.includes(kind) ? t(`fail.${kind}`) : t('state.failed');

/** What a person can do about it; empty where there is no advice. @param {string} kind */
export const hint = kind => has(`hint.${kind}`) ? t(`hint.${kind}`) : '';

// ---- what the JSON of `api/streams` tells ----

/** @typedef {import('../types.js').Connection} Connection @typedef {import('../types.js').Stream} Stream @typedef {import('../types.js').Codec} Codec */

/** Consumers nobody watches. */
const NOT_VIEWERS = ['preload', 'probe'];

/** @param {Stream} stream @returns {{state: 'live'|'failed'|'starting'|'idle', viewers: number}} */
export function describe(stream) {
    const producers = stream.producers ?? [], viewers = (stream.consumers ?? []).filter(c => !NOT_VIEWERS.includes(c.format_name ?? '') && !isTalkOnly(c)).length;
    return {state: producers.some(isConnected) ? 'live' : producers.some(p => p.error) ? 'failed' : viewers ? 'starting' : 'idle', viewers};
}

/** Names of the API, and of people. @type {Record<string, string>} */
const CODECS = {HEVC: 'H265', PCM_ALAW: 'PCMA', PCM_MULAW: 'PCMU', OPUS: 'Opus'};

/** Ways to carry a stream. @type {Record<string, string>} */
const WAYS = {webrtc: 'WebRTC', mse: 'MSE', hls: 'HLS', rtsp: 'RTSP', mjpeg: 'MJPEG', mp4: 'MP4', mpegts: 'MPEG-TS', flv: 'FLV'};

/** @param {string} format of the API, or a mode of the player */
export const wayName = format => WAYS[format.split('/')[0]] ?? format;

/** @param {string} [name] of the API */
export const codecName = (name = '') => CODECS[name.toUpperCase()] ?? name.toUpperCase();

/** The codecs that come from the camera, pictures before sound. @param {Stream} stream @returns {string[]} names for people, each once */
export function codecsOf(stream) {
    const codecs = (stream.producers ?? []).flatMap(p => (p.receivers ?? []).map(r => r.codec ?? {}));
    codecs.sort((a, b) => Number(b.codec_type === 'video') - Number(a.codec_type === 'video'));
    return [...new Set(codecs.map(c => codecName(c.codec_name)))].filter(Boolean);
}

/** @type {[string, RegExp][]} */
const BROWSERS = [['Edge', /Edg\//], ['Chrome', /Chrom(e|ium)\//], ['Firefox', /Firefox\//], ['Safari', /Safari\//]];

/** A browser or player in one word. @param {string|null} [agent] */
export const agentName = agent => BROWSERS.find(([, pattern]) => pattern.test(agent ?? ''))?.[0] ?? (agent ?? '').split('/')[0].slice(0, 24);

/** Can somebody talk to it? @param {Stream} stream */
export const hasLoudspeaker = stream => (stream.producers ?? []).some(p => (p.medias ?? []).some(m => m.startsWith('audio, sendonly')) || /#.*\bbackchannel=1\b/.test(p.url ?? ''));

/** @param {Connection} consumer */
const isTalkOnly = consumer => Boolean(consumer.receivers?.length) && !consumer.senders?.length;

/** A source that is not connected is only its address. @param {Connection} producer */
const isConnected = producer => Boolean(producer.id || producer.format_name || producer.medias || producer.bytes_recv);
