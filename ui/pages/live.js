/**
 * The first page: every camera with its state, playing where it runs anyway. Opening the page starts no camera. Only what is on
 * the screen plays, and only as much as the browser can decode; the rest shows still pictures.
 *
 * `?src=a&src=b&cols=3&big=a` shows some of them; layouts are such addresses with a name.
 */
import {button, fill, fullScreen, h, Keyed, moveFocus, refill, rove, say, single} from '../lib/dom.js';
import {duration, t} from '../lib/i18n.js';
import {fromQuery, layouts, named, pairs, query, recall, remember, starters} from '../lib/prefs.js';
import {Feed} from '../lib/server.js';
import {Streams} from '../lib/streams.js';
import {bind, empty, listed, noCameras, notice, shell, watch} from '../shell/shell.js';
import {Tile} from './tile.js';

const params = new URLSearchParams(location.search);
/** Milliseconds that a tile must be seen before it plays while somebody scrolls, which starts nothing, or before it asks for a still picture. */
const LOOK = 250;
let scrolled = -LOOK;
addEventListener('scroll', () => scrolled = performance.now(), {passive: true, capture: true});
/** Tiles that are built between two frames. */
const AT_ONCE = 8;

const {main, tools} = shell({page: 'live', title: t('nav.live')});
const feed = new Feed('streams,sessions');
watch(feed);
const streams = new Streams(feed);
/** What plays tiles, once something is to play. @type {typeof import('./playing.js')|null} */
let playing = null;
let loading = false, always = recall('alwaysAll', false), starts = starters(), arranging = false;
/** All cameras, as the visitor last wanted them. */
const everything = () => ({name: '', src: [], cols: recall('cols', 0), big: ''});
/** What is shown: the address, or the layout that was shown last. */
let layout = ['src', 'cols', 'big'].some(name => params.has(name)) ? named(fromQuery(params))
    : layouts().find(one => one.name === recall('layout', '')) ?? everything();
/** What arranges tiles, once somebody has done it. @type {typeof import('./arrange.js')|undefined} */
let arranger;

const grid = h('ul', {class: 'grid', 'aria-label': t('nav.live')});
const summary = h('p', {class: 'summary muted'});
const filler = h('div', {class: 'filler'}, h('div', {class: 'skeleton'}));
main.append(grid, filler, summary);

/** @type {Map<Element, Tile>} */
const byNode = new Map();
/** Cameras that were asked for before their tiles are there. @type {Set<string>} */
const asked = new Set();
const timers = new Map();
const watcher = new IntersectionObserver(changes => {
    for (const change of changes) {
        const tile = byNode.get(change.target);
        if (!tile) continue;
        clearTimeout(timers.get(tile));
        if (change.isIntersecting) timers.set(tile, setTimeout(() => tile.see(true), tile.on || tile.would && performance.now() - scrolled > LOOK ? 0 : LOOK));
        else tile.see(false);
    }
}, {threshold: 0.1});

const tiles = new Keyed(grid, entry => entry.name, entry => {
    const tile = new Tile(entry, {
        change: decide,
        listen: one => tellSound(one),
        always: name => always || starts.has(name),
        feed,
        entry: name => streams.all.get(name),
    });
    tile.wanted = asked.delete(entry.name);
    /** @type {((arranging: boolean, big: boolean, starts: boolean) => void)|undefined} */
    let arrange;
    byNode.set(tile.node, tile);
    watcher.observe(tile.node);
    tile.node.addEventListener('dblclick', (/** @type {MouseEvent} */ ev) => arranging || /** @type {Element} */ (ev.target).closest('button, a') || fullScreen(tile.node));
    return {
        node: tile.node,
        update(entry) {
            tile.low = two.get(entry.name);
            tile.node.classList.toggle('big', layout.big === entry.name);
            arrange ??= arranger?.arranger(tile, page);
            arrange?.(arranging, layout.big === entry.name, starts.has(entry.name));
            tile.update(entry);
        },
        end() {
            watcher.unobserve(tile.node);
            clearTimeout(timers.get(tile));
            timers.delete(tile);
            byNode.delete(tile.node);
            tile.end();
        },
    };
});

/** Dialogs are before all tiles. */
const covered = () => document.querySelector('dialog[open]') !== null;
document.addEventListener('dialog', () => {
    for (const tile of byNode.values()) tile.cover(covered() || !tile.seen);
    decide();
});

let deciding = 0;
/** Who plays now; once for all that changes at the same time. */
function decide() {
    deciding ||= requestAnimationFrame(decideNow);
}

