// What the configuration page has of CodeMirror 6.
import {copyLineDown, copyLineUp, deleteLine, historyKeymap, indentLess, indentMore, moveLineDown, moveLineUp, standardKeymap, toggleComment} from '@codemirror/commands';
import {closeSearchPanel, findNext, findPrevious, gotoLine, openSearchPanel} from '@codemirror/search';

export {EditorState} from '@codemirror/state';
export {Decoration, EditorView, keymap, lineNumbers, highlightActiveLine, highlightActiveLineGutter, drawSelection, hoverTooltip} from '@codemirror/view';
export {history, indentWithTab} from '@codemirror/commands';
export {syntaxHighlighting, HighlightStyle, indentUnit, indentOnInput} from '@codemirror/language';
export {yaml} from '@codemirror/lang-yaml';
export {autocompletion} from '@codemirror/autocomplete';
export {setDiagnostics, lintGutter, nextDiagnostic} from '@codemirror/lint';
export {search} from '@codemirror/search';
export {tags} from '@lezer/highlight';

const scope = 'editor search-panel', next = {run: findNext, shift: findPrevious, scope, preventDefault: true};

/** Its keys, but those for several cursors, which the page does not have, and for what few look for in a configuration. */
export const keys = [
    {key: 'Alt-ArrowUp', run: moveLineUp}, {key: 'Shift-Alt-ArrowUp', run: copyLineUp},
    {key: 'Alt-ArrowDown', run: moveLineDown}, {key: 'Shift-Alt-ArrowDown', run: copyLineDown},
    {key: 'Mod-[', run: indentLess}, {key: 'Mod-]', run: indentMore}, {key: 'Shift-Mod-k', run: deleteLine}, {key: 'Mod-/', run: toggleComment},
    ...standardKeymap, ...historyKeymap,
    {key: 'Mod-f', run: openSearchPanel, scope}, {key: 'F3', ...next}, {key: 'Mod-g', ...next}, {key: 'Escape', run: closeSearchPanel, scope},
    {key: 'Mod-Alt-g', run: gotoLine},
];
