/**
 * What stands on the picture: the mode, what is waited for or went wrong, when the next
 * attempt begins, and the buttons for it. Always light on a dark scrim, over any picture.
 */
import {adopt} from '../adopt.js';
import {REFUSED} from '../reasons.js';
import {translate} from './words.js';

/** @typedef {import('./status.js').Phase} Phase */
/**
 * @typedef {object} View
 * @property {Phase} phase
 * @property {string} mode as go2rtc's player words it: RTC, MSE, HLS, MP4, MJPEG
 * @property {string} reason
 * @property {number} nextTry when the next attempt begins, as of `Date.now()`; 0: none is planned
 * @property {boolean} cameraOff the server has let the camera go
 */

const STYLES = {text: `
rs-player { position: relative; display: block; overflow: hidden; background: #000; }
rs-player > :is(canvas.last, canvas.pictures, img.stills) { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; pointer-events: none; background: #000; }
rs-player > .info {
    position: absolute; inset: 0; z-index: 1; display: flex; align-items: center; justify-content: center;
    padding: 8px; pointer-events: none; color: #e8edf2;
    font: 13px/1.5 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; font-variant-numeric: tabular-nums;
}
rs-player > .info[data-phase=parked], rs-player > .info[data-phase=retrying], rs-player > .info[data-phase=failed] { background: rgb(0 0 0 / 40%); }
/* The picture is looked at. */
rs-player > .info.aside { align-items: end; background: none; }
/* The browser's own wheel turns in the middle. */
rs-player > .info[data-phase=buffering] { align-items: start; }
rs-player > .info > .mode { position: absolute; inset: 8px 12px auto auto; text-shadow: 0 0 3px #000, 0 0 1px #000; }
/* What goes on until there is a picture stands in its middle, in the visitor's words. */
rs-player > .info:not([data-phase=live]) > .mode { display: none; }
rs-player > .info > .panel {
    max-width: min(100%, 34rem); max-height: 100%; overflow: auto; pointer-events: auto; padding: 12px 16px; border-radius: 10px;
    background: rgb(0 0 0 / 72%); display: grid; gap: 4px; justify-items: start;
}
rs-player > .info > .panel[hidden] { display: none; }
rs-player .title { font-size: 15px; font-weight: 600; }
rs-player .title::before { margin-inline-end: 8px; }
rs-player [data-phase=parked] .title::before { content: ""; display: inline-block; width: 3px; height: 11px; border-inline: 3px solid; }
rs-player [data-phase=retrying] .title { color: #f2b84b; }
rs-player [data-phase=retrying] .title::before { content: "\\21BB"; }
rs-player [data-phase=failed] .title { color: #ff8a80; }
rs-player [data-phase=failed] .title::before { content: "\\2715"; }
rs-player .status { white-space: pre-line; overflow-wrap: anywhere; min-width: 0; }
rs-player .title:empty, rs-player .status:empty, rs-player .wait:empty { display: none; }
rs-player .wait { color: #a9b5c2; }
rs-player button.act, rs-player button.unmute {
    min-height: 44px; padding: 0 16px; border: 1px solid #6f7d8c; border-radius: 999px; background: #212a34; color: #e8edf2;
    font: 15px/1.5 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; cursor: pointer;
}
rs-player button.act { margin-top: 8px; }
rs-player button.act:hover, rs-player button.unmute:hover { background: #2c3743; }
rs-player button:focus-visible { outline: 2px solid #6db3ff; outline-offset: 2px; }
/* What waits has nothing to control, and the browser's own wheel would turn behind the words. */
rs-player:has(> .info:not([data-phase=live], [data-phase=buffering], [data-phase=parked])) > video::-webkit-media-controls { display: none !important; }
/* In a tile the button stands beside the title, or it would be cut off. */
rs-player > .info { container-type: size; }
@container (max-height: 280px) {
    rs-player > .info > .panel { grid-template-columns: 1fr auto; padding: 6px 10px; gap: 2px 12px; font-size: 12px; }
    rs-player > .info > .panel > :not(.title, .act) { grid-column: 1 / -1; }
    rs-player > .info > .panel > .act { grid-area: 1 / 2; min-height: 36px; margin: 0; font-size: 13px; }
    rs-player > .info > .panel > .title { align-self: center; font-size: 13px; }
}
@media (pointer: coarse) { rs-player > .info > .panel > .act { min-height: 44px; } }
rs-player button[hidden] { display: none; }
rs-player button.unmute { position: absolute; left: 50%; bottom: 64px; translate: -50% 0; z-index: 1; }
`};

