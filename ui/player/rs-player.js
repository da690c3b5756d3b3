/**
 * `<rs-player>`: the player of our own pages. It plays like `VideoRTC`, whose fields and
 * hooks it keeps, and besides
 *
 * - tells the server at once when nobody looks any more (`park`), and leaves at once when
 *   the page or the element goes, so that the camera is free within milliseconds,
 * - keeps the socket beside WebRTC as a second path, and a data channel that tells when
 *   the server has let go,
 * - comes back at once when it can be seen, with the last frame on the screen meanwhile,
 * - says in words what it waits for, and tries again by the class of the error.
 *
 * A server that does not answer `hello` is used like go2rtc's.
 *
 * @fires state detail: `StateDetail` of status.js, whenever the phase or its reason changes
 * @fires mode detail: {mode: 'webrtc'|'mse'|'hls'|'mp4'|'mjpeg'}
 * @fires step detail: {step: Step, ms: number} done on the way to the first picture, and the milliseconds that it took
 * @fires firstframe detail: {ms: number, steps: {step: Step, ms: number}[]} since the attempt began
 * @fires stats detail: `Figures` of lib/stats.js, once a second while somebody listens to the player itself
 * @fires why detail: {candidates: Candidate[]} the server's verdict on each way and track, whenever it changes
 * @fires blocked detail: {} a server that answers is reached by no WebSocket, time and again
 * @fires talk detail: {id: number, by: string|null, asked: boolean, since: number} who speaks into the camera's loudspeaker; `by` is null: nobody
 * @fires released detail: {reason: string, detectMs: number, releaseMs: number}
 */
import {VideoRTC} from '../video-rtc.js';
import {explainPath} from '../reasons.js';
import {returnIdentity, takeIdentity} from './identity.js';
import {Overlay} from './overlay.js';
import {partsOf} from './parts.js';
import {Run} from './run.js';
import {hello} from './signalling.js';
import {RIVALS} from './socket.js';
import {Status} from './status.js';
import {Telling} from './telling.js';

/** @typedef {import('./status.js').Phase} Phase */
/** @typedef {import('./run.js').Step} Step */

/** Milliseconds for the socket to open, and then for the server and its camera to answer. */
const OPEN_LIMIT = 10_000, ANSWER_LIMIT = 40_000;

export class RsPlayer extends VideoRTC {
    static observedAttributes = ['src', 'mode', 'media', 'background'];

