import assert from 'node:assert/strict';
import {beforeEach, test} from 'node:test';
import {FakeStorage, install} from './fake-dom.mjs';

install();
let loads = 0;

/** Loads the page: its module anew, over a storage and with listeners of its own. */
async function load(storage, href = 'http://cam.local/stream.html?src=a') {
    const events = new EventTarget();
    globalThis.sessionStorage = storage;
    globalThis.location = {href};
    globalThis.addEventListener = events.addEventListener.bind(events);
    const module = await import(`../../ui/player/identity.js?load=${++loads}`);
    const fire = (type, persisted = false) => {
        globalThis.sessionStorage = storage;
        events.dispatchEvent(Object.assign(new Event(type), {persisted}));
    };
    return {...module, leave: persisted => fire('pagehide', persisted), show: persisted => fire('pageshow', persisted)};
}

function copy(storage) {
    const other = new FakeStorage();
    other.items = new Map(storage.items);
    return other;
}

/** @type {FakeStorage} */
let storage;
beforeEach(() => { storage = new FakeStorage(); });

test('a reload has the same identities in the same order', async () => {
    const before = await load(storage);
    const cids = [before.takeIdentity(), before.takeIdentity()];
    assert.notEqual(cids[0], cids[1]);
    before.leave();
    const after = await load(storage);
    assert.deepEqual([after.takeIdentity(), after.takeIdentity()], cids);
    assert.ok(!cids.includes(after.takeIdentity()), 'a third one is new');
});

test('a duplicated tab is a stranger', async () => {
    const page = await load(storage);
    const cid = page.takeIdentity();
    const twin = await load(copy(storage));
    assert.notEqual(twin.takeIdentity(), cid);
    page.leave();
    assert.equal((await load(storage)).takeIdentity(), cid);
});

test('a duplicate of a page that came back from the cache is a stranger too', async () => {
    const page = await load(storage);
    const cid = page.takeIdentity();
    page.leave(true);
    page.show(true);
    assert.notEqual((await load(copy(storage))).takeIdentity(), cid);
});

test('another address, and another frame of the tab, have their own', async () => {
    const page = await load(storage);
    const cid = page.takeIdentity();
    page.leave();
    assert.notEqual((await load(storage, 'http://cam.local/stream.html?src=b')).takeIdentity(), cid);
    const first = await load(storage), second = await load(storage);
    const cids = [first.takeIdentity(), second.takeIdentity()];
    assert.equal(cids[0], cid);
    assert.notEqual(cids[1], cid);
    first.leave();
    second.leave();
    const again = await load(storage);
    assert.deepEqual([again.takeIdentity(), again.takeIdentity()], cids);
});

test('what is left with the page is used for its next player', async () => {
    const page = await load(storage);
    const cid = page.takeIdentity();
    page.returnIdentity(cid);
    assert.equal(page.takeIdentity(), cid);
});

test('without storage, or with something else in it', async () => {
    const refusing = {getItem() { throw new Error('SecurityError'); }, setItem() { throw new Error(); }, removeItem() { throw new Error(); }};
    const page = await load(refusing);
    assert.match(page.takeIdentity(), /^[0-9a-f]{32}$/);
    page.leave();
    storage.setItem('rs2rtc.cid http://cam.local/stream.html?src=a', '{"x":["<b>"]}');
    assert.match((await load(storage)).takeIdentity(), /^[0-9a-f]{32}$/);
});
