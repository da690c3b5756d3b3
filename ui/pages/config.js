/**
 * The configuration: the server checks while one writes, shows what would change, and puts it in force without a restart; earlier versions come back with one
 * click, and the server undoes an apply that nobody confirms. `?candidate=HOST:PORT` opens with the review of one more
 * address for WebRTC, `?add=TEXT` with lines at the end, `?stream=NAME` at a stream.
 */
import {diff} from '../lib/diff.js';
import {button, fill, h, openDialog, say} from '../lib/dom.js';
import {dateTime, t} from '../lib/i18n.js';
import {call, download, etag, explain, Feed, getJson} from '../lib/server.js';
import {lineOfKey, withCandidate} from '../lib/yaml-path.js';
import {announce, bind, empty, failed, notice, shell, toast, watch} from '../shell/shell.js';

/** Milliseconds without a key until the text is checked, and seconds that a change waits to be confirmed. */
const PAUSE = 400, CONFIRM = 60;

const {main, tools} = shell({page: 'config', title: t('nav.config')});
watch(new Feed('streams'));

/** What is in force. */
let saved = '', version = '', path = '', dirty = false, timer = 0, turn = 0;
/** @type {{text: string, mark: (problems: any[]) => void, goTo: (line: number, column?: number) => void}} */
let editor;
/** @type {{problems: any[], valid: boolean, changes?: any[], restart_required?: string[]}|null} */
let checked = null;

const status = h('p', {class: 'muted', role: 'status'}), problems = h('ul', {class: 'problems'}), frame = h('div', {class: 'editor'});
const review = button(t('config.review'), openReview, {class: 'primary', key: 'Control+Enter'}), check = button(t('config.check'), () => runCheck(true), {key: 'Control+S'});
const history = h('select', {'aria-label': t('config.history'), onchange: () => {
    if (history.value) openVersion(history.value);
    history.value = '';
}});
tools.append(check, review, history, button(t('log.download'), () => download('rs2rtc.yaml', editor.text)));
main.append(h('div', {class: 'stack'}, status, frame, h('p', {class: 'muted small keyboard'}, t('config.leave')), problems));

async function load() {
    const response = await call('GET', 'api/config', {accept: [404, 410]}).catch(err => failed(err, load));
    if (!response) return;
    notice('');
    if (response.status === 410) {
        tools.hidden = true;
        return fill(main, empty(t('config.none')));
    }
    saved = response.status === 404 ? '' : await response.text();
    version = etag(response);
    const [schema, info] = await Promise.all([getJson('schema.json').catch(() => ({})), getJson('api').catch(() => ({}))]);
    path = info.config_path ?? '';
    const readonly = !version && response.status !== 404;
    let changes = false;
    if (!editor) {
        editor = await makeEditor(saved, schema, readonly);
        const asked = new URLSearchParams(location.search), candidate = asked.get('candidate'), add = asked.get('add'), line = lineOfKey(saved, ['streams', asked.get('stream') ?? '']);
        if (add) editor.text = `${saved.trimEnd()}\n${add}\n`;
        if (candidate && !readonly) {
            const text = withCandidate(saved, candidate);
            if (text) editor.text = text;
            else notice(t('config.byHand', {candidate}));
            changes = text !== null;
        }
        if (line) editor.goTo(line);
    } else {
        editor.text = saved;
    }
    if (readonly) notice(t('config.readonly'), {text: t('token.title'), run: async () => await (await import('../lib/token.js')).askToken() && location.reload()});
    review.disabled = readonly;
    changed();
    // Whoever may not write gets none.
    if (readonly) history.hidden = true;
    else versions();
    if (!changes) return;
    // Once is enough.
    window.history.replaceState(null, '', location.pathname);
    openReview();
}

