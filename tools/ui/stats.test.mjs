/** Figures of a player from what the browser counts. */
import assert from 'node:assert/strict';
import {mock, test} from 'node:test';
import {Stats} from '../../ui/lib/stats.js';

test('the time between keyframes: once two are behind, better with each, none where the browser does not count them', async () => {
    for (const counts of [true, false]) {
        let now = 0;
        mock.method(performance, 'now', () => now);
        const video = {type: 'inbound-rtp', kind: 'video', framesDecoded: 0, ...counts && {keyFramesDecoded: 0}}, stats = new Stats(), seen = [];
        let frames = 0;
        const player = {
            video: {getVideoPlaybackQuality: () => ({totalVideoFrames: frames, droppedVideoFrames: 0}), buffered: {length: 0}},
            pc: {connectionState: 'connected', getStats: async () => new Map([['v', video]])},
        };
        // 20 pictures a second, every 50th a keyframe; looked at a little late or early.
        for (let i = 0; i <= 60; i++) {
            now = i * 1000 + (i % 3) * 40;
            frames = Math.floor(now / 50);
            video.framesDecoded = frames;
            if (counts) video.keyFramesDecoded = 1 + Math.floor(frames / 50);
            seen.push((await stats.read(player)).key);
        }
        mock.restoreAll();
        if (!counts) {
            assert.deepEqual(seen.filter(key => key !== undefined), []);
            continue;
        }
        assert.deepEqual(seen.slice(0, 7), Array(7).fill(undefined), 'two are not behind');
        assert.ok(Math.abs((seen.at(-1) ?? 0) - 2500) < 150, `${seen.at(-1)}`);
        stats.reset();
        assert.equal((await stats.read(player)).key, undefined, 'another connection begins anew');
    }
});
