/**
 * What plays in tiles, as many as the browser can decode; loaded with the player when the first tile is to play.
 */
import '../player/rs-player.js';
import {Budget, costOf, RATE, UNKNOWN} from '../lib/decode.js';
import {say, setIcon} from '../lib/dom.js';
import {t} from '../lib/i18n.js';
import {speak} from '../player/words.js';
import {isMismatch} from '../reasons.js';

await speak();

/** Milliseconds for what is to take the place of something, until that goes as well if it shows nothing any more. */
const PATIENCE = 15_000;

/** Players that begin, or begin anew, and that end, between two frames: a slow thread answers in between. */
const AT_ONCE = 1;

/** What all tiles share. */
const budget = new Budget();

/** @typedef {import('./tile.js').Tile} Tile */

/**
 * Plays as many as the budget allows, and lets the others go.
 * @param {Tile[]} all @param {Tile[]} wish first those that were asked for @returns {boolean} more are to begin or to end with the next frames
 */
export function share(all, wish) {
    for (const tile of wish) tile.playing ??= new Playing(tile.picture, () => tile.update(tile.entry), tile.grid.change);
    const fit = budget.choose(wish);
    let starts = 0, ends = 0;
    for (const tile of all) {
        const on = fit.has(tile) || tile.stays;
        if (on !== tile.on ? (on ? ++starts : ++ends) > AT_ONCE : tile.renews && ++starts > AT_ONCE) continue;
        tile.play(on, wish.includes(tile) && !on);
    }
    return Math.max(starts, ends) > AT_ONCE;
}

/** Tells the budget what has come to the tiles since the last time. @param {Tile[]} all */
export async function measure(all) {
    const on = all.filter(tile => tile.player && tile.seen), frames = await Promise.all(on.map(tile => tile.playing?.frames()));
    const sum = (/** @type {(number|undefined)[]} */ ...numbers) => numbers.reduce((/** @type {number} */ all, one) => all + (one ?? 0), 0);
    budget.count(performance.now(), sum(...frames.map(one => one?.shown)), sum(...frames.map(one => one?.dropped)), sum(...on.map(tile => tile.cost ?? budget.unknown)));
}

/**
 * Tells on the button that ends it which tile is heard.
 * @param {HTMLButtonElement} quiet @param {Iterable<Tile>} tiles @param {HTMLElement} next gets the focus when there is nothing to end any more
 * @param {Tile} [one] is to be heard, or not any more
 */
export function tellSound(quiet, tiles, next, one) {
    const all = [...tiles];
    if (one) for (const tile of all) if (tile === one || tile.sound) tile.listen(tile === one && !tile.sound);
    const name = all.find(tile => tile.sound && tile.on)?.entry.name, text = name === undefined ? t('live.soundOff') : t('live.mute', {name});
    if (quiet.textContent === text) return;
    if (name === undefined && document.activeElement === quiet) next.focus();
    quiet.disabled = name === undefined;
    setIcon(quiet, name === undefined ? 'mute' : 'sound');
    say(/** @type {Node} */ (quiet.lastChild), text);
}

export class Playing {
    /** The element that plays; `null`: none does. @type {import('../player/rs-player.js').RsPlayer|null} */
    player = null;
    mode = '';
    /** It has shown something, and goes on for that. */
    pictured = false;
    /** There is a picture of its own, not only the last one behind it. */
    shows = false;
    /** Milliseconds from the live edge to the eye, as far as the browser tells. @type {number|undefined} */
    delay;
    /** Bits per second of its picture, as far as the browser tells. @type {number|undefined} */
    bits;
    /** Pixels per second, once its size is known. @type {number|undefined} */
    cost;
    /** What it was measured to cost, 0 if it was not. */
    #known = 0;
    /** Frames per second, once they were counted; 0 before. */
    #rate = 0;
    /** Shows what played before until this one has a picture. @type {import('../player/rs-player.js').RsPlayer|null} */
    #before = null;
    /** @type {any} */
    #patience = 0;
    /** Of the video that plays, and when that was; 0: it has just begun. */
    #frames = {all: 0, dropped: 0, at: 0, waited: 0, emitted: 0, bytes: 0};

    /** @param {HTMLElement} place where it plays @param {() => void} changed it plays in another way @param {() => void} weighed what it costs is known */
    constructor(place, changed, weighed) {
        this.place = place;
        this.changed = changed;
        this.weighed = weighed;
    }

    /** Its sound comes with the picture, heard or not. */
    get sounds() {
        return this.player?.media.includes('audio') ?? false;
    }

