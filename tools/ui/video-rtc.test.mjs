import assert from 'node:assert/strict';
import {beforeEach, test} from 'node:test';
import {FakeMediaSource, FakePeer, FakeSocket, install, settle} from './fake-dom.mjs';

const {document, defined, tick} = install();
console.warn = () => {};
const {VideoRTC} = await import('../../ui/video-rtc.js');
await import('../../ui/video-stream.js');
const VideoStream = defined.get('video-stream');

/** An element in the document, connecting. */
function placed(Type = VideoRTC, fields = {}) {
    const element = Object.assign(new Type(), {mode: 'webrtc'}, fields);
    element.src = 'api/ws?src=cam';
    element.isConnected = true;
    element.connectedCallback();
    return element;
}

/** Takes an element out of the document. */
function removed(element) {
    element.isConnected = false;
    element.disconnectedCallback();
}

/** Goes on until the peer connection shows a picture. */
async function playing(element) {
    FakeSocket.last.open();
    await settle();
    FakeSocket.last.receive('webrtc/answer', 'v=0 answer');
    await settle();
    FakePeer.last.become('connected');
    element.video.dispatchEvent(new Event('loadeddata'));
}

const elements = [];
beforeEach(() => {
    for (const element of elements.splice(0)) {
        element.ondisconnect();
        removed(element);
    }
    FakeSocket.all.length = 0;
    FakePeer.all.length = 0;
    document.hidden = false;
});
const make = (...args) => {
    const element = placed(...args);
    elements.push(element);
    return element;
};

test('fields and their defaults', () => {
    const element = new VideoRTC();
    assert.equal(element.mode, 'webrtc,mse,hls,mjpeg');
    assert.equal(element.media, 'video,audio');
    assert.equal(element.background, false);
    assert.equal(element.visibilityThreshold, 0);
    assert.equal(element.visibilityCheck, true);
    assert.equal(element.DISCONNECT_TIMEOUT, 5000);
    assert.equal(element.RECONNECT_TIMEOUT, 15000);
    assert.equal(element.CODECS.join(), 'avc1.640029,avc1.64002A,avc1.640033,hvc1.1.6.L153.B0,av01.0.08M.08,mp4a.40.2,mp4a.40.5,flac,opus');
    assert.equal(element.pcConfig.bundlePolicy, 'max-bundle');
    assert.equal(element.wsState, WebSocket.CLOSED);
    assert.equal(element.pcState, WebSocket.CLOSED);
    for (const name of ['video', 'ws', 'pc', 'ondata']) assert.equal(element[name], null, name);
    assert.equal(element.mseCodecs, '');
    assert.equal(VideoRTC.btoa(new Uint8Array([1, 2, 255]).buffer), 'AQL/');
});

test('addresses become those of a socket', () => {
    const element = new VideoRTC();
    for (const [src, url] of [
        ['http://host:1/api/ws?src=a', 'ws://host:1/api/ws?src=a'], ['https://host/api/ws', 'wss://host/api/ws'],
        ['wss://host/x', 'wss://host/x'], ['/api/ws?src=a', 'ws://cam.local:1984/api/ws?src=a'],
        ['api/ws?src=a', 'ws://cam.local:1984/base/api/ws?src=a'],
    ]) {
        element.src = src;
        assert.equal(element.wsURL, url);
    }
});

