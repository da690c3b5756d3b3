/**
 * What an automatic player chooses between WebRTC and MSE. Both race and the first picture is shown; WebRTC may still take the place of MSE for a moment, then what
 * plays stays. Once it has stood still twice within a minute the other way is taken, if nothing says that it cannot play, and kept in mind for a day, for the stream and the
 * network. There is no way back meanwhile: a camera that pauses by itself stands still either way. A player that may use only one of the two is left alone.
 */
/** @typedef {'webrtc'|'mse'} Way */

/** Milliseconds after the first picture of MSE in which that of WebRTC may come. */
const SWITCH_WITHIN = 3000;
/** Stalls, and the milliseconds within which they count. */
const STALLS = 2, WITHIN = 60_000;
/** Milliseconds that a choice is kept, and how many are; in those after one that came to nothing there is no other. */
const KEPT = 86_400_000, MOST = 50, SETTLE = 600_000;
const KEY = 'rs.ways', STOOD = 'The picture stood still again and again; another way is tried.';
/** Verdicts of the server on a way that does not play. */
const BAD = ['codec_unsupported', 'failed', 'network', 'off'];

/** @returns {[string, Way|'', number][]} place, way, until when; the oldest first */
function kept() {
    try {
        const list = JSON.parse(localStorage.getItem(KEY) ?? '[]');
        return list.filter((/** @type {any} */ one) => Array.isArray(one) && typeof one[0] === 'string' && ['webrtc', 'mse', ''].includes(one[1]) && one[2] > Date.now());
    } catch {
        return [];
    }
}

/** The stream, and the network as far as it is known. @param {string} wsURL */
function placeOf(wsURL) {
    const {host, searchParams} = new URL(wsURL);
    return [host, /** @type {any} */ (navigator).connection?.type ?? '', searchParams.get('src') ?? ''].join(' ');
}

/** @param {string} wsURL @returns {Way|''|undefined} empty: the one that was kept did not work */
function settled(wsURL) {
    const place = placeOf(wsURL);
    return kept().find(one => one[0] === place)?.[1];
}

/** What was kept. @param {string} wsURL @returns {Way|''} */
export const keptWay = wsURL => settled(wsURL) ?? '';

/** @param {string} wsURL @param {Way|''} way empty: it does not work */
export function keepWay(wsURL, way) {
    const place = placeOf(wsURL), list = kept().filter(one => one[0] !== place);
    // The address of a camera may have its password in it.
    if (!/:\/\/.*@/s.test(place)) list.push([place, way, Date.now() + (way ? KEPT : SETTLE)]);
    try {
        localStorage.setItem(KEY, JSON.stringify(list.slice(-MOST)));
    } catch {
        // Not allowed, or full: it is found out again.
    }
}

const isWebrtc = (/** @type {string} */ mode) => mode.trim().startsWith('webrtc'), isMse = (/** @type {string} */ mode) => mode.trim() === 'mse';

export class Ways {
    /** When it stood still. @type {number[]} */
    #stood = [];
    /** Where both do not race: the first one has shown nothing. */
    #second = false;

    /** @param {import('./parts.js').Parts} player */
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
        run.only = this.#both && element.media.includes('video') ? keptWay(element.wsURL) : '';
        // A phone that has nothing but this one plays one element at a time, and two would race.
        if (!run.only && this.#both && !('MediaSource' in window)) run.alone = this.#second ? 'webrtc' : 'mse';
        if (run.alone) return modes.filter(mode => !(run.alone === 'mse' ? isWebrtc : isMse)(mode)).join();
        return (run.only ? modes.filter(run.only === 'mse' ? isMse : isWebrtc) : modes).join();
    }

    /** What was kept brings sound alone: another way may have the picture. */
    get soundAlone() {
        const {mseCodecs, video} = this.player.element, {only} = this.player.run();
        return only === 'mse' ? !/avc1|hvc1|av01/.test(mseCodecs) : only && !/** @type {MediaStream|null|undefined} */ (video?.srcObject)?.getVideoTracks().length;
    }

    /** It has shown a picture in this attempt, or nothing says that it cannot. @param {Way} way */
    #can(way) {
        const {works, candidates} = this.player.run(), said = candidates.filter(one => one.mode === way && one.kind !== 'audio');
        return works[way] ?? !(said.length && said.every(one => BAD.includes(one.verdict)));
    }

    /** The first picture is shown. @param {import('./run.js').Mode} mode */
    begun(mode) {
        const {element, rtc} = this.player, run = this.player.run();
        this.#stood = [];
        if (this.#both && mode === 'mse' && (element.pc || run.rtc)) run.after('race', SWITCH_WITHIN, () => rtc.drop());
        rtc.soon(0);
    }

    /** The picture stands still. @returns {boolean} the other way is taken for that */
    stood() {
        const {element, ending} = this.player, {mode} = this.player.run(), now = Date.now(), other = mode === 'webrtc' ? 'mse' : 'webrtc';
        this.#stood = [...this.#stood.filter(at => now - at < WITHIN), now];
        if (this.#stood.length < STALLS || mode !== 'webrtc' && mode !== 'mse' || !this.#both || ![undefined, other].includes(settled(element.wsURL)) || !this.#can(other)) return false;
        keepWay(element.wsURL, other);
        // Where nothing can be kept it would begin anew again and again.
        if (!keptWay(element.wsURL)) return false;
        ending.lose(STOOD, 'ended', true);
        return true;
    }

    /** The attempt has come to nothing: what was kept does not work any more. @returns {boolean} the other way is still to be tried */
    failed() {
        const {only, alone, liveSince} = this.player.run();
        if (liveSince) return false;
        if (alone) this.#second = alone === 'mse';
        if (!only) return alone === 'mse';
        keepWay(this.player.element.wsURL, '');
        return true;
    }
}
