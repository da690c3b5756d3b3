/**
 * What can be done with streams of the table: keep them warm, try them again, end their viewers, delete them with a way back.
 */
import {button, h} from '../lib/dom.js';
import {t} from '../lib/i18n.js';
import {viewOnly} from '../lib/may.js';
import {call, etag, explain, getJson} from '../lib/server.js';
import {ask, endSession, watches} from '../shell/ask.js';
import {toast} from '../shell/shell.js';

/** Milliseconds after which it is told that something runs. */
const SLOW = 400;

/** A button that is busy keeps the focus. @param {Element} node @param {boolean} busy */
function mark(node, busy) {
    for (const name of ['aria-busy', 'aria-disabled']) node.setAttribute(name, String(busy));
}

/** @param {import('../lib/streams.js').Streams} streams */
export function actions(streams) {
    /** What runs: its words, and for which stream. @type {Set<string>} */
    const running = new Set();
    const tell = () => streams.dispatchEvent(new Event('change'));

    /**
     * Runs something, once at a time. What was pressed shows it; what takes longer is told.
     * @param {string} text what it is called @param {string} of the stream; empty: those that are selected @param {() => Promise<string>} run gives what to say
     */
    async function act(text, of, run) {
        const key = `${text}\n${of}`, slow = setTimeout(() => toast(`${text}… ${of}`.trim(), {seconds: 60}), SLOW);
        if (running.has(key)) return clearTimeout(slow);
        running.add(key);
        tell();
        const said = await run().catch(explain);
        clearTimeout(slow);
        running.delete(key);
        toast(said);
        tell();
        streams.load();
    }

    /**
     * A button for that, with its state while it runs: it keeps the focus. @param {string} text @param {() => Promise<string>} run @param {{of?: string, icon?: string, class?: string}} [more]
     * @returns {{node: HTMLButtonElement, update: () => void}}
     */
    function deed(text, run, {of = '', ...more} = {}) {
        const node = button(text, () => act(text, of, run), more);
        return {node, update: () => {
            mark(node, running.has(`${text}\n${of}`));
        }};
    }

    /** Keeps them warm; if all of them are, not any more. @param {string[]} names */
    async function warm(names) {
        const kept = await getJson('api/preload'), on = !names.every(name => Object.hasOwn(kept, name));
        for (const name of names) if (Object.hasOwn(kept, name) !== on) await call(on ? 'PUT' : 'DELETE', 'api/preload', {query: {src: name}});
        if (names.length > 1) return t(on ? 'streams.warmAll' : 'streams.warmNone');
        return t(on ? 'streams.warmOn' : 'streams.warmOff', {name: names[0]});
    }

    /** Opens it for a moment. @param {string} name */
    async function retry(name) {
        await call('GET', 'api/streams', {query: {src: name, video: 'all', audio: 'all'}, limit: 60_000});
        return t('streams.answers', {name});
    }

    /** Ends who watches, and nobody else; where that fails, the others are ended all the same. @param {string[]} names */
    async function kick(names) {
        let n = 0, /** @type {unknown} */ failed;
        const fails = (/** @type {unknown} */ err) => {
            failed ??= err;
        };
        for (const name of names) {
            const {sessions} = await getJson('api/rs/sessions', {stream: name, ended: '0'}).catch(err => {
                fails(err);
                return {sessions: []};
            });
            for (const one of sessions.filter(watches)) await endSession(one.id).then(({ok}) => ok && n++, fails);
        }
        return [(n || !failed) && t('streams.kicked', {n}), failed && explain(failed)].filter(Boolean).join('\n');
    }

    /** Asks for the name, or how many they are; what is deleted can be taken back for ten seconds. @param {string[]} names */
    function remove(names) {
        if (viewOnly()) return toast(t('common.forbidden'));
        const one = names.length === 1, name = one ? names[0] : t('streams.count', {n: names.length}), key = one ? name : String(names.length);
        const word = h('input', {type: 'text', autocomplete: 'off', spellcheck: 'false', 'aria-label': t(one ? 'streams.typeName' : 'streams.typeCount')});
        const dialog = ask({
            title: t('streams.deleteTitle', {name}), body: [!one && h('p', {class: 'mono'}, names.join(', ')), h('label', {class: 'field'}, t(one ? 'streams.typeName' : 'streams.typeCount'), word)],
            yes: t('streams.delete', {n: names.length}), danger: true,
            onyes: () => act(t('streams.delete', {n: names.length}), name, async () => {
                mark(yes, true);
                const {gone, failed, undo} = await take(names), text = [gone.length && t('streams.deleted', {name: gone[0], n: gone.length}), failed && explain(failed)].filter(Boolean).join('\n');
                if (undo) setTimeout(() => toast(text, {undo: () => act(t('common.undo'), '', undo)}));
                return text;
            }),
        });
        const yes = /** @type {HTMLButtonElement} */ (dialog.querySelector('.danger'));
        yes.disabled = true;
        word.addEventListener('input', () => yes.disabled = word.value !== key);
    }

    /** Deletes streams; one that does not go is no reason to leave the others. @param {string[]} names @returns {Promise<{gone: string[], failed: unknown, undo: (() => Promise<string>)|null}>} `undo`: takes it back; `null` if there is no way */
    async function take(names) {
        const file = () => call('GET', 'api/config').catch(() => null), before = await file(), text = await before?.text(), gone = [];
        let base = before && text ? etag(before) : '', /** @type {unknown} */ failed;
        for (const name of names) {
            const src = (streams.all.get(name)?.json.producers ?? []).map(p => p.url ?? '').filter(Boolean);
            try {
                await call('DELETE', 'api/streams', {query: {src: name}});
            } catch (err) {
                failed ??= err;
                continue;
            }
            const after = base && await file(), now = after ? etag(after) : '';
            gone.push({name, src, filed: now !== base});
            base = now;
        }
        // Who sees the file as it is can put it back as it was, unless it is changed from now on. What it does not have is set again.
        const filed = gone.filter(one => base && one.filed), loose = gone.filter(one => !filed.includes(one) && one.src.length && !one.src.some(s => s.includes('***'))), back = [...filed, ...loose];
        return {gone: gone.map(one => one.name), failed, undo: back.length ? async () => {
            const {status} = filed.length ? await call('POST', 'api/rs/config/apply', {query: {base}, body: text, accept: [409]}) : {status: 0};
            for (const {name, src} of loose) await call('PUT', 'api/streams', {query: {name, src}});
            return t(status === 409 ? 'streams.backConflict' : 'streams.back', {name: back[0].name, n: back.length});
        } : null};
    }

    return {deed, warm, retry, kick, remove};
}
