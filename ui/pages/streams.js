/**
 * All streams as a table: state and why, source, codecs, viewers, rates, the last release; with what can be done about
 * each. `?q=` and `?state=` filter, `?sort=` sorts.
 */
import {button, fill, h, Keyed, moveFocus, openDialog, refill, say} from '../lib/dom.js';
import {duration, orderOf, rate, t} from '../lib/i18n.js';
import {askMay, guarded} from '../lib/may.js';
import {longPress} from '../lib/press.js';
import {address, Feed, logOf} from '../lib/server.js';
import {chip, codecsOf, stateText, Streams} from '../lib/streams.js';
import {spark} from '../lib/svg.js';
import {bind, empty, listed, noCameras, shell, watch} from '../shell/shell.js';
import {aboutStream} from './about.js';
import {Qualities} from './quality.js';
import {actions} from './stream-acts.js';

/** @typedef {import('../lib/streams.js').Entry} Entry */

const url = new URL(location.href);
/** Milliseconds between looks at the rates, and how many of them are drawn: a minute. */
const LOOK = 3000, DRAWN = 20;

const {main, tools} = shell({page: 'streams', title: t('nav.streams')});
const feed = new Feed('streams,sessions');
watch(feed);
const streams = new Streams(feed, {look: LOOK}), {deed, warm, retry, kick, remove} = actions(streams);
const selected = new Set();
const opened = new Set(), qualities = new Qualities(feed, opened, () => show());

const find = h('input', {type: 'search', placeholder: t('common.filter'), 'aria-label': t('common.filter'), value: url.searchParams.get('q') ?? '',
    oninput: () => keep('q', find.value)});
const STATES = ['live', 'idle', 'dialling', 'retrying', 'failed', 'warm', 'lingering', 'queued'];
const states = h('select', {'aria-label': t('streams.state'), onchange: () => keep('state', states.value)},
    h('option', {value: ''}, t('streams.allStates')), STATES.map(state => h('option', {value: state, selected: state === url.searchParams.get('state')}, t(`state.${state}`))));
tools.append(find, states, h('a', {class: 'button primary', href: 'add.html'}, t('nav.add')));
bind('/', t('keys.filter'), () => find.focus());

/** @param {string} name @param {string} value */
function keep(name, value) {
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
    history.replaceState(null, '', url);
    show();
}

/** @type {[string, string, (entry: Entry) => any][]} */
const COLUMNS = [
    ['name', 'streams.name', e => e.name], ['state', 'streams.state', e => STATES.indexOf(e.state)], ['source', 'streams.source', e => source(e)],
    ['codec', 'streams.codec', codecs], ['viewers', 'streams.viewers', e => -e.viewers], ['rate', 'streams.minute', e => -e.bitsIn], ['release', 'streams.release', e => e.released ?? 1e9],
];
const heads = COLUMNS.map(([key, text]) => h('th', {scope: 'col', 'aria-sort': 'none'}, button(t(text), () => {
    const now = url.searchParams.get('sort') ?? 'name';
    keep('sort', now === key ? `-${key}` : key);
}, {class: ''})));
const body = h('tbody');
/** All that are shown. */
const every = h('input', {type: 'checkbox', onchange: () => {
    for (const {name} of shown) {
        if (every.checked) selected.add(name);
        else selected.delete(name);
    }
    show();
}});
/** @type {Entry[]} */
let shown = [];
const table = h('table', {class: 'table'}, h('thead', null, h('tr', null, h('th', {scope: 'col', class: 'pick'}, h('label', {class: 'check'}, every, h('span', {class: 'offscreen'}, t('streams.selectAll')))), heads, h('th', {scope: 'col'}, h('span', {class: 'offscreen'}, t('streams.actions'))))), body);
const summary = h('p', {class: 'muted'});
const count = h('span'), inGrid = h('a', {class: 'button'}, t('streams.openGrid'));
const kickAll = deed(t('streams.kick'), () => kick([...selected]), {class: 'own'}), warmAll = deed(t('streams.warm'), () => warm([...selected]));
/** What can be done with all that are selected. */
const bulk = h('div', {class: 'row bulk', hidden: true}, count, inGrid,
    guarded(kickAll.node), guarded(warmAll.node), guarded(button(t('streams.delete', {n: 2}), () => remove([...selected]), {icon: 'trash', class: 'danger'})),
    button(t('streams.clearSelection'), () => clear()));
