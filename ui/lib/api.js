/**
 * Calls of the server. Addresses are relative to the page, so that everything works under any prefix.
 */
import {t} from './i18n.js';

/** An answer that is no success, with the server's own words. */
export class ApiError extends Error {
    /** @param {number} status 0: the server was not reached @param {string} text */
    constructor(status, text) {
        super(text);
        this.status = status;
    }
}

/** @param {string} path @param {Record<string, string|string[]|undefined>} [query] */
export function address(path, query = {}) {
    const params = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
        for (const one of Array.isArray(value) ? value : value === undefined ? [] : [value]) params.append(name, one);
    }
    const text = params.toString();
    return text ? `${path}?${text}` : path;
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{query?: Record<string, any>, body?: any, signal?: AbortSignal, limit?: number, accept?: number[]}} [options]
 *     `accept`: other status codes that are no error; `limit`: milliseconds, default 15 s
 * @returns {Promise<Response>}
 */
export async function call(method, path, {query, body, signal, limit = 15_000, accept = []} = {}) {
    const signals = [AbortSignal.timeout(limit), ...(signal ? [signal] : [])];
    const plain = body === undefined || typeof body === 'string';
    let response;
    try {
        response = await fetch(address(path, query), {method, cache: 'no-store', signal: AbortSignal.any(signals),
            body: plain ? body : JSON.stringify(body), headers: plain ? {} : {'Content-Type': 'application/json'}});
    } catch (err) {
        if (signal?.aborted) throw err;
        throw new ApiError(0, t('common.unreachable'));
    }
    if (response.ok || accept.includes(response.status)) return response;
    const text = (await response.text().catch(() => '')).trim();
    throw new ApiError(response.status, text.slice(0, 2000) || t('common.status', {status: String(response.status)}));
}

/** @param {string} path @param {Record<string, any>} [query] */
export const getJson = async (path, query) => (await call('GET', path, {query})).json();

/** Which version of a file an answer is, as `base` of a change wants it. @param {Response} response */
export const etag = response => (response.headers.get('ETag') ?? '').replace(/^(W\/)?"|"$/g, '');

/** Ends a viewer; one that has left meanwhile is no error. @param {number} id */
export const endSession = id => call('DELETE', 'api/rs/sessions', {query: {id: String(id)}, accept: [404]});

/** Words for an error of a call. @param {unknown} err */
export function explain(err) {
    if (err instanceof ApiError && (err.status === 401 || err.status === 403)) return `${t('common.forbidden')}\n${err.message}`;
    return err instanceof Error ? err.message : String(err);
}

/** Copies a text, also where the page came over plain HTTP. @param {string} text @returns {Promise<boolean>} */
export async function copyText(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        const area = document.createElement('textarea');
        area.value = text;
        area.className = 'offscreen';
        (document.querySelector('dialog[open]') ?? document.body).append(area);
        area.select();
        const done = document.execCommand('copy');
        area.remove();
        return done;
    }
}

/** Offers a text as a file. @param {string} name @param {Blob|string} content */
export function download(name, content) {
    const blob = typeof content === 'string' ? new Blob([content], {type: 'text/plain'}) : content;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
