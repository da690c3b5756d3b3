/**
 * The phase of a player, in the overlay and in events.
 */
import {Patience} from './patience.js';

/** @typedef {'idle'|'dialling'|'connecting'|'live'|'buffering'|'parked'|'retrying'|'failed'} Phase */
/** @typedef {{state: Phase, reason: string, nextTryMs: number, kind: import('../reasons.js').ErrorClass|''}} StateDetail `kind`: of what went wrong, if something did */

/** @type {Record<string, string>} */
const MODE_WORDS = {webrtc: 'RTC', mse: 'MSE', hls: 'HLS', mp4: 'MP4', mjpeg: 'MJPEG'};

export class Status {
    /** @type {Phase} */
    phase = 'idle';
    reason = '';
    /** When the next attempt begins, as of `Date.now()`; 0: none is planned. */
    nextTry = 0;
    /** The camera is let go meanwhile. */
    cameraOff = false;
    /** What plays, as the player names it. */
    mode = '';
    /** @type {import('./overlay.js').Overlay|null} */
    overlay = null;
    #patience = new Patience(text => this.overlay?.say(text));

    /** @param {import('./rs-player.js').RsPlayer} player */
    constructor(player) {
        this.player = player;
    }

    /** The network pairs of the attempt, as long as the browser knew them. */
    get pairs() {
        return this.#patience.pairs;
    }

    /** There is a picture, which may stand still. */
    get shows() {
        return this.phase === 'live' || this.phase === 'buffering';
    }

    /**
     * @param {Phase} phase
     * @param {string} [reason]
     * @param {object} [more]
     * @param {number} [more.nextTry]
     * @param {string} [more.mode]
     * @param {boolean} [more.cameraOff]
     * @param {StateDetail['kind']} [more.kind]
     */
    enter(phase, reason = '', {nextTry = 0, mode = '', cameraOff = false, kind = ''} = {}) {
        const told = this.phase === phase && this.reason === reason && this.nextTry === nextTry;
        if (told && this.mode === mode && this.cameraOff === cameraOff) return;
        Object.assign(this, {mode, cameraOff});
        this.phase = phase;
        this.reason = reason;
        this.nextTry = nextTry;
        if (phase === 'dialling' || phase === 'connecting') this.#patience.watch(this.player);
        else this.#patience.stop();
        this.overlay?.show({phase, reason, nextTry, mode: MODE_WORDS[mode] ?? '', cameraOff});
        if (!told) this.tell('state', {state: phase, reason, nextTryMs: Math.max(0, nextTry - Date.now()), kind});
    }

    /** @param {string} type @param {object} detail */
    tell(type, detail) {
        this.player.dispatchEvent(new CustomEvent(type, {bubbles: true, composed: true, detail}));
    }
}
