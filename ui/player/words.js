/**
 * Words on the picture in another language: whoever shows the player gives a translation of its sentences. What has none stays as it is,
 * like the server's own words.
 */

/** May stand anywhere among addresses. */
const HIDDEN = 'hidden address';
/** Characters of a line that may have something in it: of more, which only a camera or a server says, the search would take seconds. */
const LONGEST = 1000;
/** @type {Record<string, string>} */
let words = {};
/** Sentences with something in them. @type {[RegExp, string][]} */
let patterns = [];

/** @param {Record<string, string>} translations of whole lines; `{}` stands for what a line is about */
export function useWords(translations) {
    words = translations;
    patterns = Object.entries(translations).filter(([line]) => line.includes('{}'))
        .map(([line, text]) => [new RegExp(`^${line.split('{}').map(part => part.replace(/[.?"]/g, '\\$&')).join('(.*)')}$`), text]);
}

/** @param {string} line */
function translateLine(line) {
    if (Object.hasOwn(words, line)) return words[line];
    if (line.length > LONGEST) return line;
    for (const [pattern, text] of patterns) {
        const found = pattern.exec(line);
        if (found) return text.replace(/\{\}/g, () => found.splice(1, 1)[0].replaceAll(HIDDEN, words[HIDDEN] ?? HIDDEN));
    }
    return line;
}

/** Each line by itself. @param {string} text */
export const translate = text => text.split('\n').map(translateLine).join('\n');

/**
 * Whether a page that has no settings of its own speaks Chinese: as `?lang=` says, as was chosen on the other pages, or as the browser does.
 */
export function speaksChinese() {
    let chosen = null;
    try {
        chosen = localStorage.getItem('rs.lang');
    } catch {
        // Storage is not allowed here.
    }
    const wishes = [new URLSearchParams(location.search).get('lang'), chosen, ...navigator.languages];
    return wishes.map(tag => tag?.slice(0, 2).toLowerCase()).find(tag => tag === 'en' || tag === 'zh') === 'zh';
}

/** The same for the words on the picture, and for whoever reads the page aloud. */
export async function speak() {
    if (!speaksChinese()) return;
    document.documentElement.lang = 'zh-CN';
    useWords((await import('../i18n/player-zh.js')).default);
}