test('webrtc: offer, candidates, answer, picture, and the socket is closed', async () => {
    const element = make();
    const ws = FakeSocket.last;
    assert.equal(ws.binaryType, 'arraybuffer');
    assert.equal(element.wsState, WebSocket.CONNECTING);
    ws.open();
    await settle();
    assert.deepEqual(ws.sent, [{type: 'webrtc/offer', value: 'v=0 offer'}]);
    const pc = FakePeer.last;
    assert.deepEqual(pc.transceivers.map(t => `${t.kind} ${t.currentDirection}`), ['video recvonly', 'audio recvonly']);

    pc.gather('candidate:1 1 udp 1 192.168.1.9 5000 typ host');
    pc.gather(null);
    assert.deepEqual(ws.sent.slice(1), [
        {type: 'webrtc/candidate', value: 'candidate:1 1 udp 1 192.168.1.9 5000 typ host'}, {type: 'webrtc/candidate', value: ''},
    ]);
    ws.receive('webrtc/answer', 'v=0 answer');
    ws.receive('webrtc/candidate', 'candidate:1 1 udp 1 192.168.1.5 8555 typ host');
    await settle();
    assert.equal(pc.remoteDescription.sdp, 'v=0 answer');
    assert.deepEqual(pc.candidates, ['candidate:1 1 udp 1 192.168.1.5 8555 typ host']);

    pc.become('connected');
    assert.equal(element.video.srcObject.tracks.length, 2);
    element.video.dispatchEvent(new Event('loadeddata'));
    assert.equal(element.pcState, WebSocket.OPEN);
    assert.equal(element.wsState, WebSocket.CLOSED);
    assert.equal(element.ws, null);
    assert.equal(ws.readyState, WebSocket.CLOSING);
    ws.closed();
    tick(60_000);
    assert.equal(FakeSocket.all.length, 1, 'a socket closed on purpose is not opened again');
});

test('candidates belong to a media that the server takes', async () => {
    for (const [answer, mid] of [['v=0\r\na=group:BUNDLE 1 2\r\nm=video 0 x', '1'], ['v=0\r\na=group:BUNDLE 1\r\n', '1'], ['v=0', '0']]) {
        make();
        FakeSocket.last.open();
        await settle();
        FakeSocket.last.receive('webrtc/answer', answer);
        FakeSocket.last.receive('webrtc/candidate', 'candidate:1 1 udp 1 192.168.1.5 8555 typ host');
        await settle();
        assert.equal(FakePeer.last.mid, mid, answer);
    }
});

test('webrtc/tcp drops what is udp', async () => {
    make(VideoRTC, {mode: 'webrtc/tcp'});
    FakeSocket.last.open();
    await settle();
    const pc = FakePeer.last, ws = FakeSocket.last;
    pc.gather('candidate:1 1 udp 1 192.168.1.9 5000 typ host');
    pc.gather('candidate:2 1 tcp 1 192.168.1.9 9 typ host tcptype active');
    assert.deepEqual(ws.types(), ['webrtc/offer', 'webrtc/candidate']);
    ws.receive('webrtc/answer', 'v=0\r\na=candidate:1 1 udp 1 10.0.0.1 8555 typ host\r\na=candidate:2 1 tcp 1 10.0.0.1 8555 typ host\r\n');
    ws.receive('webrtc/candidate', 'candidate:1 1 udp 1 10.0.0.1 8555 typ host');
    await settle();
    assert.equal(pc.remoteDescription.sdp, 'v=0\r\na=candidate:2 1 tcp 1 10.0.0.1 8555 typ host\r\n');
    assert.deepEqual(pc.candidates, []);
});

test('an error of webrtc frees the connection and leads to another attempt', async () => {
    const element = make();
    FakeSocket.last.open();
    await settle();
    FakeSocket.last.receive('error', 'webrtc/offer: camera refuses');
    assert.equal(element.pc, null);
    assert.equal(element.pcState, WebSocket.CLOSED);
    assert.equal(FakePeer.last.connectionState, 'closed');
    assert.equal(FakeSocket.last.readyState, WebSocket.CLOSING);
    FakeSocket.last.closed();
    tick(14_999);
    assert.equal(FakeSocket.all.length, 1);
    tick(1);
    assert.equal(FakeSocket.all.length, 2);
    await playing(element);
    assert.equal(element.pcState, WebSocket.OPEN);
});

