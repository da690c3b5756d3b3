/**
 * One tile of the grid: the last picture, the state in words, and the buttons. What plays is in `playing.js`, loaded when something is to play.
 */
import {button, canFill, fullScreen, h, hasFullScreen, hide, say, setIcon} from '../lib/dom.js';
import {ago, rate, t} from '../lib/i18n.js';
import {chooseQuality, keepWish, wishOf} from '../lib/prefs.js';
import {chip, hasLoudspeaker, stateText, wayName} from '../lib/streams.js';

/** @typedef {import('../lib/streams.js').Entry} Entry */

/** Milliseconds until a tile that is scrolled away lets go; until then it is only paused. */
const LET_GO = 5000;
/** States of a camera that runs anyway. */
const RUNNING = ['live', 'lingering', 'warm'];

export class Tile {
    /** @type {Entry} */
    entry;
    /** Somebody wants to see it, although its camera slept. */
    wanted = false;
    /** Somebody has stopped it. */
    stopped = false;
    seen = false;
    /** It was scrolled away too long ago to come back as it was. */
    #left = false;
    /** @type {any} */
    #leaving = 0;
    sound = false;
    /** It would play if the budget allowed it. */
    saving = false;
    /** When somebody has asked for just this one: the last one comes first. */
    asked = 0;
    /** The lesser stream of the same camera, if there is one. @type {string|undefined} */
    low;
    /** @type {import('../lib/prefs.js').Wish} */
    quality;
    /** What plays in it, once that is loaded. @type {import('./playing.js').Playing|null} */
    playing = null;
    #failed = false;
    /** Its camera has failed since it plays, and was not open again. */
    #broken = false;
    #on = false;
    /** The stream that plays. */
    #source = '';
    /** @type {import('./still.js').Still|null} */
    #still = null;
    #ended = false;
    #chip = chip();
    /** @type {HTMLButtonElement|null} */
    soundButton = null;
    /** @type {HTMLButtonElement|null} */
    stopButton = null;
    /** @type {HTMLButtonElement|null} */
    qualityButton = null;
    /** The button that talks, once it plays and its camera is known to have a loudspeaker. @type {import('./talking.js').Talking|null} */
    talk = null;
    #talks = false;

    /**
     * @param {Entry} entry
     * @param {{change: () => void, listen: (tile: Tile) => void, always: (name: string) => boolean, feed: import('../lib/server.js').Feed, entry: (name: string) => Entry|undefined}} grid
     */
    constructor(entry, grid) {
        this.entry = entry;
        this.grid = grid;
        this.quality = wishOf(entry.name);
        const name = entry.name;
        this.link = h('a', {class: 'name', href: `camera.html?src=${encodeURIComponent(name)}`, tabindex: '-1'}, name);
        this.about = h('span', {class: 'about'});
        this.picture = h('div', {class: 'picture'});
        this.note = h('p', {class: 'note'});
        this.start = button(t('tile.start'), () => this.want(), {icon: 'play', class: 'start'});
        this.start.tabIndex = -1;
        this.over = h('div', {class: 'over'}, this.note, this.start);
        this.full = button(t('tile.full'), () => fullScreen(this.node), {icon: 'full', bare: true, key: 'F'});
        this.full.tabIndex = -1;
        this.full.hidden = !hasFullScreen();
        this.buttons = h('span', {class: 'row'}, this.full);
        /** Where the page puts what it needs to arrange tiles. */
        this.tools = h('span', {class: 'row arrange', hidden: true});
        this.node = h('li', {class: 'tile', tabindex: '-1', data: {name}},
            h('div', {class: 'frame'}, this.picture, this.over),
            h('div', {class: 'bar'}, this.link, this.about, this.#chip.node, this.buttons, this.tools));
    }

    get tabIndex() {
        return this.node.matches(':focus-within') ? 0 : -1;
    }

    /** A page of sleeping cameras is there sooner without. */
    #makePlayButtons() {
        const sound = button(t('tile.sound'), () => this.grid.listen(this), {icon: 'mute', bare: true, key: 'M'});
        const stop = button(t('tile.stop'), () => this.stop(), {icon: 'stop', bare: true});
        for (const one of [sound, stop]) one.tabIndex = this.tabIndex;
        this.full.before(sound, stop);
        Object.assign(this, {soundButton: sound, stopButton: stop});
    }

    #showQuality() {
        if (!this.qualityButton && this.low) {
            const one = button('', () => this.#prefer(), {class: 'bare quality'});
            one.tabIndex = this.tabIndex;
            this.buttons.prepend(one);
            this.qualityButton = one;
        }
        if (!this.qualityButton) return;
        this.qualityButton.hidden = !this.low;
        const quality = t(`quality.${this.quality}`);
        say(/** @type {Node} */ (this.qualityButton.lastChild), quality);
        this.qualityButton.setAttribute('aria-label', t('tile.quality', {quality}));
        this.qualityButton.title = this.low ? t('tile.qualityAbout', {low: this.low}) : '';
    }

    #prefer() {
        this.quality = /** @type {const} */ ({auto: 'high', high: 'low', low: 'auto'})[this.quality];
        keepWish(this.entry.name, this.quality);
        this.grid.change();
    }

