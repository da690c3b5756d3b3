import assert from 'node:assert/strict';
import {beforeEach, test} from 'node:test';
import {calls, FakePeer, FakeSocket, install, settle} from './fake-dom.mjs';

const {document, defined, fetched, tick} = install();
console.warn = () => {};
// Full jitter at its longest, so that times are exact.
Math.random = () => 1;
await import('../../ui/player/rs-player.js');
const RsPlayer = defined.get('rs-player');

const BYE = 'http://cam.local:1984/base/api/rs/bye/0123456789abcdef0123456789abcdef';
const SESSION = {id: '7', bye: 'api/rs/bye/0123456789abcdef0123456789abcdef', boot: 'b1', caps: ['park', 'bye', 'released']};

const elements = [];
beforeEach(async () => {
    for (const element of elements.splice(0)) await remove(element);
    FakeSocket.all.length = FakePeer.all.length = calls.length = 0;
    document.hidden = false;
    document.pictureInPictureElement = null;
    fetched.status = 204;
    localStorage.items.clear();
});

/** A player in the document, connecting; its events are in `seen`. */
function make(fields = {}) {
    const element = Object.assign(new RsPlayer(), {mode: 'webrtc'}, fields);
    element.seen = [];
    for (const type of ['state', 'mode', 'firstframe', 'released']) {
        element.addEventListener(type, ev => {
            assert.equal(ev.bubbles, true);
            element.seen.push([type, ev.detail]);
        });
    }
    element.src = 'api/ws?src=cam';
    element.isConnected = true;
    element.connectedCallback();
    elements.push(element);
    return element;
}

/** MSE has had its head start, and WebRTC begins. */
async function rtcBegins() {
    tick(150);
    await settle();
}

async function remove(element) {
    element.isConnected = false;
    element.disconnectedCallback();
    await settle();
}

const states = element => element.seen.filter(([type]) => type === 'state').map(([, detail]) => detail.state);
const lastState = element => element.seen.filter(([type]) => type === 'state').at(-1)[1];
const part = (element, name) => find(element, name);
function find(node, name) {
    for (const child of node.children ?? []) {
        const found = child.className === name ? child : find(child, name);
        if (found) return found;
    }
    return null;
}

/** The server answers, with or without a session. */
async function answered(session = SESSION) {
    const ws = FakeSocket.last;
    ws.open();
    await settle();
    if (session) ws.receive('session', session);
    ws.receive('webrtc/answer', 'v=0 answer');
    await settle();
    return ws;
}

/** Goes on until there is a picture. */
async function playing(element, session = SESSION) {
    const ws = await answered(session);
    FakePeer.last.become('connected');
    FakePeer.last.channels[0].dispatchEvent(new Event('open'));
    element.video.readyState = 4;
    element.video.dispatchEvent(new Event('loadeddata'));
    return {ws, pc: FakePeer.last};
}

const frame = element => element.video.dispatchEvent(new Event('timeupdate'));
function see(visible) {
    document.hidden = !visible;
    document.dispatchEvent(new Event('visibilitychange'));
}

test('hello comes first, the channel is in the offer, and the socket stays', async () => {
    const element = make();
    const {ws, pc} = await playing(element);
    assert.deepEqual(ws.sent.map(m => m.type), ['hello', 'webrtc/offer']);
    assert.deepEqual(ws.sent[0].value, {v: 1, cid: element.cid});
    assert.match(element.cid, /^[0-9a-f]{32}$/);
    assert.deepEqual(pc.channels.map(c => c.label), ['ctl']);
    assert.deepEqual(states(element), ['dialling', 'connecting', 'live']);
    assert.deepEqual(element.seen.filter(([type]) => type !== 'state').map(([type, detail]) => [type, Object.keys(detail)]), [
        ['mode', ['mode']], ['firstframe', ['ms', 'steps']],
    ]);
    assert.equal(element.ws, ws);
    assert.equal(element.wsState, WebSocket.OPEN);
    assert.equal(element.pcState, WebSocket.OPEN);
    assert.deepEqual(calls, []);
});

/** The camera has sound for WebRTC and pictures for Motion JPEG. */
async function sounding(element, {session = SESSION, mse = true} = {}) {
    const ws = FakeSocket.last;
    ws.open();
    await settle();
    if (session) ws.receive('session', session);
    if (mse) ws.receive('mse', 'video/mp4; codecs="flac"');
    await rtcBegins();
    FakePeer.last.transceivers[0].currentDirection = 'inactive';
    ws.receive('webrtc/answer', 'v=0 answer');
    await settle();
    FakePeer.last.become('connected');
    const video2 = document.createElement('video');
    video2.srcObject = new MediaStream([{kind: 'audio'}]);
    return {ws, pc: FakePeer.last, win: () => element.onpcvideo(video2)};
}

test('sound over webrtc, the picture as motion jpeg beside it', async () => {
    for (const mode of ['webrtc,mse,mjpeg', 'webrtc,mjpeg']) {
        const element = make({mode}), mse = mode.includes('mse');
        const {ws, pc, win} = await sounding(element, {mse, session: {...SESSION, caps: [...SESSION.caps, 'stop']}});
        ws.receive('mjpeg');
        win();
        assert.deepEqual(ws.types(), ['hello', ...(mse ? ['mjpeg', 'webrtc/offer', 'stop'] : ['webrtc/offer', 'mjpeg'])]);
        assert.equal(element.phase, 'connecting', 'no picture has come');
        ws.receiveBytes(new Uint8Array([0xFF, 0xD8]).buffer);
        await settle();
        assert.equal(element.seen.filter(([type]) => type === 'firstframe').length, 1);
        assert.equal(element.phase, 'live');
        assert.equal(element.seen.filter(([type]) => type === 'mode').at(-1)[1].mode, 'mjpeg');
        assert.equal(element.shown.className, 'pictures');
        assert.equal(element.pc, pc);
        assert.equal(element.ws, ws);
        // Either of them lost is half of it lost.
        const sockets = FakeSocket.all.length;
        pc.become('failed');
        tick(500);
        assert.equal(ws.readyState, WebSocket.CLOSING);
        tick(60_000);
        assert.ok(FakeSocket.all.length > sockets);
    }
});

test('sound alone over webrtc, when there is no picture after all', async () => {
    const element = make({mode: 'webrtc,mjpeg'});
    const {ws, win} = await sounding(element, {mse: false});
    win();
    element.video.readyState = 4;
    ws.receive('error', 'mjpeg: codecs not matched');
    assert.equal(element.phase, 'live');
    assert.equal(element.seen.filter(([type]) => type === 'mode').at(-1)[1].mode, 'webrtc');
    assert.equal(element.shown, element.video);
});

test('a server without hello is used like go2rtc\'s', async () => {
    const element = make();
    const {ws, pc} = await playing(element, null);
    assert.equal(element.ws, null);
    assert.equal(ws.readyState, WebSocket.CLOSING);
    ws.closed();
    tick(60_000);
    assert.equal(FakeSocket.all.length, 1);
    // Hidden: nothing to say, so it ends after the time of go2rtc's player.
    see(false);
    tick(4999);
    assert.equal(element.pc, pc);
    tick(1);
    assert.equal(element.pc, null);
    assert.equal(pc.connectionState, 'closed');
    see(true);
    assert.equal(FakeSocket.all.length, 2);
    assert.equal(calls.some(c => /bye/.test(c)), false);
});

test('an older server\'s error about hello says nothing', async () => {
    const element = make();
    FakeSocket.last.open();
    await settle();
    FakeSocket.last.receive('error', 'hello: unknown type');
    assert.equal(element.phase, 'dialling');
    await playing(element, null);
    assert.equal(element.phase, 'live');
});

test('pagehide: connection, request, beacon, socket, in this order; then the frame is kept', async () => {
    for (const persisted of [false, true]) {
        const element = make({background: true});
        await playing(element);
        calls.length = 0;
        dispatchEvent(Object.assign(new Event('pagehide'), {persisted}));
        assert.deepEqual(calls, ['pc.close', `DELETE keepalive ${BYE}`, `beacon ${BYE}/bye`, 'socket.close', 'drawImage']);
        assert.equal(element.phase, 'idle');
        await remove(element);
    }
});

test('back from the cache: a new session of the same identity at once, the last frame until the first', async () => {
    const element = make();
    await playing(element);
    const {cid} = element, last = part(element, 'last');
    assert.equal(last.hidden, true);
    document.hidden = false;
    dispatchEvent(Object.assign(new Event('pagehide'), {persisted: true}));
    see(false);
    document.dispatchEvent(new Event('freeze'));
    tick(3_600_000);
    assert.equal(FakeSocket.all.length, 1);
    document.dispatchEvent(new Event('resume'));
    see(true);
    dispatchEvent(Object.assign(new Event('pageshow'), {persisted: true}));
    assert.equal(FakeSocket.all.length, 2);
    assert.equal(last.hidden, false);
    const {ws} = await playing(element);
    assert.equal(ws.sent[0].value.cid, cid);
    assert.equal(last.hidden, true);
});

test('nobody listens to unload', async () => {
    const heard = [];
    const add = globalThis.addEventListener;
    globalThis.addEventListener = (type, ...rest) => { heard.push(type); add(type, ...rest); };
    make();
    globalThis.addEventListener = add;
    assert.deepEqual(heard.filter(type => /unload/.test(type)), []);
    assert.ok(heard.includes('pagehide'));
});

