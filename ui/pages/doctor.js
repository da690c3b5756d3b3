/**
 * What works between this browser and this server, and why not: page, socket, events, codecs, the server's ports, and on request the
 * media path and one camera. Nobody else is asked.
 */
import {button, fill, h, say} from '../lib/dom.js';
import {duration, number, orderOf, rate, t} from '../lib/i18n.js';
import {throughput, tryPath} from '../lib/paths.js';
import {address, call, explain, Feed, getJson} from '../lib/server.js';
import {abilities, Stats} from '../lib/stats.js';
import {bind, copied, shell, watch} from '../shell/shell.js';

/** Addresses of the server that are tried, and bits per second that are few for a camera. */
const MOST_PATHS = 8, SLOW = 8e6;

const {main, tools} = shell({page: 'doctor', title: t('nav.doctor')});
watch(new Feed('streams'));
tools.append(button(t('doctor.again'), run, {icon: 'again', key: 'R'}), button(t('doctor.copy'), () => copied(report()), {icon: 'copy', key: 'C'}));
bind('r', t('doctor.again'), () => run());
bind('c', t('doctor.copy'), () => copied(report()));

const list = h('ul', {class: 'checks', 'aria-live': 'polite'}), path = h('ul', {class: 'checks', 'aria-live': 'polite'}), stage = h('div', {class: 'offscreen', 'aria-hidden': 'true'});
const choice = h('select', {'aria-label': t('sessions.stream')}), go = button(t('doctor.media'), media, {icon: 'play'});
main.append(h('div', {class: 'stack'}, list, h('section', {class: 'card'}, h('h2', null, t('doctor.path')), h('p', {class: 'muted small'}, t('doctor.pathAbout')), h('div', {class: 'row'}, choice, go), path, stage),
    h('p', {class: 'row small'}, h('a', {href: 'api/openapi.yaml'}, t('doctor.api')), h('a', {href: 'vendor/LICENSES.txt'}, t('doctor.licences')))));

/**
 * One line: pending at first, then what came of it.
 * @param {Element} parent @param {string} title
 * @returns {(state: 'ok'|'warn'|'fail'|'skip'|'run', text: string, why?: string, candidate?: string) => void}
 */
function check(parent, title) {
    const row = h('li'), state = h('span', {class: 'state', data: {state: 'run'}}, title);
    fill(row, state, h('span', null, t('test.run')));
    parent.append(row);
    return (now, text, why, candidate) => {
        state.dataset.state = now;
        fill(row, state, h('span', null, text), why && h('span', {class: 'why'}, why), candidate && h('span', {class: 'row why'}, h('code', null, `webrtc:\n  candidates: ["${candidate}"]`), h('a', {class: 'button', href: address('config.html', {candidate})}, t('doctor.show'))));
    };
}

const report = () => [...main.querySelectorAll('.checks > li')].map(row => `${row.querySelector('.state')?.getAttribute('data-state')}: ${[...row.children].map(c => c.textContent).join(' | ')}`).concat(navigator.userAgent, '').join('\n');

async function run() {
    fill(list);
    fill(path);
    const able = abilities();
    const secure = check(list, t('doctor.page'));
    secure(window.isSecureContext ? 'ok' : 'warn', location.origin, window.isSecureContext ? '' : t('doctor.insecure'));
    const codecs = check(list, t('doctor.codecs')), names = /** @type {const} */ (['h264', 'h265', 'av1']);
    codecs(able.h264.webrtc || able.h264.mse ? 'ok' : 'fail', names.map(one => `${one.toUpperCase()}: ${[able[one].webrtc && 'WebRTC', able[one].mse && 'MSE'].filter(Boolean).join(' + ') || t('doctor.no')}`).join(' · '),
        able.webrtc ? '' : t('why.noWebrtc'));
    await Promise.all([server(check(list, t('doctor.server'))), socket(check(list, 'WebSocket')), events(check(list, t('doctor.events'))), engine(check(list, 'FFmpeg')), figures(check(list, t('doctor.figures')))]);
    try {
        const names = Object.keys(await getJson('api/streams'));
        fill(choice, names.sort(orderOf(names)).map(name => h('option', {value: name}, name)));
        go.disabled = !names.length;
    } catch {
        go.disabled = true;
    }
}

/** @typedef {ReturnType<typeof check>} Tell */

/** @param {Tell} tell */
async function server(tell) {
    const from = performance.now();
    try {
        const response = await call('GET', 'api'), info = await response.json(), took = performance.now() - from;
        const proxied = info.host && info.host !== location.host;
        const drift = Math.abs(Date.parse(response.headers.get('Date') ?? '') - Date.now());
        tell(proxied || drift > 5000 ? 'warn' : 'ok', [`${info.rs2rtc?.version ?? info.version} · ${duration(took)}`, info.config_path].filter(Boolean).join(' · '),
            [proxied ? t('doctor.proxied', {host: info.host, here: location.host}) : '', drift > 5000 ? t('doctor.clock', {ms: duration(drift)}) : ''].filter(Boolean).join('\n'));
    } catch (err) {
        tell('fail', explain(err));
    }
}

/** @param {Tell} tell */
function socket(tell) {
    return new Promise(resolve => {
        const from = performance.now(), url = new URL('api/ws', location.href);
        url.protocol = url.protocol.replace('http', 'ws');
        const ws = new WebSocket(url);
        const end = (/** @type {'ok'|'fail'} */ state, /** @type {string} */ text, why = '') => {
            clearTimeout(limit);
            ws.onopen = ws.onclose = ws.onerror = null;
            ws.close();
            tell(state, text, why);
            resolve(undefined);
        };
        const limit = setTimeout(() => end('fail', t('doctor.noAnswer'), t('doctor.socketWhy')), 5000);
        ws.onopen = () => end('ok', duration(performance.now() - from));
        ws.onclose = ws.onerror = () => end('fail', t('doctor.noAnswer'), t('doctor.socketWhy'));
    });
}

