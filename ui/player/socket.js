/**
 * What the server says to a player over its socket, and the socket beside a picture that
 * plays without it.
 */
import {classOfError, explainEnd, explainError} from '../reasons.js';
import {hello, isAboutOurs, Link, Session} from './signalling.js';

/** @typedef {import('../video-rtc.js').Message} Message */
/** The server's verdict on a way, or on a track that could go that way. @typedef {import('../types.js').WhyCandidate} Candidate */
/** The modes that race against WebRTC. */
export const RIVALS = ['mse', 'hls', 'mp4'];

export class Hearing {
    /** @param {import('./parts.js').Parts} player */
    constructor(player) {
        this.player = player;
    }

    /** @param {Message} msg @param {string} [first] the mode that MJPEG stands in for */
    hear(msg, first) {
        const {element, status, presence, showing, ending} = this.player, run = this.player.run();
        run.onheard();
        switch (msg.type) {
            case 'session': {
                run.session ??= new Session(element.wsURL);
                if (!run.session.heard(msg.value)) ending.lose(explainEnd('shutdown'), 'ended', true);
                else presence.introduced();
                break;
            }
            case 'state':
                if (msg.value?.state === 'parked') presence.parked(String(msg.value.reason ?? ''));
                else presence.alive();
                break;
            case 'released':
                run.released = String(msg.value?.reason ?? '') || 'ended';
                status.tell('released', msg.value ?? {});
                ending.ended();
                break;
            case 'why':
                run.candidates = Array.isArray(msg.value?.candidates) ? msg.value.candidates : [];
                status.tell('why', {candidates: run.candidates});
                break;
            case 'talk':
                status.tell('talk', msg.value ?? {});
                break;
            case 'webrtc/answer':
                showing.step('answer');
                run.stop('answer');
                if (status.phase === 'dialling') status.enter('connecting');
                // Nothing else has a limit until its picture is there.
                if (!run.liveSince) this.player.standstill.expect();
                break;
            case 'mse':
                showing.step('answer');
                if (run.won) this.stopRival();
                else showing.playing(run.open.has('mp4') ? 'mp4' : 'mse');
                break;
            case 'hls':
            case 'mp4':
            case 'mjpeg':
                showing.step('answer');
                if (!run.won) showing.playing(msg.type);
                break;
            case 'error':
                if (!isAboutOurs(msg.value)) this.#refused(String(msg.value), first);
                break;
        }
    }

    /** A mode does not play. @param {string} text @param {string} [first] */
    #refused(text, first) {
        const {element, ending} = this.player, run = this.player.run();
        const mode = text.match(/^(webrtc|mse|hls|mp4|mjpeg)\b/)?.[1] ?? '';
        run.works[mode] ??= false;
        if (run.won) return;
        run.open.delete(mode);
        if (mode && mode === first && mode !== 'mjpeg' && element.onmessage.mjpeg) run.open.add('mjpeg');
        // That of WebRTC says most, the others often only repeat it.
        if (!run.error || mode === 'webrtc') run.error = text;
        if (!run.open.size || !mode) ending.lose(explainError(run.error, element.wsURL), classOfError(run.error));
    }

    /** Brings the socket back beside the picture; a server of another kind has nothing to say over it. */
    relink() {
        const {element, presence, ending} = this.player, run = this.player.run();
        element.wsState = WebSocket.CLOSED;
        if (!run.session || run.link) return;
        run.link = new Link(element.wsURL, {
            onopen: ws => {
                element.ws = ws;
                element.wsState = WebSocket.OPEN;
                element.send(hello(element.cid, element.pinned));
            },
            onmessage: msg => this.hear(msg),
            onrefused: () => presence.doubt(),
            onlost: () => {
                element.ws = null;
                element.wsState = WebSocket.CLOSED;
                if (run.isTimed('reason')) ending.ended();
            },
        });
    }

    /** The server goes on sending what is not shown. */
    stopRival() {
        const {element} = this.player;
        if (this.player.run().session?.caps.has('stop')) {
            element.send({type: 'stop', value: 'mse'});
            return;
        }
        const ws = element.ws;
        element.ws = null;
        ws?.close();
        this.relink();
    }
}
