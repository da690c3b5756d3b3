/**
 * Arranging the grid: the buttons of a tile, and the name of a layout.
 */
import {button, fill, h, openDialog, say} from '../lib/dom.js';
import {t} from '../lib/i18n.js';
import {keepLayout, LONGEST} from '../lib/prefs.js';

/**
 * Buttons to move a tile, to make it large, to leave it out, and to start it with the page.
 * @param {HTMLElement} place
 * @param {{move: (by: number) => void, big: () => void, leave: () => void, start: () => void}} actions
 * @returns {(arranging: boolean, big: boolean, starts: boolean) => void} shows or hides them
 */
export function arranger(place, actions) {
    /** @type {HTMLButtonElement|null} */
    let large = null, always = /** @type {HTMLButtonElement|null} */ (null);
    return (arranging, big, starts) => {
        place.hidden = !arranging;
        if (arranging && !large) {
            large = button(t('live.large'), actions.big, {icon: 'large', bare: true});
            always = button(t('live.always'), actions.start, {icon: 'play', class: 'always'});
            fill(place, button(t('live.earlier'), () => actions.move(-1), {icon: 'left', bare: true}), button(t('live.later'), () => actions.move(1), {icon: 'right', bare: true}),
                large, button(t('live.leave'), actions.leave, {icon: 'close', bare: true}), always);
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
