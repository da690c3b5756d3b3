/**
 * The words of the pages in the visitor's language. Only that language is loaded.
 */
import {remember} from './prefs.js';

/** Languages there are, with their own names. @type {Record<string, string>} */
export const LANGUAGES = {en: 'English', zh: '简体中文'};

/** As `early.js` has found. */
export const language = document.documentElement.dataset.language ?? 'en';
/** @type {Record<string, string>} */
const words = (await (language === 'zh' ? import('../i18n/zh.js') : import('../i18n/en.js'))).default;

/**
 * The words of a key. `{name}` stands for a value; with a value `n` the key `name.one` is used for one thing.
 * @param {string} key
 * @param {Record<string, string|number>} [values]
 */
export function t(key, values = {}) {
    // English has a form for one thing, Chinese has one for all: to ask `Intl` for that takes longer than all words of a page.
    const text = (values.n === 1 ? words[`${key}.one`] : undefined) ?? words[key];
    if (text === undefined) {
        console.error(`no words for ${key}`);
        return key;
    }
    return text.replace(/\{(\w+)\}/g, (_, name) => {
        const value = values[name];
        return typeof value === 'number' ? number(value) : String(value ?? '');
    });
}

/** Whether there are words for a key. @param {string} key */
export const has = key => Object.hasOwn(words, key);

/** Goes to the same page in another language. @param {string} tag */
export function setLanguage(tag) {
    remember('lang', tag);
    const url = new URL(location.href);
    url.searchParams.delete('lang');
    location.replace(url);
}

const formats = new Map();
/** @param {number} value @param {number} [digits] at most */
export function number(value, digits = 1) {
    // The first format of a page takes long to build; this is the same in every language.
    if (Number.isInteger(value) && value >= 0 && value < 1000) return String(value);
    const format = formats.get(digits) ?? new Intl.NumberFormat(language, {maximumFractionDigits: digits});
    formats.set(digits, format);
    return format.format(value);
}

const MS = language === 'zh' ? '毫秒' : 'ms', S = language === 'zh' ? '秒' : 's';

/** Milliseconds as people read them. @param {number|null|undefined} ms */
export function duration(ms) {
    if (ms === null || ms === undefined) return '–';
    if (ms < 10) return `${number(ms, 1)} ${MS}`;
    if (ms < 1000) return `${number(ms, 0)} ${MS}`;
    if (ms < 60_000) return `${number(ms / 1000, ms < 10_000 ? 1 : 0)} ${S}`;
    const s = Math.floor(ms / 1000), two = (/** @type {number} */ n) => String(n).padStart(2, '0');
    return `${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

/** How long something is over. @param {number} ms */
export function ago(ms) {
    const minutes = Math.round(ms / 60_000);
    if (minutes < 1) return t('age.seconds', {n: Math.round(ms / 1000)});
    return minutes < 120 ? t('age.minutes', {n: minutes}) : t('age.hours', {n: Math.round(minutes / 60)});
}

/** Bits per second. @param {number|null|undefined} bits */
export function rate(bits) {
    if (bits === null || bits === undefined) return '–';
    return bits >= 1e6 ? `${number(bits / 1e6, 1)} Mb/s` : `${number(bits / 1e3, 0)} kb/s`;
}

/** Amount of data; nothing for none. @param {number|null|undefined} count */
export const bytes = count => count ? `${number(count / 1e6, 1)} MB` : '';

/** Time of day with milliseconds. @param {number} at milliseconds since 1970 */
export function clock(at) {
    const date = new Date(at), pad = (/** @type {number} */ n, size = 2) => String(n).padStart(size, '0');
    return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}`;
}

/** Day and time. @param {number} at milliseconds since 1970 */
export const dateTime = at => new Intl.DateTimeFormat(language, {dateStyle: 'medium', timeStyle: 'medium'}).format(at);

// ---- names in the order of people ----

/** Made once, and only for names that need it: it costs more than it does, and nothing is painted before. @type {Intl.Collator|undefined} */
let collator;
/** Names that are put into the order of a collator without one. Their signs that are neither letter nor digit, in that order. */
const PLAIN = /^[\w -]*$/, SIGNS = ' _-';

/**
 * Names in the order of people: `cam2` before `cam10`.
 * @param {string[]} names
 * @returns {(a: string, b: string) => number} 0 only for the same name
 */
export function orderOf(names) {
    if (!names.every(name => PLAIN.test(name) && !/\d{17}/.test(name))) {
        collator ??= new Intl.Collator(undefined, {numeric: true});
        const {compare} = collator;
        return (a, b) => compare(a, b) || byCode(a, b);
    }
    const keys = new Map(names.map(name => [name, keyOf(name)]));
    return (a, b) => byCode(keys.get(a) ?? a, keys.get(b) ?? b);
}

/** @param {string} a @param {string} b */
const byCode = (a, b) => a < b ? -1 : Number(a > b);

/** What a collator looks at: signs before digits before letters, then small letters before large ones, then what is left. @param {string} name */
function keyOf(name) {
    const text = name.replace(/\d+/g, digits => digits.padStart(16, '0')).replace(/[ _-]/g, sign => String.fromCharCode(1 + SIGNS.indexOf(sign)));
    return `${text.toLowerCase()}\0${text.replace(/[a-z]/gi, letter => letter < 'a' ? letter.toLowerCase() : letter.toUpperCase())}\0${name}`;
}
