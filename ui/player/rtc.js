/**
 * WebRTC beside what plays over the socket: which of both is shown, and what becomes of the other one.
 */
import {RIVALS} from './socket.js';

/** Milliseconds that MSE has for its picture, at most, before WebRTC begins: what makes that connection keeps the thread busy, and the picture waiting. */
const HEAD_START = 150;

export class Rtc {
    /** @param {import('./parts.js').Parts} player */
    constructor(player) {
        this.player = player;
    }

    /** Makes the connection, where MSE plays as well a moment later. @param {() => void} make */
    begin(make) {
        if (!('mse' in this.player.element.onmessage)) return make();
        this.player.run().rtc = make;
        this.soon();
    }

    /** It begins no later than that, unless nobody looks. @param {number} [ms] */
    soon(ms = HEAD_START) {
        const run = this.player.run();
        if (run.rtc && !this.player.presence.away) run.after('rtc', ms, () => {
            const make = run.rtc;
            run.rtc = null;
            make?.();
        });
    }

    /** Adds the channel that tells when the server has let go, seconds before the connection itself would. @param {RTCPeerConnection} pc */
    prepare(pc) {
        const {element, showing, ending} = this.player;
        pc.addEventListener('connectionstatechange', () => {
            if (element.pc === pc && pc.connectionState === 'connected') showing.step('network');
        });
        const channel = pc.createDataChannel('ctl');
        channel.addEventListener('open', () => {
            // One that was never open was only refused.
            channel.addEventListener('close', () => {
                if (element.pc === pc) ending.letGo();
            });
        }, {once: true});
    }

    /** It is taken for what the socket brings. @param {boolean} sound alone @param {boolean} rival the server goes on sending what is not shown */
    taken(sound, rival) {
        const {element, hearing} = this.player, run = this.player.run();
        for (const mode of [...RIVALS, 'mjpeg']) delete element.onmessage[mode];
        if (sound) {
            // The pictures beside it are what is shown, and the socket carries them.
            run.sounds = true;
            run.open = new Set(['webrtc', 'mjpeg']);
            if (rival && run.session?.caps.has('stop')) hearing.stopRival();
        } else {
            this.won();
            if (rival) hearing.stopRival();
        }
    }

    /** It is what is shown. */
    won() {
        const {showing} = this.player, run = this.player.run();
        run.stop('race');
        run.won = true;
        run.open = new Set(['webrtc']);
        showing.endPictures();
        showing.playing('webrtc');
    }

    /** It is let go of: what is shown stays. */
    drop() {
        const {element} = this.player, {pc} = element, run = this.player.run(), begins = run.rtc;
        if (!pc && !begins || run.won || run.sounds) return;
        run.stop('rtc');
        run.rtc = null;
        element.pc = null;
        element.pcState = WebSocket.CLOSED;
        pc?.close();
        run.open.delete('webrtc');
        // One that was never connected cannot say goodbye itself.
        if (pc && run.session?.caps.has('stop')) element.send({type: 'stop', value: 'webrtc'});
        this.player.lost();
    }
}
