/**
 * Questions before something is done that cannot be taken back.
 */
import {button, h, openDialog, say} from '../lib/dom.js';
import {t} from '../lib/i18n.js';
import {endSession, explain} from '../lib/server.js';
import {toast} from './shell.js';

/**
 * A question in a dialog. What fails is said in it, and may be tried again.
 * @param {{title: string, body?: any, yes: string, danger?: boolean, onyes: () => void|Promise<void>}} about
 */
export function ask({title, body, yes, danger, onyes}) {
    let answered = false;
    const answer = async (/** @type {Event} */ ev) => {
        ev.preventDefault();
        if (answered) return;
        answered = true;
        fault.hidden = true;
        try {
            await onyes();
            dialog.close();
        } catch (err) {
            answered = fault.hidden = false;
            say(fault, explain(err));
        }
    };
    const fault = h('p', {class: 'error', role: 'alert', hidden: true});
    const dialog = openDialog(title, [h('form', {class: 'stack', method: 'dialog', onsubmit: answer}, body, fault,
        h('div', {class: 'row end'}, button(t('common.cancel'), () => dialog.close()), h('button', {class: danger ? 'danger' : 'primary'}, h('span', null, yes))))]);
    return dialog;
}

/** Ends a viewer, if the visitor is sure. @param {number} id @param {string} stream @param {() => void} then @param {string} [who] */
export const kick = (id, stream, then, who) => ask({title: t('sessions.kickTitle', {name: stream}), body: who && h('p', {class: 'muted'}, who), yes: t('sessions.kick'), danger: true,
    async onyes() {
        await endSession(id).catch(err => toast(explain(err)));
        then();
    }});
