/**
 * One camera: the picture, how it is carried and why, figures, and what can be done with it. `?src=NAME`, `?mode=` pins a way for this visit.
 */
import '../player/rs-player.js';
import {button, fill, h, refill, say} from '../lib/dom.js';
import {duration, number, rate, t} from '../lib/i18n.js';
import {keepPin, layouts, pairs, pinOf, recall, remember} from '../lib/prefs.js';
import {address, Feed} from '../lib/server.js';
import {abilities} from '../lib/stats.js';
import {chip, codecName, hasLoudspeaker, hint, Streams, wayName} from '../lib/streams.js';
import {keptWay} from '../player/ways.js';
import {speak, translate} from '../player/words.js';
import {announce, bind, copied, empty, listed, notice, shell, toast, watch} from '../shell/shell.js';
import {choices, controlsOf, qualityOf} from './controls.js';
import {lastPicture} from './last.js';
import {panel} from './panel.js';
import {sheet} from './sheet.js';
import {talking} from './talking.js';
import {left, why} from './why.js';

/**
 * @typedef {object} View
 * @property {any} player `null`: it waits for the list of streams
 * @property {any} before what played before stays in front until the player has a picture; `null`: there is nothing such
 * @property {string} mode that somebody has chosen, or `auto`
 * @property {string} played the mode that plays; empty: none
 * @property {number} firstMs milliseconds to the first picture; 0: there is none yet
 * @property {{step: string, ms: number}[]} steps to the first picture, and their milliseconds
 * @property {import('./why.js').Candidate[]|null} candidates the server's verdict on each way; `null`: it has given none
 * @property {Record<string, string>} refused why a mode did not work, in the server's words
 * @property {import('../lib/stats.js').Figures} figures
 */

await speak();
const params = new URLSearchParams(location.search);
const name = params.get('src') ?? '';
/** Ways in the order of their keys, and what each asks of the player. @type {Record<string, string>} */
const MODES = {auto: 'webrtc,mse,hls,mjpeg', webrtc: 'webrtc', mse: 'mse', hls: 'hls', mjpeg: 'mjpeg'};
/** @param {string} mode */
const modeName = mode => mode === 'auto' ? t('camera.auto') : wayName(mode);

const {main, tools} = shell({page: 'live', title: t('camera.title'), of: name || t('camera.title'), back: {href: './', text: t('camera.back')}});
const feed = new Feed('streams,sessions');
watch(feed);
const streams = new Streams(feed);
const able = abilities();
const asked = params.get('mode'), kept = asked && Object.hasOwn(MODES, asked) ? asked : pinOf(name, 'auto');
/** @type {View} */
const view = {player: null, before: null, mode: Object.hasOwn(MODES, kept) ? kept : 'auto', played: '', firstMs: 0, steps: [], candidates: null, refused: {}, figures: {}};
/** @param {any} player */
const hasPicture = player => ['live', 'buffering'].includes(player?.phase);
/** Milliseconds that what played before stays in front while the other one does not come. */
const PATIENCE = 15_000;
/** Milliseconds between two words of the server on the same pause. */
const SAME = 1000;
/** The first stream waits for the list of all. */
let waits = false;

const stage = h('div', {class: 'stage'}), last = lastPicture(view), states = [chip(), chip()], reasons = h('p', {class: 'why'}), progress = h('p', {class: 'muted small', hidden: true}), advice = h('div', {class: 'row'}), pinned = h('p', {class: 'muted small'}), way = h('span');
const figures = h('dl', {class: 'pairs small'}), stepLine = h('p', {class: 'muted small'});
const statsBox = h('details', {class: 'card', open: recall('stats', false), ontoggle: () => remember('stats', statsBox.open)}, h('summary', null, t('camera.stats')), figures, stepLine,
    h('div', {class: 'row'}, button(t('camera.report'), report, {icon: 'copy'})));
const modes = choices('mode', t('camera.mode'), Object.keys(MODES).map(one => [one, modeName(one)]), view.mode, pin, true);
const quality = qualityOf(name, choose), known = panel(name, feed, () => streams.load()), talk = talking(name, feed), controls = controlsOf(name, view, {stage, talk, settle});

