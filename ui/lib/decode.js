/**
 * How many pictures a browser may decode at once: a budget in pixels per second that shrinks when frames are dropped and
 * grows slowly while none are. Pure; times are arguments.
 */

/** Pixels per second to begin with, and the least and most. */
export const START = 100e6, LEAST = 6e6, MOST = 600e6;
/** Frames per second of a stream before they are known. */
export const RATE = 25;
/** What a stream costs as long as that of none is known. */
export const UNKNOWN = 1280 * 720 * RATE;
/** Of the budget, for what plays already: counts waver, and what stops and begins for that costs more than it. */
const SLACK = 1.2;
/** Share of dropped frames that is too much, how long it may last, and how long it must be quiet to grow. */
const TOO_MANY = 0.1, BAD_FOR = 5000, GOOD_FOR = 15_000;

/**
 * Pixels per second of a picture that plays. One that falls behind shows less than it should and costs no less than before for that.
 * @param {number} pixels of a frame
 * @param {number} frames per second, with those that were dropped
 * @param {number} dropped frames per second
 * @param {number} known what it cost before, 0 if that is not known
 */
export function costOf(pixels, frames, dropped, known) {
    const cost = pixels * Math.min(60, Math.max(1, frames));
    return dropped > TOO_MANY * frames ? Math.max(cost, known) : cost;
}

export class Budget {
    limit = START;
    /** What a stream is taken to cost that is not known yet: as much as the largest that plays, and no more than `UNKNOWN`. */
    unknown = UNKNOWN;
    #badSince = 0;
    #goodSince = 0;

    /**
     * Counts frames of the last moment.
     * @param {number} now milliseconds
     * @param {number} shown frames
     * @param {number} dropped frames
     * @param {number} used pixels per second that play now
     */
    count(now, shown, dropped, used) {
        if (shown + dropped < 5) return;
        if (dropped > TOO_MANY * (shown + dropped)) {
            this.#goodSince = 0;
            this.#badSince ||= now;
            if (now - this.#badSince < BAD_FOR) return;
            this.limit = Math.max(LEAST, Math.min(this.limit, used) / 2);
            this.#badSince = now;
        } else {
            this.#badSince = 0;
            this.#goodSince ||= now;
            if (now - this.#goodSince < GOOD_FOR) return;
            this.limit = Math.min(MOST, this.limit * 1.2);
            this.#goodSince = now;
        }
    }

    /**
     * Who plays: the first ones that fit; those that somebody looks at or listens to in any case.
     * @template {{cost: number|undefined, exempt: boolean, on: boolean}} T
     * @param {T[]} tiles in the order of the page
     * @returns {Set<T>}
     */
    choose(tiles) {
        this.unknown = Math.min(UNKNOWN, Math.max(0, ...tiles.map(tile => tile.on && tile.cost || 0)) || UNKNOWN);
        const weight = (/** @type {T} */ tile) => tile.cost ?? this.unknown, playing = new Set(tiles.filter(tile => tile.exempt));
        let used = [...playing].reduce((sum, tile) => sum + weight(tile), 0);
        for (const tile of tiles) {
            if (playing.has(tile) || used + weight(tile) > this.limit * (tile.on ? SLACK : 1) && playing.size) continue;
            playing.add(tile);
            used += weight(tile);
        }
        return playing;
    }
}
