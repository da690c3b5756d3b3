/** Which of the two streams of a camera plays on its page; Live keeps the choice too. */
import {h} from '../lib/dom.js';
import {t} from '../lib/i18n.js';
import {chooseQuality, NARROW, pairs, recall, remember} from '../lib/prefs.js';

/** @param {string} name the better stream @param {() => void} changed somebody has chosen */
export function qualityOf(name, changed) {
    /** @type {Record<string, 'auto'|'high'|'low'>} */
    const kept = recall('quality', {});
    let wish = Object.hasOwn(kept, name) ? kept[name] : 'auto';
    const one = {
        source: name,
        node: h('fieldset', {class: 'modes', hidden: true}, h('legend', null, t('camera.quality')), /** @type {const} */ (['auto', 'high', 'low']).map(each => h('label', null,
            h('input', {type: 'radio', name: 'quality', checked: each === wish, onchange: () => {
                wish = kept[name] = each;
                remember('quality', kept);
                changed();
            }}), h('span', null, t(`quality.${each}`))))),
        /** Is it decided by what other streams there are? @param {number} width of the picture in CSS pixels */
        needsNames: width => wish === 'low' || wish === 'auto' && width < NARROW,
        /** @param {Iterable<string>} names of all streams @param {number} width @returns {boolean} another one is to play than before */
        choose(names, width) {
            const low = pairs(names).get(name), before = one.source;
            one.node.hidden = !low;
            one.source = chooseQuality(name, low, wish, width || Infinity);
            return one.source !== before;
        },
    };
    return one;
}
