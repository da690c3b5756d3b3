/**
 * Streams that are one camera in two qualities, by their names: `door` or `door_main` is the good one of `door_sub`. Words: main, hd, high; sub, sd, low;
 * before them `_`, `-`, `.` or a space. Pure.
 */

const LOW = /^(.+)([ ._-])(?:sub|sd|low)$/i;

/**
 * The lesser streams of the better ones.
 * @param {Iterable<string>} names
 * @returns {Map<string, string>} from the better one to the lesser one
 */
export function pairs(names) {
    const all = new Set(names), found = new Map();
    for (const name of all) {
        const [, base, gap] = LOW.exec(name) ?? [];
        if (!base) continue;
        const main = [base, ...['main', 'hd', 'high'].map(word => base + gap + word)].find(one => all.has(one));
        if (main && !found.has(main)) found.set(main, name);
    }
    return found;
}

/** CSS pixels below which a tile shows the lesser one by itself. */
export const NARROW = 480;

/**
 * What a tile plays.
 * @param {string} name
 * @param {string|undefined} low its lesser stream
 * @param {'auto'|'high'|'low'} wish
 * @param {number} width of the tile in CSS pixels
 */
export const choose = (name, low, wish, width) => low && (wish === 'low' || wish === 'auto' && width < NARROW) ? low : name;