test('removed: it leaves at once; moved: it stays', async () => {
    const element = make();
    const {pc} = await playing(element);
    element.isConnected = false;
    element.disconnectedCallback();
    element.isConnected = true;
    element.connectedCallback();
    await settle();
    assert.equal(element.pc, pc);
    assert.deepEqual(calls, []);
    await remove(element);
    assert.deepEqual(calls.slice(0, 3), ['pc.close', `DELETE keepalive ${BYE}`, 'socket.close']);
    assert.equal(element.phase, 'idle');
    see(false);
    see(true);
    tick(60_000);
    assert.equal(FakeSocket.all.length, 1);
});

test('removed while it dials or waits', async () => {
    const element = make();
    FakeSocket.last.closed();
    assert.equal(element.phase, 'retrying');
    await remove(element);
    tick(60_000);
    assert.equal(FakeSocket.all.length, 1);
});

test('hidden: park at once, everything stays; seen: resume, and the next frame is live', async () => {
    const element = make();
    const {ws, pc} = await playing(element);
    see(false);
    assert.deepEqual(ws.types().slice(2), ['park']);
    assert.equal(element.phase, 'parked');
    ws.receive('state', {state: 'parked', reason: 'hidden'});
    tick(600_000);
    assert.equal(element.pc, pc);
    assert.equal(element.ws, ws);
    see(true);
    assert.deepEqual(ws.types().slice(2), ['park', 'resume']);
    assert.equal(element.phase, 'connecting');
    ws.receive('state', {state: 'alive'});
    assert.equal(part(element, 'last').hidden, false);
    frame(element);
    assert.equal(element.phase, 'live');
    assert.equal(part(element, 'last').hidden, true);
    tick(60_000);
    assert.equal(FakeSocket.all.length, 1);
});

test('frozen is as hidden', async () => {
    const element = make();
    const {ws} = await playing(element);
    document.dispatchEvent(new Event('freeze'));
    assert.equal(ws.types().at(-1), 'park');
    document.dispatchEvent(new Event('resume'));
    assert.equal(ws.types().at(-1), 'resume');
});

test('no frame in a second after it is seen: everything anew', async () => {
    const element = make();
    const {ws, pc} = await playing(element);
    see(false);
    see(true);
    assert.deepEqual(ws.types().slice(2), ['park', 'resume']);
    tick(999);
    assert.equal(element.pc, pc);
    tick(1);
    assert.equal(pc.connectionState, 'closed');
    tick(0);
    assert.equal(FakeSocket.all.length, 2);
});

test('where the first picture takes long, so may the first one after it is seen again', async () => {
    const element = make();
    FakeSocket.last.open();
    tick(1500);
    const {ws, pc} = await playing(element);
    assert.equal(element.phase, 'live');
    see(false);
    see(true);
    assert.deepEqual(ws.types().slice(-2), ['park', 'resume']);
    tick(2999);
    assert.equal(element.pc, pc);
    tick(1);
    assert.equal(pc.connectionState, 'closed');
});

test('a first picture that took very long is no reason to wait for as long again', async () => {
    const element = make();
    tick(9000);
    FakeSocket.last.open();
    tick(30_000);
    const {pc} = await playing(element);
    assert.equal(element.phase, 'live');
    see(false);
    see(true);
    tick(9999);
    assert.equal(element.pc, pc);
    tick(1);
    assert.equal(pc.connectionState, 'closed');
});

test('a camera that was off has time to start, but its server has to answer', async () => {
    for (const answers of [true, false]) {
        const element = make();
        const {ws, pc} = await playing(element);
        see(false);
        ws.receive('state', {state: 'parked', reason: 'hidden'});
        see(true);
        if (answers) ws.receive('state', {state: 'resuming'});
        tick(2999);
        assert.equal(element.pc, pc);
        tick(1);
        assert.equal(element.pc === pc, answers);
        tick(7000);
        assert.notEqual(element.pc, pc);
        await remove(element);
    }
});

test('a camera that cannot be had again says why', async () => {
    const element = make();
    const {ws} = await playing(element);
    see(false);
    see(true);
    ws.receive('state', {state: 'parked', reason: 'webrtc: dial 10.0.0.5:554: connection refused'});
    assert.equal(element.phase, 'retrying');
    assert.match(lastState(element).reason, /^The camera refuses the connection/);
});

test('put aside by somebody: the camera may go, the frame stays, and only he goes on', async () => {
    const element = make();
    const {ws} = await playing(element);
    element.park(0);
    assert.deepEqual([element.phase, element.cameraOff, ws.types().slice(2)], ['parked', false, ['park']]);
    ws.receive('state', {state: 'parked', reason: 'hidden'});
    assert.deepEqual([element.cameraOff, part(element, 'title').textContent, part(element, 'status').textContent, part(element, 'last').hidden], [true, 'Paused, camera is off', '', false]);
    see(false);
    see(true);
    // The server does not wait for ever.
    ws.receive('released', {reason: 'silence'});
    tick(600_000);
    assert.deepEqual([element.phase, element.cameraOff, FakeSocket.all.length, part(element, 'last').hidden], ['parked', true, 1, false]);
    part(element, 'act').click();
    assert.deepEqual([element.phase, FakeSocket.all.length], ['dialling', 2]);
});

test('put aside while it is hidden: back on the page it does not say that it cannot be seen', async () => {
    for (const reason of ['', 'hidden', 'contended', 'closed']) {
        const element = make(), words = () => [element.phase, part(element, 'status').textContent];
        const {ws} = await playing(element, reason === 'closed' ? null : SESSION);
        if (reason === 'contended') ws.receive('state', {state: 'parked', reason});
        see(false);
        if (reason === 'hidden') ws.receive('state', {state: 'parked', reason});
        if (reason === 'closed') tick(5000);
        else assert.equal(ws.types().includes('park'), reason !== 'contended');
        const {cameraOff} = element, [, before] = words();
        assert.match(before, reason === 'contended' ? /^Somebody else/ : /cannot be seen/);
        element.park(0);
        see(true);
        assert.deepEqual([...words(), element.cameraOff], ['parked', reason === 'contended' ? before : '', cameraOff], reason);
        await remove(element);
    }
});

test('hidden in a window of its own, or in the background: nothing happens', async () => {
    for (const how of ['background', 'window']) {
        const element = make({background: how === 'background'});
        const {ws, pc} = await playing(element);
        if (how === 'window') document.pictureInPictureElement = element.video;
        see(false);
        document.dispatchEvent(new Event('freeze'));
        tick(60_000);
        assert.equal(element.pc, pc);
        assert.equal(ws.types().includes('park'), false);
        assert.equal(element.phase, 'live');
        if (how === 'window') {
            document.pictureInPictureElement = null;
            element.video.dispatchEvent(new Event('leavepictureinpicture'));
            assert.equal(ws.types().at(-1), 'park');
        }
        await remove(element);
        document.hidden = false;
    }
});

test('a page that is opened hidden starts no camera until it is seen', async () => {
    document.hidden = true;
    const element = make();
    assert.equal(FakeSocket.all.length, 0);
    assert.equal(element.phase, 'parked');
    see(true);
    assert.equal(FakeSocket.all.length, 1);
});

test('hidden while it dials: parks as soon as the server is known', async () => {
    const element = make();
    see(false);
    const ws = FakeSocket.last;
    ws.open();
    ws.receive('session', SESSION);
    assert.equal(ws.types().at(-1), 'park');
    tick(30_000);
    assert.equal(element.ws, ws);
});

test('lost while hidden: waits until it is seen', async () => {
    const element = make();
    const {pc} = await playing(element);
    see(false);
    pc.channels[0].dispatchEvent(new Event('close'));
    tick(600_000);
    assert.equal(element.phase, 'parked');
    assert.equal(FakeSocket.all.length, 1);
    see(true);
    assert.equal(FakeSocket.all.length, 2);
});

test('the server pauses it: says why, keeps the frame, and goes on when asked to', async () => {
    const element = make();
    const {ws} = await playing(element);
    ws.receive('state', {state: 'parked', reason: 'contended'});
    assert.equal(element.phase, 'parked');
    assert.equal(part(element, 'title').textContent, 'Paused, camera is off');
    assert.equal(part(element, 'status').textContent, 'Somebody else needs the camera.');
    assert.equal(part(element, 'last').hidden, false);
    // To look away and back does not take it from the other.
    see(false);
    see(true);
    assert.deepEqual(ws.types().slice(2), []);
    assert.equal(part(element, 'act').textContent, 'Resume');
    part(element, 'act').click();
    assert.deepEqual(ws.types().slice(2), ['resume']);
    ws.receive('state', {state: 'alive'});
    frame(element);
    assert.equal(element.phase, 'live');
});

test('the channel closes: the server has let go, and it connects again at once', async () => {
    const element = make();
    const {pc} = await playing(element, {...SESSION, caps: ['park', 'bye']});
    tick(6000);
    pc.channels[0].dispatchEvent(new Event('close'));
    assert.equal(element.phase, 'retrying');
    tick(0);
    assert.equal(element.phase, 'dialling');
    assert.equal(FakeSocket.all.length, 2);
});

test('a channel that was only refused says nothing', async () => {
    const element = make();
    await answered();
    FakePeer.last.channels[0].dispatchEvent(new Event('close'));
    assert.equal(element.phase, 'connecting');
});

