/**
 * What our server says beyond go2rtc's messages: it answers the `hello` of a player with a
 * `session`, can be told to pause, and tells why it ends. A server that does not answer is
 * used like go2rtc's.
 *
 *     player: hello {v, cid, pinned}, park, resume
 *     server: session {id, bye, boot, caps}, state {state, reason}, released {reason, detectMs, releaseMs}, talk {id, by, asked, since}, why {candidates}
 */
import {Retry} from './retry.js';

/** @typedef {import('../video-rtc.js').Message} Message */

/** Version of what is said. */
const VERSION = 1;

/** The first message of a socket. @param {string} cid @param {string} [pinned] mode that a person has pinned @returns {Message} */
export const hello = (cid, pinned) => ({type: 'hello', value: {v: VERSION, cid, ...pinned && {pinned}}});

/** Requests whose errors mean only that the server is an older one. */
const OURS = /^(hello|park|resume|stop|talk)\b/;
/** @param {unknown} value of an error message */
export const isAboutOurs = value => OURS.test(String(value));

/**
 * The address that everything of a server is relative to.
 * @param {string} wsURL address of the socket, `.../api/ws?src=NAME`
 */
export function baseOf(wsURL) {
    return new URL('../', wsURL.replace(/^ws/, 'http').replace(/[?#].*/, ''));
}

/** Milliseconds for its answer to a plain request: on a line that was cut there is none, and no error for minutes. */
const REACH = 5000;

/** What the server knows us by. */
export class Session {
    /** Addresses that end it; a socket that was opened again has another one. @type {string[]} */
    byes = [];
    /** @type {Set<string>} */
    caps = new Set();
    id = '';
    /** Random per start of the server. */
    boot = '';
    /** Where the socket that carries it was opened. */
    #base;

    /** @param {string} wsURL */
    constructor(wsURL) {
        this.#base = baseOf(wsURL);
    }

    /**
     * Takes the server's answer.
     * @param {Partial<import('../types.js').SocketSession>|null|undefined} value
     * @returns {boolean} false if the server was started again since the last answer
     */
    heard(value) {
        const boot = String(value?.boot ?? '');
        const same = !this.boot || this.boot === boot;
        this.boot = boot;
        this.id = String(value?.id ?? '');
        this.caps = new Set(Array.isArray(value?.caps) ? value.caps.map(String) : []);
        if (typeof value?.bye === 'string' && value.bye) {
            const bye = new URL(value.bye, this.#base);
            if (bye.origin === this.#base.origin && !this.byes.includes(bye.href)) this.byes.push(bye.href);
        }
        return same;
    }
}

/**
 * Opens the socket again beside a picture that plays without it. Nothing is offered over
 * it: it carries hello, park and the server's word.
 */
export class Link {
    /** @type {WebSocket|null} */
    #ws = null;
    #retry = new Retry(() => this.#open());

    /**
     * @param {string} url
     * @param {object} to
     * @param {(ws: WebSocket) => void} to.onopen
     * @param {(msg: Message) => void} to.onmessage
     * @param {() => void} to.onlost it was open and is closed again; the next one is planned
     * @param {() => void} to.onrefused it was not opened; the next one is planned
     */
    constructor(url, to) {
        this.url = url;
        this.to = to;
        this.#retry.plan('network');
    }

    /** Tries now. */
    now() {
        if (!this.#ws) this.#retry.now();
    }

    close() {
        this.#retry.cancel();
        const ws = this.#ws;
        this.#ws = null;
        ws?.close();
    }

    #open() {
        const ws = new WebSocket(this.url);
        this.#ws = ws;
        let opened = false;
        ws.addEventListener('open', () => {
            if (this.#ws !== ws) return;
            opened = true;
            this.to.onopen(ws);
        });
        ws.addEventListener('message', ev => {
            if (this.#ws !== ws || typeof ev.data !== 'string') return;
            const msg = JSON.parse(ev.data);
            if (msg.type === 'session') this.#retry.reset();
            this.to.onmessage(msg);
        });
        ws.addEventListener('close', () => {
            if (this.#ws !== ws) return;
            this.#ws = null;
            this.#retry.plan('network');
            if (opened) this.to.onlost();
            else this.to.onrefused();
        });
    }
}

/**
 * What the server says without a socket, which does not tell why it was not opened.
 * @param {string} wsURL
 * @returns {Promise<'password'|'there'|'gone'>} it wants a password; it answers; it does not
 */
export async function reach(wsURL) {
    try {
        const response = await fetch(new URL('api', baseOf(wsURL)), {cache: 'no-store', credentials: 'include', signal: AbortSignal.timeout(REACH)});
        return response.status === 401 || response.status === 403 ? 'password' : response.ok ? 'there' : 'gone';
    } catch {
        return 'gone';
    }
}
