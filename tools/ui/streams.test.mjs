/** What pages know of the streams: from the list and from what the server tells, with a server and a feed that are made up. */
import assert from 'node:assert/strict';
import {beforeEach, mock, test} from 'node:test';
import './no-page.mjs';

globalThis.window = globalThis;
globalThis.document = Object.assign(new EventTarget(), {hidden: false, documentElement: {dataset: {}}});
mock.timers.enable({apis: ['setTimeout', 'setInterval', 'Date'], now: 1_000_000});
/** What the server answers, by path; `null`: not found. @type {Record<string, any>} */
let answers = {};
/** @type {string[]} */
let asked = [];
globalThis.fetch = async path => {
    asked.push(String(path));
    const answer = answers[String(path)] ?? null;
    return new Response(JSON.stringify(answer), {status: answer === null ? 404 : 200, headers: {date: new Date(Date.now() + (answers.clock ?? 0)).toUTCString()}});
};
const {Streams} = await import('../../ui/lib/streams.js');

class FakeFeed extends EventTarget {
    /** @type {any} */
    state = 'connecting';
    boot = '';
    now() {}
    on(names, callback) {
        for (const name of names) this.addEventListener(name, ev => callback(ev.detail, name));
    }
    emit(name, detail = {}) {
        this.dispatchEvent(new CustomEvent(name, {detail}));
    }
    enter(state) {
        this.state = state;
        this.dispatchEvent(new Event('state'));
    }
}
const settle = async () => {
    for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve));
};
/** Time passes, and what it begins is done. @param {number} ms */
const pass = async ms => {
    mock.timers.tick(ms);
    await settle();
};
const running = bytes_recv => ({producers: [{id: 1, format_name: 'rtsp', bytes_recv}], consumers: [{id: 2, format_name: 'webrtc'}]});

/** @type {FakeFeed} */
let feed;
/** @type {InstanceType<typeof Streams>} */
let streams;
const begin = async list => {
    answers['api/streams'] = list;
    feed = new FakeFeed();
    streams = new Streams(/** @type {any} */ (feed));
    await settle();
};
beforeEach(() => {
    mock.timers.reset();
    mock.timers.enable({apis: ['setTimeout', 'setInterval', 'Date'], now: 1_000_000});
    answers = {};
    asked = [];
});
const look = async list => {
    answers['api/streams'] = list;
    await streams.load();
};

test('a rate begins anew with each connection of a source, and with each stream of a name', async () => {
    await begin({a: running(0)});
    await pass(2000);
    await look({a: running(250_000)});
    const {bitsIn} = streams.all.get('a');
    assert.equal(bitsIn, 1_000_000);
    feed.emit('source_opened', {stream: 'a'});
    assert.equal(streams.all.get('a').bitsIn, 0);
    // It is soon asked for: the bytes of the other connection are no baseline.
    answers['api/streams'] = {a: running(8_000_000)};
    await pass(1000);
    assert.equal(streams.all.get('a').bitsIn, 0);
    await pass(2000);
    await look({a: running(8_250_000)});
    assert.equal(streams.all.get('a').bitsIn, 1_000_000);
    await look({});
    await pass(1000);
    await look({a: running(9_000_000)});
    assert.equal(streams.all.get('a').bitsIn, 0, 'another stream of that name');
});

test('a stream that is another one now is not told by the failure of the one before', async () => {
    const idle = {producers: [{url: 'rtsp://a'}], consumers: null};
    await begin({a: idle, b: idle});
    for (const stream of ['a', 'b']) feed.emit('source_failed', {stream, source: 'rtsp://a', error: 'wrong user/pass', kind: 'auth', retry_ms: null});
    feed.emit('streams_changed', {stream: 'a'});
    feed.emit('streams_changed', {stream: 'unheard of'});
    await pass(1000);
    const told = () => ['a', 'b'].map(name => [streams.all.get(name).state, streams.all.get(name).error, streams.all.get(name).kind].join());
    assert.deepEqual(told(), ['idle,,', 'failed,wrong user/pass,auth']);
    // It fails as well.
    feed.emit('streams_changed', {stream: 'a'});
    answers['api/streams'] = {a: {producers: [{url: 'rtsp://c', error: 'timed out', error_kind: 'unreachable'}], consumers: null}, b: idle};
    await pass(1000);
    assert.equal(told()[0], 'failed,timed out,unreachable');
});

test('since when a stream is live is what the server knows, and its last release; asked once, and again when a source opens', async () => {
    const {stateText} = await import('../../ui/lib/streams.js'), says = () => stateText(streams.all.get('a'));
    const times = () => asked.filter(path => path === 'api/rs/streams').length;
    await begin({a: running(0), b: {producers: null, consumers: null}});
    await pass(600_000);
    assert.equal(says(), 'Live', 'nothing is told that is not known');
    assert.equal(times(), 0);
    // The clock of the server is two hours behind.
    answers.clock = -7_200_000;
    answers['api/rs/streams'] = {streams: {a: {since: Date.now() - 7_200_000 - 727_000, released_at: null, release_ms: null}, b: {since: null, released_at: 5, release_ms: 38.2}, gone: {since: 1, released_at: null, release_ms: null}}};
    feed.enter('live');
    await settle();
    await pass(1000);
    assert.match(says(), /^Live 00:12:0[789]$/);
    assert.deepEqual([streams.all.get('b').released, streams.all.get('a').released, streams.all.has('gone')], [38.2, null, false]);
    await pass(60_000);
    assert.equal(times(), 1, 'it is not polled');
    feed.emit('source_failed', {stream: 'a', error: 'away', kind: 'unreachable', retry_ms: null, at: 1});
    await look({a: running(0)});
    assert.equal(says(), 'Live');
    answers['api/rs/streams'] = {streams: {a: {since: Date.now() - 7_200_000, released_at: 1, release_ms: 5}}};
    feed.emit('source_opened', {stream: 'a'});
    assert.match(says(), /^Live 1 s$/);
    await pass(2000);
    assert.match(says(), /^Live [23] s$/);
    assert.deepEqual([times(), streams.all.get('a').released], [2, 5]);
    feed.emit('source_released', {stream: 'a', release_ms: 7});
    assert.equal(streams.all.get('a').released, 7);
});

test('a server that knows no times is asked once for them', async () => {
    await begin({a: running(0)});
    feed.enter('live');
    await settle();
    await pass(1000);
    feed.emit('source_opened', {stream: 'a'});
    await pass(1000);
    assert.equal(asked.filter(path => path === 'api/rs/streams').length, 1);
    feed.emit('restarted');
    await pass(1000);
    assert.equal(asked.filter(path => path === 'api/rs/streams').length, 2, 'another one may know');
});

test('a go2rtc is not asked for times', async () => {
    await begin({a: running(0)});
    feed.enter('absent');
    await pass(10_000);
    assert.equal(asked.filter(path => path.startsWith('api/rs')).length, 0);
});