test('the reason of the end decides what comes after it', async () => {
    for (const [reason, phase, ms] of [
        ['silence', 'dialling', 0], ['admin', 'failed', 60_000], ['superseded', 'failed', 60_000], ['shutdown', 'dialling', 500],
        ['contended', 'dialling', 2000],
    ]) {
        for (const first of ['channel', 'reason']) {
            const element = make();
            const {ws, pc} = await playing(element);
            tick(6000);
            calls.length = FakeSocket.all.length = 0;
            const close = () => pc.channels[0].dispatchEvent(new Event('close'));
            const tell = () => ws.receive('released', {reason, detectMs: 3, releaseMs: 20});
            for (const happen of first === 'channel' ? [close, tell] : [tell, close]) happen();
            tick(ms);
            assert.equal(element.phase, phase, `${reason}, ${first} first`);
            assert.deepEqual(element.seen.filter(([type]) => type === 'released'), [['released', {reason, detectMs: 3, releaseMs: 20}]]);
            assert.equal(calls.some(c => c.startsWith('DELETE')), false, 'it is over already');
            if (phase === 'failed') {
                see(false);
                see(true);
                dispatchEvent(new Event('online'));
                assert.equal(FakeSocket.all.length, 0);
                part(element, 'act').click();
                assert.equal(FakeSocket.all.length, 1);
            }
            await remove(element);
        }
    }
});

test('the reason is not waited for long', async () => {
    const element = make();
    const {pc} = await playing(element);
    pc.channels[0].dispatchEvent(new Event('close'));
    tick(249);
    assert.equal(element.phase, 'live');
    tick(1);
    assert.equal(element.phase, 'dialling');
});

test('hidden, and the socket is lost: the next socket says so again', async () => {
    const element = make();
    const {ws} = await playing(element);
    see(false);
    assert.equal(ws.types().at(-1), 'park');
    ws.closed();
    tick(500);
    const second = FakeSocket.last;
    second.open();
    second.receive('session', {...SESSION, bye: 'api/rs/bye/ffff'});
    assert.deepEqual(second.types(), ['hello', 'park']);
    assert.equal(element.phase, 'parked');
    // Once it has let go of the camera it needs no word more.
    second.receive('state', {state: 'parked', reason: 'hidden'});
    second.closed();
    tick(500);
    const third = FakeSocket.last;
    assert.notEqual(third, second);
    third.open();
    third.receive('session', {...SESSION, bye: 'api/rs/bye/eeee'});
    assert.deepEqual(third.types(), ['hello']);
    see(true);
    assert.deepEqual(third.types(), ['hello', 'resume']);
    await remove(element);
});

test('seen again while the socket is lost: the next socket says so', async () => {
    const element = make();
    const {ws} = await playing(element);
    see(false);
    ws.closed();
    see(true);
    frame(element);
    assert.equal(element.phase, 'live');
    tick(500);
    const second = FakeSocket.last;
    second.open();
    second.receive('session', {...SESSION, bye: 'api/rs/bye/ffff'});
    assert.deepEqual(second.types(), ['hello', 'resume']);
    assert.equal(element.phase, 'live');
    await remove(element);
});

test('the socket alone is lost: the picture goes on, the socket comes back without an offer', async () => {
    const element = make();
    const {ws, pc} = await playing(element);
    ws.closed();
    assert.equal(element.phase, 'live');
    assert.equal(element.pc, pc);
    tick(499);
    assert.equal(FakeSocket.all.length, 1);
    tick(1);
    FakeSocket.last.closed();
    tick(999);
    assert.equal(FakeSocket.all.length, 2);
    tick(1);
    const third = FakeSocket.last;
    assert.notEqual(third, ws);
    third.open();
    assert.deepEqual(third.sent, [{type: 'hello', value: {v: 1, cid: element.cid}}]);
    third.receive('session', {...SESSION, bye: 'api/rs/bye/ffff'});
    see(false);
    assert.equal(third.types().at(-1), 'park');
    calls.length = 0;
    await remove(element);
    assert.deepEqual(calls.slice(0, 4), ['pc.close', `DELETE keepalive ${BYE}`, 'DELETE keepalive http://cam.local:1984/base/api/rs/bye/ffff', 'socket.close']);
    assert.equal(FakePeer.all.length, 1);
});

test('the socket cannot be opened again, and no frame comes: it is lost, seconds before the browser says so', async () => {
    for (const frames of [true, false]) {
        const element = make();
        const {ws, pc} = await playing(element);
        ws.closed();
        tick(500);
        FakeSocket.last.closed();
        tick(999);
        if (frames) frame(element);
        tick(1001);
        assert.equal(element.pc === pc, frames);
        await remove(element);
    }
});

test('the server was started again: the old session is gone, a new one is made', async () => {
    const element = make();
    const {ws} = await playing(element);
    tick(6000);
    ws.closed();
    tick(500);
    FakeSocket.last.open();
    FakeSocket.last.receive('session', {...SESSION, boot: 'b2'});
    tick(0);
    assert.equal(FakeSocket.all.length, 3);
    assert.equal(FakePeer.all[0].connectionState, 'closed');
    await playing(element);
    assert.equal(element.phase, 'live');
});

test('attempts: doubled up to 15 s, never two at a time', async () => {
    const element = make();
    const waits = [];
    for (let i = 0; i < 8; i++) {
        FakeSocket.last.closed();
        await settle();
        const {state, nextTryMs} = lastState(element);
        assert.equal(state, 'retrying');
        waits.push(nextTryMs);
        tick(nextTryMs - 1);
        assert.equal(FakeSocket.all.length, i + 1);
        tick(1);
        assert.equal(FakeSocket.all.length, i + 2);
        // While one is under way nothing starts another.
        dispatchEvent(new Event('online'));
        see(false);
        see(true);
        element.retry();
        element.onconnect();
        element.connectedCallback();
        assert.equal(FakeSocket.all.length, i + 2);
    }
    assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]);
});

test('online, seen and the button do not wait', async () => {
    const element = make();
    for (const hurry of [
        () => dispatchEvent(new Event('online')), () => { see(false); see(true); }, () => part(element, 'act').click(),
    ]) {
        FakeSocket.last.closed();
        await settle();
        assert.equal(element.phase, 'retrying');
        const before = FakeSocket.all.length;
        hurry();
        assert.equal(FakeSocket.all.length, before + 1);
        tick(60_000 - 50_001);
        assert.equal(FakeSocket.all.length, before + 1, 'the planned one is off');
    }
});

test('what only a person can mend stops it, and says so', async () => {
    for (const text of ['stream not found', 'rtsp: 401 Unauthorized', 'streams: codecs not matched: video:H265 => H264']) {
        const element = make();
        FakeSocket.last.open();
        await settle();
        FakeSocket.last.receive('error', `webrtc/offer: ${text}`);
        assert.equal(element.phase, 'failed', text);
        assert.match(lastState(element).reason, /^There is no stream named|^The camera (refuses the user name|sends H\.265, which this browser does not take this way)/);
        assert.equal(part(element, 'act').textContent, 'Retry now');
        const before = FakeSocket.all.length;
        FakeSocket.last.closed();
        tick(120_000);
        assert.equal(FakeSocket.all.length, before);
        part(element, 'act').click();
        assert.equal(FakeSocket.all.length, before + 1);
        await remove(element);
    }
});

test('a busy camera is asked less often', async () => {
    const element = make(), waits = [];
    for (let i = 0; i < 6; i++) {
        FakeSocket.last.open();
        await settle();
        FakeSocket.last.receive('error', 'webrtc/offer: rtsp: 453 Not Enough Bandwidth');
        waits.push(lastState(element).nextTryMs);
        tick(waits[i]);
    }
    assert.deepEqual(waits, [2000, 4000, 8000, 16000, 30000, 30000]);
});

test('a server that wants a password', async () => {
    fetched.status = 401;
    const element = make();
    FakeSocket.last.closed();
    await settle();
    assert.equal(element.phase, 'failed');
    assert.match(lastState(element).reason, /sign in/);
    tick(60_000);
    assert.equal(FakeSocket.all.length, 1);
    assert.deepEqual(calls, ['GET http://cam.local:1984/base/api']);
});

test('a server that does not answer is given up, and tried again', async () => {
    const element = make();
    tick(9999);
    assert.equal(element.phase, 'dialling');
    tick(1);
    assert.equal(element.phase, 'retrying');
    tick(500);
    FakeSocket.last.open();
    tick(39_999);
    assert.equal(element.phase, 'dialling');
    tick(1);
    assert.equal(element.phase, 'retrying');
});

test('no network path: in words, and tried again', async () => {
    const element = make();
    await answered();
    FakePeer.last.become('failed');
    await settle();
    assert.equal(element.phase, 'retrying');
    assert.match(part(element, 'status').textContent, /^The server offers no address/);
    tick(500);
    assert.equal(FakeSocket.all.length, 2);
});

