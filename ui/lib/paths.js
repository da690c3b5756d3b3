/**
 * The network paths to the server, each by itself: a peer connection that is told one of the server's addresses only either connects or does not.
 */
import {t} from './i18n.js';
import {call} from './server.js';
import {gathered, leave} from './whep.js';

/** Milliseconds that a path may need to connect; that the server has to answer, of a camera that runs and of one that sleeps; and to send. */
const CONNECT = 3000, ANSWER = 10_000, WAKE = 30_000, SEND = 10_000;
/** How often a busy server is asked, how often a way is measured, and the milliseconds that a measure may take. */
const TRIES = 5, ECHOES = 5, ECHO = 1000;

/** Bytes of a download by which its rate is known. */
const ENOUGH = 30e6;

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
 * @param {AbortSignal} [signal] ends it at once
 */
async function exchange(url, limit, then, signal) {
    signal?.throwIfAborted();
    if (!('RTCPeerConnection' in window)) throw new Error(t('why.noWebrtc'));
    const pc = new RTCPeerConnection({bundlePolicy: 'max-bundle', iceServers: []});
    let session = '', /** @type {Promise<void>|undefined} */ left;
    const end = () => left ??= leave(pc, session, signal?.aborted);
    const ended = new Promise((_, reject) => signal?.addEventListener('abort', () => {
        end();
        reject(signal.reason);
    }));
    ended.catch(() => {});
    try {
        for (const kind of ['video', 'audio']) pc.addTransceiver(kind, {direction: 'recvonly'});
        await pc.setLocalDescription();
        await gathered(pc);
        const response = await call('POST', url, {body: new Blob([pc.localDescription?.sdp ?? ''], {type: 'application/sdp'}), limit, signal});
        const place = response.headers.get('Location');
        session = place ? new URL(place, response.url).href : '';
        return await Promise.race([then(pc, await response.text()), ended]);
    } finally {
        await end();
    }
}

/**
 * Asks for a stream and tries one of the server's addresses, the `index`-th.
 * @param {string} name of the stream
 * @param {number} index
 * @param {AbortSignal} signal ends it
 * @returns {Promise<{all: Candidate[], one: Candidate|undefined, ms: number|null, rtt: number|undefined}>} `ms` from the answer to the connection; `null`: there is none
 */
export const tryPath = (name, index, signal) => exchange(`api/webrtc?src=${encodeURIComponent(name)}`, ANSWER, async (pc, sdp) => {
    const all = candidates(sdp), one = all[index];
    if (!one) return {all, one, ms: null, rtt: undefined};
    const from = performance.now(), ended = connected(pc);
    await pc.setRemoteDescription({type: 'answer', sdp: only(sdp, one)});
    const ms = await ended ? performance.now() - from : null;
    return {all, one, ms, rtt: ms === null ? undefined : await roundTrip(pc)};
}, signal);

/**
 * Tries one of the server's addresses, the `index`-th, without any camera: by a data channel over which the server gives back what it gets.
 * @param {number} index @param {AbortSignal} signal ends it
 * @returns {Promise<{count: number, one: Candidate|undefined, ms: number|null, rtt: number|undefined}>} `count`: how many addresses there are; `ms` as of `tryPath`. Not even a first one: no address at all
 */
export async function tryChannel(index, signal) {
    if (!('RTCPeerConnection' in window)) throw new Error(t('why.noWebrtc'));
    const pc = new RTCPeerConnection({bundlePolicy: 'max-bundle', iceServers: []}), channel = pc.createDataChannel('doctor'), end = () => pc.close();
    signal.addEventListener('abort', end);
    try {
        const opened = new Promise(resolve => {
            channel.onopen = resolve;
        });
        await pc.setLocalDescription();
        await gathered(pc);
        const response = await ask(`api/rs/doctor/path?candidate=${index}`, pc.localDescription?.sdp ?? '', signal, index ? [] : [404]);
        const sdp = await response.text(), [one] = candidates(sdp), count = Number(response.headers.get('X-Candidates'));
        if (!one) return {count, one, ms: null, rtt: undefined};
        const from = performance.now();
        await pc.setRemoteDescription({type: 'answer', sdp: only(sdp, one)});
        const ms = await within(opened, CONNECT) ? performance.now() - from : null;
        return {count, one, ms, rtt: ms === null ? undefined : await echo(channel) ?? await roundTrip(pc)};
    } finally {
        signal.removeEventListener('abort', end);
        pc.close();
    }
}

