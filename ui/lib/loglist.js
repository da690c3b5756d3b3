/**
 * The lines of the log: parsed, folded when they repeat, filtered. Pure.
 */

/** Lines that are kept. */
const MOST = 5000;
/** Lines that a loaded log may be ahead of the events. */
const AHEAD = 50;
/** Those that one can ask for, the least important first. */
export const LEVELS = ['trace', 'debug', 'info', 'warn', 'error'];
const ORDER = [...LEVELS, 'fatal', 'panic'];

/**
 * @typedef {{at: number, level: string, module: string, message: string, fields: Partial<import('../types.js').LogRecord>, count: number, key: string}} Line
 */

/** A record of the log as a line; one that is no JSON is its message. @param {Partial<import('../types.js').LogRecord>} record @returns {Line} */
export function lineOf(record) {
    const {level = '', message = '', time, at, ...rest} = record;
    const found = /^\[([\w.-]+)\] ?/.exec(message);
    const values = Object.entries(rest).map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`).join(' ');
    const text = [found ? message.slice(found[0].length) : message, values].filter(Boolean).join('  ');
    const stamp = typeof time === 'number' && time > 1e11 ? time : typeof time === 'string' ? Date.parse(time) || 0 : Number(at) || 0;
    return {at: stamp, level, module: found?.[1] ?? '', message: text, fields: record, count: 1, key: `${level}|${message}|${values}`};
}

export class LogList {
    /** @type {Line[]} */
    all = [];
    /** Those that the filter lets through. @type {Line[]} */
    shown = [];
    /** Of those, how many have gone at the beginning to make room; who has seen to that sets it to 0. */
    dropped = 0;
    /** @type {Set<string>} */
    modules = new Set();
    /** @type {Set<string>} */
    streams = new Set();
    filter = {level: '', modules: /** @type {string[]} */ ([]), stream: '', words: ''};

    /**
     * Takes the whole log, one JSON object per line.
     * @param {string} text
     * @param {import('../types.js').LogRecord[]} [meanwhile] written while it was on its way: its end may have the first of them, or all and more
     */
    set(text, meanwhile = []) {
        const lines = text.split('\n').filter(Boolean).map(line => {
            try {
                return lineOf(JSON.parse(line));
            } catch {
                return lineOf({message: line});
            }
        });
        const late = meanwhile.map(lineOf), same = (/** @type {Line} */ a, /** @type {Line} */ b) => a.key === b.key && a.fields.time === b.fields.time;
        let from = Math.max(0, lines.length - late.length - AHEAD);
        while (from < lines.length && !late.every((line, i) => from + i >= lines.length || same(line, lines[from + i]))) from++;
        this.all = [];
        this.shown = [];
        this.modules.clear();
        this.streams.clear();
        for (const line of [...lines, ...late.slice(lines.length - from)]) this.#take(line);
        this.sift();
    }

    /** One more. @param {import('../types.js').LogRecord} record @returns {boolean} it is shown, on a line of its own */
    add(record) {
        const line = lineOf(record);
        if (this.#take(line) || !this.#fits(line)) return false;
        this.shown.push(line);
        return true;
    }

    /** Applies the filter again. */
    sift() {
        this.shown = this.all.filter(line => this.#fits(line));
        this.dropped = 0;
    }

    /** What is shown, as text. */
    text() {
        return this.shown.map(l => `${l.at ? new Date(l.at).toISOString() : ''} ${l.level.toUpperCase()} ${l.module ? `[${l.module}] ` : ''}${l.message}${l.count > 1 ? ` (${l.count} times)` : ''}\n`).join('');
    }

    /** @param {Line} line @returns {boolean} it was the same as the last one */
    #take(line) {
        const last = this.all.at(-1);
        if (last?.key === line.key) {
            last.count++;
            last.at = line.at || last.at;
            return true;
        }
        this.all.push(line);
        if (this.all.length > MOST && this.all.shift() === this.shown[0]) {
            this.shown.shift();
            this.dropped++;
        }
        if (line.module) this.modules.add(line.module);
        if (line.fields.stream) this.streams.add(line.fields.stream);
        return false;
    }

    /** @param {Line} line */
    #fits(line) {
        const {level, modules, stream, words} = this.filter;
        if (level && ORDER.indexOf(line.level) < ORDER.indexOf(level)) return false;
        if (modules.length && !modules.includes(line.module) || stream && line.fields.stream !== stream) return false;
        return !words || `${line.module} ${line.message}`.toLowerCase().includes(words.toLowerCase());
    }
}
