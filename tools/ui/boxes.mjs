/**
 * Fragmented MP4 as a foreign parser reads it (GPAC's MP4Box.js), held to ISO/IEC 14496-12. What breaks a rule throws an
 * `AssertionError` that names its section.
 */
import assert from 'node:assert/strict';
import * as MP4Box from 'mp4box';

/** What the parser says: of boxes that it does not know, and of those that are longer or shorter than what is in them. @type {string[]} */
let said = [];
for (const level of /** @type {const} */ (['warn', 'error'])) MP4Box.Log[level] = (module, message) => said.push(`${module}: ${message}`);

/** What stands in a box: [how many at least, at most]; in this order where `ordered`. Anything else is not written by us. */
const RULES = {
    moov: {mvhd: [1, 1], trak: [1, 8], mvex: [1, 1]},
    trak: {tkhd: [1, 1], edts: [0, 1], mdia: [1, 1]},
    edts: {elst: [1, 1]},
    mdia: {mdhd: [1, 1], hdlr: [1, 1], minf: [1, 1]},
    minf: {vmhd: [0, 1], smhd: [0, 1], dinf: [1, 1], stbl: [1, 1]},
    dinf: {dref: [1, 1]},
    stbl: {stsd: [1, 1], stts: [1, 1], stsc: [1, 1], stsz: [1, 1], stco: [1, 1]},
    mvex: {mehd: [0, 1], trex: [1, 8]},
    moof: {mfhd: [1, 1], traf: [1, 8]},
    traf: {tfhd: [1, 1], tfdt: [1, 1], trun: [1, 1]},
};
/** Bytes of a sample entry in front of its boxes: 12.1.3 and 12.2.3, the box header with them. */
const ENTRY = {video: 86, audio: 36};
/** The configuration box of each sample entry, and the registered ones beside it. */
const ENTRIES = {
    avc1: ['avcC', 'pasp', 'colr', 'btrt'], hvc1: ['hvcC', 'pasp', 'colr', 'btrt'], av01: ['av1C', 'pasp', 'colr', 'btrt'],
    mp4a: ['esds', 'btrt'], Opus: ['dOps', 'btrt'], fLaC: ['dfLa', 'btrt'],
};

/**
 * @typedef {object} Sample
 * @property {number} dts
 * @property {number} cts
 * @property {number} duration
 * @property {boolean} is_sync
 * @property {Uint8Array} data
 * @typedef {object} Track
 * @property {number} id
 * @property {string} codec as RFC 6381 names it, by its configuration box
 * @property {number} timescale
 * @property {any} entry the sample entry
 * @property {any} box its `trak`
 * @property {number} lead ticks that its edit list leaves out
 * @property {Sample[]} samples
 */

/**
 * Reads a file, or an initialisation segment and what follows it.
 * @param {Uint8Array} bytes
 * @param {{fragments?: number, begins?: boolean}} [expected] `fragments`: at least so many; `begins`: numbers and times begin where
 *     they should, as of a whole file (default)
 * @returns {Track[]}
 */
export function check(bytes, {fragments = 1, begins = true} = {}) {
    const file = MP4Box.createFile(true);
    said = [];
    const copy = new Uint8Array(bytes).buffer;
    file.appendBuffer(MP4Box.MP4BoxBuffer.fromArrayBuffer(copy, 0), true);
    file.flush();
    // It takes the last block of FLAC's description for one that is not (its 2.4.1).
    assert.deepEqual(said.filter(text => !text.includes("'dfLa' read 38 more bytes")), []);
    inARow(file.boxes, 0, bytes.length, '4.2: every byte belongs to a box');
    const [ftyp, moov, ...rest] = /** @type {any[]} */ (file.boxes);
    assert.deepEqual([ftyp.type, moov?.type], ['ftyp', 'moov'], '4.3.1: ftyp is as early as possible');
    assert.ok(['iso5', 'iso6'].some(brand => ftyp.compatible_brands.includes(brand)), 'E.6: default-base-is-moof');
    file.boxes.forEach(walk);
    const tracks = moov.traks.map((/** @type {any} */ trak) => track(trak, moov, bytes));
    const ids = tracks.map((/** @type {Track} */ one) => one.id);
    assert.equal(new Set(ids).size, ids.length, '8.3.2.3: each id once');
    assert.ok(ids.every((/** @type {number} */ id) => id > 0 && id < moov.mvhd.next_track_id), '8.2.2.3: next_track_ID');
    assert.deepEqual(moov.mvex.trexs.map((/** @type {any} */ trex) => trex.track_id), ids, '8.8.3.1: one trex for each track');
    pairs(rest, bytes, tracks, begins);
    assert.ok(rest.length >= 2 * fragments, `${rest.length / 2} fragments`);
    return tracks;
}

/** Boxes one behind the other from a place to another. @param {any[]} boxes @param {number} from @param {number} to @param {string} rule */
function inARow(boxes, from, to, rule) {
    let at = from;
    for (const box of boxes) {
        assert.equal(box.start, at, `${rule}: ${box.type}`);
        assert.ok(box.size >= 8, `4.2: ${box.type} has ${box.size} bytes`);
        at += box.size;
    }
    assert.equal(at, to, rule);
}

