/**
 * What is around every page: the ways to the others, the title, language and theme, the state of the connection, and the
 * one place where something is said. Below 900 px the ways are a bar at the bottom. At the end: the keys of the pages; their list is in `help.js`.
 */
import {button, copyText, fill, h, icon, say} from '../lib/dom.js';
import {ago, language, LANGUAGES, setLanguage, t} from '../lib/i18n.js';
import {recall, setTheme, theme} from '../lib/prefs.js';
import {explain} from '../lib/server.js';

/** [page, address, icon, in the bar of a phone]. @type {[string, string, string, boolean][]} */
const PAGES = [
    ['live', './', 'grid', true], ['streams', 'streams.html', 'list', true], ['add', 'add.html', 'plus', true], ['sessions', 'sessions.html', 'pulse', true],
    ['net', 'net.html', 'net', false], ['links', 'links.html', 'link', false], ['doctor', 'doctor.html', 'doctor', false],
    ['config', 'config.html', 'config', false], ['log', 'log.html', 'log', false],
];

/** @type {HTMLElement} */
let banner;
/** @typedef {{text: string, run: () => void}} Action */
/** What the page itself has to say, and whether the connection has the word instead of it. @type {[string, ...Action[]]} */
let own = [''];
let apart = false;
/** @type {HTMLElement} */
let live;
/** @type {HTMLElement} */
let dot;

/** Milliseconds until the manifest is loaded, and for which a restart is told. */
const INSTALL_AFTER = 1500, RESTARTED = 6000;

/**
 * Builds the frame of a page.
 * @param {{page: string, title: string, of?: string, back?: {href: string, text: string}}} about `of`: what the page is about, before the title;
 *     `back`: the page above it
 * @returns {{main: HTMLElement, tools: HTMLElement, heading: HTMLElement}}
 */
export function shell({page, title, of, back}) {
    // Browsers load at once what it is told there, and nothing of that is needed for the first picture of the page.
    setTimeout(() => document.head.append(h('link', {rel: 'manifest', href: 'app.webmanifest'})), INSTALL_AFTER);
    document.title = `${of ? `${of} – ` : ''}${title} – rs2rtc`;
    const heading = h('h1', null, of ?? title), tools = h('div', {class: 'tools'});
    const main = h('main', {id: 'main', tabindex: '-1'});
    banner = h('section', {class: 'banner', 'aria-label': t('shell.notice'), hidden: true});
    live = h('div', {class: 'offscreen', role: 'status', 'aria-live': 'polite'});
    dot = h('span', {class: 'dot', role: 'img', hidden: true});
    const link = (/** @type {[string, string, string, boolean]} */ [name, href, sign]) =>
        h('a', {href, 'aria-current': name === page ? 'page' : null}, icon(sign), h('span', null, t(`nav.${name}`)));
    const more = h('details', {class: 'more'}, h('summary', {'aria-current': PAGES.some(one => one[0] === page && !one[3]) && 'true'}, icon('more'), h('span', null, t('nav.more'))),
        h('div', {class: 'sheet'}, PAGES.filter(([, , , first]) => !first).map(link)));
    more.addEventListener('keydown', (/** @type {KeyboardEvent} */ ev) => {
        if (ev.key === 'Escape') more.open = false;
    });
    document.addEventListener('click', ev => {
        if (more.open && !more.contains(/** @type {Node} */ (ev.target))) more.open = false;
    });
    const languages = h('select', {'aria-label': t('shell.language'), onchange: () => setLanguage(languages.value)},
        Object.entries(LANGUAGES).map(([tag, name]) => h('option', {value: tag, lang: tag === 'zh' ? 'zh-CN' : tag, selected: tag === language}, name)));
    const themes = h('select', {'aria-label': t('shell.theme'), onchange: () => setTheme(themes.value)},
        ['system', 'light', 'dark'].map(name => h('option', {value: name, selected: theme() === name}, t(`theme.${name}`))));
    const settings = h('div', {class: 'settings'}, h('label', null, h('span', {class: 'globe'}, icon('globe')), languages), h('label', null, icon('theme'), themes));
    const header = h('header', {class: 'top'}, back && h('a', {class: 'button bare', href: back.href, title: back.text, 'aria-label': back.text}, icon('back')), heading, tools,
        h('div', {class: 'row nowrap corner'}, dot, button(t('keys.title'), showKeys, {icon: 'keys', bare: true, key: '?'})));
    const sheet = /** @type {HTMLElement} */ (more.lastElementChild), phone = matchMedia('(max-width: 599px)');
    // The title needs the room of a phone: what is seldom changed is behind "More" there.
    const settle = () => phone.matches ? sheet.append(settings) : header.lastElementChild?.prepend(settings);
    phone.addEventListener('change', settle);
    settle();
    document.body.prepend(
        h('a', {class: 'skip', href: '#main'}, t('shell.skip')),
        h('nav', {class: 'rail', 'aria-label': t('shell.pages')},
            h('div', {class: 'brand', 'aria-hidden': 'true'}, 'rs2rtc'),
            PAGES.map(one => {
                const node = link(one);
                if (!one[3]) node.classList.add('wide');
                return node;
            }), more),
        h('div', {class: 'page'},
            header, banner, main, live));
    document.body.dataset.page = page;
    return {main, tools, heading};
}

