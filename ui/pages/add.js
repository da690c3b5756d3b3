/**
 * Adding a camera: an address (found or given), a test that shows each step, a name, done. The test opens the source once and lets
 * it go, whatever happens. Nothing is saved before the person says so, and no password is remembered.
 */
import {button, fill, h, say} from '../lib/dom.js';
import {duration, number, t} from '../lib/i18n.js';
import {address, call, explain, Feed, getJson} from '../lib/server.js';
import {compose, FILE_ONLY, schemeOf, split, suggest} from '../lib/source.js';
import {abilities} from '../lib/stats.js';
import {failure, hint} from '../lib/streams.js';
import {announce, failed, notice, shell, toast, watch} from '../shell/shell.js';

const {main} = shell({page: 'add', title: t('nav.add')});
watch(new Feed('streams'));

/** Calls that look for cameras, by the scheme that they belong to. */
const SEARCHES = {onvif: ['api/onvif', 'ONVIF'], dvrip: ['api/dvrip', 'DVRIP'], homekit: ['api/homekit', 'HomeKit'], gopro: ['api/gopro', 'GoPro'], hass: ['api/hass', 'Home Assistant'],
    v4l2: ['api/v4l2', 'V4L2'], alsa: ['api/alsa', 'ALSA'], ffmpeg: ['api/ffmpeg/devices', 'FFmpeg'], roborock: ['api/roborock', 'Roborock']};
/** What most cameras understand, for the help beside the field. */
const EXAMPLES = {rtsp: 'rtsp://192.168.1.64/stream1', http: 'http://192.168.1.64/video.mjpg', onvif: 'onvif://192.168.1.64', demo: 'demo:', ffmpeg: 'ffmpeg:rtsp://192.168.1.64/stream1#video=h264', dvrip: 'dvrip://192.168.1.64', rtmp: 'rtmp://192.168.1.64/bcs/channel0_main.bcs'};

/** @type {string[]} */
let schemes = [];
let streams = /** @type {Record<string, any>} */ ({});
/** @type {AbortController|null} */
let testing = null;
let worked = false;
/** The source that the test shown is about, which is the one to save; empty: none, or its address was changed. */
let tested = '';
/** The address was changed after its test. */
let changed = false;

