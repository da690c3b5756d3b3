// Pictures on a canvas: the newest one is shown, late and damaged ones are not.
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {showPictures} from '../../ui/player/mjpeg.js';

/** A page with a video, and pictures whose decoding the test ends. */
function page() {
    const drawn = [], decoding = [];
    const canvas = {
        width: 300, height: 150, removed: false,
        setAttribute() {},
        remove() { this.removed = true; },
        getContext: () => ({drawImage: picture => drawn.push(picture.number)}),
    };
    globalThis.document = {createElement: () => canvas};
    globalThis.createImageBitmap = async blob => {
        const number = new Uint8Array(await blob.arrayBuffer())[0];
        await new Promise((resolve, reject) => decoding.push({resolve, reject}));
        return {number, width: 64 + number, height: 48, close() { this.closed = true; }};
    };
    const video = {after(element) { this.next = element; }};
    return {canvas, drawn, decoding, video};
}

const bytes = number => new Uint8Array([number]).buffer;
const turn = () => new Promise(resolve => setImmediate(resolve));

async function decoded(decoding, how = 'resolve') {
    while (!decoding.length) await turn();
    decoding.shift()[how](new Error('damaged'));
    await turn();
}

test('a picture that comes too late is left out', async () => {
    const {canvas, drawn, decoding, video} = page(), sizes = [];
    const pictures = showPictures(video, (...size) => sizes.push(size));
    assert.equal(video.next, canvas);
    pictures.push(bytes(1));
    pictures.push(bytes(2));
    pictures.push(bytes(3));
    await decoded(decoding);
    await decoded(decoding);
    assert.deepEqual(drawn, [1, 3]);
    assert.deepEqual(sizes, [[65, 48], [67, 48]]);
    assert.deepEqual([canvas.width, canvas.height], [67, 48]);
    pictures.push(bytes(4));
    await decoded(decoding);
    assert.deepEqual(drawn, [1, 3, 4]);
});

test('a damaged picture costs only itself', async t => {
    t.mock.method(console, 'warn', () => {});
    const {drawn, decoding, video} = page();
    const pictures = showPictures(video);
    pictures.push(bytes(1));
    pictures.push(bytes(2));
    await decoded(decoding, 'reject');
    await decoded(decoding);
    assert.deepEqual(drawn, [2]);
});

test('nothing is drawn after the end', async () => {
    const {canvas, drawn, decoding, video} = page();
    const pictures = showPictures(video);
    pictures.push(bytes(1));
    pictures.close();
    await decoded(decoding);
    pictures.push(bytes(2));
    await turn();
    assert.deepEqual(drawn, []);
    assert.equal(decoding.length, 0);
    assert.ok(canvas.removed);
});
