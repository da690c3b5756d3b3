/**
 * All addresses of a stream, with who can play each, ready to copy; and what can be done towards the camera: play a sound, publish.
 * `?src=NAME`.
 */
import {button, fill, h, Keyed, moveFocus, openDialog, refill, say, single} from '../lib/dom.js';
import {duration, t} from '../lib/i18n.js';
import {recall, remember} from '../lib/prefs.js';
import {address, call, explain, Feed, getJson} from '../lib/server.js';
import {codecsOf, Streams} from '../lib/streams.js';
import {boundTo, isLocal, isSecret, keptOf, places, seenAs, shortOf, snippets} from '../lib/urls.js';
import {bind, copied, empty, failed, listed, notice, shell, toast, watch} from '../shell/shell.js';

const name = new URLSearchParams(location.search).get('src') ?? '';
const {main, tools} = shell({page: 'links', title: t('nav.links'), of: name ? t('links.for', {name}) : undefined});
const feed = new Feed('streams'), streams = new Streams(feed);
watch(feed);

/** What `api` tells, once it has. @type {import('../types.js').Info|null} */
let info = null;
/** What has passed is kept, as far as the server tells. @type {boolean|undefined} */
let clip;
/** What the stream carries, or carried when it ran last. @type {string[]} */
let codecs = [];
/** What stands there instead of addresses. */
let said = '';

const choice = h('select', {'aria-label': t('sessions.stream'), onchange: () => location.href = address('links.html', {src: choice.value})});
tools.append(choice);
const carries = h('p', {class: 'muted', role: 'status', tabindex: '-1'}), look = button(t('links.look'), async () => {
    const pressed = document.activeElement === look;
    say(carries, t('test.run'));
    try {
        codecs = codecsOf(await (await call('GET', 'api/streams', {query: {src: name, video: 'all', audio: 'all'}, limit: 30_000})).json());
    } catch (err) {
        toast(explain(err));
    }
    // The events may have told before, and the button has gone.
    if (pressed && [look, document.body].includes(/** @type {HTMLElement} */ (document.activeElement))) carries.focus();
    show();
});
/** What can be played to a camera, with an example of each. @type {Record<string, string>} */
const PLAYED = {src: 'https://…/live.mp3', live: 'https://…/radio.mp3', file: 'https://…/bell.mp3', text: t('links.playText')};
/** A sound that ends and words go through FFmpeg. @param {string} what @param {string} kind */
const play = (what, kind) => call('POST', kind === 'src' ? 'api/streams' : 'api/ffmpeg', {query: {dst: name, [kind]: what}, limit: 30_000});
/** The choice of another name than those that are known. */
const OTHER = '+';
// Earlier versions kept whatever was typed.
if (isSecret(recall('host', ''))) remember('host', null);
/** By what others reach this server; empty: as this page does. */
const seen = h('select', {onchange: keep}), secret = h('p', {id: 'secret', class: 'state small', data: {state: 'fail'}, role: 'alert', hidden: true}), other = h('input', {type: 'text', 'aria-describedby': 'secret', value: recall('host', ''), placeholder: location.host, spellcheck: 'false', autocomplete: 'off', autocapitalize: 'off', oninput: keep});
const named = h('div', {hidden: true}, h('label', {class: 'field'}, t('links.host'), other), secret), local = h('p', {class: 'state small', data: {state: 'warn'}}, t('links.local'));
const here = new URL('./', location.href).href;
const wish = () => seen.value !== OTHER ? seen.value : isSecret(other.value) ? '' : other.value.trim();
function keep() {
    remember('host', keptOf(here, wish()) || null);
    show();
}
const [fit, unfit, into] = Array.from({length: 3}, () => h('ul', {class: 'urls'})), count = h('summary'), more = h('details', null, count, unfit), others = h('section', {class: 'card'});
const rows = [fit, unfit, into].map(list => new Keyed(list, place => place.key, row));
const frame = h('div', {class: 'stack'}, h('div', {class: 'row'}, carries, look), h('div', {class: 'pair form'}, h('label', {class: 'field'}, t('links.from'), seen), named), local, fit, more, h('details', null, h('summary', null, t('links.into')), into), others,
    act('links.play', 'links.playAbout', play, PLAYED, () => call('POST', 'api/streams', {query: {dst: name, src: ''}})),
    act('links.publish', 'links.publishAbout', dst => call('POST', 'api/streams', {query: {src: name, dst}, limit: 30_000}), {dst: 'rtsp://…'}));

