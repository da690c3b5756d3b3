/**
 * What the server writes into its log: its level, and another one for some minutes, of one module or of all, which the configuration does not
 * know. Hidden where the server has no such call, as a go2rtc has not.
 */
import {button, h, Keyed, refill, say} from '../lib/dom.js';
import {duration, t} from '../lib/i18n.js';
import {LEVELS} from '../lib/loglist.js';
import {call, explain, Gatherer, getJson} from '../lib/server.js';
import {toast} from '../shell/shell.js';

/** @typedef {import('../types.js').TemporaryLevel & {until: number}} Temporary */

/** @param {import('../lib/server.js').Feed} feed */
export function serverLevels(feed) {
    /** @type {Temporary[]} */
    let temporary = [];
    const summary = h('summary'), list = h('div', {class: 'row'}), modules = h('select', {'aria-label': t('log.module')});
    const levels = h('select', {'aria-label': t('log.level')}, LEVELS.map(one => h('option', {selected: one === 'debug'}, one)));
    const minutes = h('select', {'aria-label': t('log.howLong')}, [5, 10, 30, 60].map(n => h('option', {value: n, selected: n === 10}, t('log.minutes', {n}))));
    const node = h('div', {class: 'stack', hidden: true}, h('details', null, summary, h('p', {class: 'muted small'}, t('log.forNowAbout')), h('form', {class: 'row', onsubmit: (/** @type {Event} */ ev) => {
        ev.preventDefault();
        change('POST', {module: modules.value, level: levels.value, minutes: minutes.value});
    }}, modules, levels, minutes, h('button', null, t('log.forNow')))), list);
    const rows = new Keyed(list, one => one.module, ({module}) => {
        const text = h('span', {class: 'state', data: {state: 'warn'}});
        return {
            node: h('div', {class: 'row'}, text, button(t('tile.stop'), () => change('DELETE', {module}))),
            update: ({level, until}) => say(text, t('log.temporary', {module: module || t('log.allModules'), level, time: duration(Math.max(1000, until - Date.now()))})),
        };
    });

    /** @param {string} method @param {Record<string, string>} query */
    async function change(method, query) {
        try {
            await call(method, 'api/rs/log/levels', {query});
            toast(t('common.done'));
        } catch (err) {
            toast(explain(err));
        }
        looks.now();
    }

    const looks = new Gatherer(async () => {
        try {
            show(await getJson('api/rs/log/levels'));
        } catch {
            // For what is over it is not asked again.
            temporary = [];
            node.hidden = true;
        }
    });

    /** @param {import('../types.js').LogLevels} now */
    function show(now) {
        temporary = now.temporary.map(one => ({...one, until: Date.now() + one.left_ms}));
        refill(modules, String(now.known), () => [h('option', {value: ''}, t('log.allModules')), now.known.map(one => h('option', null, one))]);
        say(summary, t('log.server', {levels: [now.level, ...Object.entries(now.modules).map(pair => pair.join(' '))].join(', ')}));
        const within = list.contains(document.activeElement);
        rows.show(temporary);
        // Its row is gone with what had the focus.
        if (within && !list.contains(document.activeElement)) summary.focus();
        list.hidden = !temporary.length;
        node.hidden = false;
    }

    const look = () => document.hidden || feed.state !== 'live' || looks.look();
    feed.addEventListener('state', look);
    document.addEventListener('visibilitychange', look);
    setInterval(() => temporary.some(one => one.until <= Date.now()) ? look() : rows.show(temporary), 1000);
    return node;
}
