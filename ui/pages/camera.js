/**
 * One camera: the picture, how it is carried and why, figures, sound, talk, a snapshot. `?src=NAME`, `?mode=` pins a way for this visit.
 */
import '../player/rs-player.js';
import {button, fill, h, say, setIcon} from '../lib/dom.js';
import {duration, language, number, rate, t} from '../lib/i18n.js';
import {recall, remember} from '../lib/prefs.js';
import {address, download, explain, Feed} from '../lib/server.js';
import {abilities, Stats} from '../lib/stats.js';
import {chip, codecName, hasLoudspeaker, Streams, wayName} from '../lib/streams.js';
import {speak, translate} from '../player/words.js';
import {announce, bind, copied, empty, listed, notice, shell, toast, watch} from '../shell/shell.js';
import {qualityOf} from './quality.js';
import {talkButton} from './talk-button.js';

await speak();
const params = new URLSearchParams(location.search);
const name = params.get('src') ?? '';
/** Milliseconds that a pause keeps the camera, and between the two taps for the full screen. */
const PAUSE_KEEPS = 5000, DOUBLE = 300;
/** Ways in the order of their keys, and what each asks of the player. */
const MODES = {auto: 'webrtc,mse,hls,mjpeg', webrtc: 'webrtc', mse: 'mse', hls: 'hls', mjpeg: 'mjpeg'};
/** @typedef {keyof typeof MODES} Mode */
/** @param {string} mode */
const modeName = mode => mode === 'auto' ? t('camera.auto') : wayName(mode);

const {main, tools} = shell({page: 'live', title: t('camera.title'), of: name || t('camera.title'), back: {href: './', text: t('camera.back')}});
const feed = new Feed('streams,sessions');
watch(feed);
const streams = new Streams(feed, {look: 2000});
const able = abilities();

/** @type {any} */
let player = null;
let pausing = 0, playedMode = '', firstMs = 0;
/** Why a way did not work, in the server's words. @type {Record<string, string>} */
const refused = {};
/** Milliseconds of the steps to the first picture. @type {[string, number][]} */
let steps = [];
let begun = 0;
const asked = params.get('mode');
let mode = /** @type {Mode} */ (asked && Object.hasOwn(MODES, asked) ? asked : recall(`mode.${name}`, 'auto'));
if (!Object.hasOwn(MODES, mode)) mode = 'auto';

const stage = h('div', {class: 'stage'}), state = chip(), why = h('p', {class: 'why'}), figures = h('dl', {class: 'pairs small'}), stepLine = h('p', {class: 'muted small'});
const viewers = h('span'), watching = h('dl', {class: 'pairs', hidden: true}, h('dt', null, t('streams.viewers')), h('dd', null, viewers)), links = h('div', {class: 'row'}), controls = h('div', {class: 'controls'});
const statsBox = h('details', {class: 'card', open: recall('stats', false), ontoggle: () => remember('stats', statsBox.open)}, h('summary', null, t('camera.stats')), figures, stepLine,
    h('div', {class: 'row'}, button(t('camera.report'), report, {icon: 'copy'})));
const modes = h('fieldset', {class: 'modes'}, h('legend', null, t('camera.mode')), Object.keys(MODES).map((one, i) => h('label', null,
    h('input', {type: 'radio', name: 'mode', value: one, checked: one === mode, 'aria-keyshortcuts': String(i), onchange: () => pin(/** @type {Mode} */ (one))}), h('span', null, modeName(one)))));
const pinned = h('p', {class: 'muted small'});
/** The first stream waits for the list of all. */
let waits = false;
const quality = qualityOf(name, choose);
const volume = h('input', {type: 'range', min: '0', max: '1', step: '0.05', oninput: () => {
    if (player?.video) Object.assign(player.video, {volume: volume.valueAsNumber, muted: !volume.valueAsNumber});
}});
const myName = h('input', {maxlength: '40', value: recall('name', ''), autocomplete: 'off', onchange: () => remember('name', myName.value.trim() || null),
    onkeydown: (/** @type {KeyboardEvent} */ ev) => ev.key === 'Enter' && myName.blur()});
const nameField = h('label', {class: 'field', hidden: true}, h('span', null, t('camera.talkName')), myName);

