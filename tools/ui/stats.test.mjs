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

test('how far behind it is: by WebRTC what waits in the browser and half of the round trip, by MSE what is buffered', async () => {
    const video = {type: 'inbound-rtp', kind: 'video', bytesReceived: 1, jitterBufferDelay: 0, jitterBufferEmittedCount: 0}, stats = new Stats();
    const pair = {currentRoundTripTime: 0.02}, report = new Map([['v', video], ['t', {type: 'transport', selectedCandidatePairId: 'p'}], ['p', pair]]);
    const player = {video: {buffered: {length: 0}}, pc: {connectionState: 'connected', getStats: async () => report}};
    assert.equal((await stats.read(player)).delay, undefined, 'nothing has come');
    Object.assign(video, {jitterBufferDelay: 2, jitterBufferEmittedCount: 20});
    const {buffer, delay} = await stats.read(player);
    assert.deepEqual([buffer, delay], [100, 110]);
    const played = await new Stats().read({video: {buffered: {length: 1, end: () => 10}, currentTime: 9.75}});
    assert.equal(played.delay, 250);
});
