/**
 * Layouts of the grid: which cameras in which order, how many columns, and which one is large. Kept by this browser under a name, and shared as
 * the address of the page. Pure but for what the browser remembers.
 */
import {recall, remember} from './prefs.js';

/** How many are kept, and how long a name is. */
export const MOST = 30, LONGEST = 60;

/**
 * @typedef {object} Layout
 * @property {string} name empty: it is not kept
 * @property {string[]} src names of streams in order; empty: all
 * @property {number} cols 0: as many as fit
 * @property {string} big name of the large one; empty: none
 */

/** @param {any} value what was kept, perhaps by another version @returns {Layout|null} */
export function valid(value) {
    const {name, src, cols, big} = value ?? {};
    if (typeof name !== 'string' || !Array.isArray(src) || !src.every(one => typeof one === 'string')) return null;
    return {name, src, cols: columns(cols), big: typeof big === 'string' ? big : ''};
}

/** @param {any} value */
const columns = value => Math.min(6, Math.max(0, Math.floor(Number(value)) || 0));

/** In the order of their names. @returns {Layout[]} */
export function layouts() {
    const kept = recall('layouts', /** @type {any[]} */ ([]));
    return (Array.isArray(kept) ? kept : []).map(valid).filter(one => one !== null);
}

/** Keeps a layout in place of the one of its name. @param {Layout} layout @returns {boolean} there was a place for it */
export function keep(layout) {
    const others = layouts().filter(one => one.name !== layout.name);
    if (others.length >= MOST) return false;
    remember('layouts', [...others, layout].sort((a, b) => a.name.localeCompare(b.name, undefined, {numeric: true})));
    return true;
}

/** @param {string} name */
export function forget(name) {
    remember('layouts', layouts().filter(one => one.name !== name));
}

/** What stands behind the page's address. @param {Layout} layout */
export function query(layout) {
    const params = new URLSearchParams(layout.src.map(name => ['src', name]));
    if (layout.cols) params.set('cols', String(layout.cols));
    if (layout.big) params.set('big', layout.big);
    return params.size ? `?${params}` : '';
}

/** @param {URLSearchParams} params @returns {Layout} */
export const fromQuery = params => ({name: '', src: params.getAll('src').filter(Boolean), cols: columns(params.get('cols')), big: params.get('big') ?? ''});

/** The same names with one moved by some places. @param {string[]} names @param {string} name @param {number} by */
export function moved(names, name, by) {
    const at = names.indexOf(name), to = Math.max(0, Math.min(names.length - 1, at + by));
    if (at < 0 || at === to) return names;
    const rest = names.filter(one => one !== name);
    return [...rest.slice(0, to), name, ...rest.slice(to)];
}