if (!name) {
    main.append(empty(t('camera.which'), h('a', {class: 'button primary', href: './'}, t('nav.live'))));
} else {
    tools.append(state.node);
    main.append(h('div', {class: 'camera'},
        h('div', {class: 'stack'}, h('div', null, stage, controls), h('section', {class: 'card'}, h('h2', null, t('camera.why')), why), statsBox),
        h('div', {class: 'stack'}, h('section', {class: 'card'}, modes, pinned, quality.node, h('label', {class: 'row'}, h('span', {class: 'muted small'}, t('camera.volume')), volume)), h('section', {class: 'card'}, watching, nameField, links))));
}

function start() {
    clearTimeout(pausing);
    stop();
    player = document.createElement('rs-player');
    Object.assign(player, {mode: MODES[mode], pcConfig: {bundlePolicy: 'max-bundle', iceServers: []}});
    player.addEventListener('mode', (/** @type {any} */ ev) => {
        playedMode = ev.detail.mode;
        showControls();
        explainWhy();
    });
    player.addEventListener('firstframe', (/** @type {any} */ ev) => {
        firstMs = ev.detail.ms;
        steps.push(['picture', firstMs]);
        explainWhy();
    });
    player.addEventListener('state', (/** @type {any} */ ev) => {
        const {state: phase, reason} = ev.detail;
        if (phase === 'dialling') {
            begun = performance.now();
            steps = [];
        } else if (phase === 'connecting') {
            steps.push(['answer', performance.now() - begun]);
        } else if ((phase === 'retrying' || phase === 'failed') && mode !== 'auto') {
            refused[mode] = translate(reason);
        }
        if (phase === 'failed' || phase === 'retrying') announce(translate(reason));
        showControls();
        explainWhy();
    });
    player.addEventListener('talk', (/** @type {any} */ ev) => talk.show(ev.detail));
    player.addEventListener('released', (/** @type {any} */ ev) => {
        if (ev.detail.releaseMs != null) toast(t('camera.released', {ms: duration(ev.detail.releaseMs)}));
    });
    stage.replaceChildren(player);
    player.src = new URL(`api/ws?src=${encodeURIComponent(quality.source)}`, location.href);
    player.video.controls = false;
    player.video.volume = recall('volume', 1);
    player.video.addEventListener('volumechange', () => {
        remember('volume', player?.video?.volume ?? 1);
        showSound();
    });
    const mine = player;
    player.video.addEventListener('pause', () => mine === player && showPause(t('camera.play')));
    player.video.addEventListener('play', () => {
        if (mine !== player) return;
        clearTimeout(pausing);
        showPause();
    });
    stats.reset();
    showSound();
    showPause();
}

function stop() {
    player?.remove();
    player = null;
    playedMode = '';
    stage.replaceChildren(h('div', {class: 'rest'}, h('p', null, t('camera.stopped')), button(t('tile.start'), start, {icon: 'play', class: 'primary'})));
    // What was measured is over.
    last = {};
    firstMs = 0;
    fill(figures);
    say(stepLine, '');
    showPause(t('tile.start'));
    explainWhy();
}

/** Plays the stream that it is to be now. What was stopped stays so. */
function choose() {
    const other = quality.choose(streams.all.keys(), stage.clientWidth);
    if (!waits && !(other && player)) return;
    waits = false;
    start();
}

/** @param {Mode} one */
function pin(one) {
    mode = one;
    remember(`mode.${name}`, one === 'auto' ? null : one);
    for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (modes.querySelectorAll('input'))) input.checked = input.value === one;
    start();
    explainWhy();
}