const steps = h('ol', {class: 'steps'}, ['find', 'test', 'name', 'done'].map((one, i) => h('li', {data: {step: one}}, `${i + 1} ${t(`add.${one}`)}`)));
const src = h('input', {type: 'text', name: 'src', placeholder: 'rtsp://192.168.1.64/stream1', spellcheck: 'false', autocomplete: 'off', autocapitalize: 'off', required: true, oninput: onSource, onpaste: () => setTimeout(takeApart)});
const user = h('input', {type: 'text', name: 'user', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', oninput: onSource});
const password = h('input', {type: 'password', name: 'secret', autocomplete: 'off', oninput: onSource});
const reveal = h('input', {type: 'checkbox', onchange: () => password.type = reveal.checked ? 'text' : 'password'});
const help = h('p', {class: 'muted small', role: 'status'}), examples = h('div', {class: 'row small examples'});
const testButton = h('button', {class: 'primary'}, t('add.testButton')), cancel = button(t('common.cancel'), () => testing?.abort());
cancel.hidden = true;
const name = h('input', {type: 'text', name: 'name', spellcheck: 'false', autocomplete: 'off', maxlength: 500, oninput: checkName}), nameHelp = h('p', {class: 'small', role: 'status'});
const saveButton = h('button', {class: 'primary'}, t('add.save'));
const checks = h('ul', {class: 'checks', 'aria-live': 'polite'}), advice = h('div', {class: 'stack'});
const found = h('div', {class: 'stack'}), search = button(t('add.search'), discover, {icon: 'search'});

const form = h('form', {class: 'form card', onsubmit: (/** @type {Event} */ ev) => {
    ev.preventDefault();
    if (src.value.trim()) test();
}}, h('h2', null, t('add.url')),
h('label', {class: 'field'}, t('add.source'), src), help, examples,
h('div', {class: 'pair'}, h('label', {class: 'field'}, t('add.user'), user), h('label', {class: 'field'}, t('add.password'), password)),
h('div', {class: 'row'}, testButton, cancel, h('label', {class: 'check'}, reveal, t('add.reveal'))));
const result = h('section', {class: 'card', hidden: true}, h('h2', {tabindex: '-1'}, t('add.test')), checks, advice);
const naming = h('form', {class: 'form card', hidden: true, onsubmit: (/** @type {Event} */ ev) => {
    ev.preventDefault();
    save();
}}, h('h2', {tabindex: '-1'}, t('add.name')), h('label', {class: 'field'}, t('streams.name'), name), nameHelp, h('div', {class: 'row'}, saveButton, h('span', {class: 'muted'}, t('add.notSaved'))));
const done = h('section', {class: 'card', hidden: true});
main.append(h('div', {class: 'stack narrow'}, steps, form, result, naming, done, h('section', {class: 'card'}, h('h2', null, t('add.searchTitle')), h('p', {class: 'muted small'}, t('add.searchAbout')), h('div', {class: 'row'}, search), found)));
step('find');

/** @param {string} now */
function step(now) {
    for (const item of /** @type {NodeListOf<HTMLElement>} */ (steps.querySelectorAll('li'))) {
        if (item.dataset.step === now) item.setAttribute('aria-current', 'step');
        else item.removeAttribute('aria-current');
    }
}

async function load() {
    try {
        [schemes, streams] = await Promise.all([getJson('api/schemes'), getJson('api/streams')]);
        notice('');
    } catch (err) {
        return failed(err, load);
    }
    fill(examples, h('span', {class: 'muted'}, t('add.examples')), Object.entries(EXAMPLES).filter(([scheme]) => schemes.includes(scheme)).map(([, text]) => button(text, () => {
        src.value = text;
        onSource();
        src.focus();
    })));
    onSource();
}

function onSource() {
    const scheme = schemeOf(src.value);
    if (tested && source() !== tested) drop();
    const text = FILE_ONLY.includes(scheme) ? t('add.fileOnly') : scheme && schemes.length && !schemes.includes(scheme) && /:\/\/|^[a-z]+:$/.test(src.value) ? t('add.unknownScheme', {scheme}) : changed ? t('add.changed') : '';
    say(help, text);
    testButton.disabled = FILE_ONLY.includes(scheme) || testing !== null;
}

const source = () => compose(src.value, user.value, password.value);

/** What the test has shown is true no more. */
function drop() {
    testing?.abort();
    testing = null;
    tested = '';
    changed = cancel.hidden = result.hidden = naming.hidden = true;
    step('find');
}

/** A pasted address with a password in it: the parts go where they belong. */
function takeApart() {
    const parts = split(src.value);
    if (!parts.user && !parts.password) return;
    src.value = parts.url;
    user.value = parts.user;
    password.value = parts.password;
    announce(t('add.apart'));
}

const ORDER = ['connect', 'tracks', 'picture', 'keyframes', 'release'];

async function test() {
    testing?.abort();
    takeApart();
    const mine = new AbortController();
    testing = mine;
    tested = source();
    changed = false;
    say(help, '');
    step('test');
    result.hidden = false;
    naming.hidden = done.hidden = true;
    worked = false;
    testButton.disabled = true;
    cancel.hidden = false;
    fill(advice);
    fill(checks);
    /** @type {Record<string, HTMLElement>} */
    const rows = {};
    let broken = '';
    try {
        const response = await call('POST', 'api/rs/test', {body: {src: tested}, signal: mine.signal, limit: 60_000});
        for await (const line of linesOf(response)) {
            rows[line.step] ??= checks.appendChild(h('li', {data: {step: line.step}}));
            fill(rows[line.step], ...describe(line));
            if (line.state === 'fail') broken ||= line.step;
            if (line.step === 'tracks') advise(line);
            if (line.step === 'picture' && line.state !== 'run' && !broken || line.step === 'tracks' && line.state === 'ok' && !line.tracks.some((/** @type {any} */ c) => c.codec_type === 'video')) offer(true);
        }
        announce(broken ? t('add.testFailed') : t('add.testDone'));
    } catch (err) {
        // The next one shows its own.
        if (testing !== mine) return;
        if (mine.signal.aborted) checks.append(h('li', null, h('span', {class: 'state', data: {state: 'skip'}}, t('add.cancelled'))));
        else checks.append(h('li', null, h('span', {class: 'state', data: {state: 'fail'}}, t('add.test')), h('span', {class: 'why'}, explain(err))));
    }
    testing = null;
    testButton.disabled = FILE_ONLY.includes(schemeOf(src.value));
    cancel.hidden = true;
    if (!worked && !mine.signal.aborted) offer(false);
    for (const one of ORDER) if (rows[one]) checks.append(rows[one]);
}

/** JSON lines of an answer as they come. @param {Response} response */
async function* linesOf(response) {
    const reader = /** @type {any} */ (response.body).pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
        const {value, done: end} = await reader.read();
        rest += value ?? '';
        const lines = rest.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (line) yield JSON.parse(line);
        if (end) return;
    }
}

/** @param {any} line */
function describe(line) {
    const state = h('span', {class: 'state', data: {state: line.state}}, t(`test.${line.step}`));
    const words = [];
    if (line.step === 'tracks') words.push(line.tracks.map(trackText).join(', ') || t('test.noTracks'));
    if (line.every_ms) words.push(t('test.every', {ms: duration(line.every_ms)}));
    if (line.ms !== undefined) words.push(duration(line.ms));
    if (line.state === 'run') words.push(t('test.run'));
    if (line.state === 'skip') words.push(t('test.skip'));
    return [state, h('span', null, words.join(' · ')), line.error && h('span', {class: 'why'}, [failure(line.kind), line.error, hint(line.kind)].filter(Boolean).join('\n'))];
}

/** @param {any} codec */
function trackText(codec) {
    const name = String(codec.codec_name ?? '?').toUpperCase();
    return [name, codec.width ? `${codec.width}x${codec.height}` : '', codec.sample_rate ? `${number(codec.sample_rate / 1000)} kHz` : ''].filter(Boolean).join(' ');
}

/** Where this stream plays. @param {any} line */
function advise(line) {
    const able = abilities(), video = line.tracks.find((/** @type {any} */ c) => c.codec_type === 'video');
    const codec = String(video?.codec_name ?? '').toLowerCase().replace('hevc', 'h265');
    const here = codec === 'h264' || codec === 'h265' || codec === 'av1' ? [able[codec].webrtc && 'WebRTC', able[codec].mse && 'MSE'].filter(Boolean) : [];
    fill(advice, video && h('p', {class: 'state', data: {state: here.length ? 'ok' : 'warn'}}, here.length ? t('add.plays', {ways: here.join(' + ')}) : t('add.playsNot', {codec: codec.toUpperCase()})),
        h('p', {class: 'muted small'}, line.talk ? t('add.talkYes') : t('add.talkNo')));
}

/** The step of the name. @param {boolean} good */
function offer(good) {
    if (worked) return;
    worked = good;
    naming.hidden = false;
    if (!name.value || name.dataset.made === name.value) {
        name.value = suggest(compose(src.value, '', ''), one => Object.hasOwn(streams, one));
        name.dataset.made = name.value;
    }
    checkName();
    if (!good) return;
    step('name');
    name.focus();
    name.select();
}

function checkName() {
    const text = name.value.trim(), exists = Object.hasOwn(streams, text);
    nameHelp.className = exists ? 'state' : 'small';
    nameHelp.dataset.state = exists ? 'warn' : '';
    say(nameHelp, !text ? t('add.nameEmpty') : exists ? t('add.nameTaken') : '');
    say(saveButton, t(exists ? 'add.replace' : worked ? 'add.save' : 'add.saveAnyway'));
    saveButton.className = exists ? 'danger' : worked ? 'primary' : '';
    saveButton.disabled = !text;
}

async function save() {
    testing?.abort();
    const text = name.value.trim();
    if (!text || !tested) return;
    let warning = '';
    saveButton.disabled = true;
    try {
        await call('PUT', 'api/streams', {query: {name: text, src: tested}});
    } catch (err) {
        // A new one may be there although the file could not be written; one that was there is as it was.
        const now = await getJson('api/streams').catch(() => ({}));
        if (!Object.hasOwn(now, text) || Object.hasOwn(streams, text)) {
            saveButton.disabled = false;
            return toast(explain(err));
        }
        warning = `${t('add.untilRestart')} ${explain(err)}`;
    }
    streams[text] = {};
    tested = password.value = user.value = src.value = name.value = '';
    form.hidden = result.hidden = naming.hidden = true;
    done.hidden = false;
    step('done');
    const watch = h('a', {class: 'button primary', href: address('camera.html', {src: text})}, t('add.watch'));
    fill(done, h('h2', {tabindex: '-1'}, t('add.added', {name: text})), warning && h('p', {class: 'state', data: {state: 'warn'}}, warning),
        h('div', {class: 'row'}, watch, h('a', {class: 'button', href: address('links.html', {src: text})}, t('nav.links')), button(t('add.another'), () => {
            form.hidden = false;
            done.hidden = true;
            step('find');
            src.focus();
        })));
    announce(t('add.added', {name: text}));
    watch.focus();
}

/** Looks everywhere at the same time; what is found comes as it is found. */
async function discover() {
    search.disabled = true;
    const kinds = Object.entries(SEARCHES).filter(([scheme]) => schemes.includes(scheme));
    const list = h('ul', {class: 'urls'}), state = h('p', {class: 'muted', role: 'status'}, t('add.searching', {kinds: kinds.map(([, [, title]]) => title).join(', ')}));
    fill(found, state, list);
    const problems = /** @type {string[]} */ ([]);
    let count = 0;
    await Promise.all(kinds.map(async ([, [path, title]]) => {
        try {
            const answer = await (await call('GET', path, {limit: 30_000})).json();
            for (const one of answer.sources ?? answer ?? []) {
                const url = one.url ?? one.id;
                if (!url) continue;
                count++;
                list.append(h('li', null, h('strong', null, `${title} ${one.name ?? ''}`), h('code', null, url), button(t('add.use'), () => {
                    const parts = split(url);
                    src.value = parts.url;
                    // Those of the address belong together; without any, what was typed stays.
                    if (parts.user || parts.password) {
                        user.value = parts.user;
                        password.value = parts.password;
                    }
                    onSource();
                    src.focus();
                }), one.info && h('span', {class: 'who small muted'}, String(one.info))));
            }
        } catch (err) {
            problems.push(`${title}: ${explain(err).split('\n')[0]}`);
        }
    }));
    say(state, kinds.length ? t('add.found', {n: count, kinds: kinds.map(([, [, title]]) => title).join(', ')}) : t('add.noSearch'));
    if (problems.length) found.append(h('p', {class: 'muted small'}, problems.join(' · ')));
    if (!count) found.append(h('p', {class: 'muted small'}, t('add.bridge')));
    search.disabled = false;
}
window.addEventListener('pagehide', () => testing?.abort());
load().then(() => src.focus());