    /** Plays a stream; what plays already stays in front until this one has a picture. @param {string} source @param {boolean} sound without, nothing is sent and decoded for it */
    begin(source, sound) {
        // What has no picture yet is not missed.
        if (this.#before) this.player?.remove();
        const before = this.#before ?? this.player, player = /** @type {import('../player/rs-player.js').RsPlayer} */ (document.createElement('rs-player'));
        this.#before = before;
        this.player = player;
        this.#frames = {all: 0, dropped: 0, at: 0, waited: 0, emitted: 0, bytes: 0};
        this.delay = this.bits = undefined;
        this.#known = 0;
        Object.assign(player, {mode: 'webrtc,mse,mjpeg', media: sound ? 'video,audio' : 'video', pcConfig: {bundlePolicy: 'max-bundle', iceServers: []}});
        player.addEventListener('firstframe', () => {
            this.pictured = this.shows = true;
            this.changed();
            if (player !== this.player) return;
            this.#drop();
            // Sound alone costs nothing. A guess is no reason to end another one.
            const cost = costOf(sizeOf(player), this.#rate || RATE, 0, 0);
            this.cost = this.#rate ? cost : Math.min(UNKNOWN, cost);
            this.weighed();
        }, {once: true});
        player.addEventListener('state', ev => {
            const {state, reason} = /** @type {CustomEvent} */ (ev).detail;
            if (state !== 'failed' || !isMismatch(reason) || player.media.includes('audio')) return;
            // What has no picture has sound.
            player.media = 'video,audio';
            queueMicrotask(() => player === this.player && player.retry());
        });
        player.addEventListener('mode', ev => {
            this.mode = /** @type {CustomEvent} */ (ev).detail.mode;
            // Another way counts anew: what it got before its first picture was not dropped for want of power.
            this.#frames = {...this.#frames, all: Infinity, bytes: 0};
            this.changed();
        });
        if (before) {
            before.before(player);
            this.#await();
        } else {
            this.place.append(player);
        }
        player.src = new URL(`api/ws?src=${encodeURIComponent(source)}`, location.href);
        if (!player.video) return;
        player.video.controls = false;
        player.video.muted = !sound;
    }

    /** Also what stays in front until there is something newer. @param {boolean} muted */
    mute(muted) {
        for (const one of [this.player, this.#before]) if (one?.video) one.video.muted = muted;
    }

    end() {
        this.#drop();
        this.player?.remove();
        this.player = null;
        this.mode = '';
        this.pictured = this.shows = false;
    }

    /** It has shown something, and does or will again by itself. */
    get trying() {
        return this.pictured && !['idle', 'failed'].includes(this.player?.phase ?? 'idle');
    }

    /** @param {boolean} covered nobody can see it */
    cover(covered) {
        for (const one of [this.player, this.#before]) one?.dispatchEvent(new CustomEvent('cover', {detail: covered}));
    }

    /** A picture stays as long as it goes on, or nobody looks. */
    #await() {
        clearTimeout(this.#patience);
        this.#patience = setTimeout(() => document.hidden || ['live', 'buffering', 'parked'].includes(this.#before?.phase ?? '') ? this.#await() : this.#drop(), PATIENCE);
    }

    /** The other one is seen. */
    #drop() {
        clearTimeout(this.#patience);
        this.#before?.remove();
        this.#before = null;
    }

    /** Frames since the last question; what it costs is measured by that. */
    async frames() {
        const {player} = this, before = this.#frames, {all, dropped, waited, emitted, rtt, bytes} = await framesOf(player), at = performance.now(), video = player?.video;
        if (player !== this.player) return {shown: 0, dropped: 0};
        this.#frames = {all, dropped, at, waited, emitted, bytes};
        const end = video?.buffered.length && this.mode === 'mse' ? video.buffered.end(video.buffered.length - 1) : 0;
        this.delay = end && video ? Math.max(0, end - video.currentTime) * 1000 : this.mode === 'webrtc' && emitted > before.emitted ? (waited - before.waited) / (emitted - before.emitted) * 1000 + rtt / 2 : undefined;
        this.bits = before.at && before.bytes && bytes > before.bytes ? (bytes - before.bytes) * 8000 / (at - before.at) : undefined;
        // Another connection counts anew, and a moment tells little.
        if (all < before.all || dropped < before.dropped) return {shown: 0, dropped: 0};
        const more = {all: all - before.all, dropped: dropped - before.dropped}, seconds = before.at ? (at - before.at) / 1000 : 0;
        if (video?.videoWidth && more.all && seconds > 1) {
            this.#rate = more.all / seconds;
            this.cost = this.#known = costOf(sizeOf(player), this.#rate, more.dropped / seconds, this.#known);
        }
        return {shown: more.all - more.dropped, dropped: more.dropped};
    }
}

/** Pixels of what it shows. @param {any} player */
function sizeOf(player) {
    const {videoWidth, videoHeight, width, height} = player?.shown ?? {};
    return (videoWidth ?? width ?? 0) * (videoHeight ?? height ?? 0);
}

/** Frames that have come to a player, and how many of them nobody has seen; the seconds that all of them together have waited, the round trip in milliseconds, and the bytes. @param {any} player */
async function framesOf(player) {
    const {totalVideoFrames: all = 0, droppedVideoFrames: dropped = 0} = player?.video?.getVideoPlaybackQuality?.() ?? {};
    // A browser that cannot follow drops what comes by WebRTC before it decodes it, and does not count it there.
    const found = {all, dropped, waited: 0, emitted: 0, rtt: 0, bytes: player?.pc ? 0 : player?.video?.webkitVideoDecodedByteCount ?? 0}, receiver = player?.pc?.getReceivers?.().find((/** @type {RTCRtpReceiver} */ one) => one.track.kind === 'video');
    for (const one of await receiver?.getStats().then((/** @type {any} */ report) => [...report.values()], () => []) ?? []) {
        if (one.type === 'inbound-rtp' && one.framesReceived) {
            Object.assign(found, {all: one.framesReceived, dropped: dropped + one.framesReceived - (one.framesDecoded ?? 0), waited: one.jitterBufferDelay ?? 0, emitted: one.jitterBufferEmittedCount ?? 0, bytes: one.bytesReceived ?? 0});
        } else if (one.type === 'candidate-pair' && one.nominated) {
            found.rtt = (one.currentRoundTripTime ?? 0) * 1000;
        }
    }
    return found;
}
