/**
 * The ways of leaving, each with what the camera may take to be free.
 *
 * `bound` is the 99th percentile in ms from the action, or, with `fromPage`, from the
 * moment at which the page let go. `silent` rows are judged by the session's own limit.
 */
import {readFileSync, readdirSync} from 'node:fs';
import {cable, icmp, PORTS, SERVER, smallBuffers} from './lab.mjs';

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {'own'|'foreign'|'none'} [player] our player, one that knows nothing, or no page at all
 * @property {string} [mode] of our player; WebRTC if it is not given
 * @property {(stream: string) => string} [reader] address that ffmpeg reads, in place of a page
 * @property {boolean} [text] it is no media: Python reads it
 * @property {(stream: string) => string} [asked] address that a client asks once, in place of a page; time counts from the end of the answer
 * @property {boolean} [dials] the camera never answers, and the row acts while it is dialled
 * @property {boolean} [published] to an RTSP server on the viewers' host, in place of a page
 * @property {number} bound
 * @property {boolean} [fromPage]
 * @property {boolean} [silent]
 * @property {boolean} [keepsBrowser] the browser can be used again
 * @property {string} [profile] of the stream's liveness
 * @property {(lab: any) => Promise<void>} [act]
 * @property {(lab: any) => Promise<void>} [prepare] before it plays
 * @property {(lab: any) => Promise<void>} [undo]
 * @property {string[]} [sources] if it is measured with these only
 * @property {boolean} [polls] time counts from the last segment that was asked for, if that is after the action
 * @property {boolean} [fills] time counts from when the connection to the reader is full
 * @property {boolean} [slow] lasts longer than a second
 * @property {boolean} [longOnly] the short form has one like it, and measures it only if it is named
 * @property {number} [limit] how long to wait for the release, ms
 */

const signal = (pid, name) => { try { process.kill(pid, name); } catch { /* gone */ } };

/** Processes of a browser, by its profile's folder. */
function processes(lab, kind = '') {
    const profile = read(`/proc/${lab.chromium.pid}/cmdline`).match(/--user-data-dir=([^\0]*)/)?.[1] ?? 'none';
    return readdirSync('/proc').filter(n => /^\d+$/.test(n)).map(Number).filter(pid => {
        const line = read(`/proc/${pid}/cmdline`);
        return (line.includes(profile) || isBelow(pid, lab.chromium.pid)) && line.includes(kind);
    });
}

const read = path => { try { return readFileSync(path, 'utf8'); } catch { return ''; } };

function isBelow(pid, ancestor) {
    for (let next = pid, depth = 0; next > 1 && depth < 12; depth++) {
        if (next === ancestor) return true;
        next = Number(read(`/proc/${next}/stat`).match(/\) \S (\d+)/)?.[1] ?? 0);
    }
    return false;
}

const stop = async lab => signal(-lab.chromium.pid, 'SIGSTOP');
const goOn = async lab => signal(-lab.chromium.pid, 'SIGCONT');
const unplug = async lab => { cable(lab, 'down'); };
// Browsers drop what they load while a network appears.
const plug = async lab => { cable(lab, 'up'); await new Promise(resolve => setTimeout(resolve, 1500)); };
/** Kills processes of a browser; the search for them takes up to 60 ms on a busy machine, so time begins after it. */
const kill = (lab, kind = '') => {
    const all = processes(lab, kind);
    lab.begun = performance.timeOrigin + performance.now();
    for (const pid of all) signal(pid, 'SIGKILL');
};
const tree = async lab => kill(lab);
const renderers = async lab => kill(lab, '--type=renderer');
const killReader = async lab => signal(lab.reader.pid, 'SIGKILL');
const stopReader = async lab => signal(lab.reader.pid, 'SIGSTOP');
const quitReader = async lab => signal(lab.reader.pid, 'SIGINT');
const crash = async lab => { lab.page.goto('chrome://crash').catch(() => {}); };

