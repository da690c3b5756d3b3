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
