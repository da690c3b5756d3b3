/**
 * The network paths to the server, each by itself: a peer connection that is told one of the server's addresses only either connects or does not.
 */
import {t} from './i18n.js';
import {call} from './server.js';
import {gathered, leave} from './whep.js';

/** Milliseconds that a path may need to connect; that the server has to answer, of a camera that runs and of one that sleeps; and to send. */
const CONNECT = 3000, ANSWER = 10_000, WAKE = 30_000, SEND = 10_000;

/**
 * @typedef {object} Candidate
 * @property {string} line of the description
 * @property {'udp'|'tcp'} protocol
 * @property {string} address
 * @property {number} port
 * @property {string} type host, srflx, relay
 */

const LINE = /^a=candidate:\S+ 1 (udp|tcp) \d+ (\S+) (\d+) typ (\w+)/i;

/** The addresses in a description. @param {string} sdp @returns {Candidate[]} */
export function candidates(sdp) {
    const found = new Map();
    for (const line of sdp.split(/\r?\n/)) {
        const [, protocol, address, port, type] = LINE.exec(line) ?? [];
        if (protocol) found.set(`${protocol} ${address} ${port}`.toLowerCase(), {line, protocol: protocol.toLowerCase(), address, port: Number(port), type});
    }
    return [...found.values()];
}

/** A description with one of its addresses. @param {string} sdp @param {Candidate} one */
export const only = (sdp, one) => sdp.split(/\r?\n/).filter(line => !line.startsWith('a=candidate:') || line === one.line).join('\r\n');

/**
 * A session (WHEP) for as long as something is done with its answer.
 * @template T @param {string} url @param {number} limit milliseconds until the answer @param {(pc: RTCPeerConnection, sdp: string) => Promise<T>} then
 */
async function exchange(url, limit, then) {
    if (!('RTCPeerConnection' in window)) throw new Error(t('why.noWebrtc'));
    const pc = new RTCPeerConnection({bundlePolicy: 'max-bundle', iceServers: []});
    let session = '';
    try {
        for (const kind of ['video', 'audio']) pc.addTransceiver(kind, {direction: 'recvonly'});
        await pc.setLocalDescription();
        await gathered(pc);
        const response = await call('POST', url, {body: new Blob([pc.localDescription?.sdp ?? ''], {type: 'application/sdp'}), limit});
        const place = response.headers.get('Location');
        session = place ? new URL(place, response.url).href : '';
        return await then(pc, await response.text());
    } finally {
        await leave(pc, session);
    }
}

/**
 * Asks for a stream and tries one of the server's addresses, the `index`-th.
 * @param {string} name of the stream
 * @param {number} index
 * @returns {Promise<{all: Candidate[], one: Candidate|undefined, ms: number|null, rtt: number|undefined}>} `ms` from the answer to the connection; `null`: there is none
 */
export const tryPath = (name, index) => exchange(`api/webrtc?src=${encodeURIComponent(name)}`, ANSWER, async (pc, sdp) => {
    const all = candidates(sdp), one = all[index];
    if (!one) return {all, one, ms: null, rtt: undefined};
    const from = performance.now(), ended = connected(pc);
    await pc.setRemoteDescription({type: 'answer', sdp: only(sdp, one)});
    const ms = await ended ? performance.now() - from : null;
    return {all, one, ms, rtt: ms === null ? undefined : await roundTrip(pc)};
});

/** Whether what a WHEP address offers arrives here. @param {string} url @returns {Promise<boolean>} */
export const arrives = url => exchange(url, WAKE, async (pc, sdp) => {
    /** @type {Promise<boolean>} */
    const heard = new Promise(resolve => {
        for (const {track} of pc.getReceivers()) track.addEventListener('unmute', () => resolve(true));
        setTimeout(resolve, SEND, false);
    });
    await pc.setRemoteDescription({type: 'answer', sdp});
    return heard;
});

/** @param {RTCPeerConnection} pc @returns {Promise<boolean>} */
function connected(pc) {
    return new Promise(resolve => {
        const timer = setTimeout(resolve, CONNECT, false);
        pc.addEventListener('iceconnectionstatechange', () => {
            const state = pc.iceConnectionState;
            if (!['connected', 'completed', 'failed', 'closed'].includes(state)) return;
            clearTimeout(timer);
            resolve(state === 'connected' || state === 'completed');
        });
    });
}

/** In milliseconds, of the pair that was chosen. @param {RTCPeerConnection} pc @returns {Promise<number|undefined>} */
async function roundTrip(pc) {
    let rtt;
    for (const entry of /** @type {any} */ (await pc.getStats()).values()) {
        if (entry.type === 'candidate-pair' && entry.nominated && entry.currentRoundTripTime !== undefined) rtt = entry.currentRoundTripTime * 1000;
    }
    return rtt;
}

/**
 * How fast this server's own files come, in bits per second: the largest one, again and again.
 * @param {number} limit milliseconds
 * @returns {Promise<number>}
 */
export async function throughput(limit = 2000) {
    const from = performance.now(), stop = AbortSignal.timeout(limit);
    let bytes = 0;
    try {
        while (!stop.aborted) {
            const name = `vendor/codemirror.js?${Math.random()}`;
            await (await fetch(name, {cache: 'no-store', signal: stop})).arrayBuffer();
            const entries = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByName(new URL(name, location.href).href));
            bytes += entries.at(-1)?.encodedBodySize ?? 0;
        }
    } catch (err) {
        if (!stop.aborted) throw err;
    }
    performance.clearResourceTimings();
    return bytes * 8000 / (performance.now() - from);
}
