/**
 * What the server knows about one camera: how many watch, when it is let go, on demand its sources and viewers; ways to other pages.
 */
import {button, fill, h, say} from '../lib/dom.js';
import {duration, t} from '../lib/i18n.js';
import {address, call, etag, Gatherer, getJson, logOf} from '../lib/server.js';
import {askMay} from '../lib/may.js';
import {lineOfKey} from '../lib/yaml-path.js';
import {kick} from '../shell/ask.js';
import {aboutStream} from './about.js';

/** @param {number} ms */
const after = ms => ms ? t('release.after', {time: duration(ms)}) : t('release.now');

/** Milliseconds between looks at what nothing tells of: how many bytes have come. */
const LOOK = 2000;

/** @param {string} name of the page's stream @param {import('../lib/server.js').Feed} feed @param {() => void} look loads the streams anew */
export function panel(name, feed, look) {
    const viewers = h('span'), policy = h('dt', null, t('release.policy')), release = h('dd'), facts = h('dl', {class: 'pairs', hidden: true}, h('dt', null, t('streams.viewers')), h('dd', null, viewers));
    // The row may be gone before its dialog gives the focus back.
    const about = aboutStream((session, who) => kick(feed, session.id, session.stream, () => sessions.now().then(() => document.activeElement === document.body && opener.focus()), who)), info = h('section', {class: 'card', id: 'info', hidden: true}, about.node);
    /** The server was asked what the visitor may do. */
    let knows = false;
    const opener = button(t('camera.info'), () => {
        info.hidden = !info.hidden;
        opener.setAttribute('aria-expanded', String(!info.hidden));
        tell();
        info.scrollIntoView({block: 'nearest'});
        if (!knows) askMay(info);
        knows = true;
        sessions.now();
        if (!info.hidden) look();
    });
    setInterval(() => info.hidden || document.hidden || look(), LOOK);
    opener.setAttribute('aria-expanded', 'false');
    opener.setAttribute('aria-controls', 'info');
    const link = (/** @type {string} */ page, /** @type {string} */ text, key = 'src') => h('a', {class: 'button', href: address(`${page}.html`, {[key]: name})}, text);
    const log = link('log', t('nav.log')), edit = link('config', t('camera.edit'), 'stream');
    edit.hidden = true;

    /** What plays, and the size of its picture. @type {import('../lib/streams.js').Entry|undefined} */
    let entry, size = '';
    /** @type {import('./about.js').Watching[]} */
    let watching = [];
    function tell() {
        if (info.hidden || !entry) return;
        const within = info.contains(document.activeElement);
        about.show(entry, watching, size);
        // Its row is gone with what had the focus.
        if (within && !info.contains(document.activeElement)) opener.focus();
    }
    const sessions = new Gatherer(async () => {
        if (info.hidden || !entry || feed.state !== 'live') return;
        // Who watches is told without as well.
        const answer = await getJson('api/rs/sessions', {stream: entry.name, ended: '0'}).catch(() => null);
        if (answer) watching = answer.sessions.map(one => ({...one, since: Date.now() - (one.age_ms ?? 0)}));
        tell();
    });
    feed.on(['viewer_joined', 'viewer_left', 'viewer_parked', 'viewer_resumed'], ({stream}) => stream === entry?.name && sessions.soon());

    /** The stream that was asked about, and when it is let go. */
    let asked = '', settled = /** @type {import('../types.js').ReleasePolicy|null} */ (null);
    for (const event of ['state', 'reset', 'restarted', 'streams_changed']) feed.addEventListener(event, () => asked = '');
    async function showRelease() {
        const now = await getJson('api/rs/release', {src: entry?.name}).catch(() => null);
        settled = now;
        if (!now) return;
        const more = [t('release.hidden', {when: after(now.hidden_linger_ms)}), now.silence_ms && t('release.silence', {time: duration(now.silence_ms)})];
        if (now.warm) fill(release, t('state.warm'));
        else fill(release, after(now.linger_ms), more.map(text => text && h('div', {class: 'muted small'}, text)));
        facts.append(policy, release);
    }
    /** A stream of the file, for who may change it: only they are told its version. */
    async function showEdit() {
        const {config_path: path} = await getJson('api').catch(() => /** @type {Partial<import('../types.js').Info>} */ ({})), file = path && await call('GET', 'api/config').catch(() => null);
        edit.hidden = !file || !etag(file) || !lineOfKey(await file.text().catch(() => ''), ['streams', name]);
    }
    const settings = new Gatherer(async () => {
        await Promise.all([showRelease(), showEdit()]);
    });

    return {
        facts, info,
        /** Address of the place in the configuration, for who may change it. */
        get edit() {
            return edit.hidden ? '' : edit.href;
        },
        get policy() {
            return settled;
        },
        links: h('div', {class: 'row'}, link('links', t('nav.links')), opener, link('net', t('nav.net')), log, edit),
        /** @param {import('../lib/streams.js').Entry} now what plays @param {string} [seen] size of its picture */
        show(now, seen = '') {
            entry = now;
            size = seen;
            facts.hidden = false;
            say(viewers, String(now.viewers));
            log.href = logOf(name, feed);
            tell();
            // A server of another kind has neither.
            if (feed.state !== 'live') return;
            if (asked === now.name) return;
            asked = now.name;
            settings.now();
        },
    };
}
