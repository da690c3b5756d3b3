/**
 * The test of one source, step by step, and what it says about where that plays. At the end: how it is saved.
 */
import {button, fill, h} from '../lib/dom.js';
import {duration, number, t} from '../lib/i18n.js';
import {address, call, explain, getJson} from '../lib/server.js';
import {abilities} from '../lib/stats.js';
import {failure, hint} from '../lib/streams.js';

/** A line of the answer: what belongs to its step is there. @typedef {Required<import('../types.js').TestStep>} Line */
const ORDER = ['connect', 'tracks', 'picture', 'protocol', 'still', 'keyframes', 'packets', 'release'];

/**
 * @param {{src: string, still?: boolean}|{stream: string}} about a source and whether what it sees is wanted, or a stream that is there
 * @param {AbortSignal} signal ends it
 * @param {HTMLElement} checks the list that gets a line for each step
 * @param {(line: Line, good: boolean) => void} on hears each step, and whether none has failed yet
 * @returns {Promise<boolean>} none has failed
 */
export async function probe(about, signal, checks, on) {
    /** @type {Record<string, HTMLElement>} */
    const rows = {};
    let good = true;
    const response = await call('POST', 'api/rs/test', {body: about, signal, limit: 60_000});
    for await (const line of linesOf(response)) {
        rows[line.step] ??= checks.appendChild(h('li', {tabindex: '-1', data: {step: line.step}}));
        fill(rows[line.step], ...describe(line, 'stream' in about));
        if (line.state === 'fail') good = false;
        on(line, good);
    }
    for (const one of ORDER) if (rows[one]) checks.append(rows[one]);
    return good;
}

/** JSON lines of an answer as they come. @param {Response} response @returns {AsyncGenerator<Line>} */
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

/** @param {Line} line @param {boolean} shared others may watch it */
function describe(line, shared) {
    const state = h('span', {class: 'state', data: {state: line.state}}, t(`test.${line.step}`));
    const words = [];
    if (line.step === 'tracks') words.push(line.tracks.map(trackText).join(', ') || t('test.noTracks'));
    for (const {name, ms} of line.parts ?? []) words.push(`${name === 'connect' ? t('test.dial') : name} ${duration(ms)}`);
    if (line.every_ms) words.push(t('test.every', {ms: duration(line.every_ms)}));
    if (line.running) words.push(t('test.running'));
    else if (line.ms !== undefined) words.push(duration(line.ms));
    if (line.frames !== undefined) words.push(t('test.frames', {n: line.frames}));
    if (typeof line.loss === 'number') words.push(`${t('sessions.loss')} ${number(line.loss * 100)} %`);
    if (line.jumps !== undefined) words.push(t('test.jumps', {n: line.jumps}));
    if (line.data) return [h('span', {class: 'state', data: {state: 'ok'}}, t('test.still')), seen(line)];
    if (line.state === 'run') words.push(t('test.run'));
    if (line.state === 'skip') words.push(shared && line.step === 'release' ? t('sessions.others') : t(line.step === 'still' ? 'test.stillNot' : 'test.skip'));
    return [state, h('span', null, words.join(' · ')), line.error && h('span', {class: 'why'}, [failure(line.kind), line.error, hint(line.kind)].filter(Boolean).join('\n'))];
}

/** What the camera sees; what the browser cannot show goes away. @param {Line} line */
function seen(line) {
    const src = `data:${line.type};base64,${line.data}`, onerror = (/** @type {Event} */ ev) => /** @type {HTMLElement} */ (ev.target).closest('li')?.remove();
    return line.type.startsWith('image/') ? h('img', {class: 'seen', src, alt: t('test.still'), onerror}) : h('video', {class: 'seen', src, muted: true, playsinline: true, preload: 'auto', 'aria-label': t('test.still'), onerror});
}

