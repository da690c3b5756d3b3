/**
 * Who is connected with what: five columns from the cameras to the viewers, as a drawing and as a table. `?src=NAME` shows one stream.
 */
import {button, download, fill, h, Keyed, refill, say, svgTitle} from '../lib/dom.js';
import {BOX, edgeKey, layout, rates} from '../lib/graph.js';
import {bytes, rate, t} from '../lib/i18n.js';
import {askMay, guarded} from '../lib/may.js';
import {recall, remember} from '../lib/prefs.js';
import {address, Feed, Gatherer, getJson, logOf} from '../lib/server.js';
import {kick} from '../shell/ask.js';
import {announce, empty, failed, notice, shell, watch} from '../shell/shell.js';

/** @typedef {import('../lib/graph.js').GraphNode} GraphNode @typedef {import('../lib/graph.js').Edge} Edge @typedef {import('../lib/graph.js').Part} Part */

const only = new URLSearchParams(location.search).getAll('src').filter(Boolean);
const {main, tools} = shell({page: 'net', title: t('nav.net')});
const feed = new Feed('streams,sessions');
watch(feed);
const COLUMNS = ['net.cameras', 'net.producers', 'net.tracks', 'net.consumers', 'net.viewers'];

let asTable = recall('netTable', matchMedia('(max-width: 599px)').matches);
/** @type {ReturnType<typeof layout>} */
let graph = {nodes: [], edges: [], height: 0};
/** What the edges had at the last look. @type {import('../lib/graph.js').Seen} */
let seen = new Map();
/** The node that the details are of, as it was seen last. @type {GraphNode|null} */
let told = null;
/** A stream of the address that does not exist. @type {string|null} */
let missing = null;
const area = h('div'), svg = h('svg', {role: 'group', 'aria-label': t('nav.net')}), graphic = h('div', {class: 'graph'}, svg), lines = h('tbody');
const table = h('table', {class: 'table'}, h('thead', null, h('tr', null, ['net.from', 'net.to', 'streams.rate', 'net.bytes', 'net.drops'].map(text => h('th', {scope: 'col'}, t(text))))), lines);
const title = h('h2', {tabindex: '-1'}), gone = h('p', {class: 'state', data: {state: 'warn'}, hidden: true}, t('net.gone')), facts = h('dl', {class: 'pairs small'}), acts = h('div', {class: 'stack'});
const about = h('section', {class: 'card', hidden: true}, title, gone, facts, acts);
const drawn = new Keyed(svg, one => one.key, one => one.make()), listed = new Keyed(lines, edgeKey, line), parts = new Keyed(acts, part => `${part.kick} ${part.stream}`, partRow);
const toggle = button(t('net.table'), () => {
    asTable = !asTable;
    remember('netTable', asTable);
    show();
});
const exporting = button(t('net.export'), () => {
    if (svg.isConnected) download('streams.svg', new Blob([new XMLSerializer().serializeToString(painted(svg))], {type: 'image/svg+xml'}));
});
tools.append(toggle, exporting, h('a', {class: 'button', href: address('api/streams.dot', {src: only})}, 'streams.dot'));
if (only.length) tools.append(h('a', {class: 'button', href: 'net.html'}, t('net.all')));
main.append(h('div', {class: 'stack'}, area, about));

const loads = new Gatherer(async () => {
    try {
        const streams = await getJson('api/streams');
        missing = only.find(name => !Object.hasOwn(streams, name)) ?? null;
        graph = layout(streams, only);
        seen = rates(graph.edges, seen, Date.now());
        notice('');
        show();
    } catch (err) {
        if (feed.state !== 'lost') failed(err, load);
    }
});
const load = () => loads.now();
feed.on(['viewer_joined', 'viewer_left', 'viewer_parked', 'viewer_resumed', 'source_opened', 'source_released'], () => loads.soon());
feed.addEventListener('state', () => feed.state === 'live' && load());
// Widths follow the bytes.
setInterval(() => document.hidden || feed.state === 'lost' || loads.look(), 5000);