/** Asks again while the server is busy with others. @param {string} url @param {string} sdp @param {AbortSignal} signal @param {number[]} accept as of `call` */
async function ask(url, sdp, signal, accept) {
    for (let tries = 1; ; tries++) {
        const response = await call('POST', url, {body: new Blob([sdp], {type: 'application/sdp'}), limit: ANSWER, signal, accept: tries < TRIES ? [...accept, 503] : accept});
        if (response.status !== 503) return response;
        await new Promise(resolve => setTimeout(resolve, Math.min(Number(response.headers.get('Retry-After')) || 1, 5) * 1000));
    }
}

/** Whether something happens in time. @param {Promise<any>} what @param {number} limit milliseconds */
const within = (what, limit) => Promise.race([what.then(() => true), new Promise(resolve => setTimeout(resolve, limit, false))]);

/** The shortest way there and back of a few, in milliseconds. @param {RTCDataChannel} channel @returns {Promise<number|undefined>} */
async function echo(channel) {
    let best;
    for (let i = 0; i < ECHOES; i++) {
        const from = performance.now(), back = new Promise(resolve => {
            channel.onmessage = resolve;
        });
        channel.send(`echo ${i}`);
        if (!await within(back, ECHO)) return best;
        best = Math.min(best ?? Infinity, performance.now() - from);
    }
    return best;
}

/**
 * What came of all addresses: whether pictures will get through, and if not, why.
 * @param {{one: Candidate|undefined, ms: number|null}[]} tried
 * @param {string} host under which this page has reached the server
 * @param {boolean} contained the server says that it runs in a container
 * @returns {{state: 'ok'|'warn'|'fail', why: ''|'none'|'udpBlocked'|'udpOff'|'firewall'|'container'|'elsewhere', port: number, addresses: string, fix: string}} `fix`: a candidate for the configuration
 */
export function verdict(tried, host, contained) {
    const all = tried.flatMap(({one, ms}) => one ? [{...one, works: ms !== null}] : []), udp = all.filter(c => c.protocol === 'udp');
    const port = (udp[0] ?? all[0])?.port ?? 0, addresses = [...new Set(all.map(c => c.address))].join(', ');
    const say = (/** @type {any} */ state, /** @type {any} */ why, fix = '') => ({state, why, port, addresses, fix});
    if (udp.some(c => c.works)) return say('ok', '');
    if (all.some(c => c.works)) return say('warn', udp.length ? 'udpBlocked' : 'udpOff');
    if (!all.length) return say('fail', 'none');
    // It offers the address that leads here, and yet nothing answers there.
    if (all.some(c => c.address === host.replace(/^\[|\]$/g, ''))) return say('fail', 'firewall');
    return say('fail', contained ? 'container' : 'elsewhere', `${host}:${port}`);
}

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
 * How fast this server's own files come, in bits per second: the largest one, again and again; of a fast network no more than it takes to know it.
 * @param {AbortSignal} signal ends it
 * @param {number} limit milliseconds
 * @returns {Promise<number>}
 */
export async function throughput(signal, limit = 2000) {
    const from = performance.now(), stop = AbortSignal.any([AbortSignal.timeout(limit), signal]);
    let bytes = 0;
    try {
        while (!stop.aborted && bytes < ENOUGH) {
            const name = `vendor/codemirror.js?${Math.random()}`;
            await (await fetch(name, {cache: 'no-store', signal: stop})).arrayBuffer();
            const entries = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByName(new URL(name, location.href).href));
            bytes += entries.at(-1)?.encodedBodySize ?? 0;
        }
    } catch (err) {
        if (!stop.aborted) throw err;
    }
    signal.throwIfAborted();
    performance.clearResourceTimings();
    return bytes * 8000 / (performance.now() - from);
}
