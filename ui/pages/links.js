/**
 * All addresses of a stream, with who can play each, ready to copy; and what can be done towards the camera: play a sound, publish.
 * `?src=NAME`.
 */
import {button, fill, h, Keyed, say} from '../lib/dom.js';
import {duration, t} from '../lib/i18n.js';
import {recall, remember} from '../lib/prefs.js';
import {address, call, explain, Feed, getJson} from '../lib/server.js';
import {codecsOf, Streams} from '../lib/streams.js';
import {boundTo, isLocal, places, seenAs, snippets} from '../lib/urls.js';
import {bind, copied, empty, failed, notice, shell, toast, watch} from '../shell/shell.js';

const name = new URLSearchParams(location.search).get('src') ?? '';
const {main, tools} = shell({page: 'links', title: t('nav.links'), of: name ? t('links.for', {name}) : undefined});
const feed = new Feed('streams'), streams = new Streams(feed);
watch(feed);

/** What `api` tells, once it has. @type {any} */
let info = null;
/** What the stream carries, or carried when it ran last. @type {string[]} */
let codecs = [];
/** A banner of this page is shown. */
let broken = false;
/** What stands there instead of addresses. */
let said = '';

const choice = h('select', {'aria-label': t('sessions.stream'), onchange: () => location.href = address('links.html', {src: choice.value})});
tools.append(choice);
const carries = h('p', {class: 'muted', role: 'status', tabindex: '-1'}), look = button(t('links.look'), async () => {
    say(carries, t('test.run'));
    try {
        codecs = codecsOf(await (await call('GET', 'api/streams', {query: {src: name, video: 'all', audio: 'all'}, limit: 30_000})).json());
    } catch (err) {
        toast(explain(err));
    }
    if (document.activeElement === look) carries.focus();
    show();
});
/** By what others reach this server, and what it may be. */
const host = h('input', {type: 'text', value: recall('host', ''), placeholder: location.host, list: 'hosts', spellcheck: 'false', autocomplete: 'off', autocapitalize: 'off', oninput: () => {
    remember('host', host.value.trim() || null);
    show();
}}), hosts = h('datalist', {id: 'hosts'}), local = h('p', {class: 'state small', data: {state: 'warn'}}, t('links.local'));
const fit = h('ul', {class: 'urls'}), unfit = h('ul', {class: 'urls'}), count = h('summary'), more = h('details', null, count, unfit), others = h('section', {class: 'card'});
const rows = [fit, unfit].map(list => new Keyed(list, place => place.key, row));
const frame = h('div', {class: 'stack'}, h('div', {class: 'row'}, carries, look), h('label', {class: 'field form'}, t('links.host'), host, hosts), local, fit, more, others,
    act('links.play', 'links.playAbout', 'https://…/sound.mp3', src => call('POST', 'api/streams', {query: {dst: name, src}, limit: 30_000}), () => call('POST', 'api/streams', {query: {dst: name, src: ''}})),
    act('links.publish', 'links.publishAbout', 'rtsp://…', dst => call('POST', 'api/streams', {query: {src: name, dst}, limit: 30_000})));

