/**
 * Figures of a player once a second, as long as somebody listens to its event `stats`; what reads them is loaded then.
 */

const EVERY = 1000;

export class Telling {
    /** @type {Set<any>} */
    #listeners = new Set();
    /** @type {any} */
    #timer = 0;
    /** @type {import('../lib/stats.js').Stats|null} */
    #stats = null;
    /** The connection that was read. @type {unknown} */
    #of = null;

    /**
     * @param {import('./rs-player.js').RsPlayer} player
     * @param {() => unknown} connection what is counted belongs to it
     * @param {(figures: import('../lib/stats.js').Figures) => void} tell
     */
    constructor(player, connection, tell) {
        this.player = player;
        this.connection = connection;
        this.tell = tell;
    }

    /** @param {any} listener */
    add(listener) {
        this.#listeners.add(listener);
        this.go();
    }

    /** @param {any} listener */
    remove(listener) {
        this.#listeners.delete(listener);
    }

    /** Goes on, or begins. */
    go() {
        if (this.#listeners.size && this.player.isConnected) this.#timer ||= setTimeout(() => this.#read(), EVERY);
    }

    async #read() {
        const {player} = this;
        if (!document.hidden && player.phase !== 'idle') {
            this.#stats ??= new (await import('../lib/stats.js')).Stats();
            const now = this.connection();
            if (this.#of !== now) this.#stats.reset();
            this.#of = now;
            const figures = await this.#stats.read(player);
            if (this.connection() === now && player.isConnected) this.tell(figures);
        }
        this.#timer = 0;
        this.go();
    }
}