    get player() {
        return this.playing?.player ?? null;
    }

    get on() {
        return this.#on;
    }

    /** Pixels per second, if they are known. A camera that sends nothing costs nothing, and why it fails matters more than what is saved. */
    get cost() {
        return this.#failed ? 0 : this.playing?.cost;
    }

    get exempt() {
        return this.sound || document.fullscreenElement === this.node;
    }

    /** The stream with a loudspeaker: the other one of the camera may be the one that is known to have it. @returns {string|undefined} */
    get speaks() {
        return [this.entry.name, this.#source].find(one => hasLoudspeaker((this.grid.entry(one) ?? this.entry).json));
    }

    /** What it would play now: the lesser stream in a small tile, unless somebody has said which. */
    get source() {
        // How wide it is costs a layout.
        if (!this.low) return this.entry.name;
        return chooseQuality(this.entry.name, this.low, this.quality, this.node.clientWidth || Infinity);
    }

    /** It came onto the screen, or was scrolled away. @param {boolean} seen */
    see(seen) {
        clearTimeout(this.#leaving);
        this.seen = seen;
        this.#left = false;
        if (!seen) this.#leaving = setTimeout(() => {
            this.#left = true;
            this.grid.change();
        }, LET_GO);
        this.cover(!seen || document.querySelector('dialog[open]') !== null);
        this.grid.change();
    }

    /** @param {boolean} covered nobody can see it: the server decides what becomes of its camera */
    cover(covered) {
        if (covered) this.talk?.stop();
        this.playing?.cover(covered);
    }

    /** It cannot be seen, and may soon be again. */
    get stays() {
        return this.#on && !this.seen && !this.#left && this.would;
    }

    /** It plays something else than it should: the other stream, or no sound. */
    get renews() {
        return this.#on && this.seen && (this.source !== this.#source || this.sound && !this.playing?.sounds);
    }

    /** It plays by itself only if its camera runs anyway, or somebody has said so. */
    get wishes() {
        return this.seen && this.would;
    }

    get would() {
        if (this.stopped) return false;
        return this.wanted || this.#goesOn || RUNNING.includes((this.grid.entry(this.source) ?? this.entry).state) || this.grid.always(this.entry.name);
    }

    /** What plays goes on while its camera or the server fails. A camera that sleeps ends it, unless that is for want of just this viewer. */
    get #goesOn() {
        const {state, error} = this.grid.entry(this.#source) ?? this.entry;
        return this.#on && (state !== 'idle' || error !== '' || this.playing?.trying);
    }

    want() {
        Object.assign(this, {wanted: true, stopped: false, asked: Date.now()});
        this.node.focus({preventScroll: true});
        this.grid.change();
    }

