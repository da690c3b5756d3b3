/**
 * Still pictures in the place of a video that this browser has no decoder for. The server makes them (`api/frame.jpeg`) where it can; the
 * camera is open only while it makes one.
 */
import {baseOf} from './signalling.js';

/** Milliseconds from one picture to the question for the next. */
const EVERY = 5000;

export class Stills {
    /** @type {HTMLImageElement|null} */
    #image = null;
    /** @type {any} */
    #timer = 0;

    /**
     * @param {HTMLElement} host
     * @param {() => void} onpicture the first one is shown
     * @param {() => boolean} away nobody can see them, or wants to
     */
    constructor(host, onpicture, away) {
        this.host = host;
        this.onpicture = onpicture;
        this.away = away;
    }

    /** @param {string} wsURL address of the socket, for the name of the stream */
    start(wsURL) {
        this.stop();
        const name = new URL(wsURL).searchParams.get('src') ?? '', image = document.createElement('img');
        image.className = 'stills';
        image.alt = '';
        image.hidden = true;
        image.addEventListener('load', () => {
            if (image !== this.#image) return;
            if (image.hidden) this.onpicture();
            image.hidden = false;
            this.#timer = setTimeout(ask, EVERY);
        });
        // The server cannot make one either.
        image.addEventListener('error', () => image === this.#image && this.stop());
        let count = 0;
        const ask = () => {
            if (document.hidden || this.away()) this.#timer = setTimeout(ask, EVERY);
            else image.src = new URL(`api/frame.jpeg?src=${encodeURIComponent(name)}&still=${count++}`, baseOf(wsURL)).href;
        };
        this.#image = image;
        this.host.prepend(image);
        ask();
    }

    stop() {
        clearTimeout(this.#timer);
        // What is on its way is let go of, too.
        this.#image?.removeAttribute('src');
        this.#image?.remove();
        this.#image = null;
    }
}
