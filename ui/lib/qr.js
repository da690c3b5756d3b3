/**
 * QR codes, drawn here: no address leaves the page.
 */
import {encode} from '../vendor/uqr.js';
import {h} from './dom.js';

/** @param {string} text @param {string} label */
export function qr(text, label) {
    const {data, size} = encode(text, {border: 2});
    let d = '';
    for (const [y, row] of data.entries()) for (const [x, on] of row.entries()) if (on) d += `M${x} ${y}h1v1h-1z`;
    return h('svg', {class: 'qr', viewBox: `0 0 ${size} ${size}`, role: 'img', 'aria-label': label, 'shape-rendering': 'crispEdges'}, h('path', {d}));
}
