/**
 * Talking to a camera: a viewer of its own that only sends, into the loudspeaker of the camera, so that the picture is never disturbed.
 * The microphone is open only while somebody talks.
 */

/** Milliseconds that gathering the own addresses may take, that somebody may talk, and that the server may take to hear the goodbye. */
const GATHER = 1500, LONGEST = 120_000, LEAVE = 2000;

export class Talk extends EventTarget {
    /** @type {'off'|'asking'|'on'} */
    state = 'off';
    /** Why it did not work. */
    problem = '';
    /** @type {RTCPeerConnection|null} */
    #pc = null;
    /** @type {MediaStream|null} */
    #stream = null;
    #session = '';
    #turn = 0;
    /** @type {any} */
    #timer = 0;

    /** @param {string} name of the stream */
    constructor(name) {
        super();
        this.name = name;
        window.addEventListener('pagehide', () => this.stop(true));
        window.addEventListener('blur', () => this.stop());
    }

    /** Microphones need a page that nobody can change on the way. */
    static get possible() {
        return Boolean(window.isSecureContext && navigator.mediaDevices && 'RTCPeerConnection' in window);
    }

    async start() {
        if (this.state !== 'off') return;
        const turn = ++this.#turn;
        this.problem = '';
        this.#enter('asking');
        try {
            const stream = await navigator.mediaDevices.getUserMedia({audio: {echoCancellation: true, noiseSuppression: true, autoGainControl: true}});
            // The button may be up again by now.
            if (turn !== this.#turn) return stream.getTracks().forEach(track => track.stop());
            this.#stream = stream;
            const pc = this.#pc = new RTCPeerConnection({bundlePolicy: 'max-bundle', iceServers: []});
            pc.addTransceiver(stream.getAudioTracks()[0], {direction: 'sendonly'});
            pc.addEventListener('connectionstatechange', () => {
                if (this.#pc !== pc) return;
                if (pc.connectionState === 'connected') this.#enter('on');
                else if (pc.connectionState === 'failed') this.#fail('');
            });
            await pc.setLocalDescription();
            await gathered(pc);
            if (turn !== this.#turn) return;
            const response = await fetch(`api/webrtc?src=${encodeURIComponent(this.name)}`, {method: 'POST', body: pc.localDescription?.sdp, headers: {'Content-Type': 'application/sdp'}});
            const text = await response.text();
            const place = response.headers.get('Location');
            const session = place ? new URL(place, response.url).href : '';
            // A late answer ends its own session only: the button may be down again.
            if (turn !== this.#turn) return bye(session);
            this.#session = session;
            if (!response.ok) return this.#fail(text.trim());
            await pc.setRemoteDescription({type: 'answer', sdp: text});
            this.#timer = setTimeout(() => this.stop(), LONGEST);
        } catch (err) {
            if (turn === this.#turn) this.#fail(err instanceof Error ? err.message : String(err));
        }
    }

    /** @param {boolean} [going] with the page */
    stop(going = false) {
        if (this.state === 'off') return;
        this.#turn++;
        this.#leave(going);
        this.#enter('off');
    }

    /** @param {string} text */
    #fail(text) {
        this.problem = text || 'failed';
        this.#turn++;
        this.#leave();
        this.#enter('off');
    }

    #leave(going = false) {
        clearTimeout(this.#timer);
        this.#stream?.getTracks().forEach(track => track.stop());
        leave(this.#pc, this.#session, going);
        this.#stream = this.#pc = null;
        this.#session = '';
    }

    /** @param {'off'|'asking'|'on'} state */
    #enter(state) {
        this.state = state;
        this.dispatchEvent(new Event('change'));
    }
}

/** Tells the server that a session is over. @param {string} session its address; empty: there is none */
export async function bye(session) {
    if (session) await fetch(session, {method: 'DELETE', keepalive: true}).catch(() => {});
}

/**
 * Leaves: asks the server while it still knows the session, then closes the connection. A page that goes has no time to wait.
 * @param {RTCPeerConnection|null} pc
 * @param {string} session as for `bye`
 * @param {boolean} [going] with the page
 */
export async function leave(pc, session, going = false) {
    if (going) pc?.close();
    await Promise.race([bye(session), new Promise(resolve => setTimeout(resolve, LEAVE))]);
    pc?.close();
}

/** Waits until the addresses are known. @param {RTCPeerConnection} pc */
export function gathered(pc, limit = GATHER) {
    return new Promise(resolve => {
        if (pc.iceGatheringState === 'complete') return resolve(undefined);
        pc.addEventListener('icegatheringstatechange', () => pc.iceGatheringState === 'complete' && resolve(undefined));
        setTimeout(resolve, limit);
    });
}
