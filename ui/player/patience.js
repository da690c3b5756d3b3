/**
 * What an attempt waits for, in words, once it takes longer than usual.
 */
import {pathText} from '../reasons.js';

/** @typedef {import('./rs-player.js').RsPlayer} RsPlayer */
/** @typedef {import('../reasons.js').PathReport} PathReport */

/** Milliseconds until it is told, and looks in a row with media and without a picture after which there is no decoder for it. */
const PATIENCE = 3000, BLIND = 5;

export class Patience {
    /** The pairs that were tried; the browser forgets them when it gives up. @type {PathReport['pairs']} */
    pairs = [];
    /** @type {any} */
    #timer = 0;
    #blind = 0;

    /** @param {(text: string) => void} say */
    constructor(say) {
        this.say = say;
    }

    /** @param {RsPlayer} player */
    watch(player) {
        if (this.#timer) return;
        this.pairs = [];
        this.#blind = 0;
        this.#wait(player, Math.max(0, PATIENCE - (Date.now() - player.connectTS)));
    }

    stop() {
        clearTimeout(this.#timer);
        this.#timer = 0;
    }

    /** @param {RsPlayer} player @param {number} ms */
    #wait(player, ms) {
        const timer = setTimeout(async () => {
            const text = await this.#text(player);
            if (this.#timer !== timer) return;
            this.say(text);
            const seen = await unseen(player);
            if (this.#timer !== timer) return;
            this.#blind = seen.mse || seen.rtc ? this.#blind + 1 : 0;
            if (this.#blind < BLIND || !player.undecoded(seen)) this.#wait(player, 1000);
        }, ms);
        this.#timer = timer;
    }

    /** @param {RsPlayer} player */
    async #text(player) {
        const {pc} = player;
        if (player.ws && player.ws.readyState === WebSocket.CONNECTING) return 'Waiting for the server…';
        if (!pc?.remoteDescription) return 'Waiting for the camera…';
        const report = await player.pathReport(pc);
        if (report.pairs.length) this.pairs = report.pairs;
        return pc.connectionState === 'connected' ? 'Connected, waiting for the picture…' : ['Looking for a network path…', pathText(report)].join('\n');
    }
}

/** Where media arrives of which no picture comes. @param {RsPlayer} player */
export async function unseen({pc, video}) {
    // One that was not allowed to play has no reason to decode.
    if (!video || video.paused || video.readyState > 1) return {};
    const stats = [...await pc?.getStats().then(report => report.values(), () => []) ?? []];
    return {mse: video.buffered?.length > 0, rtc: stats.some(one => one.type === 'inbound-rtp' && one.kind === 'video' && one.framesReceived && !one.framesDecoded)};
}
