/** Every MP4 that the server gives, as a foreign parser reads it (`boxes.mjs`). */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {without, withoutFfmpeg} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const PARSER = new URL('node_modules/mp4box/package.json', import.meta.url);
const skip = without(PARSER, 'mp4box') || without(BINARY, 'release binary') || withoutFfmpeg();
const {check} = skip ? {} : await import('./boxes.mjs');

/** Everything that browsers say they play. */
const ALL = 'avc1.640029,hvc1.1.6.L153.B0,av01.0.08M.08,mp4a.40.2,flac,opus';
/** Streams with what is in them: sample entries as a parser names them. */
const STREAMS = {
    avc: ['avc1', 'mp4a'], hevc: ['hvc1', 'Opus'], av1: ['av01', 'mp4a'], demo: ['avc1', 'Opus'], pcmu: ['avc1', 'fLaC'],
};
const server = /** @type {Awaited<ReturnType<typeof rs2rtc>>} */ ({});

before(async () => {
    if (skip) return;
    const corpus = fileURLToPath(new URL('../../fuzz/corpus/container', import.meta.url));
    // As long as somebody looks, again and again.
    const play = (/** @type {string} */ file, /** @type {string} */ form) => `exec:ffmpeg -v error -re -stream_loop -1 -i ${corpus}/${file} -c copy ${form} -`;
    const fragments = '-movflags frag_every_frame+empty_moov+default_base_moof -f mp4';
    Object.assign(server, await rs2rtc(`ffmpeg: {bin: ffmpeg}
streams:
  avc: {url: "${play('h264_aac.ts', '-f mpegts')}", clip: 5s}
  hevc: "${play('hevc_opus.ts', '-f mpegts')}"
  av1: "${play('av1_mp3.mp4', fragments)}"
  demo: {url: "demo:?width=320&height=240", clip: 5s}
  pcmu: "demo:?width=320&height=240&audio=pcmu"
`));
});
after(() => server.stop?.());

/** @param {string} path */
async function fetched(path) {
    // Not over a connection that the server has closed while something was checked here.
    const answer = await fetch(server.url + path, {headers: {connection: 'close'}, signal: AbortSignal.timeout(30_000)});
    assert.equal(answer.status, 200, path);
    return new Uint8Array(await answer.arrayBuffer());
}

/**
 * What is fetched of each stream, side by side: it is mostly waiting. It is checked when all is there, as that takes the processor.
 * @param {(name: keyof typeof STREAMS) => Promise<() => void>} one
 * @param {string[]} [names]
 */
async function each(one, names = Object.keys(STREAMS)) {
    const checks = await Promise.all(names.map(name => one(/** @type {keyof typeof STREAMS} */ (name))));
    for (const check of checks) check();
}

/** @typedef {ReturnType<typeof import('./boxes.mjs').check>} Tracks */

/**
 * The codecs that were announced are those of the configuration boxes.
 * @param {Tracks} tracks @param {string} announced
 */
function announcedAs(tracks, announced) {
    const names = announced.split(',');
    assert.equal(names.length, tracks.length, announced);
    for (const [index, name] of names.entries()) {
        const {codec, entry} = tracks[index];
        const [announcedEntry] = name.split('.'), [is] = codec.split('.');
        assert.equal(announcedEntry.toLowerCase(), is.toLowerCase(), `${name} is ${codec}`);
        const bytes = (/** @type {string} */ text) => Buffer.from(text.split('.')[1], 'hex');
        if (is === 'avc1') {
            // The profile is that of the stream; whoever plays a higher level plays this one.
            assert.equal(bytes(name)[0], bytes(codec)[0], `${name} is ${codec}`);
            assert.ok(bytes(name)[2] >= bytes(codec)[2], `${name} is ${codec}`);
        } else if (is === 'hvc1') {
            // One name for all: Main at a level that nothing is above.
            const level = (/** @type {string} */ text) => Number(/\.[LH](\d+)/.exec(text)?.[1]);
            assert.equal(name.split('.')[1], codec.split('.')[1], `${name} is ${codec}`);
            assert.ok(level(name) >= level(codec), `${name} is ${codec}`);
        } else if (name.includes('.')) {
            assert.equal(name.toLowerCase(), codec.toLowerCase());
        } else {
            assert.ok(entry);
        }
    }
}

test('stream.mp4, with a length', {skip}, () => each(async name => {
    const bytes = await fetched(`api/stream.mp4?src=${name}&mp4=all&duration=2`);
    return () => {
        const tracks = check(bytes, {fragments: 10});
        assert.deepEqual(tracks.map(track => track.entry.type), STREAMS[name]);
        for (const {codec, samples, timescale} of tracks) {
            const last = samples[samples.length - 1];
            const seconds = (last.dts + last.duration) / timescale;
            assert.ok(seconds > 0.2 && seconds < 6, `${name}: ${codec} lasts ${seconds}`);
        }
        // B-frames are shown later than they are decoded; no first picture is.
        const [{samples, lead}] = tracks;
        assert.equal(samples.some(sample => sample.cts > sample.dts), name === 'avc' || name === 'hevc', name);
        assert.equal(samples[0].cts, lead, name);
    };
}));

