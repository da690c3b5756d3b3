/**
 * What arrives and does not become pictures here, although the browser said that it plays it: such codecs are not asked for again, by any player of
 * the page for that stream, until somebody presses the button.
 */
import {NO_DECODER} from '../reasons.js';

/** By address the codecs that could not be decoded, as MSE or the SDP name them. @type {Record<string, string[]>} */
const UNDECODED = {};
/** The addresses that have shown a picture: whatever fails there later, it can be decoded. @type {Set<string>} */
const PLAYED = new Set();

/** What is asked of H.265 beside whether a buffer takes it; as `VideoRTC` offers it. @type {MediaDecodingConfiguration} */
const H265 = {type: 'media-source', video: {contentType: 'video/mp4; codecs="hvc1.1.6.L153.B0"', width: 1920, height: 1080, bitrate: 4e6, framerate: 25}};

export class Decoding {
    #h265 = true;

    /** @param {import('./parts.js').Parts} player */
    constructor(player) {
        this.player = player;
    }

    /** Asks the browser. */
    begin() {
        // Without it H.265 is for the browser's own players, of which this tells nothing.
        if ('MediaSource' in window) navigator.mediaCapabilities?.decodingInfo(H265).then(({supported}) => { this.#h265 = supported; }, () => {});
    }

    /** @param {string} type */
    takes(type) {
        return (this.#h265 || !type.includes('hvc1')) && !this.bad.some(codec => type.includes(codec));
    }

    /** Codecs that are not asked for. */
    get bad() {
        const {wsURL} = this.player.element;
        UNDECODED[wsURL] ??= [];
        return UNDECODED[wsURL];
    }

    /** All are tried again. */
    forget() {
        delete UNDECODED[this.player.element.wsURL];
    }

    /** A buffer may refuse what the browser says that it plays. */
    check() {
        const {element} = this.player, take = element.onmessage.mse;
        element.onmessage.mse = msg => {
            take(msg);
            // The sound may be what it does not take.
            if (msg.type === 'mse' && !element.ondata) element.undecoded({mse: true}, /mp4a|opus|flac/);
        };
    }

    /** A picture was seen. */
    works() {
        PLAYED.add(this.player.element.wsURL);
    }

    /**
     * The next attempt goes without what does not become pictures. Whether there is anything.
     * @param {{mse?: boolean, rtc?: boolean}} by the ways it came @param {RegExp} first codecs that are to blame before the picture's
     */
    failed({mse, rtc}, first) {
        const {mseCodecs, pc, wsURL} = this.player.element;
        const codecs = [...mse && (mseCodecs.match(first) ?? mseCodecs.match(/avc1|hvc1|av01/)) || [], ...rtc && pc?.remoteDescription?.sdp.match(/H26[45]|AV1|VP[89]/) || []];
        if (!codecs.length || PLAYED.has(wsURL)) return false;
        this.bad.push(...codecs);
        this.player.ending.lose(NO_DECODER, 'ended', true);
        return true;
    }
}
