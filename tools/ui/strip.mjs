/**
 * Reads the strip of the built-in camera: frame counter and wall clock as black and
 * white cells at the bottom of the picture. The layout is described in
 * `crates/transcode/src/demo/strip.rs`.
 */

/**
 * The function is also sent into the page as text, so it uses nothing from outside.
 * @param {{data: ArrayLike<number>, width: number, height: number}} image RGBA pixels of the
 *     picture, or of its lower part
 * @param {number} [pictureHeight] height of the whole picture if only its lower part is given
 * @returns {{frame: number, unixMs: number}|null} null: there is no strip, or it is damaged
 */
export function readStrip(image, pictureHeight = image.height) {
    const {data, width, height} = image;
    const COLUMNS = 54, UNITS = 60, CELLS = 52, ROWS = 2;
    const above = pictureHeight - height;
    if (width < COLUMNS || pictureHeight < UNITS) return null;

    const cells = [];
    for (let row = 0; row < ROWS; row++) {
        for (let cell = 0; cell < CELLS; cell++) {
            // The middle half of the cell in both directions.
            const x0 = Math.floor((cell + 1.25) / COLUMNS * width);
            const x1 = Math.max(x0 + 1, Math.floor((cell + 1.75) / COLUMNS * width));
            const y0 = Math.floor((55.5 + 2 * row) / UNITS * pictureHeight) - above;
            const y1 = Math.max(y0 + 1, Math.floor((56.5 + 2 * row) / UNITS * pictureHeight) - above);
            if (y0 < 0 || y1 > height) return null;
            let sum = 0;
            for (let y = y0; y < y1; y++) {
                // Green stands for the brightness.
                for (let x = x0; x < x1; x++) sum += data[(y * width + x) * 4 + 1];
            }
            cells.push({row, cell, value: sum / ((x1 - x0) * (y1 - y0))});
        }
    }

    const isGuard = cell => cell < 4 || cell >= 48;
    const mean = list => list.reduce((sum, c) => sum + c.value, 0) / list.length;
    const guards = cells.filter(c => isGuard(c.cell));
    const white = mean(guards.filter(c => c.cell % 2 === 0));
    const black = mean(guards.filter(c => c.cell % 2 === 1));
    const contrast = white - black, middle = (white + black) / 2;
    if (!(contrast >= 48)) return null;
    if (cells.some(c => Math.abs(c.value - middle) < contrast / 8)) return null;
    if (guards.some(c => (c.value > middle) !== (c.cell % 2 === 0))) return null;

    const bytes = [];
    cells.filter(c => !isGuard(c.cell)).forEach((c, i) => {
        if (i % 8 === 0) bytes.push(0);
        bytes[bytes.length - 1] = bytes[bytes.length - 1] << 1 | (c.value > middle ? 1 : 0);
    });
    let crc = 0xFF;
    for (const byte of bytes.slice(0, 10)) {
        crc ^= byte;
        for (let bit = 0; bit < 8; bit++) crc = (crc << 1 ^ (crc & 0x80 ? 0x07 : 0)) & 0xFF;
    }
    if (crc !== bytes[10]) return null;

    const number = list => list.reduce((value, byte) => value * 256 + byte, 0);
    return {frame: number(bytes.slice(0, 4)), unixMs: number(bytes.slice(4, 10))};
}

/**
 * The cells of a strip, row by row, true for white. For tests.
 * @param {{frame: number, unixMs: number}} reading
 */
export function stripCells({frame, unixMs}) {
    const bytes = [];
    for (let i = 3; i >= 0; i--) bytes.push(Math.floor(frame / 2 ** (8 * i)) & 0xFF);
    for (let i = 5; i >= 0; i--) bytes.push(Math.floor(unixMs / 2 ** (8 * i)) & 0xFF);
    let crc = 0xFF;
    for (const byte of bytes) {
        crc ^= byte;
        for (let bit = 0; bit < 8; bit++) crc = (crc << 1 ^ (crc & 0x80 ? 0x07 : 0)) & 0xFF;
    }
    bytes.push(crc);
    const bits = bytes.flatMap(byte => [7, 6, 5, 4, 3, 2, 1, 0].map(i => Boolean(byte >> i & 1)));
    const guard = [true, false, true, false];
    return [0, 1].map(row => [...guard, ...bits.slice(row * 44, row * 44 + 44), ...guard]);
}
