/**
 * The state of a stream as a chip: a shape and a word, never colour alone.
 */
import {h, say} from './dom.js';
import {duration, has, t} from './i18n.js';

/** A chip. @returns {{node: HTMLElement, show: (entry: import('./streams.js').Entry) => void}} */
export function chip() {
    const node = h('span', {class: 'state', hidden: true});
    return {
        node,
        show(entry) {
            node.hidden = false;
            node.dataset.state = entry.state;
            say(node, stateText(entry));
            node.title = entry.error;
        },
    };
}

/** The state in words. @param {import('./streams.js').Entry} entry */
export function stateText(entry) {
    if (entry.state === 'retrying') {
        const wait = Math.ceil((entry.retryAt - Date.now()) / 1000);
        return wait > 0 ? `${failure(entry.kind)} · ${t('tile.retryIn', {s: wait})}` : t('state.retrying');
    }
    if (entry.state === 'failed') return failure(entry.kind);
    if (entry.state === 'live') return `${t('state.live')} ${duration(Math.max(1, Math.floor((Date.now() - entry.since) / 1000)) * 1000)}`;
    return t(`state.${entry.state}`);
}

const KINDS = ['auth', 'busy', 'unreachable', 'config', 'unsupported', 'not_found', 'gone', 'ended', 'protocol'];

/** Words for the class of a failure. @param {string} kind */
export const failure = kind => KINDS.includes(kind) ? t(`fail.${kind}`) : t('state.failed');

/** What a person can do about it; empty where there is no advice. @param {string} kind */
export const hint = kind => has(`hint.${kind}`) ? t(`hint.${kind}`) : '';
