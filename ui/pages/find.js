/**
 * What the wizard asks the server for: the cameras that it finds, and the test of one source, step by step.
 */
import {button, fill, h, say} from '../lib/dom.js';
import {duration, number, t} from '../lib/i18n.js';
import {call, explain} from '../lib/server.js';
import {abilities} from '../lib/stats.js';
import {failure, hint} from '../lib/streams.js';

/** Calls that look for cameras, by the scheme that they belong to. */
const SEARCHES = {onvif: ['api/onvif', 'ONVIF'], dvrip: ['api/dvrip', 'DVRIP'], homekit: ['api/homekit', 'HomeKit'], gopro: ['api/gopro', 'GoPro'], hass: ['api/hass', 'Home Assistant'],
    v4l2: ['api/v4l2', 'V4L2'], alsa: ['api/alsa', 'ALSA'], ffmpeg: ['api/ffmpeg/devices', 'FFmpeg'], roborock: ['api/roborock', 'Roborock']};

/**
 * Looks everywhere at the same time; what is found comes as it is found.
 * @param {HTMLElement} place where what is found stands
 * @param {string[]} schemes that the server knows
 * @param {(url: string) => void} use one was chosen
 */
export async function discover(place, schemes, use) {
    const kinds = Object.entries(SEARCHES).filter(([scheme]) => schemes.includes(scheme));
    const list = h('ul', {class: 'urls'}), state = h('p', {class: 'muted', role: 'status'}, t('add.searching', {kinds: kinds.map(([, [, title]]) => title).join(', ')}));
    fill(place, state, list);
    const problems = /** @type {string[]} */ ([]);
    let count = 0;
    await Promise.all(kinds.map(async ([, [path, title]]) => {
        try {
            const answer = await (await call('GET', path, {query: {empty: '1'}, limit: 30_000})).json();
            for (const one of answer.sources ?? answer ?? []) {
                const url = one.url ?? one.id;
                if (!url) continue;
                count++;
                list.append(h('li', null, h('strong', null, `${title} ${one.name ?? ''}`), h('code', null, url), button(t('add.use'), () => use(url)), one.info && h('span', {class: 'who small muted'}, String(one.info))));
            }
        } catch (err) {
            const [text] = explain(err).split('\n');
            // A go2rtc that finds nothing; ours knows `empty`, as browsers write a 404 on their console.
            if (text !== 'no sources') problems.push(`${title}: ${text}`);
        }
    }));
    say(state, kinds.length ? t('add.found', {n: count, kinds: kinds.map(([, [, title]]) => title).join(', ')}) : t('add.noSearch'));
    if (problems.length) place.append(h('p', {class: 'muted small'}, problems.join(' · ')));
    // The others look for what is plugged in.
    if (!count && kinds.some(([scheme]) => !['v4l2', 'alsa', 'ffmpeg'].includes(scheme))) place.append(h('p', {class: 'muted small'}, t('add.bridge')));
}

// ---- the test of one source ----

const ORDER = ['connect', 'tracks', 'picture', 'keyframes', 'packets', 'release'];

/**
 * @param {{src: string}|{stream: string}} about a source, or a stream that is there
 * @param {AbortSignal} signal ends it
 * @param {HTMLElement} checks the list that gets a line for each step
 * @param {(line: any, good: boolean) => void} on hears each step, and whether none has failed yet
 * @returns {Promise<boolean>} none has failed
 */
export async function probe(about, signal, checks, on) {
    /** @type {Record<string, HTMLElement>} */
    const rows = {};
    let good = true;
    const response = await call('POST', 'api/rs/test', {body: about, signal, limit: 60_000});
    for await (const line of linesOf(response)) {
        rows[line.step] ??= checks.appendChild(h('li', {data: {step: line.step}}));
        fill(rows[line.step], ...describe(line, 'stream' in about));
        if (line.state === 'fail') good = false;
        on(line, good);
    }
    for (const one of ORDER) if (rows[one]) checks.append(rows[one]);
    return good;
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

/** @param {any} line @param {boolean} shared others may watch it */
function describe(line, shared) {
    const state = h('span', {class: 'state', data: {state: line.state}}, t(`test.${line.step}`));
    const words = [];
    if (line.step === 'tracks') words.push(line.tracks.map(trackText).join(', ') || t('test.noTracks'));
    if (line.every_ms) words.push(t('test.every', {ms: duration(line.every_ms)}));
    if (line.running) words.push(t('test.running'));
    else if (line.ms !== undefined) words.push(duration(line.ms));
    if (line.frames !== undefined) words.push(t('test.frames', {n: line.frames}));
    if (typeof line.loss === 'number') words.push(`${t('sessions.loss')} ${number(line.loss * 100)} %`);
    if (line.jumps !== undefined) words.push(t('test.jumps', {n: line.jumps}));
    if (line.state === 'run') words.push(t('test.run'));
    if (line.state === 'skip') words.push(shared && line.step === 'release' ? t('sessions.others') : t('test.skip'));
    return [state, h('span', null, words.join(' · ')), line.error && h('span', {class: 'why'}, [failure(line.kind), line.error, hint(line.kind)].filter(Boolean).join('\n'))];
}

/** @param {any} codec */
function trackText(codec) {
    const name = String(codec.codec_name ?? '?').toUpperCase();
    return [name, codec.width ? `${codec.width}x${codec.height}` : '', codec.sample_rate ? `${number(codec.sample_rate / 1000)} kHz` : ''].filter(Boolean).join(' ');
}

/** Where this stream plays. @param {any} line about its tracks */
export function adviceOf(line) {
    const able = abilities(), video = line.tracks.find((/** @type {any} */ c) => c.codec_type === 'video');
    const codec = String(video?.codec_name ?? '').toLowerCase().replace('hevc', 'h265');
    const here = codec === 'h264' || codec === 'h265' || codec === 'av1' ? [able[codec].webrtc && 'WebRTC', able[codec].mse && 'MSE'].filter(Boolean) : [];
    return [video && h('p', {class: 'state', data: {state: here.length ? 'ok' : 'warn'}}, here.length ? t('add.plays', {ways: here.join(' + ')}) : t('add.playsNot', {codec: codec.toUpperCase()})),
        h('p', {class: 'muted small'}, line.talk ? t('add.talkYes') : t('add.talkNo'))];
}