/** A drawing with all that the style sheet of this page gives it. @param {SVGElement} svg */
function painted(svg) {
    const copy = /** @type {SVGElement} */ (svg.cloneNode(true)), nodes = [...copy.querySelectorAll('*')];
    for (const [i, node] of [...svg.querySelectorAll('*')].entries()) {
        const style = getComputedStyle(node);
        for (const name of ['fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'font-family', 'font-size']) nodes[i].setAttribute(name, style.getPropertyValue(name));
    }
    copy.prepend(h('rect', {width: '100%', height: '100%', fill: getComputedStyle(/** @type {Element} */ (svg.parentElement)).backgroundColor}));
    return copy;
}

/** Shows what has changed and leaves the rest: it may be scrolled, pointed at, or have the focus. */
function show() {
    exporting.hidden = asTable;
    toggle.setAttribute('aria-pressed', String(asTable));
    const held = /** @type {HTMLElement|null} */ (document.activeElement), view = asTable ? table : graphic;
    if (!graph.nodes.length) {
        fill(area, empty(missing === null ? t('net.none') : t('camera.unknown', {name: missing})));
    } else {
        if (view.parentNode !== area) fill(area, view);
        if (asTable) listed.show(graph.edges);
        else draw();
    }
    tell();
    // What is moved loses it.
    if (held?.isConnected && document.activeElement === document.body) held.focus({preventScroll: true});
}

/** Sets what has another value. @param {Element} node @param {Record<string, string|number>} attributes */
function put(node, attributes) {
    for (const [name, value] of Object.entries(attributes)) if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

/** @param {number} [bits] per second */
const fast = bits => bits === undefined ? '' : rate(bits);
/** @param {string} id */
const nodeOf = id => graph.nodes.find(n => n.id === id);

/** What comes into a node, in all. @param {GraphNode} node */
function into(node) {
    const known = graph.edges.filter(e => e.to === node.id && e.rate !== undefined);
    return known.length ? rate(known.reduce((sum, e) => sum + (e.rate ?? 0), 0)) : '';
}

/** A line of the table. @param {Edge} edge */
function line({from, to}) {
    const ends = [from, to].map(id => button('', () => choose(id), {class: 'bare'})), [speed, all, drops] = ['streams.rate', 'net.bytes', 'net.drops'].map(text => h('td', {'data-label': t(text)}));
    const node = h('tr', null, ['net.from', 'net.to'].map((label, i) => h('td', {'data-label': t(label)}, ends[i])), speed, all, drops);
    return {node, update(/** @type {Edge} */ e) {
        for (const [i, id] of [from, to].entries()) {
            const one = nodeOf(id);
            say(ends[i], `${one?.title} ${one?.sub}`.trim());
        }
        say(speed, fast(e.rate) || '–');
        say(all, bytes(e.bytes) || '–');
        say(drops, String(e.drops || 0));
        drops.toggleAttribute('data-empty', !e.drops);
    }};
}

/** @param {number} column */
const left = column => BOX.left + column * (BOX.width + BOX.gapX);

function draw() {
    const width = left(5) - BOX.gapX + BOX.left, height = graph.height + 12;
    put(svg, {width, height, viewBox: `0 0 ${width} ${height}`});
    const known = graph.edges.some(e => e.rate), weight = (/** @type {Edge} */ e) => (known ? e.rate : e.bytes) ?? 0, most = Math.max(1, ...graph.edges.map(weight)), node = new Map(graph.nodes.map(n => [n.id, n]));
    drawn.show([
        ...COLUMNS.map((text, column) => ({key: text, make: () => ({node: h('text', {class: 'head', x: left(column), y: 18}, t(text)), update() {}})})),
        ...graph.edges.map(e => ({key: `e ${edgeKey(e)}`, make: wire, edge: e, ends: [node.get(e.from), node.get(e.to)], width: (1 + 3 * Math.sqrt(weight(e) / most)).toFixed(1)})),
        ...graph.nodes.map(n => ({key: `n ${n.id}`, make: box, of: n}))]);
}

function wire() {
    const says = svgTitle(''), node = h('path', null, says);
    return {node, update(/** @type {{edge: Edge, ends: GraphNode[], width: string}} */ {edge: e, ends: [from, to], width}) {
        const x1 = left(from.column) + BOX.width, x2 = left(to.column), y1 = from.y + BOX.height / 2, y2 = to.y + BOX.height / 2, bend = (x2 - x1) / 2;
        // What is made of a track stands in the same column.
        const d = from.column === to.column ? `M${x2} ${y1}C${x2 - 24} ${y1} ${x2 - 24} ${y2} ${x2} ${y2}` : `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
        put(node, {d, class: e.dropping ? 'drops' : e.bytes ? 'hot' : '', 'stroke-width': width});
        say(says, [fast(e.rate), bytes(e.bytes), e.drops && t('streams.drops', {n: e.drops})].filter(Boolean).join(' · '));
    }};
}

const clip = (/** @type {string} */ text, most = 20) => text.length > most ? `${text.slice(0, most - 1)}…` : text;

function box() {
    let id = '';
    const says = svgTitle(''), frame = h('rect', {width: BOX.width, height: BOX.height, rx: 6}), first = h('text'), second = h('text', {class: 'head'});
    const node = h('g', {tabindex: '0', role: 'button', onclick: () => choose(id), onkeydown: (/** @type {KeyboardEvent} */ ev) => walk(ev, id)}, says, frame, first, ' ', second);
    return {node, update(/** @type {{of: GraphNode}} */ {of: n}) {
        const speed = n.column % 2 ? into(n) : '', text = speed ? `${clip(n.title, 19 - speed.length)} ${speed}` : clip(n.title), x = left(n.column);
        id = n.id;
        put(node, {'data-id': id, 'aria-label': `${t(COLUMNS[n.column])}: ${text} ${clip(n.sub, 22)}`});
        say(says, `${n.title} ${n.sub}`.trim());
        put(frame, {x, y: n.y});
        put(first, {x: x + 10, y: n.y + (n.sub ? 17 : 25)});
        say(first, text);
        put(second, {x: x + 10, y: n.y + 33});
        say(second, clip(n.sub, 22));
    }};
}

/** Arrows follow the lines. @param {KeyboardEvent} ev @param {string} id */
function walk(ev, id) {
    if (ev.key === 'Enter' || ev.key === ' ') {
        ev.preventDefault();
        return choose(id);
    }
    const next = ev.key === 'ArrowRight' ? graph.edges.find(e => e.from === id)?.to : ev.key === 'ArrowLeft' ? graph.edges.find(e => e.to === id)?.from : undefined;
    const column = graph.nodes.filter(n => n.column === nodeOf(id)?.column), at = column.findIndex(n => n.id === id);
    const target = next ?? (ev.key === 'ArrowDown' ? column[at + 1]?.id : ev.key === 'ArrowUp' ? column[at - 1]?.id : undefined);
    if (!target) return;
    ev.preventDefault();
    /** @type {HTMLElement|null} */ (area.querySelector(`[data-id="${CSS.escape(target)}"]`))?.focus();
}

/** Tells more of a node. @param {string} id */
function choose(id) {
    told = nodeOf(id) ?? null;
    tell();
    announce(title.textContent);
}

/** The details as they are now; of what has left as they were. */
function tell() {
    if (!told) return;
    const now = nodeOf(told.id), had = about.contains(document.activeElement);
    told = now ?? told;
    const name = `${told.title} ${told.sub}`.trim(), {medias, receivers, senders, sdp, host, ...rest} = told.about;
    if (!now && gone.hidden) announce(`${name}: ${t('net.gone')}`);
    about.hidden = false;
    gone.hidden = Boolean(now);
    say(title, name);
    parts.show(now?.parts ?? []);
    if (had && document.activeElement === document.body) title.focus({preventScroll: true});
    const drops = (senders ?? []).reduce((sum, s) => sum + (s.drops ?? 0), 0);
    const rows = [[t('streams.rate'), now && told.column % 2 ? into(told) : ''], [t('net.drops'), drops || ''], ...Object.entries(rest).filter(([, value]) => typeof value !== 'object').map(([key, value]) => [key === 'user_agent' ? t('sessions.agent') : key, value]),
        ...(medias ?? []).map(media => ['media', media])].filter(([, value]) => value !== '' && value !== undefined);
    refill(facts, JSON.stringify(rows), () => rows.map((/** @type {any[]} */ [key, value]) => [h('dt', null, key), h('dd', {class: 'mono'}, String(value))]));
}

/** What can be done with one stream of a node, or with one viewer. @param {Part} part */
function partRow({stream, kick: id, title: what}) {
    const name = h('span', {class: 'grow'}, `${stream} ${what}`.trim()), log = h('a', {class: 'button'}, t('nav.log'));
    const node = h('div', {class: 'row', role: 'group', 'aria-label': name.textContent}, name, h('a', {class: 'button', href: address('camera.html', {src: stream})}, t('keys.open')), log,
        id > 0 && guarded(button(t('sessions.kick'), () => kick(feed, id, stream, load, title.textContent), {class: 'own danger'})));
    return {node, update() {
        name.hidden = (told?.parts.length ?? 0) < 2;
        log.href = logOf(stream, feed);
    }};
}
load();
askMay(main);
