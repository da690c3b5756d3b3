/**
 * The configuration: the server checks while one writes, shows what would change, and puts it in force without a restart; earlier versions come back with one
 * click, and the server undoes an apply that nobody confirms. `?candidate=HOST:PORT` opens with the review of one more
 * address for WebRTC, `?add=TEXT` with lines at the end, `?stream=NAME` at a stream.
 */
import {button, download, fill, h, say} from '../lib/dom.js';
import {clock, dateTime, t} from '../lib/i18n.js';
import {call, explain, Feed, getJson} from '../lib/server.js';
import {lineOfKey, withCandidate} from '../lib/yaml-path.js';
import {announce, bind, empty, failed, notice, shell, watch} from '../shell/shell.js';
import {dialogs, inWords, translated, versionOf} from './apply.js';
import {sheet} from './sheet.js';

/** Milliseconds without a key until the text is checked. */
const PAUSE = 400;
/** What stands in a file that does not exist yet. */
const TEMPLATE = 'streams:\n  # front_door: rtsp://user:password@192.168.1.64/stream1\n';

const {main, tools} = shell({page: 'config', title: t('nav.config')});
watch(new Feed('streams'));

let path = '', timer = 0, turn = 0;
/** What stands there although nobody has written it. @type {string|null} */
let begun = null;
/** The problem that was gone to last. */
let at = -1;
/** @type {import('./config-form.js').Form|null} */
let form = null;
/** @type {Promise<void>|null} */
let forming = null;
let wanted = 'text';
/** @type {any} */
let schema = {};
let readonly = false;

const status = h('p', {class: 'muted', role: 'status'}), problems = h('ul', {class: 'problems'}), frame = h('div', {class: 'editor'});
const review = button(t('config.review'), () => openReview(), {class: 'primary', key: 'Control+Enter'}), check = button(t('config.check'), () => runCheck(true), {key: 'Control+S'});
const history = h('select', {'aria-label': t('config.history'), onchange: () => {
    if (history.value) openVersion(history.value);
    history.value = '';
}});
/** @type {import('./apply.js').Draft} */
const draft = {editor: /** @type {any} */ (null), saved: '', version: '', savedAt: 0, by: '', plain: false, dirty: false, checked: null, history, changed, show, runCheck, load};
const {versions, openReview, openVersion, conflict} = dialogs(draft);
const views = h('fieldset', {class: 'modes', hidden: true}, h('legend', {class: 'offscreen'}, t('config.view')), ['text', 'form'].map(one => h('label', null,
    h('input', {type: 'radio', name: 'view', value: one, checked: one === 'text', onchange: () => setView(one)}), h('span', null, t(`view.${one}`)))));
/** Says on a phone what is wrong, and opens to tell more. */
const brief = h('span', {class: 'state'}), leaving = h('p', {class: 'muted small keyboard'}, t('config.leave'));
const save = button(t('log.download'), () => download('rs2rtc.yaml', draft.editor.text));
// Nothing is there yet.
review.disabled = check.disabled = save.disabled = true;
tools.append(views, check, review, history, save);
main.append(h('div', {class: 'stack'}, status, frame, leaving, sheet([brief], [problems], frame)));

async function load() {
    const {saved} = draft;
    const response = await call('GET', 'api/config', {accept: [404, 410]}).catch(err => failed(err, load));
    if (!response) return;
    notice('');
    if (response.status === 410) {
        tools.hidden = true;
        return fill(main, empty(t('config.none')));
    }
    const text = response.status === 404 ? '' : await response.text(), version = await versionOf(response);
    const [found, info] = await Promise.all([getJson('schema.json').catch(() => ({})), getJson('api').catch(() => /** @type {Partial<import('../types.js').Info>} */ ({}))]);
    schema = found;
    path = info.config_path ?? '';
    draft.plain = !version && !info.rs2rtc && response.status !== 410;
    readonly = !draft.plain && !version;
    const {editor} = draft, written = editor?.text;
    // What was put in force meanwhile is later than this.
    if (editor && draft.saved !== saved) return;
    // That a draft goes is said by who has written it; until then it is one of the text before.
    if (editor && text !== saved && ![saved, begun, text].includes(written)) return conflict(written);
    Object.assign(draft, {saved: text, version});
    let changes = false;
    if (!editor) {
        draft.editor = await makeEditor(draft.saved);
        const asked = new URLSearchParams(location.search), candidate = asked.get('candidate'), add = asked.get('add'), line = lineOfKey(draft.saved, ['streams', asked.get('stream') ?? '']);
        // There is none yet: where to begin.
        if (response.status === 404 && !readonly) draft.editor.text = begun = TEMPLATE;
        if (add) draft.editor.text = `${draft.editor.text.trimEnd()}\n${add}\n`.trimStart();
        if (candidate && !readonly) {
            const text = withCandidate(draft.editor.text, candidate);
            if (text) draft.editor.text = text;
            else notice(t('config.byHand', {candidate}));
            changes = text !== null;
        }
        if (line) draft.editor.goTo(line);
    } else if (text !== saved) {
        editor.text = text;
    }
    views.hidden = !schema.properties;
    check.hidden = draft.plain;
    if (readonly) notice(t('config.readonly'), {text: t('token.title'), run: async () => await (await import('../lib/token.js')).askToken() && location.reload()});
    review.disabled = readonly;
    check.disabled = save.disabled = false;
    changed();
    // Whoever may not write gets none.
    if (readonly || draft.plain) history.hidden = true;
    else versions();
    if (!changes) return;
    // Once is enough.
    window.history.replaceState(null, '', location.pathname);
    openReview();
}

