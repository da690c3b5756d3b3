/** Talking, over peer connections and a server that do what they are told. */
import assert from 'node:assert/strict';
import {beforeEach, test} from 'node:test';

globalThis.window = globalThis;
const events = new EventTarget();
globalThis.addEventListener = events.addEventListener.bind(events);

class Peer extends EventTarget {
    static all = [];
    iceGatheringState = 'complete';
    connectionState = 'new';
    localDescription = {sdp: 'v=0'};
    constructor() {
        super();
        Peer.all.push(this);
    }
    addTransceiver() {}
    async setLocalDescription() {}
    async setRemoteDescription() {}
    close() {
        this.connectionState = 'closed';
    }
}
globalThis.RTCPeerConnection = Peer;
/** Every track that was given. */
const tracks = [];
Object.defineProperty(globalThis, 'navigator', {configurable: true, value: {mediaDevices: {async getUserMedia() {
    const track = {live: true, stop: () => track.live = false};
    tracks.push(track);
    return {getTracks: () => [track], getAudioTracks: () => [track]};
}}}});
/** Offers that wait for their answer, and the sessions that were ended. */
const offers = [], ended = [];
globalThis.fetch = (url, {method}) => method === 'DELETE' ? (ended.push(url), Promise.resolve()) : new Promise(resolve => offers.push(id => resolve({
    ok: true, url: 'http://h/api/webrtc', text: async () => 'v=0', headers: new Headers({Location: `webrtc?id=${id}`})})));
const {Talk} = await import('../../ui/lib/talk.js');

/** All that is decided has happened. */
const settle = () => new Promise(resolve => setImmediate(resolve));
beforeEach(() => Peer.all.length = tracks.length = offers.length = ended.length = 0);

test('a late answer to the first press ends its own session, not the second press', async () => {
    const talk = new Talk('gate');
    talk.start();
    await settle();
    talk.stop();
    talk.start();
    await settle();
    assert.equal(offers.length, 2);
    offers[0]('one');
    await settle();
    assert.deepEqual(ended, ['http://h/api/webrtc?id=one']);
    assert.deepEqual(tracks.map(track => track.live), [false, true]);
    assert.equal(Peer.all[1].connectionState, 'new');
    offers[1]('two');
    await settle();
    Peer.all[1].connectionState = 'connected';
    Peer.all[1].dispatchEvent(new Event('connectionstatechange'));
    assert.equal(talk.state, 'on');
    talk.stop();
    assert.deepEqual(ended, ['http://h/api/webrtc?id=one', 'http://h/api/webrtc?id=two']);
    assert.ok(tracks.every(track => !track.live));
});