/** Stream that plays, or is to go on when what is paused does; the one before. */
let playing = '', before = '';
/** Milliseconds that the server took to let the camera go since it was paused. @type {number|null} */
let released = null;
/** When that was. */
let releasedAt = 0;
/** The picture before goes when it is over. @type {any} */
let patience = 0;
/** What the list said of it when this page last held the camera; each load of it says it anew. @type {object|undefined} */
let held;
feed.on(['source_released'], ({stream, release_ms: ms}) => {
    if (stream === playing) {
        [released, releasedAt] = [ms, performance.now()];
        explain();
    } else if (stream === before) {
        before = '';
        toast(`${stream}: ${t('camera.released', {ms: duration(ms)})}`);
    }
});

function start() {
    const {before: old, player: now} = view, shown = old ?? now, stays = hasPicture(shown), player = document.createElement('rs-player');
    if (old || !stays) now?.remove();
    if (!stays) old?.remove();
    Object.assign(view, {player, before: stays ? shown : null, steps: [], candidates: null});
    unmeasured();
    const on = (/** @type {string} */ type, /** @type {(detail: any) => void} */ run) => player.addEventListener(type, ev => player === view.player && run(/** @type {CustomEvent} */ (ev).detail));
    Object.assign(player, {mode: MODES[view.mode], pinned: view.mode === 'auto' ? '' : view.mode, pcConfig: {bundlePolicy: 'max-bundle', iceServers: []}});
    on('mode', ({mode}) => {
        view.played = mode;
        explain();
    });
    on('firstframe', ({ms}) => {
        view.firstMs = ms;
        last.forget();
        settle();
        explain();
    });
    on('step', step => {
        view.steps.push(step);
        explain();
    });
    on('why', (/** @type {import('../types.js').SocketWhy} */ {candidates}) => {
        view.candidates = candidates;
        explain();
    });
    on('stats', measured);
    on('state', ({state: phase, reason, kind}) => {
        fault = kind;
        const over = phase === 'failed' || phase === 'retrying';
        if (phase === 'dialling') Object.assign(view, {steps: [], candidates: null});
        if (phase === 'dialling' || over) unmeasured();
        if (over && view.mode !== 'auto') view.refused[view.mode] = translate(reason);
        if (over) announce(translate(reason));
        // Why it does not play is said on it.
        if (over) settle();
        if (phase === 'parked') fill(figures);
        // The server may tell of it before it says that it has paused; another source of the stream may have ended long before.
        if (phase !== 'parked' || performance.now() - releasedAt > SAME) released = null;
        if (phase === 'live') choose();
        explain();
    });
    // A lesser stream may have a loudspeaker of its own.
    on('talk', now => playing === name && talk.show(now));
    on('released', (/** @type {import('../types.js').SocketReleased} */ {releaseMs}) => {
        if (releaseMs != null) toast(t('camera.released', {ms: duration(releaseMs)}));
    });
    if (stays) {
        shown.before(player);
        shown.addEventListener('state', () => shown === view.before && !hasPicture(shown) && settle());
        clearTimeout(patience);
        patience = setTimeout(() => shown === view.before && settle(), PATIENCE);
    } else {
        stage.replaceChildren(player, last.age, talk.air);
    }
    if (playing !== quality.source) [before, playing] = [playing, quality.source];
    view.player.src = new URL(`api/ws?src=${encodeURIComponent(playing)}`, location.href);
    controls.follow();
    last.ask(playing);
    explain();
}

/** What plays now is seen and heard. */
function settle() {
    const {before, player} = view;
    if (!before) return;
    view.before = null;
    player.video.muted = before.video.muted;
    // Safari pauses what gets its sound without a gesture; this falls back to none.
    if (!['parked', 'failed', 'retrying'].includes(player.phase)) player.play();
    before.remove();
    controls.showSound();
}

/** There is no picture, and what was measured is over. */
function unmeasured() {
    Object.assign(view, {played: '', firstMs: 0, figures: {}});
    fill(figures);
}

