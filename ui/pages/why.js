/**
 * Why a camera is played the way it is, in sentences: from the server's verdicts. A server of another kind gives none; then from what the page, the player and the
 * browser know. Nothing here needs a page but the words.
 */
import {duration, language, t} from '../lib/i18n.js';
import {codecName, wayName} from '../lib/streams.js';
import {translate} from '../player/words.js';
import {explainError} from '../reasons.js';

/** @typedef {import('../player/socket.js').Candidate} Candidate */
/**
 * @typedef {object} Known
 * @property {string} phase of the player; empty: it is stopped
 * @property {string} mode that somebody has chosen, or `auto` @property {string} played the mode that plays; empty: none
 * @property {string} way how that is carried, in words @property {number} firstMs to the first picture; 0: there is none yet
 * @property {Candidate[]|null} candidates the server's verdicts; `null`: it has given none
 * @property {import('../lib/stats.js').Figures} figures @property {Record<string, string>} refused why a mode did not work
 * @property {ReturnType<typeof import('../lib/stats.js').abilities>} able
 * @property {string} [left] what has become of the camera of what is paused
 * @property {import('../lib/streams.js').Codec[]} tracks of the source @property {import('../player/ways.js').Way|''} kept the way that is taken first since the other one stood still
 */

/** Several as one. @param {Iterable<string>} names */
const list = names => [...new Set(names)].join(language === 'zh' ? '、' : ', ');

/** @param {Known} known */
export function why(known) {
    if (known.phase === 'parked') return known.left ?? '';
    const parts = known.candidates ? judged(known, known.candidates) : guessed(known);
    if (known.mode === 'auto' && known.played && known.kept === known.played) parts.push(t('why.kept', {way: wayName(known.kept), other: wayName(known.kept === 'mse' ? 'webrtc' : 'mse')}));
    // Chinese full stops have their own space.
    return parts.join(language === 'zh' ? '' : ' ');
}

/**
 * What has become of the camera since somebody has paused its picture.
 * @param {{off: boolean, listed: boolean, released: number|null, entry?: import('../lib/streams.js').Entry, policy: {warm?: boolean, linger_ms: number, hidden_linger_ms: number}|null}} known
 *     `off`: this page does not hold it any more; `listed`: what is known of the stream is from before, and counts this page; `released`: milliseconds that its release took, as the server tells
 */
export function left({off, listed, released, entry, policy}) {
    if (released !== null) return t('camera.letGo', {ms: duration(released)});
    if (entry && entry.viewers > (off && !listed ? 0 : 1)) return t('camera.others');
    if (policy?.warm) return t('camera.warm');
    const ms = policy?.[off ? 'linger_ms' : 'hidden_linger_ms'];
    if (ms && entry && !['idle', 'failed'].includes(entry.state)) return t('camera.held', {time: duration(ms)});
    return t(off ? 'camera.stopped' : 'camera.paused');
}

/** What plays, or why nothing does. @param {Known} known @param {string|undefined} codec of the picture @param {string[]} sound sentences about it */
function playing({played, way, figures, firstMs, phase}, codec, sound) {
    if (!played) return [t(!phase ? 'camera.stopped' : phase === 'failed' || phase === 'retrying' ? 'why.nothing' : 'why.waiting')];
    const what = [codec, figures.size].filter(Boolean).join(' ');
    return [t('why.played', {what: what || t('why.picture'), way}), ...sound, ...firstMs ? [t('why.first', {ms: duration(firstMs)})] : []];
}

/** @param {Candidate} one */
const madeOf = ({codec, from}) => from && from !== codec ? t('why.made', {codec: codecName(codec), from: codecName(from)}) : codecName(codec);

