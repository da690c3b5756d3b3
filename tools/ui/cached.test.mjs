/**
 * The back/forward cache of the browser: a page that is left is kept by the browser and has let go of its camera meanwhile; when the visitor
 * comes back the last picture is there until a new one is, and there is one session, every time. How soon that is, is measured by `bench-pages.mjs`.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {CHROMIUM, without} from './browser.mjs';
import {BINARY} from './rs2rtc.mjs';
import {returns} from './scenes.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');

test('back: the page is out of the cache, with its last picture, a new one and one session', {skip}, async () => {
    for (const {persisted, old} of await returns({visits: 2})) assert.deepEqual({persisted, old}, {persisted: true, old: true});
});