/** @param {any} box */
function walk(box) {
    assert.ok(!box.has_unparsed_data, `${box.type} is longer than what is in it`);
    const rules = /** @type {Record<string, number[]>|undefined} */ (RULES[/** @type {keyof typeof RULES} */ (box.type)]);
    if (rules) {
        /** @type {string[]} */
        const found = box.boxes.map((/** @type {any} */ child) => child.type);
        for (const [type, [least, most]] of Object.entries(rules)) {
            const count = found.filter(one => one === type).length;
            assert.ok(count >= least && count <= most, `table 1: ${count} ${type} in ${box.type}`);
        }
        assert.deepEqual([...found].sort((a, b) => Object.keys(rules).indexOf(a) - Object.keys(rules).indexOf(b)), found, `4.3, 8.8: the order in ${box.type}`);
        assert.ok(found.every(type => type in rules), `${box.type} has ${found}`);
        inARow(box.boxes, box.start + 8, box.start + box.size, '4.2');
        box.boxes.forEach(walk);
    }
    if (box.type === 'stsd') {
        assert.equal(box.entries.length, 1, '8.5.2: one description');
        inARow(box.entries, box.start + 16, box.start + box.size, '8.5.2');
    }
    if (box.type === 'dref') {
        // 1: the media is in this file.
        assert.deepEqual(box.entries.map((/** @type {any} */ one) => [one.type, one.flags]), [['url ', 1]], '8.7.2');
        inARow(box.entries, box.start + 16, box.start + box.size, '8.7.2');
    }
    // What is in fragments is not described here.
    for (const [type, name] of [['stts', 'sample_counts'], ['stsc', 'first_chunk'], ['stco', 'chunk_offsets'], ['stsz', 'sample_sizes']]) {
        if (box.type === type) assert.equal(box[name].length, 0, `8.8.1: ${type} is empty`);
    }
}

/** @param {any} trak @param {any} moov @param {Uint8Array} bytes @returns {Track} */
function track(trak, moov, bytes) {
    const {tkhd, mdia} = trak, {mdhd, hdlr, minf} = mdia;
    assert.equal(tkhd.flags & 1, 1, '8.3.2.3: enabled');
    assert.ok(mdhd.timescale > 0 && moov.mvhd.timescale > 0, '8.4.2.3');
    const kind = hdlr.handler === 'vide' ? 'video' : 'audio';
    assert.equal(hdlr.handler, kind === 'video' ? 'vide' : 'soun', '8.4.3');
    assert.deepEqual([Boolean(minf.vmhd), Boolean(minf.smhd)], [kind === 'video', kind === 'audio'], '12.1.2, 12.2.2');
    assert.equal(tkhd.volume, kind === 'audio' ? 1 : 0, '8.3.2.3: sound has a volume');
    const [entry] = minf.stbl.stsd.entries;
    const allowed = ENTRIES[/** @type {keyof typeof ENTRIES} */ (entry.type)];
    assert.ok(allowed, `sample entry ${entry.type}`);
    const inside = entry.boxes.map((/** @type {any} */ box) => box.type);
    assert.equal(inside[0], allowed[0], 'the configuration');
    assert.ok(inside.every((/** @type {string} */ type) => allowed.includes(type)), `${entry.type} has ${inside}`);
    assert.equal(new Set(inside).size, inside.length);
    inARow(entry.boxes, entry.start + ENTRY[kind], entry.start + entry.size, `12: ${entry.type}`);
    entry.boxes.forEach(walk);
    assert.equal(entry.data_reference_index, 1, '8.5.2.3');
    for (const box of entry.boxes) {
        if (box.type === 'dfLa') assert.deepEqual([...bytes.subarray(box.start + 12, box.start + 16), box.size], [0x80, 0, 0, 34, 50], 'STREAMINFO, the last block');
    }
    if (kind === 'video') {
        assert.deepEqual([tkhd.height, tkhd.width].map(size => size > 0), [true, true], '8.3.2.3');
        // They may differ by the shape of a pixel only.
        if (!inside.includes('pasp')) assert.deepEqual([tkhd.width / 65536, tkhd.height / 65536], [entry.width, entry.height]);
    } else {
        assert.deepEqual([tkhd.width, tkhd.height], [0, 0]);
        assert.ok(entry.channel_count > 0 && entry.samplerate > 0, '12.2.3.2');
    }
    return {id: tkhd.track_id, codec: entry.getCodec(), timescale: mdhd.timescale, entry, box: trak, lead: edits(trak, moov, mdhd.timescale), samples: []};
}

