import assert from 'node:assert/strict';
import {test} from 'node:test';
import './no-page.mjs';
import {explainError, explainPath, mediaPort, pathText, portIn} from '../../ui/reasons.js';
import {orderOf} from '../../ui/lib/i18n.js';
import {codecsOf, describe, hasLoudspeaker} from '../../ui/lib/streams.js';
import player from '../../ui/i18n/player-zh.js';
import {translate, useWords} from '../../ui/player/words.js';
import {summary} from './play.mjs';

const URL_OF = name => `ws://host/api/ws?src=${encodeURIComponent(name)}`;

test('errors in words, with the server\'s own behind them', () => {
    for (const [value, start] of [
        ['webrtc/offer: rtsp: wrong user/pass', 'The camera refuses the user name'],
        ['webrtc/offer: hub1 is in use by stream door (1 viewer)', 'Another viewer has the camera.'],
        ['mse: rtsp: 401 Unauthorized', 'The camera refuses the user name'],
        ['webrtc/offer: dial tcp 192.168.1.64:554: connection refused', 'The camera refuses the connection'],
        ['webrtc/offer: no route to host', 'There is no way to the camera'],
        ['webrtc/offer: rtsp: timed out', 'The camera does not answer.'],
        ['webrtc/offer: rtsp: DESCRIBE: 404 Not Found', 'The camera has no such stream.'],
        ['webrtc/offer: streams: exec: program not found: nothing: install it or fix the path', 'The server does not find the program that the source runs.'],
        ['mse: streams: codecs not matched: video:H265 => H264', 'The camera sends H.265'],
        ['mse: streams: codecs not matched: video:H264, audio:OPUS => video:JPEG', 'The stream has no format'],
        ['mjpeg: not available in this version, use webrtc', 'The server cannot play it this way.'],
    ]) {
        const text = explainError(value, URL_OF('cam'));
        assert.ok(text.startsWith(start), `${value} became ${text}`);
        assert.ok(text.endsWith(value.slice(value.indexOf(': ') + 2)), text);
    }
    assert.equal(explainError('webrtc/offer: stream not found', URL_OF('<b>"&\'')), 'There is no stream named "<b>"&\'".');
    assert.equal(explainError('webrtc/offer: something odd', URL_OF('cam')), 'something odd');
    assert.equal(explainError('', 'no address'), 'The server gives no reason.');
});

const CANDIDATE = {address: '172.17.0.2', port: 8555, protocol: 'udp', type: 'host'};
const HIDDEN = {address: 'abc.local', port: 5000, protocol: 'udp', type: 'host'};
const REPORT = {local: [HIDDEN], remote: [CANDIDATE], pairs: [], found: false, lost: false};

test('a line is searched for something in it up to a length that takes no time', () => {
    useWords(player);
    const told = 'There is no stream named "a".';
    assert.equal(translate(`Server: ${'x'.repeat(992)}\n${told}`), `服务器：${'x'.repeat(992)}\n没有名为“a”的视频流。`);
    // What a camera says comes in any length; the second one begins like a pattern in as many ways as it can.
    for (const length of [993, 100_000]) {
        for (const start of ['Server: ', ': '.repeat(length / 4) + ' sent, '.repeat(length / 14)]) {
            const line = start.padEnd(length + 8, ' sent, ');
            assert.equal(translate(`${line}\n${told}`), `${line}\n没有名为“a”的视频流。`);
        }
    }
    useWords({});
});

test('names in the order of people', () => {
    for (const names of [['Cam 1', 'cam 2', 'cam 10', 'door'], ['cam', 'cam2', 'cam2b', 'cam10'], ['1', '2', '10'], ['cam 2', 'cam 10', 'Küche', '大门'], ['x1'.repeat(250), 'x2'.repeat(250)]]) {
        for (const mixed of [names, [...names].reverse(), [...names.slice(2), ...names.slice(0, 2)]]) assert.deepEqual([...mixed].sort(orderOf(names)), names);
    }
    const both = ['cam2', 'cam02'];
    assert.deepEqual([...both].sort(orderOf(both)), [...both].reverse().sort(orderOf(both)), 'two that read the same keep their order');
    assert.equal(orderOf(['a'])('a', 'a'), 0);
});

test('a name in another script changes nothing about the order of the others', () => {
    const told = ['door2', 'Cam3', 'cam_a', 'cam10', 'cam-b', 'cam2', 'cam1'];
    // Every name of four of these, and some of more.
    const parts = [' ', '_', '-', '1', '02', 'a', 'A', 'b'], made = parts.flatMap(a => parts.flatMap(b => parts.flatMap(c => parts.map(d => a + b + c + d))));
    for (const names of [told, made, ['cam 1 a', 'cam 1 B', 'Cam 01 a', 'cam 1', 'cam', 'cama', 'cam_1', 'x.1', 'x'], ['n'.padEnd(40, '9'), 'n1', `n${'9'.repeat(20)}`]]) {
        assert.deepEqual([...names].sort(orderOf(names)), [...names].sort(orderOf([...names, '车库 🚗'])));
        assert.deepEqual([...names].reverse().sort(orderOf(names)), [...names].sort(orderOf(names)));
    }
    assert.deepEqual([...told].sort(orderOf(told)), ['cam_a', 'cam-b', 'cam1', 'cam2', 'Cam3', 'cam10', 'door2']);
});