test('a microphone that is granted when the attempt is over is let go of, and the next attempt goes on', async () => {
    const {mediaDevices} = navigator, granted = [], track = {live: true, stop: () => track.live = false};
    Object.defineProperty(navigator, 'mediaDevices', {configurable: true, value: {getUserMedia: () => new Promise(resolve => granted.push(() => resolve({getTracks: () => [track]})))}});
    try {
        const element = make(VideoRTC, {media: 'video,microphone'});
        FakeSocket.last.open();
        await settle();
        element.ondisconnect();
        element.onconnect();
        FakeSocket.last.open();
        await settle();
        assert.equal(FakePeer.all.length, 2);
        granted[0]();
        await settle();
        assert.deepEqual([track.live, element.pc === FakePeer.last, FakeSocket.last.readyState], [false, true, WebSocket.OPEN]);
        granted[1]();
        await playing(element);
        assert.equal(element.pcState, WebSocket.OPEN);
    } finally {
        Object.defineProperty(navigator, 'mediaDevices', {configurable: true, value: mediaDevices});
    }
});

test('webrtc,mse plays by webrtc when the server has no mse', async () => {
    const element = make(VideoRTC, {mode: 'webrtc,mse'});
    FakeSocket.last.open();
    await settle();
    FakeSocket.last.receive('error', 'mse: not implemented');
    assert.equal(FakeSocket.last.readyState, WebSocket.OPEN);
    FakeSocket.last.receive('webrtc/answer', 'v=0');
    await settle();
    FakePeer.last.become('connected');
    element.video.dispatchEvent(new Event('loadeddata'));
    assert.equal(element.pcState, WebSocket.OPEN);
    assert.equal(element.video.src, '');
});

test('a source buffer that was taken away is left alone', async () => {
    make(VideoRTC, {mode: 'mse'});
    FakeSocket.last.open();
    await settle();
    FakeSocket.last.receive('mse', 'video/mp4; codecs="avc1.640029"');
    const {buffer} = FakeMediaSource;
    Object.defineProperty(buffer, 'buffered', {get() { throw new DOMException('removed', 'InvalidStateError'); }});
    buffer.appendBuffer = () => assert.fail('it takes nothing any more');
    // What a listener throws here ends the test.
    buffer.dispatchEvent(new Event('updateend'));
    FakeSocket.last.receiveBytes(new ArrayBuffer(8));
});

/** Fragments as our server sends them, up to their media; then as many bytes as are wanted. */
const HEADS = {
    key: '000000646d6f6f66000000106d66686400000000000000010000004c747261660000001c74666864000200380000000100000e1000001e21020000000000001474666474010000000000000000000000000000147472756e01000001000000010000006c00001e296d646174',
    sound: '000000646d6f6f66000000106d66686400000000000000020000004c747261660000001c746668640002003800000002000003c000000144020000000000001474666474010000000000000000000000000000147472756e01000001000000010000006c0000014c6d646174',
    picture: '000000646d6f6f66000000106d66686400000000000000030000004c747261660000001c74666864000200380000000100000e100000066a010100000000001474666474010000000000000000000e10000000147472756e01000001000000010000006c000006726d646174',
    init: '0000001c66747970', unknown: '0000000000000000',
};
function fragment(kind, bytes = 1 << 20) {
    const data = new Uint8Array(bytes);
    data.set(Buffer.from(HEADS[kind], 'hex'));
    return Object.assign(data.buffer, {kind});
}
/** Plays by MSE. @param {string} kinds of what comes while the buffer takes nothing @returns {{taken: () => string, come: (kinds: string) => void, busy: (is: boolean) => void, ws: FakeSocket}} */
async function fed() {
    make(VideoRTC, {mode: 'mse'});
    const ws = FakeSocket.last;
    ws.open();
    await settle();
    ws.receive('mse', 'video/mp4; codecs="avc1.640029,mp4a.40.2"');
    const {buffer} = FakeMediaSource;
    const drain = () => {
        for (let n = -1; n !== buffer.appended.length;) {
            n = buffer.appended.length;
            buffer.dispatchEvent(new Event('updateend'));
        }
    };
    return {
        ws, drain,
        come: kinds => { for (const kind of kinds.split(' ')) ws.receiveBytes(fragment(kind)); },
        busy(is) {
            buffer.updating = is;
            if (!is) drain();
        },
        taken: () => buffer.appended.splice(0).map(data => data.kind).join(' '),
    };
}

