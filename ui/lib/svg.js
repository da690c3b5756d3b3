/**
 * Small drawings: a line of rates, the timeline of a session, and how often something took how long.
 */
import {h, svgTitle} from './dom.js';
import {duration, t} from './i18n.js';

/**
 * A line of values, the newest at the right.
 * @param {number[]} values
 * @param {string} label the newest in words
 */
export function spark(values, label) {
    const max = Math.max(...values, 1), step = values.length > 1 ? 100 / (values.length - 1) : 0;
    const d = values.map((value, i) => `${i ? 'L' : 'M'}${(i * step).toFixed(1)} ${(22 - value / max * 20).toFixed(1)}`).join('');
    const node = h('svg', {class: 'spark', viewBox: '0 0 100 24', preserveAspectRatio: 'none', role: 'img', 'aria-label': label});
    if (values.length > 1) node.append(h('path', {d}));
    return node;
}

/** Which mark belongs to which signal: the first that fits, by the event and what is told about it. A hint belongs to what it came over. @type {[string, RegExp][]} */
const LANES = [
    ['device', /^(source_\w+|released|camera_back)\b/], ['lease', /^(gone|resumed|parked|camera_\w+)\b/], ['icmp', /^(hint|pardoned) (icmp|unreachable)/],
    ['socket', /^(offer|answer)\b|^(hint|pardoned) (ws|pagehide|http|superseded)/], ['probes', /^(suspect|pardoned|probe\w*|ice_\w+|server_late|uplink_\w+)\b/], ['media', /^/],
];
/** From what is heard first to what is let go last. */
const ORDER = ['media', 'socket', 'icmp', 'probes', 'lease', 'device'];

/** The lane of a mark. @param {Mark} mark */
export const laneOf = mark => LANES.find(([, pattern]) => pattern.test(`${mark.event} ${mark.detail}`))?.[0] ?? 'media';

/** Is it a sign, the end, or neither? @param {string} event */
export const kindOf = event => /hint|suspect|silence|doubted|late/i.test(event) ? 'hint' : /^source_released|^released/.test(event) ? 'ok' : /gone|camera_released|park/i.test(event) ? 'end' : '';

/** @typedef {{ms: number, event: string, detail: string}} Mark */

/**
 * What is known of a session in order: its marks, and what its two figures say: when it was heard last, and when its device was closed.
 * @param {{timeline: Mark[], detect_ms: number|null, release_ms: number|null}} session
 * @returns {Mark[]}
 */
export function marksOf({timeline, detect_ms: detect, release_ms: release}) {
    // What was let go and not taken again was decided then, however long the session stayed.
    const last = timeline.findLast(mark => /^camera_/.test(mark.event)), end = last?.event === 'camera_released' ? last : timeline.findLast(mark => mark.event === 'gone');
    if (!end) return timeline;
    const closes = release !== null && !timeline.some(mark => laneOf(mark) === 'device' && mark.ms >= end.ms);
    return [...detect === null ? [] : [{ms: Math.max(0, end.ms - detect), event: 'last_packet', detail: ''}], ...timeline, ...closes ? [{ms: end.ms + release, event: 'source_released', detail: ''}] : []].sort((a, b) => a.ms - b.ms);
}

/**
 * The marks of a session on one axis, a lane for each signal.
 * @param {Mark[]} marks in order
 * @param {string} label
 */
export function lanes(marks, label) {
    // Each gap takes as much room as it has digits: a day and the few milliseconds in which all ends stand on one picture.
    const steps = [0];
    for (let i = 1; i < marks.length; i++) steps.push(steps[i - 1] + Math.log10(1 + marks[i].ms - marks[i - 1].ms));
    const far = steps.at(-1) || 1, x = (/** @type {number} */ i) => 96 + steps[i] / far * 584, height = ORDER.length * 24 + 24;
    const node = h('svg', {class: 'lanes', viewBox: `0 0 720 ${height}`, role: 'img', 'aria-label': label});
    ORDER.forEach((name, row) => {
        const y = row * 24 + 14;
        node.append(h('g', {'data-lane': name}, h('text', {x: 4, y: y + 4}, t(`lane.${name}`)), h('line', {x1: 96, x2: 680, y1: y, y2: y}), marks.flatMap((mark, i) => {
            if (laneOf(mark) !== name) return [];
            const dot = h('circle', {cx: x(i).toFixed(1), cy: y, r: 5, class: kindOf(mark.event)});
            dot.append(svgTitle(`${duration(mark.ms)} ${mark.event} ${mark.detail}`));
            return [dot];
        })));
    });
    for (const i of [0, marks.length - 1]) node.append(h('text', {x: x(i), y: height - 6, 'text-anchor': i ? 'end' : 'start'}, duration(marks[i].ms)));
    return node;
}

/** Upper bounds of the columns, in milliseconds; the last column has none. */
const BOUNDS = [1, 3, 10, 30, 100, 300, 1000, 3000];

/**
 * How often what took how long, with the same in words.
 * @param {number[]} values milliseconds
 * @param {string} label
 * @returns {{drawing: SVGElement, words: string}}
 */
export function histogram(values, label) {
    const counts = [...BOUNDS.map((bound, i) => values.filter(v => v <= bound && !(v <= BOUNDS[i - 1])).length), values.filter(v => v > 3000).length], most = Math.max(...counts, 1);
    const words = counts.map((n, i) => n ? `${i < BOUNDS.length ? `≤ ${duration(BOUNDS[i])}` : `> ${duration(3000)}`}: ${n}` : '').filter(Boolean).join(' · ');
    const drawing = h('svg', {class: 'histogram', viewBox: '0 0 108 32', role: 'img', 'aria-label': `${label}: ${words}`}, h('line', {x1: 0, x2: 108, y1: 31.5, y2: 31.5}));
    for (const [i, n] of counts.entries()) if (n) drawing.append(h('rect', {x: i * 12 + 1, width: 10, y: 31 - n / most * 30, height: n / most * 30}));
    return {drawing, words};
}
