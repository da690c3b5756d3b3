/**
 * The search for cameras, in the network and of what is plugged in, everywhere at the same time: what is found comes as it is found, below the host that it is on. Each way of searching tells
 * how long it takes, and all of them can be stopped. At the end: the encoders of the machine.
 */
import {button, fill, h, say} from '../lib/dom.js';
import {duration, t} from '../lib/i18n.js';
import {call, explain, getJson} from '../lib/server.js';
import {hostOf} from '../lib/source.js';
import {copied} from '../shell/shell.js';

/** Calls that look for cameras, by the scheme that they belong to. @type {Record<string, [string, string]>} */
const SEARCHES = {onvif: ['api/onvif', 'ONVIF'], dvrip: ['api/dvrip', 'DVRIP'], homekit: ['api/homekit', 'HomeKit'], gopro: ['api/gopro', 'GoPro'], hass: ['api/hass', 'Home Assistant'],
    v4l2: ['api/v4l2', 'V4L2'], alsa: ['api/alsa', 'ALSA'], ffmpeg: ['api/ffmpeg/devices', 'FFmpeg'], roborock: ['api/roborock', 'Roborock']};
/** They look for what is plugged in. */
const PLUGGED = ['v4l2', 'alsa', 'ffmpeg'];

/** @typedef {[scheme: string, search: [path: string, title: string]]} Kind */

/** @param {Kind[]} kinds */
const inNetwork = kinds => kinds.some(([scheme]) => !PLUGGED.includes(scheme));

/**
 * The card that searches. What cannot be searched is not called so.
 * @param {(url: string) => void} use one was chosen
 * @param {() => boolean} own whether the server may be one of ours, which can tell about its network; known at the end of a search at the latest
 */
export function searching(use, own) {
    /** @type {AbortController|null} */
    let running = null;
    /** @type {Kind[]} */
    let kinds = [];
    const found = h('div', {class: 'stack'}), title = h('h2', null, t('add.searchTitle')), about = h('p', {class: 'muted small'}, t('add.searchAbout'));
    const stop = button(t('add.stop'), () => running?.abort(), {icon: 'stop'}), search = button(t('add.search'), async () => {
        running = new AbortController();
        search.disabled = true;
        stop.hidden = false;
        await discover(found, kinds, use, running.signal, own);
        search.disabled = false;
        if (document.activeElement === stop) search.focus();
        stop.hidden = true;
    }, {icon: 'search'});
    stop.hidden = true;
    return {
        node: h('section', {class: 'card', data: {part: 'find'}}, title, about, h('div', {class: 'row'}, search, stop), found),
        stop: () => running?.abort(),
        /** @param {string[]} schemes that the server knows */
        knows(schemes) {
            kinds = Object.entries(SEARCHES).filter(([scheme]) => schemes.includes(scheme));
            const network = inNetwork(kinds);
            say(title, t(network || !kinds.length ? 'add.searchTitle' : 'add.machine'));
            say(about, t(network ? 'add.searchAbout' : 'add.noSearch'));
            search.hidden = !kinds.length;
        },
    };
}

/**
 * @param {HTMLElement} place where what is found stands
 * @param {Kind[]} kinds
 * @param {(url: string) => void} use
 * @param {AbortSignal} signal stops it
 * @param {() => boolean} own
 */
