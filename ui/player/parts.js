/**
 * What a player is made of: each part has the others, and of the element only what stands here.
 */
import {Decoding} from './decoding.js';
import {Ending} from './ending.js';
import {Presence} from './presence.js';
import {Rtc} from './rtc.js';
import {Showing} from './showing.js';
import {Hearing} from './socket.js';
import {Standstill} from './standstill.js';
import {Ways} from './ways.js';

/**
 * @typedef {object} Base
 * @property {import('./rs-player.js').RsPlayer} element
 * @property {import('./status.js').Status} status
 * @property {() => import('./run.js').Run} run the connection of now
 * @property {() => void} renew the next one begins
 * @property {() => void} close what `VideoRTC` does at an end
 * @property {() => void} lost what `VideoRTC` does without WebRTC
 */
/** @typedef {Base & {presence: Presence, hearing: Hearing, showing: Showing, ending: Ending, decoding: Decoding, rtc: Rtc, ways: Ways, standstill: Standstill}} Parts */

/** @param {Base} base @returns {Parts} */
export function partsOf(base) {
    const all = /** @type {Parts} */ (base);
    return Object.assign(all, {
        presence: new Presence(all), hearing: new Hearing(all), showing: new Showing(all), ending: new Ending(all), decoding: new Decoding(all), rtc: new Rtc(all), ways: new Ways(all),
        standstill: new Standstill(all),
    });
}