/** An edit list says where a track begins (8.6.6): perhaps later than others, with a gap, and what is left out of it. */
function edits(/** @type {any} */ trak, /** @type {any} */ moov, /** @type {number} */ timescale) {
    const list = trak.edts?.elst?.entries;
    if (!list) return 0;
    assert.ok(list.length > 0, '8.6.6');
    for (const edit of list) assert.deepEqual([edit.media_rate_integer, edit.media_rate_fraction], [1, 0], '8.6.6.3: plays as it is');
    const media = list.filter((/** @type {any} */ edit) => edit.media_time >= 0);
    assert.equal(media.length, 1, 'one piece of the media');
    assert.equal(list.at(-1), media[0], 'gaps are in front');
    // 8.6.6.1: the last one of a fragmented file lasts as long as the fragments do.
    assert.equal(media[0].segment_duration, 0);
    const gap = list.slice(0, -1).reduce((/** @type {number} */ sum, /** @type {any} */ edit) => sum + edit.segment_duration, 0);
    assert.ok(gap / moov.mvhd.timescale < 10 && media[0].media_time / timescale < 10, `a gap of ${gap}, ${media[0].media_time} left out`);
    return media[0].media_time;
}

/** Fragments: `moof` and `mdat` in turn. @param {any[]} boxes @param {Uint8Array} bytes @param {Track[]} tracks @param {boolean} begins */
function pairs(boxes, bytes, tracks, begins) {
    /** @type {number|undefined} */
    let number;
    /** @type {Map<number, number>} */
    const ends = new Map();
    for (let index = 0; index < boxes.length; index += 2) {
        const [moof, mdat] = [boxes[index], boxes[index + 1]];
        assert.deepEqual([moof.type, mdat?.type], ['moof', 'mdat'], '8.8.4: a fragment and its media');
        const sequence = moof.mfhd.sequence_number;
        if (begins) assert.ok(number === undefined || sequence > number, `8.8.5.3: ${sequence} behind ${number}`);
        number = sequence;
        // Media is where its box is.
        let at = mdat.start + mdat.hdr_size;
        for (const traf of moof.trafs) {
            const {tfhd, tfdt, truns: [trun]} = traf;
            const one = tracks.find(one => one.id === tfhd.track_id);
            assert.ok(one, `8.8.7.3: no track ${tfhd.track_id}`);
            assert.equal(tfhd.flags & 0x20001, 0x20000, '8.8.7.1: places are counted from the moof');
            assert.equal(trun.flags & 1, 1, '8.8.8.1: data-offset-present');
            assert.equal(moof.start + trun.data_offset, at, '8.8.8.3: data_offset');
            assert.ok(trun.sample_count > 0);
            const begin = tfdt.baseMediaDecodeTime;
            const end = ends.get(one.id);
            if (end !== undefined) assert.equal(begin, end, `8.8.12: track ${one.id} goes on where it ended`);
            let dts = begin;
            for (let n = 0; n < trun.sample_count; n++) {
                const of = (/** @type {number} */ flag, /** @type {any[]} */ list, /** @type {number} */ fallback) => trun.flags & flag ? list[n] : fallback;
                const duration = of(0x100, trun.sample_duration, tfhd.default_sample_duration);
                const size = of(0x200, trun.sample_size, tfhd.default_sample_size);
                const flags = of(0x400, trun.sample_flags, tfhd.default_sample_flags);
                const cts = of(0x800, trun.sample_composition_time_offset, 0);
                assert.ok(duration > 0 && size > 0, `8.8.8.3: ${duration} ${size}`);
                assert.ok(trun.version === 1 || cts >= 0);
                // 8.6.4.3, 8.8.3.1: one that depends on none is a sync sample and the other way round.
                const isSync = (flags >> 16 & 1) === 0;
                assert.equal(flags >> 24 & 3, isSync ? 2 : 1, `sample_flags ${flags.toString(16)}`);
                const data = bytes.subarray(at, at + size);
                units(one.entry.type, data);
                one.samples.push({dts, cts: dts + cts, duration, is_sync: isSync, data});
                at += size;
                dts += duration;
            }
            ends.set(one.id, dts);
        }
        assert.equal(at, mdat.start + mdat.size, '8.1.1: all of the mdat is somebody\'s');
    }
    if (!begins) return;
    // What is shown first is shown at zero: of pictures what their edit list leaves out is gone.
    for (const one of tracks.filter(one => one.samples.length && one.entry.getCodec && 'width' in one.entry)) {
        assert.equal(one.samples[0].is_sync, true, 'the first picture is a keyframe');
        assert.equal(one.samples[0].dts, 0, 'it begins at zero');
    }
}

/** Pictures of H.264 and H.265 are units with their length in front (ISO/IEC 14496-15 4.3.3). @param {string} type @param {Uint8Array} data */
function units(type, data) {
    if (type !== 'avc1' && type !== 'hvc1') return;
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    let at = 0;
    while (at < data.length) {
        const length = at + 4 <= data.length ? view.getUint32(at) : 0;
        assert.ok(length > 0 && at + 4 + length <= data.length, 'a unit fits into its sample');
        const kind = type === 'avc1' ? data[at + 4] & 31 : data[at + 4] >> 1 & 63;
        assert.ok(!(type === 'avc1' ? [7, 8] : [32, 33, 34]).includes(kind), `ISO/IEC 14496-15 5.4.2, 8.4.1: parameter sets are in front (${kind})`);
        at += 4 + length;
    }
}
