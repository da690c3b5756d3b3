/**
 * The log: loaded once, then as it is written. Filters are in the address (`?level=`, `?module=`, `?stream=`, `?q=`), repeated lines are folded, and
 * only what is on the screen is in the document.
 */
import {button, download, fill, h, openDialog, refill, say} from '../lib/dom.js';
import {clock, orderOf, t} from '../lib/i18n.js';
import {LEVELS, LogList} from '../lib/loglist.js';
import {call, explain, Feed, Gatherer, loadWith} from '../lib/server.js';
import {ask} from '../shell/ask.js';
import {bind, copied, failed, notice, shell, toast, watch} from '../shell/shell.js';
import {serverLevels} from './log-levels.js';

const url = new URL(location.href);
const {main, tools} = shell({page: 'log', title: t('nav.log')});
const feed = new Feed('log');
watch(feed);
const log = new LogList();
const asked = (/** @type {string} */ name) => url.searchParams.get(name) ?? '';
log.filter = {level: asked('level'), modules: asked('module').split(',').filter(Boolean), stream: asked('stream'), words: asked('q')};
let following = true, paused = false, fresh = 0;
/** The log is there; and events were heard when it was asked for: no line is missing. */
let loaded = false, whole = false;

const levels = h('select', {'aria-label': t('log.level'), onchange: keep},
    [['', t('log.all')], ...LEVELS.map(level => [level, level])].map(([value, text]) => h('option', {value, selected: value === log.filter.level}, text)));
/** Chooses one more; those that are chosen stand beside it, and go when they are pressed. */
const modules = h('select', {'aria-label': t('log.module'), onchange: () => choose([...log.filter.modules, modules.value])}), chosen = h('span', {class: 'row'});
const names = h('select', {'aria-label': t('sessions.stream'), onchange: keep});
const find = h('input', {type: 'search', placeholder: t('log.find'), 'aria-label': t('log.find'), value: log.filter.words, oninput: keep});
const follow = button(t('log.follow'), () => setFollow(!following), {key: 'F'});
const pause = button(t('camera.pause'), () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', String(paused));
    if (!paused) show();
}, {icon: 'pause'});
/** By their names in the address. */
const filters = {level: levels, stream: names, q: find};
tools.append(levels, modules, chosen, names, find);
offer();
offer();
const count = h('span', {class: 'muted grow'}), chip = button('', () => setFollow(true), {class: 'primary'});
chip.hidden = true;
const list = h('ol'), box = h('div', {class: 'loglist', tabindex: '0', role: 'region', 'aria-label': t('nav.log'), onscroll: onscroll}, list);
const none = h('div', {class: 'row', hidden: true}, h('p', {class: 'muted'}, t('log.none')), button(t('streams.clear'), () => {
    for (const field of Object.values(filters)) field.value = '';
    choose([]);
    find.focus();
}));
main.append(h('div', {class: 'stack'}, h('div', {class: 'row'}, count, chip, follow, pause, button(t('common.copy'), () => copied(log.text()), {icon: 'copy'}),
    button(t('log.download'), () => download('rs2rtc.log', log.text())), button(t('log.clear'), clear, {icon: 'trash'})), serverLevels(feed), none, box));

/** @param {string[]} modules whose lines are shown; without any those of all */
function choose(modules) {
    log.filter.modules = modules;
    keep();
}

/** Shows what the filters let through, which are in the address too. */
function keep() {
    const {modules} = log.filter;
    for (const [name, value] of [...Object.entries(filters).map(([name, field]) => [name, field.value]), ['module', modules.join(',')]]) {
        if (value) url.searchParams.set(name, value);
        else url.searchParams.delete(name);
    }
    history.replaceState(null, '', url);
    log.filter = {level: levels.value, modules, stream: names.value, words: find.value};
    log.sift();
    show();
}

/** What is written while the log is loaded: the answer may be older. @type {import('../types.js').LogRecord[]} */
let meanwhile = [];
const loads = new Gatherer(async () => {
    const hears = feed.state === 'live';
    meanwhile = [];
    try {
        log.set(await (await call('GET', 'api/log')).text(), meanwhile);
        loaded = true;
        whole = hears;
        notice('');
        show();
    } catch (err) {
        loaded = whole = false;
        if (feed.state !== 'lost') failed(err, load);
    }
});
const load = () => loads.now();

let drawing = false;
feed.on(['log'], record => {
    if (loads.busy) meanwhile.push(record);
    const added = log.add(record);
    if (added && !following) fresh++;
    if (paused || drawing) return;
    drawing = true;
    setTimeout(() => {
        drawing = false;
        show();
    }, 250);
});
feed.addEventListener('reset', load);
feed.addEventListener('restarted', load);
// A server that does not tell is asked.
setInterval(() => document.hidden || paused || feed.state !== 'absent' || loads.look(), 5000);

/** Milliseconds in a line's height, which the style decides. */
const rowHeight = () => matchMedia('(max-width: 599px)').matches ? 48 : 28;