/** What is said at the moment. @type {HTMLElement|null} */
let said = null;

/** It stands before what is before the page, and does not go with it. */
function place() {
    const full = document.fullscreenElement, host = document.querySelector('dialog[open]') ?? (full?.matches('body :not(video)') ? full : document.body);
    if (said && said.parentNode !== host) host.append(said);
}
for (const event of ['dialog', 'fullscreenchange']) document.addEventListener(event, place);

function hush() {
    said?.remove();
    said = null;
}

/** Says something once to everybody, with an action if there is one to take back.
 * @param {string} text @param {{undo?: () => void, seconds?: number}} [more] */
export function toast(text, {undo, seconds = 6} = {}) {
    hush();
    const node = h('div', {class: 'toast'}, h('span', null, text), undo && button(t('common.undo'), () => {
        hush();
        undo();
    }));
    said = node;
    place();
    announce(text);
    setTimeout(() => said === node && hush(), (undo ? 10 : seconds) * 1000);
}

/** @param {string} text for screen readers */
export function announce(text) {
    say(live, '');
    setTimeout(() => say(live, text), 50);
}

/** The same as the banner, which is behind what fills the screen. @param {string} text */
const tell = text => document.fullscreenElement ? toast(text) : announce(text);

/**
 * Says what is wrong with the page. What is said of the connection meanwhile stays, and goes before it.
 * @param {string} text empty: nothing is wrong @param {...Action} actions
 */
export function notice(text, ...actions) {
    own = [text, ...actions];
    if (!apart) put(...own);
}

/** @param {string} text @param {...Action} actions */
function put(text, ...actions) {
    banner.hidden = !text;
    if (banner.dataset.text === text) return;
    banner.dataset.text = text;
    fill(banner, h('span', null, text), actions.map(action => button(action.text, action.run)));
}

/** @param {any} err @param {() => void} retry */
export function failed(err, retry) {
    // For who is to mend it; an address in it may have a password.
    const details = [new Date().toISOString(), err.call ?? location.pathname, err.status ?? '', err.message ?? err].join('\n').replace(/\/\/[^/\s]*@/g, '//***@');
    notice(`${t('common.failed')} ${explain(err)}`, {text: t('common.retry'), run: retry}, {text: t('common.copyDetails'), run: () => copied(details)});
}

/** The page says that the list of streams could not be loaded. */
let faulty = false;

/**
 * Says why the list of streams could not be loaded, until it is there. Whether it is.
 * @param {import('../lib/streams.js').Streams} streams
 */
export function listed(streams) {
    if (!streams.loaded && streams.problem && streams.feed.state !== 'lost') {
        faulty = true;
        failed(streams.problem, () => streams.load());
    } else if (streams.loaded && faulty) {
        faulty = false;
        notice('');
    }
    return streams.loaded;
}

/** @param {string} text */
export const copied = async text => toast(t(await copyText(text) ? 'common.copied' : 'common.copyFailed'));

/**
 * Shows how the connection is: the dot, and a banner with the age of what is shown.
 * @param {import('../lib/server.js').Feed} feed
 */
