/**
 * `<video-stream>`: the player with its state on top of the picture: the mode in
 * `.mode` (loading, RTC, MSE, HLS, MP4, MJPEG, error) and in `.status` what is being
 * waited for, what went wrong, and when the next attempt begins.
 */
import {VideoRTC} from './video-rtc.js';
import {explainError, explainPath, pathText} from './reasons.js';
import {adopt} from './adopt.js';

/** Milliseconds without a network path until the status tells what is tried. */
const PATIENCE = 3000;

const SHEET = {text: `
video-stream { position: relative; display: block; background: #000; }
video-stream > .info {
    position: absolute; inset: 0 0 auto 0; z-index: 1; padding: 8px 12px; display: flex; gap: 4px 12px;
    align-items: flex-start; justify-content: space-between; pointer-events: none;
    color: #fff; font: 13px/1.5 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif;
    text-shadow: 0 0 3px #000, 0 0 1px #000;
}
video-stream > .info > .status { white-space: pre-line; overflow-wrap: anywhere; min-width: 0; }
video-stream > .info > .status:not(:empty) { background: rgb(0 0 0 / 72%); border-radius: 6px; padding: 4px 8px; }
video-stream > .info > .mode { margin-left: auto; padding: 4px 0; }
video-stream > button.unmute {
    position: absolute; left: 50%; top: 50%; translate: -50% -50%; z-index: 1; min-height: 44px; padding: 0 16px;
    border: 1px solid #6f7d8c; border-radius: 999px; background: rgb(0 0 0 / 72%); color: #fff;
    font: 15px/1.5 system-ui, sans-serif; cursor: pointer;
}
video-stream > button.unmute[hidden] { display: none; }
`};

export class VideoStream extends VideoRTC {
    /** @type {HTMLElement|null} */
    #mode = null;
    /** @type {HTMLElement|null} */
    #status = null;
    /** @type {HTMLButtonElement|null} */
    #unmute = null;
    /** The last error in words; shown until something plays. */
    #reason = '';
    /** The pairs that were tried; the browser forgets them when it gives up. @type {import('./reasons.js').PathReport['pairs']} */
    #pairs = [];
    /** @type {any} */
    #ticker = 0;

