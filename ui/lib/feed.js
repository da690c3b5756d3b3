/**
 * What the server tells as it happens (`api/rs/events`), one connection per page. A lost one is made again after
 * 1, 2, 5 and then every 10 seconds, at once when the network or the visitor comes back; the browser gets what it missed.
 * A page that nobody sees gives its connection back: browsers have six for a server, and a seventh page would wait for ever.
 *
 * @fires Feed#EVENT every event of the server, detail: its data
 * @fires Feed#state when the connection comes or goes
 * @fires Feed#reset what is known is out of date: load it again
 * @fires Feed#restarted the server is another run of the program
 */

const NAMES = ['source_opening', 'source_opened', 'source_failed', 'source_waiting', 'source_stalled', 'source_released',
    'viewer_joined', 'viewer_parked', 'viewer_resumed', 'viewer_left', 'talk_started', 'talk_ended', 'log'];
const WAITS = [1000, 2000, 5000, 10_000];
/** Milliseconds that a hidden page keeps its connection. */
const HIDDEN_KEEPS = 5000;

export class Feed extends EventTarget {
    /** @type {'connecting'|'live'|'lost'} */
    state = 'connecting';
    /** When the last word came, as of `Date.now()`. */
    heard = Date.now();
    boot = '';
    #last = '';
    #tries = 0;
    /** @type {any} */
    #timer = 0;
    /** @type {any} */
    #hiding = 0;
    /** Nobody has seen the page for so long that it has given its connection back. */
    #away = false;
    /** @type {EventSource|null} */
    #source = null;

    /** @param {string} topics */
    constructor(topics) {
        super();
        this.topics = topics;
        window.addEventListener('online', () => this.now());
        document.addEventListener('visibilitychange', () => this.#seen(!document.hidden));
        // An open connection would keep the page from being kept by the browser.
        window.addEventListener('pagehide', () => this.#close());
        window.addEventListener('pageshow', ev => ev.persisted && this.#seen(!document.hidden));
        this.#open();
        // A tab may be opened behind the others.
        if (document.hidden) this.#seen(false);
    }

    /** Tries now if it is not connected. */
    now() {
        if (this.state === 'lost' && !this.#away) this.#open();
    }

    /** @param {boolean} seen */
    #seen(seen) {
        clearTimeout(this.#hiding);
        if (!seen) {
            this.#hiding = setTimeout(() => {
                this.#away = true;
                this.#close();
            }, HIDDEN_KEEPS);
            return;
        }
        this.#away = false;
        if (!this.#source) this.#open();
    }

    #close() {
        clearTimeout(this.#timer);
        this.#source?.close();
        this.#source = null;
    }

    #open() {
        this.#close();
        const query = new URLSearchParams({topics: this.topics});
        if (this.#last) query.set('last', this.#last);
        const source = new EventSource(`api/rs/events?${query}`);
        this.#source = source;
        for (const name of NAMES) source.addEventListener(name, ev => this.#hear(name, ev));
        source.addEventListener('hello', ev => {
            const {boot} = JSON.parse(ev.data);
            const again = this.boot && this.boot !== boot;
            this.boot = boot;
            this.#tries = 0;
            this.#hear('', ev);
            this.#enter('live');
            if (again) this.dispatchEvent(new Event('restarted'));
        });
        source.addEventListener('reset', ev => {
            this.#hear('', ev);
            this.dispatchEvent(new Event('reset'));
        });
        source.addEventListener('error', () => {
            if (this.#source !== source) return;
            this.#close();
            const wait = WAITS[Math.min(this.#tries++, WAITS.length - 1)] * (0.8 + Math.random() * 0.4);
            this.#timer = setTimeout(() => this.#open(), wait);
            this.#enter('lost');
        });
    }

    /** @param {string} name @param {MessageEvent} ev */
    #hear(name, ev) {
        this.heard = Date.now();
        this.#last = ev.lastEventId || this.#last;
        if (name) this.dispatchEvent(new CustomEvent(name, {detail: JSON.parse(ev.data)}));
    }

    /** @param {'live'|'lost'} state */
    #enter(state) {
        this.state = state;
        this.dispatchEvent(new Event('state'));
    }

    /**
     * Hears some events. @param {string[]} names @param {(detail: any, name: string) => void} callback
     */
    on(names, callback) {
        for (const name of names) this.addEventListener(name, ev => callback(/** @type {CustomEvent} */ (ev).detail, name));
    }
}
