/**
 * When to try again: by the class of the error, with exponential backoff and full jitter,
 * and never two tries at a time.
 */

/** @typedef {import('../reasons.js').ErrorClass} ErrorClass */

/** Classes that only a person can mend. @type {ErrorClass[]} */
const STOPS = ['auth', 'config'];
/** Milliseconds: first wait, longest wait. */
const SOON = {first: 500, most: 15_000};
const LATER = {first: 1000, most: 30_000};
/** Shortest wait after a failure, so that a lucky draw does not hammer. */
const LEAST = 100;

/** @param {ErrorClass} cls */
export const stops = cls => STOPS.includes(cls);

/**
 * Milliseconds to wait after a failure.
 * @param {ErrorClass} cls
 * @param {number} failures before this one
 * @param {() => number} random 0 to 1
 */
export function delayOf(cls, failures, random = Math.random) {
    const {first, most} = cls === 'busy' ? LATER : SOON;
    const upper = Math.min(most, first * 2 ** Math.min(failures, 16));
    return Math.round(cls === 'busy' ? first + random() * (Math.min(most, 2 * upper) - first) : Math.max(LEAST, random() * upper));
}

export class Retry {
    #failures = 0;
    /** @type {any} */
    #timer = 0;

    /** @param {() => void} attempt begins the next attempt */
    constructor(attempt) {
        this.attempt = attempt;
    }

    /** Is an attempt planned? */
    get waiting() {
        return this.#timer !== 0;
    }

    /**
     * Plans the next attempt, instead of the one that was planned.
     * @param {ErrorClass} cls
     * @param {boolean} [atOnce] something that worked has ended: the first attempt does not wait
     * @returns {number} milliseconds until then
     */
    plan(cls, atOnce = false) {
        this.cancel();
        const ms = atOnce && !this.#failures ? 0 : delayOf(cls, this.#failures);
        this.#failures++;
        this.#timer = setTimeout(() => this.now(), ms);
        return ms;
    }

    /** Begins the planned attempt now, or one that was not planned. */
    now() {
        this.cancel();
        this.attempt();
    }

    /** Forgets the planned attempt. */
    cancel() {
        clearTimeout(this.#timer);
        this.#timer = 0;
    }

    /** It has worked for a while: the next failure is the first one again. */
    reset() {
        this.#failures = 0;
    }
}