function decideNow() {
    cancelAnimationFrame(deciding);
    deciding = 0;
    // Nobody would see what begins.
    if (covered()) return;
    const all = [...grid.children].map(node => /** @type {Tile} */ (byNode.get(node)));
    const wish = all.filter(tile => tile.wishes).sort((a, b) => b.asked - a.asked);
    if (wish.length) loadPlaying();
    // The others begin with the next frames.
    if (playing?.share(all, wish)) decide();
    tellSound();
    // Before there is what plays, tiles that need not wait for it show their still pictures.
    if (!playing) for (const tile of all) if (!wish.includes(tile)) tile.play(false, false);
}

async function loadPlaying() {
    if (loading) return;
    loading = true;
    // All of it at once, and not each when another one asks for it.
    for (const link of document.querySelectorAll('link[rel=later]')) link.setAttribute('rel', 'modulepreload');
    // Not there, the next look tries again.
    playing = await import('./playing.js').catch(() => null);
    loading = playing !== null;
    if (loading) decideNow();
}

/** The lesser streams of the same cameras. @type {Map<string, string>} */
let two = new Map();
let lastRelease = '';
feed.on(['source_released'], ev => {
    if (ev.viewer) lastRelease = t('live.release', {name: ev.stream, ms: duration(ev.release_ms)});
});

/** The names of all tiles, in their order. @type {string[]} */
let shown = [];
let room = AT_ONCE;

function show() {
    const only = layout.src;
    two = pairs(streams.all.keys());
    const lesser = new Set(two.values());
    const list = streams.sorted().filter(entry => only.length ? only.includes(entry.name) : !lesser.has(entry.name));
    if (only.length) list.sort((a, b) => only.indexOf(a.name) - only.indexOf(b.name));
    if (!listed(streams)) return;
    shown = list.map(entry => entry.name);
    tiles.show(list.slice(0, room));
    // Tiles play a moment after they are seen: what plays them is there by then.
    if ([...byNode.values()].some(tile => tile.would)) loadPlaying();
    const unknown = !list.length && streams.all.size ? t('live.unknown', {names: only.join(', ')}) : '';
    refill(filler, list.length ? 'tiles' : unknown, () => list.length ? [] : [unknown ? empty(unknown, button(t('live.layoutAll'), () => use(everything()), {class: 'primary'})) : noCameras()]);
    tools.hidden = !streams.all.size;
    roving();
    decide();
    if (list.length > room) return more();
    const count = (/** @type {string[]} */ ...states) => list.filter(entry => states.includes(entry.state)).length;
    const bad = count('failed', 'retrying'), asleep = count('idle', 'queued'), missing = only.filter(name => !streams.all.has(name));
    say(summary, list.length ? [t('live.count.live', {n: count('live', 'lingering', 'warm', 'dialling')}), asleep ? t('live.count.idle', {n: asleep}) : '',
        bad ? t('live.count.bad', {n: bad}) : '', missing.length ? t('live.missing', {names: missing.join(', ')}) : '', lastRelease].filter(Boolean).join(' · ') : '');
}

function more() {
    const next = room + AT_ONCE;
    requestAnimationFrame(() => setTimeout(() => {
        if (room >= next) return;
        room = next;
        show();
    }));
}
streams.addEventListener('change', show);
setInterval(async () => {
    if (document.hidden) return;
    await playing?.measure([...byNode.values()]);
    for (const tile of byNode.values()) tile.update(tile.entry);
    decide();
}, 2000);

const roving = rove(grid);

const columns = () => getComputedStyle(grid).gridTemplateColumns.split(' ').length;
/** Keys of a tile are the browser's own where none has the focus. @param {(tile: Tile, ev: KeyboardEvent) => void} run */
const onTile = run => (/** @type {KeyboardEvent} */ ev) => {
    const tile = byNode.get(document.activeElement?.closest('.tile') ?? grid);
    if (!tile) return false;
    run(tile, ev);
};
const ways = {ArrowRight: () => 1, ArrowLeft: () => -1, ArrowDown: columns, ArrowUp: () => -columns()};
for (const [key, by] of Object.entries(ways)) bind(key, t('keys.move'), () => moveFocus(grid.children, by()));
bind('Enter', t('keys.open'), onTile(tile => tile.link.click()));
bind(' ', t('keys.startStop'), onTile(tile => tile.player ? tile.stop() : tile.want()));
bind('m', t('tile.sound'), onTile(tile => tile.player && tile.grid.listen(tile)));
bind('t', t('camera.talk'), onTile((tile, ev) => tile.talk?.press(ev)));
document.addEventListener('keyup', ev => {
    if (ev.key.toLowerCase() === 't') for (const tile of byNode.values()) tile.talk?.lift();
});
bind('f', t('tile.full'), onTile(tile => fullScreen(tile.node)));
bind(['1', '2', '3', '4', '5', '6', '7', '8', '9'], t('keys.tile'), ev => /** @type {HTMLElement|undefined} */ (grid.children[Number(ev.key) - 1])?.focus());
bind(']', t('live.columns'), () => choose(Math.min(6, columns() + 1)));
bind('[', t('live.columns'), () => choose(Math.max(1, columns() - 1)));