test('what waits for the source buffer is bounded: fragments are left out up to the next keyframe, and the connection stays', async () => {
    const {ws, come, busy, taken} = await fed();
    busy(true);
    come('init key picture sound picture picture picture picture picture picture picture sound picture sound');
    assert.equal(ws.readyState, WebSocket.OPEN);
    busy(false);
    assert.equal(taken(), 'init', 'the browser has to know what it is, whatever is left out');
    come('picture sound key sound picture');
    assert.equal(taken(), 'key sound picture');
    // A keyframe itself may be the one that is too much.
    busy(true);
    come('picture picture picture picture picture picture picture picture key sound');
    busy(false);
    assert.equal(taken(), 'key sound');
    // Sound alone has no such pictures.
    const sound = await fed();
    sound.busy(true);
    sound.come('init sound sound sound sound sound sound sound sound sound');
    sound.busy(false);
    assert.equal(sound.taken(), 'init sound sound');
    assert.equal(sound.ws.readyState, WebSocket.OPEN);
});

test('what is no fragment and is too much is begun anew', async () => {
    const {ws, come, busy} = await fed();
    busy(true);
    come('unknown unknown unknown unknown unknown unknown unknown unknown');
    assert.equal(ws.readyState, WebSocket.OPEN);
    come('unknown');
    assert.equal(ws.readyState, WebSocket.CLOSING);
});

test('a source that wants nothing for a while gets nothing, and goes on with the next keyframe if that was long', async () => {
    const {come, taken, drain} = await fed(), tell = type => FakeMediaSource.last.dispatchEvent(new Event(type));
    come('init key picture');
    drain();
    assert.equal(taken(), 'init key picture');
    tell('endstreaming');
    come('picture picture');
    drain();
    assert.equal(taken(), '');
    tell('startstreaming');
    drain();
    assert.equal(taken(), 'picture picture');
    tell('endstreaming');
    come('picture picture picture picture picture picture picture picture picture sound key picture');
    tell('startstreaming');
    drain();
    assert.equal(taken(), 'key picture');
});

test('who wants pictures alone is offered codecs of pictures', () => {
    const element = make(VideoRTC, {mode: 'mse'});
    const all = element.CODECS.join();
    assert.equal(element.codecs(() => true), all);
    element.media = 'video';
    assert.equal(element.codecs(() => true), all.slice(0, all.indexOf(',mp4a')));
    element.media = 'audio';
    assert.equal(element.codecs(() => true), all.slice(all.indexOf('mp4a')));
});

test('the better one of webrtc and mse stays', async () => {
    for (const [sdp, tracks, mse, shown] of [
        ['H264/90000', ['video', 'audio'], 'avc1.640029,mp4a.40.2', 'webrtc'],
        ['H264/90000', ['video'], 'avc1.640029', 'webrtc'],
        ['H264/90000', ['video'], 'avc1.640029,mp4a.40.2', 'mse'],
        ['H264/90000', ['video'], 'hvc1.1.6.L153.B0', 'mse'],
        ['H265/90000', ['video'], 'hvc1.1.6.L153.B0', 'webrtc'],
        ['opus/48000', ['audio'], 'av01.0.04M.08,opus', 'mse'],
    ]) {
        const element = make(VideoRTC, {mode: 'webrtc,mse'});
        FakeSocket.last.open();
        await settle();
        const ws = FakeSocket.last, pc = FakePeer.last;
        ws.receive('mse', `video/mp4; codecs="${mse}"`);
        ws.receive('webrtc/answer', `a=rtpmap:96 ${sdp}`);
        await settle();
        const video2 = document.createElement('video');
        video2.srcObject = new MediaStream(tracks.map(kind => ({kind})));
        element.onpcvideo(video2);
        assert.equal(element.pc === pc, shown === 'webrtc', `${sdp} ${tracks} against ${mse}`);
        assert.equal(element.ws === ws, shown === 'mse', `${sdp} ${tracks} against ${mse}`);
        assert.equal(video2.srcObject, null);
    }
});