    stop() {
        this.wanted = false;
        this.stopped = true;
        // The button that was pressed goes.
        this.node.focus({preventScroll: true});
        this.grid.change();
    }

    /** It is not to begin by itself any more: what plays ends if its camera would sleep. */
    rest() {
        if (this.playing) this.playing.pictured = false;
    }

    /** @param {Entry} entry */
    update(entry) {
        this.entry = entry;
        const playing = this.#on, name = entry.name;
        entry = this.grid.entry(playing ? this.#source : this.source) ?? entry;
        const delay = playing && entry.state === 'live' && this.playing?.delay, s = delay ? Math.ceil(delay / 100) / 10 : 0;
        this.#chip.show(entry, s ? t('tile.live', {s}) : undefined);
        const mode = wayName(this.playing?.mode ?? '');
        say(this.about, playing ? [mode, this.playing?.bits ? rate(this.playing.bits) : ''].filter(Boolean).join(' ') : '');
        const failed = entry.state === 'failed' || entry.state === 'retrying';
        this.#failed = failed;
        // What has given up until a person mends it: somebody has.
        if (failed) this.#broken = playing;
        else if (this.#broken && RUNNING.includes(entry.state)) {
            this.#broken = false;
            if (this.player?.phase === 'failed') this.player.retry();
        }
        const old = !this.saving && this.#still?.old ? t('tile.age', {age: ago(this.#still.age)}) : '';
        const text = playing ? this.playing?.shows ? '' : old : failed ? entry.error : this.saving ? t('tile.saving') : old;
        say(this.note, text);
        hide(this.note, !text);
        hide(this.start, playing || this.saving && !failed && !this.picture.querySelector('.none'));
        this.start.classList.toggle('again', failed);
        say(/** @type {Node} */ (this.start.lastChild), failed ? t('common.retryNow') : t('tile.start'));
        hide(this.over, !text && this.start.hidden);
        this.full.disabled = !canFill(this.node);
        this.#showQuality();
        if (playing && !this.soundButton) this.#makePlayButtons();
        if (playing && !this.#talks && this.speaks) {
            this.#talks = true;
            import('./talking.js').then(it => this.#ended || it.talkIn(this), () => this.#talks = false);
        }
        if (!playing) this.talk?.stop();
        for (const one of [this.soundButton, this.stopButton, this.talk?.node]) if (one) hide(one, !playing);
        this.node.classList.toggle('playing', playing);
        this.node.setAttribute('aria-label', [name, s ? t('state.live') : stateText(entry), mode, s && t('tile.delay', {s})].filter(Boolean).join(', '));
    }

    /** @param {boolean} on */
    listen(on) {
        this.sound = on;
        // What was muted has to be asked for anew.
        if (on && !this.playing?.sounds) this.grid.change();
        else this.playing?.mute(!on);
        this.soundButton?.setAttribute('aria-pressed', String(on));
        setIcon(this.soundButton, on ? 'sound' : 'mute');
    }

    /** @param {boolean} on @param {boolean} saving it would play, but must not */
    play(on, saving) {
        this.saving = saving;
        if (on === this.#on) {
            if (!on) this.#stills();
            else if (this.renews) this.#begin();
            return this.update(this.entry);
        }
        this.#on = on;
        if (!on) {
            this.playing?.end();
            this.#stills();
            return this.update(this.entry);
        }
        this.#still?.stop();
        this.#begin();
    }

    #begin() {
        this.#source = this.source;
        this.update(this.entry);
        this.playing?.begin(this.#source, this.sound);
    }

    /** The last picture, once what shows it is there: the grid needs nothing of it before. */
    async #stills() {
        const it = this.seen && await import('./still.js').catch(() => null);
        if (!it || this.#on || this.#ended) return;
        this.#still ??= new it.Still(this);
        this.#still.show();
    }

    end() {
        this.#still?.end();
        clearTimeout(this.#leaving);
        this.#on = false;
        this.#ended = true;
        this.talk?.end();
        this.playing?.end();
    }
}
