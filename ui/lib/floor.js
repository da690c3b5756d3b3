/**
 * The line to the server of somebody who talks: it asks for the floor, carries the offer of the sound, and its end gives the floor
 * back. A server that knows no floor (go2rtc's) says nothing to the question, and one behind a proxy without WebSockets is not heard at all.
 */
import {hello, Session} from '../player/signalling.js';

/** Milliseconds for the line to open, and for its end to be heard of. */
const OPEN = 3000, CLOSE = 500;

/** @typedef {{by: string, since: number|null}} Other who has the floor */
/** @typedef {import('../video-rtc.js').Message} Message */

export class Line extends EventTarget {
    /** @type {Session} */
    session;
    /** @type {WebSocket} */
    #ws;
    #over;

    /**
     * @param {string} stream
     * @fires Line#message detail: {Message} that is none of the floor's
     * @fires Line#lost detail: why the floor is lost, or empty: the line is
     */
    constructor(stream) {
        super();
        const url = new URL(`api/ws?src=${encodeURIComponent(stream)}`, location.href).href.replace(/^http/, 'ws');
        this.session = new Session(url);
        const ws = new WebSocket(url);
        this.#ws = ws;
        this.#over = new Promise(resolve => ws.addEventListener('close', resolve, {once: true}));
        this.#over.then(() => this.dispatchEvent(new CustomEvent('lost', {detail: ''})));
        ws.addEventListener('open', () => this.send(hello('')));
        ws.addEventListener('message', ev => {
            if (typeof ev.data !== 'string') return;
            const msg = JSON.parse(ev.data);
            if (msg.type === 'session') this.session.heard(msg.value);
            this.dispatchEvent(msg.type === 'talk/ended' ? new CustomEvent('lost', {detail: String(msg.value?.reason ?? '')}) : new CustomEvent('message', {detail: msg}));
        });
    }

    /** Can it carry something? */
    get open() {
        return this.#ws.readyState === WebSocket.OPEN;
    }

    /** @param {Message} msg */
    send(msg) {
        if (this.open) this.#ws.send(JSON.stringify(msg));
    }

    /**
     * Asks for the floor.
     * @param {string} name for others; empty: they see the address
     * @returns {Promise<{granted: true, id: number, ttl: number}|{granted: false, other: Other|null, refused?: string}>} `refused`: why this one gets no floor, in the server's words; `other` is `null` where there is no floor to ask for
     */
    ask(name) {
        return new Promise(done => {
            // A late word changes nothing: nobody would give back what it brings.
            const over = new AbortController(), resolve = (/** @type {any} */ answer) => {
                over.abort();
                clearTimeout(timer);
                done(answer);
            };
            const none = () => resolve({granted: false, other: null}), timer = setTimeout(() => {
                none();
                // What may still be given goes back with it.
                this.close();
            }, OPEN);
            this.addEventListener('lost', none, over);
            this.addEventListener('message', (/** @type {any} */ {detail: {type, value}}) => {
                if (type === 'session') {
                    if (this.session.caps.has('talk')) this.send({type: 'talk/request', value: {name}});
                    else none();
                } else if (type === 'talk/granted') {
                    resolve({granted: true, id: Number(value?.id), ttl: Number(value?.ttl) || 0});
                } else if (type === 'talk/busy') {
                    resolve({granted: false, other: {by: String(value?.by ?? ''), since: Number(value?.since) || null}});
                } else if (type === 'error' && /^talk\b/.test(String(value))) {
                    resolve({granted: false, other: null, refused: String(value).replace(/^[^:]*: */, '')});
                } else if (type === 'error' && /^hello\b/.test(String(value))) {
                    none();
                }
            }, over);
        });
    }

    /** Ends it; the server has heard of it when this resolves, or does not answer. */
    close() {
        this.#ws.close();
        return Promise.race([this.#over, new Promise(resolve => setTimeout(resolve, CLOSE))]);
    }
}