/** @param {import('../types.js').TestTrack} codec */
function trackText(codec) {
    const name = String(codec.codec_name ?? '?').toUpperCase();
    return [name, codec.width ? `${codec.width}x${codec.height}` : '', codec.sample_rate ? `${number(codec.sample_rate / 1000)} kHz` : ''].filter(Boolean).join(' ');
}

/** @param {Line} line about tracks @returns {{codec: string, here: (string|false)[]}} of its picture, and how this browser plays that; empty: no picture, no way */
function playable(line) {
    const able = abilities(), video = line.tracks.find(c => c.codec_type === 'video'), codec = String(video?.codec_name ?? '').toLowerCase().replace('hevc', 'h265');
    return {codec, here: codec === 'h264' || codec === 'h265' || codec === 'av1' ? [able[codec].webrtc && 'WebRTC', able[codec].mse && 'MSE'].filter(Boolean) : []};
}

/** What an iPhone plays as it is. */
const APPLE = ['h264', 'h265', 'mjpeg'];

/** Where this stream plays. @param {Line} line about its tracks @param {(() => void)|null} lesser asks for a lesser one; `null`: there is one */
export function adviceOf(line, lesser) {
    const {codec, here} = playable(line), name = codec.toUpperCase();
    return [codec && h('p', {class: 'state', data: {state: here.length ? 'ok' : 'warn'}}, here.length ? t('add.plays', {ways: here.join(' + ')}) : t('add.playsNot', {codec: name})),
        codec && !here.length && h('div', {class: 'row'}, h('span', {class: 'small'}, t(lesser ? 'add.lesserHelps' : 'add.lesserGrid')), lesser && button(t('add.lesserAdd'), lesser)),
        h('p', {class: 'muted small'}, [codec && t(APPLE.includes(codec) ? 'add.iphoneYes' : 'add.iphoneNo'), t(line.talk ? 'add.talkYes' : 'add.talkNo')].filter(Boolean).join(' · '))];
}

/** Whether the lesser one plays where the better one may not. @param {Line} line about its tracks */
export function adviceOfLesser(line) {
    const {codec, here} = playable(line);
    return codec && !here.length ? h('p', {class: 'state', data: {state: 'warn'}}, `${t('add.lesser')}: ${t('add.playsNot', {codec: codec.toUpperCase()})}`) : null;
}

// ---- what is saved ----

/**
 * Saves a camera: in force, and written into the file.
 * @param {string} one name
 * @param {string} source
 * @param {string|null} linger how long a new one is held; `null`: there is one of this name, which keeps its own
 * @returns {Promise<string>} what did not work although it is there
 */
export async function put(one, source, linger) {
    let warning = '';
    if (linger) {
        try {
            await call('PATCH', 'api/config', {body: {streams: {[one]: {url: source, linger}}}});
            return '';
        } catch (err) {
            warning = `${t('add.linger')}: ${explain(err)} `;
        }
    }
    try {
        await call('PUT', 'api/streams', {query: {name: one, src: source}});
        return warning;
    } catch (err) {
        // A new one may be there although the file could not be written; one that was there is as it was.
        const now = await getJson('api/streams').catch(() => ({}));
        if (linger === null || !Object.hasOwn(now, one)) throw err;
        return `${warning}${t('add.untilRestart')} ${explain(err)}`;
    }
}

/**
 * Says that it is there, and what did not work.
 * @param {HTMLElement} place
 * @param {string} name
 * @param {string[]} warnings
 * @param {() => void} another
 */
export function added(place, name, warnings, another) {
    const watch = h('a', {class: 'button primary', href: address('camera.html', {src: name})}, t('add.watch'));
    fill(place, h('h2', {tabindex: '-1'}, t('add.added', {name})), warnings.filter(Boolean).map(one => h('p', {class: 'state', data: {state: 'warn'}}, one)),
        h('div', {class: 'row'}, watch, h('a', {class: 'button', href: address('links.html', {src: name})}, t('nav.links')), button(t('add.another'), another)));
    watch.focus();
}
