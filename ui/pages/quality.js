/**
 * How good what the sources of a stream deliver is, and what failed last, as the server counts it: asked for the rows that are open, and again when
 * something happens to their streams.
 */
import {call, clockShift, Gatherer} from '../lib/server.js';

/**
 * @typedef {object} Quality
 * @property {number} asked when, as of `Date.now()`
 * @property {import('../types.js').SourceReport[]} sources
 * @property {import('../types.js').SourceError[]} errors newest first; `at` by the clock of this browser
 */

/** @type {import('../types.js').StreamEventName[]} */
const EVENTS = ['source_opened', 'source_failed', 'source_stalled', 'source_released', 'viewer_joined', 'viewer_left', 'viewer_parked', 'viewer_resumed'];

export class Qualities {
    /** @type {Map<string, {loads: Gatherer, told: Quality|null}>} */
    #all = new Map();

    /** @param {import('../lib/server.js').Feed} feed @param {Set<string>} wanted names of streams @param {() => void} told something is known */
    constructor(feed, wanted, told) {
        this.feed = feed;
        this.wanted = wanted;
        this.told = told;
        feed.on(EVENTS, ({stream}) => this.#all.get(stream)?.loads.soon());
        // One that was opened before the server was there, or another one is there now.
        for (const name of ['state', 'reset', 'restarted']) feed.addEventListener(name, () => {
            for (const one of wanted) this.look(one);
        });
    }

    /** Asks for one that is wanted, forgets those that are not: closed, or deleted. @param {string} name */
    look(name) {
        for (const one of this.#all.keys()) if (!this.wanted.has(one)) this.#all.delete(one);
        if (!this.wanted.has(name)) return false;
        // A go2rtc does not count.
        if (this.feed.state !== 'live') return false;
        let one = this.#all.get(name);
        if (!one) {
            one = {told: null, loads: new Gatherer(() => this.#load(name))};
            this.#all.set(name, one);
        }
        one.loads.now();
        return true;
    }

    /** @param {string} name */
    async #load(name) {
        if (!this.wanted.has(name)) return;
        const response = await call('GET', 'api/rs/sources', {query: {src: name}}).catch(() => null), /** @type {import('../types.js').SourceReports|null} */ answer = await response?.json().catch(() => null), one = this.#all.get(name);
        if (!one || !answer) return;
        const shift = clockShift(/** @type {Response} */ (response));
        one.told = {asked: Date.now(), sources: answer.sources, errors: answer.errors.map(e => ({...e, at: e.at + shift}))};
        this.told();
    }

    /** @param {string} name */
    of(name) {
        return this.#all.get(name)?.told ?? null;
    }
}