/** Plays the stream that it is to be now. What is paused stays so until it goes on. */
function choose() {
    quality.choose(streams.all.keys(), stage.clientWidth);
    if (!waits && (!view.player || controls.halted() || quality.source === playing)) return;
    waits = false;
    start();
}

/** @param {string} mode */
function pin(mode) {
    const other = mode !== view.mode;
    view.mode = mode;
    keepPin(name, mode === 'auto' ? '' : mode);
    if (!other) return explain();
    for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (modes.querySelectorAll('input'))) input.checked = input.value === mode;
    start();
}

// ---- what plays, in sentences and in figures ----

/** Class of what went wrong, as the player knows it. */
let fault = '';
/** What a person can do about it, and where. */
function advise() {
    const over = ['failed', 'retrying'].includes(view.player?.phase), {kind = '', error = ''} = streams.all.get(playing) ?? {}, cause = !over ? '' : error && kind || (fault === 'network' ? 'network' : '');
    const [href, text] = {auth: [known.edit, 'camera.edit'], not_found: [known.edit, 'camera.edit'], busy: ['sessions.html', 'nav.sessions'], unreachable: ['doctor.html', 'nav.doctor'], network: ['doctor.html', 'nav.doctor']}[cause] ?? [''];
    refill(advice, `${cause} ${href}`, () => [hint(cause) && h('span', {class: 'small'}, hint(cause)), href && h('a', {class: cause === 'busy' ? 'button own' : 'button', href}, t(text))]);
    advice.hidden = !advice.textContent;
}

/** Says what is known now. */
function explain() {
    const {mode, played, player, figures: {path}} = view, video = player?.video;
    // The browser's own controls have nothing to do before there is a picture, or with one that is no video.
    if (video) video.controls = hasPicture(player) && played !== '' && played !== 'mjpeg';
    const carrier = played && wayName(played) + (path && played === 'webrtc' ? `/${path}` : player?.overHTTP ? '/HTTP' : '');
    const tracks = (streams.all.get(playing)?.json.producers ?? []).flatMap(p => (p.receivers ?? []).map(r => r.codec ?? {}));
    controls.show();
    advise();
    const entry = streams.all.get(playing), off = player?.cameraOff ?? true;
    if (!off) held = entry?.json;
    say(reasons, why({...view, phase: player?.phase ?? '', way: carrier, able, tracks, kept: player ? keptWay(player.wsURL) : '',
        left: player?.phase === 'parked' ? left({off, listed: entry?.json === held, released, entry, policy: known.policy}) : ''}));
    const done = view.steps.map(({step, ms}) => `${t(`step.${step}`)} ${duration(ms)}`), next = ['socket', 'answer', 'network', 'picture'].find(one => !view.steps.some(({step}) => step === one) && (one !== 'network' || player?.pc));
    say(stepLine, done.join(' → '));
    progress.hidden = player?.phase !== 'dialling' && player?.phase !== 'connecting' || !next;
    say(progress, [...done, next && `${t(`step.${next}`)}…`].join(' → '));
    say(way, mode === 'auto' ? [t('camera.auto'), carrier].filter(Boolean).join(' · ') : carrier || wayName(mode));
    const unknown = mode === 'auto' && asked && !Object.hasOwn(MODES, asked);
    say(pinned, unknown ? t('camera.noMode', {mode: asked}) : mode === 'auto' ? t('camera.autoAbout') : t(pinOf(name, '') === mode ? 'camera.pinned' : 'camera.visit', {way: wayName(mode)}));
}

/** @param {import('../lib/stats.js').Figures} now */
function measured(now) {
    view.figures = now;
    if (statsBox.open && view.player.phase !== 'parked') {
        const rows = [
            ['camera.fps', now.fps === undefined ? '–' : `${number(now.fps)} fps · ${t('camera.dropped', {n: now.dropped ?? 0})}`], ['camera.size', now.size ?? '–'], ['camera.codec', [now.codec, codecName(now.audio)].filter(Boolean).join(' + ') || '–'],
            ['streams.rate', rate(now.bits)], ['sessions.rtt', duration(now.rtt)], ['sessions.loss', now.loss === undefined ? '–' : `${number(now.loss * 100)} %`], ['camera.buffer', duration(now.buffer)], ['camera.delay', duration(now.delay)], ['camera.key', duration(now.key)],
        ];
        fill(figures, rows.filter(([, value]) => value !== '–').map(([key, value]) => [h('dt', null, t(key)), h('dd', null, value)]));
    }
    explain();
}

