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
 * @fires state detail: StateDetail, whenever the phase or its reason changes
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
import {classOfEnd, explainEnd, explainError, explainPath, isUndecodable, NO_DECODER, undecoded} from '../reasons.js';
import {returnIdentity, takeIdentity} from './identity.js';
import {sayGoodbye} from './leaving.js';
import {Overlay} from './overlay.js';
import {showPictures} from './mjpeg.js';
import {LastPicture} from './picture.js';
import {Presence} from './presence.js';
import {Retry, stops} from './retry.js';
import {Run} from './run.js';
import {hello, reach} from './signalling.js';
import {Hearing, RIVALS} from './socket.js';
import {Status} from './status.js';
import {Telling} from './telling.js';
import {Ways} from './ways.js';

/** @typedef {import('../reasons.js').ErrorClass} ErrorClass */
/** @typedef {import('./status.js').Phase} Phase */
/** @typedef {import('./status.js').StateDetail} StateDetail */
/** @typedef {import('./run.js').Mode} Mode */
/** @typedef {import('./run.js').Step} Step */

/** Milliseconds that the server's reason may come after its goodbye on the media path. */
const REASON_AFTER_GOODBYE = 250;
/** Milliseconds of picture after which the next failure counts as the first one. */
const STABLE = 5000;
/** Milliseconds for the socket to open, and then for the server and its camera to answer. */
const OPEN_LIMIT = 10_000, ANSWER_LIMIT = 40_000;
/** Sockets in a row that are not opened by a server that answers, after which it is played without. */
const BLOCKED = 2;
/** By address the codecs that this page could not decode, as MSE or the SDP name them: they are not asked for again. @type {Record<string, string[]>} */
const UNDECODED = {};
/** The addresses that have shown a picture: whatever fails there later, it can be decoded. @type {Set<string>} */
const PLAYED = new Set();
/** Behind the reason why nothing plays. */
const INSTEAD = 'Still pictures are shown instead, one every few seconds.';
const STOOD = 'The picture stood still again and again; another way is tried.';

export class RsPlayer extends VideoRTC {
    static observedAttributes = ['src', 'mode', 'media', 'background'];

    /** The mode that somebody has pinned, for the server's verdict; empty: none is. */
    pinned = '';
    #cid = '';
    #run = new Run();
    #status = new Status(this);
    #retry = new Retry(() => this.onconnect());
    /** @type {LastPicture|null} */
    #picture = null;
    /** Motion JPEG, while it plays that way. @type {ReturnType<typeof showPictures>|null} */
    #pictures = null;
    /** Pictures in the place of a video that cannot be decoded here. @type {import('./stills.js').Stills|null} */
    #stills = null;
    /** Sockets in a row that were not opened although the server answers. */
    #blocked = 0;
    /** Opens something else than a WebSocket. @type {typeof import('./http-socket.js').HttpSocket|null} */
    #Socket = null;
    /** HLS, where the browser does not play it itself. @type {import('../lib/hls.js').Loader|null} */
    #hls = null;
    #parts = {
        element: this,
        status: this.#status,
        run: () => this.#run,
        grab: () => this.#grab(),
        live: () => this.#live(),
        playing: (/** @type {Mode} */ mode) => this.#playing(mode),
        step: (/** @type {Step} */ step) => this.#step(step),
        ended: () => this.#ended(),
        lose: (/** @type {string} */ reason, /** @type {ErrorClass} */ cls, atOnce = false) => this.#lose(reason, cls, atOnce),
        leave: (/** @type {'idle'|'parked'} */ phase, beacon = false) => this.#leave(phase, beacon),
        online: () => {
            this.#run.link?.now();
            if (this.#retry.waiting) this.#retry.now();
        },
    };
    #presence = new Presence(this.#parts);
    #hearing = new Hearing({...this.#parts, presence: this.#presence});
    #ways = new Ways({element: this, run: () => this.#run, drop: () => this.#drop(), turn: () => this.#lose(STOOD, 'ended', true)});
    #telling = new Telling(this, () => this.#run, figures => this.#status.tell('stats', figures));

    /** What the player does now. @returns {Phase} */
    get phase() {
        return this.#status.phase;
    }

