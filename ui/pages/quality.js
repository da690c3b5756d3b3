/**
 * Which of the two streams of a camera plays on its page, and the choice of it, which Live keeps too.
 */
import {h} from '../lib/dom.js';
import {t} from '../lib/i18n.js';
import {chooseQuality, NARROW, pairs, recall, remember} from '../lib/prefs.js';

export class Quality {
    /** The choice: there is none for a camera with one stream. @type {HTMLElement} */
    node;
    /** The stream that is to play. */
    source;
    /** @type {'auto'|'high'|'low'} */
    #wish = 'auto';

    /** @param {string} name the better stream @param {() => void} changed somebody has chosen */
    constructor(name, changed) {
        this.name = this.source = name;
        /** @type {Record<string, 'auto'|'high'|'low'>} */
        const kept = recall('quality', {});
        if (Object.hasOwn(kept, name)) this.#wish = kept[name];
        this.node = h('fieldset', {class: 'modes', hidden: true}, h('legend', null, t('camera.quality')), /** @type {const} */ (['auto', 'high', 'low']).map(one => h('label', null,
            h('input', {type: 'radio', name: 'quality', checked: one === this.#wish, onchange: () => {
                this.#wish = kept[name] = one;
                remember('quality', kept);
                changed();
            }}), h('span', null, t(`quality.${one}`)))));
    }

    /** Whether it is decided by what other streams there are. @param {number} width of the picture in CSS pixels */
    needsNames(width) {
        return this.#wish === 'low' || this.#wish === 'auto' && width < NARROW;
    }

    /** @param {Iterable<string>} names of all streams @param {number} width of the picture in CSS pixels @returns {boolean} another one is to play than before */
    choose(names, width) {
        const low = pairs(names).get(this.name), before = this.source;
        this.node.hidden = !low;
        this.source = chooseQuality(this.name, low, this.#wish, width || Infinity);
        return this.source !== before;
    }
}
