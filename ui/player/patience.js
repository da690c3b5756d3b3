/**
 * What an attempt waits for, in words, once it takes longer than usual.
 */
import {pathText} from '../reasons.js';

/** @typedef {import('../video-rtc.js').VideoRTC} VideoRTC */
/** @typedef {import('../reasons.js').PathReport} PathReport */

/** Milliseconds until it is told. */
const PATIENCE = 3000;

export class Patience {
    /** The pairs that were tried; the browser forgets them when it gives up. @type {PathReport['pairs']} */
    pairs = [];
    /** @type {any} */
    #timer = 0;

    /** @param {(text: string) => void} say */
    constructor(say) {
        this.say = say;
    }

    /** @param {VideoRTC} player */
    watch(player) {
        if (this.#timer) return;
        this.pairs = [];
        this.#wait(player, Math.max(0, PATIENCE - (Date.now() - player.connectTS)));
    }

    stop() {
        clearTimeout(this.#timer);
        this.#timer = 0;
    }

    /** @param {VideoRTC} player @param {number} ms */
    #wait(player, ms) {
        const timer = setTimeout(async () => {
            const text = await this.#text(player);
            if (this.#timer !== timer) return;
            this.say(text);
            this.#wait(player, 1000);
        }, ms);
        this.#timer = timer;
    }

    /** @param {VideoRTC} player */
    async #text(player) {
        const {pc} = player;
        if (player.ws && player.ws.readyState === WebSocket.CONNECTING) return 'Waiting for the server…';
        if (!pc?.remoteDescription) return 'Waiting for the camera…';
        const report = await player.pathReport(pc);
        if (report.pairs.length) this.pairs = report.pairs;
        return pc.connectionState === 'connected' ? 'Connected, waiting for the picture…' : ['Looking for a network path…', pathText(report)].join('\n');
    }
}
