/**
 * Single values of a configuration, read and written in its text: comments, order and all that is not known here stay as they are. Pure. What is
 * written in a way that is not known for certain (references, blocks of text, braces over several lines) is `null`: nothing is done there.
 */
import {keyOf, nameOf} from './yaml-path.js';

/** @typedef {{lines: string[], at: Map<string, number>, whole: boolean}} Outline lines, and which of them has a key, by its path; `whole`: all that is opened is closed */
/** @typedef {{key: string, from: number, to: number, value: [number, number], raw: string|null}} Pair of braces; `raw`: what is written there, `null`: more braces */

const id = (/** @type {string[]} */ path) => path.join('\0');
const indentOf = (/** @type {string} */ line) => line.search(/\S/);
const isComment = (/** @type {string} */ line) => /^\s*(#|$)/.test(line);

/** What of a line is still open at its end: braces, and a quoted text. @param {string} body @param {{depth: number, quote: string}} was */
function openAfter(body, {depth, quote}) {
    if (!depth && !quote && !/^[{["']/.test(body)) return {depth, quote};
    for (let i = 0, last = ''; i < body.length; i++) {
        const c = body[i];
        if (quote) {
            if (quote === '"' ? c === '\\' : c === quote && body[i + 1] === c) i++;
            else if (c === quote) quote = '';
        } else if (c === '#' && /^\s?$/.test(body[i - 1] ?? '')) break;
        else if ((c === '"' || c === '\'') && /^[{[,:]?$/.test(last)) quote = c;
        else if (c === '{' || c === '[') depth++;
        else if (c === '}' || c === ']') depth--;
        if (!quote && depth <= 0) return {depth: 0, quote};
        if (c.trim()) last = c;
    }
    return {depth, quote};
}

/** Where all keys of a text stand. @param {string} text @returns {Outline} */
export function outline(text) {
    const lines = text.split('\n'), at = new Map(), open = /** @type {{indent: number, key: string}[]} */ ([]);
    /** Of a key whose value is a block of text. */
    let block = -1, now = {depth: 0, quote: ''};
    for (const [i, line] of lines.entries()) {
        if (now.depth || now.quote) {
            now = openAfter(line, now);
            continue;
        }
        if (isComment(line)) continue;
        if (block >= 0 && indentOf(line) > block) continue;
        block = -1;
        const bare = line.replace(/^\s*(- +)*/, ''), found = /^[{[]/.test(bare) ? null : keyOf(line);
        now = openAfter((found ? line.slice(found.end) : bare).replace(/^\s*([&!]\S*\s+)*/, ''), now);
        if (!found) continue;
        while (open.length && open[open.length - 1].indent >= found.indent) open.pop();
        open.push(found);
        const path = id(open.map(one => one.key));
        if (!at.has(path)) at.set(path, i);
        if (/^\s*[|>][-+\d]*\s*(#.*)?$/.test(line.slice(found.end))) block = found.indent;
    }
    return {lines, at, whole: !now.depth && !now.quote};
}

/** What stands behind a colon: space, the value as it is written, and the comment; `null`: no value on one line. @param {string} rest */
function parts(rest) {
    const lead = /^\s*/.exec(rest)?.[0] ?? '', body = rest.slice(lead.length);
    if (!body || body.startsWith('#')) return {lead, raw: '', tail: body};
    if (/^[[{&*!|>%@`]/.test(body)) return null;
    const quoted = /^(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')/.exec(body)?.[0];
    if (quoted === undefined && /^["']/.test(body)) return null;
    const raw = quoted ?? body.slice(0, /\s+#|\s*$/.exec(body)?.index), tail = body.slice(raw.length);
    return /^(\s*|\s+#.*)$/.test(tail) ? {lead, raw, tail} : null;
}

/** A value as it is meant; `undefined`: none. @param {string} raw */
function meant(raw) {
    if (/^(|~|null)$/i.test(raw)) return undefined;
    return nameOf(raw);
}

/** Is there more below a line? @param {string[]} lines @param {number} i */
function goesOn(lines, i) {
    const own = indentOf(lines[i]), next = lines.slice(i + 1).find(line => !isComment(line)) ?? '';
    return indentOf(next) > own || indentOf(next) === own && /^\s*- /.test(next);
}

/** The pairs of braces on one line; `null`: they are not all there. @param {string} body from its brace on @returns {{pairs: Pair[], close: number}|null} */
function flow(body) {
    const pairs = /** @type {Pair[]} */ ([]), token = /\s*(?:("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s,:{}[\]"'#&*!|>%@`][^,:{}[\]#]*?)\s*:\s+)/y;
    let at = 1;
    for (;;) {
        at += /^\s*/.exec(body.slice(at))?.[0].length ?? 0;
        if (body[at] === '}') return /^\s*(#.*)?$/.test(body.slice(at + 1)) ? {pairs, close: at} : null;
        token.lastIndex = at;
        const head = token.exec(body);
        if (!head) return null;
        const begin = token.lastIndex;
        let end = begin, depth = 0;
        for (let quote = ''; end < body.length; end++) {
            const c = body[end];
            if (quote) {
                if (c === '\\' && quote === '"') end++;
                else if (c === quote) quote = '';
            } else if ((c === '"' || c === '\'') && (depth || end === begin)) quote = c;
            else if (c === '{' || c === '[') depth++;
            else if (depth && (c === '}' || c === ']')) depth--;
            else if (!depth && (c === ',' || c === '}')) break;
        }
        if (end >= body.length) return null;
        const raw = body.slice(begin, end).trimEnd();
        pairs.push({key: nameOf(head[1]), from: at, to: begin + raw.length, value: [begin, begin + raw.length], raw: /^[[{&*!]/.test(raw) ? null : raw});
        at = end + (body[end] === ',' ? 1 : 0);
    }
}

/** The line of the nearest key above a path, and how much of the path that is; length 0: none. @param {Outline} file @param {string[]} path */
function above({at}, path) {
    for (let n = path.length - 1; n > 0; n--) {
        const line = at.get(id(path.slice(0, n)));
        if (line !== undefined) return {line, n};
    }
    return {line: -1, n: 0};
}

/**
 * What stands at a place: `undefined`: nothing; `null`: not one value, or not known for certain.
 * @param {Outline} file @param {string[]} path
 * @returns {string|undefined|null}
 */
export function readAt(file, path) {
    const {lines, at} = file, own = at.get(id(path));
    if (!file.whole) return null;
    if (own !== undefined) {
        const found = parts(lines[own].slice(keyOf(lines[own])?.end));
        return found && !goesOn(lines, own) ? meant(found.raw) : null;
    }
    const {line, n} = above(file, path);
    if (line < 0) return lines.some(one => /^([{[]|\.\.\.|--- *[^\s#])/.test(one)) ? null : undefined;
    const rest = lines[line].slice(keyOf(lines[line])?.end).trim();
    if (!rest || rest.startsWith('#')) return goesOn(lines, line) && noKeyBelow(lines, line) ? null : undefined;
    return rest.startsWith('{') ? readIn(rest, path.slice(n)) : null;
}

/** The same within braces. @param {string} body @param {string[]} path @returns {string|undefined|null} */
function readIn(body, [key, ...path]) {
    const braces = flow(body), pair = braces?.pairs.find(one => one.key === key);
    if (!braces) return null;
    if (!pair) return undefined;
    if (path.length) return pair.raw === null && body[pair.value[0]] === '{' ? readIn(body.slice(...pair.value), path) : null;
    return pair.raw === null ? null : meant(pair.raw);
}

/** @param {string[]} lines @param {number} i */
function noKeyBelow(lines, i) {
    const next = lines.slice(i + 1).find(line => !isComment(line)) ?? '';
    return /^\s*(- |[{[])/.test(next) || !keyOf(next);
}

/**
 * The text with another value at a place; `null`: it is not known how.
 * @param {string} text @param {string[]} path @param {string|null} raw as it is to be written; `null`: nothing
 * @returns {string|null}
 */
export function withValue(text, path, raw) {
    const file = outline(text), {lines, at} = file, now = readAt(file, path), own = at.get(id(path));
    if (now === null) return null;
    if (own !== undefined) {
        if (raw === null) return without(file, path);
        const end = keyOf(lines[own])?.end ?? 0, {lead = '', raw: was = '', tail = ''} = parts(lines[own].slice(end)) ?? {};
        return lines.with(own, lines[own].slice(0, end) + (was && lead || ' ') + raw + (was || !tail ? tail : ` ${tail}`)).join('\n');
    }
    const {line, n} = above(file, path), rest = line < 0 ? '' : lines[line].slice(keyOf(lines[line])?.end);
    if (rest.trim().startsWith('{')) {
        const start = lines[line].length - rest.trimStart().length;
        return lines.with(line, lines[line].slice(0, start) + writeIn(rest.trim(), path.slice(n), raw) + (/\s*$/.exec(rest)?.[0] ?? '')).join('\n');
    }
    if (raw === null) return text;
    const eol = text.includes('\r\n') ? '\r' : '', level = line < 0 ? -2 : indentOf(lines[line]);
    let last = line, pad = '';
    for (let i = line + 1; line >= 0 && i < lines.length && (isComment(lines[i]) || indentOf(lines[i]) > level); i++) {
        if (isComment(lines[i])) continue;
        pad ||= ' '.repeat(indentOf(lines[i]));
        last = i;
    }
    pad ||= ' '.repeat(level + 2);
    const added = path.slice(n).map((key, i, all) => `${pad}${'  '.repeat(i)}${key}:${i === all.length - 1 ? ` ${raw}` : ''}${eol}`);
    if (line >= 0) return lines.toSpliced(last + 1, 0, ...added).join('\n');
    return `${text && `${text.trimEnd()}${eol}\n`}${added.join('\n')}\n`;
}

/** Braces with another value in them. @param {string} body @param {string[]} path @param {string|null} raw @returns {string} */
function writeIn(body, path, raw) {
    const {pairs, close} = /** @type {NonNullable<ReturnType<typeof flow>>} */ (flow(body)), i = pairs.findIndex(one => one.key === path[0]), pair = pairs[i], tail = body.slice(close + 1);
    if (pair && (path.length > 1 || raw !== null)) return body.slice(0, pair.value[0]) + (path.length > 1 ? writeIn(body.slice(...pair.value), path.slice(1), raw) : raw) + body.slice(pair.value[1]);
    if (pair && pairs.length === 1) return `{}${tail}`;
    if (pair) return i ? body.slice(0, pairs[i - 1].to) + body.slice(pair.to) : body.slice(0, pair.from) + body.slice(pairs[1].from);
    if (raw === null) return body;
    const added = path.reduceRight((inner, key, n) => `${key}: ${n === path.length - 1 ? inner : `{${inner}}`}`, raw), last = pairs.at(-1);
    return last ? `${body.slice(0, last.to)}, ${added}${body.slice(last.to)}` : `{${added}}${tail}`;
}

/** The text without a line, and without the keys above that have nothing left. @param {Outline} file @param {string[]} path */
function without({lines, at}, path) {
    let left = lines.toSpliced(at.get(id(path)) ?? -1, 1);
    for (let n = path.length - 1; n > 0; n--) {
        const i = at.get(id(path.slice(0, n))) ?? -1, own = indentOf(left[i]), next = left[i + 1] ?? '';
        if (left[i].slice(keyOf(left[i])?.end).trim() || indentOf(next) > own || goesOn(left, i)) break;
        left = left.toSpliced(i, 1);
    }
    return left.join('\n');
}

/** Words that YAML takes for something else. */
const SPECIAL = /^(true|false|yes|no|on|off|y|n|null)$/i;

/** A value as it is written. @param {string} value @param {boolean} plain it is a number, a time or a choice, not a text */
export const written = (value, plain) => /^[\w./-]+$/.test(value) && (plain ? !/^(yes|no|on|off|y|n|null)$/i.test(value) : /^[A-Za-z/][\w./-]*$/.test(value) && !SPECIAL.test(value)) ? value : JSON.stringify(value);
