/**
 * Somebody looks, or nobody does. Hidden: the server is told at once and decides what
 * becomes of the camera; peer connection and socket stay. Seen again: the server is told,
 * and if no frame comes soon the connection is made anew.
 */
import {classOfEnd, explainEnd, isEnd, REFUSED} from '../reasons.js';
import {inPicture, PageWatch} from './leaving.js';
import {onFrame} from './picture.js';

/** Milliseconds from being seen again to a frame, or the connection is made anew; where its first picture took long, this many times as long. */
const FRAME_AFTER_SHOW = 1000, OF_FIRST = 2;
/** The same if the camera was off: until the server answers `resume`, and after that. */
const ANSWER_AFTER_RESUME = 3000, FRAME_AFTER_RESUME = 10_000;
/** The same while the socket cannot be opened again. */
const FRAME_WITHOUT_SERVER = 2000;

export class Presence {
    /** @type {PageWatch|null} */
    #page = null;
    /** Somebody has put it aside: milliseconds that a server which knows no pause keeps the camera meanwhile. @type {number|null} */
    aside = null;
    /** Why, if it was not by choice. */
    #words = '';

    /** @param {import('./parts.js').Parts} player */
    constructor(player) {
        this.player = player;
    }

    /** Why it is paused. */
    get why() {
        return this.aside === null ? explainEnd('hidden') : this.#words;
    }

    /** Nobody can see it, or wants to. */
    get away() {
        const {element} = this.player;
        if (this.aside !== null) return true;
        if (element.background || inPicture(element.video)) return false;
        return element.visibilityCheck && document.hidden || this.#page?.frozen || this.#page?.offscreen || this.#page?.covered || false;
    }