/** What the lines are of can be chosen; what is chosen stays, though no line is of it. */
function offer() {
    const {modules: shown, stream} = log.filter, rest = [...log.modules].filter(one => !shown.includes(one)), streams = [...new Set([...log.streams, stream])].filter(Boolean);
    const options = (/** @type {string} */ first, /** @type {string[]} */ list, now = '') => () => [h('option', {value: ''}, t(first)), list.sort(orderOf(list)).map(name => h('option', {value: name, selected: name === now}, name))];
    refill(modules, JSON.stringify(rest), options('log.module', rest));
    refill(names, JSON.stringify(streams), options('net.all', streams, stream));
    refill(chosen, JSON.stringify(shown), () => shown.map(one => button(one, () => {
        choose(log.filter.modules.filter(other => other !== one));
        modules.focus();
    }, {icon: 'close'})));
}

function show() {
    offer();
    say(count, t('log.lines', {shown: log.shown.length, n: log.all.length}));
    none.hidden = log.shown.length > 0 || !loaded;
    list.style.height = `${log.shown.length * rowHeight()}px`;
    if (following) box.scrollTop = box.scrollHeight;
    chip.hidden = following || !fresh;
    say(chip, t('log.fresh', {n: fresh}));
    follow.setAttribute('aria-pressed', String(following));
    draw();
}

/** Only the lines that can be seen are there. */
function draw() {
    const size = rowHeight(), {dropped} = log, held = /** @type {HTMLElement|null} */ (document.activeElement?.closest('.loglist li'));
    // What is read stays where it is while the oldest lines go.
    log.dropped = 0;
    if (!following && dropped) box.scrollTop -= dropped * size;
    const first = Math.max(0, Math.floor(box.scrollTop / size) - 10), end = Math.min(log.shown.length, first + Math.ceil(box.clientHeight / size) + 20);
    fill(list, log.shown.slice(first, end).map((line, i) => h('li', {data: {level: line.level, index: first + i}, tabindex: '-1', style: {top: `${(first + i) * size}px`}, onclick: () => open(line), 'aria-setsize': log.shown.length, 'aria-posinset': first + i + 1},
        h('time', null, line.at ? clock(line.at) : ''), h('span', {class: 'level'}, line.level), h('span', {class: 'mod'}, line.module), h('span', null, `${line.message}${line.count > 1 ? `  ×${line.count}` : ''}`))));
    if (held) /** @type {HTMLElement} */ (list.querySelector(`[data-index="${Number(held.dataset.index) - dropped}"]`) ?? box).focus({preventScroll: true});
}

/** Just told to follow or not: what moved the list before is heard until the next frame. */
let settling = false;
function onscroll() {
    const bottom = box.scrollHeight - box.scrollTop - box.clientHeight < 8;
    if (settling || following === bottom) {
        draw();
    } else if (bottom) {
        setFollow(true);
    } else {
        following = false;
        fresh = 0;
        show();
    }
}

/** @param {boolean} on */
function setFollow(on) {
    following = on;
    fresh = 0;
    settling = true;
    requestAnimationFrame(() => settling = false);
    show();
}

/** @param {import('../lib/loglist.js').Line} line */
function open(line) {
    const {level, time, at, message, ...rest} = line.fields;
    const dialog = openDialog([line.level, line.module].filter(Boolean).join(' · '), [h('p', {class: 'mono', tabindex: '-1', autofocus: true}, message ?? line.message), h('dl', {class: 'pairs small'},
        h('dt', null, t('log.time')), h('dd', {class: 'mono'}, line.at ? new Date(line.at).toISOString() : '–'), Object.entries(rest).map(([key, value]) => [h('dt', null, key), h('dd', {class: 'mono'}, typeof value === 'string' ? value : JSON.stringify(value))])),
    h('div', {class: 'row end'}, button(t('common.copyJson'), () => copied(JSON.stringify(line.fields)), {icon: 'copy'}), button(t('common.close'), () => dialog.close(), {class: 'primary'}))]);
}

function clear() {
    ask({title: t('log.clearTitle'), yes: t('log.clear'), danger: true, async onyes() {
        try {
            await call('DELETE', 'api/log');
            log.set('');
            show();
        } catch (err) {
            toast(explain(err));
        }
    }});
}

box.addEventListener('keydown', (/** @type {KeyboardEvent} */ ev) => {
    const now = /** @type {HTMLElement|null} */ (document.activeElement?.closest('.loglist li'));
    const index = now ? Number(now.dataset.index) : -1;
    const go = (/** @type {number} */ to) => {
        ev.preventDefault();
        const size = rowHeight(), at = Math.max(0, Math.min(log.shown.length - 1, to));
        if (at * size < box.scrollTop) box.scrollTop = at * size;
        else if ((at + 1) * size > box.scrollTop + box.clientHeight) box.scrollTop = (at + 1) * size - box.clientHeight;
        draw();
        /** @type {HTMLElement|null} */ (list.querySelector(`[data-index="${at}"]`))?.focus();
    };
    if (ev.key === 'ArrowDown') go(index < 0 ? Math.floor(box.scrollTop / rowHeight()) : index + 1);
    else if (ev.key === 'ArrowUp') go(index < 0 ? log.shown.length - 1 : index - 1);
    else if (ev.key === 'Enter' && index >= 0) open(log.shown[index]);
});
bind('/', t('keys.filter'), () => find.focus());
bind('f', t('log.follow'), () => setFollow(!following));
bind('End', t('log.newest'), () => setFollow(true));
window.addEventListener('resize', () => show());
loadWith(feed, loads, () => whole);