test('webrtc beats mse: what is not shown is stopped, and the socket stays or comes back', async () => {
    for (const caps of [['park', 'stop'], ['park']]) {
        const element = make({mode: 'webrtc,mse'});
        const ws = FakeSocket.last;
        ws.open();
        await settle();
        ws.receive('session', {...SESSION, caps});
        ws.receive('mse', 'video/mp4; codecs="avc1.640029"');
        frame(element);
        assert.equal(part(element, 'mode').textContent, 'MSE');
        tick(0);
        ws.receive('webrtc/answer', 'a=rtpmap:96 H264/90000');
        await settle();
        FakePeer.last.become('connected');
        element.video.readyState = 4;
        const video2 = document.createElement('video');
        video2.srcObject = new MediaStream([{kind: 'video'}, {kind: 'audio'}]);
        element.onpcvideo(video2);
        assert.equal(element.phase, 'live');
        assert.deepEqual(element.seen.filter(([type]) => type === 'mode').map(([, d]) => d.mode), ['mse', 'webrtc']);
        assert.equal(part(element, 'mode').textContent, 'RTC', 'the picture says what carries it now');
        assert.equal(states(element).filter(state => state === 'live').length, 1);
        if (caps.includes('stop')) {
            assert.deepEqual(ws.sent.at(-1), {type: 'stop', value: 'mse'});
            assert.equal(element.ws, ws);
        } else {
            assert.equal(ws.readyState, WebSocket.CLOSING);
            ws.closed();
            tick(500);
            FakeSocket.last.open();
            assert.deepEqual(FakeSocket.last.types(), ['hello']);
        }
        await remove(element);
    }
});

test('mse alone: its socket is the media, and is dialled again at once', async () => {
    const element = make({mode: 'mse'});
    const ws = FakeSocket.last;
    ws.open();
    ws.receive('session', SESSION);
    ws.receive('mse', 'video/mp4; codecs="avc1.640029"');
    assert.equal(element.phase, 'connecting');
    element.video.readyState = 4;
    frame(element);
    assert.equal(element.phase, 'live');
    tick(6000);
    ws.closed();
    tick(0);
    assert.equal(FakeSocket.all.length, 2);
});

test('two players of a page have two identities; another address is another session', async () => {
    const one = make(), two = make();
    assert.notEqual(one.cid, two.cid);
    await playing(two);
    calls.length = 0;
    two.src = 'api/ws?src=other';
    assert.deepEqual(calls.slice(0, 3), ['pc.close', `DELETE keepalive ${BYE}`, 'socket.close']);
    assert.match(FakeSocket.last.url, /src=other$/);
});

test('attributes are the properties', () => {
    const element = new RsPlayer();
    assert.deepEqual(RsPlayer.observedAttributes, ['src', 'mode', 'media', 'background']);
    element.attributeChangedCallback('background', null, '');
    element.attributeChangedCallback('mode', null, 'mse');
    element.attributeChangedCallback('src', null, '/api/ws?src=x');
    assert.deepEqual([element.background, element.mode, element.wsURL], [true, 'mse', 'ws://cam.local:1984/api/ws?src=x']);
    element.attributeChangedCallback('background', '', 'false');
    assert.equal(element.background, false);
});

test('the countdown is shown', async () => {
    const element = make();
    for (let i = 0; i < 3; i++) {
        FakeSocket.last.closed();
        tick(lastState(element).nextTryMs);
    }
    FakeSocket.last.closed();
    assert.equal(part(element, 'status').textContent, 'The server cannot be reached.');
    assert.equal(part(element, 'wait').textContent, 'Next try in 4 s.');
    tick(1000);
    assert.equal(part(element, 'wait').textContent, 'Next try in 3 s.');
    assert.equal(part(element, 'mode').textContent, 'error');
    tick(3000);
    assert.deepEqual(['mode', 'status', 'wait'].map(name => part(element, name).textContent), ['loading', 'The server cannot be reached.', 'Trying…']);
    await playing(element);
    assert.deepEqual(['mode', 'status', 'wait'].map(name => part(element, name).textContent), ['RTC', '', '']);
    assert.equal(part(element, 'panel').hidden, true);
});

/** The server answers what MSE asks for, with H.265 if the browser says that it plays that. @param {any} element */
async function offered(element) {
    const ws = FakeSocket.last;
    ws.open();
    element.ondata = null;
    await settle();
    ws.receive('session', SESSION);
    const codecs = element.codecs(() => true);
    if (/hvc1/.test(codecs)) ws.receive('mse', 'video/mp4; codecs="hvc1.1.6.L93.B0"');
    else ws.receive('error', 'mse: streams: codecs not matched: video:H265 => video:H264');
    return {ws, codecs};
}
/** The answers to what follows: Motion JPEG is made of it, or is not. @param {any} ws @param {boolean} made */
const pictured = (ws, made) => made ? ws.receive('mjpeg') : ws.receive('error', 'mjpeg: streams: codecs not matched: video:H265 => video:JPEG');

test('what cannot be decoded is not asked for again, by this or the next player of the stream', async () => {
    for (const made of [true, false]) {
        const fields = {mode: 'mse,mjpeg'}, element = make(fields), src = `api/ws?src=h265-${made}`;
        element.src = src;
        const {ws, codecs} = await offered(element);
        assert.match(codecs, /hvc1/);
        assert.equal(element.phase, 'connecting');
        element.video.error = {code: 3};
        element.video.src = 'blob:fake';
        element.video.dispatchEvent(new Event('error'));
        assert.equal(ws.readyState, WebSocket.CLOSING);
        assert.deepEqual([element.phase, lastState(element).reason, lastState(element).nextTryMs], ['retrying', 'This browser cannot decode what the camera sends.', 0]);
        element.video.error = null;
        tick(0);
        const again = await offered(element);
        assert.deepEqual([again.codecs.includes('hvc1'), again.codecs.includes('avc1')], [false, true]);
        assert.equal(again.ws.types().at(-1), 'mjpeg');
        pictured(again.ws, made);
        if (made) {
            again.ws.receiveBytes(new Uint8Array([0xFF, 0xD8]).buffer);
            await settle();
            assert.equal(element.phase, 'live');
        } else {
            assert.equal(element.phase, 'failed');
            assert.match(lastState(element).reason, /^(This browser cannot decode|The camera sends H\.265)/);
            const sockets = FakeSocket.all.length;
            tick(120_000);
            assert.equal(FakeSocket.all.length, sockets, 'the camera is left alone');
        }
        await remove(element);
        const next = make(fields), other = make(fields);
        next.src = src;
        assert.doesNotMatch(next.codecs(() => true), /hvc1/);
        assert.match(other.codecs(() => true), /hvc1/);
    }
});

test('what fails after there were pictures is tried again as it was', async () => {
    const element = make({mode: 'mse'});
    element.src = 'api/ws?src=breaks';
    const {ws} = await offered(element);
    element.video.readyState = 4;
    frame(element);
    assert.equal(element.phase, 'live');
    element.video.error = {code: 3};
    element.video.src = 'blob:fake';
    element.video.dispatchEvent(new Event('error'));
    ws.closed();
    tick(0);
    const again = await offered(element);
    assert.match(again.codecs, /hvc1/);
    // Nor does what fails later, before the first picture of its attempt, speak against the codec.
    element.video.dispatchEvent(new Event('error'));
    again.ws.closed();
    tick(60_000);
    assert.match((await offered(element)).codecs, /hvc1/);
});

test('a buffer that is refused although the browser plays its type', async () => {
    const element = make({mode: 'mse'}), add = MediaSource.prototype.addSourceBuffer;
    element.src = 'api/ws?src=refused';
    MediaSource.prototype.addSourceBuffer = () => { throw new Error('not supported'); };
    try {
        await offered(element);
    } finally {
        MediaSource.prototype.addSourceBuffer = add;
    }
    assert.match(lastState(element).reason, /cannot decode/);
    tick(0);
    assert.doesNotMatch((await offered(element)).codecs, /hvc1/);
    assert.equal(element.phase, 'failed');
});

/** Seconds go by, each with what is asked in it. @param {number} n */
async function seconds(n) {
    for (let i = 0; i < n; i++) {
        tick(1000);
        await settle();
    }
}

test('media without a first picture for some seconds: the codec is not offered again', async () => {
    const element = make({mode: 'webrtc'}), arrived = {type: 'inbound-rtp', kind: 'video', framesReceived: 0, framesDecoded: 0};
    element.src = 'api/ws?src=blind';
    const ws = await answered();
    const pc = FakePeer.last;
    pc.remoteDescription = {sdp: 'v=0\r\na=rtpmap:96 H265/90000\r\n'};
    pc.stats = new Map([['in', arrived]]);
    pc.become('connected');
    await seconds(15);
    assert.equal(element.phase, 'connecting', 'the camera has sent nothing');
    arrived.framesReceived = 20;
    await seconds(3);
    assert.equal(element.phase, 'connecting');
    await seconds(4);
    assert.equal(ws.readyState, WebSocket.CLOSING);
    assert.ok(element.seen.some(([, detail]) => /cannot decode/.test(detail.reason)));
    tick(0);
    FakePeer.prototype.createOffer = async () => ({type: 'offer', sdp: 'a=rtpmap:96 H264/90000\r\na=rtpmap:98 H265/90000\r\n'});
    FakeSocket.last.open();
    await settle();
    assert.equal(FakeSocket.last.sent.find(m => m.type === 'webrtc/offer').value, 'a=rtpmap:96 H264/90000\r\na=rtpmap:98 -/90000\r\n');
    FakePeer.prototype.createOffer = async () => ({type: 'offer', sdp: 'v=0 offer'});
});