/** Shows what has changed since the last time, and leaves the rest as it is: somebody may be typing there. */
async function show() {
    try {
        if (!streams.loaded && streams.problem) throw streams.problem;
        info ??= await getJson('api');
    } catch (err) {
        broken = feed.state !== 'lost';
        return broken && failed(err, () => streams.load());
    }
    if (!streams.loaded) return;
    if (broken) notice('');
    broken = false;
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
    const now = codecsOf(stream);
    if (now.length) codecs = now;
    const listen = String(info.rtsp?.listen ?? ''), bound = boundTo(listen), wish = host.value.trim();
    const base = seenAs(new URL('./', location.href).href, wish), {hostname} = new URL(base);
    const about = {name, base, host: !wish && bound || hostname, rtspPort: listen.split(':').pop() ?? '', codecs};
    if (!hosts.firstChild) fill(hosts, [...new Set([location.host, info.host, bound])].map(one => one && h('option', {value: one})));
    local.hidden = !isLocal(hostname);
    look.hidden = codecs.length > 0;
    const all = places(about), misfits = all.filter(p => p.misfit), texts = snippets(about);
    say(carries, codecs.length ? t('links.codecs', {codecs: codecs.join(' + ')}) : t('links.idle'));
    rows[0].show(all.filter(p => !p.misfit));
    rows[1].show(misfits);
    more.hidden = !misfits.length;
    say(count, t('links.unfit', {n: misfits.length}));
    if (others.dataset.texts !== String(texts)) {
        others.dataset.texts = String(texts);
        fill(others, h('h2', null, t('links.snippets')), texts.map(([title, text]) => h('details', null, h('summary', null, title), h('div', {class: 'row'}, h('pre', {class: 'grow', tabindex: '0'}, text), copier(() => text)))));
    }
    if (!frame.isConnected) fill(main, frame);
    said = '';
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
    // Its first bytes are enough.
    const test = /\/api\/(?!webrtc)/.test(place.url) && button(t('add.testButton'), async () => {
        const end = new AbortController(), from = performance.now();
        tell('run', t('test.run'));
        try {
            const response = await call('GET', place.url, {signal: end.signal, limit: 30_000});
            await response.body?.getReader().read();
            tell('ok', t('links.answers', {type: response.headers.get('Content-Type') ?? String(response.status), ms: duration(performance.now() - from)}));
        } catch (err) {
            tell('fail', explain(err));
        }
        end.abort();
    });
    const node = h('li', {class: place.misfit ? 'unfit' : ''}, h('strong', null, t(`link.${place.key}`)), url,
        h('span', {class: 'row'}, copier(() => place.url), test, open, button('QR', () => code(place), {icon: 'qr'}), share && button(t('links.share'), () => navigator.share({url: place.url, title: name}).catch(() => {}))), who, answer);
    return {node, update(/** @type {import('../lib/urls.js').Place} */ now) {
        // What was answered is about another one.
        if (place.url !== now.url) answer.hidden = true;
        if (test) test.hidden = new URL(now.url).origin !== location.origin;
        place = now;
        node.dataset.url = now.url;
        if (open) open.href = now.url;
        say(url, now.url);
        say(who, now.misfit ? t('links.misfit', {codecs: now.misfit}) : t(`who.${now.who}`));
    }};
}

/** @param {import('../lib/urls.js').Place} place */
async function code(place) {
    const {qr} = await import('../lib/qr.js');
    const dialog = h('dialog', {class: 'box', 'aria-labelledby': 'qr-title', onclose: () => dialog.remove()}, h('h2', {id: 'qr-title'}, t(`link.${place.key}`)), qr(place.url, place.url),
        h('code', null, place.url), h('form', {method: 'dialog', class: 'row end'}, h('button', {class: 'primary'}, t('common.close'))));
    document.body.append(dialog);
    dialog.showModal();
}

/**
 * A form with one address.
 * @param {string} title @param {string} about @param {string} hint @param {(text: string) => Promise<any>} run @param {() => Promise<any>} [end]
 */
function act(title, about, hint, run, end) {
    const input = h('input', {type: 'text', placeholder: hint, spellcheck: 'false', autocomplete: 'off', 'aria-label': t(title), class: 'grow'});
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
        if (input.value.trim()) tell(() => run(input.value.trim()));
    }}, h('h2', null, t(title)), h('p', {class: 'muted small'}, t(about)), h('div', {class: 'row'}, input, h('button', null, t(title)), end && button(t('tile.stop'), () => tell(end))));
}
bind('c', t('common.copy'), () => /** @type {HTMLElement|null} */ (document.activeElement?.closest('.urls li'))?.querySelector('button')?.click());
