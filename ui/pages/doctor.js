/**
 * What works between this browser and this server, and why not: page, socket, events, codecs, the way of the media, and the server's machine;
 * on request one camera, as the server sees it and as it plays here. Nobody else is asked, and nothing but a click starts a camera.
 */
import {button, fill, h} from '../lib/dom.js';
import {duration, number, orderOf, rate, t} from '../lib/i18n.js';
import {throughput, tryPath} from '../lib/paths.js';
import {explain, Feed, getJson} from '../lib/server.js';
import {abilities, Stats} from '../lib/stats.js';
import {bind, copied, shell, watch} from '../shell/shell.js';
import {events, MOST_PATHS, quietSocket, socket, ways} from './doctor-net.js';
import {askFacts, check, engine, figures, machine, nameOf, server} from './doctor-server.js';

/** @typedef {import('./doctor-server.js').Tell} Tell */

/** Bits per second that are few for a camera. */
const SLOW = 8e6;

const {main, tools} = shell({page: 'doctor', title: t('nav.doctor')});
watch(new Feed('streams'));
tools.append(button(t('doctor.again'), run, {icon: 'again', key: 'R'}), button(t('doctor.copy'), () => copied(report()), {icon: 'copy', key: 'C'}));
bind('r', t('doctor.again'), ev => ev.repeat || run());
bind('c', t('doctor.copy'), () => copied(report()));

const [list, net, host, path, camera] = Array.from({length: 5}, () => h('ul', {class: 'checks', 'aria-live': 'polite'})), stage = h('div', {class: 'offscreen', 'aria-hidden': 'true'});
const choice = h('select', {'aria-label': t('sessions.stream')}), go = button(t('doctor.media'), media, {icon: 'play'}), probing = button(t('doctor.probe'), examine, {icon: 'camera'});
main.append(h('div', {class: 'stack'}, list, h('h2', null, t('doctor.ways')), net, h('h2', null, t('doctor.machine')), host,
    h('section', {class: 'card'}, h('h2', null, t('doctor.path')), h('p', {class: 'muted small'}, t('doctor.pathAbout')), h('div', {class: 'row'}, choice, go, probing), camera, path, stage),
    h('p', {class: 'row small'}, h('a', {href: 'api/openapi.yaml'}, t('doctor.api')), h('a', {href: 'vendor/LICENSES.txt'}, t('doctor.licences')))));
/** Ends what runs. */
let running = new AbortController(), playing = false;
window.addEventListener('pagehide', () => running.abort());
window.addEventListener('pageshow', ev => ev.persisted && run());

const report = () => [...main.querySelectorAll('.checks > li')].map(row => `${row.querySelector('.state')?.getAttribute('data-state')}: ${[...row.children].flatMap(c => c.matches('details') ? [...c.children] : c).map(c => c.textContent).join(' | ')}`).concat(navigator.userAgent, '').join('\n');

async function run() {
    running.abort();
    running = new AbortController();
    const {signal} = running;
    for (const one of [list, net, host, camera, path]) fill(one);
    const secure = check(list, t('doctor.page'));
    secure(window.isSecureContext ? 'ok' : 'warn', location.origin, window.isSecureContext ? '' : t('doctor.insecure'));
    const able = abilities();
    check(list, t('doctor.codecs'))(able.h264.webrtc || able.h264.mse ? 'ok' : 'fail', codecs(able), able.webrtc ? '' : t('why.noWebrtc'));
    const about = server(check(list, t('doctor.server'))), own = (/** @type {Tell} */ tell, /** @type {() => any} */ then) => about.then(info => info && !info.rs2rtc ? tell('skip', t('doctor.plain')) : then());
    const facts = about.then(info => !info || info.rs2rtc ? askFacts() : null);
    // Whoever waits for it hears of it.
    facts.catch(() => {});
    const titles = ['WebSocket', t('doctor.events'), 'FFmpeg', t('doctor.figures'), t('doctor.speed')], [ws, feed, ffmpeg, load, fast] = titles.map(title => check(list, title)), quiet = check(list, t('doctor.quietTitle'), 'quiet');
    own(quiet, () => signal.aborted || quietSocket(quiet, signal));
    await Promise.all([names(), socket(ws), own(feed, () => events(feed)), engine(ffmpeg, facts), own(load, () => figures(load)), machine(host, facts),
        about.then(info => {
            // What stands there is of another run by now.
            if (signal.aborted) return;
            /** @type {any} */
            const plain = info && !info.rs2rtc;
            probing.hidden = plain;
            if (plain) for (const [where, title] of [[net, 'WebRTC'], [camera, t('doctor.probe')]]) check(where, title)('skip', t('doctor.plain'));
            return plain || ways(net, facts, signal);
        })]);
    // It would slow down the others.
    await speed(fast, signal);
}

