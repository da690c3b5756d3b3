/**
 * Layouts of the grid, and streams that are one camera in two qualities.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {chooseQuality, forgetLayout, fromQuery, keepLayout, keepPin, keepWish, layouts, moved, NARROW, pairs, pinOf, query, recall, remember, valid, wishOf} from '../../ui/lib/prefs.js';

test('a layout survives as an address', () => {
    const layout = {name: '', src: ['a b', '<x>&', '门'], cols: 3, big: '<x>&'};
    assert.deepEqual(fromQuery(new URLSearchParams(query(layout))), layout);
    assert.equal(query({name: '', src: [], cols: 0, big: ''}), '');
    assert.equal(fromQuery(new URLSearchParams('cols=99')).cols, 6);
    assert.equal(fromQuery(new URLSearchParams('cols=-1')).cols, 0);
    assert.equal(fromQuery(new URLSearchParams('cols=x')).cols, 0);
});

test('words stay words, and nothing is no choice', () => {
    for (const text of ['007', 'null', 'true', '{}']) {
        remember('word', text);
        assert.equal(recall('word', ''), text);
    }
    remember('word', 'null');
    assert.deepEqual([recall('word', {}), recall('word', [1]), recall('other', 7)], [{}, [1], 7]);
});

test('few pins are kept, and none with a password', () => {
    for (let i = 0; i < 120; i++) keepPin(`c${i}`, 'mse');
    keepPin('rtsp://user:secret@cam/1', 'mse');
    keepPin('c50', '');
    const kept = recall('modes', []);
    assert.deepEqual([kept.length, pinOf('c19', 'auto'), pinOf('c119', 'auto'), pinOf('c50', 'auto'), pinOf('rtsp://user:secret@cam/1', 'auto')], [99, 'auto', 'mse', 'auto', 'auto']);
    assert.doesNotMatch(JSON.stringify(kept), /secret/);
    for (const bad of ['7', '[7, null, [1]]', '{"a": 1}']) {
        remember('modes', bad);
        assert.equal(pinOf('a', 'auto'), 'auto');
    }
});

test('what another tab has kept is there, and stays', t => {
    const kept = new Map(), storage = {full: false, getItem: name => kept.get(name) ?? null, removeItem: name => kept.delete(name), setItem(name, text) {
        if (storage.full) throw new Error('full');
        kept.set(name, text);
    }};
    Object.defineProperty(globalThis, 'localStorage', {value: storage, configurable: true});
    t.after(() => {
        delete globalThis.localStorage;
    });
    // From before.
    for (const name of ['modes', 'layouts', 'quality']) remember(name, null);
    const layout = name => ({name, src: [name], cols: 0, big: ''}), names = () => layouts().map(one => one.name).join();
    keepLayout(layout('mine'));
    kept.set('rs.layouts', JSON.stringify([layout('mine'), layout('yours')]));
    keepLayout(layout('next'));
    assert.equal(names(), 'mine,next,yours');
    kept.set('rs.modes', '[["a", "mse"]]');
    keepPin('b', 'webrtc');
    assert.deepEqual([pinOf('a', ''), pinOf('b', '')], ['mse', 'webrtc']);
    keepWish('door', 'low');
    kept.set('rs.quality', '{"door": "low", "yard": "high"}');
    keepWish('door', 'high');
    assert.deepEqual([wishOf('door'), wishOf('yard')], ['high', 'high']);
    // Where there is no place any more, it holds for this page.
    storage.full = true;
    keepLayout(layout('unkept'));
    assert.equal(names(), 'mine,next,unkept,yours');
    storage.full = false;
    forgetLayout('unkept');
    assert.deepEqual([names(), JSON.parse(kept.get('rs.layouts')).length], ['mine,next,yours', 3]);
});

test('few qualities are kept, those that were chosen last, and none with a password', () => {
    for (let i = 0; i < 250; i++) keepWish(`c${i}`, i % 2 ? 'high' : 'low');
    keepWish('rtsp://user:secret@cam/1', 'low');
    keepWish('c60', 'auto');
    keepWish('__proto__', 'low');
    assert.deepEqual(['c49', 'c51', 'c60', 'c249', '__proto__', 'toString', 'rtsp://user:secret@cam/1'].map(wishOf), ['auto', 'high', 'auto', 'high', 'low', 'auto', 'auto']);
    assert.equal(Object.keys(recall('quality', {})).length, 200);
    for (const bad of ['7', '["low"]', '{"c1": "best"}', 'x']) {
        remember('quality', bad);
        assert.equal(wishOf('c1'), 'auto');
    }
    for (const name of ['a', 'b']) keepWish(name, 'low');
    for (const name of ['a', 'b']) keepWish(name, 'auto');
    assert.equal(recall('quality', null), null);
});

test('what another version kept is not trusted', () => {
    for (const bad of [null, 5, {}, {name: 'x'}, {name: 'x', src: 'a'}, {name: 'x', src: [1]}, {src: []}]) assert.equal(valid(bad), null);
    assert.deepEqual(valid({name: 'x', src: ['a'], cols: '2.5', big: 7}), {name: 'x', src: ['a'], cols: 2, big: ''});
});

test('names move within their list and not out of it', () => {
    const names = ['a', 'b', 'c'];
    assert.deepEqual(moved(names, 'a', 1), ['b', 'a', 'c']);
    assert.deepEqual(moved(names, 'c', -2), ['c', 'a', 'b']);
    assert.deepEqual(moved(names, 'c', 5), names);
    assert.deepEqual(moved(names, 'x', 1), names);
});

test('streams of one camera are found by their names, others are left alone', () => {
    const found = pairs(['door', 'door_sub', 'yard-main', 'yard-sub', 'sub', 'submarine', 'hall_low', 'hall_high', 'alone_sub', 'gate.SD', 'gate', 'x_sub', 'x_low', 'x']);
    assert.deepEqual([...found], [['door', 'door_sub'], ['yard-main', 'yard-sub'], ['hall_high', 'hall_low'], ['gate', 'gate.SD'], ['x', 'x_sub']]);
});

test('a small tile plays the lesser stream unless somebody wants the other', () => {
    assert.equal(chooseQuality('door', 'door_sub', 'auto', NARROW - 1), 'door_sub');
    assert.equal(chooseQuality('door', 'door_sub', 'auto', NARROW), 'door');
    assert.equal(chooseQuality('door', 'door_sub', 'high', 100), 'door');
    assert.equal(chooseQuality('door', 'door_sub', 'low', 2000), 'door_sub');
    assert.equal(chooseQuality('door', undefined, 'low', 100), 'door');
});
