/**
 * Building and updating elements. Text always stays text: nothing here reads markup.
 */

const SVG = 'http://www.w3.org/2000/svg';
const IN_SVG = new Set(['svg', 'use', 'path', 'g', 'line', 'rect', 'circle', 'polyline', 'text', 'title']);

/** @typedef {Node|string|number|null|undefined|false|any[]} Kid */

/**
 * An element. Properties that begin with `on` are listeners, `data` and `style` are maps (custom
 * properties only through `style`), `class` is text; others are attributes, or properties where the element
 * has them as such. `null`, `undefined` and `false` leave an attribute out.
 * @param {string} tag
 * @param {Record<string, any>|null} [props]
 * @param {...(Kid|Kid[])} kids
 * @returns {any}
 */
export function h(tag, props, ...kids) {
    const node = IN_SVG.has(tag) && tag !== 'title' ? document.createElementNS(SVG, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(props ?? {})) set(node, name, value);
    append(node, kids.flat(2));
    return node;
}

/** The title of a drawing. @param {string} text */
export function svgTitle(text) {
    const node = document.createElementNS(SVG, 'title');
    node.textContent = text;
    return node;
}

/** @param {Element} node @param {string} name @param {any} value */
function set(node, name, value) {
    if (name.startsWith('on')) {
        node.addEventListener(name.slice(2), value);
    } else if (name === 'data') {
        Object.assign(/** @type {HTMLElement} */ (node).dataset, value);
    } else if (name === 'style') {
        for (const [key, text] of Object.entries(value)) /** @type {HTMLElement} */ (node).style.setProperty(key, String(text));
    } else if (name === 'value' || name === 'checked' || name === 'muted' || name === 'srcObject' || name === 'indeterminate') {
        /** @type {any} */ (node)[name] = value;
    } else if (value === true) {
        node.setAttribute(name, '');
    } else if (value !== null && value !== undefined && value !== false) {
        node.setAttribute(name, String(value));
    }
}

/** @param {Element} node @param {Kid[]} kids */
function append(node, kids) {
    for (const kid of kids) {
        if (kid !== null && kid !== undefined && kid !== false) node.append(kid instanceof Node ? kid : String(kid));
    }
}

/** Replaces what an element holds. @param {Element} node @param {...(Kid|Kid[])} kids */
export function fill(node, ...kids) {
    node.replaceChildren();
    append(node, kids.flat(2));
}

/**
 * The same only if it is to hold something else: what has the focus keeps it.
 * @param {HTMLElement} node @param {string} key names what it is to hold @param {() => Kid[]} make
 */
export function refill(node, key, make) {
    if (node.dataset.holds === key) return;
    node.dataset.holds = key;
    fill(node, make());
}

/** Sets a text if it is another one: selections stay. @param {Node} node @param {string} text */
export function say(node, text) {
    if (node.textContent !== text) node.textContent = text;
}

/** Hides or shows what is not so already: said again, it would be styled again. @param {HTMLElement} node @param {boolean} hidden */
export function hide(node, hidden) {
    if (node.hidden !== hidden) node.hidden = hidden;
}

/** Keeps children in step with a list, by key: what stays is not made anew. */
export class Keyed {
    /** @type {Map<string, any>} */
    views = new Map();

    /**
     * @param {Element} parent
     * @param {(item: any) => string} keyOf
     * @param {(item: any) => {node: Element, update: (item: any) => void, end?: () => void}} make
     */
    constructor(parent, keyOf, make) {
        this.parent = parent;
        this.keyOf = keyOf;
        this.make = make;
    }

    /** @param {any[]} items in order */
    show(items) {
        const wanted = new Set(items.map(this.keyOf));
        for (const [key, view] of this.views) {
            if (wanted.has(key)) continue;
            view.end?.();
            view.node.remove();
            this.views.delete(key);
        }
        items.forEach((item, index) => {
            const key = this.keyOf(item);
            const view = this.views.get(key) ?? this.make(item);
            this.views.set(key, view);
            view.update(item);
            if (this.parent.children[index] !== view.node) this.parent.insertBefore(view.node, this.parent.children[index] ?? null);
        });
    }
}