test('what any browser decodes is given more time than H.265, counted from the first media', async () => {
    for (const [codec, before, after] of [['hvc1.1.6.L93.B0', 3, 4], ['avc1.640029', 7, 9]]) {
        const element = make({mode: 'mse'});
        element.src = `api/ws?src=blind-${codec}`;
        const ws = FakeSocket.last;
        ws.open();
        await settle();
        ws.receive('session', SESSION);
        ws.receive('mse', `video/mp4; codecs="${codec}"`);
        element.video.buffered = {length: 1, end: () => 1};
        await seconds(before);
        assert.equal(element.phase, 'connecting', codec);
        await seconds(after - before);
        assert.equal(ws.readyState, WebSocket.CLOSING, codec);
        assert.ok(element.seen.some(([, detail]) => /cannot decode/.test(detail.reason)), codec);
        await remove(element);
    }
});

test('a browser that has no decoder for H.265, as it says when it is asked, is not sent any', async () => {
    for (const supported of [true, false]) {
        navigator.mediaCapabilities = {decodingInfo: async ({video}) => ({supported: supported || !/hvc1/.test(video.contentType)})};
        const element = make({mode: 'mse'});
        delete navigator.mediaCapabilities;
        await settle();
        const codecs = element.codecs(() => true);
        assert.deepEqual([codecs.includes('hvc1'), codecs.includes('avc1')], [supported, true]);
        await remove(element);
    }
});

test('who was not allowed to play, or decodes, is given time', async () => {
    for (const fields of [{paused: true}, {readyState: 2}]) {
        const element = make({mode: 'mse'});
        element.src = 'api/ws?src=patient';
        await offered(element);
        Object.assign(element.video, {buffered: {length: 1}, ...fields});
        await seconds(30);
        assert.equal(element.phase, 'connecting');
        await remove(element);
    }
});

test('the steps to the first picture, each with its own time', async () => {
    const element = make({mode: 'webrtc,mse'}), told = [];
    element.addEventListener('step', ev => told.push(ev.detail));
    tick(3);
    const ws = FakeSocket.last;
    ws.open();
    await settle();
    tick(40);
    ws.receive('mse', 'video/mp4; codecs="avc1.640029"');
    tick(110);
    ws.receive('webrtc/answer', 'v=0 answer');
    await settle();
    tick(20);
    FakePeer.last.become('connected');
    tick(100);
    frame(element);
    const steps = [{step: 'socket', ms: 3}, {step: 'answer', ms: 40}, {step: 'network', ms: 130}, {step: 'picture', ms: 100}];
    assert.deepEqual(element.seen.find(([type]) => type === 'firstframe')[1], {ms: 273, steps});
    assert.deepEqual(told, steps);
});

/** @param {any} element @param {string} [codecs] of MSE */
async function races(element, codecs = 'avc1.640029') {
    const ws = FakeSocket.last;
    ws.open();
    await settle();
    ws.receive('session', {...SESSION, caps: [...SESSION.caps, 'stop']});
    ws.receive('mse', `video/mp4; codecs="${codecs}"`);
    await rtcBegins();
    ws.receive('webrtc/answer', 'a=rtpmap:96 H264/90000');
    await settle();
    const pc = FakePeer.last;
    pc.become('connected');
    const video2 = document.createElement('video');
    video2.srcObject = new MediaStream([{kind: 'video'}, {kind: 'audio'}]);
    return {ws, pc, video2, rtcPicture: () => {
        element.video.readyState = 4;
        element.onpcvideo(video2);
    }};
}
const modes = element => element.seen.filter(([type]) => type === 'mode').map(([, detail]) => detail.mode);

test('webrtc takes the place of mse within three seconds of its first picture; later it is let go of, and mse stays', async () => {
    for (const late of [false, true]) {
        const element = make({mode: 'webrtc,mse,mjpeg'}), {ws, pc, rtcPicture} = await races(element);
        tick(10_000);
        assert.equal(pc.connectionState, 'connected', 'it counts from the picture');
        frame(element);
        tick(2999);
        assert.equal(pc.connectionState, 'connected');
        if (late) tick(1);
        else rtcPicture();
        assert.deepEqual(modes(element), late ? ['mse'] : ['mse', 'webrtc']);
        assert.equal(pc.connectionState, late ? 'closed' : 'connected');
        assert.deepEqual([element.pc, element.ws, element.phase], [late ? null : pc, ws, 'live']);
        // The loser is told of.
        assert.deepEqual(ws.sent.at(-1), {type: 'stop', value: late ? 'webrtc' : 'mse'});
        tick(60_000);
        assert.deepEqual([element.pc, element.phase, FakeSocket.all.length], [late ? null : pc, 'live', 1]);
        // The server finds no path for what is let go of, and that is no fault.
        ws.receive('error', 'webrtc/offer: no network path');
        assert.equal(element.phase, 'live');
        await remove(element);
        FakeSocket.all.length = 0;
    }
});

test('the picture of webrtc is there while the video is given it, and not over mse where that is better', async () => {
    for (const codecs of ['avc1.640029', 'hvc1.1.6.L93.B0,mp4a.40.2']) {
        const element = make({mode: 'webrtc,mse'}), {video2} = await races(element, codecs), last = part(element, 'last');
        frame(element);
        assert.equal(last.hidden, true);
        video2.readyState = 4;
        // Given another stream it has nothing yet.
        element.video.readyState = 0;
        element.onpcvideo(video2);
        const better = codecs.startsWith('hvc1');
        assert.deepEqual([last.hidden, element.pc !== null], [better, !better]);
        frame(element);
        assert.deepEqual([last.hidden, element.phase], [true, 'live']);
        await remove(element);
        FakeSocket.all.length = 0;
    }
});

test('a player that may use one of the two only, or speaks over webrtc, lets go of nothing', async () => {
    const element = make({mode: 'webrtc,mse', media: 'video,audio,microphone'}), {pc} = await races(element);
    frame(element);
    tick(10_000);
    assert.equal(element.pc, pc);
});

/** Time goes by, and what happens in it happens at its time. @param {number} ms */
function pass(ms) {
    for (let i = 0; i < ms; i += 100) tick(100);
}
/** The picture of a player, of which some seconds are shown and some are not. @param {any} element */
function pictures(element) {
    let shown = 0;
    element.video.getVideoPlaybackQuality = () => ({totalVideoFrames: shown});
    return {
        runs(ms) {
            for (let i = 0; i < ms; i += 100) {
                shown += 2;
                tick(100);
            }
        },
        stands: pass,
    };
}
/** It begins anew, and what it asks for then. */
async function askedAgain() {
    tick(0);
    return FakeSocket.last.readyState === WebSocket.CONNECTING ? opened() : '';
}

/** @param {any} element @param {'webrtc'|'mse'} way */
async function plays(element, way) {
    const {rtcPicture} = await races(element);
    if (way === 'webrtc') rtcPicture();
    frame(element);
    assert.equal(modes(element).at(-1), way);
    tick(3500);
}

test('two stalls within a minute: the other way, which is kept in mind for the stream and the network for a day', async () => {
    for (const way of ['webrtc', 'mse']) {
        const other = way === 'webrtc' ? 'mse' : 'webrtc', asks = other === 'mse' ? 'mse' : 'webrtc/offer';
        const fields = {mode: 'webrtc,mse'}, element = make(fields), show = pictures(element);
        MediaSource.prototype.addEventListener = (_type, go) => queueMicrotask(go);
        await plays(element, way);
        show.runs(3000);
        show.stands(3100);
        show.runs(20_000);
        assert.equal(FakeSocket.all.length, 1, 'one is none');
        show.stands(1900);
        show.runs(3000);
        assert.equal(FakeSocket.all.length, 1, 'it was too short');
        show.stands(3100);
        assert.match(element.seen.findLast(([type, detail]) => type === 'state' && detail.state === 'retrying')[1].reason, /another way is tried/);
        assert.equal(await askedAgain(), asks);
        assert.equal(element.mode, 'webrtc,mse', 'what it may do is as before');
        // The next player goes that way at once, that of another stream does not.
        await remove(element);
        const next = make(fields);
        assert.equal(await opened(), asks);
        await remove(next);
        const elsewhere = make(fields);
        elsewhere.src = 'api/ws?src=other';
        assert.equal((await opened()).split(',').length, 2);
        await remove(elsewhere);
        navigator.connection = {type: 'cellular'};
        const mobile = make(fields);
        assert.equal((await opened()).split(',').length, 2, 'another network');
        delete navigator.connection;
        await remove(mobile);
        tick(86_400_000);
        const tomorrow = make(fields);
        assert.equal((await opened()).split(',').length, 2);
        await remove(tomorrow);
        FakeSocket.all.length = 0;
        localStorage.items.clear();
    }
    delete MediaSource.prototype.addEventListener;
});
/** What the newest socket is asked for when it opens. */
async function opened() {
    FakeSocket.last.open();
    await settle();
    FakeSocket.last.receive('session', SESSION);
    await rtcBegins();
    return FakeSocket.last.types().slice(1).join();
}

