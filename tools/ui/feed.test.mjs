/** The connection for events: given back by a page that nobody sees. */
import assert from 'node:assert/strict';
import {beforeEach, mock, test} from 'node:test';
import './no-page.mjs';

globalThis.window = globalThis;
class Source extends EventTarget {
    static all = [];
    static get open() {
        return Source.all.filter(source => !source.closed).length;
    }
    closed = false;
    constructor() {
        super();
        Source.all.push(this);
    }
    close() {
        this.closed = true;
    }
}
globalThis.EventSource = Source;
const {call, Feed} = await import('../../ui/lib/server.js'), {admin} = await import('../../ui/lib/prefs.js');

let window;
beforeEach(() => {
    mock.timers.reset();
    mock.timers.enable({apis: ['setTimeout', 'Date'], now: 1_000_000});
    window = new EventTarget();
    globalThis.addEventListener = window.addEventListener.bind(window);
    globalThis.document = Object.assign(new EventTarget(), {hidden: false});
    Source.all.length = 0;
});
const see = seen => {
    document.hidden = !seen;
    document.dispatchEvent(new Event('visibilitychange'));
};

test('a tab that is opened behind others gives its connection back, and has one when it is seen', () => {
    document.hidden = true;
    new Feed('streams');
    mock.timers.tick(5000);
    assert.equal(Source.open, 0);
    see(true);
    assert.equal(Source.open, 1);
});

test('who listens until it goes hears nothing afterwards', () => {
    const feed = new Feed('streams'), over = new AbortController(), heard = [];
    feed.on(['talk_started', 'talk_ended'], (detail, name) => heard.push([name, detail]), over);
    const say = name => feed.dispatchEvent(new CustomEvent(name, {detail: 1}));
    say('talk_started');
    over.abort();
    say('talk_ended');
    assert.deepEqual(heard, [['talk_started', 1]]);
});

test('the network comes back: a page that nobody sees stays without a connection', () => {
    new Feed('streams');
    see(false);
    Source.all[0].dispatchEvent(new Event('error'));
    window.dispatchEvent(new Event('online'));
    assert.equal(Source.open, 1, 'it was seen a moment ago');
    Source.all[1].dispatchEvent(new Event('error'));
    mock.timers.tick(5000);
    window.dispatchEvent(new Event('online'));
    mock.timers.tick(60_000);
    assert.equal(Source.open, 0);
    see(true);
    assert.equal(Source.open, 1);
});

test('an attempt that takes long is not ended by those who ask for one, until it takes too long', () => {
    const feed = new Feed('streams');
    say(Source.all[0], 'hello', {boot: 'a'});
    Source.all[0].dispatchEvent(new Event('error'));
    feed.now();
    assert.equal(Source.all.length, 2);
    mock.timers.tick(9999);
    feed.now();
    assert.deepEqual([Source.all.length, Source.all[1].closed], [2, false]);
    // Another network.
    window.dispatchEvent(new Event('online'));
    assert.deepEqual([Source.all.length, Source.all[1].closed], [3, true]);
    mock.timers.tick(10_000);
    feed.now();
    assert.deepEqual([Source.all.length, Source.all[2].closed], [4, true]);
    say(Source.all[3], 'hello', {boot: 'a'});
    assert.equal(feed.state, 'live');
});

test('a server that may know no events is asked for them once until it has said what it is', async () => {
    let answer = /** @type {(value: any) => void} */ (() => {});
    globalThis.fetch = () => new Promise(resolve => answer = resolve);
    for (const [info, more, state] of [[{version: '1.9.14'}, 0, 'absent'], [{rs2rtc: {}}, 1, 'lost']]) {
        Source.all.length = 0;
        const feed = new Feed('streams');
        Source.all[0].dispatchEvent(new Event('error'));
        mock.timers.tick(60_000);
        assert.equal(Source.all.length, 1);
        answer(new Response(JSON.stringify(info)));
        await new Promise(resolve => feed.addEventListener('state', resolve, {once: true}));
        mock.timers.tick(1200);
        assert.deepEqual([feed.state, Source.all.length], [state, 1 + more]);
    }
});

test('what was asked for with the page answers the first question, or none', async () => {
    const before = async () => new Response('as of the beginning'), now = async () => new Response('as of now');
    globalThis.fetch = now;
    globalThis.early = {path: 'api/streams', response: before()};
    assert.equal(await (await call('GET', 'api/streams')).text(), 'as of the beginning');
    assert.equal(await (await call('GET', 'api/streams')).text(), 'as of now');
    // Whoever has signed in sees more; what was asked for is old by the time that somebody signs out.
    globalThis.early = {path: 'api/streams', response: before()};
    admin('key');
    assert.equal(await (await call('GET', 'api/streams')).text(), 'as of now');
    admin('');
    assert.equal(await (await call('GET', 'api/streams')).text(), 'as of now');
});

