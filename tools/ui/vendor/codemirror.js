// What the configuration page has of CodeMirror 6.
export {EditorState, StateEffect, Compartment, Transaction} from '@codemirror/state';
export {EditorView, keymap, lineNumbers, highlightActiveLine, highlightActiveLineGutter, drawSelection, hoverTooltip} from '@codemirror/view';
export {defaultKeymap, history, historyKeymap, indentWithTab} from '@codemirror/commands';
export {syntaxHighlighting, HighlightStyle, indentUnit, indentOnInput} from '@codemirror/language';
export {yaml} from '@codemirror/lang-yaml';
export {autocompletion, completionKeymap, startCompletion} from '@codemirror/autocomplete';
export {setDiagnostics, lintGutter, lintKeymap, nextDiagnostic} from '@codemirror/lint';
export {search, searchKeymap} from '@codemirror/search';
export {tags} from '@lezer/highlight';