test('stalls that are more than a minute apart, or while it is hidden or paused, change nothing; nor does a camera of few pictures', async () => {
    const element = make({mode: 'webrtc,mse'}), show = pictures(element);
    await plays(element, 'webrtc');
    for (let i = 0; i < 3; i++) {
        show.runs(61_000);
        show.stands(3000);
    }
    show.runs(61_000);
    for (let i = 0; i < 2; i++) {
        element.video.paused = true;
        show.stands(10_000);
        element.video.paused = false;
        show.runs(1000);
    }
    see(false);
    show.stands(30_000);
    see(true);
    frame(element);
    show.runs(1000);
    assert.equal(FakeSocket.all.length, 1);
    await remove(element);
    const slow = make({mode: 'webrtc,mse'});
    let shown = 0;
    slow.video.getVideoPlaybackQuality = () => ({totalVideoFrames: shown});
    FakeSocket.all.splice(0, FakeSocket.all.length - 1);
    await plays(slow, 'webrtc');
    for (let i = 0; i < 20; i++) {
        shown++;
        pass(5000);
    }
    assert.equal(FakeSocket.all.length, 1);
    for (const one of [element, slow]) assert.equal(states(one).filter(state => state === 'buffering').length, one === slow ? 0 : 3);
});

test('a pin is never left', async () => {
    for (const mode of ['webrtc', 'mse']) {
        const element = make({mode, pinned: mode}), show = pictures(element);
        if (mode === 'webrtc') (await races(element)).rtcPicture();
        else await offeredH264();
        frame(element);
        assert.equal(element.phase, 'live');
        for (let i = 0; i < 4; i++) {
            show.runs(3000);
            show.stands(4000);
        }
        assert.deepEqual([FakeSocket.all.length, element.phase, localStorage.getItem('rs.ways')], [1, 'buffering', null]);
        show.runs(1000);
        assert.equal(element.phase, 'live');
        assert.deepEqual(FakeSocket.last.sent[0].value, {v: 1, cid: element.cid, pinned: mode}, 'the server is told');
        await remove(element);
        FakeSocket.all.length = 0;
    }
});
async function offeredH264() {
    FakeSocket.last.open();
    await settle();
    FakeSocket.last.receive('session', SESSION);
    FakeSocket.last.receive('mse', 'video/mp4; codecs="avc1.640029"');
}

/** Stands still twice within a minute. @param {ReturnType<typeof pictures>} show */
function twice(show) {
    for (let i = 0; i < 2; i++) {
        show.runs(3000);
        show.stands(3100);
    }
}
const MSE = 'video/mp4; codecs="avc1.640029"', ALL = 'webrtc,mse,mjpeg';

test('a way that stands still as well is stayed with for the day, by new players too', async () => {
    const element = make({mode: ALL}), show = pictures(element);
    MediaSource.prototype.addEventListener = (_type, go) => queueMicrotask(go);
    await plays(element, 'webrtc');
    twice(show);
    assert.equal(await askedAgain(), 'mse');
    FakeSocket.last.receive('mse', MSE);
    frame(element);
    for (let i = 0; i < 3; i++) {
        twice(show);
        show.runs(601_000);
    }
    assert.deepEqual([element.phase, FakeSocket.all.length], ['live', 2]);
    await remove(element);
    const next = make({mode: ALL}), shows = pictures(next);
    assert.equal(await opened(), 'mse');
    FakeSocket.last.receive('mse', MSE);
    frame(next);
    twice(shows);
    assert.deepEqual([next.phase, FakeSocket.all.length], ['buffering', 3]);
    delete MediaSource.prototype.addEventListener;
});

test('a way that was kept is tried alone; refused, or with sound alone, it is forgotten, and there is no other change for ten minutes', async () => {
    const refused = () => FakeSocket.last.receive('error', 'mse: streams: codecs not matched: video:H265 => video:H264');
    for (const fail of [refused, () => FakeSocket.last.receive('mse', 'video/mp4; codecs="mp4a.40.2"')]) {
        const element = make({mode: ALL}), show = pictures(element);
        MediaSource.prototype.addEventListener = (_type, go) => queueMicrotask(go);
        await plays(element, 'webrtc');
        twice(show);
        assert.equal(await askedAgain(), 'mse');
        fail();
        assert.equal(element.phase, 'retrying');
        tick(lastState(element).nextTryMs);
        FakeSocket.all.splice(0, FakeSocket.all.length - 1);
        await plays(element, 'webrtc');
        assert.equal(FakeSocket.last.types().filter(type => type === 'webrtc/offer' || type === 'mse').length, 2, 'both again');
        twice(show);
        assert.deepEqual([element.phase, FakeSocket.all.length], ['buffering', 1]);
        show.runs(600_000);
        assert.deepEqual([element.phase, FakeSocket.all.length], ['live', 1]);
        twice(show);
        assert.equal(await askedAgain(), 'mse');
        await remove(element);
        FakeSocket.all.length = 0;
        localStorage.items.clear();
    }
    const {keepWay, keptWay} = await import('../../ui/player/ways.js'), element = make({mode: ALL});
    keepWay(element.wsURL, 'webrtc');
    assert.equal(await opened(), 'webrtc/offer');
    FakeSocket.last.receive('webrtc/answer', 'v=0 answer');
    await settle();
    FakePeer.last.transceivers[0].currentDirection = 'inactive';
    FakePeer.last.become('connected');
    element.video.dispatchEvent(new Event('loadeddata'));
    assert.deepEqual([element.phase, keptWay(element.wsURL)], ['retrying', '']);
    delete MediaSource.prototype.addEventListener;
});

test('a phone that plays one element at a time: MSE alone, WebRTC after it, and never both', async () => {
    const Source = MediaSource;
    delete globalThis.MediaSource;
    globalThis.ManagedMediaSource = class extends Source {
        addEventListener(type, listener) { if (type === 'sourceopen') queueMicrotask(listener); }
    };
    try {
        const element = make({mode: ALL});
        assert.equal(await opened(), 'mse');
        assert.equal(FakePeer.all.length, 0);
        FakeSocket.last.receive('mse', MSE);
        frame(element);
        tick(6000);
        FakeSocket.last.closed();
        tick(0);
        assert.equal(await opened(), 'mse', 'it has played');
        FakeSocket.last.receive('error', 'mse: no');
        FakeSocket.last.receive('error', 'mjpeg: no');
        assert.equal(element.phase, 'retrying');
        tick(lastState(element).nextTryMs);
        assert.equal(await opened(), 'webrtc/offer');
        assert.equal(element.mode, ALL);
        FakeSocket.last.receive('error', 'webrtc/offer: codecs not matched');
        FakeSocket.last.receive('error', 'mjpeg: codecs not matched');
        assert.equal(element.phase, 'failed');
        part(element, 'act').click();
        assert.equal(await opened(), 'mse');
        // No picture comes.
        FakeSocket.last.receive('mse', MSE);
        await seconds(20);
        assert.equal(element.phase, 'retrying');
        tick(lastState(element).nextTryMs);
        assert.equal(await opened(), 'webrtc/offer');
    } finally {
        globalThis.MediaSource = Source;
        delete globalThis.ManagedMediaSource;
    }
});

test('no way is taken that cannot play', async () => {
    const says = candidates => FakeSocket.last.receive('why', {candidates}), video = (codec, verdict) => ({mode: 'mse', kind: 'video', codec, verdict});
    const sound = {mode: 'mse', kind: 'audio', codec: 'pcm_alaw', verdict: 'codec_unsupported'};
    for (const [sockets, tell] of [
        [1, () => says([video('hevc', 'codec_unsupported')])], [1, () => says([{mode: 'mse', verdict: 'off'}])], [1, () => FakeSocket.last.receive('error', 'mse: codecs not matched')],
        [2, () => says([{mode: 'mse', verdict: 'slower'}])], [2, () => says([video('hevc', 'codec_unsupported'), video('h264', 'other_chosen'), sound])], [2, () => says([sound])],
    ]) {
        const element = make({mode: ALL}), show = pictures(element);
        await plays(element, 'webrtc');
        tell();
        twice(show);
        assert.equal(FakeSocket.all.length, sockets, String(tell));
        await remove(element);
        FakeSocket.all.length = 0;
        localStorage.items.clear();
    }
    // It has shown a picture before it was let go of.
    const element = make({mode: ALL}), show = pictures(element), {rtcPicture} = await races(element);
    frame(element);
    rtcPicture();
    frame(element);
    assert.deepEqual(modes(element), ['mse', 'webrtc']);
    says([{mode: 'mse', verdict: 'failed'}]);
    twice(show);
    assert.equal(FakeSocket.all.length, 2);
});

test('nothing is kept of an address with a password, nor is a way left where nothing can be kept', async () => {
    const element = make({mode: ALL}), show = pictures(element);
    element.src = `api/ws?src=${encodeURIComponent('rtsp://user:secret@cam/1')}`;
    await settle();
    FakeSocket.all.splice(0, FakeSocket.all.length - 1);
    await plays(element, 'webrtc');
    twice(show);
    assert.equal(element.phase, 'buffering');
    assert.doesNotMatch([...localStorage.items.values()].join(), /secret/);
});

test('few choices are kept, and nothing of what others have written there is trusted', async () => {
    const {keepWay, keptWay} = await import('../../ui/player/ways.js'), url = n => `ws://h/api/ws?src=${n}`;
    for (let i = 0; i < 60; i++) keepWay(url(i), 'mse');
    assert.equal(JSON.parse(localStorage.getItem('rs.ways')).length, 50);
    assert.deepEqual([keptWay(url(0)), keptWay(url(59))], ['', 'mse']);
    keepWay(url(59), '');
    assert.equal(keptWay(url(59)), '');
    for (const text of ['{', '7', '[7, null, ["a"], ["h  1", "hls", 9e15]]']) {
        localStorage.setItem('rs.ways', text);
        assert.equal(keptWay(url(1)), '');
    }
});