/**
 * Shows a dialog, which goes when it is closed. The document hears of both (`dialog`).
 * @param {string} title @param {Kid[]} kids @param {Record<string, any>} [props] as of `h`
 */
export function openDialog(title, kids, props) {
    const dialog = h('dialog', {class: 'box', 'aria-label': title, onclose: () => dialog.remove(), ...props}, h('h2', null, title), kids);
    document.body.append(dialog);
    const tell = () => document.dispatchEvent(new Event('dialog'));
    dialog.addEventListener('close', tell);
    dialog.showModal();
    tell();
    return dialog;
}

/**
 * The Tab key reaches one child of an element, with the buttons and links in it.
 * @param {HTMLElement} parent
 * @returns {() => void} to be called when there are other children
 */
export function rove(parent) {
    const children = () => /** @type {HTMLElement[]} */ ([...parent.children]);
    parent.addEventListener('focusin', ev => {
        const now = children().find(one => one.contains(/** @type {Node} */ (ev.target)));
        for (const one of children()) {
            one.tabIndex = one === now ? 0 : -1;
            for (const inner of /** @type {NodeListOf<HTMLElement>} */ (one.querySelectorAll('button, a'))) inner.tabIndex = one.tabIndex;
        }
    });
    return () => {
        if (!children().some(one => one.tabIndex === 0)) children()[0]?.setAttribute('tabindex', '0');
    };
}

/** Moves the focus; from elsewhere to the first one. @param {Iterable<Element>} elements @param {number} by */
export function moveFocus(elements, by) {
    const all = /** @type {HTMLElement[]} */ ([...elements]), at = all.findIndex(one => one.contains(document.activeElement));
    all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + by))]?.focus();
}

/**
 * Icons: paths on a field of 24 by 24, as lines 1.8 wide, or as said; 0: filled. Here they are there with the first paint and while the server is away.
 * @type {Record<string, string|[string, number]>}
 */
const ICONS = {
    grid: 'M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z',
    list: ['M9 6h11M9 12h11M9 18h11M4.5 6h.01M4.5 12h.01M4.5 18h.01', 2],
    close: ['M6 6l12 12M18 6L6 18', 2],
    plus: ['M12 5v14M5 12h14', 2],
    pulse: 'M3 12h4l3-7 4 14 3-7h4',
    net: 'M6 8.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM6 20.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM18 14.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM8.3 7l7.4 4M8.3 17l7.4-4',
    link: 'M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7L12 6.3M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1',
    doctor: 'M12 3l8 3v6c0 5-3.5 8-8 9-4.5-1-8-4-8-9V6zM12 8.5v7M8.5 12h7',
    config: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4',
    log: 'M6 3h9l4 4v14H6zM14.5 3v5H19M9 12h7M9 16h7',
    more: ['M5 12h.01M12 12h.01M19 12h.01', 3],
    keys: 'M3 6.5h18v11H3zM6.5 10h.01M10 10h.01M14 10h.01M17.5 10h.01M8 14h8',
    play: ['M8 5l11 7-11 7z', 0],
    stop: ['M7 7h10v10H7z', 0],
    pause: ['M8 5h3v14H8zM13 5h3v14h-3z', 0],
    sound: 'M4 9.5v5h3.5L12 19V5L7.5 9.5zM15.5 9a4 4 0 0 1 0 6M18 6.5a7.5 7.5 0 0 1 0 11',
    mute: 'M4 9.5v5h3.5L12 19V5L7.5 9.5zM16 9.5l5 5M21 9.5l-5 5',
    full: 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5',
    camera: ['M3 7h12v10H3zM15 11l6-3.5v9L15 13z', 1.5],
    mic: 'M12 3.5a2.5 2.5 0 0 1 2.5 2.5v5a2.5 2.5 0 0 1-5 0V6A2.5 2.5 0 0 1 12 3.5zM6.5 11a5.5 5.5 0 0 0 11 0M12 16.5V20',
    photo: 'M4 7.5h4L9.5 5h5L16 7.5h4V19H4zM12 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z',
    pip: 'M3 5h18v14H3zM12 12h6.5v4.5H12z',
    copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
    open: 'M13 5h6v6M19 5l-8 8M9 6H5v13h13v-4',
    qr: 'M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h2v2h-2zM18 18h2v2h-2zM18 14h2M14 20h2',
    trash: 'M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5',
    left: ['M15 5l-7 7 7 7', 2],
    right: ['M9 5l7 7-7 7', 2],
    again: 'M19 8a8 8 0 1 0 1 5M19 3.5V8h-4.5',
    search: 'M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L20 20',
    large: ['M4 4h9v9H4zM17 4h3v3h-3zM17 10.5h3v3h-3zM4 17h3v3H4zM10.5 17h3v3h-3zM17 17h3v3h-3z', 1.6],
    globe: ['M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM4 12h16M12 4c-5 5-5 11 0 16M12 4c5 5 5 11 0 16', 1.6],
    theme: ['M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM12 4v16M13.5 4.5v15M15 5v14M16.5 6v12M18 7.5v9', 1.6],
    back: ['M19 12H5M11 6l-6 6 6 6', 2],
};

