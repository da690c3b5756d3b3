/**
 * Questions before something is done that cannot be taken back.
 */
import {button, h, openDialog, say} from '../lib/dom.js';
import {t} from '../lib/i18n.js';
import {call, explain} from '../lib/server.js';
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

/** Somebody watches, and it is not the server itself that holds the stream, nor one who publishes. @param {{publishes: boolean, format: any}} session `format`: a text, if that is known */
export const watches = ({publishes, format}) => !publishes && !['preload', 'probe', 'test'].includes(format);

/** Ends a viewer; one that has left meanwhile is no error. @param {number} id */
export const endSession = id => call('DELETE', 'api/rs/sessions', {query: {id: String(id)}, accept: [404]});

/** Ends a viewer, if the visitor is sure. @param {import('../lib/server.js').Feed} feed @param {number} id @param {string} stream @param {() => void} then @param {string} [who] */
export function kick(feed, id, stream, then, who) {
    const {boot} = feed;
    ask({title: t('sessions.kickTitle', {name: stream}), body: who && h('p', {class: 'muted'}, who), yes: t('sessions.kick'), danger: true, async onyes() {
        // In another run of the server somebody else has the number.
        if (boot && feed.state === 'lost') {
            feed.now();
            throw new Error(t('common.unreachable'));
        }
        if (!boot || feed.boot === boot) await endSession(id).catch(err => toast(explain(err)));
        else toast(t('sessions.kickOther'));
        then();
    }});
}
