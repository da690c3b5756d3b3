/**
 * Loads that never run side by side and miss nothing: what happens while one runs is seen by another one right after it. Pure.
 */

export class Gatherer {
    /** @type {any} */
    #timer = 0;
    /** @type {Promise<void>|null} */
    #running = null;
    #again = false;
    #load;
    #wait;

    /** @param {() => Promise<void>} load tells its failures itself @param {number} [wait] milliseconds in which events are gathered */
    constructor(load, wait = 250) {
        this.#load = load;
        this.#wait = wait;
    }

    /** Something has happened: loads soon, once for all that happens meanwhile. */
    soon() {
        this.#timer ||= setTimeout(() => this.now(), this.#wait);
    }

    /** Something has happened: loads at once, or after the load that runs. @returns {Promise<void>} when that is done */
    now() {
        clearTimeout(this.#timer);
        this.#timer = 0;
        this.#again = true;
        return this.look();
    }

    /** Only to be up to date: a load that runs is enough. @returns {Promise<void>} when it is done */
    look() {
        this.#running ??= this.#run();
        return this.#running;
    }

    get busy() {
        return this.#running !== null;
    }

    async #run() {
        try {
            do {
                this.#again = false;
                await this.#load();
            } while (this.#again);
        } finally {
            this.#running = null;
        }
    }
}
