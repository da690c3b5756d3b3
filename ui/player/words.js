/**
 * Words on the picture in another language: whoever shows the player gives a translation of its sentences. What has none stays as it is,
 * like the server's own words.
 */

/** @type {Record<string, string>} */
let words = {};

/** @param {Record<string, string>} translations of whole lines */
export function useWords(translations) {
    words = translations;
}

/** Each line by itself. @param {string} text */
export const translate = text => text.split('\n').map(line => Object.hasOwn(words, line) ? words[line] : line).join('\n');