/** Shows what has changed and leaves the rest: somebody may be typing there. @returns {Promise<void>} */
async function show() {
    if (!listed(streams)) return;
    if (!info) {
        try {
            info = await getJson('api');
            clip = info.rs2rtc && streams.all.has(name) ? await getJson('api/rs/release', {src: name}).then(told => told.clip_ms === undefined ? undefined : told.clip_ms > 0, () => undefined) : undefined;
        } catch (err) {
            return failed(err, show);
        }
        notice('');
    }
    const names = streams.sorted().map(entry => entry.name);
    if (choice.dataset.names !== String(names)) {
        choice.dataset.names = String(names);
        fill(choice, h('option', {value: ''}, t('links.choose')), names.map(one => h('option', {value: one, selected: one === name}, one)));
    }
    const entry = streams.all.get(name);
    if (entry) return list(entry.json);
    const text = name ? t('camera.unknown', {name}) : names.length ? t('links.which') : t('live.empty');
    if (said !== text) fill(main, empty(text, name && h('a', {class: 'button', href: 'streams.html'}, t('nav.streams'))));
    said = text;
}
streams.addEventListener('change', show);
feed.addEventListener('restarted', () => {
    info = null;
});

/** @param {import('../lib/streams.js').Stream} stream */
function list(stream) {
    // Another server is there since it was asked.
    if (!info) return show();
    const now = codecsOf(stream);
    if (now.length) codecs = now;
    const listen = String(info.rtsp?.listen ?? ''), bound = boundTo(listen);
    offer([...info.rs2rtc?.addresses ?? [], info.host, bound]);
    const base = seenAs(here, wish()), {hostname} = new URL(base);
    const about = {name, base, host: !wish() && bound || hostname, rtspPort: listen.split(':').pop() ?? '', codecs, own: Boolean(info.rs2rtc), clip};
    local.hidden = !isLocal(hostname);
    look.hidden = codecs.length > 0;
    const all = places(about), misfits = all.filter(p => p.misfit), texts = snippets(about);
    say(carries, codecs.length ? t('links.codecs', {codecs: codecs.join(' + ')}) : t('links.idle'));
    rows[0].show(all.filter(p => !p.misfit && !p.into));
    rows[1].show(misfits);
    rows[2].show(all.filter(p => p.into));
    more.hidden = !misfits.length;
    say(count, t('links.unfit', {n: misfits.length}));
    if (others.dataset.texts !== String(texts)) {
        others.dataset.texts = String(texts);
        fill(others, h('h2', null, t('links.snippets')), texts.map(([title, text]) => h('details', null, h('summary', null, title), h('div', {class: 'row'}, h('pre', {class: 'grow', tabindex: '0'}, text), copier(() => text)))));
    }
    if (!frame.isConnected) fill(main, frame);
    said = '';
}

/** By what the server may be reached; what was chosen stays. @param {string[]} known names, or addresses of its pages */
function offer(known) {
    const all = [...new Set(known)].filter(one => one && ![location.host, location.hostname, here].includes(one) && !isLocal(new URL(seenAs(here, one)).hostname)), kept = recall('host', '');
    refill(seen, String(all), () => [h('option', {value: ''}, t('links.here', {host: location.host})), all.map(one => h('option', {value: one, selected: one === kept}, shortOf(one))),
        h('option', {value: OTHER, selected: kept !== '' && !all.includes(kept)}, t('links.other'))]);
    named.hidden = seen.value !== OTHER;
    secret.hidden = !isSecret(other.value);
    other.setAttribute('aria-invalid', String(!secret.hidden));
    say(secret, t('links.secret'));
}

/** @param {() => string} text */
const copier = text => button(t('common.copy'), () => copied(text()), {icon: 'copy'});

