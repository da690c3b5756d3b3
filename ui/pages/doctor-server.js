/**
 * The lines of the doctor, and what it checks of the server itself: whether it answers, its load, and what it tells of the machine that it runs on.
 */
import {fill, h} from '../lib/dom.js';
import {dateTime, duration, number, t} from '../lib/i18n.js';
import {address, call, explain, getJson} from '../lib/server.js';

/** Bytes of the disk that are few, the part of the files that is much, and milliseconds by which clocks may differ. */
const LITTLE = 100e6, MUCH = 0.8, DRIFT = 5000;
/** Addresses that containers give each other. */
const INNER = /^(172\.(1[6-9]|2\d|3[01])|10\.88)\./;

/** There reasons are folded. */
const phone = matchMedia('(max-width: 599px)');

/** @typedef {(state: 'ok'|'warn'|'fail'|'skip'|'run', text: string, why?: string, candidate?: string) => void} Tell tells what came of it; `candidate`: an address that the configuration lacks */

/**
 * A line that is pending until something is told.
 * @param {Element} parent @param {string} title
 * @param {string} [name] of the line
 * @returns {Tell}
 */
export function check(parent, title, name) {
    const row = h('li', {data: name && {check: name}}), state = h('span', {class: 'state', data: {state: 'run'}}, title);
    fill(row, state, h('span', null, t('test.run')));
    parent.append(row);
    return (now, text, why, candidate) => {
        // Seconds that are counted are not read out.
        if (now === 'run') row.setAttribute('aria-live', 'off');
        else row.removeAttribute('aria-live');
        state.dataset.state = now;
        fill(row, state, h('span', null, text), (why || candidate) && h('details', {open: !phone.matches}, h('summary', null, [why && t('doctor.why'), candidate && t('doctor.fix')].filter(Boolean).join(' · ')), why && h('span', {class: 'why'}, why),
            candidate && [h('strong', {class: 'small'}, t('doctor.fix')), h('span', {class: 'row why'}, h('code', null, `webrtc:\n  candidates: ["${candidate}"]`), h('a', {class: 'button', href: address('config.html', {candidate})}, t('doctor.show')))]));
    };
}

/** @param {import('../lib/paths.js').Candidate} one */
export const nameOf = one => `${one.protocol.toUpperCase()} ${one.address.includes(':') ? `[${one.address}]` : one.address}:${one.port}${one.type === 'host' ? '' : ` ${one.type}`}`;

// ---- the server ----

/** @typedef {Awaited<ReturnType<typeof askFacts>>} Facts */

/** @param {Tell} tell @returns {Promise<import('../types.js').Info|null>} what the server says of itself; `null`: it was not reached */
export async function server(tell) {
    const from = performance.now();
    try {
        const response = await call('GET', 'api'), /** @type {import('../types.js').Info} */ info = await response.json(), took = performance.now() - from;
        const proxied = info.host && info.host !== location.host;
        // Ours tells its clock by itself.
        const drift = info.rs2rtc ? 0 : Math.abs(Date.parse(response.headers.get('Date') ?? '') - Date.now());
        tell(proxied || drift > DRIFT ? 'warn' : 'ok', [`${info.rs2rtc?.version ?? info.version} · ${duration(took)}`, info.config_path].filter(Boolean).join(' · '),
            [proxied ? t('doctor.proxied', {host: info.host, here: location.host}) : '', drift > DRIFT ? t('doctor.clock', {ms: duration(drift)}) : ''].filter(Boolean).join('\n'));
        return info;
    } catch (err) {
        tell('fail', explain(err));
        return null;
    }
}

/** @param {Tell} tell @param {Promise<Facts|null>} facts */
export async function engine(tell, facts) {
    try {
        const schemes = await getJson('api/schemes');
        if (!schemes.includes('ffmpeg')) return tell('skip', t('doctor.noFfmpeg'));
        /** @type {import('../types.js').FoundSources|null} */
        const answer = await (await call('GET', 'api/ffmpeg/hardware', {limit: 30_000, accept: [404, 500, 501]})).json().catch(() => null);
        const works = (answer?.sources ?? []).filter(one => one.info === 'OK' || one.name === 'OK' || one.id === 'OK');
        const told = await facts.catch(() => null), text = works.length ? t('doctor.hardware', {n: works.length}) : t('doctor.software');
        // Its version is known only if it is there.
        if (told && !told.ffmpeg) tell('warn', t('doctor.noProgram'));
        else tell('ok', [told?.ffmpeg?.version, text, told?.ffmpeg?.path].filter(Boolean).join(' · '));
    } catch (err) {
        tell('warn', explain(err));
    }
}

