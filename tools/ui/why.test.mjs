/** The sentences about how a camera is played, from the server's verdicts and without them. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import './no-page.mjs';

const {left, why} = await import('../../ui/pages/why.js');

const able = {webrtc: true, h265: {webrtc: false, mse: true}}, video = {mode: 'webrtc', kind: 'video', codec: 'h264', verdict: 'chosen'}, audio = {mode: 'webrtc', kind: 'audio', codec: 'opus', verdict: 'chosen'};
/** @param {object} known */
const said = known => why(/** @type {any} */ ({phase: 'live', mode: 'auto', played: 'webrtc', way: 'WebRTC/UDP', firstMs: 0, candidates: [], figures: {size: '1920x1080'}, refused: {}, able, tracks: [], kept: '', ...known}));

test('what plays, and from which tracks', () => {
    assert.equal(said({candidates: [video, audio], firstMs: 120}), 'H264 1920x1080 over WebRTC/UDP. Sound: Opus. First picture after 120 ms.');
    assert.equal(said({candidates: [{...video, from: 'hevc'}, {...audio, from: 'aac'}]}), 'H264 (made from H265) 1920x1080 over WebRTC/UDP. Sound: Opus, made from AAC.');
    // Another way that runs too is not what plays.
    assert.equal(said({played: 'mse', way: 'MSE', candidates: [video, audio, {mode: 'mse', kind: 'video', codec: 'hevc', verdict: 'chosen'}]}), 'H265 1920x1080 over MSE.');
    assert.equal(said({played: 'mjpeg', way: 'MJPEG', candidates: [audio, {mode: 'mjpeg', kind: 'video', codec: 'mjpeg', verdict: 'chosen'}]}), 'MJPEG 1920x1080 over MJPEG. Sound: Opus.');
    assert.equal(said({played: 'mjpeg', way: 'MJPEG', candidates: [{mode: 'mjpeg', kind: 'video', codec: 'mjpeg', from: 'h264', verdict: 'chosen'}, {mode: 'mjpeg', kind: 'audio', codec: 'opus', verdict: 'codec_unsupported'}]}), 'MJPEG (made from H264) 1920x1080 over MJPEG. Motion JPEG has no sound.');
    assert.equal(said({candidates: [{...video, from: 'hevc'}, {...video, codec: 'hevc', verdict: 'codec_unsupported'}]}), 'H264 (made from H265) 1920x1080 over WebRTC/UDP. H265 not used: this browser has no H265 for WebRTC.');
    // What plays one way and could not go the other.
    assert.equal(said({played: 'mse', way: 'MSE', candidates: [{...video, mode: 'mse'}, {...audio, mode: 'mse', codec: 'aac'}, {...audio, codec: 'aac', verdict: 'codec_unsupported'}]}), 'H264 1920x1080 over MSE. Sound: AAC. Over WebRTC there would be no AAC.');
    assert.equal(said({played: 'mse', way: 'MSE', figures: {}, candidates: [{...audio, mode: 'mse', codec: 'aac'}]}), 'Sound alone over MSE. Sound: AAC.');
    assert.equal(said({kept: 'webrtc', candidates: [video]}), 'H264 1920x1080 over WebRTC/UDP. MSE stood still here: WebRTC is taken first for a day.');
    assert.equal(said({candidates: [video, {...video, verdict: 'bframes'}]}), 'H264 1920x1080 over WebRTC/UDP. The camera reorders its pictures (B-frames): over WebRTC they may stutter, over MSE they do not.');
});

