/**
 * What is known about a stream: its sources with their tracks, who watches, and what went wrong lately.
 */
import {button, h, Keyed, say} from '../lib/dom.js';
import {ago, bytes, clock, duration, number, t} from '../lib/i18n.js';
import {guarded} from '../lib/may.js';
import {agentName, codecName, hint, wayName} from '../lib/streams.js';

/** @typedef {import('../lib/streams.js').Connection} Connection */
/** @typedef {import('../types.js').Session & {since: number}} Watching `since`: as of `Date.now()` */
/** @typedef {{text: string, end?: string, session?: Watching}} Line `end` changes from look to look */

/** @param {(session: Watching, who: string) => void} [kick] ends a viewer */
export function aboutStream(kick) {
    const sources = lines('streams.source'), viewers = lines('streams.viewers', kick), quality = lines('streams.quality'), errors = lines('streams.errors'), advice = h('p', {class: 'small muted'});
    errors.node.append(advice);
    quality.node.hidden = true;
    return {
        node: h('div', {class: 'stack'}, h('div', {class: 'pair'}, sources.node, viewers.node), quality.node, errors.node),
        /** @param {import('../lib/streams.js').Entry} entry @param {Watching[]} [sessions] @param {string} [size] of the picture
         * @param {import('./quality.js').Quality|null} [counted] by the server */
        show(entry, sessions = [], size = '', counted = null) {
            const now = Date.now();
            sources.show((entry.json.producers ?? []).map(source => ({text: sourceText(source, size), end: bytes(source.bytes_recv)})));
            viewers.show((entry.json.consumers ?? []).map(viewer => {
                const session = sessions.find(one => one.id === viewer.id);
                return {text: viewerText(viewer), session, end: list(session && session.state !== 'alive' && t(`session.${session.state}`), session && duration(now - session.since), bytes(viewer.bytes_send), dropped(viewer))};
            }));
            // One that was never open has nothing to be judged.
            const judged = (counted?.sources ?? []).filter(({open, frames}) => open || frames > 0);
            quality.node.hidden = !judged.length;
            quality.show(judged.map(({source, frames, jumps, lost}) => ({text: source,
                end: list(t('streams.frames', {n: frames}), t('streams.jumps', {n: jumps}), lost !== null && t('streams.lost', {n: lost}), ago(now - (counted?.asked ?? now)))})));
            // Who comes later knows only what is wrong now, and the server what it has noted.
            const told = counted?.errors.length ? counted.errors : entry.errors.length || !entry.error ? entry.errors : [{at: 0, error: entry.error}];
            errors.show(told.slice(0, 5).map(({at, error}) => ({text: `${at ? clock(at) : ''} ${error}`.trim(), end: at ? ago(Math.max(0, now - at)) : ''})));
            errors.node.hidden = !told.length;
            say(advice, hint(entry.kind));
        },
    };
}

/** @param {(string|false|undefined)[]} parts */
const list = (...parts) => parts.filter(Boolean).join(' · ');

/** @param {Connection} source @param {string} size */
function sourceText(source, size) {
    const tracks = (source.receivers ?? []).map(({codec: {codec_name: codec, codec_type: kind, profile, level = 0, sample_rate: hertz = 0} = {}}) =>
        [codecName(codec), profile, level && (level / 10).toFixed(1), kind === 'video' && size, hertz && `${number(hertz / 1000)} kHz`].filter(Boolean).join(' '));
    return [source.url ?? source.source, list(wayName(source.format_name ?? ''), source.protocol, source.remote_addr),
        list(...tracks, source.medias?.some(media => media.startsWith('audio, sendonly')) && t('add.talkYes'))].filter(Boolean).join('\n');
}

/** Frames that a viewer was too slow for. @param {Connection} viewer */
function dropped(viewer) {
    const n = (viewer.senders ?? []).reduce((sum, {drops = 0}) => sum + drops, 0);
    return n > 0 && t('streams.drops', {n});
}

/** @param {Connection} viewer */
const viewerText = viewer => list(`${agentName(viewer.user_agent)} ${viewer.remote_addr ?? ''}`.trim(), wayName(viewer.format_name ?? ''), viewer.protocol,
    (viewer.senders ?? []).map(({codec}) => codecName(codec?.codec_name)).join(' + '));

/** A list that is drawn anew only where it says something else: what a visitor has selected in it stays. @param {string} title @param {(session: Watching, who: string) => void} [kick] */
function lines(title, kick) {
    const all = h('ul', {class: 'small lines'}), none = h('p', {class: 'muted'}, '–');
    const items = new Keyed(all, ({key}) => key, (/** @type {Line} */ {text, session}) => {
        const end = h('span');
        return {node: h('li', null, text, end, session && kick && guarded(button(t('sessions.kick'), () => kick(session, text)))), update: line => say(end, line.end && ` · ${line.end}`)};
    });
    return {
        node: h('section', null, h('h2', null, t(title)), all, none),
        /** @param {Line[]} now */
        show(now) {
            items.show(now.map((line, i) => ({...line, key: `${line.session?.id ?? -now.slice(0, i).filter(one => one.text === line.text).length} ${line.text}`})));
            all.hidden = !now.length;
            none.hidden = now.length > 0;
        },
    };
}
