/**
 * The way to the server: calls, what it tells as it happens, and loads that events ask for. Addresses are relative to the page, so that
 * everything works under any prefix.
 */
import {has, t} from './i18n.js';
import {admin} from './prefs.js';

/** An answer that is no success, with the server's own words. */
export class ApiError extends Error {
    /** @param {number} status 0: the server was not reached @param {string} text @param {string} [call] method and path; what stands behind the path may be a secret @param {string} [kind] class of what failed */
    constructor(status, text, call = '', kind = '') {
        super(text);
        this.status = status;
        this.call = call;
        this.kind = kind;
    }
}

/** When data was loaded last, as of `Date.now()`. */
let answered = 0;

/** @param {string} path @param {Record<string, string|string[]|undefined>} [query] */
export function address(path, query = {}) {
    const params = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
        for (const one of Array.isArray(value) ? value : value === undefined ? [] : [value]) params.append(name, one);
    }
    const text = params.toString();
    return text ? `${path}?${text}` : path;
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{query?: Record<string, any>, body?: any, headers?: Record<string, string>, signal?: AbortSignal, limit?: number, accept?: number[]}} [options]
 *     `accept`: other status codes that are no error; `limit`: milliseconds, default 15 s
 * @returns {Promise<Response>}
 */
export async function call(method, path, {query, body, headers, signal, limit = 15_000, accept = []} = {}) {
    const signals = [AbortSignal.timeout(limit), ...(signal ? [signal] : [])];
    const plain = body === undefined || typeof body === 'string' || body instanceof Blob;
    let response;
    try {
        const asked = method === 'GET' && early(address(path, query));
        // Not as who has signed in.
        response = await (!admin() && asked || fetch(address(path, query), {method, cache: 'no-store', signal: AbortSignal.any(signals),
            body: plain ? body : JSON.stringify(body), headers: {...!plain && {'Content-Type': 'application/json'}, 'X-RS': admin() || '1', ...headers}}));
    } catch (err) {
        if (signal?.aborted) throw err;
        throw new ApiError(0, t('common.unreachable'), `${method} ${path}`);
    }
    if (response.ok && method === 'GET') answered = Date.now();
    if (response.ok || accept.includes(response.status)) return response;
    const text = (await response.text().catch(() => '')).trim();
    if (method !== 'GET' && /\badmin token\b/.test(text) && await (await import('./token.js')).askToken()) return call(method, path, {query, body, headers, signal, limit, accept});
    throw new ApiError(response.status, text.slice(0, 2000) || t('common.status', {status: String(response.status)}), `${method} ${path}`, text && (response.headers.get('X-RS-Error') ?? 'other'));
}

/** The answer to what `early.js` has asked for, once. @param {string} path @returns {Promise<Response>|undefined} */
function early(path) {
    const asked = /** @type {any} */ (window).early;
    if (asked?.path !== path) return undefined;
    delete /** @type {any} */ (window).early;
    return asked.response;
}

/** @template {string} P @param {P} path @param {Record<string, any>} [query] @returns {Promise<import('../types.js').Answer<P>>} */
export async function getJson(path, query) {
    const response = await call('GET', path, {query});
    return response.json().catch(err => {
        // What is no JSON does not come from the server; what ends too early is lost on the way.
        throw err instanceof SyntaxError ? new ApiError(response.status, t('common.foreign'), `GET ${path}`) : new ApiError(0, t('common.unreachable'), `GET ${path}`);
    });
}

/** Which version of a file an answer is, as `base` of a change wants it. @param {Response} response */
export const etag = response => (response.headers.get('ETag') ?? '').replace(/^(W\/)?"|"$/g, '');

/** Milliseconds to be added to the times of an answer: small machines have no clock of their own, and may be far off. @param {Response} response */
export function clockShift(response) {
    const off = Date.now() - Date.parse(response.headers.get('Date') ?? '');
    return Math.abs(off) > 5000 ? off : 0;
}

/** @param {unknown} err */
export function explain(err) {
    if (err instanceof ApiError && (err.status === 401 || err.status === 403)) return `${t(err.call.startsWith('GET') ? 'common.unseen' : 'common.forbidden')}\n${err.message}`;
    // Its own words are English: what kind of thing it says is not.
    if (err instanceof ApiError && err.kind) return has(`said.${err.kind}`) ? `${t(`said.${err.kind}`)}\n${err.message}` : t('common.said', {text: err.message});
    return err instanceof Error ? err.message : String(err);
}

