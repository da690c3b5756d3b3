/**
 * What an attempt waits for, in words, once it takes longer than usual.
 */
import {pathText} from '../reasons.js';

/** @typedef {import('./rs-player.js').RsPlayer} RsPlayer */
/** @typedef {import('../reasons.js').PathReport} PathReport */

/** Milliseconds until it is told, between two looks, and of media without a picture after which there is no decoder for it: of H.265, which often is not there, and of what any browser has. */
const PATIENCE = 3000, LOOK = 500, BLIND_H265 = 3000, BLIND = 7000;

export class Patience {
    /** The pairs that were tried; the browser forgets them when it gives up. @type {PathReport['pairs']} */
    pairs = [];
    /** @type {any} */
    #timer = 0;
    /** Since when there is media without a picture; 0: there is none. */
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
        this.#wait(player);
    }

    stop() {
        clearTimeout(this.#timer);
        this.#timer = 0;
    }

    /** @param {RsPlayer} player */
    #wait(player) {
        const timer = setTimeout(async () => {
            const text = Date.now() - player.connectTS >= PATIENCE && await this.#text(player);
            if (this.#timer !== timer) return;
            if (text) this.say(text);
            const seen = await unseen(player);
            if (this.#timer !== timer) return;
            this.#blind = seen.mse || seen.rtc ? this.#blind || Date.now() : 0;
            const limit = /hvc1|H265/.test(`${seen.mse && player.mseCodecs} ${seen.rtc && player.pc?.remoteDescription?.sdp}`) ? BLIND_H265 : BLIND;
            if (!this.#blind || Date.now() - this.#blind < limit || !player.undecoded(seen)) this.#wait(player);
        }, LOOK);
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