export function watch(feed) {
    let was = '', restarted = 0;
    dot.hidden = false;
    const show = () => {
        const lost = feed.state === 'lost';
        // There is nothing to be connected to, and what is told over it is nowhere else.
        document.body.classList.toggle('plain', feed.state === 'absent');
        if (was !== feed.state && feed.state !== 'absent') {
            dot.dataset.state = feed.state;
            dot.setAttribute('aria-label', t(`shell.${feed.state}`));
            dot.title = t(`shell.${feed.state}`);
            if (lost && was) tell(t('common.unreachable'));
            was = feed.state;
        }
        document.body.classList.toggle('stale', lost);
        if (lost) {
            apart = true;
            banner.hidden = false;
            const age = t('shell.age', {age: ago(Date.now() - feed.heard)});
            if (banner.dataset.text !== 'lost') fill(banner, h('span', null), button(t('common.retry'), () => feed.now()));
            banner.dataset.text = 'lost';
            say(/** @type {Node} */ (banner.firstChild), `${t('common.unreachable')} ${age}`);
        } else if (apart && Date.now() - restarted > RESTARTED) {
            apart = false;
            put(...own);
        }
    };
    feed.addEventListener('state', () => {
        show();
        if (feed.state === 'live') retryPlayers();
    });
    feed.addEventListener('restarted', () => {
        restarted = Date.now();
        apart = true;
        put(t('shell.restarted'));
        tell(t('shell.restarted'));
    });
    setInterval(show, 1000);
    show();
}

/** Who waits for the server need not any more. */
function retryPlayers() {
    for (const player of /** @type {NodeListOf<any>} */ (document.querySelectorAll('rs-player'))) if (['live', 'buffering', 'retrying'].includes(player.phase)) player.retry();
}

/** @param {string} text @param {...any} kids */
export const empty = (text, ...kids) => h('div', {class: 'empty'}, h('p', null, text), kids);

export const noCameras = () => h('div', {class: 'empty'}, icon('camera'), h('p', null, t('live.empty')), h('p', {class: 'muted'}, t('live.emptyAbout')),
    h('a', {class: 'button primary', href: 'add.html'}, t('nav.add')));

// ---- keys: single letters never fire in inputs and can be switched off; `g` and a letter goes to a page ----

/** Pages by the letter after `g`. */
const GO = {l: './', s: 'streams.html', a: 'add.html', e: 'sessions.html', d: 'doctor.html', c: 'config.html', o: 'log.html', n: 'net.html'};

/** @type {{keys: string, text: string, run: (ev: KeyboardEvent) => unknown}[]} */
const bound = [];
let pending = -Infinity;

/** What keys mean to fields that take no text; others keep all of them. @type {Record<string, RegExp>} */
const MEANT = {radio: /^( |Arrow)/, checkbox: /^ $/, range: /^(Arrow|Home|End|Page)/};

/** Does a field keep the key for itself? @param {EventTarget|null} target @param {string} key */
const keeps = (target, key) => target instanceof HTMLElement && (target.isContentEditable || Boolean(target.shadowRoot)
    || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && (MEANT[/** @type {HTMLInputElement} */ (target).type] ?? /^/).test(key));

/**
 * Binds a key, as `KeyboardEvent.key` names it.
 * @param {string|string[]} keys
 * @param {string} text what it does, for the list
 * @param {(ev: KeyboardEvent) => unknown} run `false`: it is not for it, the browser does what it does
 */
export function bind(keys, text, run) {
    for (const key of [keys].flat()) bound.push({keys: key, text, run});
}

/** @param {KeyboardEvent} ev */
function onkeydown(ev) {
    if (ev.defaultPrevented || ev.ctrlKey || ev.metaKey || ev.altKey || keeps(ev.target, ev.key)) return;
    if (document.querySelector('dialog[open]') && ev.key !== '?') return;
    if (/^\S$/u.test(ev.key) && !recall('letters', true)) return;
    // A button that has the focus keeps its own keys.
    if ((ev.key === ' ' || ev.key === 'Enter') && ev.target instanceof HTMLElement && ev.target.closest('button, a, summary')) return;
    // As they were pressed: the thread may have stood still since.
    if (ev.timeStamp - pending < 1500 && ev.key in GO) {
        pending = -Infinity;
        ev.preventDefault();
        location.href = GO[/** @type {keyof typeof GO} */ (ev.key)];
        return;
    }
    pending = -Infinity;
    if (ev.key === 'g') {
        pending = ev.timeStamp;
        return;
    }
    if (ev.key === '?') return showKeys();
    const found = bound.find(one => one.keys === ev.key || one.keys.toLowerCase() === ev.key.toLowerCase() && ev.key.length === 1);
    if (!found) return;
    if (found.run(ev) !== false) ev.preventDefault();
}
document.addEventListener('keydown', onkeydown);

/** Few look at them, and each only now and then. */
function showKeys() {
    import('./help.js').then(it => it.help(bound), () => toast(t('common.unreachable')));
}
