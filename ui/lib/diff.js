/**
 * Lines that differ between two texts. Pure; the longest common part by dynamic programming, within a bound.
 */

/** Cells that the comparison may take; beyond that the differing middle is shown as a whole. */
const MOST = 4e6;

/**
 * @param {string} before
 * @param {string} after
 * @param {number} [around] lines that stay visible beside a change
 * @returns {{kind: 'same'|'add'|'del'|'skip', text: string}[]}
 */
export function diff(before, after, around = 2) {
    const a = before.split('\n'), b = after.split('\n');
    let start = 0, end = 0;
    while (start < a.length && start < b.length && a[start] === b[start]) start++;
    while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
    /** @type {{kind: 'same'|'add'|'del'|'skip', text: string}[]} */
    const out = a.slice(0, start).map(text => ({kind: 'same', text}));
    out.push(...middle(a.slice(start, a.length - end), b.slice(start, b.length - end)));
    out.push(...a.slice(a.length - end).map(text => ({kind: /** @type {const} */ ('same'), text})));
    const near = out.map((_, i) => out.slice(Math.max(0, i - around), i + around + 1).some(line => line.kind !== 'same'));
    return out.flatMap((line, i) => near[i] ? [line] : near[i - 1] || i === 0 ? [{kind: /** @type {const} */ ('skip'), text: '…'}] : []);
}

/** @param {string[]} a @param {string[]} b @returns {{kind: 'same'|'add'|'del', text: string}[]} */
function middle(a, b) {
    const all = (/** @type {'add'|'del'} */ kind, /** @type {string[]} */ lines) => lines.map(text => ({kind, text}));
    if (!a.length || !b.length || a.length * b.length > MOST) return [...all('del', a), ...all('add', b)];
    const width = b.length + 1, table = new Uint32Array((a.length + 1) * width);
    for (let i = a.length - 1; i >= 0; i--) {
        for (let j = b.length - 1; j >= 0; j--) {
            table[i * width + j] = a[i] === b[j] ? table[(i + 1) * width + j + 1] + 1 : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
        }
    }
    /** @type {{kind: 'same'|'add'|'del', text: string}[]} */
    const out = [];
    let i = 0, j = 0;
    while (i < a.length && j < b.length) {
        if (a[i] === b[j]) {
            out.push({kind: 'same', text: a[i]});
            i++;
            j++;
        } else if (table[(i + 1) * width + j] >= table[i * width + j + 1]) {
            out.push({kind: 'del', text: a[i++]});
        } else {
            out.push({kind: 'add', text: b[j++]});
        }
    }
    return [...out, ...all('del', a.slice(i)), ...all('add', b.slice(j))];
}