test('each verdict has its sentence, one for all of the same', () => {
    const tell = (/** @type {object[]} */ ...verdicts) => said({candidates: [video, ...verdicts]}).replace('H264 1920x1080 over WebRTC/UDP. ', '');
    for (const [verdicts, text] of /** @type {[object[], string][]} */ ([
        [[{mode: 'webrtc', kind: 'video', codec: 'hevc', verdict: 'codec_unsupported'}], 'H265 not used: this browser has no H265 for WebRTC.'],
        [[{mode: 'webrtc', kind: 'video', codec: 'hevc', verdict: 'codec_unsupported'}, {mode: 'mse', kind: 'video', codec: 'hevc', verdict: 'codec_unsupported'}], 'H265 not used: this browser has no H265 for WebRTC, MSE.'],
        [[{mode: 'webrtc', kind: 'audio', codec: 'pcm_alaw', verdict: 'other_chosen'}], 'PCMA not used: another track was chosen.'],
        [[{mode: 'webrtc', kind: 'audio', verdict: 'no_track'}, {mode: 'mse', kind: 'audio', verdict: 'no_track'}], 'The camera sends no sound.'],
        [[{mode: 'mse', verdict: 'slower'}, {mode: 'hls', verdict: 'slower'}], 'MSE, HLS not used: slower.'],
        [[{mode: 'mse', verdict: 'network'}], 'MSE: no network path to the server.'],
        [[{mode: 'hls', verdict: 'off'}], 'HLS: off in the configuration.'],
        [[{mode: 'mse', verdict: 'failed', text: 'no place\nmore'}], 'MSE did not work: no place.'],
        [['mse', 'mjpeg'].map(mode => ({mode, verdict: 'failed', text: 'streams: codecs not matched: video:H265 => video:JPEG'})), 'MSE, MJPEG did not work: The camera sends H.265, which this browser does not take this way.'],
        [[{mode: 'mse', verdict: 'of a newer server'}], 'H264 1920x1080 over WebRTC/UDP.'],
    ])) assert.equal(tell(...verdicts), text);
    assert.equal(said({mode: 'webrtc', candidates: [video, {mode: 'mse', verdict: 'pinned'}, {mode: 'hls', verdict: 'pinned'}]}), 'H264 1920x1080 over WebRTC/UDP. WebRTC is pinned; not asked for: MSE, HLS.');
    assert.equal(said({played: 'mse', way: 'MSE', candidates: [{mode: 'mse', kind: 'video', codec: 'h264', verdict: 'chosen'}, {mode: 'webrtc', verdict: 'network'}]}), 'H264 1920x1080 over MSE. WebRTC: no network path to the server.');
});

test('while it waits, and where it does not play', () => {
    assert.equal(said({phase: 'connecting', played: '', candidates: [{mode: 'mse', verdict: 'slower'}]}), 'Waiting for the first picture.');
    assert.equal(said({phase: 'failed', played: '', candidates: [{mode: 'webrtc', kind: 'video', codec: 'hevc', verdict: 'codec_unsupported'}]}), 'Nothing plays; the reason is on the picture. H265 not used: this browser has no H265 for WebRTC.');
    assert.equal(said({phase: '', played: ''}), 'Stopped. The camera is let go.');
});

test('what has become of the camera of what is paused', () => {
    const told = (/** @type {object} */ known, /** @type {object} */ entry = {}) => left(/** @type {any} */ ({off: true, listed: false, released: null, policy: {linger_ms: 0, hidden_linger_ms: 5000}, entry: {viewers: 0, state: 'live', ...entry}, ...known}));
    assert.equal(told({released: 38}), 'Stopped. The camera was let go in 38 ms.');
    assert.equal(told({}, {viewers: 1}), 'Stopped. Others still watch, so the camera stays on.');
    // This page is one of them as long as it holds the camera.
    assert.equal(told({off: false}, {viewers: 1}), 'Paused. The camera is held for 5 s.');
    assert.equal(told({off: false}, {viewers: 2}), 'Stopped. Others still watch, so the camera stays on.');
    // So long the list counts it too when it has just let go.
    assert.equal(told({listed: true}, {viewers: 1, state: 'idle'}), 'Stopped. The camera is let go.');
    assert.equal(told({listed: true}, {viewers: 2}), 'Stopped. Others still watch, so the camera stays on.');
    assert.equal(told({policy: {linger_ms: 2000, hidden_linger_ms: 2000}}, {state: 'lingering'}), 'Paused. The camera is held for 2 s.');
    assert.equal(told({policy: {warm: true, linger_ms: 0, hidden_linger_ms: 0}}), 'Stopped. The camera is kept warm.');
    assert.equal(told({policy: null, entry: undefined}), 'Stopped. The camera is let go.');
    assert.equal(told({off: false, policy: null}), 'Paused.');
    assert.equal(said({phase: 'parked', left: 'Paused.'}), 'Paused.');
});

test('a server that gives no verdicts: from what is known here', () => {
    const known = {candidates: null, figures: {codec: 'H264', audio: 'opus', size: '640x360'}, tracks: [{codec_type: 'video', codec_name: 'hevc'}, {codec_type: 'audio', codec_name: 'aac'}], refused: {mse: 'not now'}};
    assert.equal(said(known), 'H264 640x360 over WebRTC/UDP. Sound: Opus, made from AAC. This browser has no H265 for WebRTC. MSE did not work: not now');
});