    /** The mode that somebody has pinned, for the server's verdict; empty: none is. */
    pinned = '';
    #cid = '';
    #run = new Run();
    #status = new Status(this);
    #parts = partsOf({
        element: this,
        status: this.#status,
        run: () => this.#run,
        renew: () => { this.#run = new Run(); },
        close: () => super.ondisconnect(),
        lost: () => super.onpclost(),
    });
    #telling = new Telling(this, () => this.#run, figures => this.#status.tell('stats', figures));

    /** What the player does now. @returns {Phase} */
    get phase() {
        return this.#status.phase;
    }

    /** What shows the newest picture: the video, or the canvas of Motion JPEG. @returns {HTMLVideoElement|HTMLCanvasElement|null} */
    get shown() {
        return this.#parts.showing.canvas ?? this.video;
    }

    /** Identity of the player, which survives a reload. */
    get cid() {
        return this.#cid;
    }

    /** Another address than before ends what plays. @param {string|URL} value */
    set src(value) {
        const url = new URL(String(value), document.baseURI || location.href).href.replace(/^http/, 'ws');
        if (this.wsURL && this.wsURL !== url) this.ondisconnect();
        super.src = value;
    }

    /** @param {string} name @param {string|null} _old @param {string|null} value */
    attributeChangedCallback(name, _old, value) {
        if (name === 'background') this.background = value !== null && value !== 'false';
        else if (name === 'src' && value) this.src = value;
        else if (name === 'mode' && value) this.mode = value;
        else if (name === 'media' && value) this.media = value;
    }

    /** @param {string} type @param {(ev: any) => void} listener @param {any} [options] */
    addEventListener(type, listener, options) {
        super.addEventListener(type, listener, options);
        if (type === 'stats') this.#telling.add(listener);
    }

    /** @param {string} type @param {(ev: any) => void} listener @param {any} [options] */
    removeEventListener(type, listener, options) {
        super.removeEventListener(type, listener, options);
        if (type === 'stats') this.#telling.remove(listener);
    }

    /** Where the browser lets nothing play, muted or not, somebody has to press a button. */
    play() {
        this.#parts.presence.play();
    }

    /** Tries again now, or goes on after a pause; never a second attempt beside another. */
    retry() {
        this.#parts.presence.aside = null;
        this.#run.link?.now();
        if (!this.ws && !this.pc) this.#parts.ending.retry.now();
        else if (this.phase === 'parked') this.#parts.presence.resume();
        else this.#parts.standstill.now();
    }

    /** Nobody looks until `retry`, whatever the page does: the server lets the camera go as it is set, and the last frame stays. @param {number} [keep] milliseconds until everything is closed at a server that knows no pause */
    park(keep = this.DISCONNECT_TIMEOUT) {
        this.#parts.presence.putAside(keep);
    }

    /** What was seen in its place before: shown until there is a picture of its own. @param {HTMLVideoElement|HTMLCanvasElement} picture */
    keep(picture) {
        this.#parts.showing.grab(picture);
    }

    /** It is paused, and does not hold the camera any more. */
    get cameraOff() {
        return this.#status.cameraOff || !this.ws && !this.pc;
    }

    connectedCallback() {
        if (!this.video) this.oninit();
        this.#cid ||= takeIdentity();
        this.#parts.presence.begin();
        if (this.ws || this.pc) this.play();
        this.onconnect();
        this.#telling.go();
    }

    disconnectedCallback() {
        // Moved within the document it is back at once.
        queueMicrotask(() => {
            if (this.isConnected) return;
            this.ondisconnect();
            this.#parts.presence.end();
            returnIdentity(this.#cid);
            this.#cid = '';
        });
    }

    oninit() {
        super.oninit();
        const video = /** @type {HTMLVideoElement} */ (this.video);
        this.#parts.showing.begin(video);
        this.#status.overlay = new Overlay(this, video, () => this.#parts.ending.again());
        video.addEventListener('error', () => {
            if (this.ws && !this.pictured && !this.#run.liveSince && (video.error?.code ?? 0) > 2) this.undecoded({mse: true});
        });
        for (const type of ['leavepictureinpicture', 'webkitpresentationmodechanged']) video.addEventListener(type, () => this.#parts.presence.hide());
    }

    onconnect() {
        if (!this.isConnected || !this.wsURL || this.ws || this.pc) return false;
        this.#parts.ending.retry.cancel();
        if (this.#parts.presence.away) {
            this.#status.enter('parked', this.#parts.presence.why);
            return false;
        }
        // What stood in the place of the picture before.
        this.#parts.showing.stop();
        const begun = super.onconnect();
        if (begun) {
            this.#status.enter('dialling');
            this.#parts.ending.answerWithin(OPEN_LIMIT);
        }
        return begun;
    }

    ondisconnect() {
        this.#parts.ending.leave('idle');
    }

    onopen() {
        if (!this.overHTTP) this.#parts.ending.opened();
        this.#parts.showing.step('socket');
        this.send(hello(this.#cid, this.pinned));
        const run = this.#run, {mode} = this;
        this.mode = this.#parts.ways.modes();
        const modes = super.onopen();
        this.mode = mode;
        run.open = new Set(modes);
        this.onmessage['rs-player'] = msg => this.#parts.hearing.hear(msg, modes[0]);
        this.#parts.ending.answerWithin(ANSWER_LIMIT);
        if (!modes.length) queueMicrotask(() => this.#parts.ending.lose(`This browser can play none of: ${this.mode}.`, 'config'));
        return modes;
    }

    /** @param {Event} [_ev] */
    onclose(_ev) {
        if (this.wsState === WebSocket.CLOSED) return false;
        const opened = this.wsState === WebSocket.OPEN, run = this.#run;
        this.ws = null;
        if (run.isTimed('reason')) this.#parts.ending.ended();
        else if (run.won && this.pc) this.#parts.hearing.relink();
        else if (opened) this.#parts.ending.lose('The server has ended the connection.', run.liveSince ? 'ended' : 'network', true);
        else this.#parts.ending.lose('The server cannot be reached.', 'network');
        if (!opened) this.#parts.ending.askWhy();
        return true;
    }

    /** Where both race, MSE begins. */
    onwebrtc() {
        this.#parts.rtc.begin(() => super.onwebrtc());
    }

    /** @param {RTCPeerConnection} pc */
    async createOffer(pc) {
        this.#parts.rtc.prepare(pc);
        const {type, sdp} = await super.createOffer(pc);
        return {type, sdp: this.#parts.decoding.bad.reduce((text, codec) => text?.replaceAll(` ${codec}/`, ' -/'), sdp)};
    }

    /** @param {(type: string) => any} isSupported */
    codecs(isSupported) {
        return super.codecs(type => this.#parts.decoding.takes(type) && isSupported(type));
    }

    /** A browser may say that it plays what its buffer then refuses. */
    onmse() {
        super.onmse();
        this.#parts.decoding.check();
    }

    /**
     * What arrives does not become pictures here: the next attempt goes without such codecs. Whether there are any.
     * @param {{mse?: boolean, rtc?: boolean}} by the ways it came @param {RegExp} [first] codecs that are to blame before the picture's
     */
    undecoded(by, first = /$^/) {
        return this.#parts.decoding.failed(by, first);
    }

    /** @param {HTMLVideoElement} video2 */
    onpcvideo(video2) {
        const {ws, pc} = this, run = this.#run, rival = RIVALS.some(mode => run.open.has(mode));
        const keep = ws && run.session;
        const sound = this.pictured && !/** @type {MediaStream|null} */ (video2.srcObject)?.getVideoTracks().length;
        // A video that is given something else to play is empty until its next frame.
        const empties = this.#status.shows && !sound && video2 !== this.video;
        if (empties) this.#parts.showing.grab(video2);
        // The base closes the socket of the winner; a kept one is out of its sight meanwhile.
        if (keep) this.ws = null;
        super.onpcvideo(video2);
        const won = Boolean(pc) && this.pc === pc && this.pcState === WebSocket.OPEN;
        if (empties && !won) this.#parts.showing.uncover();
        if (keep) {
            this.ws = ws;
            this.wsState = WebSocket.OPEN;
        }
        if (won) this.#parts.rtc.taken(sound, Boolean(keep && rival));
    }

    /** Alone it is played where there is MediaSource. @param {string[]} wanted */
    playsHLS(wanted) {
        return super.playsHLS(wanted) || wanted.every(mode => mode === 'hls') && 'MediaSource' in window;
    }

    /** Each one is a picture. */
    onmp4() {
        super.onmp4();
        this.#parts.showing.mp4();
    }

    /** Browsers that do not play it themselves get the segments from here. */
    onhls() {
        // Beside other modes the base takes only who plays it for certain.
        if (super.playsHLS(['mse']) || !('MediaSource' in window)) return super.onhls();
        this.#parts.showing.hls();
    }

    /** The pictures of Motion JPEG are drawn over the video. */
    onmjpeg() {
        this.#parts.showing.mjpeg();
    }

    onpclost() {
        const run = this.#run;
        run.open.delete('webrtc');
        run.works.webrtc ??= false;
        if (run.won || run.sounds) this.#parts.ending.letGo();
        else if (!run.open.size) this.#parts.ending.lose('There is no network path to the server.', 'network');
        else super.onpclost();
    }

    /** @param {import('../reasons.js').PathReport} report */
    onpcfailed(report) {
        super.onpcfailed(report);
        if (report.lost || this.phase !== 'retrying') return;
        this.#status.enter('retrying', explainPath({...report, pairs: report.pairs.length ? report.pairs : this.#status.pairs}), {nextTry: this.#status.nextTry});
    }

    /** It plays without a WebSocket. */
    get overHTTP() {
        return Boolean(this.ws && !(this.ws instanceof WebSocket));
    }

    createSocket() {
        return this.#parts.ending.substitute() ?? super.createSocket();
    }
}

customElements.define('rs-player', RsPlayer);
