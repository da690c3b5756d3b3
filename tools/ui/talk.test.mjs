/** Talking, over peer connections and a server that do what they are told. */
import assert from 'node:assert/strict';
import {beforeEach, test} from 'node:test';

globalThis.window = globalThis;
const events = new EventTarget();
globalThis.addEventListener = events.addEventListener.bind(events);
globalThis.location = new URL('http://h/base/camera.html?src=gate');

class Peer extends EventTarget {
    static all = [];
    iceGatheringState = 'complete';
    connectionState = 'new';
    localDescription = {sdp: 'v=0'};
    answer = '';
    constructor() {
        super();
        Peer.all.push(this);
    }
    addTransceiver() {}
    async setLocalDescription() {}
    async setRemoteDescription({sdp}) {
        this.answer = sdp;
    }
    async addIceCandidate() {}
    close() {
        this.connectionState = 'closed';
    }
    connect() {
        this.connectionState = 'connected';
        this.dispatchEvent(new Event('connectionstatechange'));
    }
}
globalThis.RTCPeerConnection = Peer;

class Socket extends EventTarget {
    static OPEN = 1;
    static all = [];
    readyState = 0;
    said = [];
    constructor(url) {
        super();
        this.url = url;
        Socket.all.push(this);
    }
    send(text) {
        this.said.push(JSON.parse(text));
    }
    close() {
        this.readyState = 2;
    }
    // What the other end does.
    open() {
        this.readyState = 1;
        this.dispatchEvent(new Event('open'));
    }
    hear(type, value) {
        this.dispatchEvent(Object.assign(new Event('message'), {data: JSON.stringify({type, value})}));
    }
    end() {
        this.readyState = 3;
        this.dispatchEvent(new Event('close'));
    }
    /** The server lets the line in; `floor`: it knows one. */
    welcome(floor = true) {
        this.open();
        this.hear('session', {id: '1', bye: `api/rs/bye/${Socket.all.length}`, boot: 'b', caps: floor ? ['bye', 'talk'] : ['bye']});
    }
}
globalThis.WebSocket = Socket;
/** Every track that was given. */
const tracks = [];
Object.defineProperty(globalThis, 'navigator', {configurable: true, value: {sendBeacon() {}, mediaDevices: {async getUserMedia() {
    const track = {live: true, stop: () => track.live = false};
    tracks.push(track);
    return {getTracks: () => [track], getAudioTracks: () => [track]};
}}}});
/** Offers over HTTP that wait for their answer, and the sessions that were ended. */
const offers = [], ended = [];
globalThis.fetch = (url, {method}) => new Promise(resolve => {
    if (method === 'DELETE') {
        ended.push(url);
        resolve();
    } else {
        offers.push(id => resolve({ok: true, url: 'http://h/base/api/webrtc', text: async () => 'v=0', headers: new Headers({Location: `webrtc?id=${id}`})}));
    }
});
const {Talk} = await import('../../ui/lib/talk.js');

/** All that is decided has happened. */
const settle = () => new Promise(resolve => setImmediate(resolve));
const types = socket => socket.said.map(msg => msg.type);
beforeEach(() => Peer.all.length = Socket.all.length = tracks.length = offers.length = ended.length = 0);

test('the floor first, then the microphone, then the offer; the end of the line gives it back', async () => {
    const talk = new Talk('gate', () => 'hall');
    talk.start();
    await settle();
    const [line] = Socket.all;
    assert.equal(line.url, 'ws://h/base/api/ws?src=gate');
    line.welcome();
    await settle();
    assert.deepEqual(line.said, [{type: 'hello', value: {v: 1, cid: ''}}, {type: 'talk/request', value: {name: 'hall'}}]);
    assert.equal(tracks.length, 0, 'no microphone before the server says so');
    line.hear('talk/granted', {id: 7, ttl: 120_000});
    await settle();
    assert.deepEqual([talk.state, talk.id, tracks.length, types(line).at(-1)], ['asking', 7, 1, 'webrtc/offer']);
    line.hear('webrtc/answer', 'v=1');
    await settle();
    assert.equal(Peer.all[0].answer, 'v=1');
    Peer.all[0].connect();
    assert.equal(talk.state, 'on');
    talk.stop();
    // Others may be told of it only now.
    assert.deepEqual([talk.state, talk.id, tracks[0].live, Peer.all[0].connectionState, line.readyState], ['off', 7, false, 'closed', 2]);
    assert.deepEqual(ended, ['http://h/base/api/rs/bye/1']);
    // The next press waits until the server has heard of the end of this one.
    talk.start();
    await settle();
    assert.equal(Socket.all.length, 1);
    line.end();
    await settle();
    assert.equal(Socket.all.length, 2);
    talk.stop();
    Socket.all[1].end();
});

test('a button that goes ends the talk, and hears nothing of the page any more', async () => {
    const talk = new Talk('gate');
    talk.start();
    await settle();
    talk.end();
    assert.deepEqual([talk.state, Socket.all[0].readyState], ['off', 2]);
    let stops = 0;
    talk.stop = () => stops++;
    for (const type of ['blur', 'pagehide']) events.dispatchEvent(new Event(type));
    assert.equal(stops, 0);
    Socket.all[0].end();
});

test('a line that comes too late asks for nothing', async t => {
    t.mock.timers.enable({apis: ['setTimeout']});
    const talk = new Talk('gate');
    talk.start();
    await settle();
    t.mock.timers.tick(3000);
    await settle();
    assert.equal(offers.length, 1, 'without the floor');
    const [line] = Socket.all;
    assert.equal(line.readyState, 2, 'what may be given to it goes back');
    line.welcome();
    await settle();
    assert.deepEqual(types(line), ['hello']);
    talk.stop();
    line.end();
});