/** What is played, how, and why not otherwise: from what the server and the browser have said. */
function explainWhy() {
    const entry = streams.all.get(quality.source), parts = [];
    const tracks = (entry?.json.producers ?? []).flatMap(p => (p.receivers ?? []).map(r => r.codec ?? {}));
    const of = (/** @type {string} */ kind) => [...new Set(tracks.filter(c => c.codec_type === kind).map(c => codecName(c.codec_name)))];
    const video = of('video'), audio = of('audio');
    if (playedMode) {
        const way = wayName(playedMode) + (last.path && playedMode === 'webrtc' ? `/${last.path}` : player?.overHTTP ? '/HTTP' : '');
        const carried = [playedMode === 'mjpeg' ? '' : last.codec ?? video[0], last.size].filter(Boolean).join(' ');
        parts.push(t('why.played', {what: carried || t('why.picture'), way}));
        const sound = codecName(last.audio);
        if (sound && audio.length) parts.push(audio.includes(sound) ? t('why.audio', {codec: sound}) : t('why.audioMade', {codec: sound, from: audio.join(', ')}));
        if (firstMs) parts.push(t('why.first', {ms: duration(firstMs)}));
    } else {
        parts.push(t(!player ? 'camera.stopped' : player.phase === 'failed' || player.phase === 'retrying' ? 'why.nothing' : 'why.waiting'));
    }
    if (mode !== 'auto') parts.push(t('why.pinned', {way: wayName(mode)}));
    if (!able.webrtc) parts.push(t('why.noWebrtc'));
    if (video.includes('H265')) {
        if (!able.h265.webrtc) parts.push(t('why.noH265rtc'));
        if (!able.h265.mse) parts.push(t('why.noH265mse'));
    }
    for (const [way, text] of Object.entries(refused)) if (way !== playedMode) parts.push(t('why.refused', {way: wayName(way), text: text.split('\n')[0]}));
    // Chinese full stops have their own space.
    say(why, parts.join(language === 'zh' ? '' : ' '));
    const unknown = mode === 'auto' && asked && !Object.hasOwn(MODES, asked);
    say(pinned, unknown ? t('camera.noMode', {mode: asked}) : mode === 'auto' ? t('camera.autoAbout') : t('camera.pinned', {way: wayName(mode)}));
}

/** @type {import('../lib/stats.js').Figures} */
let last = {};
const stats = new Stats();
setInterval(async () => {
    const read = player;
    if (document.hidden || !read) return;
    const now = await stats.read(read);
    if (read !== player) return;
    last = now;
    const rows = [
        ['camera.fps', last.fps === undefined ? null : `${number(last.fps)} fps · ${t('camera.dropped', {n: last.dropped ?? 0})}`], ['camera.size', last.size], ['camera.codec', [last.codec, codecName(last.audio)].filter(Boolean).join(' + ')],
        ['streams.rate', last.bits === undefined ? null : rate(last.bits)], ['sessions.rtt', last.rtt === undefined ? null : duration(last.rtt)], ['sessions.loss', last.loss === undefined ? null : `${number(last.loss * 100)} %`],
        ['camera.buffer', last.buffer === undefined ? null : duration(last.buffer)], ['camera.delay', last.delay === undefined ? null : duration(last.delay)],
    ].filter(([, value]) => value);
    if (statsBox.open) {
        fill(figures, rows.map(([key, value]) => [h('dt', null, t(String(key))), h('dd', null, String(value))]));
        say(stepLine, steps.map(([step, ms]) => `${t(`step.${step}`)} ${duration(ms)}`).join(' → '));
    }
    explainWhy();
}, 1000);

/** Everything as text, for a report; no address has a password in it. */
async function report() {
    const entry = streams.all.get(name);
    const text = JSON.stringify({stream: name, mode, playing: playedMode, phase: player?.phase, figures: last, steps, refused, able, state: entry?.state, error: entry?.error, agent: navigator.userAgent}, null, 2);
    await copied(text);
}

