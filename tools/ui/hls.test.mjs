/** The loader of live HLS, over a server that fails. */
import assert from 'node:assert/strict';
import {mock, test} from 'node:test';

globalThis.window = globalThis;
class Source extends EventTarget {
    static isTypeSupported = () => true;
    addSourceBuffer() {
        return Object.assign(new EventTarget(), {updating: false, appendBuffer() {}, remove() {}});
    }
}
globalThis.MediaSource = Source;
/** Blob addresses that are not revoked. */
const places = new Map();
URL.createObjectURL = source => {
    places.set('blob:1', source);
    return 'blob:1';
};
URL.revokeObjectURL = place => places.delete(place);
let asked = 0, down = false;
globalThis.fetch = async url => {
    asked++;
    if (down) throw new TypeError('no network');
    const text = String(url).endsWith('master') ? '#EXTM3U\n#EXT-X-STREAM-INF:CODECS="avc1.640029"\nlist' : '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsegment';
    return {ok: true, text: async () => text, arrayBuffer: async () => new ArrayBuffer(1)};
};
mock.timers.enable({apis: ['setTimeout']});
AbortSignal.timeout = () => new AbortController().signal;
const {Loader, beginOf} = await import('../../ui/lib/hls.js');
const settle = () => new Promise(resolve => setImmediate(resolve));

test('failures in a row are told after growing pauses, not at once; the address of the source is given back', async () => {
    const lost = [], video = {buffered: {length: 0}, set src(_) { setImmediate(() => places.get('blob:1').dispatchEvent(new Event('sourceopen'))); }};
    const loader = new Loader(/** @type {any} */ (video), new URL('http://h/master'), why => lost.push(why.message));
    await loader.start();
    assert.equal(places.size, 0);
    down = true;
    await settle();
    // One round may wait for the next segment.
    mock.timers.tick(250);
    await settle();
    asked = 0;
    for (const [pause, tries] of [[499, 0], [1, 1], [999, 1], [1, 2], [1500, 3], [1999, 3]]) {
        mock.timers.tick(pause);
        await settle();
        assert.equal(asked, tries);
        assert.deepEqual(lost, []);
    }
    mock.timers.tick(1);
    await settle();
    assert.deepEqual([asked, lost], [4, ['no network']]);
    mock.timers.tick(60_000);
    await settle();
    assert.equal(asked, 4);
});

test('where a segment begins is read from its boxes', () => {
    const box = (/** @type {string} */ name, /** @type {number[][]} */ ...content) => {
        const inside = content.flat(), size = 8 + inside.length;
        return [size >> 24, size >> 16 & 255, size >> 8 & 255, size & 255, ...Buffer.from(name), ...inside];
    };
    const long = (/** @type {number} */ n) => [n >>> 24, n >> 16 & 255, n >> 8 & 255, n & 255];
    const bytes = (/** @type {number[]} */ all) => new Uint8Array(all).buffer;
    // Of version 0 and of version 1, whose times are twice as long.
    const track = (/** @type {number} */ id, /** @type {number} */ scale, version = 0) => {
        const times = new Array(version ? 16 : 8).fill(0);
        return box('trak', box('tkhd', [version, 0, 0, 0], times, long(id)), box('mdia', box('mdhd', [version, 0, 0, 0], times, long(scale))));
    };
    const init = bytes([...box('ftyp', long(0)), ...box('moov', track(1, 90_000), track(2, 48_000, 1))]);
    const fragment = (/** @type {number} */ id, /** @type {number[]} */ tfdt) => bytes([...box('moof', box('mfhd', long(0), long(1)), box('traf', box('tfhd', long(0), long(id)), box('tfdt', tfdt)))]);
    const early = fragment(1, [...long(0), ...long(135_000)]);
    assert.equal(beginOf(init, early), 1.5);
    assert.equal(beginOf(init, fragment(2, [1, 0, 0, 0, ...long(0), ...long(96_000)])), 2);
    assert.equal(beginOf(init, fragment(3, [...long(0), ...long(1)])), null, 'of an unknown track');
    assert.equal(beginOf(init, new ArrayBuffer(0)), null);
    for (let end = 0; end < early.byteLength; end++) assert.equal(beginOf(init, early.slice(0, end)), null);
    for (let end = 0; end < init.byteLength; end++) beginOf(init.slice(0, end), early);
});
