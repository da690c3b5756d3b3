/**
 * A panel that on a phone held upright is a sheet at the lower edge: closed it is a handle that says the most important. The handle is dragged, tapped, or worked
 * by keyboard; open it leaves the rest of the page in use.
 */
import {h} from '../lib/dom.js';

/** Pixels that a finger moves before it drags. */
const SLOP = 8;

/** @param {any[]} words of the handle @param {any[]} kids @param {Element} seen stays in sight while it is open */
export function sheet(words, kids, seen) {
    let from = 0, moved = 0, open = false;
    const put = (/** @type {boolean} */ now) => {
        open = now;
        node.classList.toggle('open', open);
        handle.setAttribute('aria-expanded', String(open));
        if (open) seen.scrollIntoView();
        else if (body.contains(document.activeElement)) handle.focus();
    };
    const body = h('div', {class: 'stack', id: 'sheet'}, kids), handle = h('button', {
        type: 'button', class: 'handle', 'aria-expanded': 'false', 'aria-controls': 'sheet',
        // The end of a drag is no tap; a key has no pointer.
        onclick(/** @type {MouseEvent} */ ev) {
            const dragged = moved;
            moved = 0;
            if (!dragged || !ev.detail) put(!open);
        },
        onpointerdown(/** @type {PointerEvent} */ ev) {
            handle.setPointerCapture(ev.pointerId);
            from = ev.clientY;
            moved = 0;
        },
        onpointermove(/** @type {PointerEvent} */ ev) {
            const by = ev.clientY - from, most = body.clientHeight;
            if (!handle.hasPointerCapture(ev.pointerId) || !moved && Math.abs(by) < SLOP) return;
            moved = by;
            node.classList.add('dragged');
            node.style.setProperty('--at', `${Math.max(0, Math.min(most, open ? by : by + most))}px`);
        },
        onpointerup: () => moved && put(moved < 0),
        onlostpointercapture() {
            node.classList.remove('dragged');
            node.style.removeProperty('--at');
        },
    }, words), node = h('div', {class: 'drawer'}, handle, body);
    // Before what Escape does on the page, and also from a field, where a page has no keys.
    document.addEventListener('keydown', ev => {
        if (ev.key !== 'Escape' || !open || !handle.checkVisibility() || document.fullscreenElement || document.querySelector('dialog[open]')) return;
        ev.preventDefault();
        put(false);
    }, {capture: true});
    return node;
}
