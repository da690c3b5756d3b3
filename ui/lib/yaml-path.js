/**
 * Where in a configuration a line is, by its indentation, and what the schema knows about that place. Pure; enough for the
 * block style that configurations are written in, and silent where it is not sure.
 */

import {isFileOnly} from './source.js';

/** What a key is called. @param {string} raw as it is written */
export function nameOf(raw) {
    if (raw.startsWith('\'')) return raw.slice(1, -1).replaceAll('\'\'', '\'');
    if (!raw.startsWith('"')) return raw;
    try {
        return JSON.parse(raw);
    } catch {
        // An escape that JSON does not have.
        return raw.slice(1, -1);
    }
}

/** The key of a line, its indentation, and where what stands behind its colon begins; `null` for a line without one. @param {string} line */
export function keyOf(line) {
    // To look takes the square of the length.
    if (line.length > 2000) return null;
    const found = /^(\s*)(?:- )?("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|(?:[^\s#:'"-]|[:-](?=\S))(?:[^:#]|:(?=\S)|(?<=\S)#)*?)\s*:(?:\s|$)/.exec(line);
    return found && {indent: found[1].length, key: nameOf(found[2]), end: found[0].replace(/\s$/, '').length};
}

/**
 * The keys that a line stands below.
 * @param {string[]} lines
 * @param {number} index of the line
 * @param {number} indent of what is about to be written there
 * @returns {string[]}
 */
export function parents(lines, index, indent) {
    const path = [];
    let limit = indent;
    for (let i = index - 1; i >= 0 && limit > 0; i--) {
        const line = lines[i];
        if (!line.trim() || line.trim().startsWith('#')) continue;
        const found = keyOf(line);
        if (!found || found.indent >= limit) continue;
        path.unshift(found.key);
        limit = found.indent;
    }
    return path;
}

/** The whole path of the key that a line has. @param {string[]} lines @param {number} index @returns {string[]|null} */
export function pathOf(lines, index) {
    const found = keyOf(lines[index] ?? '');
    return found && [...parents(lines, index, found.indent), found.key];
}

/** The number of the line with a key, from 1 on; 0: it is not there in block style. @param {string} text @param {string[]} path */
export function lineOfKey(text, path) {
    const lines = text.split('\n'), whole = JSON.stringify(path);
    return 1 + lines.findIndex((line, i) => keyOf(line)?.key === path.at(-1) && JSON.stringify(pathOf(lines, i)) === whole);
}

/** The numbers of the lines whose source starts a program. @param {string} text */
export function programs(text) {
    const lines = text.split('\n');
    return lines.flatMap((line, i) => {
        const found = keyOf(line), value = found ? line.slice(found.end) : /^\s*- (.*)$/.exec(line)?.[1] ?? '';
        const starts = value.replace(/^\s*\[|]\s*$/g, '').split(/,\s+/).some(one => isFileOnly(one.trim().replace(/^["']/, '')));
        return starts && parents(lines, i, line.search(/\S/))[0] === 'streams' ? [i + 1] : [];
    });
}

/** Where the documentation of a key is; empty: not told. @param {any} schema @param {string[]} path @returns {string} */
export const docsOf = (schema, path) => schema?.properties?.[path[0]]?.['x-docs'] ?? '';

/**
 * The text with one more address that WebRTC offers; `null`: what is there is not written in a way that is known for certain.
 * @param {string} text @param {string} candidate
 */
export function withCandidate(text, candidate) {
    const lines = text.split('\n'), entry = JSON.stringify(candidate), pair = `candidates: [${entry}]`;
    const at = lineOfKey(text, ['webrtc']), list = lineOfKey(text, ['webrtc', 'candidates']), below = list || at, head = lines[below - 1];
    if (!at) return /^[{.]/m.test(text) ? null : `${text && `${text.trimEnd()}\n`}webrtc:\n  ${pair}\n`;
    if (/:\s*(#.*)?$/.test(head)) {
        const next = lines.find((line, i) => i >= below && /^\s*[^\s#]/.test(line)) ?? '', [own, first] = [head, next].map(line => line.slice(0, line.search(/\S|$/)));
        if (list ? !/^\s*- /.test(next) : first > own && !/^\s*[\w"'.-]+\s*:/.test(next)) return null;
        return lines.toSpliced(below, 0, list ? `${first}- ${entry}` : (first > own ? first : `${own}  `) + pair).join('\n');
    }
    return list && /:\s*\[/.test(head) ? lines.with(below - 1, head.replace(/(:\s*\[)\s*(]?)/, (_, open, end) => `${open}${entry}${end || ', '}`)).join('\n') : null;
}

/**
 * The part of a schema for a path; `null` if it knows none.
 * @param {any} schema
 * @param {string[]} path
 */
export function lookup(schema, path) {
    let at = schema;
    for (const key of path) {
        const branches = [at, ...(at?.anyOf ?? []), ...(at?.oneOf ?? [])];
        const next = branches.map(b => b?.properties?.[key] ?? (b?.additionalProperties && typeof b.additionalProperties === 'object' ? b.additionalProperties : null)).find(Boolean);
        if (!next) return null;
        at = next;
    }
    return at;
}

/** Names below a place, with their schemas. @param {any} schema @returns {[string, any][]} */
export const children = schema => [schema, ...(schema?.anyOf ?? []), ...(schema?.oneOf ?? [])].flatMap(b => Object.entries(b?.properties ?? {}));

/** Values that a place takes, as they are written. @param {any} schema @returns {string[]} */
export function values(schema) {
    const branches = [schema, ...(schema?.anyOf ?? []), ...(schema?.oneOf ?? [])];
    const found = branches.flatMap(b => [...(b?.enum ?? []), ...(b?.const !== undefined ? [b.const] : []), ...(b?.examples ?? []), ...(b?.type === 'boolean' ? [true, false] : []), ...(b?.default !== undefined ? [b.default] : [])]);
    return [...new Set(found.filter(v => v !== null && typeof v !== 'object').map(v => v === '' ? '""' : String(v)))];
}

/** What a place is, in a few lines. @param {any} schema */
export function describe(schema) {
    const type = schema?.enum ? schema.enum.join(' | ') : [schema?.type].flat().filter(Boolean).join(' | ') || (schema?.anyOf ?? schema?.oneOf ?? []).map((/** @type {any} */ b) => b.type).filter(Boolean).join(' | ');
    return [schema?.description, type, schema?.default !== undefined ? `= ${JSON.stringify(schema.default)}` : ''].filter(Boolean).join('\n');
}