test('what is wrong is found', {skip}, async () => {
    const bytes = await fetched('api/stream.mp4?src=demo&mp4=all&duration=1');
    const places = (/** @type {string} */ type) => [...Buffer.from(bytes).toString('latin1').matchAll(new RegExp(type, 'g'))].map(match => match.index);
    const [first, second] = places('moof');
    /** @type {[string, number, number, RegExp][]} a box, a byte from its name on, what is added to it, and what is said then */
    const changes = [
        ['tfdt', 15, 1, /8\.8\.12|begins at zero/], ['trun', 15, 1, /data_offset/], ['tfhd', 11, 5, /./], ['tfhd', 15, 1, /8\.8\.12/], ['tfhd', 19, 1, /mdat|unit/],
        ['mdat', -1, 1, /box|unit|8\.8\.4/], ['trex', 11, 1, /one trex/], ['mfhd', 11, 200, /8\.8\.5/], ['vmhd', 0, 1, /Unknown box/],
        ['tkhd', 19, 1, /./], ['stsd', -1, 255, /BoxParser|4\.2/],
    ];
    for (const [type, behind, add, what] of changes) {
        const wrong = Uint8Array.from(bytes);
        wrong[places(type)[0] + behind] += add;
        assert.throws(() => check(wrong), what, `${type} ${behind}`);
    }
    // A fragment is missing; a byte is left over.
    assert.throws(() => check(Buffer.concat([bytes.subarray(0, first - 4), bytes.subarray(second - 4)])), /begins at zero|8\.8\.12|first picture/);
    assert.throws(() => check(Buffer.concat([bytes, Buffer.from([0])])));
    check(bytes);
});

test('a rotated and stretched stream.mp4 says so', {skip}, async () => {
    const [plain, turned, wide] = await Promise.all(['', '&rotate=90', '&scale=4:3'].map(async more => (
        check(await fetched(`api/stream.mp4?src=demo&duration=1${more}`))[0]
    )));
    const matrix = (/** @type {Tracks[0]} */ track) => [...track.box.tkhd.matrix].slice(0, 5).filter((_, index) => index !== 2);
    assert.deepEqual(matrix(plain), [65536, 0, 0, 65536]);
    assert.deepEqual(matrix(turned), [0, 65536, -65536, 0]);
    const shape = wide.entry.boxes.find((/** @type {any} */ box) => box.type === 'pasp');
    assert.deepEqual([shape.hSpacing, shape.vSpacing], [4, 3]);
    assert.ok(!plain.entry.boxes.some((/** @type {any} */ box) => box.type === 'pasp'));
});

test('frame.mp4 is one keyframe', {skip}, () => each(async name => {
    const bytes = await fetched(`api/frame.mp4?src=${name}`);
    return () => {
        const [track, ...others] = check(bytes);
        assert.deepEqual([track.entry.type, track.samples.length, others.length], [STREAMS[name][0], 1, 0], name);
        assert.ok(track.samples[0].is_sync);
    };
    // It gives H.264 and H.265.
}, Object.keys(STREAMS).filter(name => name !== 'av1')));

test('clip.mp4 with what was and what comes', {skip}, () => each(async name => {
    const bytes = await fetched(`api/rs/clip.mp4?src=${name}&before=2s&after=1s`);
    return () => {
        const tracks = check(bytes, {fragments: 5});
        assert.equal(tracks[0].entry.type, 'avc1');
        assert.ok(tracks.every(track => track.samples.length > 1), name);
    };
}, ['avc', 'demo']));

