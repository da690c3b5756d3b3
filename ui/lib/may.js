/**
 * What the caller may do here. Who may only look finds the controls where they are, disabled and with the reason; a line above them says it too, with the way to
 * sign in. A server that does not tell is asked when something is pressed.
 */
import {button, h} from './dom.js';
import {t} from './i18n.js';
import {admin} from './prefs.js';
import {getJson} from './server.js';

/** Controls that wait for the answer. @type {(HTMLButtonElement)[]|null} */
let waiting = [];
let view = false;

/** Who has signed in meanwhile may more. */
export const viewOnly = () => view && !admin();

/** @param {HTMLButtonElement} node */
function lock(node) {
    node.disabled = true;
    node.title = t('common.forbidden');
    node.setAttribute('aria-describedby', 'view-only');
}

/** Something that only who may change streams can press. @param {HTMLButtonElement} node */
export function guarded(node) {
    if (waiting) waiting.push(node);
    else if (viewOnly()) lock(node);
    return node;
}

/** Asks the server, once for the page. @param {HTMLElement} main */
export async function askMay(main) {
    const info = await getJson('api').catch(() => null);
    view = info?.rs2rtc?.may === 'view';
    if (viewOnly()) {
        const signIn = async () => {
            if (await (await import('./token.js')).askToken()) location.reload();
        };
        main.prepend(h('div', {class: 'row noted'}, h('p', {id: 'view-only', class: 'muted'}, t('common.forbidden')), button(t('token.title'), signIn)));
        waiting?.forEach(lock);
    }
    waiting = null;
}
