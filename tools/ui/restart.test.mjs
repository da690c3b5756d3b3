/**
 * The server dies and is started again: the page says so, and its pictures come back by themselves, without waiting for the time of their own
 * next attempt, every time. How many milliseconds that takes is measured by `bench-pages.mjs`.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {CHROMIUM, without} from './browser.mjs';
import {BINARY} from './rs2rtc.mjs';
import {restarts} from './scenes.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');

test('a server that dies is told, and the tiles play as soon as the page hears of the next one', {skip}, async () => {
    // After five attempts in vain the next one may be eight seconds away.
    for (const {story, listening} of await restarts({rounds: 2, tries: 5})) {
        const told = JSON.stringify(story), again = story.findIndex(([who, what]) => who === 'page' && what === 'restarted');
        assert.deepEqual(story.filter(([who]) => who === 'page').map(([, what]) => what), ['not', 'restarted'], told);
        assert.ok(again > story.findIndex(([who, what]) => who === 'page' && what === 'not'), told);
        for (const name of ['door', 'yard']) {
            const [before, after] = [story.slice(0, again), story.slice(again)].map(part => part.filter(([who]) => who === name)), last = before.at(-1);
            assert.notEqual(last?.[1], 'retrying', `${name} tries again when the page has heard: ${told}`);
            // An attempt from before there was a server is in vain.
            const inVain = last?.[1] === 'dialling' && last[2] <= listening ? 1 : 0;
            assert.ok(after.filter(([, what]) => what === 'retrying').length <= inVain, `${name} needs one attempt: ${told}`);
            assert.equal([...before, ...after].at(-1)?.[1], 'live', told);
        }
    }
});
