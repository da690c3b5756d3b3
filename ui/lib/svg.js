/**
 * Small drawings: a line of rates, and the timeline of a session.
 */
import {h, svgTitle} from './dom.js';
import {t} from './i18n.js';

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

/** Lanes of a session's timeline: which events belong to which. @type {[string, RegExp][]} */
const LANES = [
    ['media', /media|packet|rtp|connected|offer|answer|alive|heard/i], ['socket', /ws|socket|signalling|hint/i], ['network', /icmp|ice|probe|silence|suspect/i],
    ['lease', /lease|park|resume|release|gone|proof|left|device|close/i],
];

/** Is it a sign, the end, or neither? @param {string} event */
export const kindOf = event => /hint|suspect|silence/i.test(event) ? 'hint' : /gone|proof|left|close_notify|park/i.test(event) ? 'end'
    : /release|free|closed/i.test(event) ? 'ok' : '';

/**
 * The marks of a session on one axis, a lane per kind of signal.
 * @param {{ms: number, event: string, detail: string}[]} marks
 * @param {string} label
 */
export function lanes(marks, label) {
    const from = Math.min(...marks.map(m => m.ms)), to = Math.max(...marks.map(m => m.ms)), span = Math.max(1, to - from);
    const used = LANES.map(([name, pattern]) => ({name, marks: marks.filter(m => (LANES.find(([, p]) => p.test(m.event)) ?? LANES[0])[1] === pattern)}))
        .filter(lane => lane.marks.length);
    const height = used.length * 32 + 24;
    // A square root brings the end, where all happens, and the long middle onto one picture.
    const x = (/** @type {number} */ ms) => 90 + Math.sqrt((ms - from) / span) * 590;
    const node = h('svg', {class: 'lanes', viewBox: `0 0 720 ${height}`, role: 'img', 'aria-label': label});
    used.forEach((lane, row) => {
        const y = row * 32 + 18;
        node.append(h('text', {x: 4, y: y + 4}, t(`lane.${lane.name}`)), h('line', {x1: 90, x2: 690, y1: y, y2: y}));
        for (const mark of lane.marks) {
            const dot = h('circle', {cx: x(mark.ms).toFixed(1), cy: y, r: 5, class: kindOf(mark.event)});
            dot.append(svgTitle(`${mark.ms} ms ${mark.event} ${mark.detail}`));
            node.append(dot);
        }
    });
    for (const ms of [from, to]) node.append(h('text', {x: x(ms), y: height - 6, 'text-anchor': ms === to ? 'end' : 'start'}, `${Math.round(ms)} ms`));
    return node;
}
