/**
 * Pictures that stand still: one look at all videos together, twice a second.
 */

const LOOK = 500;
/** Milliseconds without a new picture that are a stall, and how many times longer than usual it must be: some cameras send few pictures. */
const STALL = 2000, LONGER = 4;

/** @typedef {{video: HTMLVideoElement, active: () => boolean, onstall: () => void, frames: number, at: number, usual: number, told: boolean}} Watched */

/** @type {Set<Watched>} */
const all = new Set();
/** @type {any} */
let timer = 0;

/** A number that grows with the pictures. @param {HTMLVideoElement} video */
const framesOf = video => video.getVideoPlaybackQuality?.().totalVideoFrames ?? video.currentTime;

/**
 * @param {HTMLVideoElement} video
 * @param {() => boolean} active it is to play
 * @param {() => void} onstall once for each time that it stands still
 * @returns {() => void} ends it
 */
export function watchStalls(video, active, onstall) {
    const one = {video, active, onstall, frames: framesOf(video), at: Date.now(), usual: 0, told: false};
    all.add(one);
    if (!timer) timer = setTimeout(look, LOOK);
    return () => {
        all.delete(one);
    };
}

function look() {
    const now = Date.now();
    for (const one of all) {
        const frames = framesOf(one.video), more = frames - one.frames;
        if (more || document.hidden || one.video.paused || !one.active()) {
            if (more > 0) {
                const each = (now - one.at) / more;
                one.usual = one.usual ? 0.9 * one.usual + 0.1 * each : each;
            }
            Object.assign(one, {frames, at: now, told: false});
        } else if (!one.told && one.usual && now - one.at > Math.max(STALL, LONGER * one.usual)) {
            one.told = true;
            one.onstall();
        }
    }
    timer = all.size ? setTimeout(look, LOOK) : 0;
}
