/**
 * A camera that the wizard saves: in force, and written into the file. Words tell what of that did not work.
 */
import {t} from '../lib/i18n.js';
import {call, explain, getJson} from '../lib/server.js';

/**
 * @param {string} one name
 * @param {string} source
 * @param {string|null} linger how long a new one is held; `null`: there is one of this name, which keeps its own
 * @returns {Promise<string>} what did not work although it is there
 */
export async function put(one, source, linger) {
    let warning = '';
    if (linger) {
        try {
            await call('PATCH', 'api/config', {body: {streams: {[one]: {url: source, linger}}}});
            return '';
        } catch (err) {
            warning = `${t('add.linger')}: ${explain(err)} `;
        }
    }
    try {
        await call('PUT', 'api/streams', {query: {name: one, src: source}});
        return warning;
    } catch (err) {
        // A new one may be there although the file could not be written; one that was there is as it was.
        const now = await getJson('api/streams').catch(() => ({}));
        if (linger === null || !Object.hasOwn(now, one)) throw err;
        return `${warning}${t('add.untilRestart')} ${explain(err)}`;
    }
}
