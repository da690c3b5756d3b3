/**
 * Cameras, producers, tracks, consumers and viewers in five columns, from the JSON of `api/streams`. Pure: gives boxes with
 * places and lines between them.
 */

import {agentName, codecName} from './streams.js';

/** Sizes in pixels. */
export const BOX = {width: 168, height: 40, gapX: 44, gapY: 12, top: 32, left: 12};

/**
 * @typedef {{stream: string, kick: number, title: string}} Part what a node has of a stream; `kick`: the number of the viewer, 0 if it is none
 * @typedef {Partial<import('../types.js').Connection & import('../types.js').Track> & {host?: string}} About
 * @typedef {{id: string, column: number, title: string, sub: string, y: number, about: About, parts: Part[]}} GraphNode
 * @typedef {{from: string, to: string, bytes: number, drops: number, rate?: number, dropping?: boolean}} Edge `rate`: bits per second, once that is
 *     known; `dropping`: more were dropped of late
 * @typedef {Map<string, {at: number, bytes: number, rate?: number, drops: number, dropped?: number}>} Seen by both ends; `dropped`: when there were more drops
 */

/** The host of a connection. @param {import('../types.js').Connection} c */
export function hostOf(c) {
    const text = String(c.remote_addr ?? ''), forwarded = text.split(' forwarded ')[1];
    if (forwarded) return forwarded.split(/[ ,]/)[0];
    if (c.protocol === 'pipe') return '127.0.0.1';
    const bare = text.startsWith('[') ? text.slice(1).split(']')[0] : text.split(/[ ,:]/)[0];
    if (bare) return bare;
    try {
        return new URL(String(c.url ?? '').replace(/^\w+:/, 'http:')).hostname || /** @type {string} */ (c.url);
    } catch {
        return String(c.url ?? c.source ?? '').slice(0, 40) || '?';
    }
}

/** Milliseconds between two looks that tell a rate. */
const APART = 900;
/** Milliseconds for which a drop is told as one of now: counts begin with the connection, which may be weeks old. */
const LATE = 30_000;

/**
 * Tells how fast each edge is, and whether it drops, from what it had before.
 * @param {Edge[]} edges @param {Seen} before @param {number} at now
 * @returns {Seen} the same for the next look
 */
export function rates(edges, before, at) {
    return new Map(edges.map(edge => {
        const key = edgeKey(edge), was = before.get(key), {bytes = 0, drops} = edge, dropped = was && drops > was.drops ? at : was?.dropped;
        edge.dropping = dropped !== undefined && at - dropped < LATE;
        if (was && at - was.at < APART) {
            edge.rate = was.rate;
            return [key, {...was, drops, dropped}];
        }
        // One that counts from the beginning is another one.
        edge.rate = was && bytes >= was.bytes ? (bytes - was.bytes) * 8000 / (at - was.at) : undefined;
        return [key, {at, bytes, rate: edge.rate, drops, dropped}];
    }));
}

/** @param {Edge} edge */
export const edgeKey = edge => `${edge.from} ${edge.to}`;

/**
 * @param {import('../types.js').Streams} streams
 * @param {string[]} [only] names; all without them
 * @returns {{nodes: GraphNode[], edges: Edge[], height: number}}
 */
export function layout(streams, only = []) {
    /** @type {Map<string, GraphNode>} */
    const nodes = new Map();
    /** By both ends: a stream with two names has its connections once. @type {Map<string, Edge>} */
    const edges = new Map();
    const add = (/** @type {string} */ id, /** @type {number} */ column, /** @type {string} */ title, /** @type {string} */ sub, /** @type {About} */ about, /** @type {string} */ stream, kick = 0, what = '') => {
        const node = nodes.get(id) ?? {id, column, title, sub, y: 0, about, parts: []};
        nodes.set(id, node);
        if (!node.parts.some(part => part.stream === stream && part.kick === kick)) node.parts.push({stream, kick, title: what});
    };
    const join = (/** @type {string} */ from, /** @type {string} */ to, bytes = 0, drops = 0) => {
        const edge = {from, to, bytes, drops}, key = edgeKey(edge);
        if (!edges.has(key)) edges.set(key, edge);
    };
    for (const [name, stream] of Object.entries(streams)) {
        if (only.length && !only.includes(name)) continue;
        /** Of tracks, by their number. */
        const codecOf = new Map();
        for (const p of stream.producers ?? []) {
            if (!p.id) continue;
            add(`c${hostOf(p)}`, 0, hostOf(p), name, {host: hostOf(p)}, name);
            add(`p${p.id}`, 1, p.format_name ?? p.protocol ?? '', name, p, name);
            join(`c${hostOf(p)}`, `p${p.id}`, p.bytes_recv);
            for (const r of p.receivers ?? []) {
                add(`t${r.id}`, 2, codecName(r.codec?.codec_name ?? '?'), [r.codec?.profile, r.codec?.sample_rate && `${r.codec.sample_rate / 1000} kHz`].filter(Boolean).join(' '), r, name);
                join(`p${p.id}`, `t${r.id}`, r.bytes);
                codecOf.set(r.id, r.codec?.codec_name);
            }
        }
        for (const c of stream.consumers ?? []) {
            if (!c.id) continue;
            // What is kept warm begins anew when it is ended.
            add(`k${c.id}`, 3, c.format_name ?? '', name, c, name, c.format_name === 'preload' ? 0 : c.id);
            for (const s of c.senders ?? []) {
                if (!s.parent) continue;
                // What is made of a track stands below it, once for all who get it.
                const codec = s.codec?.codec_name, made = codec && codecOf.has(s.parent) && codecOf.get(s.parent) !== codec ? `m${s.parent} ${codec}` : '';
                if (made) {
                    add(made, 2, `> ${codecName(codec)}`, '', s, name);
                    // Many may get it, it is made once.
                    join(`t${s.parent}`, made, s.bytes);
                }
                join(made || `t${s.parent}`, `k${c.id}`, s.bytes, s.drops);
            }
            if (c.format_name === 'preload') continue;
            // Two programs on one machine are two viewers.
            const agent = agentName(c.user_agent), viewer = `v${hostOf(c)} ${agent}`.trim();
            add(viewer, 4, hostOf(c), agent, {host: hostOf(c), user_agent: c.user_agent}, name, c.id, c.format_name);
            join(`k${c.id}`, viewer, c.bytes_send);
        }
    }
    const all = [...nodes.values()], known = [...edges.values()].filter(e => nodes.has(e.from) && nodes.has(e.to));
    const columns = [0, 1, 2, 3, 4].map(column => all.filter(node => node.column === column));
    // Each column in the order of the middles of what it hangs on: a few passes there and back.
    const place = () => {
        for (const column of columns) for (const [i, node] of column.entries()) node.y = BOX.top + i * (BOX.height + BOX.gapY);
    };
    place();
    for (let pass = 0; pass < 4; pass++) {
        for (const column of pass % 2 ? [...columns].reverse() : columns) {
            const middle = (/** @type {GraphNode} */ node) => {
                const near = known.filter(e => e.from === node.id || e.to === node.id).map(e => nodes.get(e.from === node.id ? e.to : e.from)?.y ?? 0);
                return near.length ? near.reduce((a, b) => a + b, 0) / near.length : node.y;
            };
            const middles = new Map(column.map(node => [node, middle(node)]));
            column.sort((a, b) => (middles.get(a) ?? 0) - (middles.get(b) ?? 0));
        }
        place();
    }
    const most = Math.max(0, ...columns.map(column => column.length));
    return {nodes: columns.flat(), edges: known, height: BOX.top + most * (BOX.height + BOX.gapY)};
}
