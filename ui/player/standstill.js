/**
 * A picture that stands still, or does not come: it is said, and when it lasts the server is asked whether it is there at all. Who answers has none to send, and is waited for;
 * who does not is dialled anew.
 */
import {unseen} from './patience.js';
import {hello, reach} from './signalling.js';
import {framesOf, watchStalls} from './stalls.js';

/** Milliseconds of standing still after which the server is asked, time and again, those that it has to answer, and those that the first picture may take. */
const ASK = 8000, ANSWER = 5000, FIRST = 20_000;
const STILL = 'The picture stands still, waiting for the next one…', NONE = 'The server answers, but it has no new picture from the camera.';
const DEAD = 'The server does not answer.', GONE = 'The picture did not come back.', NEVER = 'The picture did not come.';

export class Standstill {
    /** @param {import('./parts.js').Parts} player */
    constructor(player) {
        this.player = player;
    }

    /** The pictures do not pass through the video. */
    get #drawn() {
        return ['mjpeg', 'mp4'].includes(this.player.run().mode);
    }

    /** The first picture is to come. */
    expect() {
        this.player.run().after('still', FIRST, () => this.ask());
    }

    /** It has come. */
    begin() {
        const {element, status, showing, ways} = this.player, run = this.player.run(), video = /** @type {HTMLVideoElement} */ (element.video);
        run.unwatch = watchStalls(() => this.#drawn ? run.pictures : framesOf(video), () => status.shows && (this.#drawn || !video.paused), () => {
            if (ways.stood()) return;
            status.enter('buffering', STILL, {mode: run.mode});
            run.after('still', ASK, () => this.ask());
        }, () => status.phase === 'buffering' && showing.live());
    }

    /** What may have changed is asked at once. */
    now() {
        if (this.player.status.phase === 'buffering') this.ask();
    }

    /** Is the server there still? */
    async ask() {
        const {element, status, ending} = this.player, run = this.player.run(), {liveSince} = run, {phase} = status;
        const waits = () => run === this.player.run() && run.liveSince === liveSince && status.phase === phase;
        if (phase !== 'buffering' && (liveSince || phase !== 'connecting')) return;
        // Somebody has to let it play first.
        if (!this.#drawn && element.video?.paused) return this.expect();
        // The way that was kept in mind: others may show one.
        if (!liveSince && (run.only || run.alone === 'mse')) return ending.lose(NEVER, 'ended', true);
        const {mse, rtc} = liveSince ? {} : await unseen(element);
        if (!waits()) return;
        // It has what it needs, and stands still.
        if (mse || rtc || liveSince && this.#ahead) return ending.lose(liveSince ? GONE : NEVER, 'network', true);
        if (run.session && element.ws?.readyState === WebSocket.OPEN) {
            run.after('still', ANSWER, () => waits() && ending.lose(DEAD, 'network'));
            run.onheard = () => {
                run.onheard = () => {};
                if (waits()) this.#answered();
            };
            return element.send(hello(element.cid, element.pinned));
        }
        const answer = await reach(element.wsURL);
        if (!waits()) return;
        if (answer === 'gone') return ending.lose(DEAD, 'network');
        // WebRTC asks itself whether its path is there, HLS with each request. Of a socket only a new one tells.
        if (element.pc || run.mode === 'hls') this.#answered();
        else ending.lose(liveSince ? GONE : NEVER, liveSince ? 'ended' : 'network', true);
    }

    /** Seconds of media are there that are not shown. */
    get #ahead() {
        const {video} = this.player.element, ranges = video?.buffered;
        return !this.#drawn && video && ranges?.length && ranges.end(ranges.length - 1) - video.currentTime > 2;
    }

    #answered() {
        const {status} = this.player, run = this.player.run();
        if (run.liveSince) status.enter('buffering', NONE, {mode: run.mode});
        run.after('still', FIRST, () => this.ask());
    }
}