/** @param {string} text @param {any} schema @param {boolean} readonly @returns {Promise<any>} */
async function makeEditor(text, schema, readonly) {
    const options = {text, schema, readonly, onchange: changed, oncheck: () => runCheck(true), onreview: openReview, onleave: () => announce(t('config.leave'))};
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

function changed() {
    dirty = editor !== undefined && editor.text !== saved;
    // What was said about another text holds no more.
    checked = null;
    show();
    clearTimeout(timer);
    timer = window.setTimeout(() => runCheck(false), PAUSE);
}

/** @param {any} problem */
const inWords = ({path, text}) => path ? `${path}: ${text}` : text;

/** @param {boolean} aloud */
async function runCheck(aloud) {
    clearTimeout(timer);
    const mine = ++turn;
    try {
        const answer = await (await call('POST', 'api/rs/config/check', {body: editor.text})).json();
        if (mine !== turn) return;
        checked = answer;
        editor.mark(answer.problems);
        fill(problems, answer.problems.map((/** @type {any} */ p) => h('li', null, h('button', {type: 'button', onclick: () => editor.goTo(p.line, p.column)},
            h('span', {class: 'state', data: {state: p.severity === 'error' ? 'fail' : 'warn'}}, t('config.line', {line: String(p.line)})), h('span', null, inWords(p))))));
        if (aloud) announce(answer.problems.length ? t('config.problems', {n: answer.problems.length}) : t('config.fine'));
    } catch (err) {
        if (mine === turn) fill(problems, h('li', {class: 'state', data: {state: 'fail'}}, explain(err)));
    }
    show();
}

function show() {
    const count = checked?.problems.length ?? 0;
    say(status, [path, dirty ? t('config.dirty') : t('config.inForce'), checked ? count ? t('config.problems', {n: count}) : t('config.fine') : ''].filter(Boolean).join(' · '));
}

async function versions() {
    try {
        const {versions: list, unavailable, unconfirmed} = await getJson('api/rs/config/versions');
        if (unconfirmed) askToKeep(unconfirmed.left_ms);
        fill(history, h('option', {value: ''}, t('config.versions', {n: list.length})), list.map((/** @type {any} */ v) => h('option', {value: v.number}, `#${v.number} · ${dateTime(v.saved)}`)));
        history.hidden = !list.length && !unavailable;
        history.disabled = !list.length;
        history.title = unavailable ?? '';
    } catch {
        history.hidden = true;
    }
}

const CHANGES = {added: '+', removed: '−', changed: '~'};
/** @param {string} before @param {string} after */
const difference = (before, after) => h('pre', {class: 'diff', tabindex: '0', 'aria-label': t('config.diff')}, diff(before, after).map(line =>
    h('div', {class: line.kind}, `${line.kind === 'add' ? '+' : line.kind === 'del' ? '-' : ' '} ${line.text}`)));

/** What a change means for those who watch its stream. @param {{path: string, change: string}} change @param {{stream: string, publishes: boolean}[]} sessions */
function concerns({path, change}, sessions) {
    const n = sessions.filter(s => !s.publishes && path === `streams.${s.stream}`).length;
    return n ? ` · ${t(change === 'removed' ? 'config.viewersEnd' : 'config.viewersStay', {n})}` : '';
}

/** What would change, and the ways to put it in force. */
async function openReview() {
    const [sessions] = await Promise.all([getJson('api/rs/sessions', {ended: '0'}).catch(() => null), runCheck(false)]);
    const text = editor.text, errors = (checked?.problems ?? []).filter(p => p.severity === 'error');
    const dialog = openDialog(t('config.review'), [
        text === saved ? h('p', {class: 'muted'}, t('config.same')) : difference(saved, text),
        Boolean(checked?.changes?.length) && h('ul', null, (checked?.changes ?? []).map((/** @type {any} */ c) => h('li', null, `${CHANGES[/** @type {keyof typeof CHANGES} */ (c.change)] ?? ''} ${c.path}${concerns(c, sessions?.sessions ?? [])}`))),
        checked?.restart_required?.length ? h('p', {class: 'state', data: {state: 'warn'}}, t('config.restart', {keys: checked.restart_required.join(', ')})) : null,
        errors.map(p => h('p', {class: 'state', data: {state: 'fail'}}, `${t('config.line', {line: String(p.line)})}: ${inWords(p)}`)),
        h('p', {class: 'muted small'}, t('config.confirmAbout')),
        h('div', {class: 'row end'}, button(t('common.cancel'), () => dialog.close()), button(t('config.applyConfirm'), () => apply(text, dialog, true), {disabled: text === saved || checked?.valid === false}),
            button(t('config.apply'), () => apply(text, dialog, false), {class: 'primary', disabled: text === saved || checked?.valid === false}))], {class: 'box wide'});
}

/** @param {string} text @param {any} dialog @param {boolean} confirm undo it if nobody says that it is good */
async function apply(text, dialog, confirm) {
    let left = 0;
    try {
        const response = await call('POST', 'api/rs/config/apply', {query: {base: version, ...confirm && {confirm: String(CONFIRM)}}, body: text, accept: [400, 409]});
        if (response.status === 409) {
            dialog.close();
            return conflict(text);
        }
        const answer = await response.json().catch(() => ({problems: [{line: 1, column: 1, path: '', text: t('common.failed'), severity: 'error'}]}));
        if (response.status === 400) {
            dialog.close();
            editor.mark(answer.problems);
            return toast(t('config.refused', {text: answer.problems[0]?.text ?? ''}));
        }
        saved = text;
        version = answer.version;
        left = answer.unconfirmed?.left_ms ?? 0;
    } catch (err) {
        return toast(explain(err));
    }
    dialog.close();
    changed();
    versions();
    if (left) askToKeep(left);
    else toast(t('config.applied'));
}

let asking = false;
/** The server goes back unless somebody says in time that all is well. @param {number} ms that are left */
function askToKeep(ms) {
    if (asking) return;
    asking = true;
    const end = Date.now() + ms, mine = version, left = h('p', null, '');
    const keep = button(t('config.keep'), () => answer('POST'), {class: 'primary'});
    keep.autofocus = true;
    let settled = false;
    const done = () => {
        clearInterval(tick);
        settled = true;
        asking = false;
        dialog.close();
    };
    /** @param {'POST'|'DELETE'} method keep it, or go back at once */
    const answer = async method => {
        try {
            const {status} = await call(method, 'api/rs/config/confirm', {query: {version: mine}, accept: [409]});
            done();
            toast(method === 'DELETE' ? t('config.rolledBack') : status === 409 ? t('config.tooLate') : t('config.applied'));
        } catch (err) {
            // Until the time is over it can be tried again.
            return toast(explain(err));
        }
        load();
    };
    /** The server has gone back by itself, if it was not confirmed elsewhere. */
    const over = () => {
        done();
        load().then(() => version !== mine && toast(t('config.rolledBack')));
    };
    const show = () => say(left, t('config.keepIn', {n: Math.max(0, Math.ceil((end - Date.now()) / 1000))}));
    const tick = window.setInterval(() => Date.now() > end + 1000 ? over() : show(), 500);
    show();
    const dialog = openDialog(t('config.keepTitle'), [left, h('p', {class: 'muted small'}, t('config.keepAbout')), h('div', {class: 'row end'}, button(t('config.back'), () => answer('DELETE')), keep)],
        {oncancel: (/** @type {Event} */ ev) => ev.preventDefault(), onclose: () => settled ? dialog.remove() : dialog.showModal()});
}

/** Somebody else has changed the file. @param {string} mine */
async function conflict(mine) {
    const response = await call('GET', 'api/config').catch(() => null);
    const theirs = await response?.text() ?? '', base = saved;
    const dialog = openDialog(t('config.conflict'), [h('h3', null, t('config.theirs')), difference(base, theirs), h('h3', null, t('config.mine')), difference(base, mine),
        h('div', {class: 'row end'}, button(t('common.cancel'), () => dialog.close()), button(t('config.takeTheirs'), () => take(theirs)), button(t('config.keepMine'), () => take(mine), {class: 'primary'}))], {class: 'box wide'});
    function take(/** @type {string} */ text) {
        saved = theirs;
        version = response ? etag(response) : version;
        editor.text = text;
        dialog.close();
        changed();
    }
}

/** @param {string} number */
async function openVersion(number) {
    try {
        const text = await (await call('GET', `api/rs/config/versions/${encodeURIComponent(number)}`)).text();
        const dialog = openDialog(`#${number}`, [difference(saved, text),
            dirty && h('p', {class: 'state', data: {state: 'warn'}}, t('config.draftLost')),
            h('div', {class: 'row end'}, button(t('common.cancel'), () => dialog.close()), button(t('config.restore'), async () => {
                try {
                    const answer = await (await call('POST', 'api/rs/config/rollback', {query: {number, base: version}})).json();
                    dialog.close();
                    saved = text;
                    version = answer.version;
                    editor.text = text;
                    changed();
                    versions();
                    toast(t('config.applied'));
                } catch (err) {
                    toast(explain(err));
                }
            }, {class: 'primary'}))], {class: 'box wide'});
    } catch (err) {
        toast(explain(err));
    }
}

window.addEventListener('beforeunload', ev => dirty && ev.preventDefault());
document.addEventListener('keydown', ev => {
    if (!(ev.ctrlKey || ev.metaKey) || ev.defaultPrevented || !editor) return;
    if (ev.key === 's') {
        ev.preventDefault();
        runCheck(true);
    } else if (ev.key === 'Enter' && !document.querySelector('dialog[open]')) {
        openReview();
    }
});
bind('F8', t('config.next'), () => {
    const first = checked?.problems[0];
    if (first) editor.goTo(first.line, first.column);
});
load();