async function names() {
    try {
        const all = Object.keys(await getJson('api/streams')), chosen = choice.value;
        fill(choice, all.sort(orderOf(all)).map(name => h('option', {value: name, selected: name === chosen}, name)));
        probing.disabled = !all.length;
        go.disabled = playing || !all.length;
    } catch {
        go.disabled = probing.disabled = true;
    }
}

/** Each codec with the ways by which this browser plays it. @param {ReturnType<typeof abilities>} able */
function codecs(able) {
    const heard = new Set((globalThis.RTCRtpReceiver?.getCapabilities?.('audio')?.codecs ?? []).map(codec => codec.mimeType.split('/')[1].toUpperCase())), source = /** @type {any} */ (globalThis).ManagedMediaSource ?? globalThis.MediaSource;
    const sound = /** @type {const} */ ([['AAC', 'mp4a.40.2'], ['Opus', 'opus'], ['FLAC', 'flac'], ['MP3', 'mp4a.6B'], ['PCMA', ''], ['PCMU', '']]);
    const all = [...(/** @type {const} */ (['h264', 'h265', 'av1'])).map(one => [one.toUpperCase(), able[one].webrtc, able[one].mse]),
        ...sound.map(([name, type]) => [name, heard.has(name.toUpperCase()), type && source?.isTypeSupported?.(`audio/mp4; codecs="${type}"`)])];
    return all.map(([name, webrtc, mse]) => `${name}: ${[webrtc && 'WebRTC', mse && 'MSE'].filter(Boolean).join(' + ') || t('doctor.no')}`).join(' · ');
}

/** What the server gets from the camera. */
async function examine() {
    const {signal} = running;
    probing.disabled = true;
    fill(camera);
    try {
        const {probe} = await import('./find.js');
        await probe({stream: choice.value}, signal, camera, () => {});
    } catch (err) {
        if (!signal.aborted) check(camera, t('doctor.probe'))('fail', explain(err));
    }
    probing.disabled = false;
}

/** Tells what went wrong, or that it was ended. @param {Tell} tell @param {unknown} err @param {AbortSignal} signal */
const amiss = (tell, err, signal) => signal.aborted ? tell('skip', t('add.cancelled')) : tell('fail', explain(err));

/** Plays one stream, out of sight, then tries each way to it. It ends with what runs, and when nobody sees the page: the camera is let go at once. */
async function media() {
    const name = choice.value, unseen = new AbortController(), hide = () => document.hidden && unseen.abort(), signal = AbortSignal.any([running.signal, unseen.signal]);
    go.disabled = playing = true;
    fill(path);
    const tell = check(path, `WebRTC ${name}`);
    /** @type {any} */
    let player = null;
    signal.addEventListener('abort', () => player?.remove());
    document.addEventListener('visibilitychange', hide);
    try {
        await import('../player/rs-player.js');
        signal.throwIfAborted();
        player = document.createElement('rs-player');
        if (await play(player, name, tell, signal)) await paths(name, signal);
    } catch (err) {
        amiss(tell, err, signal);
    } finally {
        player?.remove();
    }
    document.removeEventListener('visibilitychange', hide);
    go.disabled = playing = false;
}

