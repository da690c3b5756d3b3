/**
 * The first page: every stream with the state of its source and its viewers; a click
 * plays it here with sound. Opening the page starts no camera.
 */
import './player/rs-player.js';
import {describe} from './stream-state.js';

/** @typedef {import('./player/rs-player.js').RsPlayer} RsPlayer */

/** Milliseconds between two looks at the streams while the page is visible. */
const REFRESH = 2000;

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @returns {T}
 */
const byId = id => /** @type {T} */ (document.getElementById(id));

const list = byId('streams');
const notice = byId('notice');
/** @type {HTMLDialogElement} */
const viewer = byId('viewer');
/** Rows by the name of their stream. @type {Map<string, ReturnType<typeof row>>} */
const rows = new Map();
let lastData = 0;
/** @type {any} */
let timer = 0;

/**
 * An element with a class and children; text stays text.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} name
 * @param {...(Node|string)} children
 */
function element(tag, name, ...children) {
    const node = document.createElement(tag);
    if (name) node.className = name;
    node.append(...children);
    return node;
}

/** @param {string} name */
function pageOf(name) {
    return `stream.html?src=${encodeURIComponent(name)}&background=false`;
}

/** @param {string} name */
function row(name) {
    const state = element('span', 'state'), detail = element('span', 'detail muted'), viewers = element('span', 'viewers');
    const play = element('button', 'play', element('span', 'name', name), state, detail, viewers);
    play.type = 'button';
    play.addEventListener('click', () => open(name));
    const link = element('a', 'link', 'stream.html');
    link.href = pageOf(name);
    link.setAttribute('aria-label', `${name}: open as page`);
    const item = element('li', 'stream', play, link);

    return {
        item,
        /** @param {import('./stream-state.js').Stream} stream */
        update(stream) {
            const now = describe(stream);
            state.textContent = now.word;
            state.dataset.state = now.state;
            detail.textContent = now.detail;
            viewers.textContent = now.viewers === 1 ? '1 viewer' : `${now.viewers} viewers`;
            play.setAttribute('aria-label', `Play ${name}: ${now.word}, ${viewers.textContent}`);
        },
    };
}

/** Plays a stream in the dialog. @param {string} name */
function open(name) {
    const video = /** @type {RsPlayer} */ (document.createElement('rs-player'));
    video.mode = 'webrtc,mse,mjpeg';
    video.pcConfig = {bundlePolicy: 'max-bundle', iceServers: []};
    video.src = new URL(`api/ws?src=${encodeURIComponent(name)}`, location.href);
    byId('viewer-title').textContent = name;
    /** @type {HTMLAnchorElement} */ (byId('viewer-page')).href = pageOf(name);
    viewer.showModal();
    byId('viewer-video').replaceChildren(video);
}

viewer.addEventListener('close', () => {
    // The player leaves with its element.
    viewer.querySelector('rs-player')?.remove();
    refresh();
});
viewer.addEventListener('click', ev => {
    if (ev.target === viewer) viewer.close();
});

/** @param {string} text */
function say(text) {
    if (notice.textContent !== text) notice.textContent = text;
    notice.hidden = !text;
}

async function refresh() {
    clearTimeout(timer);
    try {
        const response = await fetch('api/streams', {cache: 'no-store'});
        if (!response.ok) throw new Error(response.status === 401 ? 'sign in to see the streams' : `status ${response.status}`);
        show(await response.json());
        lastData = Date.now();
        list.classList.remove('stale');
        say('');
    } catch (err) {
        list.classList.add('stale');
        const age = lastData ? `, the list is ${Math.round((Date.now() - lastData) / 1000)} s old` : '';
        const text = err instanceof TypeError ? 'Server not reachable' : `Could not load: ${/** @type {Error} */ (err).message}`;
        say(text + age);
    }
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(refresh, REFRESH);
}

/** @param {Record<string, import('./stream-state.js').Stream>} streams */
function show(streams) {
    const names = Object.keys(streams).sort((a, b) => a.localeCompare(b));
    for (const [name, {item}] of rows) {
        if (name in streams) continue;
        item.remove();
        rows.delete(name);
    }
    names.forEach((name, index) => {
        let known = rows.get(name);
        if (!known) rows.set(name, known = row(name));
        known.update(streams[name]);
        if (list.children[index] !== known.item) list.insertBefore(known.item, list.children[index] ?? null);
    });
    byId('empty').hidden = names.length > 0;
}

async function about() {
    try {
        const info = await (await fetch('api')).json();
        byId('about').textContent = [`Version ${info.version}`, info.config_path].filter(Boolean).join(' · ');
        byId('path').textContent = info.config_path ? ` ${info.config_path}` : '';
    } catch {
        // The list tells that the server is not there.
    }
}

document.addEventListener('visibilitychange', () => {
    if (document.hidden) clearTimeout(timer);
    else refresh();
});
window.addEventListener('online', refresh);
about();
refresh();
