/**
 * Layouts of the grid, and streams that are one camera in two qualities.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {chooseQuality, fromQuery, keepPin, moved, NARROW, pairs, pinOf, query, recall, remember, valid} from '../../ui/lib/prefs.js';

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