// ---- what the server tells as it happens ----

/** @type {import('../types.js').EventName[]} */
const NAMES = ['source_opening', 'source_opened', 'source_failed', 'source_waiting', 'source_stalled', 'source_released', 'streams_changed',
    'viewer_joined', 'viewer_parked', 'viewer_resumed', 'viewer_left', 'talk_started', 'talk_ended', 'log', 'reset', 'ping'];
const WAITS = [1000, 2000, 5000, 10_000];
/** Milliseconds that a hidden page keeps its connection, and after which a server that pings every 15 s is not behind it any more. */
const HIDDEN_KEEPS = 5000, SILENCE = 35_000;

/**
 * Events (`api/rs/events`), one connection per page. A lost one is made again after 1, 2, 5 and then every 10 seconds, at once when the network or the
 * visitor comes back; the browser gets what it missed. A page that nobody sees gives its connection back: browsers have six for a server, and a
 * seventh page would wait for ever. The server pings: where it does not any more there is no connection, whatever the browser thinks. A go2rtc has no such call: `absent`, and pages look now and then.
 *
 * @fires Feed#EVENT every event of the server, detail: its data
 * @fires Feed#state when the connection comes or goes
 * @fires Feed#reset what is known is out of date: load it again
 * @fires Feed#restarted the server is another run of the program
 */
export class Feed extends EventTarget {
    /** @type {'connecting'|'live'|'lost'|'absent'} */
    state = 'connecting';
    #heard = Date.now();
    boot = '';
    #last = '';
    #tries = 0;
    /** @type {Record<'again'|'hiding'|'silence', any>} */
    #timers = {again: 0, hiding: 0, silence: 0};
    #pings = false;
    /** It has given its connection back. */
    #away = false;
    /** @type {EventSource|null} */
    #source = null;
    #opened = 0;