/** @param {Known} known @param {Candidate[]} candidates @returns {string[]} */
function judged(known, candidates) {
    const {played, mode} = known, by = (/** @type {string} */ verdict) => candidates.filter(one => one.verdict === verdict);
    // Sound comes by WebRTC beside Motion JPEG.
    const chosen = (/** @type {string} */ kind, /** @type {string[]} */ ...ways) => ways.map(way => by('chosen').find(one => one.kind === kind && one.mode === way)).find(Boolean);
    const picture = chosen('video', played), sound = chosen('audio', played, ...played === 'mjpeg' ? ['webrtc', 'mse'] : []);
    const codec = picture ? madeOf(picture) : sound && played !== 'mjpeg' ? t('why.soundAlone') : known.figures.codec;
    const parts = playing(known, codec, sound ? [sound.from && sound.from !== sound.codec ? t('why.audioMade', {codec: codecName(sound.codec), from: codecName(sound.from)}) : t('why.audio', {codec: codecName(sound.codec)})] : []);
    const ways = (/** @type {Candidate[]} */ some) => list(some.map(one => wayName(one.mode)));
    /** One sentence for all ways of a track. @param {Candidate[]} some @param {(codec: string, ways: string) => string} text */
    const each = (some, text) => [...new Set(some.map(one => codecName(one.codec)))].map(codec => text(codec, ways(some.filter(one => codecName(one.codec) === codec))));
    if (by('bframes').some(one => one.mode === played)) parts.push(t('why.bframes'));
    const sent = new Set([picture, sound].map(one => one?.codec)), used = new Set([picture, sound].map(one => one?.from ?? one?.codec)), silent = (/** @type {Candidate} */ one) => one.mode === 'mjpeg' && one.kind === 'audio';
    const missing = by('codec_unsupported').filter(one => one.kind && !silent(one));
    parts.push(...each(missing.filter(one => !sent.has(one.codec)), (codec, way) => t('why.unsupported', {codec, way})));
    parts.push(...each(missing.filter(one => sent.has(one.codec) && one.mode !== played), (codec, way) => t('why.without', {codec, way})));
    if (played === 'mjpeg' && !sound && by('codec_unsupported').some(silent)) parts.push(t('why.silent'));
    parts.push(...each(by('other_chosen').filter(one => one.mode === (played || one.mode) && !used.has(one.codec)), codec => t('why.other', {codec})));
    for (const kind of new Set(by('no_track').filter(one => one.mode === (played || one.mode)).map(one => one.kind))) parts.push(t(kind === 'audio' ? 'why.noSound' : 'why.noPicture'));
    const other = (/** @type {string} */ verdict) => by(verdict).filter(one => one.mode !== played);
    if (mode !== 'auto') {
        const left = other('pinned');
        parts.push(left.length ? t('why.pinnedOthers', {way: wayName(mode), ways: ways(left)}) : t('why.pinned', {way: wayName(mode)}));
    }
    if (other('network').length) parts.push(t('why.network', {way: ways(other('network'))}));
    if (played && other('slower').length) parts.push(t('why.slower', {way: ways(other('slower'))}));
    if (other('off').length) parts.push(t('why.off', {way: ways(other('off'))}));
    const told = (/** @type {Candidate} */ one) => translate(explainError(one.text ?? '', '')).split('\n')[0], bad = other('failed');
    for (const text of new Set(bad.map(told))) parts.push(t('why.refused', {way: ways(bad.filter(one => told(one) === text)), text: /[.。]$/.test(text) ? text : `${text}.`}));
    return parts;
}

/** @param {Known} known @returns {string[]} */
function guessed(known) {
    const {figures, mode, played, able, refused, tracks} = known;
    const of = (/** @type {string} */ kind) => [...new Set(tracks.filter(c => c.codec_type === kind).map(c => codecName(c.codec_name)))];
    const video = of('video'), audio = of('audio'), sound = codecName(figures.audio);
    const parts = playing(known, played === 'mjpeg' ? '' : figures.codec ?? video[0], sound && audio.length ? [audio.includes(sound) ? t('why.audio', {codec: sound}) : t('why.audioMade', {codec: sound, from: audio.join(', ')})] : []);
    if (mode !== 'auto') parts.push(t('why.pinned', {way: wayName(mode)}));
    if (!able.webrtc) parts.push(t('why.noWebrtc'));
    if (video.includes('H265')) {
        if (!able.h265.webrtc) parts.push(t('why.noH265rtc'));
        if (!able.h265.mse) parts.push(t('why.noH265mse'));
    }
    for (const [one, text] of Object.entries(refused)) if (one !== played) parts.push(t('why.refused', {way: wayName(one), text: text.split('\n')[0]}));
    return parts;
}
