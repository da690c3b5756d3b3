/**
 * One connection of a player, from the socket that is dialled to the end: what is known
 * about it and what is timed. The next one begins with a new one.
 */

/** @typedef {import('./signalling.js').Session} Session */
/** @typedef {import('./signalling.js').Link} Link */
/** @typedef {'webrtc'|'mse'|'hls'|'mp4'|'mjpeg'} Mode */
/** @typedef {'socket'|'answer'|'network'|'picture'} Step towards the first picture; without WebRTC there is no `network` */

export class Run {
    /** What the server answered to `hello`. @type {Session|null} */
    session = null;
    /** Brings the socket back beside a picture. @type {Link|null} */
    link = null;
    /** Makes the connection of WebRTC, which is still to come. @type {(() => void)|null} */
    rtc = null;
    /** WebRTC is what is shown. */
    won = false;
    /** WebRTC plays the sound beside Motion JPEG. */
    sounds = false;
    /** The modes that may still play. @type {Set<string>} */
    open = new Set();
    /** The error to show if nothing plays. */
    error = '';
    /** What is shown, or about to be. @type {Mode|''} */
    mode = '';
    /** When the first frame was shown, as of `Date.now()`. */
    liveSince = 0;
    /** What was done until then, and the milliseconds that each took. @type {{step: Step, ms: number}[]} */
    steps = [];
    /** Milliseconds of all of them. */
    get took() {
        return this.steps.reduce((sum, one) => sum + one.ms, 0);
    }

    /** The way that was kept in mind, and is tried alone. @type {import('./ways.js').Way|''} */
    only = '';
    /** The one that is tried where both do not race. @type {import('./ways.js').Way|''} */
    alone = '';
    /** Has a way shown a picture, or was it refused? @type {Record<string, boolean>} */
    works = {};
    /** The server's verdicts. @type {import('./socket.js').Candidate[]} */
    candidates = [];
    /** `park` was sent and not yet `resume`. */
    parkSent = false;
    /** `resume` was due while the socket was lost. */
    resumeOwed = false;
    /** The server's reason while it has let the camera go. */
    parkedBy = '';
    /** The server's reason for the end. */
    released = '';
    /** Forgets the frame that is waited for. */
    unframe = () => {};
    /** Looks no more whether the picture stands still. */
    unwatch = () => {};
    /** Called for each picture of Motion JPEG that is shown. */
    onpicture = () => {};
    /** Those of Motion JPEG and of MP4. */
    pictures = 0;
    /** Called for each word of the server. */
    onheard = () => {};
    /** @type {Record<string, any>} */
    #timers = {};

    /**
     * Starts a timer instead of the one of the same name.
     * @param {'answer'|'away'|'frame'|'race'|'reason'|'rtc'|'still'} name
     * @param {number} ms
     * @param {() => void} callback
     */
    after(name, ms, callback) {
        this.stop(name);
        this.#timers[name] = setTimeout(() => {
            delete this.#timers[name];
            callback();
        }, ms);
    }

    /** @param {string} name */
    stop(name) {
        clearTimeout(this.#timers[name]);
        delete this.#timers[name];
    }

    /** @param {string} name */
    isTimed(name) {
        return name in this.#timers;
    }

    /** Nothing of it happens any more. */
    end() {
        for (const name of Object.keys(this.#timers)) this.stop(name);
        this.rtc = null;
        this.unframe();
        this.unwatch();
        this.link?.close();
        this.link = null;
    }
}