const talk = talkButton(name, () => myName.value.trim(), feed);
/** @type {HTMLButtonElement} */
let soundButton;
/** @type {HTMLButtonElement|undefined} */
let pauseButton;
/** What the button in the place of a pause does now. @param {string} [again] how it goes on; it plays without */
function showPause(again) {
    const text = again ?? t('camera.pause');
    pauseButton?.setAttribute('aria-label', text);
    if (pauseButton) pauseButton.title = `${text} (Space)`;
    setIcon(pauseButton ?? null, again ? 'play' : 'pause');
}
function build() {
    const video = () => /** @type {HTMLVideoElement|undefined} */ (player?.video);
    const pause = () => {
        const now = video();
        if (!now) return start();
        // Motion JPEG has no pause.
        if (playedMode === 'mjpeg') return stop();
        if (now.paused) now.play().catch(() => {});
        else {
            now.pause();
            pausing = window.setTimeout(stop, PAUSE_KEEPS);
        }
    };
    const mute = () => {
        const now = video();
        if (now) now.muted = !now.muted;
    };
    const full = () => document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen?.();
    let tapped = 0;
    stage.addEventListener('touchend', (/** @type {TouchEvent} */ ev) => {
        // Not the end of a scroll; and the browser's own controls would jump.
        if (!ev.cancelable || ev.touches.length || /** @type {Element} */ (ev.target).closest('button')) return;
        const again = ev.timeStamp - tapped < DOUBLE;
        tapped = again ? 0 : ev.timeStamp;
        if (!again) return;
        ev.preventDefault();
        full();
    });
    const pip = async () => {
        try {
            if (document.pictureInPictureElement) await document.exitPictureInPicture();
            else await video()?.requestPictureInPicture();
        } catch (err) {
            toast(explain(err));
        }
    };
    soundButton = button(t('tile.sound'), mute, {icon: 'sound', bare: true, key: 'M'});
    pauseButton = button(t('camera.pause'), pause, {icon: 'pause', bare: true, key: 'Space'});
    controls.append(pauseButton, soundButton, talk.node, button(t('camera.snapshot'), snapshot, {icon: 'photo', bare: true, key: 'S'}),
        button(t('camera.pip'), pip, {icon: 'pip', bare: true, key: 'P'}), button(t('tile.full'), full, {icon: 'full', bare: true, key: 'F'}), talk.floor);
    links.append(h('a', {class: 'button', href: address('links.html', {src: name})}, t('nav.links')), h('a', {class: 'button', href: address('net.html', {src: name})}, t('nav.net')), h('a', {class: 'button', href: address('log.html', {q: name})}, t('nav.log')));
    const go = (/** @type {number} */ by) => {
        const names = streams.sorted().map(e => e.name), at = names.indexOf(name);
        if (names.length > 1) location.href = address('camera.html', {src: names[(at + by + names.length) % names.length]});
    };
    tools.append(button(t('camera.prev'), () => go(-1), {icon: 'left', bare: true, key: '←'}), button(t('camera.next'), () => go(1), {icon: 'right', bare: true, key: '→'}));
    bind('ArrowLeft', t('camera.prev'), () => go(-1));
    bind('ArrowRight', t('camera.next'), () => go(1));
    bind('Escape', t('camera.back'), () => document.fullscreenElement || location.assign('./'));
    bind(' ', t('camera.pause'), pause);
    bind('m', t('tile.sound'), mute);
    bind('f', t('tile.full'), full);
    bind('p', t('camera.pip'), pip);
    bind('s', t('camera.snapshot'), snapshot);
    bind('i', t('camera.stats'), () => statsBox.open = !statsBox.open);
    for (const [i, one] of Object.keys(MODES).entries()) bind(String(i), t('camera.mode'), () => pin(/** @type {Mode} */ (one)));
    bind('t', t('camera.talk'), ev => ev.repeat || talk.node.hidden || talk.node.disabled || talk.hold(ev));
    document.addEventListener('keyup', ev => {
        if (ev.key.toLowerCase() === 't') talk.lift();
    });
}

/** The browser's own controls have nothing to do before there is a picture, or with one that is no video. */
function showControls() {
    if (player?.video) player.video.controls = player.phase === 'live' && playedMode !== '' && playedMode !== 'mjpeg';
}

function showSound() {
    const muted = player?.video?.muted ?? true;
    soundButton?.setAttribute('aria-pressed', String(!muted));
    setIcon(soundButton, muted ? 'mute' : 'sound');
    volume.value = String(muted ? 0 : player.video.volume);
}

function snapshot() {
    const shown = /** @type {HTMLVideoElement|HTMLCanvasElement|undefined} */ (player?.shown);
    const {width = 0, height = 0} = shown instanceof HTMLVideoElement ? {width: shown.videoWidth, height: shown.videoHeight} : shown ?? {};
    if (!shown || !width) return toast(t('camera.noPicture'));
    const canvas = Object.assign(document.createElement('canvas'), {width, height});
    canvas.getContext('2d')?.drawImage(shown, 0, 0);
    canvas.toBlob(blob => {
        if (!blob) return;
        const file = `${name.replace(/[^\p{L}\p{N}_.-]+/gu, '_').slice(0, 80) || 'camera'}_${new Date().toISOString().slice(0, 19).replace(/[:T]/g, '-')}.png`;
        download(file, blob);
        toast(t('camera.saved', {file}));
    });
}

streams.addEventListener('change', () => {
    if (name) choose();
    const entry = streams.all.get(name), now = streams.all.get(quality.source) ?? entry;
    if (!listed(streams)) return;
    if (!entry || !now) return name && notice(t('camera.unknown', {name}));
    notice('');
    state.show(now);
    watching.hidden = false;
    say(viewers, String(now.viewers));
    nameField.hidden = talk.node.hidden = !hasLoudspeaker(entry.json);
    explainWhy();
});
if (name) {
    build();
    waits = quality.needsNames(stage.clientWidth);
    if (!waits) start();
}
