/**
 * What a browser remembers for its user, no secret that opens anything alone: choices, and layouts of the grid. Without storage everything
 * holds until the page goes. Below: which of two qualities of a camera a tile plays. Nothing here needs a page.
 */

/** What storage does not take; other pages may have changed what it has. @type {Map<string, string>} */
const memory = new Map();

/** @template T @param {string} name @param {T} fallback @returns {T} */
export function recall(name, fallback) {
    let text = memory.get(name) ?? null;
    try {
        text ??= localStorage.getItem(`rs.${name}`);
    } catch {
        // Only what this page knows.
    }
    // Plain words are kept as they are, also those that look like something else.
    if (text === null || typeof fallback === 'string') return /** @type {any} */ (text ?? fallback);
    try {
        return JSON.parse(text) ?? fallback;
    } catch {
        return fallback;
    }
}

/** @param {string} name @param {any} value `null` forgets it */
export function remember(name, value) {
    const text = value === null ? null : typeof value === 'string' ? value : JSON.stringify(value);
    memory.delete(name);
    try {
        if (text === null) localStorage.removeItem(`rs.${name}`);
        else localStorage.setItem(`rs.${name}`, text);
    } catch {
        // Full, or not allowed.
        if (text !== null) memory.set(name, text);
    }
}

/** One half of the login of who has given the admin token; the other one is a cookie that no script can read. Empty: none. @param {string} [given] */
export function admin(given) {
    if (given !== undefined) remember('admin', given || null);
    return recall('admin', '');
}

/** @param {'light'|'dark'|'system'} theme */
export function setTheme(theme) {
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    remember('theme', theme === 'system' ? null : theme);
}

/** @returns {'light'|'dark'|'system'} */
export function theme() {
    const chosen = document.documentElement.dataset.theme;
    return chosen === 'light' || chosen === 'dark' ? chosen : 'system';
}

// ---- cameras that start with the page ----

/** Of very many the last ones are kept. */
const MOST_STARTERS = 500;

/** Their names. @returns {Set<string>} */
export function starters() {
    const kept = recall('always', /** @type {any} */ ([]));
    return new Set(Array.isArray(kept) ? kept.filter(name => typeof name === 'string') : []);
}

/** Makes one of them, or none. @param {string} name @returns {Set<string>} those that there are now */
export function toggleStarter(name) {
    const now = starters();
    if (!now.delete(name)) now.add(name);
    remember('always', now.size ? [...now].slice(-MOST_STARTERS) : null);
    return now;
}

// ---- ways of playing that are pinned on the camera page ----

/** The last ones are kept. */
const MOST_PINS = 100;
/** @returns {[string, string][]} name and mode */
const pins = () => [recall('modes', /** @type {any} */ ([]))].flat().filter(one => typeof one?.[0] === 'string' && typeof one[1] === 'string');

/** @param {string} name of the stream @param {string} none */
export const pinOf = (name, none) => pins().find(one => one[0] === name)?.[1] ?? none;

/** An address that may have a password in it is not kept. @param {string} name */
const isSecret = name => /:\/\/.*@/s.test(name);

/** @param {string} name @param {string} mode empty: none */
export function keepPin(name, mode) {
    const others = pins().filter(one => one[0] !== name);
    remember('modes', [...others, ...mode && !isSecret(name) ? [[name, mode]] : []].slice(-MOST_PINS));
}

// ---- layouts of the grid: which cameras in which order, how many columns, and which one is large; shared as the address of the page ----

/** How many layouts are kept, and how long a name is. */
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
export function keepLayout(layout) {
    const others = layouts().filter(one => one.name !== layout.name);
    if (others.length >= MOST) return false;
    remember('layouts', [...others, layout].sort((a, b) => a.name.localeCompare(b.name, undefined, {numeric: true})));
    return true;
}

/** @param {string} name */
export function forgetLayout(name) {
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

/** One without a name, with the name under which just that is kept, if there is one. @param {Layout} layout @returns {Layout} */
export const named = layout => layout.name ? layout : ({...layout, name: layouts().find(one => query(one) === query(layout))?.name ?? ''});

/** The same names with one moved by some places. @param {string[]} names @param {string} name @param {number} by */
export function moved(names, name, by) {
    const at = names.indexOf(name), to = Math.max(0, Math.min(names.length - 1, at + by));
    if (at < 0 || at === to) return names;
    const rest = names.filter(one => one !== name);
    return [...rest.slice(0, to), name, ...rest.slice(to)];
}

// ---- streams that are one camera in two qualities ----

/** By their names: `door` or `door_main` is the good one of `door_sub`. Words: main, hd, high; sub, sd, low; before them `_`, `-`, `.` or a space. */
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

/** @typedef {'auto'|'high'|'low'} Wish */
/** The last ones are kept. */
const MOST_WISHES = 200;
/** @returns {[string, Wish][]} by the name of the better stream */
const wishes = () => Object.entries(recall('quality', /** @type {Record<string, any>} */ ({}))).filter(([, wish]) => wish === 'high' || wish === 'low');

/** @param {string} name of the better stream @returns {Wish} */
export const wishOf = name => wishes().find(([one]) => one === name)?.[1] ?? 'auto';

/** @param {string} name of the better stream @param {Wish} wish */
export function keepWish(name, wish) {
    const all = [...wishes().filter(([one]) => one !== name), ...wish === 'auto' || isSecret(name) ? [] : [[name, wish]]];
    remember('quality', all.length ? Object.fromEntries(all.slice(-MOST_WISHES)) : null);
}

/** CSS pixels below which a tile shows the lesser one by itself. */
export const NARROW = 480;

/**
 * What a tile plays.
 * @param {string} name
 * @param {string|undefined} low its lesser stream
 * @param {Wish} wish
 * @param {number} width of the tile in CSS pixels
 */
export const chooseQuality = (name, low, wish, width) => low && (wish === 'low' || wish === 'auto' && width < NARROW) ? low : name;
