/**
 * What an automatic player chooses between WebRTC and MSE. Both race and the first picture is shown; WebRTC may still take the place of MSE for a moment, then what
 * plays stays. Once it has stood still twice within a minute the other way is taken and kept in mind for a day, for the stream and the network. A player that may use
 * only one of the two is left alone.
 */
import {watchStalls} from './stalls.js';

/** @typedef {'webrtc'|'mse'} Way */

/** Milliseconds after the first picture of MSE in which that of WebRTC may come. */
const SWITCH_WITHIN = 3000;
/** Stalls, and the milliseconds within which they count. */
const STALLS = 2, WITHIN = 60_000;
/** Milliseconds after a change in which there is no other: where both stand still it helps nobody. */
const SETTLE = 600_000;
/** Milliseconds that a choice is kept, and how many are. */
const KEPT = 86_400_000, MOST = 50;
const KEY = 'rs.ways';

/** @returns {[string, Way, number][]} place, way, until when; the oldest first */
function kept() {
    try {
        const list = JSON.parse(localStorage.getItem(KEY) ?? '[]');
        return list.filter((/** @type {any} */ one) => Array.isArray(one) && typeof one[0] === 'string' && (one[1] === 'webrtc' || one[1] === 'mse') && one[2] > Date.now());
    } catch {
        return [];
    }
}

/** The stream, and the network as far as it is known. @param {string} wsURL */
function placeOf(wsURL) {
    const {host, searchParams} = new URL(wsURL);
    return [host, /** @type {any} */ (navigator).connection?.type ?? '', searchParams.get('src') ?? ''].join(' ');
}

/** What was kept. @param {string} wsURL @returns {Way|''} */
export function keptWay(wsURL) {
    const place = placeOf(wsURL);
    return kept().find(one => one[0] === place)?.[1] ?? '';
}

/** @param {string} wsURL @param {Way|''} way empty: forgets it */
export function keepWay(wsURL, way) {
    const place = placeOf(wsURL), list = kept().filter(one => one[0] !== place);
    if (way) list.push([place, way, Date.now() + KEPT]);
    try {
        localStorage.setItem(KEY, JSON.stringify(list.slice(-MOST)));
    } catch {
        // Not allowed, or full: it is found out again.
    }
}

const isWebrtc = (/** @type {string} */ mode) => mode.trim().startsWith('webrtc'), isMse = (/** @type {string} */ mode) => mode.trim() === 'mse';
const isRival = (/** @type {string} */ mode) => ['mse', 'hls', 'mp4'].includes(mode.trim());

export class Ways {
    /** When the way was changed, as of `Date.now()`. */
    #changed = -SETTLE;

    /**
     * @param {object} player
     * @param {import('./rs-player.js').RsPlayer} player.element
     * @param {() => import('./run.js').Run} player.run
     * @param {() => void} player.drop lets go of WebRTC
     * @param {() => void} player.turn begins anew
     */
    constructor(player) {
        this.player = player;
    }

    /** Both may be used, and neither has somebody's microphone. */
    get #both() {
        const {element} = this.player, modes = element.mode.split(',');
        return modes.some(isWebrtc) && modes.some(isMse) && !element.overHTTP && !element.media.includes('microphone')
            && 'RTCPeerConnection' in window && ('MediaSource' in window || 'ManagedMediaSource' in window);
    }

    /** The modes of this attempt. */
    modes() {
        const {element} = this.player, run = this.player.run(), modes = element.mode.split(',');
        run.only = this.#both ? keptWay(element.wsURL) : '';
        return (run.only ? modes.filter(run.only === 'mse' ? mode => !isWebrtc(mode) : mode => !isRival(mode)) : modes).join();
    }

    /** The first picture is shown. @param {import('./run.js').Mode} mode */
    begun(mode) {
        const {element} = this.player, run = this.player.run();
        if (!this.#both || mode !== 'mse' && mode !== 'webrtc' || !element.video) return;
        if (mode === 'mse' && element.pc) run.after('race', SWITCH_WITHIN, this.player.drop);
        let stood = /** @type {number[]} */ ([]);
        run.unwatch = watchStalls(element.video, () => element.phase === 'live', () => {
            const now = Date.now(), other = run.mode === 'webrtc' ? 'mse' : 'webrtc';
            stood = [...stood.filter(at => now - at < WITHIN), now];
            if (stood.length < STALLS || now - this.#changed < SETTLE || run.mode !== 'webrtc' && run.mode !== 'mse' || !this.#both) return;
            this.#changed = now;
            keepWay(element.wsURL, other);
            this.player.turn();
        });
    }

    /** The attempt has come to nothing: what was kept does not work any more. @returns {boolean} the other way is still to be tried */
    failed() {
        const {only, liveSince} = this.player.run();
        if (!only || liveSince) return false;
        keepWay(this.player.element.wsURL, '');
        return true;
    }
}