test('a page out of the cache of the browser connects if it is seen', () => {
    new Feed('streams');
    window.dispatchEvent(new Event('pagehide'));
    assert.equal(Source.open, 0);
    document.hidden = true;
    window.dispatchEvent(Object.assign(new Event('pageshow'), {persisted: true}));
    mock.timers.tick(5000);
    assert.equal(Source.open, 0);
    see(true);
    assert.equal(Source.open, 1);
});

/** @param {Source} source @param {string} name @param {object} [data] */
const say = (source, name, data = {}) => source.dispatchEvent(Object.assign(new Event(name), {data: JSON.stringify(data), lastEventId: '7'}));
const age = feed => Date.now() - feed.heard;
/** How it was over time. @param {InstanceType<typeof Feed>} feed */
function states(feed) {
    const seen = [];
    feed.addEventListener('state', () => seen.push(feed.state));
    return seen;
}

test('a server that has pinged and is silent is not there any more: told, and connected anew', () => {
    const feed = new Feed('streams'), seen = states(feed);
    say(Source.all[0], 'hello', {boot: 'a'});
    mock.timers.tick(600_000);
    assert.deepEqual([seen, Source.all.length], [['live'], 1], 'one that does not ping may be silent');
    say(Source.all[0], 'ping');
    for (let i = 0; i < 4; i++) {
        mock.timers.tick(30_000);
        say(Source.all[0], i % 2 ? 'ping' : 'viewer_left');
    }
    mock.timers.tick(34_999);
    assert.deepEqual(seen, ['live']);
    mock.timers.tick(1);
    assert.deepEqual([seen, Source.all[0].closed, age(feed)], [['live', 'lost'], true, 35_000]);
    mock.timers.tick(1200);
    assert.equal(Source.all.length, 2);
    // This one does not get through at all.
    mock.timers.tick(35_000);
    assert.equal(Source.all[1].closed, true);
    mock.timers.tick(2400);
    assert.equal(Source.all.length, 3);
    say(Source.all[2], 'hello', {boot: 'a'});
    assert.equal(feed.state, 'live');
    mock.timers.tick(35_000);
    assert.equal(feed.state, 'lost', 'it pings, as is known from before');
    mock.timers.tick(1200);
    // Another program in its place may not ping.
    say(Source.all[3], 'hello', {boot: 'b'});
    mock.timers.tick(600_000);
    assert.deepEqual([feed.state, Source.all.length], ['live', 4]);
});

test('a page that has given its connection back hears no silence', () => {
    const feed = new Feed('streams');
    say(Source.all[0], 'hello', {boot: 'a'});
    say(Source.all[0], 'ping');
    see(false);
    mock.timers.tick(600_000);
    assert.deepEqual([feed.state, Source.all.length], ['live', 1]);
    see(true);
    Source.all[1].dispatchEvent(new Event('error'));
    assert.deepEqual([feed.state, age(feed)], ['lost', 600_000], 'it knew nothing meanwhile');
});

test('how old the data is: as of the end of a connection, a ping, or the last load', async () => {
    const feed = new Feed('streams');
    say(Source.all[0], 'hello', {boot: 'a'});
    mock.timers.tick(3_600_000);
    assert.equal(age(feed), 3_600_000);
    Source.all[0].dispatchEvent(new Event('error'));
    assert.deepEqual([feed.state, age(feed)], ['lost', 0], 'nothing has happened in the hour before it');
    mock.timers.tick(1200);
    Source.all[1].dispatchEvent(new Event('error'));
    assert.equal(age(feed), 1200, 'one that is not made tells nothing');
    globalThis.fetch = async () => new Response('{}');
    await call('GET', 'api/streams');
    assert.equal(age(feed), 0);
    mock.timers.tick(1000);
    await call('POST', 'api/restart');
    globalThis.fetch = async () => new Response('away', {status: 500});
    await call('GET', 'api/streams').catch(() => {});
    assert.equal(age(feed), 1000);
    mock.timers.tick(2400);
    say(Source.all[2], 'hello', {boot: 'a'});
    mock.timers.tick(9000);
    say(Source.all[2], 'ping');
    assert.equal(age(feed), 0);
});
