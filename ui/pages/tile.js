/**
 * One tile of the grid: the last picture, the player while it plays, the state in words, and the buttons.
 */
import {button, h, icon, iconHref, say} from '../lib/dom.js';
import {ago, rate, t} from '../lib/i18n.js';
import {poster} from '../lib/poster.js';
import {chip, stateText} from '../lib/state.js';
import {costOf, UNKNOWN} from '../lib/decode.js';
import {choose} from '../lib/quality.js';

/** @typedef {import('../lib/streams.js').Entry} Entry */

const MODES = {webrtc: 'WebRTC', mse: 'MSE', hls: 'HLS', mp4: 'MP4', mjpeg: 'MJPEG'};
/** Milliseconds between still pictures of a tile that has to save power. */
const STILL_EVERY = 1000;
/** Milliseconds that one quality stays in front while the other one does not come. */
const PATIENCE = 15_000;

export class Tile {
    /** @type {Entry} */
    entry;
    /** Somebody wants to see it, although its camera slept. */
    wanted = false;
    /** Somebody has stopped it. */
    stopped = false;
    seen = false;
    sound = false;
    /** It would play if the budget allowed it. */
    saving = false;
    /** The lesser stream of the same camera, if there is one. @type {string|undefined} */
    low;
    /** @type {'auto'|'high'|'low'} */
    quality = 'auto';
    /** Pixels per second. */
    cost = UNKNOWN;
    /** @type {any} */
    player = null;
    /** It plays, or is about to. */
    #on = false;
    #mode = '';
    /** The stream that plays. */
    #source = '';
    /** The player that shows the other quality until this one has a picture. @type {any} */
    #before = null;
    /** @type {any} */
    #still = 0;
    #stillOf = '';
    /** Where the picture that is shown lies; it has to be revoked. */
    #stillUrl = '';
    /** Milliseconds that it was old when it came, and when that was. */
    #stillAge = 0;
    #stillAt = 0;
    #asking = false;
    #ended = false;
    /** Of the video that plays, and when that was; 0: it has just begun. */
    #frames = {all: 0, dropped: 0, at: 0};
    /** What it was measured to cost, 0 if it was not. */
    #known = 0;
    #chip = chip();

