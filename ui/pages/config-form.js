/**
 * The configuration as a form: the keys of the schema that have one value, with their defaults and what they are for. Each field changes its own place in the
 * text, which stays what is checked and put in force; what a form cannot show is left in it as it is.
 */
import {h, say} from '../lib/dom.js';
import {t} from '../lib/i18n.js';
import {docsOf} from '../lib/yaml-path.js';
import {outline, readAt, withValue, written} from '../lib/yaml-edit.js';

/** @typedef {{path: string[], about: string, fallback: string, options: string[]|null, plain: boolean}} Field `options`: what it takes; `plain`: no text, but a number, a time or a word */

/** An empty text, as it is written: an empty field stands for the default. */
const EMPTY = '""';
/** Keys within keys that are still shown. */
const DEEPEST = 3;

/** @param {any} value */
const shown = value => value === undefined || value === null ? '' : value === '' ? EMPTY : String(value);

/** What of a schema has one value. @param {any} schema @param {string[]} path @returns {Field[]} */
export function fieldsOf(schema, path) {
    const types = [schema.type].flat(), choice = [schema, ...schema.anyOf ?? []].find(one => one.enum)?.enum;
    const field = (/** @type {string[]|null} */ options, /** @type {boolean} */ plain) => [{path, about: schema.description ?? '', fallback: shown(schema.default), options, plain}];
    if (choice) return field(choice.filter((/** @type {any} */ one) => one !== null).map(shown), true);
    if (schema.properties) return path.length < DEEPEST ? Object.entries(schema.properties).flatMap(([key, inner]) => fieldsOf(inner, [...path, key])) : [];
    if (types.includes('array') || types.includes('object')) return [];
    // Times are texts with a pattern.
    if (types.includes('string')) return field(null, Boolean(schema.pattern));
    if (types.includes('boolean')) return field(['true', 'false'], true);
    return types.includes('integer') || types.includes('number') ? field(null, true) : [];
}

export class Form {
    /** @type {{field: Field, input: any, error: HTMLElement, locked: HTMLElement}[]} */
    #fields = [];
    /** @type {{node: any, count: HTMLElement, names: string[][]}[]} */
    #sections = [];
    #fresh = true;

    /** @param {any} schema @param {{text: () => string, put: (text: string) => void, readonly: boolean}} file */
    constructor(schema, file) {
        this.file = file;
        for (const [name, inner] of Object.entries(schema.properties ?? {})) {
            const fields = fieldsOf(inner, [name]);
            if (!fields.length) continue;
            const count = h('span', {class: 'muted small'}), node = h('details', {class: 'card'}, h('summary', null, h('strong', {class: 'mono'}, name), ' ', count),
                inner.properties && inner.description && h('p', {class: 'muted small'}, inner.description), docsOf(schema, [name]) && h('p', {class: 'small'}, h('a', {href: docsOf(schema, [name]), target: '_blank', rel: 'noreferrer'}, t('config.docs'))), h('div', {class: 'fields'}, fields.map(field => this.#row(field))));
            this.#sections.push({node, count, names: fields.map(field => field.path)});
        }
        this.node = h('form', {class: 'stack', hidden: true, autocomplete: 'off', onsubmit: (/** @type {Event} */ ev) => ev.preventDefault()}, h('p', {class: 'muted small'}, t('config.formAbout')), this.#sections.map(one => one.node));
    }

    /** @param {Field} field */
    #row(field) {
        const {path, about, fallback, options} = field, id = `field-${path.join('-')}`, name = path.slice(Math.min(1, path.length - 1)).join('.');
        /** The text from before this field was entered: what is typed on the way leaves nothing. */
        let base = '';
        const props = {'aria-describedby': id, spellcheck: 'false', autocapitalize: 'off', onfocus: () => base = this.file.text(), oninput: () => {
            // One that is chosen, or filled in by the browser, may not have been entered.
            const text = withValue(document.activeElement === input && !options ? base : this.file.text(), path, input.value === '' ? null : input.value === EMPTY ? EMPTY : written(input.value, field.plain));
            if (text !== null) this.file.put(text);
        }};
        const secret = /password|credential|_key$/.test(path.at(-1) ?? '');
        const input = options ? h('select', props, h('option', {value: ''}, fallback ? t('config.byDefault', {value: fallback}) : t('config.unset')), options.map(one => h('option', {value: one}, one)))
            : h('input', {type: secret ? 'password' : 'text', autocomplete: secret ? 'new-password' : 'off', placeholder: fallback, ...props});
        const error = h('p', {class: 'state small', hidden: true}), locked = h('p', {class: 'muted small', hidden: true}, t('config.formLocked'));
        this.#fields.push({field, input, error, locked});
        return h('div', {class: 'stack'}, h('label', {class: 'field'}, h('span', {class: 'mono'}, name), input), h('div', {id}, error, locked, about && h('p', {class: 'muted small'}, about)));
    }

    /** Shows what stands in the text. @param {import('../types.js').ConfigProblem[]} problems of it */
    show(problems) {
        const file = outline(this.file.text()), set = new Set();
        for (const {field: {path}, input, error, locked} of this.#fields) {
            const value = readAt(file, path), name = path.join('.'), problem = problems.find(one => one.path === name);
            if (value !== undefined) set.add(path);
            locked.hidden = value !== null;
            input.disabled = value === null || this.file.readonly;
            // Who writes there is not disturbed.
            if (document.activeElement !== input) {
                const text = shown(value);
                if (input.options && ![...input.options].some(one => one.value === text)) input.append(h('option', {value: text}, text));
                input.value = text;
            }
            input.setAttribute('aria-invalid', String(Boolean(problem)));
            error.hidden = !problem;
            error.dataset.state = problem?.severity === 'error' ? 'fail' : 'warn';
            say(error, problem?.text ?? '');
        }
        for (const {node, count, names} of this.#sections) {
            const n = names.filter(path => set.has(path)).length;
            say(count, n ? t('config.formSet', {n}) : '');
            if (this.#fresh) node.open = n > 0;
        }
        this.#fresh = false;
    }

    /** Goes to a field. @param {string} name with dots @returns {boolean} there is one */
    focus(name) {
        const found = this.#fields.find(({field, input}) => field.path.join('.') === name && !input.disabled);
        if (!found) return false;
        found.input.closest('details').open = true;
        found.input.focus();
        return true;
    }
}