/** @param {string} text @returns {Promise<any>} */
async function makeEditor(text) {
    const options = {text, schema, readonly, onchange: changed, oncheck: () => runCheck(true), onreview: () => openReview(), onleave: () => announce(t('config.leave'))};
    try {
        const {Editor} = await import('./editor.js');
        const host = h('div');
        fill(frame, host);
        return new Editor(host, options);
    } catch (err) {
        // An old browser gets a plain field.
        console.warn(err);
        const area = h('textarea', {class: 'mono', spellcheck: 'false', readonly, 'aria-label': t('config.text'), value: text, oninput: changed});
        fill(frame, area);
        return {
            get text() {
                return area.value;
            },
            set text(value) {
                area.value = value;
            },
            mark() {},
            goTo(/** @type {number} */ line) {
                const at = area.value.split('\n').slice(0, line - 1).concat('').join('\n').length;
                area.focus();
                area.setSelectionRange(at, at);
            },
        };
    }
}

/** The form instead of the text, or back. @param {string} view */
async function setView(view) {
    wanted = view;
    if (view === 'form') {
        forming ??= makeForm().catch(err => {
            forming = null;
            throw err;
        });
        await forming;
    }
    // Another one was chosen meanwhile.
    if (view !== wanted) return;
    for (const one of /** @type {NodeListOf<HTMLInputElement>} */ (views.querySelectorAll('input'))) one.checked = one.value === view;
    frame.hidden = leaving.hidden = view === 'form';
    if (form) form.node.hidden = view !== 'form';
    show();
}

async function makeForm() {
    const {Form} = await import('./config-form.js');
    form = new Form(schema, {text: () => draft.editor.text, readonly, put(text) {
        draft.editor.text = text;
        changed();
    }});
    frame.after(form.node);
}

function changed() {
    draft.dirty = Boolean(draft.editor) && ![draft.saved, begun].includes(draft.editor.text);
    // What was said about another text holds no more, nor what is still to be said.
    draft.checked = null;
    turn++;
    show();
    clearTimeout(timer);
    timer = window.setTimeout(() => runCheck(false), PAUSE);
}

/** To what is wrong, in the form if it is there. @param {import('../types.js').ConfigProblem} problem */
async function goTo(problem) {
    // What is wrong is to be seen.
    /** @type {HTMLElement|null} */ (main.querySelector('.handle[aria-expanded=true]'))?.click();
    if (frame.hidden && form?.focus(problem.path)) return;
    if (frame.hidden) await setView('text');
    draft.editor.goTo(problem.line, problem.column);
}

/** @param {boolean} aloud @returns {Promise<import('../types.js').ConfigCheck|null>} what the server says of the text as it is now; `null`: nothing */
async function runCheck(aloud) {
    clearTimeout(timer);
    const mine = ++turn, {editor} = draft;
    // A go2rtc checks nothing.
    if (draft.plain) return null;
    let answer = null;
    try {
        answer = /** @type {import('../types.js').ConfigCheck} */ (await (await call('POST', 'api/rs/config/check', {body: editor.text})).json());
        answer.problems = translated(answer.problems);
        // Of a later text another one tells.
        if (mine !== turn) return answer;
        draft.checked = answer;
        at = -1;
        editor.mark(answer.problems);
        fill(problems, answer.problems.map(p => h('li', null, h('button', {type: 'button', onclick: () => goTo(p)},
            h('span', {class: 'state', data: {state: p.severity === 'error' ? 'fail' : 'warn'}}, t('config.line', {line: String(p.line)})), h('span', null, inWords(p))))));
        if (aloud) announce(answer.problems.length ? t('config.problems', {n: answer.problems.length}) : t('config.fine'));
    } catch (err) {
        if (mine === turn) fill(problems, h('li', {class: 'state', data: {state: 'fail'}}, explain(err)));
    }
    show();
    return answer;
}

/** When it was saved: today the time says enough. */
function savedText() {
    if (!draft.savedAt) return '';
    const now = new Date(), time = new Date(draft.savedAt).toDateString() === now.toDateString() ? clock(draft.savedAt).slice(0, 5) : dateTime(draft.savedAt);
    return draft.by ? t('config.savedBy', {time, who: draft.by}) : t('config.saved', {time});
}

function show() {
    const all = draft.checked?.problems ?? [], said = draft.checked ? all.length ? t('config.problems', {n: all.length}) : t('config.fine') : '';
    say(status, [path, savedText(), draft.dirty ? t('config.dirty') : t('config.inForce'), said].filter(Boolean).join(' · '));
    brief.dataset.state = all.some(p => p.severity === 'error') ? 'fail' : 'warn';
    say(brief, said || t('test.run'));
    if (form && !form.node.hidden) form.show(all);
}

window.addEventListener('beforeunload', ev => draft.dirty && ev.preventDefault());
document.addEventListener('keydown', ev => {
    if (ev.defaultPrevented || !draft.editor) return;
    // Fields keep their letters, but have no use for this one.
    if (ev.key === 'F8' && /** @type {Element} */ (ev.target).matches('input, select, textarea')) {
        ev.preventDefault();
        next();
    }
    if (!(ev.ctrlKey || ev.metaKey)) return;
    if (ev.key === 's') {
        ev.preventDefault();
        runCheck(true);
    } else if (ev.key === 'Enter' && !document.querySelector('dialog[open]')) {
        openReview();
    }
});
/** To the next problem, after the last one to the first. */
function next() {
    const all = draft.checked?.problems ?? [];
    at = (at + 1) % Math.max(1, all.length);
    if (all.length) goTo(all[at]);
}
bind('F8', t('config.next'), next);
load();
