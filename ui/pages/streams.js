/**
 * All streams as a table: state and why, source, codecs, viewers, rates, the last release; with what can be done about
 * each. `?q=` and `?state=` filter, `?sort=` sorts.
 */
import {button, fill, h, Keyed, moveFocus, refill, say} from '../lib/dom.js';
import {duration, rate, t} from '../lib/i18n.js';
import {address, call, endSession, etag, explain, Feed, getJson, logOf} from '../lib/server.js';
import {chip, codecsOf, orderOf, Streams} from '../lib/streams.js';
import {spark} from '../lib/svg.js';
import {ask, bind, empty, listed, noCameras, shell, toast, watch} from '../shell/shell.js';
import {aboutStream} from './about.js';

/** @typedef {import('../lib/streams.js').Entry} Entry */

const url = new URL(location.href);
const {main, tools} = shell({page: 'streams', title: t('nav.streams')});
const feed = new Feed('streams,sessions');
watch(feed);
const streams = new Streams(feed, {look: 3000});
const selected = new Set();
const opened = new Set();

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
    ['codec', 'streams.codec', codecs], ['viewers', 'streams.viewers', e => -e.viewers], ['rate', 'streams.rate', e => -e.bitsIn], ['release', 'streams.release', e => e.released ?? 1e9],
];
const heads = COLUMNS.map(([key, text]) => h('th', {scope: 'col', 'aria-sort': 'none'}, button(t(text), () => {
    const now = url.searchParams.get('sort') ?? 'name';
    keep('sort', now === key ? `-${key}` : key);
}, {class: ''})));
const body = h('tbody');
const table = h('table', {class: 'table'}, h('thead', null, h('tr', null, h('th', {scope: 'col'}, h('span', {class: 'offscreen'}, t('streams.select'))), heads, h('th', {scope: 'col'}, h('span', {class: 'offscreen'}, t('streams.actions'))))), body);
const summary = h('p', {class: 'muted'});
const count = h('span'), inGrid = h('a', {class: 'button'}, t('streams.openGrid'));
/** What can be done with all that are selected. */
const bulk = h('div', {class: 'row', hidden: true}, count, inGrid,
    button(t('streams.kick'), () => act(async () => {
        for (const name of selected) await kick(name);
        return t('streams.kickedAll');
    })),
    button(t('streams.warm'), () => act(() => warm([...selected]))), button(t('streams.delete', {n: 2}), () => remove([...selected]), {icon: 'trash', class: 'danger'}),
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
    let drawn = '';
    const box = h('input', {type: 'checkbox', 'aria-label': `${t('streams.select')}: ${name}`, onchange: () => {
        if (box.checked) selected.add(name);
        else selected.delete(name);
        show();
    }});
    const more = button(t('streams.details'), () => {
        if (!opened.delete(name)) opened.add(name);
        show();
    }, {icon: 'more', bare: true});
    const cell = (/** @type {string} */ label, /** @type {any} */ kid, name = '') => h('td', {'data-label': t(label), class: name}, kid);
    const node = h('tr', {class: 'lead', tabindex: '-1', data: {name}}, cell('streams.select', h('label', {class: 'check'}, box), 'pick'), cell('streams.name', h('a', {href: address('camera.html', {src: name}), title: name}, name), 'title'),
        cell('streams.state', state.node), cell('streams.source', from, 'from'), cell('streams.codec', codec, 'whole'), cell('streams.viewers', viewers), cell('streams.rate', rates, 'rate'),
        cell('streams.release', release), h('td', {class: 'num wide'}, more));
    return {
        node,
        /** @param {{entry: Entry}} row */
        update({entry}) {
            state.show(entry);
            say(from, source(entry));
            say(codec, codecs(entry));
            say(viewers, String(entry.viewers));
            say(release, duration(entry.released));
            const text = entry.bitsIn || entry.state === 'live' ? rate(entry.bitsIn) : '–', key = entry.history.join();
            if (key !== drawn || !rates.firstChild) fill(rates, entry.history.some(Boolean) && spark(entry.history, text), h('span', null, text));
            drawn = key;
            // A card of a phone leaves out what is not there.
            for (const one of [codec, viewers, rates, release]) one.parentElement?.toggleAttribute('data-empty', ['–', '0'].includes(one.textContent ?? ''));
            box.checked = selected.has(name);
            node.setAttribute('aria-selected', String(selected.has(name)));
            more.setAttribute('aria-expanded', String(opened.has(name)));
        },
    };
}