const choice = h('select', {'aria-label': t('live.columns'), onchange: () => choose(Number(choice.value))},
    [0, 1, 2, 3, 4, 5, 6].map(n => h('option', {value: n}, n ? t('live.cols', {n}) : t('live.auto'))));
/** @param {number} n 0: as many as fit */
function setColumns(n) {
    choice.value = String(n);
    grid.style.setProperty('--cols', String(n || 1));
    grid.classList.toggle('fixed', n > 0);
    grid.dataset.cols = String(n);
}
setColumns(layout.cols);
/** @param {number} n */
function choose(n) {
    if (!layout.src.length) remember('cols', n);
    setColumns(n);
    settle({...layout, name: '', cols: n});
}

const all = button(t('live.playAll'), () => {
    for (const name of shown) asked.add(name);
    for (const tile of byNode.values()) if (asked.delete(tile.entry.name)) Object.assign(tile, {wanted: true, stopped: false});
    decide();
}, {icon: 'play'});

/** Which tile is heard, and the way to silence. */
const quiet = button(t('live.soundOff'), () => {
    for (const tile of byNode.values()) if (tile.sound) tile.listen(false);
    tellSound();
}, {icon: 'mute', class: 'quiet', disabled: true});
/** @param {Tile} [one] is to be heard, or not any more */
const tellSound = one => playing?.tellSound(quiet, byNode.values(), choice, one);

/** What those who arrange it need of the page. */
const page = {
    change, shown: () => shown, big: () => layout.big,
    /** @param {Set<string>} now */
    start(now) {
        starts = now;
        show();
    },
};
/** Another arrangement. @param {Partial<import('../lib/prefs.js').Layout>} what @param {Tile} tile */
function change(what, tile) {
    settle({...layout, name: '', src: layout.src.length ? layout.src : shown, ...what});
    show();
    if (tile.node.isConnected) tile.node.focus({preventScroll: true});
}
/** @param {import('../lib/prefs.js').Layout} next */
function settle(next) {
    layout = named(next);
    choices();
    window.history.replaceState(null, '', query({...layout, cols: layout.src.length ? layout.cols : 0}) || location.pathname);
}
/** @param {import('../lib/prefs.js').Layout} next */
function use(next) {
    remember('layout', next.name || null);
    setColumns(next.cols);
    settle(next);
    show();
}
const saved = h('select', {'aria-label': t('live.layouts'), onchange: () => {
    const value = saved.value, now = layout;
    if (value === '+') loadArranging(it => it.nameLayout(layout.name, name => ({...layout, name, src: layout.src.length ? layout.src : shown}), use));
    else if (value === '-') loadArranging(it => it.deleteLayout(now, gone => use(gone ?? everything())));
    else use(layouts().find(one => `=${one.name}` === value) ?? everything());
    choices();
}});
function choices() {
    const unnamed = !layout.name && (layout.src.length > 0 || layout.big !== '');
    fill(saved, h('option', {value: ''}, t('live.layoutAll')), unnamed && h('option', {value: '*', selected: true}, t('live.layoutNew')),
        layouts().map(one => h('option', {value: `=${one.name}`, selected: one.name === layout.name}, one.name)),
        h('option', {value: '+'}, t('live.layoutSave')), layout.name && h('option', {value: '-'}, t('live.layoutDelete', {name: layout.name})));
    if (!unnamed && !layout.name) saved.value = '';
}
choices();
const loadArranging = single(async (/** @type {(it: typeof import('./arrange.js')) => void} */ then) => {
    arranger ??= await import('./arrange.js').catch(() => undefined);
    if (arranger) then(arranger);
    else notice(t('common.unreachable'));
});
/** @param {typeof import('./arrange.js')} it */
function arrange(it) {
    arranging = !arranging;
    arrangeButton.setAttribute('aria-pressed', String(arranging));
    it.alwaysAll(all, arranging, always, on => {
        always = on;
        for (const tile of byNode.values()) tile.rest();
        decide();
    });
    show();
}
const arrangeButton = button(t('live.arrange'), () => loadArranging(arrange), {icon: 'config', class: 'compact'});
arrangeButton.setAttribute('aria-pressed', 'false');
arrangeButton.title = t('live.arrange');
new ResizeObserver(() => decide()).observe(grid);
const whole = button(t('tile.full'), () => fullScreen(document.documentElement), {icon: 'full', bare: true});
whole.hidden = !document.fullscreenEnabled;
tools.append(saved, arrangeButton, choice, quiet, all, whole);