/** Everything as text, for a report; no address has a password in it. */
function report() {
    // The players are elements: their own fields hold addresses too.
    const {player, before: _, played, ...known} = view, entry = streams.all.get(name);
    copied(JSON.stringify({stream: name, playing: played, phase: player?.phase, ...known, able, state: entry?.state, error: entry?.error, agent: navigator.userAgent},
        (_, value) => typeof value === 'string' ? value.replace(/:\/\/.*@/s, '://***@') : value, 2));
}

/** What waits for a person plays again when somebody has mended it. */
const mended = () => view.player?.phase === 'failed' && view.player.retry();
feed.on(['streams_changed'], ({stream}) => [name, playing].includes(stream) && mended());
feed.addEventListener('restarted', mended);

// ---- the page ----

/** The cameras in the order of Live, without the lesser streams of others. */
function order() {
    const all = streams.sorted().map(one => one.name), lesser = new Set(pairs(all).values()), shown = layouts().find(one => one.name === recall('layout', ''))?.src.filter(one => streams.all.has(one)) ?? [];
    return shown.length > 1 && shown.includes(name) ? shown : all.filter(one => one === name || !lesser.has(one));
}

function build() {
    const go = (/** @type {number} */ by) => {
        const names = order(), at = names.indexOf(name);
        if (names.length > 1) location.href = address('camera.html', {src: names[(at + by + names.length) % names.length]});
    };
    tools.append(states[0].node, button(t('camera.prev'), () => go(-1), {icon: 'left', bare: true, key: '←'}), button(t('camera.next'), () => go(1), {icon: 'right', bare: true, key: '→'}));
    bind('ArrowLeft', t('camera.prev'), () => go(-1));
    bind('ArrowRight', t('camera.next'), () => go(1));
    bind('Escape', t('camera.back'), () => document.fullscreenElement || location.assign('./'));
    controls.bind();
    bind('i', t('camera.stats'), () => statsBox.open = !statsBox.open);
    for (const [i, one] of Object.keys(MODES).entries()) bind(String(i), t('camera.mode'), () => pin(one));
    main.append(h('div', {class: 'camera'},
        h('div', {class: 'stack'}, h('div', null, stage, controls.node), h('section', {class: 'card'}, h('h2', null, t('camera.why')), reasons, progress, advice, h('details', {class: 'small muted'}, h('summary', null, t('why.what')), h('p', null, t('why.explained')))), statsBox),
        sheet([h('span', {class: 'muted'}, t('camera.mode')), way, states[1].node], [
            h('section', {class: 'card'}, modes, pinned, quality.node, controls.volume), h('section', {class: 'card'}, known.facts, talk.field, known.links), known.info], stage)));
}

if (name) new ResizeObserver(() => streams.loaded && choose()).observe(stage);
streams.addEventListener('change', () => {
    if (name) choose();
    const entry = streams.all.get(name), now = streams.all.get(playing) ?? entry;
    if (!listed(streams)) return;
    if (!entry || !now) return name && notice(t('camera.unknown', {name}));
    notice('');
    for (const state of states) state.show(now);
    known.show(now, view.figures.size);
    talk.field.hidden = talk.node.hidden = !hasLoudspeaker(entry.json);
    explain();
});
// What goes on by itself; all else is told.
setInterval(() => {
    const now = streams.all.get(playing) ?? streams.all.get(name);
    if (document.hidden || !now) return;
    for (const state of states) state.show(now);
    last.tell();
}, 1000);
if (name) {
    build();
    waits = quality.needsNames(stage.clientWidth);
    if (!waits) start();
} else {
    main.append(empty(t('camera.which'), h('a', {class: 'button primary', href: './'}, t('nav.live'))));
}
