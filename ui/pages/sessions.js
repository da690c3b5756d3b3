/**
 * Who watches, how sure the server is of that, who has left, why, and how long it took until the camera was free: the list is
 * loaded again when something happens. `?reason=` filters.
 */
import {button, download, fill, h, Keyed, moveFocus, openDialog, refill, say, single} from '../lib/dom.js';
import {ago, duration, has, orderOf, t} from '../lib/i18n.js';
import {askMay, guarded, viewOnly} from '../lib/may.js';
import {address, Feed, Gatherer, getJson, loadWith} from '../lib/server.js';
import {agentName, wayName} from '../lib/streams.js';
import {kindOf, lanes, marksOf} from '../lib/svg.js';
import {kick} from '../shell/ask.js';
import {bind, copied, empty, failed, notice, shell, toast, watch} from '../shell/shell.js';
import {releases, total} from './releases.js';

/** @typedef {import('../types.js').Session} Session */

const url = new URL(location.href);
const {main, tools} = shell({page: 'sessions', title: t('nav.sessions')});
const feed = new Feed('streams,sessions');
watch(feed);

/** @type {{sessions: Session[], ended: Session[]}} */
let data = {sessions: [], ended: []};
let loaded = false, loadedAt = 0;
/** Events were heard when what is shown was asked for: nobody is missing. */
let whole = false;
const opened = new Set();

const reasons = h('select', {'aria-label': t('sessions.because'), onchange: () => {
    if (reasons.value) url.searchParams.set('reason', reasons.value);
    else url.searchParams.delete('reason');
    history.replaceState(null, '', url);
    show();
}});
tools.append(reasons, button(t('sessions.export'), () => download('sessions.json', JSON.stringify(data, null, 2)), {key: 'E'}), button(t('sessions.try'), single(tryIt), {icon: 'play'}));

/** Words for why somebody left; the code itself stays visible. @param {string|null} reason */
const because = reason => !reason ? '–' : has(`reason.${reason}`) ? t(`reason.${reason}`) : reason;
/** How it is carried, and over what where that is known. @param {Session} s */
const wayOf = s => [wayName(s.format ?? 'webrtc'), s.timeline.findLast(mark => mark.event === 'connected')?.detail.toUpperCase()].filter(Boolean).join('/');
const figures = releases({ended: () => data.ended, because}), activeBody = h('tbody'), endedBody = h('tbody');
/** Why snapshots end: whoever asks for them does not watch. */
const SNAPSHOTS = ['delivered', 'failed'];
/** What the server itself holds: nobody watches that. */
const WARM = 'preload';
const HEADS = ['sessions.viewer', 'sessions.stream', 'sessions.how', 'sessions.since', 'sessions.state', 'sessions.because', 'sessions.detect', 'sessions.release', 'sessions.total'];
/** Who watches has no reason to have left yet, and who has left is in one state. @param {boolean} left @param {number} column */
const idle = (left, column) => left ? column === 4 : column > 4;
const table = (/** @type {HTMLElement} */ body, /** @type {boolean} */ left) => h('table', {class: 'table'}, h('thead', null, h('tr', null, HEADS.map((text, i) => h('th', {scope: 'col', hidden: idle(left, i)}, t(text))),
    h('th', {scope: 'col'}, h('span', {class: 'offscreen'}, t('streams.actions'))))), body);
