/**
 * Frames: when the next one is shown, and the last one to look at meanwhile.
 */

/**
 * Calls once, when the next frame is shown; without video, when the sound goes on.
 * @param {HTMLVideoElement} video
 * @param {() => void} callback
 * @returns {() => void} forgets it
 */
export function onFrame(video, callback) {
    const abort = new AbortController(), {signal} = abort;
    let id = 0;
    const stop = () => {
        abort.abort();
        if (id) video.cancelVideoFrameCallback(id);
    };
    const seen = () => {
        if (signal.aborted) return;
        stop();
        callback();
    };
    if ('requestVideoFrameCallback' in video) {
        id = video.requestVideoFrameCallback(seen);
        // A stream of sound alone has no frames.
        video.addEventListener('timeupdate', () => { if (!video.videoWidth && video.readyState >= 2) seen(); }, {signal});
    } else {
        for (const name of ['loadeddata', 'timeupdate']) {
            /** @type {HTMLVideoElement} */ (video).addEventListener(name, seen, {signal});
        }
    }
    return stop;
}

/** The last frame, over the video until there is a new one. */
export class LastPicture {
    /** @param {HTMLVideoElement} video */
    constructor(video) {
        this.video = video;
        this.canvas = document.createElement('canvas');
        this.canvas.className = 'last';
        this.canvas.hidden = true;
        this.canvas.setAttribute('aria-hidden', 'true');
    }

    /**
     * Takes the frame that is shown now, once until `hide`; keeps the older one if there is none.
     * @param {HTMLCanvasElement|HTMLVideoElement} [from] where it is shown
     */
    grab(from = this.video) {
        if (!this.canvas.hidden) return;
        const [width, height, ready] = 'videoWidth' in from ? [from.videoWidth, from.videoHeight, from.readyState >= 2] : [from.width, from.height, true];
        if (!width || !ready) return;
        try {
            this.canvas.width = width;
            this.canvas.height = height;
            this.canvas.getContext('2d')?.drawImage(from, 0, 0);
            this.canvas.hidden = false;
        } catch (err) {
            console.warn(err);
        }
    }

    /** The video has a picture of its own. */
    hide() {
        if (this.canvas.hidden) return;
        this.canvas.hidden = true;
        // It may be many megabytes.
        this.canvas.width = this.canvas.height = 0;
    }
}
