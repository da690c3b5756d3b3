import assert from 'node:assert/strict';
import {test} from 'node:test';
import {readStrip, stripCells} from './strip.mjs';

const READING = {frame: 0xDEADBEEF, unixMs: 0x0199A5C30FF0};

/** RGBA pixels with a strip, of the brightness of decoded video. */
function drawn(reading, width, height, {black = 0, white = 255} = {}) {
    const data = new Uint8ClampedArray(width * height * 4).fill(90);
    const top = Math.floor(55 / 60 * height);
    data.fill(black, top * width * 4);
    for (const [row, cells] of stripCells(reading).entries()) {
        for (const [cell, on] of cells.entries()) {
            if (!on) continue;
            const x0 = Math.floor((cell + 1) * width / 54), x1 = Math.floor((cell + 2) * width / 54);
            const y0 = Math.floor((55 + 2 * row) * height / 60), y1 = Math.floor((57 + 2 * row) * height / 60);
            for (let y = y0; y < y1; y++) data.fill(white, (y * width + x0) * 4, (y * width + x1) * 4);
        }
    }
    return {data, width, height};
}

test('the cells are as documented', () => {
    // The same vector as in the strip's own tests.
    assert.deepEqual(stripCells(READING).map(row => row.map(Number).join('')), [
        '1010110111101010110110111110111011110000000110011010',
        '1010100110100101110000110000111111110000110000011010',
    ]);
});

test('reads at every kind of size', () => {
    for (const [width, height] of [[160, 120], [320, 240], [854, 480], [1280, 720], [1920, 1080]]) {
        assert.deepEqual(readStrip(drawn(READING, width, height)), READING, `${width}x${height}`);
    }
});

test('reads grey on grey', () => {
    assert.deepEqual(readStrip(drawn(READING, 640, 360, {black: 60, white: 130})), READING);
});

test('reads from the lower part of the picture', () => {
    const {data, width, height} = drawn(READING, 1280, 720), top = Math.floor(height * 54 / 60);
    const part = {data: data.subarray(top * width * 4), width, height: height - top};
    assert.deepEqual(readStrip(part, height), READING);
    assert.equal(readStrip({data: data.subarray(690 * width * 4), width, height: 30}, height), null);
});

test('a wrong cell is noticed', () => {
    const [width, height] = [540, 300];
    for (let row = 0; row < 2; row++) {
        for (let cell = 0; cell < 52; cell++) {
            const image = drawn(READING, width, height);
            for (let y = 275 + 10 * row; y < 285 + 10 * row; y++) {
                for (let x = 10 * (cell + 1); x < 10 * (cell + 2); x++) {
                    const at = (y * width + x) * 4;
                    image.data.fill(255 - image.data[at], at, at + 4);
                }
            }
            assert.equal(readStrip(image), null, `cell ${cell} of row ${row}`);
        }
    }
});

test('no strip is no reading', () => {
    for (const value of [0, 128, 255]) {
        assert.equal(readStrip({data: new Uint8Array(640 * 360 * 4).fill(value), width: 640, height: 360}), null);
    }
    assert.equal(readStrip({data: [], width: 0, height: 0}), null);
});
