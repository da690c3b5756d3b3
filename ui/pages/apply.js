/**
 * What is done with a configuration that was edited: the review, putting it in force, keeping it or going back, a file that somebody else has changed, and earlier
 * versions. Of a go2rtc the file is written, and read with its next start.
 */
import {diff} from '../lib/diff.js';
import {button, download, fill, h, openDialog, say, single} from '../lib/dom.js';
import {dateTime, has, language, t} from '../lib/i18n.js';
import {call, etag, explain, getJson} from '../lib/server.js';
import {watches} from '../shell/ask.js';
import {toast} from '../shell/shell.js';

/** Seconds that a change waits to be confirmed. */
const CONFIRM = 60;

/**
 * @typedef {object} Draft
 * @property {{text: string, mark: (problems: import('../types.js').ConfigProblem[]) => void, goTo: (line: number, column?: number) => void}} editor
 * @property {string} saved what is in force
 * @property {string} version of that
 * @property {number} savedAt when, as of `Date.now()`; 0: not known
 * @property {string} by whom, if that is known
 * @property {boolean} plain the server is a go2rtc
 * @property {boolean} dirty something else is written
 * @property {import('../types.js').ConfigCheck|null} checked what the server says of the text
 * @property {HTMLSelectElement} history
 * @property {() => void} changed the text, or what is in force, is another one
 * @property {() => void} show
 * @property {(aloud: boolean) => Promise<import('../types.js').ConfigCheck|null>} runCheck what the server says of the text; `null`: it says nothing
 * @property {() => Promise<void>} load
 */

const CHANGES = {added: '+', removed: '−', changed: '~'};
/** @param {string} before @param {string} after */
const difference = (before, after) => h('pre', {class: 'diff', tabindex: '0', 'aria-label': t('config.diff')}, diff(before, after).map(line =>
    h('div', {class: line.kind}, `${line.kind === 'add' ? '+' : line.kind === 'del' ? '-' : ' '} ${line.text}`)));

/** What a change means for those who watch its stream. @param {import('../types.js').ConfigChange} change @param {{stream: string}[]} sessions of viewers */
function concerns({path, change}, sessions) {
    const n = sessions.filter(s => path === `streams.${s.stream}`).length;
    return n ? ` · ${t(change === 'removed' ? 'config.viewersEnd' : 'config.viewersStay', {n})}` : '';
}

/** @param {import('../types.js').ConfigProblem} problem */
export const inWords = ({path, text}) => path ? `${path}: ${text}` : text;

/** Problems in the language of the page, where they are of a kind that has words. @param {import('../types.js').ConfigProblem[]} problems @returns {import('../types.js').ConfigProblem[]} */
export const translated = problems => problems.map(problem => {
    // The server's own words say more.
    if (language === 'en') return problem;
    const {code} = problem, [a, b, c] = (problem.values ?? []).map(value => has(`kind.${value}`) ? t(`kind.${value}`) : value), near = code === 'unknown_key' ? a : code === 'unknown_scheme' && b, kind = `${code}${near ? '_near' : ''}`;
    return code && has(`problem.${kind}`) ? {...problem, text: t(`problem.${kind}`, {a, b, c})} : problem;
});

/** The version of the file that was read; of one that is not there yet the server tells it too. @param {Response} response @returns {Promise<string>} empty: the caller may not write */
export async function versionOf(response) {
    return response.status === 404 ? (await getJson('api/rs/config/versions').catch(() => /** @type {Partial<import('../types.js').ConfigVersions>} */ ({}))).version ?? '' : etag(response);
}