test('the verdicts of the server are told as they come, and at the socket that comes back too', async () => {
    const element = make(), told = [];
    element.addEventListener('why', ev => told.push(ev.detail));
    const {ws} = await playing(element), candidates = [{mode: 'webrtc', kind: 'video', codec: 'h264', verdict: 'chosen'}];
    ws.receive('why', {candidates});
    ws.receive('why', {});
    ws.closed();
    tick(500);
    FakeSocket.last.open();
    FakeSocket.last.receive('session', SESSION);
    FakeSocket.last.receive('why', {candidates});
    assert.deepEqual(told, [{candidates}, {candidates: []}, {candidates}]);
});

/** Some way plays, and its picture is seen. @param {string} mode @returns {Promise<{element: any, ws: any, runs: (ms: number) => Promise<void>, stands: (ms: number) => Promise<void>}>} */
async function shown(mode, {session = SESSION, src = `api/ws?src=still-${mode}`} = {}) {
    const element = make({mode});
    element.src = src;
    const ws = FakeSocket.last;
    if (mode === 'webrtc') await playing(element, session);
    else {
        ws.open();
        await settle();
        if (session) ws.receive('session', session);
        ws.receive(mode, mode === 'mse' ? 'video/mp4; codecs="avc1.640029"' : undefined);
    }
    let frames = 1;
    element.video.getVideoPlaybackQuality = () => ({totalVideoFrames: frames});
    element.video.readyState = 4;
    const picture = async () => {
        if (mode === 'mjpeg' || mode === 'mp4') ws.receiveBytes(new Uint8Array([0xFF, 0xD8]).buffer);
        else frames++;
        await settle();
    };
    await picture();
    if (mode === 'mse') frame(element);
    assert.equal(element.phase, 'live', mode);
    return {element, ws, async runs(ms) {
        for (let i = 0; i < ms; i += 100) {
            await picture();
            tick(100);
        }
    }, async stands(ms) {
        for (let i = 0; i < ms; i += 100) {
            tick(100);
            await settle();
        }
    }};
}

const hellos = ws => ws.types().filter(type => type === 'hello').length;

test('a picture that stands still is said to, whatever carries it, and is live with the next one', async () => {
    for (const mode of ['webrtc', 'mse', 'mjpeg', 'mp4']) {
        const {element, ws, runs, stands} = await shown(mode);
        await runs(3000);
        await stands(1900);
        assert.equal(element.phase, 'live', mode);
        await stands(1200);
        assert.equal(element.phase, 'buffering', mode);
        assert.match(lastState(element).reason, /stands still/);
        assert.deepEqual([part(element, 'status').textContent, part(element, 'panel').hidden], ['The picture stands still, waiting for the next one…', false]);
        await runs(1000);
        assert.deepEqual([element.phase, part(element, 'panel').hidden], ['live', true], mode);
        await stands(60_000);
        assert.deepEqual([element.phase, FakeSocket.last], ['buffering', ws], `${mode}: a server that answers is not dialled again`);
        assert.equal(part(element, 'status').textContent, 'The server answers, but it has no new picture from the camera.');
        const asked = hellos(ws);
        assert.ok(asked > 2 && asked < 8, `${mode}: asked ${asked} times`);
        await runs(1000);
        assert.equal(element.phase, 'live', mode);
        assert.deepEqual(states(element).slice(-4), ['live', 'buffering', 'buffering', 'live']);
        await remove(element);
    }
});

test('a server that does not answer while the picture stands still is dialled anew', async () => {
    for (const mode of ['mse', 'mjpeg']) {
        const {element, ws, runs, stands} = await shown(mode);
        await runs(3000);
        ws.deaf = true;
        await stands(9900);
        assert.deepEqual([element.phase, hellos(ws)], ['buffering', 1]);
        await stands(1300);
        assert.deepEqual([element.phase, hellos(ws)], ['buffering', 2]);
        await stands(5000);
        assert.ok(element.seen.some(([type, detail]) => type === 'state' && detail.state === 'retrying' && detail.reason === 'The server does not answer.'));
        await stands(1000);
        assert.notEqual(FakeSocket.last, ws);
        await remove(element);
    }
});

test('back in the network, or told that the server is there, it is asked at once', async () => {
    for (const hurry of [element => element.retry(), () => dispatchEvent(new Event('online'))]) {
        const {element, ws, runs, stands} = await shown('mse');
        await runs(3000);
        await stands(3100);
        assert.deepEqual([element.phase, hellos(ws)], ['buffering', 1]);
        hurry(element);
        await settle();
        assert.equal(hellos(ws), 2);
        await remove(element);
    }
});

test('a server without hello: its socket is only known by a new one, WebRTC by itself', async () => {
    for (const [mode, ok] of [['mse', true], ['webrtc', true], ['mse', false], ['webrtc', false]]) {
        fetched.ok = ok;
        const {element, ws, runs, stands} = await shown(mode, {session: null});
        await runs(3000);
        await stands(12_000);
        fetched.ok = false;
        const reason = element.seen.findLast(([type, detail]) => type === 'state' && detail.state === 'retrying')?.[1].reason;
        assert.equal(reason, ok && mode === 'webrtc' ? undefined : ok ? 'The picture did not come back.' : 'The server does not answer.', `${mode} ${ok}`);
        assert.equal(FakeSocket.last === ws, !reason);
        await remove(element);
    }
});

test('a request that a cut line never answers is given up, and the server dialled anew', async () => {
    const {fetch} = globalThis, {timeout} = AbortSignal, limits = [];
    globalThis.fetch = (_url, {signal}) => new Promise((_, fail) => signal?.addEventListener('abort', () => fail(signal.reason)));
    AbortSignal.timeout = ms => {
        const stop = new AbortController();
        limits.push(ms);
        setTimeout(() => stop.abort(), ms);
        return stop.signal;
    };
    const {element, runs, stands} = await shown('webrtc', {session: null});
    await runs(3000);
    await stands(11_000);
    assert.deepEqual([element.phase, limits], ['buffering', [5000]]);
    await stands(5000);
    assert.ok(element.seen.some(([type, detail]) => type === 'state' && detail.state === 'retrying' && detail.reason === 'The server does not answer.'));
    await remove(element);
    Object.assign(globalThis, {fetch});
    Object.assign(AbortSignal, {timeout});
});

test('media that is there and is not shown: it begins anew', async () => {
    const {element, runs, stands} = await shown('mse');
    await runs(3000);
    element.video.buffered = {length: 1, end: () => element.video.currentTime + 3};
    await stands(11_000);
    assert.ok(element.seen.some(([, detail]) => detail.reason === 'The picture did not come back.'));
});

test('hidden, paused, or let go by the server: nothing is said of it and nobody is asked', async () => {
    const {element, ws, runs, stands} = await shown('mse');
    await runs(3000);
    element.video.paused = true;
    await stands(30_000);
    assert.equal(element.phase, 'live');
    element.video.paused = false;
    await runs(1000);
    ws.receive('state', {state: 'parked', reason: 'contended'});
    await stands(60_000);
    assert.deepEqual([element.phase, hellos(ws)], ['parked', 1]);
    assert.equal(states(element).includes('buffering'), false);
    const other = await shown('mjpeg');
    await other.runs(3000);
    await other.stands(3100);
    assert.equal(other.element.phase, 'buffering');
    see(false);
    assert.equal(other.element.phase, 'parked');
    await other.stands(60_000);
    assert.equal(hellos(other.ws), 1);
    see(true);
});

test('one picture every five seconds is no picture that stands still, from the first on', async () => {
    for (const mode of ['mse', 'mjpeg']) {
        const {element, runs, stands} = await shown(mode);
        // What the server has kept comes at once.
        await runs(300);
        for (let i = 0; i < 20; i++) {
            await stands(4900);
            await runs(100);
        }
        assert.deepEqual(states(element).filter(state => state === 'buffering'), [], mode);
        await stands(21_000);
        assert.equal(element.phase, 'buffering', mode);
        await remove(element);
    }
});

