/**
 * What the doctor checks of the network between this browser and the server: the socket, also when nothing is said for a minute, the event feed, and each
 * address for the media by a data channel, which starts no camera.
 */
import {duration, t} from '../lib/i18n.js';
import {tryChannel, verdict} from '../lib/paths.js';
import {explain} from '../lib/server.js';
import {check, nameOf} from './doctor-server.js';

/** @typedef {import('./doctor-server.js').Tell} Tell */

/** Addresses of the server that are tried, and how many at a time. */
export const MOST_PATHS = 8;
const AT_ONCE = 2;
/** Milliseconds in which something has to answer, and for which a quiet socket has to stay. */
const ANSWER = 5000, QUIET = 60_000;

function openSocket() {
    const url = new URL('api/ws', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    return new WebSocket(url);
}

/**
 * Tells how long something took to answer, or that it does not.
 * @param {Tell} tell @param {string} why it may not
 * @param {(end: (good: boolean) => void) => () => void} start begins it, and gives what ends it
 */
function answered(tell, why, start) {
    return new Promise(resolve => {
        const from = performance.now(), limit = setTimeout(() => end(false), ANSWER);
        const end = (/** @type {boolean} */ good) => {
            clearTimeout(limit);
            stop();
            if (good) tell('ok', duration(performance.now() - from));
            else tell('fail', t('doctor.noAnswer'), why);
            resolve(undefined);
        };
        const stop = start(end);
    });
}

/** @param {Tell} tell */
export const socket = tell => answered(tell, t('doctor.socketWhy'), end => {
    const ws = openSocket();
    ws.onopen = () => end(true);
    ws.onclose = ws.onerror = () => end(false);
    return () => {
        ws.onopen = ws.onclose = ws.onerror = null;
        ws.close();
    };
});

/** @param {Tell} tell */
export const events = tell => answered(tell, t('doctor.eventsWhy'), end => {
    const source = new EventSource('api/rs/events?topics=streams');
    source.addEventListener('hello', () => end(true));
    source.addEventListener('error', () => end(false));
    return () => source.close();
});

/** Holds a socket on which this page says nothing for a minute, and then asks whether somebody is still there. @param {Tell} tell @param {AbortSignal} signal ends it */
export function quietSocket(tell, signal) {
    const ws = openSocket();
    let from = 0, asked = 0;
    const end = () => {
        clearInterval(timer);
        ws.onclose = ws.onmessage = null;
        ws.close();
    };
    const seconds = () => Math.floor((performance.now() - from) / 1000);
    const timer = setInterval(() => {
        if (!from) return;
        if (!asked && performance.now() - from >= QUIET) {
            asked = performance.now();
            ws.send(JSON.stringify({type: 'hello', value: {v: 1}}));
        }
        if (asked && performance.now() - asked > ANSWER) {
            end();
            return tell('fail', t('doctor.noAnswer'), t('doctor.quietWhy'));
        }
        tell('run', t('doctor.quiet', {n: Math.min(seconds(), QUIET / 1000)}));
    }, 1000);
    ws.onopen = () => {
        from = performance.now();
    };
    ws.onmessage = ev => {
        if (!asked || typeof ev.data !== 'string' || JSON.parse(ev.data).type !== 'session') return;
        end();
        tell('ok', t('doctor.quietOk', {n: QUIET / 1000}));
    };
    ws.onclose = () => {
        end();
        if (from) tell('fail', t('doctor.quietCut', {n: seconds()}), t('doctor.quietWhy'));
        else tell('fail', t('doctor.noAnswer'), t('doctor.socketWhy'));
    };
    signal.addEventListener('abort', end);
}

/**
 * Each of the server's addresses by itself, and what follows from all of them.
 * @param {Element} list @param {Promise<import('./doctor-server.js').Facts|null>} facts what the server tells of itself
 * @param {AbortSignal} signal ends it
 */
export async function ways(list, facts, signal) {
    const tell = check(list, 'WebRTC', 'ways');
    // In the order of the server's addresses, whichever answers first.
    /** @type {({one: import('../lib/paths.js').Candidate|undefined, ms: number|null, tell: Tell}|undefined)[]} */
    const rows = [];
    const attempt = async (/** @type {number} */ index) => {
        const row = check(list, t('doctor.onePath', {n: index + 1}));
        try {
            const {count, one, ms, rtt} = await tryChannel(index, signal);
            rows[index] = {one, ms, tell: row};
            if (!one) row('fail', t('doctor.noAddress'));
            else if (ms === null) row('warn', `${nameOf(one)} · ${t('doctor.noAnswer')}`);
            else row('ok', [nameOf(one), duration(ms), rtt === undefined ? '' : `RTT ${duration(rtt)}`].filter(Boolean).join(' · '));
            return count;
        } catch (err) {
            if (signal.aborted) return 0;
            row('fail', explain(err));
            throw err;
        }
    };
    try {
        const count = Math.min(await attempt(0), MOST_PATHS), [told] = await Promise.all([facts.catch(() => null), (async () => {
            for (let index = 1; index < count && !signal.aborted; index += AT_ONCE) await Promise.all(Array.from({length: Math.min(AT_ONCE, count - index)}, (_, i) => attempt(index + i)));
        })()]);
        if (signal.aborted) return;
        const tried = rows.filter(row => row !== undefined), {state, why, port, addresses, fix} = verdict(tried, location.hostname, told?.container === true);
        for (const {one, ms, tell: row} of tried) if (one && ms === null && state !== 'fail') row('warn', `${nameOf(one)} · ${t('doctor.noAnswer')}`, t('doctor.otherWay'));
        tell(state, state === 'ok' ? t('doctor.waysOk') : state === 'warn' ? t('doctor.waysTcp') : t('doctor.noAnswer'), why && t(`path.${why}`, {port: String(port), addresses, host: location.hostname}), fix);
    } catch (err) {
        if (!signal.aborted) tell('fail', t('doctor.waysNot'), explain(err));
    }
}
