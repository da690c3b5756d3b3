/** Loads that never run side by side and miss nothing. */
import assert from 'node:assert/strict';
import {mock, test} from 'node:test';
import './no-page.mjs';
import {Gatherer} from '../../ui/lib/server.js';

mock.timers.enable({apis: ['setTimeout']});

test('what happens during a load is seen by another one after it, and only by one', async () => {
    const ends = [], gatherer = new Gatherer(() => new Promise(resolve => ends.push(resolve)), 250);
    const settle = () => new Promise(resolve => setImmediate(resolve));
    const done = gatherer.now();
    gatherer.look();
    gatherer.soon();
    gatherer.soon();
    mock.timers.tick(250);
    gatherer.now();
    assert.equal(ends.length, 1, 'never two at the same time');
    ends[0]();
    await settle();
    assert.equal(ends.length, 2);
    assert.equal(gatherer.busy, true);
    gatherer.look();
    ends[1]();
    await done;
    mock.timers.tick(10_000);
    await settle();
    assert.equal(ends.length, 2, 'to look is no reason to load again');
    assert.equal(gatherer.busy, false);
});