test('no first picture: what was kept in mind is left, a pin is dialled again if the server is gone', async () => {
    const {keepWay, keptWay} = await import('../../ui/player/ways.js'), element = make({mode: ALL});
    keepWay(element.wsURL, 'mse');
    MediaSource.prototype.addEventListener = (_type, go) => queueMicrotask(go);
    assert.equal(await opened(), 'mse');
    FakeSocket.last.receive('mse', MSE);
    await seconds(19);
    assert.equal(element.phase, 'connecting');
    await seconds(2);
    assert.equal(keptWay(element.wsURL), '');
    assert.equal((await opened()).split(',').length, 2, 'both');
    await remove(element);
    for (const deaf of [false, true]) {
        const pin = make({mode: 'mse', pinned: 'mse'});
        assert.equal(await opened(), 'mse');
        const ws = FakeSocket.last;
        ws.receive('mse', MSE);
        ws.deaf = deaf;
        await seconds(60);
        assert.equal(FakeSocket.last === ws, !deaf);
        await remove(pin);
    }
    // WebRTC has answered, and nothing comes of it, also if nobody looked meanwhile.
    const aside = element => {
        element.park();
        element.retry();
    };
    for (const [deaf, looks] of [[false, () => {}], [true, () => {}], [true, aside]]) {
        const pin = make({pinned: 'webrtc'}), ws = await answered();
        FakePeer.last.become('connected');
        looks(pin);
        ws.deaf = deaf;
        await seconds(19);
        assert.deepEqual([pin.phase, hellos(ws)], ['connecting', 1]);
        await seconds(8);
        assert.equal(FakeSocket.last === ws, !deaf);
        assert.equal(hellos(ws), 2);
        await remove(pin);
    }
    const kept = make({mode: ALL});
    keepWay(kept.wsURL, 'webrtc');
    await answered();
    FakePeer.last.become('connected');
    await seconds(21);
    assert.equal(keptWay(kept.wsURL), '');
    await remove(kept);
    const blind = make({mode: 'mse', pinned: 'mse'});
    blind.src = 'api/ws?src=still-mse';
    assert.equal(await opened(), 'mse');
    FakeSocket.last.receive('mse', MSE);
    // It has played before, so it is not the codec.
    blind.video.buffered = {length: 1, end: () => 3};
    await seconds(21);
    assert.ok(blind.seen.some(([, detail]) => detail.reason === 'The picture did not come.'));
    delete MediaSource.prototype.addEventListener;
});

test('a browser that refuses to play even muted: a button says so, nothing is tried in a loop, and pressing it plays', async () => {
    for (const [mode, muted] of [['mse', false], ['mse', true], ['webrtc', false]]) {
        const element = make({mode});
        Object.assign(element.video, {refuse: 'NotAllowedError', refusesMuted: true, muted});
        const ws = FakeSocket.last;
        if (mode === 'webrtc') await playing(element);
        else {
            await opened();
            ws.receive('mse', MSE);
        }
        await settle();
        assert.equal(element.phase, 'parked', mode);
        assert.equal(part(element, 'status').textContent, 'This browser plays nothing by itself, perhaps to save power.');
        assert.deepEqual([part(element, 'act').textContent, part(element, 'act').hidden], ['Play', false]);
        assert.equal(element.video.muted, muted, 'the press may bring the sound');
        assert.equal(ws.types().at(-1), 'park', 'the camera is not held for nobody');
        ws.receive('state', {state: 'parked', reason: 'hidden'});
        const {plays} = element.video;
        await seconds(120);
        see(false);
        see(true);
        await settle();
        assert.deepEqual([element.video.plays, FakeSocket.last, element.phase, part(element, 'act').textContent], [plays, ws, 'parked', 'Play']);
        element.video.refuse = '';
        part(element, 'act').click();
        assert.ok(element.video.plays > plays, 'within the press');
        assert.equal(ws.types().at(-1), 'resume');
        ws.receive('state', {state: 'alive'});
        element.video.readyState = 4;
        frame(element);
        await settle();
        assert.deepEqual([element.phase, part(element, 'panel').hidden, element.video.muted], ['live', true, muted]);
        await remove(element);
    }
});

test('hidden before the first picture, and let go: seen again, that picture is waited for', async () => {
    const element = make({mode: 'mse'});
    await opened();
    const ws = FakeSocket.last;
    ws.receive('mse', MSE);
    see(false);
    ws.receive('state', {state: 'parked', reason: 'hidden'});
    see(true);
    ws.receive('state', {state: 'alive'});
    element.video.readyState = 4;
    frame(element);
    assert.equal(element.phase, 'live');
});

test('hidden or put aside before the playlist of HLS has come: the server cannot pause it, so it is closed after the time', async () => {
    for (const leave of [() => see(false), element => element.park()]) {
        const element = make({mode: 'hls'});
        assert.equal(await opened(), 'hls');
        const ws = FakeSocket.last;
        leave(element);
        assert.deepEqual([element.phase, ws.types().at(-1)], ['parked', 'hls']);
        ws.receive('hls', '#EXTM3U');
        tick(4999);
        assert.equal(element.ws, ws);
        tick(1);
        assert.deepEqual([element.ws, element.phase, ws.readyState], [null, 'parked', WebSocket.CLOSING]);
        await remove(element);
        see(true);
    }
});

test('still pictures are not asked for while something is before them', async () => {
    // The player asks for it when it needs it.
    await import('../../ui/player/stills.js');
    const element = make({mode: 'mse'}), images = [];
    element.prepend = image => images.push(image);
    await opened();
    FakeSocket.last.receive('error', 'mse: codecs not matched: video:H265 => H264');
    await new Promise(resolve => setImmediate(resolve));
    assert.equal(element.phase, 'failed');
    const [image] = images, asked = () => Number(/still=(\d+)/.exec(image.src)[1]), cover = detail => element.dispatchEvent(new CustomEvent('cover', {detail}));
    image.dispatchEvent(new Event('load'));
    tick(5000);
    assert.equal(asked(), 1);
    image.dispatchEvent(new Event('load'));
    cover(true);
    tick(60_000);
    assert.equal(asked(), 1);
    cover(false);
    tick(5000);
    assert.equal(asked(), 2);
    assert.equal(element.phase, 'failed');
    // Somebody has mended it: they are not before the picture.
    let gone = false;
    image.remove = () => gone = true;
    element.retry();
    assert.deepEqual([element.phase, gone], ['dialling', true]);
    image.dispatchEvent(new Event('load'));
    tick(60_000);
    assert.equal(asked(), 2);
});

test('still pictures take the place of the picture that was kept', async () => {
    await import('../../ui/player/stills.js');
    const element = make({mode: 'mse'}), images = [];
    element.prepend = image => images.push(image);
    element.keep({width: 16, height: 9});
    assert.equal(part(element, 'last').hidden, false);
    await opened();
    FakeSocket.last.receive('error', 'mse: codecs not matched: video:H265 => H264');
    await new Promise(resolve => setImmediate(resolve));
    assert.equal(part(element, 'last').hidden, false);
    images[0].dispatchEvent(new Event('load'));
    assert.equal(part(element, 'last').hidden, true);
});

test('still pictures that come when somebody tries again already are not shown', async () => {
    const element = make({mode: 'mse'}), images = [];
    element.prepend = image => images.push(image);
    await opened();
    FakeSocket.last.receive('error', 'mse: codecs not matched: video:H265 => H264');
    assert.equal(element.phase, 'failed');
    tick(10);
    element.retry();
    await new Promise(resolve => setImmediate(resolve));
    assert.deepEqual([element.phase, images.length], ['dialling', 0]);
});

test('figures once a second while somebody listens', async () => {
    const element = make(), told = [], listen = ev => told.push(ev.detail);
    await playing(element);
    FakePeer.last.stats = new Map([['a', {type: 'inbound-rtp', kind: 'video', bytesReceived: 1000}]]);
    await seconds(3);
    element.addEventListener('stats', listen);
    await import('../../ui/lib/stats.js');
    for (let i = 0; i < 3; i++) {
        tick(1000);
        await new Promise(resolve => setImmediate(resolve));
    }
    assert.deepEqual([told.length, told[2].size], [3, '640x360']);
    document.hidden = true;
    await seconds(3);
    document.hidden = false;
    assert.equal(told.length, 3);
    element.removeEventListener('stats', listen);
    await seconds(3);
    assert.ok(told.length <= 4);
});

test('where both race MSE goes first: WebRTC begins with its picture, when that takes longer, and after a pause', async () => {
    for (const how of ['picture', 'late', 'pause', 'alone']) {
        const peers = FakePeer.all.length, element = make({mode: how === 'alone' ? 'webrtc' : 'webrtc,mse'}), ws = FakeSocket.last;
        ws.open();
        await settle();
        ws.receive('session', SESSION);
        assert.equal(FakePeer.all.length - peers, how === 'alone' ? 1 : 0);
        if (how !== 'alone') ws.receive('mse', 'video/mp4; codecs="avc1.640029"');
        if (how === 'picture') {
            frame(element);
            tick(0);
        } else if (how === 'pause') {
            see(false);
            await settle();
            tick(10_000);
            assert.equal(FakePeer.all.length - peers, 0, 'nobody sees it');
            see(true);
            tick(150);
        } else {
            tick(149);
            assert.equal(FakePeer.all.length - peers, how === 'alone' ? 1 : 0);
            tick(1);
        }
        assert.equal(FakePeer.all.length - peers, 1, how);
        tick(10_000);
        assert.equal(FakePeer.all.length - peers, 1, 'once');
        await remove(element);
    }
});

test('WebRTC that has not begun three seconds after the first picture does so no more', async () => {
    const peers = FakePeer.all.length, element = make({mode: 'webrtc,mse'}), ws = FakeSocket.last;
    ws.open();
    await settle();
    see(false);
    // Of a hidden page no frame is told: this is the first picture.
    ws.receive('mse', 'video/mp4; codecs="avc1.640029"');
    tick(3500);
    see(true);
    frame(element);
    tick(150);
    assert.equal(FakePeer.all.length, peers);
    assert.equal(element.ws, ws);
    await remove(element);
});

test('what ends before WebRTC has begun begins it no more', async () => {
    const peers = FakePeer.all.length, element = make({mode: 'webrtc,mse'});
    FakeSocket.last.open();
    await settle();
    await remove(element);
    tick(10_000);
    assert.equal(FakePeer.all.length, peers);
});