test('mjpeg is the last resort', async () => {
    const element = make(VideoRTC, {mode: 'mse,mjpeg'});
    FakeSocket.last.open();
    assert.deepEqual(FakeSocket.last.types(), []);
    FakeSocket.last.receive('error', 'mse: codecs not matched');
    assert.deepEqual(FakeSocket.last.types(), ['mjpeg']);
    FakeSocket.last.receiveBytes(new Uint8Array([1, 2, 3]).buffer);
    assert.equal(element.video.poster, 'data:image/jpeg;base64,AQID');
    FakeSocket.last.receive('error', 'mjpeg: ended');
    assert.equal(FakeSocket.last.readyState, WebSocket.CLOSING);

    make(VideoRTC, {mode: 'mjpeg'});
    FakeSocket.last.open();
    assert.deepEqual(FakeSocket.last.types(), ['mjpeg']);
});

const JPEG = new Uint8Array([0xFF, 0xD8, 0xFF]).buffer, FRAGMENT = new Uint8Array([0, 0, 0, 8]).buffer;

/** The server has sound alone for WebRTC. */
async function sounding() {
    await settle();
    FakePeer.last.transceivers[0].currentDirection = 'inactive';
    FakeSocket.last.receive('webrtc/answer', 'v=0 answer');
    await settle();
    FakePeer.last.become('connected');
}

test('mse of sound alone: the picture comes beside it, and each gets its bytes', () => {
    for (const [type, pictured] of [['flac', true], ['opus', true], ['mp4a.40.2', true], ['hvc1.1.6.L153.B0,opus', false], ['av01.0.08M.08', false]]) {
        const element = make(VideoRTC, {mode: 'mse,mjpeg'});
        FakeSocket.last.open();
        FakeSocket.last.receive('mse', `video/mp4; codecs="${type}"`);
        FakeSocket.last.receive('mse', `video/mp4; codecs="${type}"`);
        assert.deepEqual(FakeSocket.last.types(), pictured ? ['mjpeg'] : [], type);
        assert.equal(element.pictured, pictured, type);
        if (!pictured) continue;
        element.video.readyState = 4;
        FakeSocket.last.receiveBytes(JPEG);
        FakeSocket.last.receiveBytes(FRAGMENT);
        assert.equal(element.video.poster, 'data:image/jpeg;base64,/9j/');
        // A video that plays shows no poster.
        assert.match(element.video.style.background, /data:image/);
        assert.equal(element.video.controls, true, 'there is sound to control');
        assert.deepEqual(FakeMediaSource.buffer.appended, [FRAGMENT]);
        // A browser without a loudspeaker ends the sound, not the picture.
        element.video.error = {code: 3};
        element.video.dispatchEvent(new Event('error'));
        FakeMediaSource.buffer.appendBuffer = () => { throw new DOMException('ended', 'InvalidStateError'); };
        FakeSocket.last.receiveBytes(FRAGMENT);
        assert.equal(FakeSocket.last.readyState, WebSocket.OPEN);
    }
    make(VideoRTC, {mode: 'mse,mjpeg', media: 'audio'});
    FakeSocket.last.open();
    FakeSocket.last.receive('mse', 'video/mp4; codecs="flac"');
    assert.deepEqual(FakeSocket.last.types(), [], 'nobody wants a picture');
});

