/**
 * The question for the admin token, where the server wants one. It is exchanged for a login, and kept nowhere.
 */
import {button, h, openDialog, say} from './dom.js';
import {t} from './i18n.js';
import {admin} from './prefs.js';
import {call, explain, getJson} from './server.js';

/** @type {Promise<boolean>|null} */
let asking = null;

/** Asks until it is right, or nobody wants to give it. Whether it was given. */
export const askToken = () => asking ??= new Promise(resolve => {
    const input = h('input', {type: 'password', autocomplete: 'off', 'aria-label': t('token.title')}), told = h('p', {class: 'state', role: 'alert', hidden: true}), save = h('button', {class: 'primary'}, t('common.save'));
    const tell = (/** @type {string} */ state, /** @type {string} */ text) => {
        told.hidden = false;
        told.dataset.state = state;
        say(told, text);
        save.disabled = state === 'run';
    };
    let right = false;
    const dialog = openDialog(t('token.title'), h('form', {class: 'stack', onsubmit: async (/** @type {Event} */ ev) => {
        ev.preventDefault();
        const keys = [admin()];
        tell('run', t('test.run'));
        try {
            keys.push(/** @type {import('../types.js').LoginKey} */ (await (await call('POST', 'api/rs/login', {headers: {Authorization: `Bearer ${input.value.trim()}`}})).json()).key);
            admin(keys[1]);
            // In a frame of another site browsers take no cookie.
            if (!(await getJson('api/rs/login')).cookie) throw new Error(t('token.noCookie'));
            right = true;
            dialog.close();
        } catch (/** @type {any} */ err) {
            // One that was given in the meantime is none of these.
            if (keys.includes(admin())) admin('');
            tell('fail', err.status === 401 ? t('token.wrong') : explain(err));
            input.focus();
        }
    }}, h('p', {class: 'muted small'}, t('token.about')), input, told, h('div', {class: 'row end'}, button(t('common.cancel'), () => dialog.close()), save)),
        {onclose: () => {
            dialog.remove();
            asking = null;
            resolve(right);
        }});
});

/** Takes the cookie away; what is known here goes in any case. */
export async function forget() {
    try {
        await call('DELETE', 'api/rs/login');
    } finally {
        admin('');
    }
}
