/**
 * Talking to a camera: a viewer of its own that only sends, into the loudspeaker of the camera, so that the picture is never disturbed.
 * The server gives the floor to one at a time; the microphone is open only while it is ours.
 */
import {sayGoodbye} from '../player/leaving.js';
import {Line} from './floor.js';
import {bye, gathered, leave} from './whep.js';

/** Milliseconds that somebody may talk. */
const LONGEST = 120_000;
/** Why there is no sound of a microphone, as browsers name it. */
const MICROPHONE = {NotAllowedError: 'denied', SecurityError: 'denied', NotFoundError: 'missing', NotReadableError: 'taken', AbortError: 'taken'};

/**
 * @fires Talk#change
 */
export class Talk extends EventTarget {
    /** @type {'off'|'asking'|'on'} */
    state = 'off';
    /** Why it did not work, in the words of who says so. */
    problem = '';
    /** The same as one of those that have words of our own: the microphone, the way to the server, that this visitor may not, or none that is given. @type {'denied'|'missing'|'taken'|'path'|'forbidden'|'failed'|''} */
    cause = '';
    /** Who has the floor instead. @type {import('./floor.js').Other|null} */
    other = null;
    /** Why the server took the floor away: `silence`, `limit`, ... */
    taken = '';
    /** The number that the server tells others of us; kept until the next time, since that we talk may be told when it is over here. */
    id = 0;
    /** @type {Line|null} */
    #line = null;
    /** The line before is not quite over. @type {Promise<unknown>} */
    #closing = Promise.resolve();
    /** @type {RTCPeerConnection|null} */
    #pc = null;
    /** @type {MediaStream|null} */
    #stream = null;
    /** Address of a session without a line. */
    #session = '';
    #turn = 0;
    /** Nobody will talk any more: for whoever listens for that. */
    over = new AbortController();
    /** @type {any} */
    #timer = 0;

    /**
     * @param {string} stream its name
     * @param {() => string} [name] ours, for others
     */
    constructor(stream, name = () => '') {
        super();
        this.stream = stream;
        this.name = name;
        window.addEventListener('pagehide', () => this.stop(true), this.over);
        window.addEventListener('blur', () => this.stop(), this.over);
    }

    /** The button goes. */
    end() {
        this.stop();
        this.over.abort();
    }

    /** Microphones need a page that nobody can change on the way. */
    static get possible() {
        return Boolean(window.isSecureContext && navigator.mediaDevices && 'RTCPeerConnection' in window);
    }

    async start() {
        if (this.state !== 'off') return;
        const turn = ++this.#turn, isOver = () => turn !== this.#turn;
        Object.assign(this, {problem: '', cause: '', other: null, taken: ''});
        this.#enter('asking');
        try {
            // Else the server might find that somebody else has the floor: we, a moment ago.
            await this.#closing;
            if (isOver()) return;
            const line = new Line(this.stream);
            this.#line = line;
            const answer = await line.ask(this.name());
            if (isOver()) return;
            if (!answer.granted && answer.other) {
                this.other = answer.other;
                return this.#end();
            }
            if (!answer.granted && answer.refused) return this.#fail(answer.refused, /may not talk/.test(answer.refused) ? 'forbidden' : '');
            if (answer.granted) {
                this.id = answer.id;
                line.addEventListener('lost', (/** @type {any} */ {detail}) => {
                    if (this.#line !== line) return;
                    this.taken = detail || 'left';
                    this.#end();
                });
            }
            this.#timer = setTimeout(() => this.stop(), answer.granted && answer.ttl || LONGEST);
            const stream = await navigator.mediaDevices.getUserMedia({audio: {echoCancellation: true, noiseSuppression: true, autoGainControl: true}});
            // The button may be up again by now.
            if (isOver()) return silence(stream);
            this.#stream = stream;
            const pc = new RTCPeerConnection({bundlePolicy: 'max-bundle', iceServers: []});
            this.#pc = pc;
            pc.addTransceiver(stream.getAudioTracks()[0], {direction: 'sendonly'});
            pc.addEventListener('connectionstatechange', () => {
                if (this.#pc !== pc) return;
                if (pc.connectionState === 'connected') this.#enter('on');
                else if (pc.connectionState === 'failed') this.#fail('no network path', 'path');
            });
            if (answer.granted) await this.#offer(pc, line);
            else await this.#post(pc, isOver);
        } catch (err) {
            const {name = '', message = String(err)} = /** @type {any} */ (err);
            if (!isOver()) this.#fail(message, /** @type {any} */ (MICROPHONE)[name]);
        }
    }

    /** @param {boolean} [going] with the page */
    stop(going = false) {
        if (this.state !== 'off') this.#end(going);
    }

    /** Over the line that has the floor. @param {RTCPeerConnection} pc @param {Line} line */
    async #offer(pc, line) {
        line.addEventListener('message', (/** @type {any} */ {detail: {type, value}}) => {
            if (this.#pc !== pc) return;
            if (type === 'webrtc/answer') pc.setRemoteDescription({type: 'answer', sdp: value}).catch(err => this.#fail(err.message));
            else if (type === 'webrtc/candidate') pc.addIceCandidate({candidate: value, sdpMid: '0'}).catch(() => {});
            else if (type === 'error') this.#fail(String(value).replace(/^webrtc\/offer: /, ''));
            else if (type === 'released') this.#fail(String(value?.text ?? value?.reason ?? ''));
        });
        pc.addEventListener('icecandidate', ev => line.send({type: 'webrtc/candidate', value: ev.candidate?.toJSON().candidate ?? ''}));
        await pc.setLocalDescription();
        line.send({type: 'webrtc/offer', value: pc.localDescription?.sdp});
    }

    /** Where there is no line: whoever speaks first is heard. @param {RTCPeerConnection} pc @param {() => boolean} isOver */
    async #post(pc, isOver) {
        await pc.setLocalDescription();
        await gathered(pc);
        if (isOver()) return;
        const response = await fetch(`api/webrtc?src=${encodeURIComponent(this.stream)}`, {method: 'POST', body: pc.localDescription?.sdp, headers: {'Content-Type': 'application/sdp'}});
        const text = await response.text();
        const place = response.headers.get('Location');
        const session = place ? new URL(place, response.url).href : '';
        // A late answer ends its own session only: the button may be down again.
        if (isOver()) return bye(session);
        this.#session = session;
        if (!response.ok) return this.#fail(text.trim());
        await pc.setRemoteDescription({type: 'answer', sdp: text});
    }

    /** @param {string} text @param {Talk['cause']} [cause] */
    #fail(text, cause = '') {
        Object.assign(this, {problem: text || 'failed', cause: cause || (text ? '' : 'failed')});
        this.#end();
    }

    #end(going = false) {
        this.#turn++;
        clearTimeout(this.#timer);
        silence(this.#stream);
        const line = this.#line, pc = this.#pc, session = this.#session;
        this.#line = this.#stream = this.#pc = null;
        this.#session = '';
        if (session || !line) leave(pc, session, going);
        else sayGoodbye({pc, ws: null, byes: pc ? line.session.byes : [], beacon: going});
        if (line) this.#closing = line.close();
        this.#enter('off');
    }

    /** @param {'off'|'asking'|'on'} state */
    #enter(state) {
        this.state = state;
        this.dispatchEvent(new Event('change'));
    }
}

/** Lets go of the microphone. @param {MediaStream|null} stream */
function silence(stream) {
    for (const track of stream?.getTracks() ?? []) track.stop();
}