test('webrtc of sound alone: the picture comes beside it, over the socket', async () => {
    for (const mode of ['webrtc,mjpeg', 'webrtc,mse,mjpeg']) {
        const element = make(VideoRTC, {mode});
        const ws = FakeSocket.last;
        ws.open();
        if (mode.includes('mse')) ws.receive('mse', 'video/mp4; codecs="flac"');
        await sounding();
        assert.equal(ws.types().filter(type => type === 'mjpeg').length, 1);
        ws.receiveBytes(JPEG);
        assert.match(element.video.poster, /^data:image/);
        assert.equal(element.video.controls, false);
        const video2 = document.createElement('video');
        video2.srcObject = new MediaStream([{kind: 'audio'}]);
        element.onpcvideo(video2);
        assert.equal(element.pcState, WebSocket.OPEN);
        assert.equal(element.ws, ws);
        assert.deepEqual(ws.sent.at(-1), {type: 'stop', value: 'mse'});
        assert.equal(element.video.controls, true);
        // Without the socket there is no picture: all begins again.
        const pc = FakePeer.last, sockets = FakeSocket.all.length;
        ws.closed();
        assert.equal(pc.connectionState, 'closed');
        tick(15_000);
        assert.equal(FakeSocket.all.length, sockets + 1);
    }
});

test('webrtc of sound alone waits for the picture of mse', async () => {
    const element = make(VideoRTC, {mode: 'webrtc,mse,mjpeg'});
    const ws = FakeSocket.last;
    ws.open();
    await sounding();
    ws.receive('mse', 'video/mp4; codecs="hvc1.1.6.L153.B0,mp4a.40.2"');
    assert.deepEqual(ws.types(), ['webrtc/offer']);
    const video2 = document.createElement('video');
    video2.srcObject = new MediaStream([{kind: 'audio'}]);
    element.onpcvideo(video2);
    assert.equal(element.pc, null);
    assert.equal(element.ws, ws);
});

test('a lost peer connection reconnects at once, a lost socket after a while', async () => {
    const element = make();
    await playing(element);
    tick(60_000);
    FakePeer.last.become('disconnected');
    assert.equal(FakeSocket.all.length, 2);
    FakeSocket.last.closed();
    assert.equal(element.wsState, WebSocket.CONNECTING);
    tick(14_999);
    assert.equal(FakeSocket.all.length, 2);
    tick(1);
    assert.equal(FakeSocket.all.length, 3);
});

test('a connection that is lost right away is not tried in a loop', async () => {
    const element = make();
    await playing(element);
    FakePeer.last.become('failed');
    assert.equal(FakeSocket.all.length, 1);
    tick(1000);
    assert.equal(FakeSocket.all.length, 2);
});

test('no network path: the report tells what was tried, and it goes on', async () => {
    const reports = [];
    class Telling extends VideoRTC {
        onpcfailed(report) { reports.push(report); }
    }
    make(Telling);
    FakeSocket.last.open();
    await settle();
    const pc = FakePeer.last;
    pc.gather('candidate:1 1 udp 1 abc.local 5000 typ host');
    FakeSocket.last.receive('webrtc/answer', 'v=0\na=candidate:9 1 udp 1 172.17.0.2 8555 typ host');
    pc.stats.set('p', {type: 'candidate-pair', localCandidateId: 'l', remoteCandidateId: 'r', state: 'failed', requestsSent: 7});
    pc.stats.set('l', {address: 'abc.local', port: 5000, protocol: 'udp', candidateType: 'host'});
    pc.stats.set('r', {address: '172.17.0.2', port: 8555, protocol: 'udp', candidateType: 'host'});
    pc.become('failed');
    await settle();
    assert.equal(reports.length, 1);
    assert.deepEqual(reports[0].remote, [{address: '172.17.0.2', port: 8555, protocol: 'udp', type: 'host'}]);
    assert.equal(reports[0].pairs[0].sent, 7);
    assert.equal(reports[0].lost, false);
    assert.equal(pc.connectionState, 'closed');
    FakeSocket.last.closed();
    tick(15_000);
    assert.equal(FakeSocket.all.length, 2);
});