async function discover(place, kinds, use, signal, own) {
    const titles = kinds.map(([, [, title]]) => title).join(', ');
    const state = h('p', {class: 'muted', role: 'status'}, t('add.searching', {kinds: titles})), running = h('ul', {class: 'steps small'}), groups = h('div', {class: 'stack'});
    fill(place, state, running, groups);
    /** Those of a host. @type {Map<string, HTMLElement>} */
    const hosts = new Map();
    // In the order of the ways, whichever answers first.
    const problems = /** @type {string[]} */ (kinds.map(() => '')), began = performance.now();
    let count = 0;

    /** @param {string} title @param {import('../types.js').FoundSource} one */
    function show(title, one) {
        const url = one.url ?? one.id;
        if (!url) return 0;
        count++;
        const host = hostOf(url);
        const list = hosts.get(host) ?? h('ul', {class: 'urls'});
        if (!hosts.has(host)) {
            hosts.set(host, list);
            const section = h('section', {class: 'stack found'}, h('h3', null, host || t('add.machine')), list);
            // What is plugged in stays behind what is found in the network.
            if (host) groups.insertBefore(section, hosts.get('')?.parentElement ?? null);
            else groups.append(section);
        }
        list.append(h('li', null, h('strong', null, `${title} ${one.name ?? ''}`), h('code', null, url), button(t('add.use'), () => use(url)), one.info && h('span', {class: 'who small muted'}, String(one.info))));
        return 1;
    }

    const ticks = kinds.map(([, [, title]]) => {
        const node = h('li', {class: 'state', data: {state: 'run'}}, title);
        running.append(node);
        return {node, title};
    });
    const tick = window.setInterval(() => {
        for (const {node, title} of ticks) if (node.dataset.state === 'run') say(node, `${title} ${duration(Math.floor((performance.now() - began) / 1000) * 1000)}`);
    }, 1000);
    await Promise.all(kinds.map(async ([, [path, title]], i) => {
        const {node} = ticks[i];
        let n = 0;
        try {
            const answer = await (await call('GET', path, {query: {empty: '1'}, signal, limit: 30_000})).json();
            for (const one of answer.sources ?? answer ?? []) n += show(title, one);
            node.dataset.state = 'ok';
        } catch (err) {
            const said = /** @type {Error} */ (err).message;
            node.dataset.state = signal.aborted ? 'skip' : 'fail';
            // A go2rtc that finds nothing; ours knows `empty`, as browsers write a 404 on their console.
            if (said === 'no sources') node.dataset.state = 'ok';
            else if (!signal.aborted) problems[i] = `${title}: ${explain(err).replaceAll('\n', ': ')}`;
        }
        say(node, n ? `${title} ${n}` : title);
    }));
    clearInterval(tick);
    running.remove();
    say(state, `${signal.aborted ? `${t('add.stopped')} ` : ''}${t(inNetwork(kinds) ? 'add.found' : 'add.foundHere', {n: count, kinds: titles})}`);
    const told = problems.filter(Boolean);
    if (told.length) place.append(h('p', {class: 'muted small'}, told.join(' · ')));
    if (!count && !signal.aborted && inNetwork(kinds)) await nothing(place, own);
}

/** Where it was looked, and what may stand between. @param {HTMLElement} place @param {() => boolean} own */
async function nothing(place, own) {
    const about = own() ? await getJson('api/rs/doctor').catch(() => null) : null;
    const nets = (about?.interfaces ?? []).map(one => ({name: one.name, addresses: one.addresses.filter(a => !/^(127\.|::1|fe80)/i.test(a))})).filter(one => one.addresses.length);
    if (nets.length) place.append(h('p', {class: 'muted small'}, t('add.searchedOn', {networks: nets.map(one => `${one.name} (${one.addresses.join(', ')})`).join(', ')})));
    // Who does not tell may sit in one.
    if (about?.container ?? true) place.append(h('p', {class: 'muted small'}, t('add.bridge')));
}

// ---- encoders ----

/** The encoders that the machine's hardware has for FFmpeg. To look takes seconds, so it is looked on a click only. */
export function hardware() {
    const list = h('ul', {class: 'urls'}), state = h('p', {class: 'muted small', role: 'status'}, t('add.hardwareAbout'));
    const look = button(t('add.hardwareLook'), async () => {
        look.disabled = true;
        say(state, t('test.run'));
        try {
            /** @type {{sources: Required<Pick<import('../types.js').FoundSource, 'name'|'url'>>[]}} */
            const {sources} = await (await call('GET', 'api/ffmpeg/hardware', {query: {empty: '1'}, limit: 60_000})).json();
            const works = (/** @type {{name: string}} */ one) => one.name === 'OK', all = [...sources.filter(works), ...sources.filter(one => !works(one))], n = sources.filter(works).length;
            say(state, n ? t('doctor.hardware', {n}) : t('doctor.software'));
            fill(list, all.map(one => row(one.url, works(one))));
        } catch (err) {
            say(state, explain(err));
        }
        look.disabled = false;
    });
    return h('section', {class: 'card', data: {part: 'find'}, hidden: true}, h('h2', null, t('add.hardware')), state, h('div', {class: 'row'}, look), list);
}

/** @param {string} url as a source has it @param {boolean} works */
function row(url, works) {
    const [, codec = '', engine = ''] = /#video=(\w+)#hardware=(\w+)/.exec(url) ?? [];
    return h('li', null, h('span', {class: 'state', data: {state: works ? 'ok' : 'fail'}}, `${codec.toUpperCase()} ${engine}: ${t(works ? 'add.works' : 'add.worksNot')}`), h('code', null, url),
        works && button(t('common.copy'), () => copied(url), {icon: 'copy'}));
}
