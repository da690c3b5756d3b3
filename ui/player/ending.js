/**
 * How an attempt ends, and what comes after it: in which words, when it is tried again, and why it was not heard at all.
 */
import {classOfEnd, explainEnd, isUndecodable, undecoded} from '../reasons.js';
import {sayGoodbye} from './leaving.js';
import {Retry, stops} from './retry.js';
import {reach} from './signalling.js';

/** @typedef {import('../reasons.js').ErrorClass} ErrorClass */

/** Milliseconds that the server's reason may come after its goodbye on the media path. */
const REASON_AFTER_GOODBYE = 250;
/** Milliseconds of picture after which the next failure counts as the first one. */
const STABLE = 5000;
/** Sockets in a row that are not opened by a server that answers, after which it is played without. */
const BLOCKED = 2;

export class Ending {
    /** Sockets in a row that were not opened although the server answers. */
    #blocked = 0;
    /** Opens something else than a WebSocket. @type {typeof import('./http-socket.js').HttpSocket|null} */
    #Socket = null;

    /** @param {import('./parts.js').Parts} player */
    constructor(player) {
        this.player = player;
        this.retry = new Retry(() => player.element.onconnect());
    }

    /** The server has let go of the media path; why comes over the socket. */
    letGo() {
        const {element, showing} = this.player, run = this.player.run();
        if (run.isTimed('reason')) return;
        // Soon the browser takes the frame away.
        showing.grab();
        if (element.ws && run.session?.caps.has('released')) run.after('reason', REASON_AFTER_GOODBYE, () => this.ended());
        else this.ended();
    }

    ended() {
        const reason = this.player.run().released;
        this.lose(reason ? explainEnd(reason, this.player.element.wsURL) : 'The connection was lost.', reason ? classOfEnd(reason) : 'ended', true);
    }

    /**
     * It plays no more, or did not begin.
     * @param {string} reason
     * @param {ErrorClass} cls
     * @param {boolean} [atOnce] what has ended had worked
     */
    lose(reason, cls, atOnce = false) {
        const {status, presence, showing, ways, decoding} = this.player, {liveSince} = this.player.run(), isOther = ways.failed();
        if (liveSince && Date.now() - liveSince >= STABLE) this.retry.reset();
        this.leave(null);
        if (presence.away) return status.enter('parked', presence.why);
        if (isOther) [cls, atOnce] = ['ended', true];
        if (stops(cls)) {
            if (decoding.bad.length) reason = undecoded(reason);
            status.enter('failed', reason, {kind: cls});
            if (isUndecodable(reason)) showing.stills(reason);
            return;
        }
        const ms = this.retry.plan(cls, atOnce && cls === 'ended');
        status.enter('retrying', reason, {nextTry: Date.now() + ms, kind: cls});
    }

    /**
     * Closes everything, first of all towards the server.
     * @param {'idle'|'parked'|null} phase to be in afterwards
     * @param {boolean} [beacon] the page is going
     */
    leave(phase, beacon = false) {
        const {element, status, presence, showing} = this.player, run = this.player.run();
        sayGoodbye({pc: element.pc, ws: element.ws, byes: run.released ? [] : run.session?.byes ?? [], beacon});
        if (run.liveSince) showing.grab();
        run.end();
        this.player.renew();
        this.retry.cancel();
        showing.stop();
        this.player.close();
        if (phase) status.enter(phase, phase === 'parked' ? presence.why : '');
    }

    /** Somebody has pressed the button. */
    again() {
        const {element, decoding, presence} = this.player;
        decoding.forget();
        // Some browsers allow it for good to what is played now, even with nothing in it yet.
        if (presence.aside !== null) element.video?.play()?.catch(() => {});
        element.retry();
    }

    /** There is a network again. */
    online() {
        this.player.run().link?.now();
        if (this.retry.waiting) this.retry.now();
        else this.player.standstill.now();
    }

    /** The server has a limit for its next word. @param {number} ms */
    answerWithin(ms) {
        this.player.run().after('answer', ms, () => {
            const opened = this.player.element.wsState === WebSocket.OPEN;
            this.lose('The server does not answer.', 'network');
            if (!opened) this.askWhy();
        });
    }

    /** The socket was not opened: for want of a password, or because a proxy lets none through. */
    async askWhy() {
        const {element, status} = this.player, answer = await reach(element.wsURL);
        if (status.phase !== 'retrying') return;
        if (answer === 'password') {
            this.retry.cancel();
            status.enter('failed', 'The server wants you to sign in.', {kind: 'auth'});
        }
        // Once it may only have been started at that moment.
        this.#blocked = answer === 'there' ? this.#blocked + 1 : 0;
        if (this.#blocked < BLOCKED) return;
        status.tell('blocked', {});
        if (!element.mode.split(',').some(mode => mode.trim() === 'mse') || !('MediaSource' in window || 'ManagedMediaSource' in window)) return;
        const {HttpSocket} = await import('./http-socket.js');
        if (status.phase !== 'retrying') return;
        this.#Socket = HttpSocket;
        this.retry.now();
    }

    /** A WebSocket was opened. */
    opened() {
        this.#blocked = 0;
    }

    /** What plays without one, if that is to be tried: once, the next attempt is a WebSocket again. @returns {any} */
    substitute() {
        const Socket = this.#Socket;
        this.#Socket = null;
        return Socket && new Socket(this.player.element.wsURL);
    }
}