    /**
     * @param {Entry} entry
     * @param {{change: () => void, listen: (tile: Tile) => void, always: (name: string) => boolean, entry: (name: string) => Entry|undefined, prefer: (tile: Tile) => void}} grid
     */
    constructor(entry, grid) {
        this.entry = entry;
        this.grid = grid;
        const name = entry.name;
        this.link = h('a', {class: 'name', href: `camera.html?src=${encodeURIComponent(name)}`, tabindex: '-1'}, name);
        this.about = h('span', {class: 'about'});
        this.picture = h('div', {class: 'picture'});
        this.note = h('p', {class: 'note'});
        this.start = button(t('tile.start'), () => this.want(), {icon: 'play', class: 'start'});
        this.start.tabIndex = -1;
        this.over = h('div', {class: 'over'}, this.note, this.start);
        this.soundButton = button(t('tile.sound'), () => grid.listen(this), {icon: 'mute', bare: true, key: 'M'});
        this.stopButton = button(t('tile.stop'), () => this.stop(), {icon: 'stop', bare: true});
        this.full = button(t('tile.full'), () => this.node.requestFullscreen?.(), {icon: 'full', bare: true, key: 'F'});
        this.qualityButton = button('', () => grid.prefer(this), {class: 'bare quality'});
        /** Where the page puts what it needs to arrange tiles. */
        this.tools = h('span', {class: 'row arrange', hidden: true});
        for (const one of [this.soundButton, this.stopButton, this.full, this.qualityButton]) one.tabIndex = -1;
        this.node = h('li', {class: 'tile', tabindex: '-1', data: {name}},
            h('div', {class: 'frame'}, this.picture, this.over),
            h('div', {class: 'bar'}, this.link, this.about, this.#chip.node, h('span', {class: 'row'}, this.qualityButton, this.soundButton, this.stopButton, this.full), this.tools));
    }

    get exempt() {
        return this.sound || document.fullscreenElement === this.node;
    }

    /** What it would play now: the lesser stream in a small tile, unless somebody has said which. */
    get source() {
        return choose(this.entry.name, this.low, this.quality, this.node.clientWidth || Infinity);
    }

    /** It plays by itself only if its camera runs anyway, or somebody has said so. */
    get wishes() {
        if (this.stopped || !this.seen) return false;
        return this.wanted || ['live', 'lingering', 'warm'].includes((this.grid.entry(this.source) ?? this.entry).state) || this.grid.always(this.entry.name);
    }

    want() {
        this.wanted = true;
        this.stopped = false;
        this.node.focus({preventScroll: true});
        this.grid.change();
    }

    stop() {
        this.wanted = false;
        this.stopped = true;
        this.grid.change();
    }

    /** @param {Entry} entry */
    update(entry) {
        this.entry = entry;
        const playing = this.#on, name = entry.name;
        entry = this.grid.entry(playing ? this.#source : this.source) ?? entry;
        this.#chip.show(entry);
        const mode = this.#mode ? MODES[/** @type {keyof typeof MODES} */ (this.#mode)] : '';
        say(this.about, playing ? [mode, entry.bitsIn ? rate(entry.bitsIn) : ''].filter(Boolean).join(' ') : '');
        const failed = entry.state === 'failed' || entry.state === 'retrying';
        // A camera that sends nothing costs nothing, and why it fails matters more than what is saved.
        if (failed) this.cost = 0;
        else this.cost ||= UNKNOWN;
        const old = this.#stillAge > 2000 && !this.saving ? t('tile.age', {age: ago(this.#stillAge + Date.now() - this.#stillAt)}) : '';
        const text = playing ? '' : failed ? entry.error : this.saving ? t('tile.saving') : old;
        say(this.note, text);
        this.note.hidden = !text;
        this.start.hidden = playing || this.saving && !failed;
        this.start.classList.toggle('again', failed);
        say(/** @type {Node} */ (this.start.lastChild), failed ? t('common.retryNow') : t('tile.start'));
        this.over.hidden = !text && this.start.hidden;
        this.qualityButton.hidden = !this.low;
        const quality = t(`quality.${this.quality}`);
        say(/** @type {Node} */ (this.qualityButton.lastChild), quality);
        this.qualityButton.setAttribute('aria-label', t('tile.quality', {quality}));
        this.qualityButton.title = this.low ? t('tile.qualityAbout', {low: this.low}) : '';
        this.stopButton.hidden = !playing;
        this.soundButton.hidden = !playing;
        this.node.classList.toggle('playing', playing);
        this.node.setAttribute('aria-label', [name, stateText(entry), mode].filter(Boolean).join(', '));
    }

    /** @param {boolean} on */
    listen(on) {
        this.sound = on;
        if (this.player?.video) this.player.video.muted = !on;
        this.soundButton.setAttribute('aria-pressed', String(on));
        this.soundButton.querySelector('use')?.setAttribute('href', iconHref(on ? 'sound' : 'mute'));
    }

    /** @param {boolean} on @param {boolean} saving it would play, but must not */
    async play(on, saving) {
        this.saving = saving;
        if (on === this.#on) {
            if (!on) this.#stills();
            else if (this.source !== this.#source) await this.#begin();
            return this.update(this.entry);
        }
        this.#on = on;
        if (!on) {
            this.#clear();
            this.#mode = '';
            this.#stills();
            return this.update(this.entry);
        }
        clearTimeout(this.#still);
        await this.#begin();
    }

    /** Plays what it should; what plays already stays in front until the other one has a picture. */
    async #begin() {
        const source = this.source;
        this.#source = source;
        this.update(this.entry);
        await import('../player/rs-player.js');
        if (!this.#on || this.#source !== source) return;
        this.#before?.remove();
        const before = this.player;
        this.#before = before;
        const player = /** @type {any} */ (document.createElement('rs-player'));
        this.player = player;
        this.#frames = {all: 0, dropped: 0, at: 0};
        this.#known = 0;
        Object.assign(player, {mode: 'webrtc,mse,mjpeg', pcConfig: {bundlePolicy: 'max-bundle', iceServers: []}});
        player.addEventListener('mode', (/** @type {any} */ ev) => {
            this.#mode = ev.detail.mode;
            this.update(this.entry);
        });
        if (before) {
            before.before(player);
            player.addEventListener('firstframe', () => this.#before === before && this.#drop(), {once: true});
            setTimeout(() => this.#before === before && this.#drop(), PATIENCE);
        } else {
            this.picture.append(player);
        }
        player.src = new URL(`api/ws?src=${encodeURIComponent(source)}`, location.href);
        player.video.controls = false;
        player.video.muted = !this.sound;
    }

    /** The other quality is seen. */
    #drop() {
        this.#before?.remove();
        this.#before = null;
    }

    #clear() {
        this.#drop();
        this.player?.remove();
        this.player = null;
    }

    /** Frames since the last question; what it costs is measured by that. */
    async frames() {
        const {player} = this, before = this.#frames, {all, dropped} = await framesOf(player), at = performance.now(), video = player?.video;
        if (player !== this.player) return {shown: 0, dropped: 0};
        this.#frames = {all, dropped, at};
        // Another connection counts anew, and a moment tells little.
        if (all < before.all || dropped < before.dropped) return {shown: 0, dropped: 0};
        const more = {all: all - before.all, dropped: dropped - before.dropped}, seconds = before.at ? (at - before.at) / 1000 : 0;
        if (video?.videoWidth && more.all && seconds > 1) this.cost = this.#known = costOf(video.videoWidth * video.videoHeight, more.all / seconds, more.dropped / seconds, this.#known);
        return {shown: more.all - more.dropped, dropped: more.dropped};
    }

    /** The last picture; again and again while the tile only must not play and somebody may see it. */
    async #stills() {
        clearTimeout(this.#still);
        if (!this.seen || document.hidden || this.#asking) return;
        // One picture per state, unless it saves power.
        const of = `${this.entry.state}`;
        if (!this.saving && this.#stillOf === of) return;
        this.#stillOf = of;
        this.#asking = true;
        const still = await poster(this.entry.name);
        this.#asking = false;
        if (this.#on || this.#ended) return still && URL.revokeObjectURL(still.url);
        if (still) {
            const old = this.picture.querySelector('.still');
            const node = still.video ? h('video', {class: 'still', src: still.url, muted: true, playsinline: true, 'aria-hidden': 'true', preload: 'auto'})
                : h('img', {class: 'still', src: still.url, alt: ''});
            this.picture.prepend(node);
            old?.remove();
            URL.revokeObjectURL(this.#stillUrl);
            this.#stillUrl = still.url;
            this.#stillAge = still.age ?? 0;
            this.#stillAt = Date.now();
            this.update(this.entry);
        } else if (!this.picture.querySelector('.still')) {
            this.picture.replaceChildren(h('div', {class: 'still none'}, icon('camera')));
        }
        if (this.saving) this.#still = setTimeout(() => this.#stills(), STILL_EVERY);
    }

    end() {
        clearTimeout(this.#still);
        URL.revokeObjectURL(this.#stillUrl);
        this.#on = false;
        this.#ended = true;
        this.#clear();
    }
}

/** Frames that have come to a player, and how many of them nobody has seen. @param {any} player */
async function framesOf(player) {
    const {totalVideoFrames: all = 0, droppedVideoFrames: dropped = 0} = player?.video?.getVideoPlaybackQuality?.() ?? {};
    // A browser that cannot follow drops what comes by WebRTC before it decodes it, and does not count it there.
    const receiver = player?.pc?.getReceivers?.().find((/** @type {RTCRtpReceiver} */ one) => one.track.kind === 'video');
    for (const one of await receiver?.getStats().then((/** @type {any} */ report) => [...report.values()], () => []) ?? []) {
        if (one.type === 'inbound-rtp' && one.framesReceived) return {all: one.framesReceived, dropped: dropped + one.framesReceived - (one.framesDecoded ?? 0)};
    }
    return {all, dropped};
}