/** @param {Tell} tell */
export async function figures(tell) {
    try {
        const text = await (await call('GET', 'api/rs/metrics')).text();
        const of = (/** @type {string} */ name) => Number(new RegExp(`^${name} ([\\d.e+]+)$`, 'm').exec(text)?.[1] ?? NaN);
        const late = of('rs2rtc_late_ticks_total'), overdue = of('rs2rtc_overdue_runs');
        tell(late > 100 || overdue > 0 ? 'warn' : 'ok', t('doctor.counts', {consumers: of('rs2rtc_consumers') || 0, producers: of('rs2rtc_producers') || 0, fds: of('rs2rtc_open_fds') || 0, tasks: of('rs2rtc_tasks') || 0}),
            [late > 100 ? t('doctor.late', {n: late}) : '', overdue > 0 ? t('doctor.overdue', {n: overdue}) : ''].filter(Boolean).join('\n'));
    } catch (err) {
        tell('warn', explain(err));
    }
}

/** What the server tells of its machine, with how far its clock is from ours. */
export async function askFacts() {
    const from = Date.now(), facts = await getJson('api/rs/doctor');
    return {...facts, drift: Math.abs(facts.now_ms - (from + Date.now()) / 2)};
}

/** @param {Facts} facts @returns {[string, ...Parameters<Tell>][]} title, and what is told */
export function factLines(facts) {
    const {container, ports, interfaces, candidates, disk, open_files: files, request} = facts;
    const hidden = /** @type {const} */ (['skip', t('doctor.private')]);
    const problems = (ports ?? []).filter(p => p.problem), portName = (/** @type {import('../types.js').DoctorPort} */ p) => `${p.module} ${p.network.toUpperCase()} ${p.address}`;
    const offered = (candidates ?? []).map(c => c.replace(/^\w+ /, '').replace(/:\d+$/, ''));
    const inner = container && offered.length > 0 && offered.every(one => INNER.test(one));
    const peer = (request.peer ?? '').replace(/:\d+$/, '');
    const size = (/** @type {number} */ count) => `${number(count / 1e9)} GB`;
    return [
        [t('doctor.clockTitle'), facts.drift > DRIFT ? 'warn' : 'ok', dateTime(facts.now_ms), facts.drift > DRIFT ? t('doctor.clock', {ms: duration(facts.drift)}) : ''],
        [t('doctor.program'), 'ok', [facts.platform, t('doctor.uptime', {time: duration(facts.uptime_s * 1000)}), container && t('doctor.contained')].filter(Boolean).join(' · ')],
        ports ? [t('doctor.ports'), problems.length ? 'fail' : 'ok', ports.map(portName).join(' · '), problems.map(p => `${portName(p)}: ${p.problem}`).join('\n')] : [t('doctor.ports'), ...hidden],
        interfaces ? [t('doctor.interfaces'), inner ? 'warn' : 'ok', interfaces.map(one => `${one.name} ${one.addresses.join(', ')}`).join(' · '), inner ? t('doctor.inner', {addresses: [...new Set(offered)].join(', ')}) : ''] : [t('doctor.interfaces'), ...hidden],
        disk ? [t('doctor.disk'), disk.free < LITTLE ? 'warn' : 'ok', `${disk.path} · ${t('doctor.free', {free: disk.free < 1e9 ? `${number(disk.free / 1e6, 0)} MB` : size(disk.free), total: size(disk.total)})}`, disk.free < LITTLE ? t('doctor.diskWhy') : '']
            : [t('doctor.disk'), ...ports ? /** @type {const} */ (['skip', t('test.skip')]) : hidden],
        files ? [t('doctor.files'), files.used > files.limit * MUCH ? 'warn' : 'ok', t('doctor.used', {used: files.used, limit: files.limit}), files.used > files.limit * MUCH ? t('doctor.filesWhy') : ''] : [t('doctor.files'), 'skip', t('test.skip')],
        peer ? [t('doctor.proxy'), 'ok', request.forwarded.length ? `${request.forwarded.join(', ')} · ${peer}` : t('doctor.direct', {peer})] : [t('doctor.proxy'), ...hidden],
        [t('doctor.base'), 'ok', facts.base_path || '/'],
    ];
}

/** Whether the public address is asked for, and whether there is a detour for who has no way. @param {Tell} tell @param {Facts} facts */
export async function relay(tell, facts) {
    if (!facts.ports) return tell('skip', t('doctor.private'));
    try {
        const text = facts.config ? (await (await call('GET', 'api/config', {accept: [404]})).text()).replace(/(^|\s)#.*$/gm, '') : '';
        // One with a host is only asked for the sake of one with a port of ours.
        const stun = /\bstun:\d+(?![\d.])/.test(text), turn = /\bturns?:\S/.test(text);
        tell(turn ? 'warn' : stun ? 'ok' : 'skip', [t(stun ? 'doctor.stun' : 'doctor.noStun'), t(turn ? 'doctor.turn' : 'doctor.noTurn')].join(' · '));
    } catch (err) {
        tell('warn', explain(err));
    }
}

/**
 * What the server tells, a line for each.
 * @param {Element} list @param {Promise<Facts|null>} asked
 */
export async function machine(list, asked) {
    const tell = check(list, t('doctor.machine'), 'machine');
    try {
        const facts = await asked;
        if (!facts) return tell('skip', t('doctor.plain'));
        list.replaceChildren();
        for (const [title, ...told] of factLines(facts)) check(list, title)(...told);
        await relay(check(list, 'STUN / TURN'), facts);
    } catch (err) {
        tell('fail', explain(err));
    }
}
