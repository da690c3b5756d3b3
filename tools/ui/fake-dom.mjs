/**
 * As much of a browser as the player needs, scripted by the test: time, sockets and peer
 * connections do only what they are told.
 */
import {mock} from 'node:test';

/** What was said to the server and closed, in this order. @type {string[]} */
export const calls = [];

class FakeElement extends EventTarget {
    children = [];
    style = {};
    attributes = new Map();
    isConnected = false;
    hidden = false;
    textContent = '';
    classList = {add() {}, remove() {}};
    append(...nodes) { this.children.push(...nodes); }
    after() {}
    remove() {}
    appendChild(node) { this.append(node); return node; }
    setAttribute(name, value) { this.attributes.set(name, value); }
    getAttribute(name) { return this.attributes.get(name) ?? null; }
    hasAttribute(name) { return this.attributes.has(name); }
    removeAttribute(name) { this.attributes.delete(name); }
    querySelector(name) { return this.children.flatMap(c => c.children?.length ? [c, ...c.children] : [c]).find(c => `.${c.className}` === name) ?? null; }
    getRootNode() { return document; }
    getContext() { return {drawImage: () => calls.push('drawImage')}; }
    click() { this.dispatchEvent(new Event('click')); }
}

class FakeVideo extends FakeElement {
    seekable = {length: 0};
    #begun = Date.now();
    /** What plays goes on. */
    get currentTime() { return (Date.now() - this.#begun) / 1000; }
    set currentTime(at) { this.#begun = Date.now() - at * 1000; }
    playbackRate = 1;
    readyState = 0;
    srcObject = null;
    muted = false;
    videoWidth = 640;
    videoHeight = 360;
    plays = 0;
    refuse = '';
    refusesMuted = false;
    get src() { return this.attributes.get('src') ?? ''; }
    set src(value) { this.attributes.set('src', value); }
    load() {}
    canPlayType() { return ''; }
    play() {
        this.plays++;
        return this.refuse && (!this.muted || this.refusesMuted) ? Promise.reject(Object.assign(new Error(), {name: this.refuse})) : Promise.resolve();
    }
}

export class FakeSocket extends EventTarget {
    static CONNECTING = 0;
    static OPEN = 1;
    static CLOSING = 2;
    static CLOSED = 3;
    /** @type {FakeSocket[]} */
    static all = [];
    static get last() { return FakeSocket.all.at(-1); }
    readyState = 0;
    sent = [];
    constructor(url) {
        super();
        this.url = url;
        FakeSocket.all.push(this);
    }
    /** Nothing comes back any more. */
    deaf = false;
    #session = null;
    send(text) {
        const msg = JSON.parse(text);
        this.sent.push(msg);
        // Who knows it answers each time.
        if (msg.type === 'hello' && this.#session && !this.deaf) queueMicrotask(() => this.receive('session', this.#session));
    }
    close() {
        if (this.readyState < FakeSocket.CLOSING) calls.push('socket.close');
        this.readyState = FakeSocket.CLOSING;
    }
    open() { this.readyState = FakeSocket.OPEN; this.dispatchEvent(new Event('open')); }
    closed() { this.readyState = FakeSocket.CLOSED; this.dispatchEvent(new Event('close')); }
    receive(type, value) {
        if (type === 'session') this.#session = value;
        this.dispatchEvent(new MessageEvent('message', {data: JSON.stringify({type, value})}));
    }
    receiveBytes(data) { this.dispatchEvent(new MessageEvent('message', {data})); }
    types() { return this.sent.map(m => m.type); }
}

export class FakePeer extends EventTarget {
    /** @type {FakePeer[]} */
    static all = [];
    static get last() { return FakePeer.all.at(-1); }
    connectionState = 'new';
    transceivers = [];
    candidates = [];
    channels = [];
    remoteDescription = null;
    stats = new Map();
    constructor(config) {
        super();
        this.config = config;
        FakePeer.all.push(this);
    }
    get signalingState() { return this.connectionState === 'closed' ? 'closed' : 'stable'; }
    addTransceiver(kind, {direction}) {
        if (this.signalingState === 'closed') throw new DOMException('it is closed', 'InvalidStateError');
        this.transceivers.push({kind, currentDirection: direction, receiver: {track: {kind}}, sender: {track: null}});
    }
    getTransceivers() { return this.transceivers; }
    getReceivers() { return []; }
    getSenders() { return this.transceivers.map(t => t.sender); }
    async createOffer() { return {type: 'offer', sdp: 'v=0 offer'}; }
    async setLocalDescription(description) { this.localDescription = description; }
    async setRemoteDescription(description) { this.remoteDescription = description; }
    async addIceCandidate(candidate) { this.candidates.push(candidate.candidate); this.mid = candidate.sdpMid; }
    async getStats() { return this.stats; }
    createDataChannel(label) {
        const channel = Object.assign(new EventTarget(), {label});
        this.channels.push(channel);
        return channel;
    }
    close() {
        if (this.connectionState !== 'closed') calls.push('pc.close');
        this.connectionState = 'closed';
    }
    become(state) { this.connectionState = state; this.dispatchEvent(new Event('connectionstatechange')); }
    gather(candidate) {
        this.dispatchEvent(Object.assign(new Event('icecandidate'), {candidate: candidate && {candidate}}));
    }
}

class FakeStream {
    constructor(tracks) { this.tracks = tracks; }
    getVideoTracks() { return this.tracks.filter(t => t.kind === 'video'); }
    getAudioTracks() { return this.tracks.filter(t => t.kind === 'audio'); }
}

export class FakeMediaSource extends EventTarget {
    /** The last one that was added. @type {any} */
    static buffer = null;
    /** The newest. @type {any} */
    static last = null;
    static isTypeSupported(type) { return /avc1|mp4a/.test(type); }
    constructor() {
        super();
        FakeMediaSource.last = this;
    }
    addSourceBuffer() {
        const buffer = new EventTarget();
        const appended = [];
        FakeMediaSource.buffer = Object.assign(buffer, {
            buffered: {length: 0}, updating: false, appended, appendBuffer(data) { appended.push(data); }, remove() {},
        });
        return FakeMediaSource.buffer;
    }
}

/** A `Storage`. */
export class FakeStorage {
    items = new Map();
    getItem(name) { return this.items.get(name) ?? null; }
    setItem(name, value) { this.items.set(name, String(value)); }
    removeItem(name) { this.items.delete(name); }
}

/** Puts the fakes in place; before the player is imported. */
export function install() {
    const document = Object.assign(new EventTarget(), {
        hidden: false, baseURI: 'http://cam.local:1984/base/stream.html', adoptedStyleSheets: [],
        pictureInPictureElement: null,
        createElement: tag => tag === 'video' ? new FakeVideo() : Object.assign(new FakeElement(), {tag}),
    });
    const defined = new Map(), fetched = {status: 204, ok: false};
    const globals = {
        createImageBitmap: async () => ({width: 640, height: 360, close() {}}), Blob: class {},
        HTMLElement: FakeElement, WebSocket: FakeSocket, RTCPeerConnection: FakePeer, MediaStream: FakeStream,
        document, window: globalThis, location: {href: document.baseURI},
        customElements: {define: (name, type) => defined.set(name, type)},
        navigator: {
            userAgent: 'Mozilla/5.0 Chrome/156.0.0.0 Safari/537.36',
            sendBeacon: url => calls.push(`beacon ${url}`) > 0,
        },
        sessionStorage: new FakeStorage(), localStorage: new FakeStorage(),
        fetch: async (url, {method = 'GET', keepalive = false} = {}) => {
            calls.push(`${method}${keepalive ? ' keepalive' : ''} ${url}`);
            return {...fetched};
        },
        Document: class {}, ShadowRoot: class {}, CSSStyleSheet: class {}, MediaSource: FakeMediaSource,
        URL: Object.assign(URL, {createObjectURL: () => 'blob:fake', revokeObjectURL() {}}),
    };
    for (const [name, value] of Object.entries(globals)) {
        Object.defineProperty(globalThis, name, {value, configurable: true, writable: true});
    }
    const events = new EventTarget();
    for (const name of ['addEventListener', 'removeEventListener', 'dispatchEvent']) globalThis[name] = events[name].bind(events);
    mock.timers.enable({apis: ['setTimeout', 'Date'], now: 1_000_000});
    return {document, defined, fetched, tick: ms => mock.timers.tick(ms)};
}

/** Lets everything that is already decided happen. */
export async function settle() {
    for (let i = 0; i < 20; i++) await Promise.resolve();
}