/** By WebRTC: how it got here, or why not. @param {any} player @param {string} name @param {Tell} tell @param {AbortSignal} signal @returns {Promise<boolean>} it plays */
async function play(player, name, tell, signal) {
    const {explainPath, mediaPort, portIn} = await import('../reasons.js');
    signal.throwIfAborted();
    Object.assign(player, {mode: 'webrtc', background: true, pcConfig: {bundlePolicy: 'max-bundle', iceServers: []}});
    let last = '', port = 0;
    const ended = new Promise(resolve => signal.addEventListener('abort', () => resolve(null)));
    const done = new Promise(resolve => {
        player.addEventListener('firstframe', (/** @type {any} */ ev) => resolve(ev.detail.ms));
        player.addEventListener('state', (/** @type {any} */ ev) => {
            last = ev.detail.reason || last;
            if (ev.detail.state === 'failed' || ev.detail.state === 'retrying') setTimeout(resolve, 300, null);
        });
        setTimeout(resolve, 20_000, null);
    });
    const failed = player.onpcfailed?.bind(player);
    player.onpcfailed = (/** @type {any} */ report) => {
        last = explainPath(report);
        port = mediaPort(report);
        failed?.(report);
    };
    stage.append(player);
    player.src = new URL(`api/ws?src=${encodeURIComponent(name)}`, location.href);
    player.video.muted = true;
    const ms = await Promise.race([done, ended]);
    signal.throwIfAborted();
    if (ms === null) {
        // Whoever gives up first knows it.
        port ||= portIn(last);
        const noPath = port && /none of its addresses|no network path/i.test(last);
        tell('fail', t('doctor.noPicture'), last || t('doctor.noAnswer'), noPath ? `${location.hostname}:${port}` : '');
        return false;
    }
    const stats = new Stats();
    await stats.read(player);
    await Promise.race([new Promise(resolve => setTimeout(resolve, 2000)), ended]);
    signal.throwIfAborted();
    const now = await stats.read(player);
    tell(now.path === 'TCP' ? 'warn' : 'ok', [now.path, t('why.first', {ms: duration(ms)}).replace(/[.。]$/, ''), now.rtt !== undefined ? `RTT ${duration(now.rtt)}` : '', now.fps ? `${number(now.fps)} fps` : '', now.loss !== undefined ? `${t('sessions.loss')} ${number(now.loss * 100)} %` : ''].filter(Boolean).join(' · '),
        now.path === 'TCP' ? t('doctor.tcp') : '');
    return true;
}

/** Each of the server's addresses by itself, one after the other, while the camera runs. @param {string} name @param {AbortSignal} signal */
async function paths(name, signal) {
    for (let index = 0, count = 1; index < count && index < MOST_PATHS && !signal.aborted; index++) {
        const tell = check(path, t('doctor.onePath', {n: index + 1}));
        try {
            const {all, one, ms, rtt} = await tryPath(name, index, signal);
            count = all.length;
            if (!one) return tell('fail', t('doctor.noAddress'));
            const where = nameOf(one);
            if (ms === null) tell('warn', `${where} · ${t('doctor.noAnswer')}`, t('doctor.pathWhy'));
            else tell('ok', [where, duration(ms), rtt === undefined ? '' : `RTT ${duration(rtt)}`].filter(Boolean).join(' · '));
        } catch (err) {
            amiss(tell, err, signal);
        }
    }
}

/** How fast this server's own files come: no camera. @param {Tell} tell @param {AbortSignal} signal */
async function speed(tell, signal) {
    if (signal.aborted) return;
    try {
        const bits = await throughput(signal);
        tell(bits < SLOW ? 'warn' : 'ok', rate(bits), bits < SLOW ? t('doctor.slow') : '');
    } catch (err) {
        if (!signal.aborted) tell('fail', err instanceof TypeError ? t('common.unreachable') : explain(err));
    }
}
run();
