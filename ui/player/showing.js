/**
 * What is seen: the steps to the first picture, that picture, and what is not the video itself: the last frame, Motion JPEG, segments of HLS, still pictures.
 */
import {explainError, isUndecodable, undecoded} from '../reasons.js';
import {showPictures} from './mjpeg.js';
import {LastPicture} from './picture.js';

/** @typedef {import('./run.js').Mode} Mode */
/** @typedef {import('./run.js').Step} Step */

/** Behind the reason why nothing plays. */
const INSTEAD = 'Still pictures are shown instead, one every few seconds.';

export class Showing {
    /** @type {LastPicture|null} */
    #last = null;
    /** Motion JPEG, while it plays that way. @type {ReturnType<typeof showPictures>|null} */
    #pictures = null;
    /** Pictures in the place of a video that cannot be decoded here. @type {import('./stills.js').Stills|null} */
    #stills = null;
    /** HLS, where the browser does not play it itself. @type {import('../lib/hls.js').Loader|null} */
    #hls = null;

    /** @param {import('./parts.js').Parts} player */
    constructor(player) {
        this.player = player;
    }

    /** @param {HTMLVideoElement} video is in the element */
    begin(video) {
        this.player.decoding.begin();
        this.#last = new LastPicture(video);
        this.player.element.append(this.#last.canvas);
    }

    /** Where Motion JPEG is drawn. */
    get canvas() {
        return this.#pictures?.canvas;
    }

    /** Keeps what is shown now, to look at until there is something newer. @param {HTMLVideoElement|HTMLCanvasElement} [shown] where, if that is not here */
    grab(shown) {
        this.#last?.grab(shown ?? this.canvas);
    }

    /** What was kept is not needed: the same goes on. */
    uncover() {
        this.#last?.hide();
    }

    /** A step towards the first picture is done. @param {Step} step */
    step(step) {
        const {element, status} = this.player, {liveSince, steps, took} = this.player.run();
        if (liveSince && step !== 'picture' || steps.some(one => one.step === step)) return;
        const ms = Date.now() - element.connectTS - took;
        steps.push({step, ms});
        status.tell('step', {step, ms});
    }

    /** A mode has begun; its picture comes. @param {Mode} mode */
    playing(mode) {
        const {element, status, ways, presence, ending, decoding, standstill} = this.player, run = this.player.run();
        run.stop('answer');
        if (ways.soundAlone) return ending.lose('The picture did not come back.', 'ended', true);
        if (run.mode !== mode) {
            run.mode = mode;
            status.tell('mode', {mode});
        }
        if (status.phase === 'dialling') status.enter('connecting');
        if (!run.liveSince) standstill.expect();
        const seen = () => {
            const first = !run.liveSince;
            run.liveSince ||= Date.now();
            run.works[mode] = true;
            if (mode !== 'mjpeg') decoding.works();
            this.live();
            if (!first) return;
            this.step('picture');
            ways.begun(mode);
            standstill.begin();
            status.tell('firstframe', {ms: Date.now() - element.connectTS, steps: run.steps});
        };
        if (mode === 'mjpeg') {
            run.onpicture = () => {
                run.onpicture = () => {};
                seen();
            };
            return;
        }
        // Pictures do not pass through the video, and of a hidden video no frame is told.
        const untold = document.hidden || mode === 'mp4' || mode === 'webrtc' && element.video?.readyState !== 0;
        if (untold) seen();
        else presence.onframe(seen);
    }

    /** A frame is shown. */
    live() {
        const run = this.player.run();
        run.stop('frame');
        run.stop('still');
        run.unframe();
        if (this.player.presence.away || run.parkedBy) return;
        this.player.status.enter('live', '', {mode: run.mode});
        this.#last?.hide();
    }

    /** The pictures of Motion JPEG are drawn over the video. */
    mjpeg() {
        const {element, rtc} = this.player;
        this.endPictures();
        const pictures = showPictures(/** @type {HTMLVideoElement} */ (element.video), () => {
            const run = this.player.run();
            run.pictures++;
            run.onpicture();
        });
        this.#pictures = pictures;
        element.ondata = (/** @type {ArrayBuffer} */ data) => pictures.push(data);
        element.onmessage.pictures = msg => {
            if (msg.type !== 'error' || !String(msg.value).startsWith('mjpeg')) return;
            this.endPictures();
            const said = String(msg.value), words = explainError(said, element.wsURL), why = /matched: video/.test(said) ? undecoded(words) : words;
            if (isUndecodable(why)) this.stills(why);
            // There is sound alone.
            if (element.pc && element.pcState === WebSocket.OPEN) rtc.won();
        };
        element.send({type: 'mjpeg'});
    }

    /** Each file of MP4 is a picture. */
    mp4() {
        const {element} = this.player, run = this.player.run(), take = /** @type {(data: ArrayBuffer) => void} */ (element.ondata);
        element.ondata = (/** @type {ArrayBuffer} */ data) => {
            run.pictures++;
            take(data);
        };
    }

    endPictures() {
        this.#pictures?.close();
        this.#pictures = null;
    }

    /** The segments of HLS are fetched here. */
    hls() {
        const {element} = this.player, video = /** @type {HTMLVideoElement} */ (element.video);
        element.onmessage.hls = msg => {
            if (msg.type !== 'hls') return;
            element.mseCodecs = String(msg.value);
            this.#load(video, element.mseCodecs);
        };
        element.send({type: 'hls', value: element.codecs(type => MediaSource.isTypeSupported(type))});
    }

    /** @param {HTMLVideoElement} video @param {string} playlist */
    async #load(video, playlist) {
        const {element, ending} = this.player, run = this.player.run(), lose = (/** @type {unknown} */ err) => {
            const why = err instanceof Error ? err.message : String(err);
            if (run === this.player.run()) ending.lose(why, why.startsWith('this browser') ? 'config' : 'network', true);
        };
        // Few need it, and every file that a page waits for delays the picture of the others.
        const {Loader} = await import('../lib/hls.js');
        if (run !== this.player.run()) return;
        this.#hls = new Loader(video, new URL(element.wsURL.replace(/^ws/, 'http')), lose, playlist);
        try {
            await this.#hls.start();
            element.play();
        } catch (err) {
            lose(err);
        }
    }

    /** No decoder here, but perhaps one at the server. @param {string} reason */
    async stills(reason) {
        const {element, status, presence} = this.player, run = this.player.run(), {connectTS} = element, {Stills} = await import('./stills.js');
        if (run !== this.player.run() || connectTS !== element.connectTS || !element.isConnected) return;
        this.#stills = new Stills(element, () => {
            this.uncover();
            status.overlay?.say(`${reason}\n${INSTEAD}`);
        }, () => presence.away);
        this.#stills.start(element.wsURL);
    }

    /** Nothing plays any more. */
    stop() {
        this.#hls?.stop();
        this.#hls = null;
        this.#stills?.stop();
        this.#stills = null;
        this.endPictures();
    }
}