    /** The element is in the document. */
    begin() {
        const {element, ending} = this.player;
        this.#page ??= new PageWatch(element, element.visibilityThreshold, {
            onleave: () => ending.leave('idle', true),
            onreturn: () => element.onconnect(),
            onhide: () => this.hide(),
            onshow: () => this.show(),
            ononline: () => ending.online(),
        });
    }

    end() {
        this.#page?.stop();
        this.#page = null;
    }

    /** @param {number} keep as `aside` @param {string} [words] */
    putAside(keep, words = '') {
        this.#words = words;
        this.aside = keep;
        this.hide();
    }

    /** With sound, else without; where the browser refuses both, by a button. */
    async play() {
        const {element} = this.player, {video} = element;
        if (!video) return;
        const refused = async () => (await video.play()?.then(() => '', err => err.name)) === 'NotAllowedError', {muted} = video;
        if (!await refused()) return;
        video.muted = true;
        if (!muted && !await refused()) return;
        // The press may bring the sound as well.
        video.muted = muted;
        this.putAside(element.DISCONNECT_TIMEOUT, REFUSED);
    }

    /** Nobody looks any more, unless it is not so. */
    hide() {
        if (!this.away) return;
        const {element, status} = this.player, run = this.player.run();
        if (status.phase === 'retrying') this.player.ending.leave('parked');
        // What the server has paused for a reason of its own stays so.
        if (!element.ws && !element.pc || run.parkSent || run.parkedBy) {
            // Put aside while it was hidden: that it cannot be seen is no longer why.
            if (this.aside !== null && status.phase === 'parked' && ['', 'hidden'].includes(run.parkedBy)) status.enter('parked', this.why, {cameraOff: status.cameraOff});
            return;
        }
        run.stop('frame');
        run.stop('still');
        // Nothing is begun that nobody sees.
        run.stop('rtc');
        // What is fetched piece by piece the server knows nothing of here, also before it has begun.
        if (run.session?.caps.has('park') && element.wsState === WebSocket.OPEN && !run.open.has('hls')) {
            run.stop('away');
            element.send({type: 'park'});
            run.parkSent = true;
        } else if (!run.isTimed('away')) {
            run.after('away', this.aside ?? element.DISCONNECT_TIMEOUT, () => {
                if (this.away) this.player.ending.leave('parked');
            });
        }
        if (status.shows) this.player.showing.grab();
        status.enter('parked', this.why);
    }

    /** The server knows us on this socket. On an earlier one it may not have heard our last word. */
    introduced() {
        const {element} = this.player, run = this.player.run();
        if (!run.parkedBy) run.parkSent = false;
        if (this.away) this.hide();
        else if (run.resumeOwed) element.send({type: 'resume'});
        run.resumeOwed = false;
    }

    /** Somebody may look again. */
    show() {
        const {element, rtc, status} = this.player;
        if (this.away || status.phase === 'failed') return;
        const run = this.player.run();
        run.stop('away');
        rtc.soon();
        if (!element.ws && !element.pc) element.onconnect();
        else if (status.phase === 'parked' && (run.parkSent || !run.parkedBy)) this.resume();
    }

    /** The connection is there and shall show something again. */
    resume() {
        const {element, rtc, status} = this.player, run = this.player.run(), {video} = element;
        rtc.soon();
        if (run.parkSent || run.parkedBy) {
            element.send({type: 'resume'});
            run.resumeOwed = element.wsState !== WebSocket.OPEN;
        }
        const wasOff = run.parkedBy;
        run.parkSent = false;
        run.parkedBy = '';
        if (video?.seekable.length && run.mode !== 'webrtc') video.currentTime = video.seekable.end(video.seekable.length - 1);
        element.play();
        const answered = !run.isTimed('answer');
        status.enter(answered ? 'connecting' : 'dialling');
        // Without a picture before it is an attempt like any other.
        if (run.liveSince) this.expectFrame(wasOff ? ANSWER_AFTER_RESUME : Math.min(FRAME_AFTER_RESUME, Math.max(FRAME_AFTER_SHOW, OF_FIRST * run.took)));
        else if (run.mode) this.player.showing.playing(run.mode);
        else if (answered) this.player.standstill.expect();
    }

    /** The server has let the camera go. @param {string} reason a code, or why it cannot be had again */
    parked(reason) {
        if (!isEnd(reason)) return this.player.ending.lose(explainEnd(reason, this.player.element.wsURL), classOfEnd(reason));
        // It answers an older word of ours than the last.
        if (reason === 'hidden' && !this.away) return;
        const run = this.player.run(), {status} = this.player;
        run.stop('frame');
        run.stop('still');
        run.unframe();
        if (status.shows) this.player.showing.grab();
        run.parkedBy = reason || 'hidden';
        status.enter('parked', run.parkedBy === 'hidden' ? this.why : explainEnd(run.parkedBy), {cameraOff: true});
    }

    /** The server has the camera again, or is about to. */
    alive() {
        const run = this.player.run(), {status} = this.player;
        run.parkedBy = '';
        if (this.away || !run.liveSince || status.shows) return;
        status.enter('connecting');
        this.expectFrame(FRAME_AFTER_RESUME);
    }

    /** Waits for the next frame. @param {() => void} callback */
    onframe(callback) {
        const run = this.player.run(), {video} = this.player.element;
        run.unframe();
        if (video) run.unframe = onFrame(video, callback);
    }

    /** Is it still a picture? Asked when the server cannot be reached otherwise. */
    doubt() {
        const {status} = this.player, run = this.player.run();
        if (status.shows && !document.hidden && !run.isTimed('frame')) this.expectFrame(FRAME_WITHOUT_SERVER);
    }

    /** Without a frame until then the connection is made anew. @param {number} limit milliseconds */
    expectFrame(limit) {
        const run = this.player.run();
        // The pictures of these two do not pass through the video.
        if (run.mode === 'mjpeg' || run.mode === 'mp4') return this.player.showing.live();
        run.after('frame', limit, () => this.player.ending.lose('The picture did not come back.', 'ended', true));
        this.onframe(() => this.player.showing.live());
    }
}