const active = table(activeBody, false), ended = table(endedBody, true), nobody = empty(t('sessions.nobody')), none = empty(t('sessions.none'));
/** Cameras that run without a viewer. */
const warm = h('p', {class: 'row', hidden: true}), waiting = [1, 2].map(() => h('div', {class: 'skeleton'}));
const scroll = (/** @type {string} */ label, /** @type {any} */ kid) => h('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label}, kid);
main.append(h('div', {class: 'stack'}, figures.node,
    h('section', {class: 'stack'}, h('h2', null, t('sessions.active')), scroll(t('sessions.active'), active), nobody, warm, waiting[0]),
    h('section', {class: 'stack'}, h('h2', null, t('sessions.ended')), scroll(t('sessions.ended'), ended), none, waiting[1])));
// Before it is known who watches, nothing is said of it.
for (const one of [active.parentElement, ended.parentElement, nobody, none]) if (one) one.hidden = true;

const loads = new Gatherer(async () => {
    const hears = feed.state === 'live';
    whole = false;
    try {
        data = {ended: [], ...await getJson('api/rs/sessions')};
        loaded = true;
        loadedAt = Date.now();
        whole = hears;
        notice('');
    } catch (err) {
        for (const one of waiting) one.hidden = true;
        if (feed.state !== 'lost') failed(err, load);
    }
    show();
});
const load = () => loads.now(), counts = new Gatherer(() => figures.count().catch(() => {}));
feed.on(['viewer_joined', 'viewer_left', 'viewer_parked', 'viewer_resumed', 'source_released'], () => loads.soon());
feed.addEventListener('reset', load);
feed.addEventListener('restarted', load);
// No events will come, and it was not said before that there are no sessions.
feed.addEventListener('state', () => feed.state === 'absent' && !loaded && load());
feed.addEventListener('restarted', () => figures.count(true).catch(() => {}));
// Only a return can show that a pause was wrong.
feed.on(['viewer_resumed'], () => counts.soon());
// Round trips and the time since the last word are not events.
setInterval(() => document.hidden || feed.state === 'lost' || !data.sessions.length || loads.look(), 5000);
setInterval(() => document.hidden || show(), 1000);

const views = [activeBody, endedBody].map(body => new Keyed(body, row => row.key, row => row.detail ? detail(row.left) : line(row.session, row.left)));

/** How long somebody watches; where the server is not reached, how long that was known to be. @param {number} age when it was loaded */
function lasts(age) {
    const lost = feed.state === 'lost', till = lost ? feed.heard : Date.now(), text = duration(age + Math.max(0, till - loadedAt));
    return lost ? `${text} · ${ago(Date.now() - Math.max(till, loadedAt))}` : text;
}

/** @param {Session} first @param {boolean} left */
function line(first, left) {
    const cells = HEADS.map((text, i) => h('td', {'data-label': t(text), class: i ? [1, 5].includes(i) ? '' : 'tight' : 'title', hidden: idle(left, i)})), state = h('span', {class: 'state'});
    cells[4].append(state);
    const reason = h('span'), who = h('span');
    cells[5].append(reason);
    cells[0].append(who, h('span', {class: 'muted small'}, `#${first.id}`));
    const actions = h('td', {class: 'num wide'}, h('span', {class: 'row end nowrap'}, button(t('streams.details'), () => toggle(first.id), {icon: 'more', bare: true}),
        !left && guarded(button(t('sessions.kick'), () => end(first), {key: 'K'}))));
    // A source that is only tried is no stream that could be opened.
    cells[1].append(first.format === 'test' ? t('add.test') : h('a', {href: address('camera.html', {src: first.stream}), title: first.stream}, first.stream));
    const node = h('tr', {class: 'lead', tabindex: '-1', data: {id: first.id}}, cells, actions);
    let shown = '';
    return {
        node,
        /** @param {{session: Session}} row */
        update({session: s}) {
            const key = [s.user_agent, s.remote, s.publishes, s.format, s.age_ms === null, s.timeline.length, s.state, s.reason, s.detect_ms, s.release_ms, opened.has(s.id)].join();
            if (!left || key !== shown) say(cells[3], s.age_ms === null ? '–' : left ? duration(s.age_ms) : lasts(s.age_ms));
            // Of hundreds most are as they were.
            if (key === shown) return;
            shown = key;
            const name = [agentName(s.user_agent), s.remote?.replace(/ .*/, '').replace(/:\d+$/, '')].filter(Boolean).join(' ');
            say(who, name && `${name} `);
            cells[0].title = [s.remote, s.user_agent].filter(Boolean).join('\n');
            say(cells[2], s.publishes ? t('sessions.publishes', {format: wayOf(s)}) : wayOf(s));
            cells[2].title = s.format ?? '';
            state.dataset.state = s.state;
            // Why it is paused is no reason to have left.
            say(state, [t(`session.${s.state}`), !left && s.reason ? because(s.reason) : ''].filter(Boolean).join(' · '));
            state.title = left ? '' : s.reason ?? '';
            say(reason, because(s.reason));
            reason.title = s.reason ?? '';
            say(cells[6], duration(s.detect_ms));
            say(cells[7], left && s.release_ms === null && !s.publishes ? t('sessions.others') : duration(s.release_ms));
            say(cells[8], duration(total(s)));
            // A card of a phone leaves out what is not there.
            for (const cell of cells) cell.toggleAttribute('data-empty', cell.textContent === '–');
            actions.querySelector('button')?.setAttribute('aria-expanded', String(opened.has(s.id)));
        },
    };
}

/** @param {boolean} left */
function detail(left) {
    const about = h('div', {class: 'stack'});
    let drawn = '';
    return {
        node: h('tr', {class: 'detail'}, h('td', {colspan: 1 + HEADS.filter((_, i) => !idle(left, i)).length}, about)),
        /** @param {{session: Session}} row */
        update({session: s}) {
            const key = JSON.stringify([s.timeline, s.state, s.rtt_ms, s.loss, s.release_ms]);
            if (key === drawn) return;
            drawn = key;
            const marks = marksOf(s);
            const facts = [['sessions.profile', s.profile], ['sessions.limit', s.limit_ms === null ? null : duration(s.limit_ms)], ['sessions.rtt', s.rtt_ms === null ? null : duration(s.rtt_ms)],
                ['sessions.loss', s.loss === null ? null : `${(s.loss * 100).toFixed(1)} %`], ['sessions.wrong', s.wrong_parks_per_hour || null], ['sessions.agent', s.user_agent]]
                .filter(([, value]) => value !== null && value !== undefined && value !== '');
            fill(about, facts.length > 0 && h('dl', {class: 'pairs small'}, facts.map(([name, value]) => [h('dt', null, t(String(name))), h('dd', null, String(value))])),
                marks.length > 1 && lanes(marks, t('sessions.timeline')),
                marks.length > 0 ? h('ol', {class: 'timeline small', 'aria-label': t('sessions.timeline')}, marks.map((mark, i) => h('li', {class: kindOf(mark.event) ? 'key' : ''},
                    // After a minute the time alone does not tell one from the other.
                    h('span', {class: 'muted'}, duration(mark.ms), i > 0 && mark.ms >= 1000 && mark.ms - marks[i - 1].ms < 1000 && ` +${duration(mark.ms - marks[i - 1].ms)}`), h('span', null, `${mark.event}${mark.detail ? ` · ${mark.detail}` : ''}`))))
                    : h('p', {class: 'muted'}, t('sessions.noTimeline')),
                h('div', {class: 'row'}, h('a', {class: 'button', href: address('log.html', {stream: s.stream})}, t('nav.log')), button(t('common.copyJson'), () => copied(JSON.stringify(s, null, 2)), {icon: 'copy'})));
        },
    };
}

/** @param {number} id */
function toggle(id) {
    if (!opened.delete(id)) opened.add(id);
    show();
}

/** @param {Session} s */
const end = s => viewOnly() ? toast(t('common.forbidden')) : kick(feed, s.id, s.stream, load, [agentName(s.user_agent), s.remote].filter(Boolean).join(' '));

function show() {
    if (!loaded) return;
    const wanted = url.searchParams.get('reason') ?? '', codes = [...new Set(data.ended.map(s => s.reason ?? ''))].filter(Boolean).sort();
    if (wanted && !codes.includes(wanted)) codes.push(wanted);
    const key = codes.join();
    if (reasons.dataset.key !== key || !reasons.children.length) {
        reasons.dataset.key = key;
        fill(reasons, h('option', {value: ''}, t('sessions.allReasons')), codes.map(code => h('option', {value: code, selected: code === wanted}, because(code))));
    }
    const gone = data.ended.filter(s => wanted ? s.reason === wanted : !SNAPSHOTS.includes(s.reason ?? ''));
    // Of who has published and left it is not known when.
    const rows = (/** @type {Session[]} */ list, /** @type {boolean} */ left) => list.flatMap(session => [{key: `r${session.id}`, session, left},
        ...(opened.has(session.id) ? [{key: `d${session.id}`, session, left, detail: true}] : [])]);
    const watching = data.sessions.filter(s => s.format !== WARM), kept = [...new Set(data.sessions.filter(s => s.format === WARM).map(s => s.stream))];
    const there = new Set([...watching, ...data.ended].map(s => s.id));
    for (const id of opened) if (!there.has(id)) opened.delete(id);
    views[0].show(rows(watching, false));
    views[1].show(rows(gone, true));
    // The scrolled place around a table goes with it.
    /** @type {HTMLElement} */ (active.parentElement).hidden = !watching.length;
    nobody.hidden = Boolean(watching.length);
    say(/** @type {Node} */ (nobody.firstChild), t(kept.length ? 'sessions.nobodyWarm' : 'sessions.nobody'));
    warm.hidden = !kept.length;
    refill(warm, JSON.stringify(kept), () => [h('span', {class: 'state', data: {state: 'warm'}}, t('state.warm')), kept.map(name => h('a', {href: address('camera.html', {src: name})}, name))]);
    for (const one of waiting) one.hidden = true;
    /** @type {HTMLElement} */ (ended.parentElement).hidden = !gone.length;
    none.hidden = Boolean(gone.length);
    figures.show(gone);
}

async function tryIt() {
    const names = Object.keys(await getJson('api/streams').catch(() => ({})));
    if (!names.length) return toast(t('live.empty'));
    const choice = h('select', {'aria-label': t('sessions.stream')}, names.sort(orderOf(names)).map(name => h('option', {value: name}, name)));
    const result = h('p', {role: 'status', class: 'muted'}, t('sessions.tryAbout'));
    const run = button(t('sessions.tryRun'), measure, {class: 'primary', icon: 'play'});
    const dialog = openDialog(t('sessions.try'), [h('label', {class: 'field'}, t('sessions.stream'), choice), result, h('div', {class: 'row end'}, button(t('common.close'), () => dialog.close()), run)]);

    async function measure() {
        run.disabled = true;
        const name = choice.value, frame = h('iframe', {class: 'offscreen', title: t('sessions.try'), src: address('stream.html', {src: name, mode: 'webrtc', background: 'true'})});
        say(result, t('sessions.tryOpen'));
        const joined = heard('viewer_joined', ev => ev.stream === name, 20_000);
        dialog.append(frame);
        const viewer = await joined;
        if (!viewer) say(result, t('sessions.tryFailed'));
        else {
            // Long enough that pictures flow.
            await new Promise(resolve => setTimeout(resolve, 1500));
            const released = heard('source_released', ev => ev.stream === name, 15_000), left = heard('viewer_left', ev => ev.viewer === viewer.viewer, 15_000);
            frame.remove();
            const gone = await left, free = gone && await Promise.race([released, /** @type {Promise<null>} */ (new Promise(resolve => setTimeout(resolve, 5000, null)))]);
            say(result, free ? t('sessions.tryDone', {detect: duration(free.detect_ms), release: duration(free.release_ms), reason: because(free.reason)})
                : gone ? t('sessions.tryOthers') : t('sessions.tryFailed'));
        }
        frame.remove();
        run.disabled = false;
    }
}

/** The next event of a kind, or `null` after a while. @template {import('../types.js').EventName} N @param {N} name @param {(ev: import('../types.js').EventData<N>) => boolean} fits @param {number} limit @returns {Promise<import('../types.js').EventData<N>|null>} */
function heard(name, fits, limit) {
    return new Promise(resolve => {
        const listen = (/** @type {any} */ ev) => {
            if (!fits(ev.detail)) return;
            feed.removeEventListener(name, listen);
            resolve(ev.detail);
        };
        feed.addEventListener(name, listen);
        setTimeout(() => {
            feed.removeEventListener(name, listen);
            resolve(null);
        }, limit);
    });
}

const current = () => /** @type {HTMLElement|null} */ (document.activeElement?.closest('tbody tr'));
bind(['ArrowDown', 'ArrowUp'], t('keys.move'), ev => moveFocus(main.querySelectorAll('tbody tr:not(.detail)'), ev.key === 'ArrowUp' ? -1 : 1));
bind('Enter', t('streams.details'), () => current() && toggle(Number(current()?.dataset.id)));
bind('k', t('sessions.kick'), () => {
    const found = data.sessions.find(s => String(s.id) === current()?.dataset.id);
    if (found) end(found);
});
bind('e', t('sessions.export'), () => download('sessions.json', JSON.stringify(data, null, 2)));
loadWith(feed, loads, () => whole);
figures.count().catch(() => {});
askMay(main);