/** @type {Partial<Record<Phase, string>>} */
const TITLES = {parked: 'Paused', retrying: 'Not connected', failed: 'Cannot play'};

/** @template {keyof HTMLElementTagNameMap} K @param {K} tag @param {string} name @returns {HTMLElementTagNameMap[K]} */
function element(tag, name) {
    const node = document.createElement(tag);
    node.className = name;
    return node;
}

export class Overlay {
    #info = element('div', 'info');
    #mode = element('div', 'mode');
    #panel = element('div', 'panel');
    #title = element('div', 'title');
    #status = element('div', 'status');
    #wait = element('div', 'wait');
    #act = element('button', 'act');
    #unmute = element('button', 'unmute');
    /** @type {any} */
    #ticker = 0;
    /** @type {View|null} */
    #view = null;

    /**
     * @param {HTMLElement} host
     * @param {HTMLVideoElement} video
     * @param {() => void} onact the button to go on was pressed
     */
    constructor(host, video, onact) {
        adopt(host.getRootNode(), STYLES);
        // Only what happened is read out, not every second of the countdown.
        this.#status.setAttribute('role', 'status');
        this.#panel.hidden = true;
        this.#act.type = this.#unmute.type = 'button';
        this.#act.addEventListener('click', onact);
        this.#panel.append(this.#title, this.#status, this.#wait, this.#act);
        this.#info.append(this.#mode, this.#panel);

        this.#unmute.textContent = translate('Tap for sound');
        this.#unmute.hidden = true;
        this.#unmute.addEventListener('click', () => {
            video.muted = false;
            video.play()?.catch(() => {});
        });
        // Muted without a gesture is muted by the browser, or by the page to be allowed to play.
        video.addEventListener('volumechange', () => {
            this.#unmute.hidden = !video.muted || video.defaultMuted || navigator.userActivation?.isActive === true;
        });
        host.append(this.#info, this.#unmute);
    }

    /** @param {View} view */
    show(view) {
        const {phase} = view;
        // During an attempt after a failure the failure stays, or it would only flicker.
        const again = (phase === 'dialling' || phase === 'connecting') && this.#info.getAttribute('data-phase') === 'retrying';
        this.#view = view;
        if (again) {
            this.#mode.textContent = 'loading';
            this.#tick();
            this.#wait.textContent = translate('Trying…');
            return;
        }
        this.#info.setAttribute('data-phase', phase);
        this.#info.className = phase === 'parked' && !view.reason ? 'info aside' : 'info';
        this.#mode.textContent = phase === 'live' ? view.mode : ['dialling', 'connecting', 'buffering'].includes(phase) ? 'loading'
            : phase === 'retrying' || phase === 'failed' ? 'error' : '';
        this.#title.textContent = translate(phase === 'parked' && view.cameraOff ? 'Paused, camera is off' : TITLES[phase] ?? '');
        this.say(view.reason);
        const act = view.reason === REFUSED ? 'Play' : {parked: 'Resume', retrying: 'Retry now', failed: 'Retry now'}[/** @type {string} */ (phase)] ?? '';
        this.#act.textContent = translate(act);
        this.#act.hidden = !act;
        this.#tick();
    }

    /** Other words for the same state. @param {string} reason */
    say(reason) {
        const text = translate(reason);
        if (this.#status.textContent !== text) this.#status.textContent = text;
        this.#panel.hidden = !this.#title.textContent && !reason;
    }

    stop() {
        clearTimeout(this.#ticker);
    }

    #tick() {
        clearTimeout(this.#ticker);
        const nextTry = this.#view?.nextTry ?? 0;
        const wait = Math.ceil((nextTry - Date.now()) / 1000);
        this.#wait.textContent = nextTry && wait > 0 ? translate('Next try in {s} s.').replace('{s}', String(wait)) : '';
        if (nextTry && wait > 0) this.#ticker = setTimeout(() => this.#tick(), 1000);
    }
}
