/**
 * The figures at the head of the sessions: how long it took until cameras were free, all and by reason, and how often one was let go by
 * mistake. `reset` begins a window of this page alone: who had left before does not count any more.
 */
import {button, fill, h, say} from '../lib/dom.js';
import {clock, duration, t} from '../lib/i18n.js';
import {call} from '../lib/server.js';
import {histogram} from '../lib/svg.js';

/** @typedef {import('./sessions.js').Session} Session */

/** @param {number[]} list in order @param {number} part */
const at = (list, part) => list.length ? list[Math.min(list.length - 1, Math.floor(part * list.length))] : null;
/** @param {Session[]} list @param {(s: Session) => number|null} of */
const sorted = (list, of) => list.map(s => of(s) ?? 0).sort((a, b) => a - b);

/** @param {Session} s */
export const total = s => s.detect_ms === null && s.release_ms === null ? null : (s.detect_ms ?? 0) + (s.release_ms ?? 0);

/** What a histogram is drawn of. @type {[string, (s: Session) => number|null][]} */
const PARTS = [['sessions.detect', s => s.detect_ms], ['sessions.release', s => s.release_ms], ['sessions.total', total]];

/**
 * @param {{ended: () => Session[], because: (reason: string|null) => string}} of `ended`: all that are known to have left; `because`: words for a reason
 */
export function releases({ended, because}) {
    /** Who does not count, and the wrong pauses that do not. */
    let before = new Set(), wrongBefore = 0, since = 0;
    /** Wrong pauses since the server runs, as it counts them. @type {number|null} */
    let wrong = null;
    /** @type {Session[]} */
    let shown = [], key = '';
    const parts = h('p'), parks = h('p', {class: 'muted'}), bars = h('div', {class: 'bars small'}), spread = h('div', {class: 'stack small'});
    const fold = h('details', {hidden: true, ontoggle: draw}, h('summary', null, t('sessions.spread')), spread);
    const node = h('section', {class: 'card', 'aria-label': t('sessions.releases')}, h('div', {class: 'row'}, h('h2', null, t('sessions.releases')), button(t('sessions.reset'), reset)), parts, parks, bars, fold);

    function reset() {
        before = new Set(ended().map(s => s.id));
        wrongBefore = wrong ?? 0;
        since = Date.now();
        show(shown);
    }

    /** @param {Session[]} gone those that are wanted */
    function show(gone) {
        shown = gone;
        say(parks, `${t('sessions.wrongParks', {n: wrong === null ? '–' : Math.max(0, wrong - wrongBefore)})}${since ? ` · ${t('sessions.from', {time: clock(since).slice(0, 8)})}` : ''}`);
        const measured = gone.filter(s => s.release_ms !== null && !before.has(s.id)), now = measured.map(s => s.id).join();
        if (now === key && parts.textContent) return;
        key = now;
        const all = sorted(measured, s => s.release_ms);
        say(parts, measured.length ? t('sessions.percentiles', {p50: duration(at(all, 0.5)), p95: duration(at(all, 0.95)), p99: duration(at(all, 0.99)), n: measured.length}) : t('sessions.noReleases'));
        parts.classList.toggle('muted', !measured.length);
        // Some reasons are the same in words.
        const groups = Object.entries(Object.groupBy(measured, s => because(s.reason)));
        const most = Math.max(...groups.map(([, list]) => at(sorted(list ?? [], total), 0.5) ?? 0), 1);
        fill(bars, groups.map(([reason, list = []]) => {
            const middle = at(sorted(list, total), 0.5) ?? 0;
            return [h('span', {title: [...new Set(list.map(s => s.reason ?? ''))].join(', ')}, reason), h('meter', {min: 0, max: most, value: middle, 'aria-label': reason}),
                h('span', {class: 'muted'}, t('sessions.bar', {total: duration(middle), detect: duration(at(sorted(list, s => s.detect_ms), 0.5)), release: duration(at(sorted(list, s => s.release_ms), 0.5)), n: list.length}))];
        }));
        fold.hidden = !measured.length;
        draw();
    }

    /** The histograms, where somebody looks at them. */
    function draw() {
        if (!fold.open) return;
        const measured = shown.filter(s => s.release_ms !== null && !before.has(s.id));
        fill(spread, Object.entries(Object.groupBy(measured, s => because(s.reason))).map(([reason, list = []]) => h('section', {class: 'spread'}, h('h3', null, reason), PARTS.map(([name, of]) => {
            const {drawing, words} = histogram(list.map(of).filter(v => v !== null), `${reason}, ${t(name)}`);
            return [h('span', null, t(name)), drawing, h('span', {class: 'muted'}, words || '–')];
        }))));
    }

    return {
        node, show,
        /** Asks how often a camera was let go for a silent viewer that came back. @param {boolean} [restarted] the server counts from nothing again */
        async count(restarted) {
            if (restarted) {
                before = new Set();
                wrongBefore = 0;
            }
            const text = await (await call('GET', 'api/rs/metrics')).text().catch(() => ''), found = /^rs2rtc_wrong_parks_total (\S+)$/m.exec(text);
            wrong = found && Number(found[1]);
            show(shown);
        },
    };
}
