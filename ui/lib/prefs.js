/**
 * What a browser remembers for its user. Never a secret. Without storage everything holds until the page goes.
 */

/** @type {Map<string, string>} */
const memory = new Map();

/** @template T @param {string} name @param {T} fallback @returns {T} */
export function recall(name, fallback) {
    let text = memory.get(name) ?? null;
    try {
        text ??= localStorage.getItem(`rs.${name}`);
    } catch {
        // Only what this page knows.
    }
    if (text === null) return fallback;
    try {
        return JSON.parse(text);
    } catch {
        // Plain words are kept as they are.
        return /** @type {any} */ (typeof fallback === 'string' ? text : fallback);
    }
}

/** @param {string} name @param {any} value `null` forgets it */
export function remember(name, value) {
    const text = value === null ? null : typeof value === 'string' ? value : JSON.stringify(value);
    if (text === null) memory.delete(name);
    else memory.set(name, text);
    try {
        if (text === null) localStorage.removeItem(`rs.${name}`);
        else localStorage.setItem(`rs.${name}`, text);
    } catch {
        // Full, or not allowed.
    }
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
