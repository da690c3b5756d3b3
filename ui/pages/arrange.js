/**
 * Arranging the grid: the buttons of a tile, what starts with the page, and layouts that are kept and deleted.
 */
import {button, fill, h, openDialog, say} from '../lib/dom.js';
import {t} from '../lib/i18n.js';
import {forgetLayout, keepLayout, LONGEST, moved, remember, toggleStarter} from '../lib/prefs.js';
import {toast} from '../shell/shell.js';

/**
 * Buttons to move a tile, to make it large, to leave it out, and to start it with the page.
 * @param {import('./tile.js').Tile} tile
 * @param {{change: (what: Partial<import('../lib/prefs.js').Layout>, tile: import('./tile.js').Tile) => void, shown: () => string[], big: () => string, start: (now: Set<string>) => void}} page `shown`: the names of
 *     all tiles in their order; `big`: of the large one; `start`: other ones start with it
 * @returns {(arranging: boolean, big: boolean, starts: boolean) => void} shows or hides them
 */
export function arranger(tile, page) {
    const place = tile.tools, {name} = tile.entry, move = (/** @type {number} */ by) => page.change({src: moved(page.shown(), name, by)}, tile);
    /** @type {HTMLButtonElement|null} */
    let large = null, always = /** @type {HTMLButtonElement|null} */ (null);
    return (arranging, big, starts) => {
        place.hidden = !arranging;
        if (arranging && !large) {
            large = button(t('live.large'), () => page.change({big: page.big() === name ? '' : name}, tile), {icon: 'large', bare: true});
            always = button(t('live.always'), () => {
                tile.rest();
                page.start(toggleStarter(name));
            }, {icon: 'play', class: 'always'});
            fill(place, button(t('live.earlier'), () => move(-1), {icon: 'left', bare: true}), button(t('live.later'), () => move(1), {icon: 'right', bare: true}),
                large, button(t('live.leave'), () => page.change({src: page.shown().filter(one => one !== name)}, tile), {icon: 'close', bare: true}), always);
        }
        large?.setAttribute('aria-pressed', String(big));
        always?.setAttribute('aria-pressed', String(starts));
    };
}

/**
 * Asks for a name and keeps the layout under it.
 * @param {string} old
 * @param {(name: string) => import('../lib/prefs.js').Layout} make
 * @param {(layout: import('../lib/prefs.js').Layout) => void} done
 */
export function nameLayout(old, make, done) {
    const field = h('input', {value: old, maxlength: LONGEST, required: true, autofocus: true}), fault = h('p', {class: 'error', role: 'alert'});
    const dialog = openDialog(t('live.layoutSave').replace('…', ''), [h('form', {class: 'stack', method: 'dialog', onsubmit: (/** @type {Event} */ ev) => {
            ev.preventDefault();
            const name = field.value.trim();
            if (!name) return;
            const layout = make(name);
            if (!keepLayout(layout)) return say(fault, t('live.layoutFull'));
            dialog.close();
            done(layout);
        }}, h('label', {class: 'field'}, t('live.layoutName'), field), h('p', {class: 'muted small'}, t('live.layoutAbout')), fault,
        h('div', {class: 'row end'}, button(t('common.cancel'), () => dialog.close()), h('button', {type: 'submit', class: 'primary'}, t('common.save'))))]);
}

/** @param {import('../lib/prefs.js').Layout} layout @param {(layout: import('../lib/prefs.js').Layout|null) => void} use shows one; `null`: all there is */
export function deleteLayout(layout, use) {
    forgetLayout(layout.name);
    use(null);
    toast(t('streams.deleted', {name: layout.name, n: 1}), {undo: () => keepLayout(layout) && use(layout)});
}

/** @type {HTMLElement|null} */
let field = null;

/**
 * Asks whether all cameras are to start with the page.
 * @param {Element} place before it @param {boolean} asks @param {boolean} now @param {(on: boolean) => void} change
 */
export function alwaysAll(place, asks, now, change) {
    if (!field) {
        const box = h('input', {type: 'checkbox', checked: now, onchange: () => {
            remember('alwaysAll', box.checked);
            change(box.checked);
        }});
        field = h('label', {class: 'check'}, box, t('live.alwaysAll'));
        place.after(/** @type {HTMLElement} */ (field));
    }
    /** @type {HTMLElement} */ (field).hidden = !asks;
}