/** @param {Draft} d */
export function dialogs(d) {
    let turn = 0, looks = 0;
    // Runs what was pressed, and tells why it failed.
    const once = single((/** @type {() => Promise<any>} */ run) => run().catch(err => toast(explain(err))));

    /** Earlier texts to choose from. */
    async function versions() {
        const {history} = d, mine = turn, look = ++looks;
        try {
            /** @type {import('../types.js').ConfigVersions & {by?: string}} */
            const {versions: list, unavailable, unconfirmed, saved, by} = await getJson('api/rs/config/versions');
            // A newer answer may be there, or on its way.
            if (look !== looks) return;
            // Not every server tells who, or when.
            Object.assign(d, {savedAt: saved ?? d.savedAt, by: by ?? ''});
            d.show();
            // The answer may be older than what was settled meanwhile.
            if (unconfirmed && mine === turn) askToKeep(unconfirmed.left_ms);
            fill(history, h('option', {value: ''}, t('config.versions', {n: list.length})), list.map(v => h('option', {value: v.number}, `#${v.number} · ${dateTime(v.saved)}`)));
            history.hidden = !list.length && !unavailable;
            history.disabled = !list.length;
            history.title = unavailable ?? '';
        } catch {
            if (look === looks) history.hidden = true;
        }
    }

    /** What would change, and the ways to put it in force. */
    async function openReview() {
        if (d.plain) return reviewPlain();
        const text = d.editor.text, same = text === d.saved, [sessions, checked] = await Promise.all([getJson('api/rs/sessions', {ended: '0'}).then(all => all.sessions.filter(watches), () => null), d.runCheck(false)]);
        // What is not known must not look harmless.
        if (!checked) return toast(t('config.unchecked'));
        const errors = checked.problems.filter(p => p.severity === 'error'), changes = checked.changes ?? [], later = checked.restart_required ?? [];
        // What may lock one out is to be confirmed; what needs another start is not undone by itself.
        const risky = changes.some(c => /^(api|ui|users|compat)\b/.test(c.path) && !later.includes(c.path));
        const others = sessions?.filter(s => !changes.some(c => c.path === `streams.${s.stream}`)).length;
        const dialog = openDialog(t('config.review'), [
            same ? h('p', {class: 'muted'}, t('config.same')) : difference(d.saved, text),
            changes.length > 0 && h('ul', null, changes.map(c => h('li', null, `${CHANGES[c.change] ?? ''} ${c.path}${concerns(c, sessions ?? [])}`))),
            !same && others !== undefined && h('p', {class: 'muted small'}, t('config.others', {n: others})),
            later.length > 0 && h('p', {class: 'state', data: {state: 'warn'}}, t('config.restart', {keys: later.join(', ')})),
            errors.map(p => h('p', {class: 'state', data: {state: 'fail'}}, `${t('config.line', {line: String(p.line)})}: ${inWords(p)}`)),
            risky && h('p', {class: 'state', data: {state: 'warn'}}, t('config.risky')),
            h('p', {class: 'muted small'}, t('config.confirmAbout')),
            h('div', {class: 'row end'}, button(t('log.download'), () => download('rs2rtc.yaml', text)), button(t('common.cancel'), () => dialog.close()),
                button(t('config.applyConfirm'), () => once(() => apply(text, dialog, true)), {class: risky ? 'primary' : '', disabled: same || !checked.valid}),
                button(t('config.apply'), () => once(() => apply(text, dialog, false)), {class: risky ? '' : 'primary', disabled: same || !checked.valid}))], {class: 'box wide'});
    }

    /** A go2rtc checks nothing, and reads its file when it starts. */
    function reviewPlain() {
        const text = d.editor.text, same = text === d.saved, dialog = openDialog(t('config.review'), [
            same ? h('p', {class: 'muted'}, t('config.same')) : difference(d.saved, text), h('p', {class: 'muted small'}, t('config.plain')),
            h('div', {class: 'row end'}, button(t('common.cancel'), () => dialog.close()), button(t('config.store'), () => once(() => store(text, dialog, false)), {disabled: same}),
                button(t('config.storeRestart'), () => once(() => store(text, dialog, true)), {class: 'primary', disabled: same}))], {class: 'box wide'});
    }

    /** @param {string} text @param {any} dialog @param {boolean} restart */
    async function store(text, dialog, restart) {
        const now = await call('GET', 'api/config', {accept: [404]}), theirs = now.status === 404 ? '' : await now.text();
        dialog.close();
        if (theirs !== d.saved) return conflict(text);
        await call('POST', 'api/config', {body: text});
        d.saved = text;
        d.savedAt = Date.now();
        d.changed();
        // It may be gone before it answers.
        if (restart) await call('POST', 'api/restart').catch(err => err.status === 0 || Promise.reject(err));
        toast(t(restart ? 'config.restarting' : 'config.stored'));
    }

    /** @param {string} text @param {any} dialog @param {boolean} confirm undo it if nobody says that it is good */
    async function apply(text, dialog, confirm) {
        const response = await call('POST', 'api/rs/config/apply', {query: {base: d.version, ...confirm && {confirm: String(CONFIRM)}}, body: text, accept: [400, 409]});
        if (response.status === 409) {
            dialog.close();
            return conflict(text);
        }
        if (response.status === 400) {
            // A list, or what is wrong with the call itself.
            const said = await response.text();
            let first = said;
            try {
                first = inWords(translated(JSON.parse(said).problems)[0]);
            } catch {}
            dialog.close();
            toast(t('config.refused', {text: first.trim()}));
            return d.runCheck(false);
        }
        /** @type {import('../types.js').ConfigApplied} */
        const answer = await response.json();
        d.saved = text;
        d.version = answer.version;
        d.savedAt = Date.now();
        const left = answer.unconfirmed?.left_ms ?? 0;
        dialog.close();
        d.changed();
        versions();
        if (left) askToKeep(left);
        else toast(t('config.applied'));
    }

    let asking = false;
    /** The server goes back unless somebody says in time that all is well. @param {number} ms that are left */
    function askToKeep(ms) {
        if (asking) return;
        asking = true;
        const end = Date.now() + ms, mine = d.version, left = h('p', null, '');
        const keep = button(t('config.keep'), () => answer('POST'), {class: 'primary'});
        keep.autofocus = true;
        let settled = false;
        const done = () => {
            clearInterval(tick);
            settled = true;
            turn++;
            asking = false;
            dialog.close();
        };
        /** @param {'POST'|'DELETE'} method keep it, or go back at once */
        const answer = method => once(async () => {
            // If it fails, it can be tried again until the time is over.
            const response = await call(method, 'api/rs/config/confirm', {query: {version: mine}, accept: [409]}), late = response.status === 409;
            // It may have been kept elsewhere.
            const kept = late ? (await response.json()).version === mine : method === 'POST';
            done();
            toast(t(kept ? 'config.applied' : method === 'POST' ? 'config.tooLate' : 'config.rolledBack'));
            d.load();
        });
        /** The server has gone back by itself, if it was not confirmed elsewhere. */
        const over = () => {
            done();
            d.load().then(() => d.version !== mine && toast(t('config.rolledBack')));
        };
        const show = () => say(left, t('config.keepIn', {n: Math.max(0, Math.ceil((end - Date.now()) / 1000))}));
        const tick = window.setInterval(() => Date.now() > end + 1000 ? over() : show(), 500);
        show();
        const dialog = openDialog(t('config.keepTitle'), [left, h('p', {class: 'muted small'}, t('config.keepAbout')), h('div', {class: 'row end'}, button(t('config.back'), () => answer('DELETE')), keep)],
            {oncancel: (/** @type {Event} */ ev) => ev.preventDefault(), onclose: () => settled ? dialog.remove() : dialog.showModal()});
    }

    /** Somebody else has changed the file. @param {string} mine */
    async function conflict(mine) {
        const response = await call('GET', 'api/config', {accept: [404]}), theirs = response.status === 404 ? '' : await response.text(), base = d.saved, version = d.plain ? '' : await versionOf(response);
        const dialog = openDialog(t('config.conflict'), [h('h3', null, t('config.theirs')), difference(base, theirs), h('h3', null, t('config.mine')), difference(base, mine),
            h('div', {class: 'row end'}, button(t('common.cancel'), () => dialog.close()), button(t('config.takeTheirs'), () => take(theirs)), button(t('config.keepMine'), () => take(mine), {class: 'primary'}))], {class: 'box wide'});
        function take(/** @type {string} */ text) {
            d.saved = theirs;
            d.version = version;
            d.editor.text = text;
            dialog.close();
            d.changed();
        }
    }

    /** @param {string} number */
    async function openVersion(number) {
        const text = await (await call('GET', `api/rs/config/versions/${encodeURIComponent(number)}`)).text();
        const dialog = openDialog(`#${number}`, [difference(d.saved, text),
            d.dirty && h('p', {class: 'state', data: {state: 'warn'}}, t('config.draftLost')),
            h('div', {class: 'row end'}, button(t('common.cancel'), () => dialog.close()), button(t('config.restore'), () => once(async () => {
                /** @type {import('../types.js').ConfigApplied} */
                const answer = await (await call('POST', 'api/rs/config/rollback', {query: {number, base: d.version}})).json();
                dialog.close();
                d.saved = text;
                d.version = answer.version;
                d.savedAt = Date.now();
                d.editor.text = text;
                d.changed();
                versions();
                toast(t('config.applied'));
            }), {class: 'primary'}))], {class: 'box wide'});
    }

    return {versions, openReview: () => once(openReview), openVersion: (/** @type {string} */ number) => once(() => openVersion(number)), conflict: (/** @type {string} */ mine) => once(() => conflict(mine))};
}