test('who is told that somebody else talks opens no microphone', async () => {
    const talk = new Talk('gate');
    talk.start();
    await settle();
    Socket.all[0].welcome();
    Socket.all[0].hear('talk/busy', {id: 5, by: 'kitchen <b>', asked: true, since: 1000});
    await settle();
    assert.deepEqual([talk.state, talk.other, talk.problem, tracks.length, Socket.all[0].readyState], ['off', {by: 'kitchen <b>', since: 1000}, '', 0, 2]);
    Socket.all[0].end();
});

test('who may not talk hears why, and opens no microphone and no other way', async () => {
    const talk = new Talk('gate');
    talk.start();
    await settle();
    Socket.all[0].welcome();
    Socket.all[0].hear('error', 'talk/request: who may not change streams may not talk');
    await settle();
    assert.deepEqual([talk.state, talk.cause, talk.problem, talk.other, tracks.length, offers.length, Socket.all[0].readyState], ['off', 'forbidden', 'who may not change streams may not talk', null, 0, 0, 2]);
    Socket.all[0].end();
});

test('another answer to who asks for the floor stays in the words of the server', async () => {
    const talk = new Talk('gate');
    for (const text of ['stream not found', 'there is no session here: say hello or send an offer first']) {
        talk.start();
        await settle();
        const line = Socket.all.at(-1);
        line.welcome();
        line.hear('error', `talk/request: ${text}`);
        await settle();
        assert.deepEqual([talk.state, talk.cause, talk.problem, tracks.length, offers.length], ['off', '', text, 0, 0]);
        line.end();
        await settle();
    }
});

test('what is wrong with the microphone or the network has a name', async () => {
    const talk = new Talk('gate'), {mediaDevices} = navigator, {getUserMedia} = mediaDevices;
    const granted = async () => {
        talk.start();
        await settle();
        Socket.all.at(-1).welcome();
        Socket.all.at(-1).hear('talk/granted', {id: 7, ttl: 120_000});
        await settle();
    };
    for (const [name, cause] of [['NotAllowedError', 'denied'], ['NotFoundError', 'missing'], ['NotReadableError', 'taken'], ['OddError', '']]) {
        mediaDevices.getUserMedia = async () => {
            throw new DOMException('in the words of the browser', name);
        };
        await granted();
        assert.deepEqual([talk.state, talk.cause, talk.problem], ['off', cause, 'in the words of the browser']);
        Socket.all.at(-1).end();
        await settle();
    }
    mediaDevices.getUserMedia = getUserMedia;
    await granted();
    Object.assign(Peer.all.at(-1), {connectionState: 'failed'}).dispatchEvent(new Event('connectionstatechange'));
    assert.deepEqual([talk.state, talk.cause, tracks.at(-1).live], ['off', 'path', false]);
    Socket.all.at(-1).end();
});

test('what fails without a word is told as well', async () => {
    const talk = new Talk('gate'), {mediaDevices} = navigator, {getUserMedia} = mediaDevices;
    const fails = async (cause, fail = () => {}) => {
        talk.start();
        await settle();
        const line = Socket.all.at(-1);
        line.welcome();
        line.hear('talk/granted', {id: 7, ttl: 120_000});
        await settle();
        fail(line);
        assert.deepEqual([talk.state, talk.cause, talk.problem], ['off', cause, 'failed']);
        line.end();
        await settle();
    };
    await fails('failed', line => line.hear('error', 'webrtc/offer: '));
    await fails('failed', line => line.hear('released', {}));
    mediaDevices.getUserMedia = async () => {
        throw new DOMException('', 'NotAllowedError');
    };
    await fails('denied');
    Object.assign(mediaDevices, {getUserMedia});
});

test('what the server takes away is over, and says why', async () => {
    const talk = new Talk('gate');
    for (const [reason, end] of [['silence', line => line.hear('talk/ended', {reason: 'silence'})], ['left', line => line.end()]]) {
        talk.start();
        await settle();
        const line = Socket.all.at(-1);
        line.welcome();
        line.hear('talk/granted', {id: 7, ttl: 120_000});
        await settle();
        end(line);
        await settle();
        assert.deepEqual([talk.state, talk.taken, tracks.at(-1).live], ['off', reason, false]);
        line.end();
        await settle();
    }
});

for (const [what, refuse] of [['knows no floor', line => line.welcome(false)], ['is not reached by sockets', line => line.end()]]) {
    test(`a server that ${what}: a late answer to the first press ends its own session, not the second press`, async () => {
        const talk = new Talk('gate');
        const press = async () => {
            talk.start();
            await settle();
            refuse(Socket.all.at(-1));
            await settle();
        };
        await press();
        talk.stop();
        Socket.all.at(-1).end();
        await press();
        assert.equal(offers.length, 2);
        offers[0]('one');
        await settle();
        const sessions = () => ended.filter(url => url.includes('id='));
        assert.deepEqual(sessions(), ['http://h/base/api/webrtc?id=one']);
        assert.deepEqual(tracks.map(track => track.live), [false, true]);
        assert.equal(Peer.all[1].connectionState, 'new');
        offers[1]('two');
        await settle();
        Peer.all[1].connect();
        assert.equal(talk.state, 'on');
        talk.stop();
        await settle();
        assert.deepEqual(sessions(), ['http://h/base/api/webrtc?id=one', 'http://h/base/api/webrtc?id=two']);
        assert.ok(tracks.every(track => !track.live));
        Socket.all.at(-1).end();
    });
}
