/**
 * A finger that stays: half a second on one of the children, and not while the page is scrolled.
 */

/** Milliseconds that it stays, and pixels that it may move. */
const LONG = 500, SLOP = 10;

/** @param {HTMLElement} parent @param {string} selector of those that it is about @param {(one: HTMLElement) => void} run */
export function longPress(parent, selector, run) {
    let timer = 0, x = 0, y = 0, done = false;
    const end = () => clearTimeout(timer);
    parent.addEventListener('pointerdown', ev => {
        end();
        done = false;
        const target = /** @type {Element} */ (ev.target), one = /** @type {HTMLElement|null} */ (target.closest(selector));
        if (ev.pointerType !== 'touch' || !one || target.closest('button, label')) return;
        [x, y] = [ev.clientX, ev.clientY];
        timer = window.setTimeout(() => {
            done = true;
            run(one);
        }, LONG);
    });
    parent.addEventListener('pointermove', ev => Math.hypot(ev.clientX - x, ev.clientY - y) > SLOP && end());
    // A browser that scrolls takes the finger away.
    for (const name of ['pointerup', 'pointercancel', 'pointerleave']) parent.addEventListener(name, end);
    // What a link would do with it: its menu, and its page when the finger goes.
    parent.addEventListener('contextmenu', ev => /** @type {PointerEvent} */ (ev).pointerType === 'touch' && /** @type {Element} */ (ev.target).closest(selector) && ev.preventDefault());
    parent.addEventListener('click', ev => {
        if (done) {
            ev.preventDefault();
            ev.stopPropagation();
        }
        done = false;
    }, {capture: true});
}