/** @type {Row[]} */
export const ROWS = [
    {name: 'pc.close()', player: 'foreign', bound: 50, fromPage: true, keepsBrowser: true,
        act: async lab => { lab.letGo = await lab.page.evaluate('(() => { const at = performance.timeOrigin + performance.now(); pc.close(); return at; })()'); }},
    {name: 'navigation', player: 'own', bound: 50, fromPage: true, keepsBrowser: true,
        act: async lab => { lab.moving = lab.page.goto(`${lab.server.base}api`).catch(() => {}); }},
    {name: 'reload', player: 'own', bound: 50, fromPage: true, keepsBrowser: true,
        act: async lab => { lab.moving = lab.page.reload({waitUntil: 'domcontentloaded'}).catch(() => {}); }},
    {name: 'tab closed', player: 'own', bound: 250, keepsBrowser: true, act: async lab => { lab.page.close().catch(() => {}); }},
    {name: 'tab closed, foreign player', player: 'foreign', bound: 250, keepsBrowser: true,
        act: async lab => { lab.page.close().catch(() => {}); }},
    {name: 'tab crashed', player: 'own', bound: 250, keepsBrowser: true, act: crash},
    {name: 'kill -9 renderers', player: 'own', bound: 250, act: renderers},
    {name: 'kill -9 browser', player: 'own', bound: 250, act: async lab => signal(lab.chromium.pid, 'SIGKILL')},
    {name: 'kill -9 all', player: 'own', bound: 250, act: tree},
    {name: 'kill -9 all, foreign player', player: 'foreign', bound: 250, act: tree},
    {name: 'kill -9 all, ICMP filtered', player: 'own', bound: 600,
        act: async lab => { icmp(lab, false); await tree(lab); }, undo: async lab => icmp(lab, true)},
    {name: 'tab crashed, ICMP filtered', player: 'own', bound: 600, keepsBrowser: true,
        act: async lab => { icmp(lab, false); await crash(lab); }, undo: async lab => icmp(lab, true)},
    {name: 'frozen', player: 'own', bound: 3200, silent: true, slow: true, act: stop, undo: goOn},
    {name: 'frozen, fast', player: 'own', profile: 'fast', bound: 1200, silent: true, slow: true, act: stop, undo: goOn},
    {name: 'cable pulled', player: 'own', bound: 3200, silent: true, slow: true, act: unplug, undo: plug},
    {name: 'cable pulled, fast', player: 'own', profile: 'fast', bound: 1200, silent: true, slow: true, act: unplug, undo: plug},
    {name: 'kill -9 all, ICMP filtered, foreign player', player: 'foreign', bound: 3200, silent: true, slow: true,
        act: async lab => { icmp(lab, false); await tree(lab); }, undo: async lab => icmp(lab, true)},
    {name: 'never connects', player: 'none', bound: 5200, slow: true, limit: 9000, keepsBrowser: true,
        act: async lab => { await lab.offer('post'); }},
    {name: 'offer, then tab closed', player: 'none', bound: 250, limit: 9000, keepsBrowser: true,
        act: async lab => { await lab.offer('open'); lab.closePage(); }},
    {name: 'offer, then socket closed', player: 'none', bound: 250, limit: 9000, keepsBrowser: true,
        act: async lab => { await lab.offer('open'); await lab.closeSocket(); }},
    {name: 'tab closed while dialling', player: 'none', sources: ['exec'], bound: 250, limit: 9000, keepsBrowser: true,
        act: async lab => { await lab.dial(); lab.closePage(); }},
];

/**
 * What our player plays in other ways than WebRTC, with what `docs/release.md` says of its end, of silence and of taking nothing;
 * without a bound the last two are not measured: they are as with MSE.
 */
const SOCKETS = [
    {name: 'MSE', mode: 'mse', silence: 16_000, stall: 7_000},
    {name: 'mode mp4', mode: 'mp4', sources: ['demo']},
    {name: 'mode mjpeg', mode: 'mjpeg', sources: ['pictures']},
    // Without a goodbye the camera is held for 2 s after what was fetched last.
    {name: 'mode hls', mode: 'hls', sources: ['demo'], killed: 2250},
].flatMap(({name, mode, sources, killed = 250, silence, stall}) => [
    {name: `${name}, navigation`, player: 'own', mode, sources, bound: 100, fromPage: true, keepsBrowser: true,
        act: async lab => { lab.moving = lab.page.goto(`${lab.server.base}api`).catch(() => {}); }},
    {name: `${name}, tab closed`, player: 'own', mode, sources, bound: 250, keepsBrowser: true, act: async lab => { lab.page.close().catch(() => {}); }},
    {name: `${name}, kill -9 all`, player: 'own', mode, sources, bound: killed, longOnly: mode === 'mp4' || mode === 'mjpeg', act: tree},
    ...silence ? [{name: `${name}, cable pulled`, player: 'own', mode, bound: silence, limit: silence + 4000, slow: true, act: unplug, undo: plug}] : [],
    ...stall ? [{name: `${name}, frozen`, player: 'own', mode, bound: stall, limit: 60_000, slow: true, fills: true,
        prepare: async lab => smallBuffers(lab, true), act: stop, undo: async lab => { await goOn(lab); smallBuffers(lab, false); }}] : [],
]);
ROWS.push(...SOCKETS);

const rtsp = stream => `rtsp://${SERVER}:${PORTS.rtsp}/${stream}`;

const http = (path, more = '') => stream => `http://${SERVER}:${PORTS.api}/api/${path}?src=${stream}${more}`;

/**
 * Addresses that programs read, with what `docs/release.md` says of a reader that ends, of one whose cable is pulled, and of
 * one that takes nothing any more, which counts from when the connection is full; without a bound that is not measured.
 * `sources` if only some cameras can be read so; `slowOnly`: what lasts, which the short form leaves out.
 */
