/**
 * The list of the keys of a page, loaded when somebody asks for it; with the choice to do without single letters, and to forget the admin token.
 */
import {button, h, openDialog} from '../lib/dom.js';
import {t} from '../lib/i18n.js';
import {admin, recall, remember} from '../lib/prefs.js';
import {explain} from '../lib/server.js';
import {toast} from './shell.js';

const SHORT = {' ': 'Space', Enter: 'Enter', ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓', Escape: 'Esc'};

/** @param {string} keys */
const inShort = keys => keys.replace(/^(\d)(?: \d){2,} (\d)$/, '$1 – $2');

/** @param {{keys: string, text: string}[]} bound what `bind` was told, in its order */
export function help(bound) {
    document.querySelector('dialog.keys')?.remove();
    const rows = new Map([['?', t('keys.help')], ['g l s a e d c o n', t('keys.go')]]);
    for (const {keys, text} of bound) {
        const name = SHORT[/** @type {keyof typeof SHORT} */ (keys)] ?? keys.toUpperCase();
        const before = [...rows].find(([, words]) => words === text)?.[0];
        if (before) rows.delete(before);
        rows.set(before ? `${before} ${name}` : name, text);
    }
    openDialog(t('keys.title'), [
        h('dl', {class: 'pairs'}, [...rows].map(([keys, text]) => [h('dt', null, inShort(keys).split(' ').map(k => k === '–' ? '– ' : [h('kbd', null, k), ' '])), h('dd', null, text)])),
        h('label', {class: 'check'}, h('input', {type: 'checkbox', checked: recall('letters', true),
            onchange: (/** @type {any} */ ev) => remember('letters', ev.target.checked)}), t('keys.letters')),
        h('form', {method: 'dialog', class: 'row end'}, admin() && button(t('token.forget'), async () => {
            await (await import('../lib/token.js')).forget().then(() => location.reload(), err => toast(explain(err)));
        }), h('button', {class: 'primary'}, t('common.close')))], {class: 'box keys'});
}