/** @param {Entry} first */
function detail(first) {
    const {name} = first, log = h('a', {class: 'button'}, t('nav.log')), again = button(t('common.retryNow'), () => act(() => retry(name)), {class: 'primary'});
    const actions = h('div', {class: 'row'},
        h('a', {class: 'button', href: address('camera.html', {src: name})}, t('keys.open')), h('a', {class: 'button', href: address('links.html', {src: name})}, t('nav.links')),
        h('a', {class: 'button', href: address('net.html', {src: name})}, t('nav.net')), log,
        again, button(t('streams.warm'), () => act(() => warm([name]))), button(t('streams.kick'), () => act(() => kick(name))),
        button(t('streams.delete', {n: 1}), () => remove([name]), {icon: 'trash', class: 'danger'}));
    const about = aboutStream();
    return {
        node: h('tr', {class: 'detail'}, h('td', {colspan: COLUMNS.length + 2}, h('div', {class: 'stack'}, actions, about.node))),
        /** @param {{entry: Entry}} row */
        update({entry}) {
            again.hidden = !['failed', 'retrying'].includes(entry.state);
            log.href = logOf(name, feed);
            about.show(entry);
        },
    };
}

/** @param {() => Promise<string>} run gives what to say */
async function act(run) {
    try {
        toast(await run());
    } catch (err) {
        toast(explain(err));
    }
    streams.load();
}

/** Keeps them warm; if all of them are, not any more. @param {string[]} names */
async function warm(names) {
    const kept = await getJson('api/preload'), on = !names.every(name => Object.hasOwn(kept, name));
    for (const name of names) if (Object.hasOwn(kept, name) !== on) await call(on ? 'PUT' : 'DELETE', 'api/preload', {query: {src: name}});
    if (names.length > 1) return t(on ? 'streams.warmAll' : 'streams.warmNone');
    return t(on ? 'streams.warmOn' : 'streams.warmOff', {name: names[0]});
}

/** Opens it for a moment. @param {string} name */
async function retry(name) {
    await call('GET', 'api/streams', {query: {src: name, video: 'all', audio: 'all'}, limit: 60_000});
    return t('streams.answers', {name});
}

/** @param {string} name */
async function kick(name) {
    const {sessions} = await getJson('api/rs/sessions', {stream: name, ended: '0'});
    for (const {id} of sessions) await endSession(id);
    return t('streams.kicked', {n: sessions.length});
}

/** Asks for the name, or how many they are; what is deleted can be taken back for ten seconds. @param {string[]} names */
function remove(names) {
    const one = names.length === 1, name = one ? names[0] : t('streams.count', {n: names.length}), key = one ? name : String(names.length);
    const word = h('input', {type: 'text', autocomplete: 'off', spellcheck: 'false', 'aria-label': t(one ? 'streams.typeName' : 'streams.typeCount')});
    const dialog = ask({
        title: t('streams.deleteTitle', {name}), body: [!one && h('p', {class: 'mono'}, names.join(', ')), h('label', {class: 'field'}, t(one ? 'streams.typeName' : 'streams.typeCount'), word)],
        yes: t('streams.delete', {n: names.length}), danger: true,
        onyes: () => act(async () => {
            const undo = await take(names), text = t('streams.deleted', {name, n: names.length});
            if (undo) setTimeout(() => toast(text, {undo: () => act(undo)}));
            return text;
        }),
    });
    const yes = /** @type {HTMLButtonElement} */ (dialog.querySelector('.danger'));
    yes.disabled = true;
    word.addEventListener('input', () => yes.disabled = word.value !== key);
}

/** Deletes streams. @param {string[]} names @returns {Promise<(() => Promise<string>)|null>} how to take that back; `null` if there is no way */
async function take(names) {
    const what = {name: names[0], n: names.length}, file = () => call('GET', 'api/config').catch(() => null), before = await file(), text = await before?.text();
    const all = names.map(name => ({name, src: (streams.all.get(name)?.json.producers ?? []).map(p => p.url ?? '').filter(Boolean)}));
    for (const name of names) await call('DELETE', 'api/streams', {query: {src: name}});
    // Who sees the file as it is can put it back as it was, unless it is changed from now on.
    const after = before && etag(before) && text ? await file() : null, base = after ? etag(after) : '';
    if (base) {
        return async () => {
            const {status} = await call('POST', 'api/rs/config/apply', {query: {base}, body: text, accept: [409]});
            return t(status === 409 ? 'streams.backConflict' : 'streams.back', what);
        };
    }
    if (all.some(({src}) => !src.length || src.some(s => s.includes('***')))) return null;
    return async () => {
        for (const query of all) await call('PUT', 'api/streams', {query});
        return t('streams.back', what);
    };
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
bind('Delete', t('streams.delete', {n: 1}), () => {
    const name = current()?.dataset.name, names = selected.size ? [...selected] : name ? [name] : [];
    if (names.length) remove(names);
});
bind('Escape', t('streams.clearSelection'), clear);
setInterval(() => document.hidden || show(), 1000);