const ADDRESSES = [
    {name: 'RTSP', reader: rtsp, silence: 12_000},
    {name: 'RTSP', reader: rtsp, stall: 13_000, sources: ['demo'], slowOnly: true},
    {name: 'stream.mp4', reader: http('stream.mp4', '&mp4=all'), silence: 12_000, stall: 12_000},
    {name: 'stream.mjpeg', reader: http('stream.mjpeg'), silence: 12_000, stall: 12_000, sources: ['pictures']},
    {name: 'stream.mjpeg of H.264', reader: http('stream.mjpeg'), sources: ['demo']},
    {name: 'stream.ascii', reader: http('stream.ascii'), sources: ['pictures'], text: true},
    {name: 'stream.ascii', reader: http('stream.ascii'), silence: 12_000, stall: 12_000, sources: ['pictures'], text: true, slowOnly: true},
    {name: 'stream.ts', reader: http('stream.ts'), silence: 12_000, stall: 13_000},
    {name: 'stream.flv', reader: http('stream.flv'), sources: ['demo']},
    {name: 'stream.h264', reader: http('stream.h264'), sources: ['demo']},
    {name: 'stream.hevc', reader: http('stream.hevc'), sources: ['hevc']},
    {name: 'stream.aac', reader: http('stream.aac'), sources: ['aac']},
    {name: 'stream.wav', reader: http('stream.wav'), sources: ['pcm']},
    {name: 'stream.y4m', reader: http('stream.y4m'), sources: ['raw']},
    {name: 'stream.y4m', reader: http('stream.y4m'), silence: 12_000, stall: 12_000, sources: ['raw'], slowOnly: true},
    {name: 'clip.mp4', reader: http('rs/clip.mp4', '&before=5s&after=60s'), sources: ['kept']},
    // It polls: whoever fetches nothing for 5 s is gone, whatever became of him. ffmpeg fetches on for a moment after its signal.
    {name: 'HLS', reader: http('stream.m3u8'), end: 5500, polls: true},
];

/** Programs that read in other ways than WebRTC. A signal from their side ends them at once. */
export const READERS = ADDRESSES.flatMap(({name, reader, end = 250, polls, silence, stall, sources, text, slowOnly}) => [
    ...slowOnly ? [] : [{name: `${name}, reader says goodbye`, reader, sources, polls, text, bound: end, act: quitReader},
        {name: `${name}, reader killed`, reader, sources, polls, text, bound: end, act: killReader}],
    ...silence ? [{name: `${name}, cable pulled`, reader, sources, text, longOnly: slowOnly, bound: silence, limit: silence + 3000, slow: true, act: unplug, undo: plug}] : [],
    ...stall ? [{name: `${name}, reader takes nothing`, reader, sources, text, longOnly: slowOnly, bound: stall, limit: 60_000, slow: true, fills: true,
        prepare: async lab => smallBuffers(lab, true), act: stopReader, undo: async lab => smallBuffers(lab, false)}] : [],
]);

/** Addresses that are asked once: how it is told that the answer is there, and with which cameras. */
const ASKED = [
    {name: 'frame.jpeg', there: 'picture is there', asked: http('frame.jpeg'), sources: ['exec', 'demo', 'pictures']},
    {name: 'frame.mp4', there: 'picture is there', asked: http('frame.mp4'), sources: ['exec', 'demo']},
    {name: 'clip.mp4', there: 'is whole', asked: http('rs/clip.mp4', '&before=5s&after=2s'), sources: ['kept'], keeps: true},
];

READERS.push(...ASKED.flatMap(({name, there, asked, sources, keeps}) => [
    {name: `${name}, ${there}`, asked, sources, bound: 250},
    // A clip's client is killed above, as one that reads.
    ...keeps ? [] : [{name: `${name}, client killed while dialling`, asked, dials: true, sources: ['exec'], bound: 250, act: killReader}],
]));

/** A stream is published to another server, which ends it, does not take it any more, or from which it is withdrawn. */
READERS.push(...[
    {name: 'the server closes', bound: 250, act: quitReader},
    {name: 'the server is killed', bound: 250, act: killReader},
    {name: 'withdrawn', bound: 250, act: async lab => { await lab.publication('DELETE'); }},
    {name: 'cable pulled', bound: 12_000, limit: 15_000, slow: true, longOnly: true, act: unplug, undo: plug},
    {name: 'the server takes nothing', bound: 12_000, limit: 60_000, slow: true, longOnly: true, fills: true,
        prepare: async lab => smallBuffers(lab, true), act: stopReader, undo: async lab => smallBuffers(lab, false)},
].map(row => ({...row, name: `published over RTSP, ${row.name}`, published: true, sources: ['demo']})));

/** One viewer leaves and the next one wants the same device otherwise: what we add to what it needs. */
export const SWAP = {name: 'device swap', swap: true, bound: 50};

/** Freezing for some time and going on: is the picture back without the page's help? */
export const RESUMES = [2, 5, 10, 40].map(seconds => ({
    name: `frozen for ${seconds} s, then back`, seconds, stop, goOn,
}));

