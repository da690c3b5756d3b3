/**
 * Who is connected with what: five columns from the cameras to the viewers, as a drawing and as a table. `?src=NAME` shows one stream.
 */
import {button, fill, h, say, svgTitle} from '../lib/dom.js';
import {BOX, layout, rates} from '../lib/graph.js';
import {bytes, rate, t} from '../lib/i18n.js';
import {recall, remember} from '../lib/prefs.js';
import {address, download, Feed, Gatherer, getJson, logOf} from '../lib/server.js';
import {empty, failed, kick, notice, shell, watch} from '../shell/shell.js';

const only = new URLSearchParams(location.search).getAll('src').filter(Boolean);
const {main, tools} = shell({page: 'net', title: t('nav.net')});
const feed = new Feed('streams,sessions');
watch(feed);
const COLUMNS = ['net.cameras', 'net.producers', 'net.tracks', 'net.consumers', 'net.viewers'];

let asTable = recall('netTable', matchMedia('(max-width: 599px)').matches);
/** @type {ReturnType<typeof layout>} */
let graph = {nodes: [], edges: [], height: 0};
let shown = '';
/** What the edges had at the last look. @type {Parameters<typeof rates>[1]} */
let seen = new Map();
/** A stream of the address that does not exist. @type {string|null} */
let missing = null;
const area = h('div'), about = h('div', {role: 'status'});
const toggle = button(t('net.table'), () => {
    asTable = !asTable;
    remember('netTable', asTable);
    shown = '';
    show();
});
const exporting = button(t('net.export'), () => {
    const svg = area.querySelector('svg');
    if (svg) download('streams.svg', new Blob([new XMLSerializer().serializeToString(painted(svg))], {type: 'image/svg+xml'}));
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

function show() {
    exporting.hidden = asTable;
    toggle.setAttribute('aria-pressed', String(asTable));
    if (!graph.nodes.length) {
        shown = '';
        return fill(area, empty(missing === null ? t('net.none') : t('camera.unknown', {name: missing})));
    }
    const key = asTable + JSON.stringify([graph.nodes.map(n => n.id), graph.edges.map(e => [e.from, e.to, bytes(e.bytes), fast(e.rate), e.drops])]);
    if (key === shown) return;
    shown = key;
    const focus = /** @type {HTMLElement|null} */ (document.activeElement)?.dataset?.id;
    fill(area, asTable ? table() : drawing());
    if (focus) /** @type {HTMLElement|null} */ (area.querySelector(`[data-id="${CSS.escape(focus)}"]`))?.focus();
}

/** @param {number} [bits] per second */
const fast = bits => bits === undefined ? '' : rate(bits);

/** What comes into a node, in all. @param {import('../lib/graph.js').GraphNode} node */
function into(node) {
    const known = graph.edges.filter(e => e.to === node.id && e.rate !== undefined);
    return known.length ? rate(known.reduce((sum, e) => sum + (e.rate ?? 0), 0)) : '';
}

function table() {
    const node = new Map(graph.nodes.map(n => [n.id, n]));
    return h('table', {class: 'table'}, h('thead', null, h('tr', null, ['net.from', 'net.to', 'streams.rate', 'net.bytes', 'net.drops'].map(text => h('th', {scope: 'col'}, t(text))))),
        h('tbody', null, graph.edges.map(e => h('tr', null, ['net.from', 'net.to'].map((label, i) => {
            const one = node.get(i ? e.to : e.from), kid = one && button(`${one.title} ${one.sub}`.trim(), () => tell(one), {class: 'bare'});
            // The focus finds it again.
            if (kid) kid.dataset.id = `${e.from} ${e.to} ${i}`;
            return h('td', {'data-label': t(label)}, kid ?? '');
        }), h('td', {'data-label': t('streams.rate')}, fast(e.rate) || '–'), h('td', {'data-label': t('net.bytes')}, bytes(e.bytes) || '–'), h('td', {'data-label': t('net.drops'), 'data-empty': !e.drops}, String(e.drops || 0))))));
}

function drawing() {
    const width = BOX.left * 2 + 5 * BOX.width + 4 * BOX.gapX, x = (/** @type {number} */ column) => BOX.left + column * (BOX.width + BOX.gapX);
    const svg = h('svg', {width, height: graph.height + 12, viewBox: `0 0 ${width} ${graph.height + 12}`, role: 'group', 'aria-label': t('nav.net')});
    svg.append(...COLUMNS.map((text, column) => h('text', {class: 'head', x: x(column), y: 18}, t(text))));
    const node = new Map(graph.nodes.map(n => [n.id, n])), known = graph.edges.some(e => e.rate), weight = (/** @type {import('../lib/graph.js').Edge} */ e) => (known ? e.rate : e.bytes) ?? 0, most = Math.max(1, ...graph.edges.map(weight));
    for (const e of graph.edges) {
        const from = node.get(e.from), to = node.get(e.to);
        if (!from || !to) continue;
        const x1 = x(from.column) + BOX.width, x2 = x(to.column), y1 = from.y + BOX.height / 2, y2 = to.y + BOX.height / 2, bend = (x2 - x1) / 2;
        // What is made of a track stands in the same column.
        const d = from.column === to.column ? `M${x2} ${y1}C${x2 - 24} ${y1} ${x2 - 24} ${y2} ${x2} ${y2}` : `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
        svg.append(h('path', {d, class: e.drops ? 'drops' : e.bytes ? 'hot' : '', 'stroke-width': (1 + 3 * Math.sqrt(weight(e) / most)).toFixed(1)}, svgTitle([fast(e.rate), bytes(e.bytes), e.drops && t('streams.drops', {n: e.drops})].filter(Boolean).join(' · '))));
    }
    const clip = (/** @type {string} */ text, most = 20) => text.length > most ? `${text.slice(0, most - 1)}…` : text;
    for (const n of graph.nodes) {
        const speed = n.column % 2 ? into(n) : '', title = speed ? `${clip(n.title, 19 - speed.length)} ${speed}` : clip(n.title);
        svg.append(h('g', {tabindex: '0', role: 'button', 'aria-label': `${t(COLUMNS[n.column])}: ${title} ${clip(n.sub, 22)}`, data: {id: n.id}, onclick: () => tell(n), onkeydown: (/** @type {KeyboardEvent} */ ev) => walk(ev, n)},
            svgTitle(`${n.title} ${n.sub}`.trim()), h('rect', {x: x(n.column), y: n.y, width: BOX.width, height: BOX.height, rx: 6}), h('text', {x: x(n.column) + 10, y: n.y + (n.sub ? 17 : 25)}, title), ' ',
            n.sub && h('text', {class: 'head', x: x(n.column) + 10, y: n.y + 33}, clip(n.sub, 22))));
    }
    return h('div', {class: 'graph'}, svg);
}

/** Arrows follow the lines. @param {KeyboardEvent} ev @param {import('../lib/graph.js').GraphNode} node */
function walk(ev, node) {
    if (ev.key === 'Enter' || ev.key === ' ') {
        ev.preventDefault();
        return tell(node);
    }
    const next = ev.key === 'ArrowRight' ? graph.edges.find(e => e.from === node.id)?.to : ev.key === 'ArrowLeft' ? graph.edges.find(e => e.to === node.id)?.from : undefined;
    const column = graph.nodes.filter(n => n.column === node.column), at = column.indexOf(node);
    const target = next ?? (ev.key === 'ArrowDown' ? column[at + 1]?.id : ev.key === 'ArrowUp' ? column[at - 1]?.id : undefined);
    if (!target) return;
    ev.preventDefault();
    /** @type {HTMLElement|null} */ (area.querySelector(`[data-id="${CSS.escape(target)}"]`))?.focus();
}

/** @param {import('../lib/graph.js').GraphNode} node */
function tell(node) {
    const {medias, receivers, senders, sdp, host, ...rest} = node.about;
    const drops = (senders ?? []).reduce((/** @type {number} */ sum, /** @type {any} */ s) => sum + (s.drops ?? 0), 0), speed = node.column % 2 ? into(node) : '';
    const rows = Object.entries(rest).filter(([, value]) => value !== undefined && typeof value !== 'object');
    fill(about, h('section', {class: 'card'}, h('h2', null, `${node.title} ${node.sub}`.trim()), h('dl', {class: 'pairs small'}, speed && [h('dt', null, t('streams.rate')), h('dd', {class: 'mono'}, speed)], drops > 0 && [h('dt', null, t('net.drops')), h('dd', {class: 'mono'}, String(drops))], rows.map(([key, value]) => [h('dt', null, key === 'user_agent' ? t('sessions.agent') : key), h('dd', {class: 'mono'}, String(value))]),
        (medias ?? []).map((/** @type {string} */ media) => [h('dt', null, 'media'), h('dd', {class: 'mono'}, media)])),
    h('div', {class: 'row'}, h('a', {class: 'button', href: address('camera.html', {src: node.stream})}, t('keys.open')), h('a', {class: 'button', href: logOf(node.stream, feed)}, t('nav.log')),
        node.kick ? button(t('sessions.kick'), () => kick(node.kick ?? 0, node.stream, load), {class: 'danger'}) : null)));
    say(about.querySelector('h2') ?? about, `${node.title} ${node.sub}`.trim());
}
load();