    /** @param {string} topics */
    constructor(topics) {
        super();
        this.topics = topics;
        window.addEventListener('online', () => this.now(0));
        document.addEventListener('visibilitychange', () => this.#seen(!document.hidden));
        // An open connection would keep the page from being kept by the browser.
        window.addEventListener('pagehide', () => this.#close());
        window.addEventListener('pageshow', ev => ev.persisted && this.#seen(!document.hidden));
        this.#open();
        // A tab may be opened behind the others.
        if (document.hidden) this.#seen(false);
    }

    /** As of when the page knows how things are, as of `Date.now()`. */
    get heard() {
        return Math.max(this.#heard, answered);
    }

    /** Tries again, if it is lost. @param {number} [patience] milliseconds that an attempt may take which is under way */
    now(patience = 10_000) {
        if (this.state === 'lost' && !this.#away && !(this.#source && Date.now() - this.#opened < patience)) this.#open();
    }

    /** @param {boolean} seen */
    #seen(seen) {
        clearTimeout(this.#timers.hiding);
        if (!seen) {
            this.#timers.hiding = setTimeout(() => {
                this.#away = true;
                this.#close();
            }, HIDDEN_KEEPS);
            return;
        }
        this.#away = false;
        if (!this.#source && this.state !== 'absent') this.#open();
    }

    #close() {
        clearTimeout(this.#timers.again);
        clearTimeout(this.#timers.silence);
        this.#source?.close();
        this.#source = null;
    }

    #open() {
        this.#close();
        const query = new URLSearchParams({topics: this.topics});
        if (this.#last) query.set('last', this.#last);
        const source = new EventSource(`api/rs/events?${query}`);
        this.#source = source;
        this.#opened = Date.now();
        let told = false;
        for (const name of NAMES) source.addEventListener(name, ev => this.#hear(name, ev));
        source.addEventListener('hello', ev => {
            const {boot} = JSON.parse(ev.data);
            const again = this.boot && this.boot !== boot;
            if (again) this.#pings = false;
            this.boot = boot;
            this.#tries = 0;
            told = true;
            this.#hear('', ev);
            this.#enter('live');
            if (again) this.dispatchEvent(new Event('restarted'));
        });
        source.addEventListener('error', () => {
            if (this.#source !== source) return;
            // What it knew until now was true.
            if (told) this.#heard = Date.now();
            this.#lose();
        });
        this.#watch();
    }

    #watch() {
        clearTimeout(this.#timers.silence);
        if (this.#pings) this.#timers.silence = setTimeout(() => this.#lose(), SILENCE);
    }

    #lose() {
        this.#close();
        // Before its first word it may be that there is none.
        if (!this.boot) return this.#doubt();
        this.#retry();
        this.#enter('lost');
    }

    #retry() {
        clearTimeout(this.#timers.again);
        const wait = WAITS[Math.min(this.#tries++, WAITS.length - 1)] * (0.8 + Math.random() * 0.4);
        this.#timers.again = setTimeout(() => this.#open(), wait);
    }

    /** Lost, or never there? */
    async #doubt() {
        this.state = 'lost';
        const info = await getJson('api').catch(() => null);
        if (/** @type {string} */ (this.state) !== 'lost') return;
        if (info && !info.rs2rtc) {
            this.#close();
            return this.#enter('absent');
        }
        // It may be tried already, or nobody looks.
        if (!this.#source && !this.#away) this.#retry();
        this.#enter('lost');
    }

    /** @param {string} name @param {MessageEvent} ev */
    #hear(name, ev) {
        this.#heard = Date.now();
        this.#pings ||= name === 'ping';
        this.#watch();
        this.#last = ev.lastEventId || this.#last;
        if (name) this.dispatchEvent(new CustomEvent(name, {detail: JSON.parse(ev.data)}));
    }

    /** @param {Feed['state']} state */
    #enter(state) {
        this.state = state;
        this.dispatchEvent(new Event('state'));
    }

    /** Hears some events. @template {import('../types.js').EventName[]} L @param {L} names @param {(detail: import('../types.js').EventData<L[number]>, name: L[number]) => unknown} callback @param {{signal: AbortSignal}} [until] */
    on(names, callback, until) {
        for (const name of names) this.addEventListener(name, ev => callback(/** @type {CustomEvent} */ (ev).detail, name), until);
    }
}

/** The log of a stream; lines of a go2rtc name none and are searched. @param {string} name @param {Feed} feed */
export const logOf = (name, feed) => address('log.html', {[feed.state === 'absent' ? 'q' : 'stream']: name});

// ---- loads that events ask for ----

/** Loads that never run side by side and miss nothing: what happens while one runs is seen by another one right after it. */
export class Gatherer {
    /** @type {any} */
    #timer = 0;
    /** @type {Promise<void>|null} */
    #running = null;
    #again = false;
    #load;
    #wait;

    /** @param {() => Promise<void>} load tells its failures itself @param {number} [wait] milliseconds in which events are gathered */
    constructor(load, wait = 250) {
        this.#load = load;
        this.#wait = wait;
    }

    /** Loads soon, once for all that happens meanwhile. */
    soon() {
        this.#timer ||= setTimeout(() => this.now(), this.#wait);
    }

    /** Loads at once, or after the load that runs. @returns {Promise<void>} when that is done */
    now() {
        clearTimeout(this.#timer);
        this.#timer = 0;
        this.#again = true;
        return this.look();
    }

    /** Only to be up to date: a load that runs is enough. @returns {Promise<void>} when it is done */
    look() {
        this.#running ??= this.#run();
        return this.#running;
    }

    get busy() {
        return this.#running !== null;
    }

    async #run() {
        try {
            do {
                this.#again = false;
                await this.#load();
            } while (this.#again);
        } finally {
            this.#running = null;
        }
    }
}

/** Milliseconds that a first load waits for the events. */
const FIRST = 200;

/**
 * The first load of what events keep up to date. With the events it is the only one; before them it lacks what happens in between, and is done again with them.
 * @param {Feed} feed @param {Gatherer} loads @param {() => boolean} whole events were heard when it was asked for what is there
 */
export function loadWith(feed, loads, whole) {
    feed.addEventListener('state', () => feed.state === 'live' && !whole() && loads.now());
    setTimeout(() => whole() || loads.look(), FIRST);
}
