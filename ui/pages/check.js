/**
 * A line of the doctor: what is checked, how it is, and why.
 */
import {fill, h} from '../lib/dom.js';
import {t} from '../lib/i18n.js';
import {address} from '../lib/server.js';

/** @typedef {(state: 'ok'|'warn'|'fail'|'skip'|'run', text: string, why?: string, candidate?: string) => void} Tell tells what came of it; `candidate`: an address that the configuration lacks */

/**
 * A line that is pending until something is told.
 * @param {Element} parent @param {string} title
 * @param {string} [name] of the line
 * @returns {Tell}
 */
export function check(parent, title, name) {
    const row = h('li', {data: name && {check: name}}), state = h('span', {class: 'state', data: {state: 'run'}}, title);
    fill(row, state, h('span', null, t('test.run')));
    parent.append(row);
    return (now, text, why, candidate) => {
        // Seconds that are counted are not read out.
        if (now === 'run') row.setAttribute('aria-live', 'off');
        else row.removeAttribute('aria-live');
        state.dataset.state = now;
        fill(row, state, h('span', null, text), why && h('span', {class: 'why'}, why), candidate && h('span', {class: 'row why'}, h('code', null, `webrtc:\n  candidates: ["${candidate}"]`), h('a', {class: 'button', href: address('config.html', {candidate})}, t('doctor.show'))));
    };
}

/** @param {import('../lib/paths.js').Candidate} one */
export const nameOf = one => `${one.protocol.toUpperCase()} ${one.address.includes(':') ? `[${one.address}]` : one.address}:${one.port}${one.type === 'host' ? '' : ` ${one.type}`}`;
