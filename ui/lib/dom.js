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

/** The title of a drawing, which screen readers and pointers show. @param {string} text */
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

/** Sets a text only if it is another one: readers and selections are not disturbed. @param {Node} node @param {string} text */
export function say(node, text) {
    if (node.textContent !== text) node.textContent = text;
}

/**
 * Keeps the children of an element in step with a list, by key: what stays is not made anew.
 */
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

/** What the address of an icon begins with: the sprite is a file, and then in the page itself. */
let sprite = 'icons.svg#';

/** The address of an icon. @param {string} name */
export const iconHref = name => sprite + name;

/** Takes the sprite into the page: what is drawn later has its icons also while the server is away. */
export function keepIcons() {
    // Reads it without a text in between, which the policy of the pages lets nobody parse.
    const request = new XMLHttpRequest();
    request.open('GET', 'icons.svg');
    request.responseType = 'document';
    request.addEventListener('load', () => {
        const svg = request.status === 200 ? request.responseXML?.documentElement : null;
        if (svg) takeIcons(svg);
    });
    request.send();
}

/** @param {Element} svg */
function takeIcons(svg) {
    svg.setAttribute('class', 'sprite');
    svg.setAttribute('aria-hidden', 'true');
    for (const symbol of svg.children) symbol.id = `icon-${symbol.id}`;
    document.body.append(document.importNode(svg, true));
    const before = sprite;
    sprite = '#icon-';
    for (const use of document.querySelectorAll('svg.icon > use')) use.setAttribute('href', (use.getAttribute('href') ?? '').replace(before, sprite));
}

/** An icon of the sprite; words stand beside it or in the label of its button. @param {string} name */
export function icon(name) {
    return h('svg', {class: 'icon', 'aria-hidden': 'true', viewBox: '0 0 24 24'}, h('use', {href: iconHref(name)}));
}

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