    /** Shows the mode. @param {string} value */
    set divMode(value) {
        if (this.#mode) this.#mode.textContent = value;
        if (value !== 'loading' && value !== 'error') {
            this.#reason = '';
        }
        this.#say(this.#reason);
        this.#tick();
    }

    /** Shows an error, unless something plays. @param {string} value */
    set divError(value) {
        if (this.#playing) return;
        if (this.#mode) this.#mode.textContent = 'error';
        this.#reason = value;
        this.#say(value);
        this.#tick();
    }

    get #playing() {
        const mode = this.#mode?.textContent;
        return Boolean(mode) && mode !== 'loading' && mode !== 'error';
    }

    oninit() {
        super.oninit();
        adopt(this.getRootNode(), SHEET);

        const info = document.createElement('div');
        info.className = 'info';
        this.#status = document.createElement('div');
        this.#status.className = 'status';
        this.#status.setAttribute('role', 'status');
        this.#mode = document.createElement('div');
        this.#mode.className = 'mode';
        info.append(this.#status, this.#mode);

        this.#unmute = document.createElement('button');
        this.#unmute.type = 'button';
        this.#unmute.className = 'unmute';
        this.#unmute.hidden = true;
        this.#unmute.textContent = 'Tap for sound';
        this.#unmute.addEventListener('click', () => {
            if (this.video) this.video.muted = false;
            this.play();
        });
        this.append(info, this.#unmute);

        // Muted without a gesture is muted by the browser, or by the page to be allowed to play.
        this.video?.addEventListener('volumechange', () => {
            if (!this.#unmute || !this.video) return;
            this.#unmute.hidden = !this.video.muted || navigator.userActivation?.isActive === true;
        });
    }

    onconnect() {
        const result = super.onconnect();
        if (result) this.divMode = 'loading';
        return result;
    }

    ondisconnect() {
        super.ondisconnect();
        this.#reason = '';
        this.#say('');
        this.divMode = '';
    }

    onopen() {
        const modes = super.onopen();
        // An error is shown when nothing is left that could still play.
        const open = new Set(modes), first = modes[0];
        let shown = '';
        this.onmessage.status = msg => {
            switch (msg.type) {
                case 'error': {
                    const text = String(msg.value), mode = text.match(/^(webrtc|mse|hls|mp4|mjpeg)\b/)?.[1] ?? '';
                    open.delete(mode);
                    if (mode === first && mode !== 'mjpeg' && this.onmessage.mjpeg) open.add('mjpeg');
                    // That of WebRTC says most, the others often only repeat it.
                    if (!shown || mode === 'webrtc') shown = text;
                    // What plays without a picture has sound alone.
                    if (mode === 'mjpeg' && this.pcState === WebSocket.OPEN) this.divMode = 'RTC';
                    if (!open.size || !mode) this.divError = explainError(shown, this.wsURL);
                    break;
                }
                case 'mse':
                    this.divMode = modes.includes('mp4') ? 'MP4' : 'MSE';
                    break;
                case 'hls':
                case 'mp4':
                case 'mjpeg':
                    this.divMode = msg.type.toUpperCase();
                    break;
            }
        };
        if (!modes.length) this.divError = `This browser can play none of: ${this.mode}.`;
        return modes;
    }

    /** @param {Event} [ev] */
    onclose(ev) {
        const opened = this.wsState === WebSocket.OPEN;
        const lost = super.onclose(ev);
        if (!lost || this.pc) return lost;
        if (this.#mode) this.#mode.textContent = 'error';
        if (!this.#reason) this.#reason = opened ? 'The server has ended the connection.' : 'The server cannot be reached.';
        this.#say(this.#reason);
        this.#tick();
        return lost;
    }

    /** @param {HTMLVideoElement} video2 */
    onpcvideo(video2) {
        super.onpcvideo(video2);
        if (this.pcState !== WebSocket.CLOSED && !this.pictured) this.divMode = 'RTC';
    }

    /** @param {import('./reasons.js').PathReport} report */
    onpcfailed(report) {
        super.onpcfailed(report);
        if (this.#playing && !report.lost) return;
        this.#reason = report.lost ? 'The connection was lost.' : explainPath({...report, pairs: report.pairs.length ? report.pairs : this.#pairs});
        this.#pairs = [];
        // With a new socket the next attempt is under way, with a closing one it is not.
        const trying = this.ws && this.ws.readyState <= WebSocket.OPEN;
        if (this.#mode) this.#mode.textContent = trying ? 'loading' : 'error';
        this.#say(this.#reason);
        this.#tick();
    }

    /** @param {string} text */
    #say(text) {
        if (this.#status && this.#status.textContent !== text) this.#status.textContent = text;
    }

    /** Runs once a second while there is something to wait for. */
    #tick() {
        clearTimeout(this.#ticker);
        if (!this.isConnected || this.#playing) return;
        if (this.wsState === WebSocket.CLOSED && this.pcState === WebSocket.CLOSED) return;
        this.#ticker = setTimeout(() => this.#tick(), 1000);
        const wait = Math.ceil((this.reconnectTS - Date.now()) / 1000);
        if (this.reconnectTS && wait > 0) {
            this.#say([this.#reason, `Next try in ${wait} s.`].filter(Boolean).join('\n'));
        } else if (this.pc && Date.now() - this.connectTS > PATIENCE) {
            const pc = this.pc;
            this.pathReport(pc).then(report => {
                if (this.pc !== pc || this.#playing) return;
                if (report.pairs.length) this.#pairs = report.pairs;
                const answered = pc.remoteDescription;
                const state = !answered ? 'Waiting for the camera…'
                    : pc.connectionState === 'connected' ? 'Connected, waiting for the first picture…'
                        : `Looking for a network path…\n${pathText(report)}`;
                // Of the last attempt the cause is enough; its addresses would only repeat.
                this.#say([this.#reason.split('\n')[0], state].filter(Boolean).join('\n'));
            });
        }
    }
}

customElements.define('video-stream', VideoStream);