test('hidden for five seconds ends it, visible again begins anew', async () => {
    const element = make();
    await playing(element);
    const pc = FakePeer.last;
    document.hidden = true;
    document.dispatchEvent(new Event('visibilitychange'));
    tick(4999);
    assert.equal(element.pc, pc);
    tick(1);
    assert.equal(element.pc, null);
    assert.equal(pc.connectionState, 'closed');
    document.hidden = false;
    document.dispatchEvent(new Event('visibilitychange'));
    assert.equal(FakeSocket.all.length, 2);
});

test('hidden shortly, or in the background: nothing happens', async () => {
    for (const background of [false, true]) {
        const element = make(VideoRTC, {background});
        await playing(element);
        const pc = FakePeer.last;
        document.hidden = true;
        document.dispatchEvent(new Event('visibilitychange'));
        tick(background ? 60_000 : 4000);
        document.hidden = false;
        document.dispatchEvent(new Event('visibilitychange'));
        tick(60_000);
        assert.equal(element.pc, pc);
        element.ondisconnect();
    }
});

test('a removed element ends and listens no more', async () => {
    const element = make();
    await playing(element);
    removed(element);
    tick(5000);
    assert.equal(FakePeer.last.connectionState, 'closed');
    let called = 0;
    element.disconnectedCallback = () => called++;
    document.hidden = true;
    document.dispatchEvent(new Event('visibilitychange'));
    assert.equal(called, 0);
});

test('leaving the page closes the connection, coming back from the cache opens it', async () => {
    const element = make(VideoRTC, {background: true});
    await playing(element);
    dispatchEvent(new Event('pagehide'));
    assert.equal(FakePeer.last.connectionState, 'closed');
    assert.equal(element.pc, null);
    tick(60_000);
    assert.equal(FakeSocket.all.length, 1);
    dispatchEvent(Object.assign(new Event('pageshow'), {persisted: true}));
    assert.equal(FakeSocket.all.length, 2);
});

test('refused sound: plays muted', async () => {
    const element = make();
    element.video.refuse = 'NotAllowedError';
    element.play();
    await settle();
    assert.equal(element.video.muted, true);
    element.video.muted = false;
    element.video.refuse = 'AbortError';
    element.play();
    await settle();
    assert.equal(element.video.muted, false, 'only the browser\'s refusal mutes');
});

test('a card that extends the class: every hook, in order, with its own handlers', async () => {
    const calls = [];
    class Card extends VideoRTC {
        oninit() { calls.push('oninit'); super.oninit(); }
        onconnect() { const result = super.onconnect(); calls.push(`onconnect ${result}`); return result; }
        onopen() {
            const modes = super.onopen();
            calls.push(`onopen ${modes}`);
            this.onmessage.card = msg => calls.push(`message ${msg.type}`);
            return modes;
        }
        onwebrtc() { calls.push('onwebrtc'); super.onwebrtc(); }
        onmse() { calls.push('onmse'); super.onmse(); }
        async createOffer(pc) { calls.push('createOffer'); return super.createOffer(pc); }
        send(value) { calls.push(`send ${value.type}`); super.send(value); }
        play() { calls.push('play'); super.play(); }
        codecs(isSupported) { calls.push('codecs'); return super.codecs(isSupported); }
        onpcvideo(video) { super.onpcvideo(video); calls.push(`onpcvideo ${this.pcState === WebSocket.OPEN}`); }
        onclose(ev) { const result = super.onclose(ev); calls.push(`onclose ${result}`); return result; }
        ondisconnect() { calls.push('ondisconnect'); super.ondisconnect(); }
    }
    const card = placed(Card);
    await playing(card);
    FakeSocket.last.closed();
    removed(card);
    tick(5000);
    assert.deepEqual(calls, [
        'onconnect false', 'oninit', 'onconnect true', 'onwebrtc', 'createOffer', 'onopen webrtc', 'send webrtc/offer',
        'message webrtc/answer', 'play', 'onpcvideo true', 'onclose false', 'ondisconnect',
    ]);
});