test('MSE over the WebSocket', {skip}, async () => {
    const {default: WebSocket} = await import('ws');
    await each(async name => {
        const socket = new WebSocket(`${server.url.replace('http', 'ws')}api/ws?src=${name}`);
        const signal = AbortSignal.timeout(30_000);
        try {
            /** @type {{type: string, value: string}} */
            let answer = {type: '', value: ''};
            /** @type {Uint8Array[]} */
            const pieces = [];
            await new Promise((done, fail) => {
                signal.onabort = () => fail(new Error(`${name}: ${pieces.length} pieces in time`));
                socket.on('error', fail);
                socket.on('close', (code, why) => fail(new Error(`${name}: closed with ${code} ${why}`)));
                socket.on('open', () => socket.send(JSON.stringify({type: 'mse', value: ALL})));
                socket.on('message', (data, isBinary) => {
                    if (!isBinary) answer = JSON.parse(String(data));
                    else pieces.push(new Uint8Array(/** @type {Buffer} */ (data)));
                    if (pieces.length > 30) done(undefined);
                });
            });
            return () => {
                assert.equal(answer.type, 'mse', `${name}: ${answer.value}`);
                // A picture or a piece of sound each, and none that is cut.
                const [init, ...fragments] = pieces;
                for (const fragment of fragments) {
                    const [{id, samples: [first]}] = check(Buffer.concat([init, fragment]), {begins: false}).filter(track => track.samples.length), view = new DataView(fragment.buffer, fragment.byteOffset);
                    // Where the player reads what it may leave out (video-rtc.js).
                    assert.deepEqual([view.getUint32(44), view.getUint32(56)], [id, first.is_sync ? 0x2000000 : 0x1010000], name);
                }
                const tracks = check(Buffer.concat(pieces), {fragments: 30});
                // MP3 is not asked for.
                const expected = name === 'av1' ? ['av01'] : STREAMS[name];
                assert.deepEqual(tracks.map(track => track.entry.type), expected);
                announcedAs(tracks, /codecs="(.*)"/.exec(answer.value)?.[1] ?? '');
            };
        } finally {
            socket.removeAllListeners();
            socket.on('error', () => {});
            socket.terminate();
        }
    });
});

/**
 * What a playlist lists, in order, and what to ask for to hear of the next one as soon as it is there.
 * @param {string} list @param {boolean} low parts instead of segments
 */
function listed(list, low) {
    let number = Number(/MEDIA-SEQUENCE:(\d+)/.exec(list)?.[1] ?? 0), part = 0, map = '', isNew = false;
    /** @type {{uri: string, map: string, isNew: boolean}[]} */
    const pieces = [];
    const add = (/** @type {string} */ uri) => {
        pieces.push({uri, map, isNew});
        isNew = false;
    };
    for (const line of list.split('\n')) {
        map = /^#EXT-X-MAP:URI="(.*)"/.exec(line)?.[1] ?? map;
        isNew ||= line === '#EXT-X-DISCONTINUITY';
        const uri = /^#EXT-X-PART:.*URI="([^"]*)"/.exec(line)?.[1];
        if (uri) {
            part++;
            if (low) add(uri);
        } else if (line && !line.startsWith('#')) {
            [number, part] = [number + 1, 0];
            if (!low) add(line);
        }
    }
    return {pieces, next: `&_HLS_msn=${number}${low ? `&_HLS_part=${part}` : ''}`};
}

/**
 * Pieces of a session one behind the other, with what has to be read before them. What is missed because this machine is busy
 * begins anew.
 * @param {string} name @param {boolean} low @param {number} count
 */
async function recorded(name, low, count) {
    const text = async (/** @type {string} */ path) => new TextDecoder().decode(await fetched(path));
    const master = await text(`api/stream.m3u8?src=${name}&mp4=all`);
    const address = `api/${master.split('\n').find(line => line && !line.startsWith('#'))}`;
    const folder = address.slice(0, address.lastIndexOf('/') + 1);
    /** @type {Map<string, Uint8Array>} */
    const pieces = new Map();
    let init = new Uint8Array(), next = '';
    while (pieces.size < count) {
        const list = listed(await text(address + next), low);
        for (const [index, {uri, map, isNew}] of list.pieces.entries()) {
            if (pieces.has(uri)) continue;
            if (isNew || index === 0 || !pieces.has(list.pieces[index - 1].uri)) {
                pieces.clear();
                init = await fetched(folder + map);
            }
            pieces.set(uri, await fetched(folder + uri));
        }
        ({next} = list);
    }
    return {master, init, pieces};
}

for (const low of [false, true]) {
    test(`HLS: ${low ? 'parts' : 'segments'}`, {skip}, () => each(async name => {
        const again = (/** @type {number} */ tries) => recorded(name, low, low ? 12 : 3).catch(error => {
            // Its session is gone: nothing was fetched for five seconds.
            if (tries > 0 && error.code === 'ERR_ASSERTION') return again(tries - 1);
            throw error;
        });
        const {master, init, pieces} = await again(3);
        return () => {
            for (const [uri, piece] of pieces) {
                assert.ok(piece.length > 0, `${name}: ${uri} is empty`);
                check(Buffer.concat([init, piece]), {begins: false});
            }
            // What is in front of the first one has no numbers.
            const tracks = check(Buffer.concat([init, ...pieces.values()]), {fragments: pieces.size, begins: false});
            assert.deepEqual(tracks.map(track => track.entry.type), STREAMS[name]);
            assert.ok(tracks.every(track => track.samples.length > 0), name);
            assert.ok(tracks[0].samples[0].is_sync, 'it begins with a picture');
            announcedAs(tracks, /CODECS="(.*)"/.exec(master)?.[1] ?? '');
        };
    }));
}
