/**
 * The text of the configuration: CodeMirror with completion and explanations from the schema, and the server's problems where they
 * are. It lives in a shadow root, where its styles are allowed by the page's policy.
 */
import * as cm from '../vendor/codemirror.js';
import {t} from '../lib/i18n.js';
import {h} from '../lib/dom.js';
import {children, describe, docsOf, lookup, parents, pathOf, programs, values} from '../lib/yaml-path.js';

/** @typedef {{line: number, column: number, path: string, text: string, severity: string}} Problem */

export class Editor {
    /**
     * @param {HTMLElement} host
     * @param {{text: string, readonly?: boolean, schema: any, onchange: () => void, oncheck: () => void, onreview: () => void, onleave: () => void}} options
     */
    constructor(host, options) {
        this.options = options;
        const root = host.attachShadow({mode: 'open'});
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(':host { display: block; height: 100%; } .cm-editor { height: 100%; }');
        root.adoptedStyleSheets = [sheet];
        let leaving = false;
        this.view = new cm.EditorView({
            parent: root, root,
            state: cm.EditorState.create({
                doc: options.text,
                extensions: [
                    cm.lineNumbers(), cm.highlightActiveLineGutter(), cm.highlightActiveLine(), cm.history(), cm.drawSelection(), cm.indentOnInput(), cm.indentUnit.of('  '),
                    cm.EditorState.readOnly.of(options.readonly ?? false), cm.yaml(), cm.search({top: true}), cm.lintGutter(),
                    cm.autocompletion({override: [(/** @type {any} */ context) => this.#complete(context)]}), cm.hoverTooltip((/** @type {any} */ view, /** @type {number} */ pos) => this.#explain(view, pos)),
                    cm.EditorView.contentAttributes.of({'aria-label': t('config.text')}), cm.EditorView.lineWrapping,
                    cm.syntaxHighlighting(cm.HighlightStyle.define([
                        {tag: [cm.tags.definition(cm.tags.propertyName), cm.tags.propertyName], color: 'var(--accent)'}, {tag: cm.tags.comment, color: 'var(--muted)'},
                        {tag: [cm.tags.string, cm.tags.content], color: 'var(--text)'}, {tag: [cm.tags.keyword, cm.tags.bool, cm.tags.number, cm.tags.atom], color: 'var(--info)'},
                    ])),
                    theme(), cm.EditorView.decorations.compute(['doc'], marked),
                    cm.keymap.of([
                        {key: 'Mod-s', run: () => {
                            options.oncheck();
                            return true;
                        }},
                        {key: 'Mod-Enter', run: () => {
                            options.onreview();
                            return true;
                        }},
                        {key: 'F8', run: cm.nextDiagnostic},
                        {key: 'Enter', run: deeper},
                        // Escape, then Tab leaves: nobody is caught in the editor.
                        {key: 'Escape', run: () => {
                            leaving = true;
                            options.onleave();
                            return false;
                        }},
                        {key: 'Tab', run: (/** @type {any} */ view) => {
                            const stays = !leaving && (cm.indentWithTab.run?.(view) ?? false);
                            leaving = false;
                            return stays;
                        }, shift: (/** @type {any} */ view) => {
                            const stays = !leaving && (cm.indentWithTab.shift?.(view) ?? false);
                            leaving = false;
                            return stays;
                        }},
                        ...cm.keys,
                    ]),
                    cm.EditorView.updateListener.of((/** @type {any} */ update) => {
                        if (!update.docChanged) return;
                        leaving = false;
                        options.onchange();
                    }),
                ],
            }),
        });
    }

    get text() {
        return this.view.state.doc.toString();
    }

    set text(text) {
        this.view.dispatch({changes: {from: 0, to: this.view.state.doc.length, insert: text}});
    }

    /** @param {Problem[]} problems */
    mark(problems) {
        const {doc} = this.view.state;
        this.view.dispatch(cm.setDiagnostics(this.view.state, problems.map(p => {
            const line = doc.line(Math.min(doc.lines, Math.max(1, p.line))), from = Math.min(line.to, line.from + Math.max(0, p.column - 1));
            const word = /^[\w.-]+/.exec(line.text.slice(from - line.from))?.[0].length ?? 1;
            return {from, to: Math.min(line.to, from + Math.max(1, word)), severity: p.severity === 'error' ? 'error' : 'warning', message: p.path ? `${p.path}: ${p.text}` : p.text};
        })));
    }

    /** @param {number} number @param {number} [column] */
    goTo(number, column = 1) {
        const {doc} = this.view.state, line = doc.line(Math.min(doc.lines, Math.max(1, number)));
        const anchor = Math.min(line.to, line.from + column - 1);
        this.view.dispatch({selection: {anchor}, effects: cm.EditorView.scrollIntoView(anchor, {y: 'center'})});
        this.view.focus();
    }

    /** @param {any} context */
    #complete(context) {
        const line = context.state.doc.lineAt(context.pos), lines = context.state.doc.toString().split('\n');
        const before = line.text.slice(0, context.pos - line.from);
        const value = /^(\s*)(?:- )?([\w.-]+):\s+(\S*)$/.exec(before);
        if (value) {
            const at = lookup(this.options.schema, [...parents(lines, line.number - 1, value[1].length), value[2]]);
            const options = values(at).map(label => ({label, type: 'constant'}));
            return options.length ? {from: context.pos - value[3].length, options, validFor: /^\S*$/} : null;
        }
        const key = /^(\s*)([\w.-]*)$/.exec(before);
        if (!key || (!key[2] && !context.explicit)) return null;
        const at = lookup(this.options.schema, parents(lines, line.number - 1, key[1].length));
        const options = children(at).map(([label, schema]) => ({label, apply: schema.properties ? `${label}:\n${key[1]}  ` : `${label}: `, type: 'property', detail: describe(schema).split('\n').slice(-1)[0]?.slice(0, 60), info: schema.description}));
        return options.length ? {from: context.pos - key[2].length, options, validFor: /^[\w.-]*$/} : null;
    }

    /** @param {any} view @param {number} pos */
    #explain(view, pos) {
        const line = view.state.doc.lineAt(pos), path = pathOf(view.state.doc.toString().split('\n'), line.number - 1);
        const colon = line.text.indexOf(':');
        if (!path || colon < 0 || pos > line.from + colon) return null;
        const text = describe(lookup(this.options.schema, path));
        if (!text) return null;
        return {pos: line.from, end: line.from + colon, create: () => {
            const href = docsOf(this.options.schema, path);
            return {dom: h('div', {class: 'cm-help'}, `${path.join('.')}\n${text}`, href && ['\n', h('a', {href, target: '_blank', rel: 'noreferrer'}, t('config.docs'))])};
        }};
    }
}

/** Lines whose source starts a program say that they can stand here only. @param {any} state */
function marked(state) {
    const mark = cm.Decoration.line({attributes: {class: 'cm-program', 'data-note': t('config.program')}});
    return cm.Decoration.set(programs(state.doc.toString()).map(number => mark.range(state.doc.line(number).from)));
}

/** A line after a key without a value goes one step deeper. @param {any} view */
function deeper(view) {
    const {from, to} = view.state.selection.main, line = view.state.doc.lineAt(from), before = line.text.slice(0, from - line.from);
    if (from !== to || !/^\s*[^#]*:\s*$/.test(before)) return false;
    const text = `\n${/^\s*/.exec(before)?.[0] ?? ''}  `;
    view.dispatch({changes: {from, insert: text}, selection: {anchor: from + text.length}, scrollIntoView: true, userEvent: 'input'});
    return true;
}

function theme() {
    return cm.EditorView.theme({
        '&': {color: 'var(--text)', backgroundColor: 'var(--surface)', fontSize: '0.875rem'},
        '.cm-scroller': {fontFamily: 'ui-monospace, "DejaVu Sans Mono", monospace', lineHeight: '1.6'},
        '.cm-content': {caretColor: 'var(--text)'}, '.cm-cursor': {borderLeftColor: 'var(--text)'},
        '.cm-gutters': {backgroundColor: 'var(--raised)', color: 'var(--muted)', borderRight: '1px solid var(--soft)'},
        '@media (max-width: 599px)': {'.cm-gutters': {display: 'none !important'}},
        '.cm-activeLine, .cm-activeLineGutter': {backgroundColor: 'color-mix(in srgb, var(--accent) 8%, transparent)'},
        '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': {backgroundColor: 'color-mix(in srgb, var(--accent) 30%, transparent) !important'},
        '.cm-tooltip': {backgroundColor: 'var(--surface)', color: 'var(--text)', border: '1px solid var(--line)', borderRadius: '6px'},
        '.cm-tooltip-autocomplete ul li[aria-selected]': {backgroundColor: 'var(--accent)', color: 'var(--on-accent)'},
        '.cm-help': {padding: '6px 10px', whiteSpace: 'pre-line', maxWidth: '28rem'},
        '.cm-help a': {color: 'var(--accent)'},
        '.cm-program::after': {content: 'attr(data-note)', marginLeft: '1.5em', padding: '0 6px', borderRadius: '6px', fontFamily: 'system-ui, sans-serif', fontSize: '0.75rem', color: 'var(--warn)', border: '1px solid currentColor'},
        '.cm-panels': {backgroundColor: 'var(--raised)', color: 'var(--text)'},
        '.cm-textfield, .cm-button': {backgroundColor: 'var(--surface)', backgroundImage: 'none', color: 'var(--text)', border: '1px solid var(--line)'},
        '.cm-completionDetail': {color: 'inherit', opacity: '0.8'},
        '&.cm-focused': {outline: '2px solid var(--accent)', outlineOffset: '-2px'},
    });
}