const filler = h('div', null, h('div', {class: 'skeleton'}));
main.append(h('div', {class: 'stack'}, summary, bulk, h('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t('nav.streams')}, table), filler));

/** @param {Entry} entry */
function codecs(entry) {
    return codecsOf(entry.json).join(' + ') || '–';
}

/** @param {Entry} entry */
const source = entry => (entry.json.producers ?? []).map(p => p.url ?? p.source ?? '').filter(Boolean).join('\n') || '–';

const rows = new Keyed(body, row => row.key, row => row.detail ? detail(row.entry) : line(row.entry));

/** @param {Entry} first */
function line(first) {
    const {name} = first, state = chip(), viewers = h('span'), rates = h('span', {class: 'row nowrap'}), release = h('span'), codec = h('span'), from = h('span', {class: 'clip small'});
    let drawn = '', lines = '';
    const box = h('input', {type: 'checkbox', 'aria-label': `${t('streams.select')}: ${name}`, onchange: () => choose(name)});
    const more = button(t('streams.details'), () => open(name), {icon: 'more', bare: true}), menu = button(t('streams.actions'), () => sheet(name), {icon: 'more', class: 'bare phone', bare: true});
    menu.setAttribute('aria-haspopup', 'dialog');
    const cell = (/** @type {string} */ label, /** @type {any} */ kid, name = '') => h('td', {'data-label': t(label), class: name}, kid);
    const node = h('tr', {class: 'lead', tabindex: '-1', data: {name}}, cell('streams.select', h('label', {class: 'check'}, box), 'pick'), cell('streams.name', h('a', {href: address('camera.html', {src: name}), title: name}, name), 'title'),
        cell('streams.state', state.node), cell('streams.source', from, 'from'), cell('streams.codec', codec, 'whole'), cell('streams.viewers', viewers), cell('streams.rate', rates, 'rate'),
        cell('streams.release', release), h('td', {class: 'num wide'}, more, menu));
    return {
        node,
        /** @param {{entry: Entry}} row */
        update({entry}) {
            const text = entry.bitsIn || entry.state === 'live' ? rate(entry.bitsIn) : '–', key = entry.history.join();
            const all = [entry.state, stateText(entry), entry.error, source(entry), codecs(entry), entry.viewers, duration(entry.released), text, key, selected.has(name), opened.has(name)].join('\t');
            // Most say the same as the last time.
            if (all === drawn) return;
            drawn = all;
            state.show(entry);
            say(from, source(entry));
            say(codec, codecs(entry));
            say(viewers, String(entry.viewers));
            say(release, duration(entry.released));
            if (key !== lines || !rates.firstChild) fill(rates, entry.history.some(Boolean) && spark(entry.history.slice(-DRAWN), text), h('span', null, text));
            lines = key;
            // A card of a phone leaves out what is not there.
            for (const one of [codec, viewers, rates, release]) one.parentElement?.toggleAttribute('data-empty', ['–', '0'].includes(one.textContent ?? ''));
            box.checked = selected.has(name);
            node.setAttribute('aria-selected', String(selected.has(name)));
            more.setAttribute('aria-expanded', String(opened.has(name)));
        },
    };
}

/** What can be done with one. @param {string} name */
function deeds(name) {
    const again = deed(t('common.retryNow'), () => retry(name), {of: name, class: 'primary'}), heat = deed(t('streams.warm'), () => warm([name]), {of: name}), stop = deed(t('streams.kick'), () => kick([name]), {of: name, class: 'own'}), log = h('a', {class: 'button'}, t('nav.log'));
    const update = (/** @type {Entry} */ entry) => {
        for (const one of [again, heat, stop]) one.update();
        again.node.hidden = again.node.ariaBusy !== 'true' && !['failed', 'retrying'].includes(entry.state);
        log.href = logOf(name, feed);
    };
    return {update, all: [
        h('a', {class: 'button', href: address('camera.html', {src: name})}, t('keys.open')), h('a', {class: 'button', href: address('links.html', {src: name})}, t('nav.links')),
        h('a', {class: 'button', href: address('net.html', {src: name})}, t('nav.net')), log,
        again.node, guarded(heat.node), guarded(stop.node),
        guarded(button(t('streams.delete', {n: 1}), () => remove([name]), {icon: 'trash', class: 'danger'}))]};
}

/** @param {Entry} first */
function detail(first) {
    const {name} = first, {all, update} = deeds(name), about = aboutStream();
    return {
        node: h('tr', {class: 'detail'}, h('td', {colspan: COLUMNS.length + 2}, h('div', {class: 'stack'}, h('div', {class: 'row'}, all), about.node))),
        /** @param {{entry: Entry}} row */
        update({entry}) {
            update(entry);
            about.show(entry, [], '', qualities.of(name));
        },
    };
}

/** The same on a phone. @param {string} name */
function sheet(name) {
    const entry = streams.all.get(name), {all, update} = deeds(name);
    if (!entry) return;
    update(entry);
    const details = button(t('streams.details'), () => open(name)), close = button(t('common.close'), () => {});
    const dialog = openDialog(name, [h('div', {class: 'stack'}, all.toSpliced(1, 0, details), close)], {class: 'box low', onclick: (/** @type {Event} */ ev) => ev.target === dialog && dialog.close()});
    // It is gone before what was chosen asks something.
    for (const one of dialog.querySelectorAll('button, a')) one.addEventListener('click', () => dialog.close(), {capture: true});
}

/** Shows more of one, or not any more. @param {string} name */
function open(name) {
    if (!opened.delete(name)) opened.add(name);
    qualities.look(name);
    show();
}

/** Selects one, or not any more. @param {string} name */
function choose(name) {
    if (!selected.delete(name)) selected.add(name);
    show();
}

function show() {
    if (!listed(streams)) return;
    const words = find.value.toLowerCase(), all = streams.sorted();
    const list = all.filter(e => (!states.value || e.state === states.value) && (!words || `${e.name} ${source(e)} ${e.error}`.toLowerCase().includes(words)));
    const sort = url.searchParams.get('sort') ?? 'name', column = COLUMNS.find(([key]) => key === sort.replace('-', ''));
    if (column && sort !== 'name') {
        const of = column[2], sign = sort.startsWith('-') ? -1 : 1, order = orderOf(list.map(e => String(of(e))));
        list.sort((a, b) => sign * (typeof of(a) === 'number' ? of(a) - of(b) : order(of(a), of(b))));
    }
    for (const [i, [key]] of COLUMNS.entries()) heads[i].setAttribute('aria-sort', sort === key ? 'ascending' : sort === `-${key}` ? 'descending' : 'none');
    shown = list;
    rows.show(list.flatMap(entry => [{key: `r${entry.name}`, entry}, ...(opened.has(entry.name) ? [{key: `d${entry.name}`, entry, detail: true}] : [])]));
    /** @type {HTMLElement} */ (table.parentElement).hidden = !list.length;
    refill(filler, list.length ? 'rows' : all.length ? 'filter' : 'none', () => list.length ? [] : all.length ? [empty(t('streams.none'), button(t('streams.clear'), () => {
        find.value = states.value = '';
        url.searchParams.delete('state');
        keep('q', '');
    }))] : [noCameras()]);
    summary.hidden = !all.length;
    const sum = (/** @type {(e: Entry) => number} */ of) => all.reduce((n, e) => n + of(e), 0);
    say(summary, [t('streams.count', {n: all.length}), t('live.count.live', {n: all.filter(e => ['live', 'warm', 'lingering'].includes(e.state)).length}),
        t('streams.in', {rate: rate(sum(e => e.bitsIn))}), t('streams.out', {rate: rate(sum(e => e.bitsOut))})].join(' · '));
    for (const kept of [selected, opened]) for (const name of kept) if (!streams.all.has(name)) kept.delete(name);
    bulk.hidden = !selected.size;
    for (const one of [kickAll, warmAll]) one.update();
    const chosen = list.filter(({name}) => selected.has(name)).length;
    every.checked = chosen > 0 && chosen === list.length;
    every.indeterminate = chosen > 0 && chosen < list.length;
    say(count, t('streams.selected', {n: selected.size}));
    inGrid.href = address('./', {src: [...selected]});
}
streams.addEventListener('change', show);

function clear() {
    selected.clear();
    show();
}

const current = () => /** @type {HTMLElement|null} */ (document.activeElement?.closest('tbody tr'));
bind(['ArrowDown', 'ArrowUp'], t('keys.move'), ev => moveFocus(body.querySelectorAll('tr:not(.detail)'), ev.key === 'ArrowUp' ? -1 : 1));
bind('Enter', t('keys.open'), () => current()?.querySelector('a')?.click());
bind('x', t('streams.select'), () => /** @type {HTMLElement|null} */ (current()?.querySelector('input'))?.click());
bind(['ArrowRight', 'ArrowLeft'], t('streams.details'), ev => {
    const name = current()?.dataset.name;
    if (!name || ev.target !== current()) return false;
    if (opened.has(name) !== (ev.key === 'ArrowRight')) open(name);
});
bind('Delete', t('streams.delete', {n: 1}), () => {
    const name = current()?.dataset.name, names = selected.size ? [...selected] : name ? [name] : [];
    if (names.length) remove(names);
});
bind('Escape', t('streams.clearSelection'), clear);
longPress(body, 'tr.lead', row => row.dataset.name && choose(row.dataset.name));
setInterval(() => document.hidden || show(), 1000);
askMay(main);