/** @param {string} name */
export function icon(name) {
    const [d, width] = [ICONS[name], 1.8].flat(), filled = width === 0;
    return h('svg', {class: 'icon', 'aria-hidden': 'true', viewBox: '0 0 24 24', fill: filled ? 'currentColor' : 'none', stroke: filled ? 'none' : 'currentColor',
        'stroke-width': width, 'stroke-linecap': 'round', 'stroke-linejoin': 'round'}, h('path', {d}));
}

/** @param {Element|null} node @param {string} name */
export const setIcon = (node, name) => node?.querySelector('.icon')?.replaceWith(icon(name));

/**
 * A button with words, an icon, or both.
 * @param {string} text its label
 * @param {() => void} onclick
 * @param {{icon?: string, class?: string, bare?: boolean, key?: string, disabled?: boolean}} [more] `bare`: only the icon is seen
 */
export function button(text, onclick, more = {}) {
    const node = h('button', {type: 'button', class: more.class ?? (more.bare ? 'bare' : ''), onclick, disabled: more.disabled,
        'aria-keyshortcuts': more.key, title: more.bare ? (more.key ? `${text} (${more.key})` : text) : null,
        'aria-label': more.bare ? text : null});
    if (more.icon) node.append(icon(more.icon));
    if (!more.bare) node.append(h('span', null, text));
    return node;
}

/** The same one at a time: while it runs, what is pressed again does nothing. @template {any[]} A @param {(...args: A) => any} run */
export function single(run) {
    let busy = false;
    return async (/** @type {A} */ ...args) => {
        if (busy) return;
        busy = true;
        try {
            await run(...args);
        } finally {
            busy = false;
        }
    };
}

// ---- the whole screen: for any element, or where a browser has it for a video only (iPhone), for the video within ----

/** @param {Element} node @returns {any} */
const videoIn = node => node.querySelector('video');

/** Is there such a thing here? */
export const hasFullScreen = () => Boolean(document.fullscreenEnabled || 'webkitEnterFullscreen' in HTMLVideoElement.prototype);

/** Can the element have it now? A video needs a picture. @param {Element} node */
export const canFill = node => Boolean(document.fullscreenEnabled || videoIn(node)?.webkitSupportsFullscreen);

/** Gives it to the element, or takes it back. @param {Element} node */
export function fullScreen(node) {
    if (document.fullscreenElement === node) document.exitFullscreen();
    else if (document.fullscreenEnabled) node.requestFullscreen().catch(() => {});
    else if (canFill(node)) videoIn(node).webkitEnterFullscreen();
}

// ---- texts that leave the page ----

/** Also where the page came over plain HTTP. @param {string} text @returns {Promise<boolean>} */
export async function copyText(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        const area = document.createElement('textarea');
        area.value = text;
        area.className = 'offscreen';
        (document.querySelector('dialog[open]') ?? document.body).append(area);
        area.select();
        const done = document.execCommand('copy');
        area.remove();
        return done;
    }
}

/** Offers a text as a file. @param {string} name @param {Blob|string} content */
export function download(name, content) {
    const blob = typeof content === 'string' ? new Blob([content], {type: 'text/plain'}) : content;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
