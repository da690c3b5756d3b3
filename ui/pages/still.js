/**
 * The last picture in a tile that does not play, loaded when the first one is wanted.
 */
import {h, icon} from '../lib/dom.js';
import {poster} from '../lib/poster.js';

/** Milliseconds between the pictures of a tile that has to save power, and from which on a picture is old. */
const EVERY = 1000, OLD = 2000;

export class Still {
    /** @type {any} */
    #timer = 0;
    /** State of the camera that it was asked for in. */
    #of = '';
    /** Where the picture that is shown lies; it has to be revoked. */
    #url = '';
    /** Milliseconds that it was old when it came, and when that was. */
    #age = 0;
    #at = 0;
    #asking = false;
    #ended = false;

    /** @param {import('./tile.js').Tile} tile */
    constructor(tile) {
        this.tile = tile;
    }

    /** It was no picture of the moment when it came. */
    get old() {
        return this.#age > OLD;
    }

    /** Milliseconds. */
    get age() {
        return this.#age + Date.now() - this.#at;
    }

    /** Again and again while the tile only must not play and somebody may see it. */
    async show() {
        const {tile} = this, {picture} = tile;
        clearTimeout(this.#timer);
        if (!tile.seen || document.hidden || this.#asking) return;
        // One picture per state, unless it saves power.
        const of = tile.entry.state;
        if (!tile.saving && this.#of === of) return;
        this.#of = of;
        this.#asking = true;
        const still = await poster(tile.entry.name);
        this.#asking = false;
        if (tile.on || this.#ended) return still && URL.revokeObjectURL(still.url);
        if (still) {
            const old = picture.querySelector('.still');
            picture.prepend(still.video ? h('video', {class: 'still', src: still.url, muted: true, playsinline: true, 'aria-hidden': 'true', preload: 'auto'})
                : h('img', {class: 'still', src: still.url, alt: ''}));
            old?.remove();
            URL.revokeObjectURL(this.#url);
            this.#url = still.url;
            this.#age = still.age ?? 0;
            this.#at = Date.now();
            tile.update(tile.entry);
        } else if (!picture.querySelector('.still')) {
            picture.replaceChildren(h('div', {class: 'still none'}, icon('camera')));
            tile.update(tile.entry);
        }
        if (tile.saving) this.#timer = setTimeout(() => this.show(), EVERY);
    }

    stop() {
        clearTimeout(this.#timer);
    }

    end() {
        this.stop();
        this.#ended = true;
        URL.revokeObjectURL(this.#url);
    }
}