/** @param {Tell} tell */
function events(tell) {
    return new Promise(resolve => {
        const from = performance.now(), source = new EventSource('api/rs/events?topics=streams');
        const end = (/** @type {'ok'|'fail'} */ state, /** @type {string} */ text, why = '') => {
            clearTimeout(limit);
            source.close();
            tell(state, text, why);
            resolve(undefined);
        };
        const limit = setTimeout(() => end('fail', t('doctor.noAnswer'), t('doctor.eventsWhy')), 5000);
        source.addEventListener('hello', () => end('ok', duration(performance.now() - from)));
        source.addEventListener('error', () => end('fail', t('doctor.noAnswer'), t('doctor.eventsWhy')));
    });
}

/** @param {Tell} tell */
async function engine(tell) {
    try {
        const schemes = await getJson('api/schemes');
        if (!schemes.includes('ffmpeg')) return tell('skip', t('doctor.noFfmpeg'));
        const answer = await (await call('GET', 'api/ffmpeg/hardware', {limit: 30_000, accept: [404, 500, 501]})).json().catch(() => null);
        const works = (answer?.sources ?? []).filter((/** @type {any} */ one) => one.info === 'OK' || one.name === 'OK' || one.id === 'OK');
        tell('ok', works.length ? t('doctor.hardware', {n: works.length}) : t('doctor.software'));
    } catch (err) {
        tell('warn', explain(err));
    }
}

/** @param {Tell} tell */
async function figures(tell) {
    try {
        const text = await (await call('GET', 'api/rs/metrics')).text();
        const of = (/** @type {string} */ name) => Number(new RegExp(`^${name} ([\\d.e+]+)$`, 'm').exec(text)?.[1] ?? NaN);
        const late = of('rs2rtc_late_ticks_total'), overdue = of('rs2rtc_overdue_runs');
        tell(late > 100 || overdue > 0 ? 'warn' : 'ok', t('doctor.counts', {consumers: of('rs2rtc_consumers') || 0, producers: of('rs2rtc_producers') || 0, fds: of('rs2rtc_open_fds') || 0, tasks: of('rs2rtc_tasks') || 0}),
            [late > 100 ? t('doctor.late', {n: late}) : '', overdue > 0 ? t('doctor.overdue', {n: overdue}) : ''].filter(Boolean).join('\n'));
    } catch (err) {
        tell('warn', explain(err));
    }
}

/** Plays one stream by WebRTC, out of sight, and tells how it got here, or why not. */
async function media() {
    go.disabled = true;
    fill(path);
    const tell = check(path, `WebRTC ${choice.value}`);
    const {explainPath, mediaPort, portIn} = await import('../reasons.js');
    await import('../player/rs-player.js');
    const player = /** @type {any} */ (document.createElement('rs-player'));
    Object.assign(player, {mode: 'webrtc', background: true, pcConfig: {bundlePolicy: 'max-bundle', iceServers: []}});
    let last = '', port = 0;
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
    player.src = new URL(`api/ws?src=${encodeURIComponent(choice.value)}`, location.href);
    player.video.muted = true;
    const ms = await done;
    if (ms === null) {
        // Whoever gives up first knows it.
        port ||= portIn(last);
        const noPath = port && /none of its addresses|no network path/i.test(last);
        tell('fail', t('doctor.noPicture'), last || t('doctor.noAnswer'), noPath ? `${location.hostname}:${port}` : '');
    } else {
        const stats = new Stats();
        await stats.read(player);
        await new Promise(resolve => setTimeout(resolve, 2000));
        const now = await stats.read(player);
        tell(now.path === 'TCP' ? 'warn' : 'ok', [now.path, t('why.first', {ms: duration(ms)}).replace(/[.。]$/, ''), now.rtt !== undefined ? `RTT ${duration(now.rtt)}` : '', now.fps ? `${number(now.fps)} fps` : '', now.loss !== undefined ? `${t('sessions.loss')} ${number(now.loss * 100)} %` : ''].filter(Boolean).join(' · '),
            now.path === 'TCP' ? t('doctor.tcp') : '');
    }
    if (ms !== null) await paths(choice.value);
    player.remove();
    say(stage, '');
    await speed(check(path, t('doctor.speed')));
    go.disabled = false;
}

/** Each of the server's addresses by itself, one after the other, while the camera runs. @param {string} name */
async function paths(name) {
    for (let index = 0, count = 1; index < count && index < MOST_PATHS; index++) {
        const tell = check(path, t('doctor.onePath', {n: index + 1}));
        try {
            const {all, one, ms, rtt} = await tryPath(name, index);
            count = all.length;
            if (!one) return tell('fail', t('doctor.noAddress'));
            const where = `${one.protocol.toUpperCase()} ${one.address.includes(':') ? `[${one.address}]` : one.address}:${one.port}${one.type === 'host' ? '' : ` ${one.type}`}`;
            if (ms === null) tell('warn', `${where} · ${t('doctor.noAnswer')}`, t('doctor.pathWhy'));
            else tell('ok', [where, duration(ms), rtt === undefined ? '' : `RTT ${duration(rtt)}`].filter(Boolean).join(' · '));
        } catch (err) {
            tell('fail', explain(err));
        }
    }
}

/** @param {Tell} tell */
async function speed(tell) {
    try {
        const bits = await throughput();
        tell(bits < SLOW ? 'warn' : 'ok', rate(bits), bits < SLOW ? t('doctor.slow') : '');
    } catch (err) {
        tell('fail', explain(err));
    }
}
run();