    /** What shows the newest picture: the video, or the canvas of Motion JPEG. @returns {HTMLVideoElement|HTMLCanvasElement|null} */
    get shown() {
        return this.#pictures?.canvas ?? this.video;
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

    /** Tries again now, or goes on after a pause; never a second attempt beside another. */
    retry() {
        this.#run.link?.now();
        if (!this.ws && !this.pc) this.#retry.now();
        else if (this.phase === 'parked') this.#presence.resume();
    }

    connectedCallback() {
        if (!this.video) this.oninit();
        this.#cid ||= takeIdentity();
        this.#presence.begin();
        if (this.ws || this.pc) this.play();
        this.onconnect();
        this.#telling.go();
    }

    disconnectedCallback() {
        // Moved within the document it is back at once.
        queueMicrotask(() => {
            if (this.isConnected) return;
            this.ondisconnect();
            this.#presence.end();
            returnIdentity(this.#cid);
            this.#cid = '';
        });
    }

    oninit() {
        super.oninit();
        const video = /** @type {HTMLVideoElement} */ (this.video);
        this.#picture = new LastPicture(video);
        this.append(this.#picture.canvas);
        this.#status.overlay = new Overlay(this, video, () => {
            delete UNDECODED[this.wsURL];
            this.retry();
        });
        video.addEventListener('error', () => {
            if (this.ws && !this.pictured && !this.#run.liveSince && (video.error?.code ?? 0) > 2) this.undecoded({mse: true});
        });
        video.addEventListener('leavepictureinpicture', () => this.#presence.hide());
    }

    onconnect() {
        if (!this.isConnected || !this.wsURL || this.ws || this.pc) return false;
        this.#retry.cancel();
        if (this.#presence.away) {
            this.#status.enter('parked', explainEnd('hidden'));
            return false;
        }
        const begun = super.onconnect();
        if (begun) {
            this.#status.enter('dialling');
            this.#answerWithin(OPEN_LIMIT);
        }
        return begun;
    }

    ondisconnect() {
        this.#leave('idle');
    }

    onopen() {
        if (!this.overHTTP) this.#blocked = 0;
        this.#step('socket');
        this.send(hello(this.#cid, this.pinned));
        const run = this.#run, {mode} = this;
        this.mode = this.#ways.modes();
        const modes = super.onopen();
        this.mode = mode;
        run.open = new Set(modes);
        this.onmessage['rs-player'] = msg => this.#hearing.hear(msg, modes[0]);
        this.#answerWithin(ANSWER_LIMIT);
        if (!modes.length) queueMicrotask(() => this.#lose(`This browser can play none of: ${this.mode}.`, 'config'));
        return modes;
    }

    /** @param {Event} [_ev] */
    onclose(_ev) {
        if (this.wsState === WebSocket.CLOSED) return false;
        const opened = this.wsState === WebSocket.OPEN, run = this.#run;
        this.ws = null;
        if (run.isTimed('reason')) this.#ended();
        else if (run.won && this.pc) this.#hearing.relink();
        else if (opened) this.#lose('The server has ended the connection.', run.liveSince ? 'ended' : 'network', true);
        else this.#lose('The server cannot be reached.', 'network');
        if (!opened) this.#askWhy();
        return true;
    }

    /**
     * Adds the channel that tells when the server has let go, seconds before the
     * connection itself would.
     * @param {RTCPeerConnection} pc
     */
    async createOffer(pc) {
        pc.addEventListener('connectionstatechange', () => {
            if (this.pc === pc && pc.connectionState === 'connected') this.#step('network');
        });
        const channel = pc.createDataChannel('ctl');
        channel.addEventListener('open', () => {
            // One that was never open was only refused.
            channel.addEventListener('close', () => {
                if (this.pc === pc) this.#letGo();
            });
        }, {once: true});
        const {type, sdp} = await super.createOffer(pc);
        return {type, sdp: this.#bad.reduce((text, codec) => text?.replaceAll(` ${codec}/`, ' -/'), sdp)};
    }

    /** @param {(type: string) => any} isSupported */
    codecs(isSupported) {
        return super.codecs(type => !this.#bad.some(codec => type.includes(codec)) && isSupported(type));
    }

    get #bad() {
        UNDECODED[this.wsURL] ??= [];
        return UNDECODED[this.wsURL];
    }

    /** A browser may say that it plays what its buffer then refuses. */
    onmse() {
        super.onmse();
        const take = this.onmessage.mse;
        this.onmessage.mse = msg => {
            take(msg);
            // The sound may be what it does not take.
            if (msg.type === 'mse' && !this.ondata) this.undecoded({mse: true}, /mp4a|opus|flac/);
        };
    }

    /**
     * What arrives does not become pictures here: the next attempt goes without such codecs. Whether there are any.
     * @param {{mse?: boolean, rtc?: boolean}} by the ways it came @param {RegExp} [first] codecs that are to blame before the picture's
     */
    undecoded({mse, rtc}, first = /$^/) {
        const codecs = [...mse && (this.mseCodecs.match(first) ?? this.mseCodecs.match(/avc1|hvc1|av01/)) || [], ...rtc && this.pc?.remoteDescription?.sdp.match(/H26[45]|AV1|VP[89]/) || []];
        if (!codecs.length || PLAYED.has(this.wsURL)) return false;
        this.#bad.push(...codecs);
        this.#lose(NO_DECODER, 'ended', true);
        return true;
    }

    /** @param {HTMLVideoElement} video2 */
    onpcvideo(video2) {
        const {ws, pc} = this, run = this.#run, rival = RIVALS.some(mode => run.open.has(mode));
        const keep = ws && run.session;
        const sound = this.pictured && !/** @type {MediaStream|null} */ (video2.srcObject)?.getVideoTracks().length;
        // The base closes the socket of the winner; a kept one is out of its sight meanwhile.
        if (keep) this.ws = null;
        super.onpcvideo(video2);
        const won = Boolean(pc) && this.pc === pc && this.pcState === WebSocket.OPEN;
        if (keep) {
            this.ws = ws;
            this.wsState = WebSocket.OPEN;
        }
        if (!won) return;
        for (const mode of [...RIVALS, 'mjpeg']) delete this.onmessage[mode];
        if (sound) {
            // The pictures beside it are what is shown, and the socket carries them.
            run.sounds = true;
            run.open = new Set(['webrtc', 'mjpeg']);
            if (keep && rival && run.session?.caps.has('stop')) this.#hearing.stopRival();
        } else {
            this.#won();
            if (keep && rival) this.#hearing.stopRival();
        }
    }

    /** WebRTC is what is shown. */
    #won() {
        const run = this.#run;
        run.stop('race');
        run.won = true;
        run.open = new Set(['webrtc']);
        this.#endPictures();
        this.#playing('webrtc');
    }

    /** Alone it is played where there is MediaSource. @param {string[]} wanted */
    playsHLS(wanted) {
        return super.playsHLS(wanted) || wanted.every(mode => mode === 'hls') && 'MediaSource' in window;
    }

    /** Browsers that do not play it themselves get the segments from here. */
    onhls() {
        const video = /** @type {HTMLVideoElement} */ (this.video);
        // Beside other modes the base takes only who plays it for certain.
        if (super.playsHLS(['mse']) || !('MediaSource' in window)) return super.onhls();
        this.onmessage.hls = msg => {
            if (msg.type !== 'hls') return;
            this.mseCodecs = String(msg.value);
            this.#load(video, this.mseCodecs);
        };
        this.send({type: 'hls', value: this.codecs(type => MediaSource.isTypeSupported(type))});
    }

    /** @param {HTMLVideoElement} video @param {string} playlist */
    async #load(video, playlist) {
        const run = this.#run, lose = (/** @type {unknown} */ err) => {
            const why = err instanceof Error ? err.message : String(err);
            if (run === this.#run) this.#lose(why, why.startsWith('this browser') ? 'config' : 'network', true);
        };
        // Few need it, and every file that a page waits for delays the picture of the others.
        const {Loader} = await import('../lib/hls.js');
        if (run !== this.#run) return;
        this.#hls = new Loader(video, new URL(this.wsURL.replace(/^ws/, 'http')), lose, playlist);
        try {
            await this.#hls.start();
            this.play();
        } catch (err) {
            lose(err);
        }
    }

    /** The pictures of Motion JPEG are drawn over the video. */
    onmjpeg() {
        this.#pictures?.close();
        const pictures = showPictures(/** @type {HTMLVideoElement} */ (this.video), () => this.#run.onpicture());
        this.#pictures = pictures;
        this.ondata = (/** @type {ArrayBuffer} */ data) => pictures.push(data);
        this.onmessage.pictures = msg => {
            if (msg.type !== 'error' || !String(msg.value).startsWith('mjpeg')) return;
            this.#endPictures();
            const said = String(msg.value), words = explainError(said, this.wsURL), why = /matched: video/.test(said) ? undecoded(words) : words;
            if (isUndecodable(why)) this.#showStills(why);
            // There is sound alone.
            if (this.pc && this.pcState === WebSocket.OPEN) this.#won();
        };
        this.send({type: 'mjpeg'});
    }

    onpclost() {
        const run = this.#run;
        run.open.delete('webrtc');
        run.works.webrtc ??= false;
        if (run.won || run.sounds) this.#letGo();
        else if (!run.open.size) this.#lose('There is no network path to the server.', 'network');
        else super.onpclost();
    }

    /** @param {import('../reasons.js').PathReport} report */
    onpcfailed(report) {
        super.onpcfailed(report);
        if (report.lost || this.phase !== 'retrying') return;
        const pairs = report.pairs.length ? report.pairs : this.#status.pairs;
        this.#status.enter('retrying', explainPath({...report, pairs}), {nextTry: this.#status.nextTry});
    }

    /** WebRTC is let go of: what is shown stays. */
    #drop() {
        const {pc} = this, run = this.#run;
        if (!pc || run.won || run.sounds) return;
        this.pc = null;
        this.pcState = WebSocket.CLOSED;
        pc.close();
        run.open.delete('webrtc');
        // One that was never connected cannot say goodbye itself.
        if (run.session?.caps.has('stop')) this.send({type: 'stop', value: 'webrtc'});
        super.onpclost();
    }

    /** A step towards the first picture is done. @param {Step} step */
    #step(step) {
        const {liveSince, steps} = this.#run;
        if (liveSince && step !== 'picture' || steps.some(one => one.step === step)) return;
        const ms = Date.now() - this.connectTS - steps.reduce((sum, one) => sum + one.ms, 0);
        steps.push({step, ms});
        this.#status.tell('step', {step, ms});
    }

    /** A mode has begun; its picture comes. @param {Mode} mode */
    #playing(mode) {
        const run = this.#run;
        run.stop('answer');
        if (this.#ways.soundAlone) return this.#lose('The picture did not come back.', 'ended', true);
        if (run.mode !== mode) {
            run.mode = mode;
            this.#status.tell('mode', {mode});
        }
        if (this.phase === 'dialling') this.#status.enter('connecting');
        const seen = () => {
            const first = !run.liveSince;
            run.liveSince ||= Date.now();
            run.works[mode] = true;
            if (mode !== 'mjpeg') PLAYED.add(this.wsURL);
            this.#live();
            if (!first) return;
            this.#step('picture');
            this.#ways.begun(mode);
            this.#status.tell('firstframe', {ms: Date.now() - this.connectTS, steps: run.steps});
        };
        if (mode === 'mjpeg') {
            run.onpicture = () => {
                run.onpicture = () => {};
                seen();
            };
            return;
        }
        // Pictures do not pass through the video, and of a hidden video no frame is told.
        const untold = document.hidden || mode === 'mp4' || mode === 'webrtc' && this.video?.readyState !== 0;
        if (untold) seen();
        else this.#presence.onframe(seen);
    }

    /** A frame is shown. */
    #live() {
        const run = this.#run;
        run.stop('frame');
        run.unframe();
        if (this.#presence.away || run.parkedBy) return;
        this.#status.enter('live', '', {mode: run.mode});
        this.#picture?.hide();
    }

    /** The server has let go of the media path; why comes over the socket. */
    #letGo() {
        const run = this.#run;
        if (run.isTimed('reason')) return;
        // Soon the browser takes the frame away.
        this.#grab();
        if (this.ws && run.session?.caps.has('released')) run.after('reason', REASON_AFTER_GOODBYE, () => this.#ended());
        else this.#ended();
    }

    #ended() {
        const reason = this.#run.released;
        this.#lose(reason ? explainEnd(reason, this.wsURL) : 'The connection was lost.', reason ? classOfEnd(reason) : 'ended', true);
    }

    /**
     * It plays no more, or did not begin.
     * @param {string} reason
     * @param {ErrorClass} cls
     * @param {boolean} [atOnce] what has ended had worked
     */
    #lose(reason, cls, atOnce = false) {
        const {liveSince} = this.#run, isOther = this.#ways.failed();
        if (liveSince && Date.now() - liveSince >= STABLE) this.#retry.reset();
        this.#leave(null);
        if (this.#presence.away) return this.#status.enter('parked', explainEnd('hidden'));
        if (isOther) [cls, atOnce] = ['ended', true];
        if (stops(cls)) {
            if (this.#bad.length) reason = undecoded(reason);
            this.#status.enter('failed', reason, {kind: cls});
            if (isUndecodable(reason)) this.#showStills(reason);
            return;
        }
        const ms = this.#retry.plan(cls, atOnce && cls === 'ended');
        this.#status.enter('retrying', reason, {nextTry: Date.now() + ms, kind: cls});
    }

    /**
     * Closes everything, first of all towards the server.
     * @param {'idle'|'parked'|null} phase to be in afterwards
     * @param {boolean} [beacon] the page is going
     */
    #leave(phase, beacon = false) {
        const run = this.#run;
        sayGoodbye({pc: this.pc, ws: this.ws, byes: run.released ? [] : run.session?.byes ?? [], beacon});
        if (run.liveSince) this.#grab();
        run.end();
        this.#run = new Run();
        this.#retry.cancel();
        this.#hls?.stop();
        this.#hls = null;
        this.#stills?.stop();
        this.#stills = null;
        super.ondisconnect();
        this.#endPictures();
        if (phase) this.#status.enter(phase, phase === 'parked' ? explainEnd('hidden') : '');
    }

    /** No decoder here, but perhaps one at the server. @param {string} reason */
    async #showStills(reason) {
        const run = this.#run, {Stills} = await import('./stills.js');
        if (run !== this.#run || !this.isConnected) return;
        this.#stills = new Stills(this, () => this.#status.overlay?.say(`${reason}\n${INSTEAD}`));
        this.#stills.start(this.wsURL);
    }

    /** Keeps what is shown now, to look at until there is something newer. */
    #grab() {
        this.#picture?.grab(this.#pictures?.canvas);
    }

    #endPictures() {
        this.#pictures?.close();
        this.#pictures = null;
    }

    /** @param {number} ms */
    #answerWithin(ms) {
        this.#run.after('answer', ms, () => {
            const opened = this.wsState === WebSocket.OPEN;
            this.#lose('The server does not answer.', 'network');
            if (!opened) this.#askWhy();
        });
    }

    /** The socket was not opened: for want of a password, or because a proxy lets none through. */
    async #askWhy() {
        const answer = await reach(this.wsURL);
        if (this.phase !== 'retrying') return;
        if (answer === 'password') {
            this.#retry.cancel();
            this.#status.enter('failed', 'The server wants you to sign in.', {kind: 'auth'});
        }
        // Once it may only have been started at that moment.
        this.#blocked = answer === 'there' ? this.#blocked + 1 : 0;
        if (this.#blocked < BLOCKED) return;
        this.#status.tell('blocked', {});
        if (!this.mode.split(',').some(mode => mode.trim() === 'mse') || !('MediaSource' in window || 'ManagedMediaSource' in window)) return;
        const {HttpSocket} = await import('./http-socket.js');
        if (this.phase !== 'retrying') return;
        this.#Socket = HttpSocket;
        this.#retry.now();
    }

    /** It plays without a WebSocket. */
    get overHTTP() {
        return Boolean(this.ws && !(this.ws instanceof WebSocket));
    }

    /** The one that plays without it is tried once; the next attempt is a WebSocket again. */
    createSocket() {
        const Socket = this.#Socket;
        this.#Socket = null;
        return Socket ? /** @type {any} */ (new Socket(this.wsURL)) : super.createSocket();
    }
}

customElements.define('rs-player', RsPlayer);
