/**
 * Still pictures from the cache of the server (`api/rs/poster`): asking for one never wakes a camera.
 */

/** Milliseconds for a picture: others may wait for it. */
const LIMIT = 15_000;
/** The server has no still pictures. */
let absent = false;
/** The first question: the others wait for what comes of it. @type {Promise<any>|null} */
let first = null;

/**
 * The last picture of a stream, or `null` if there is none.
 * @param {string} name
 * @returns {Promise<{url: string, video: boolean, age: number|null}|null>} `url` has to be revoked; `age` in milliseconds
 */
export async function poster(name) {
    if (first) await first;
    if (absent) return null;
    const asked = ask(name);
    first ??= asked;
    return asked;
}

/** @param {string} name */
async function ask(name) {
    try {
        const response = await fetch(`api/rs/poster?src=${encodeURIComponent(name)}`, {signal: AbortSignal.timeout(LIMIT), cache: 'no-store', priority: 'low'});
        if (!response.ok || response.status === 204) {
            if (response.status === 404 && (await response.text()).startsWith('404 page')) absent = true;
            return null;
        }
        const blob = await response.blob();
        const taken = Date.parse(response.headers.get('Last-Modified') ?? '');
        const age = Number(response.headers.get('Age') ?? NaN);
        return {
            url: URL.createObjectURL(blob), video: blob.type.startsWith('video/'),
            age: Number.isFinite(age) ? age * 1000 : Number.isFinite(taken) ? Math.max(0, Date.now() - taken) : null,
        };
    } catch {
        return null;
    }
}
