/**
 * Leaving and coming back: the goodbyes in their order, and what the page tells about
 * being hidden, frozen, cached and left. There is no listener for `unload` or
 * `beforeunload`: they keep a page out of the back/forward cache.
 */

/**
 * Says goodbye on every way there is, the surest first. The peer connection is closed
 * before all else, because a browser that closes a tab sends nothing for it by itself; a
 * request outlives the page; a beacon is the second one in case the first is lost.
 * @param {object} what
 * @param {RTCPeerConnection|null} what.pc
 * @param {WebSocket|null} what.ws
 * @param {string[]} what.byes addresses that end the session
 * @param {boolean} what.beacon the page is going
 */
export function sayGoodbye({pc, ws, byes, beacon}) {
    pc?.close();
    for (const bye of byes) {
        try {
            fetch(bye, {method: 'DELETE', keepalive: true}).catch(() => {});
        } catch {
            // The beacon and the socket are left.
        }
    }
    if (beacon) {
        for (const bye of byes) {
            try {
                navigator.sendBeacon(`${bye}/bye`);
            } catch {
                // The socket is left.
            }
        }
    }
    ws?.close();
}

/**
 * @typedef {object} PageListener
 * @property {() => void} onleave the page goes, perhaps into the cache
 * @property {() => void} onreturn the page is back from the cache
 * @property {() => void} onhide something may have come between the eye and the element
 * @property {() => void} onshow something that hid the element is gone
 * @property {() => void} ononline
 */

/** Watches the page for one element. */
export class PageWatch {
    /** The browser has stopped the page's clock. */
    frozen = false;
    /** The element is scrolled away. */
    offscreen = false;
    /** The page has said so with the event `cover` (detail: boolean): something is before the element, or it is scrolled away. */
    covered = false;
    #abort = new AbortController();
    /** @type {IntersectionObserver|null} */
    #observer = null;

    /**
     * @param {Element} element
     * @param {number} threshold part of the element (0 to 1) that must be on the screen, 0: none
     * @param {PageListener} to
     */
    constructor(element, threshold, to) {
        const {signal} = this.#abort;
        window.addEventListener('pagehide', () => to.onleave(), {signal});
        window.addEventListener('pageshow', ev => {
            this.frozen = false;
            if (/** @type {PageTransitionEvent} */ (ev).persisted) to.onreturn();
        }, {signal});
        window.addEventListener('online', () => to.ononline(), {signal});
        document.addEventListener('visibilitychange', () => document.hidden ? to.onhide() : to.onshow(), {signal});
        document.addEventListener('freeze', () => {
            this.frozen = true;
            to.onhide();
        }, {signal});
        document.addEventListener('resume', () => {
            this.frozen = false;
            to.onshow();
        }, {signal});
        element.addEventListener('cover', ev => {
            const {detail} = /** @type {CustomEvent} */ (ev);
            if (this.covered === detail) return;
            this.covered = detail;
            if (detail) to.onhide();
            else to.onshow();
        }, {signal});
        if (threshold && 'IntersectionObserver' in window) {
            this.#observer = new IntersectionObserver(entries => {
                this.offscreen = !entries[entries.length - 1].isIntersecting;
                if (this.offscreen) to.onhide();
                else to.onshow();
            }, {threshold});
            this.#observer.observe(element);
        }
    }

    stop() {
        this.#abort.abort();
        this.#observer?.disconnect();
    }
}

/** Is the video shown in a window of its own, which stays when the page is hidden? @param {HTMLVideoElement|null} video */
export function inPicture(video) {
    if (!video) return false;
    return document.pictureInPictureElement === video
        || /** @type {any} */ (video).webkitPresentationMode === 'picture-in-picture';
}
