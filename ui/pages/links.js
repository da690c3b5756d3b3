/**
 * All addresses of a stream, with who can play each, ready to copy; and what can be done towards the camera: play a sound, publish.
 * `?src=NAME`.
 */
import {button, fill, h} from '../lib/dom.js';
import {t} from '../lib/i18n.js';
import {address, call, explain, Feed, getJson} from '../lib/server.js';
import {codecsOf} from '../lib/streams.js';
import {places, snippets} from '../lib/urls.js';
import {bind, copied, empty, failed, notice, shell, toast, watch} from '../shell/shell.js';

const name = new URLSearchParams(location.search).get('src') ?? '';
const {main, tools} = shell({page: 'links', title: t('nav.links'), of: name ? t('links.for', {name}) : undefined});
watch(new Feed('streams'));

async function load() {
    let streams, info;
    try {
        [streams, info] = await Promise.all([getJson('api/streams'), getJson('api')]);
    } catch (err) {
        return failed(err, load);
    }
    notice('');
    const names = Object.keys(streams).sort();
    const choice = h('select', {'aria-label': t('sessions.stream'), onchange: () => location.href = address('links.html', {src: choice.value})},
        h('option', {value: ''}, t('links.choose')), names.map(one => h('option', {value: one, selected: one === name}, one)));
    fill(tools, choice);
    if (!name) return fill(main, empty(names.length ? t('links.which') : t('live.empty')));
    if (!Object.hasOwn(streams, name)) return fill(main, empty(t('camera.unknown', {name}), h('a', {class: 'button', href: 'streams.html'}, t('nav.streams'))));
    show(streams[name], info);
}

/** @param {any} stream @param {any} info */
function show(stream, info) {
    const codecs = codecsOf(stream);
    const listen = String(info.rtsp?.listen ?? ''), about = {name, base: new URL('./', location.href).href, host: location.hostname.includes(':') ? `[${location.hostname.replace(/[[\]]/g, '')}]` : location.hostname, rtspPort: listen.split(':').pop() ?? '', codecs};
    const all = places(about), fit = all.filter(p => !p.misfit), unfit = all.filter(p => p.misfit);
    fill(main, h('div', {class: 'stack'},
        h('p', {class: 'muted'}, codecs.length ? t('links.codecs', {codecs: codecs.join(' + ')}) : t('links.idle')),
        h('ul', {class: 'urls'}, fit.map(row)),
        unfit.length > 0 && h('details', null, h('summary', null, t('links.unfit', {n: unfit.length})), h('ul', {class: 'urls'}, unfit.map(row))),
        h('section', {class: 'card'}, h('h2', null, t('links.snippets')), snippets(about).map(([title, text]) => h('details', null, h('summary', null, title), h('div', {class: 'row'}, h('pre', {class: 'grow', tabindex: '0'}, text), copier(text))))),
        act('links.play', 'links.playAbout', 'https://…/sound.mp3', src => call('POST', 'api/streams', {query: {dst: name, src}, limit: 30_000}), () => call('POST', 'api/streams', {query: {dst: name, src: ''}})),
        act('links.publish', 'links.publishAbout', 'rtsp://…', dst => call('POST', 'api/streams', {query: {src: name, dst}, limit: 30_000}))));
}

/** @param {string} text */
const copier = text => button(t('common.copy'), () => copied(text), {icon: 'copy'});

/** @param {import('../lib/urls.js').Place} place */
function row(place) {
    const share = 'share' in navigator && place.page;
    return h('li', {class: place.misfit ? 'unfit' : '', data: {url: place.url}}, h('strong', null, t(`link.${place.key}`)), h('code', null, place.url),
        h('span', {class: 'row'}, copier(place.url), place.page && h('a', {class: 'button', href: place.url, target: '_blank', rel: 'noopener'}, t('keys.open')),
            button('QR', () => code(place), {icon: 'qr'}), share && button(t('links.share'), () => navigator.share({url: place.url, title: name}).catch(() => {}))),
        h('span', {class: 'who small muted'}, place.misfit ? t('links.misfit', {codecs: place.misfit}) : t(`who.${place.who}`)));
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
    const say = async (/** @type {() => Promise<any>} */ what) => {
        try {
            await what();
            toast(t('common.done'));
        } catch (err) {
            toast(explain(err));
        }
    };
    return h('form', {class: 'card', onsubmit: (/** @type {Event} */ ev) => {
        ev.preventDefault();
        if (input.value.trim()) say(() => run(input.value.trim()));
    }}, h('h2', null, t(title)), h('p', {class: 'muted small'}, t(about)), h('div', {class: 'row'}, input, h('button', null, t(title)), end && button(t('tile.stop'), () => say(end))));
}
bind('c', t('common.copy'), () => /** @type {HTMLElement|null} */ (document.activeElement?.closest('.urls li'))?.querySelector('button')?.click());
load();
