/**
 * Keys of the pages: single letters never fire in inputs and can be switched off; `g` and a letter goes to a page.
 */
import {h} from './dom.js';
import {t} from './i18n.js';
import {recall, remember} from './prefs.js';

/** Pages by the letter after `g`. */
export const GO = {l: './', s: 'streams.html', a: 'add.html', e: 'sessions.html', d: 'doctor.html', c: 'config.html', o: 'log.html', n: 'net.html'};

/** @type {{keys: string, text: string, run: (ev: KeyboardEvent) => void}[]} */
const bound = [];
let pending = 0;

/** May single letters do something? */
export const lettersOn = () => recall('letters', true);

/** Is somebody writing? @param {EventTarget|null} target */
const writing = target => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)
    || Boolean(target.shadowRoot));

/**
 * Binds a key, as `KeyboardEvent.key` names it.
 * @param {string|string[]} keys
 * @param {string} text what it does, for the list
 * @param {(ev: KeyboardEvent) => void} run
 */
export function bind(keys, text, run) {
    for (const key of [keys].flat()) bound.push({keys: key, text, run});
}

/** @param {KeyboardEvent} ev */
function onkeydown(ev) {
    if (ev.defaultPrevented || ev.ctrlKey || ev.metaKey || ev.altKey || writing(ev.target)) return;
    if (document.querySelector('dialog[open]') && ev.key !== '?') return;
    if (ev.key.length === 1 && !lettersOn()) return;
    // A button that has the focus keeps its own keys.
    if ((ev.key === ' ' || ev.key === 'Enter') && ev.target instanceof HTMLElement && ev.target.closest('button, a, summary')) return;
    if (pending && Date.now() - pending < 1500 && ev.key in GO) {
        pending = 0;
        ev.preventDefault();
        location.href = GO[/** @type {keyof typeof GO} */ (ev.key)];
        return;
    }
    pending = 0;
    if (ev.key === 'g') {
        pending = Date.now();
        return;
    }
    if (ev.key === '?') return help();
    const found = bound.find(one => one.keys === ev.key || one.keys.toLowerCase() === ev.key.toLowerCase() && ev.key.length === 1);
    if (!found) return;
    ev.preventDefault();
    found.run(ev);
}
document.addEventListener('keydown', onkeydown);

const shown = {' ': 'Space', Enter: 'Enter', ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓', Escape: 'Esc'};

/** A row of digits by its ends. @param {string} keys */
const inShort = keys => keys.replace(/^(\d)(?: \d){2,} (\d)$/, '$1 – $2');

/** Shows the list of keys. */
export function help() {
    document.querySelector('dialog.keys')?.remove();
    const rows = new Map([['?', t('keys.help')], ['g l s a e d c o n', t('keys.go')]]);
    for (const {keys, text} of bound) {
        const name = shown[/** @type {keyof typeof shown} */ (keys)] ?? keys.toUpperCase();
        const before = [...rows].find(([, words]) => words === text)?.[0];
        if (before) rows.delete(before);
        rows.set(before ? `${before} ${name}` : name, text);
    }
    const dialog = h('dialog', {class: 'box keys', 'aria-labelledby': 'keys-title', onclose: () => dialog.remove()},
        h('h2', {id: 'keys-title'}, t('keys.title')),
        h('dl', {class: 'pairs'}, [...rows].map(([keys, text]) => [h('dt', null, inShort(keys).split(' ').map(k => k === '–' ? '– ' : [h('kbd', null, k), ' '])), h('dd', null, text)])),
        h('label', {class: 'check'}, h('input', {type: 'checkbox', checked: lettersOn(),
            onchange: (/** @type {any} */ ev) => remember('letters', ev.target.checked)}), t('keys.letters')),
        h('form', {method: 'dialog', class: 'row end'}, h('button', {class: 'primary'}, t('common.close'))));
    document.body.append(dialog);
    dialog.showModal();
}