test('network paths in words', () => {
    assert.match(explainPath(REPORT), /none of its addresses answers[\s\S]*172\.17\.0\.2:8555 udp[\s\S]*UDP only/);
    assert.match(explainPath({...REPORT, remote: []}), /offers no address/);
    assert.match(explainPath({...REPORT, local: []}), /This browser offers no network address/);
    assert.match(explainPath({...REPORT, found: true}), /encrypted connection failed/);
    const pair = {local: HIDDEN, remote: {...CANDIDATE, address: 'fd00::1'}, state: 'failed', sent: 7, answered: 0};
    assert.match(pathText({...REPORT, pairs: [pair]}), /hidden address → \[fd00::1\]:8555 udp: 7 sent, no answer$/);
    assert.match(pathText({...REPORT, pairs: Array(10).fill(pair)}), /and 2 more$/);
});

test('the port of the media is the one that the server offers', () => {
    const tcp = {...CANDIDATE, protocol: 'tcp', port: 9555}, calling = {...tcp, port: 9};
    assert.equal(mediaPort({...REPORT, remote: [calling, tcp, {...CANDIDATE, port: 18_555}]}), 18_555);
    assert.equal(mediaPort({...REPORT, remote: [calling, tcp]}), 9555);
    assert.equal(mediaPort({...REPORT, remote: [calling]}), 0);
    const said = 'no network path: no check arrived; our candidates: ', theirs = '; the viewer\'s: udp abc.local:5000';
    assert.deepEqual(['udp 172.17.0.2:8555, tcp 172.17.0.2:8556', 'udp [fd00::5]:8555', 'none'].map(ours => portIn(said + ours + theirs)), [8555, 8555, 0]);
});

test('the state of a stream', () => {
    const idle = {url: 'rtsp://192.168.1.64/x'};
    const live = {id: 5, format_name: 'rtsp', receivers: [{codec: {codec_name: 'h264'}}, {codec: {codec_name: 'aac'}}]};
    assert.deepEqual(describe({producers: [idle], consumers: null}), {state: 'idle', viewers: 0});
    assert.deepEqual(
        describe({producers: [idle, live], consumers: [{format_name: 'webrtc'}, {format_name: 'preload'}]}),
        {state: 'live', viewers: 1},
    );
    assert.equal(describe({producers: [idle], consumers: [{format_name: 'webrtc'}]}).state, 'starting');
    assert.equal(describe({producers: [{...idle, error: 'refused'}], consumers: null}).state, 'failed');
    assert.equal(describe({producers: null, consumers: null}).state, 'idle');
    assert.deepEqual(codecsOf({producers: [{receivers: [{codec: {codec_name: 'opus', codec_type: 'audio'}}, {codec: {codec_name: 'hevc', codec_type: 'video'}}]}], consumers: null}), ['H265', 'Opus']);
});

test('who talks is no viewer, and where it can be heard', () => {
    const talker = {format_name: 'webrtc/whep', remote_addr: '192.168.1.23:5004 host', receivers: [{}]}, viewer = {format_name: 'webrtc', senders: [{}]};
    const both = {format_name: 'webrtc', remote_addr: '[fd00::7]:1 host', senders: [{}], receivers: [{}]};
    const stream = {producers: [{id: 1, format_name: 'rtsp', medias: ['video, recvonly, H264', 'audio, sendonly, PCMA/8000']}], consumers: [talker, viewer, both]};
    assert.equal(describe(stream).viewers, 2);
    assert.ok(hasLoudspeaker(stream));
    // Nobody has talked yet: a program that plays sound is not running.
    assert.ok(hasLoudspeaker({producers: [{url: 'exec:aplay -#backchannel=1#audio=alaw/8000'}], consumers: null}));
    assert.ok(!hasLoudspeaker({producers: [{url: 'rtsp://h/x#backchannel=0', medias: ['audio, recvonly, PCMA/8000']}], consumers: null}));
});

test('readings of the strip in numbers', () => {
    const reading = (frame, delay) => ({frame, unixMs: 1000, at: 1000 + delay, delay});
    const result = summary([reading(5, 40), reading(6, 50), reading(6, 60), reading(9, 20), reading(8, 30)], 2);
    assert.deepEqual(
        [result.read, result.damaged, result.advanced, result.repeated, result.backward, result.missing], [5, 2, 3, 1, 1, 2]);
    assert.deepEqual(result.delay, {min: 20, median: 40, p95: 60, max: 60});
});