test('a subclass may forget to return the modes, and may add some', async () => {
    class Forgetful extends VideoRTC {
        onopen() { super.onopen(); }
    }
    make(Forgetful);
    FakeSocket.last.open();
    await settle();
    FakeSocket.last.receive('error', 'webrtc/offer: no');
    assert.equal(FakeSocket.last.readyState, WebSocket.CLOSING);

    class More extends VideoRTC {
        onopen() { return [...super.onopen(), 'own']; }
    }
    make(More);
    FakeSocket.last.open();
    await settle();
    FakeSocket.last.receive('error', 'webrtc/offer: no');
    assert.equal(FakeSocket.last.readyState, WebSocket.OPEN);
});

const modeOf = element => element.querySelector('.mode').textContent;
const statusOf = element => element.querySelector('.status').textContent;

test('<video-stream> shows mode, reason and countdown', async () => {
    const element = make(VideoStream, {mode: 'webrtc,mse'});
    assert.equal(modeOf(element), 'loading');
    FakeSocket.last.open();
    await settle();
    FakeSocket.last.receive('error', 'mse: not implemented');
    assert.equal(modeOf(element), 'loading', 'WebRTC may still play');
    FakeSocket.last.receive('error', 'webrtc/offer: rtsp: wrong user/pass');
    assert.equal(modeOf(element), 'error');
    assert.equal(statusOf(element), 'The camera refuses the user name or the password.\nrtsp: wrong user/pass');
    FakeSocket.last.closed();
    assert.match(statusOf(element), /^The camera refuses .*\n.*\nNext try in 15 s\.$/);
    tick(1000);
    assert.match(statusOf(element), /Next try in 14 s\.$/);
    tick(14_000);
    assert.equal(modeOf(element), 'loading');
    FakeSocket.last.open();
    await settle();
    element.video.srcObject = new MediaStream([{kind: 'video'}]);
    element.onpcvideo(element.video);
    assert.equal(modeOf(element), 'RTC');
    assert.equal(statusOf(element), '');
});

test('<video-stream> says that the server is away, and that the stream is unknown', async () => {
    const element = make(VideoStream);
    FakeSocket.last.closed();
    assert.match(statusOf(element), /^The server cannot be reached\.\nNext try in 15 s\.$/);
    tick(15_000);
    FakeSocket.last.open();
    await settle();
    FakeSocket.last.receive('error', 'webrtc/offer: stream not found');
    assert.equal(statusOf(element), 'There is no stream named "cam".');
});

test('<video-stream> tells the addresses that were tried', async () => {
    const element = make(VideoStream);
    FakeSocket.last.open();
    await settle();
    const pc = FakePeer.last;
    pc.gather('candidate:1 1 udp 1 192.168.1.9 5000 typ host');
    FakeSocket.last.receive('webrtc/answer', 'v=0');
    FakeSocket.last.receive('webrtc/candidate', 'candidate:9 1 udp 1 172.17.0.2 8555 typ host');
    tick(4000);
    await settle();
    assert.equal(statusOf(element), 'Looking for a network path…\nServer: 172.17.0.2:8555 udp\nBrowser: 192.168.1.9:5000 udp');
    pc.become('failed');
    await settle();
    assert.equal(modeOf(element), 'error');
    assert.match(statusOf(element), /^No network path to the server: none of its addresses answers\.\nServer: 172\.17\.0\.2:8555 udp\n/);
});
