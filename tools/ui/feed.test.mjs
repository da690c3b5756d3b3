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
mock.timers.enable({apis: ['setTimeout']});
const {Feed} = await import('../../ui/lib/server.js');

let window;
beforeEach(() => {
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
