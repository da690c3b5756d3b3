/**
 * What can be done with streams of the table: keep them warm, try them again, end their viewers, delete them with a way back.
 */
import {h} from '../lib/dom.js';
import {t} from '../lib/i18n.js';
import {call, endSession, etag, explain, getJson} from '../lib/server.js';
import {ask, toast} from '../shell/shell.js';

/** @param {import('../lib/streams.js').Streams} streams */
export function actions(streams) {
    /** @param {() => Promise<string>} run gives what to say */
    async function act(run) {
        try {
            toast(await run());
        } catch (err) {
            toast(explain(err));
        }
        streams.load();
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

    /** @param {string} name */
    async function kick(name) {
        const {sessions} = await getJson('api/rs/sessions', {stream: name, ended: '0'});
        for (const {id} of sessions) await endSession(id);
        return t('streams.kicked', {n: sessions.length});
    }

    /** Asks for the name, or how many they are; what is deleted can be taken back for ten seconds. @param {string[]} names */
    function remove(names) {
        const one = names.length === 1, name = one ? names[0] : t('streams.count', {n: names.length}), key = one ? name : String(names.length);
        const word = h('input', {type: 'text', autocomplete: 'off', spellcheck: 'false', 'aria-label': t(one ? 'streams.typeName' : 'streams.typeCount')});
        const dialog = ask({
            title: t('streams.deleteTitle', {name}), body: [!one && h('p', {class: 'mono'}, names.join(', ')), h('label', {class: 'field'}, t(one ? 'streams.typeName' : 'streams.typeCount'), word)],
            yes: t('streams.delete', {n: names.length}), danger: true,
            onyes: () => act(async () => {
                const undo = await take(names), text = t('streams.deleted', {name, n: names.length});
                if (undo) setTimeout(() => toast(text, {undo: () => act(undo)}));
                return text;
            }),
        });
        const yes = /** @type {HTMLButtonElement} */ (dialog.querySelector('.danger'));
        yes.disabled = true;
        word.addEventListener('input', () => yes.disabled = word.value !== key);
    }

    /** Deletes streams. @param {string[]} names @returns {Promise<(() => Promise<string>)|null>} how to take that back; `null` if there is no way */
    async function take(names) {
        const what = {name: names[0], n: names.length}, file = () => call('GET', 'api/config').catch(() => null), before = await file(), text = await before?.text();
        const all = names.map(name => ({name, src: (streams.all.get(name)?.json.producers ?? []).map(p => p.url ?? '').filter(Boolean)}));
        for (const name of names) await call('DELETE', 'api/streams', {query: {src: name}});
        // Who sees the file as it is can put it back as it was, unless it is changed from now on.
        const after = before && etag(before) && text ? await file() : null, base = after ? etag(after) : '';
        if (base) {
            return async () => {
                const {status} = await call('POST', 'api/rs/config/apply', {query: {base}, body: text, accept: [409]});
                return t(status === 409 ? 'streams.backConflict' : 'streams.back', what);
            };
        }
        if (all.some(({src}) => !src.length || src.some(s => s.includes('***')))) return null;
        return async () => {
            for (const query of all) await call('PUT', 'api/streams', {query});
            return t('streams.back', what);
        };
    }

    return {act, warm, retry, kick, remove};
}