/** @param {import('../lib/urls.js').Place} place */
function row(place) {
    const url = h('code'), who = h('span', {class: 'who small muted'}), open = place.page && h('a', {class: 'button', target: '_blank', rel: 'noopener'}, t('keys.open'));
    const share = 'share' in navigator && place.page, answer = h('p', {class: 'who small state', role: 'status', hidden: true});
    const tell = (/** @type {string} */ state, /** @type {string} */ text) => {
        answer.hidden = false;
        answer.dataset.state = state;
        say(answer, text);
    };
    const test = !place.into && place.url.includes('/api/') && button(t('add.testButton'), async () => {
        const from = performance.now(), {key, url} = place, end = (/** @type {string} */ state, /** @type {string} */ text) => place.url === url && tell(state, text);
        tell('run', t('test.run'));
        try {
            const type = await (key === 'whep' ? session : firstBytes)(url);
            end('ok', t('links.answers', {type, ms: duration(performance.now() - from)}));
        } catch (err) {
            end('fail', explain(err));
        }
    });
    const node = h('li', {class: place.misfit ? 'unfit' : '', tabindex: '-1'}, h('strong', null, t(`link.${place.key}`)), url,
        h('span', {class: 'row'}, copier(() => place.url), test, open, button('QR', () => code(place), {icon: 'qr'}), copies(place), share && button(t('links.share'), () => navigator.share({url: place.url, title: name}).catch(() => {}))), who, answer);
    return {node, update(/** @type {import('../lib/urls.js').Place} */ now) {
        // What was answered is about another one.
        if (place.url !== now.url) answer.hidden = true;
        if (test) test.hidden = new URL(now.url).origin !== location.origin;
        place = now;
        node.dataset.url = now.url;
        if (open) open.href = now.url;
        say(url, now.url);
        say(who, now.misfit === 'clip' ? t('links.noClip') : now.misfit ? t('links.misfit', {codecs: now.misfit}) : [now.hard && t('who.hard', {codec: now.hard}), ...now.who.filter(key => !now.hard || key !== 'browsers').map(key => t(`who.${key}`)), now.silent && t('links.silent', {codecs: now.silent})].filter(Boolean).join(' · '));
    }};
}

/** Plays as players of WHEP do, until something arrives. @param {string} url */
async function session(url) {
    const {arrives} = await import('../lib/paths.js');
    if (await arrives(url)) return 'WebRTC';
    throw new Error(t('links.noPath'));
}

/** The beginning of an answer. @param {string} url */
async function firstBytes(url) {
    const end = new AbortController();
    try {
        const response = await call('GET', url, {signal: end.signal, limit: 30_000});
        await response.body?.getReader().read();
        return response.headers.get('Content-Type') ?? String(response.status);
    } finally {
        end.abort();
    }
}

const code = single(async (/** @type {import('../lib/urls.js').Place} */ place) => {
    const {qr} = await import('../lib/qr.js');
    openDialog(t(`link.${place.key}`), [qr(place.url, place.url), h('code', null, place.url), h('form', {method: 'dialog', class: 'row end'}, h('button', {class: 'primary'}, t('common.close')))]);
});

/**
 * A form with one text, of a kind where there are several.
 * @param {string} title @param {string} about @param {(text: string, kind: string) => Promise<any>} run @param {Record<string, string>} examples by kind @param {() => Promise<any>} [end]
 */
function act(title, about, run, examples, end) {
    const all = Object.keys(examples), kinds = h('select', {'aria-label': t('links.kind'), hidden: all.length < 2, onchange: () => input.placeholder = examples[kinds.value]},
        all.map(one => h('option', {value: one}, t(`kind.${one}`))));
    const input = h('input', {type: 'text', placeholder: examples[all[0]], spellcheck: 'false', autocomplete: 'off', 'aria-label': t(title), class: 'grow'});
    const tell = async (/** @type {() => Promise<any>} */ what) => {
        try {
            await what();
            toast(t('common.done'));
        } catch (err) {
            toast(explain(err));
        }
    };
    return h('form', {class: 'card', onsubmit: (/** @type {Event} */ ev) => {
        ev.preventDefault();
        if (input.value.trim()) tell(() => run(input.value.trim(), kinds.value));
    }}, h('h2', null, t(title)), h('p', {class: 'muted small'}, t(about)), h('div', {class: 'row'}, kinds, input, h('button', null, t(title)), end && button(t('tile.stop'), () => tell(end))));
}

/** Programs that play RTSP, ready to be started. @param {import('../lib/urls.js').Place} place */
function copies(place) {
    if (place.into || !place.key.startsWith('rtsp')) return null;
    const quoted = () => `'${place.url.replaceAll('\'', '%27')}'`;
    return h('span', {class: 'row'}, [['ffplay', 'ffplay -rtsp_transport tcp'], ['VLC', 'vlc']].map(([program, line]) => button(program, () => copied(`${line} ${quoted()}`), {icon: 'copy'})));
}

/** The row that has the focus. */
const current = () => /** @type {HTMLElement|null} */ (document.activeElement?.closest('.urls li') ?? null);
bind(['ArrowDown', 'ArrowUp'], t('keys.move'), ev => (current() || document.activeElement === document.body) && moveFocus([...main.querySelectorAll('.urls li')].filter(one => one.checkVisibility()), ev.key === 'ArrowUp' ? -1 : 1));
bind('Enter', t('keys.open'), () => current()?.querySelector('a')?.click());
bind('c', t('common.copy'), () => current()?.querySelector('button')?.click());
