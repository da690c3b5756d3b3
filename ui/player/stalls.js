/**
 * Pictures that stand still: one look at all of them together, twice a second.
 */

const LOOK = 500;
/** Milliseconds without a new picture that are a stall, and how many times longer than usual it must be: some cameras send few pictures. The same while nothing is known yet. */
const STALL = 2000, LONGER = 4, UNKNOWN = 10_000;

/** @typedef {{count: () => number, active: () => boolean, onstall: () => void, ongo: () => void, frames: number, at: number, looks: number, usual: number, last: number, told: boolean}} Watched */

/** @type {Set<Watched>} */
const all = new Set();
/** @type {any} */
let timer = 0;

/** A number that grows with the pictures; without them, or where they are not counted, with the time. @param {HTMLVideoElement} video */
export const framesOf = video => video.getVideoPlaybackQuality?.().totalVideoFrames || video.currentTime;

/**
 * @param {() => number} count grows with the pictures
 * @param {() => boolean} active it is to play
 * @param {() => void} onstall once for each time that it stands still
 * @param {() => void} ongo it goes on after that
 * @returns {() => void} ends it
 */
export function watchStalls(count, active, onstall, ongo) {
    const one = {count, active, onstall, ongo, frames: count(), at: Date.now(), looks: 0, usual: 0, last: 0, told: false};
    all.add(one);
    if (!timer) timer = setTimeout(look, LOOK);
    return () => {
        all.delete(one);
    };
}

function look() {
    const now = Date.now();
    for (const one of all) {
        const frames = one.count(), more = frames - one.frames;
        if (more || document.hidden || !one.active()) {
            if (more > 0) {
                const each = (now - one.at) / more;
                // The first ones come together, if the server has kept them. Two gaps in a row are the camera's.
                if (one.looks++ > 1) {
                    one.usual = one.usual ? Math.max(0.9 * one.usual + 0.1 * each, Math.min(each, one.last)) : each;
                    one.last = each;
                }
            }
            Object.assign(one, {frames, at: now});
            if (more && one.told) {
                one.told = false;
                one.ongo();
            }
        } else if (!one.told && now - one.at > (one.usual ? Math.max(STALL, LONGER * one.usual) : UNKNOWN)) {
            one.told = true;
            one.onstall();
        }
    }
    timer = all.size ? setTimeout(look, LOOK) : 0;
}
