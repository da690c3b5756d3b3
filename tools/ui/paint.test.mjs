/**
 * What the browser does until the grid is on the screen: few requests, nothing that moves afterwards, and no camera is opened. How soon it is
 * there is measured by `bench-pages.mjs`.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {CHROMIUM, without} from './browser.mjs';
import {BINARY} from './rs2rtc.mjs';
import {paints} from './scenes.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
/** How much the page may move (Layout Instability API). */
const SHIFT = 0.02;

test('the grid comes in one go, stays where it is and opens no camera', {skip}, async () => {
    for (const {requests, shift, opened} of await paints({visits: 2})) {
        console.log(`${requests.length} requests until the grid is there, moved by ${shift.toFixed(4)}`);
        assert.ok(shift <= SHIFT, `it moved by ${shift}`);
        assert.equal(requests.filter(path => /rs-player|vendor/.test(path)).length, 0, `the player comes with the first picture: ${requests}`);
        assert.equal(opened, 0, 'no camera was opened');
    }
});
