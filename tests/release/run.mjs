#!/usr/bin/env node
/**
 * How long after a viewer leaves is the camera free? Measured with real browsers, a
 * real network between two namespaces, and sources as people have them. Needs root.
 *
 *     node tests/release/run.mjs                    # short: 3 runs a row, wide bounds
 *     node tests/release/run.mjs --long             # 200 or 20 runs; goes on where it was stopped
 *         [--row TEXT] [--source exec] [--runs N] [--lanes N] [--results FILE]
 *     node tests/release/run.mjs --report           # the table of what was measured
 */
import {spawnSync} from 'node:child_process';
import {appendFileSync, existsSync, mkdirSync, readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {availableParallelism, loadavg} from 'node:os';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {build, cannotRun, destroy, names, ROOT} from './lab.mjs';
import {Lane, LANES, startLab} from './lane.mjs';
import {READERS, ROWS, RESUMES, SWAP} from './rows.mjs';
import {SOURCES} from './sources.mjs';

const FILE = fileURLToPath(import.meta.url);
const {values} = parseArgs({options: {
    long: {type: 'boolean', default: false}, report: {type: 'boolean', default: false},
    row: {type: 'string', default: ''}, source: {type: 'string', default: ''},
    runs: {type: 'string'}, lanes: {type: 'string'}, inside: {type: 'string'},
    results: {type: 'string', default: join(ROOT, 'target/release-results.jsonl')},
}});

/** Rows that end within a second are measured most, with the source that people have. */
const MANY = 200, FEW = 20;
/** Browsers side by side, each on a host of its own: as many as there are processors for, and one that waits; the wide bounds of the short form leave room for that. */
const LANES_WANTED = Math.min(Math.max(Number(values.lanes ?? (values.long ? 1 : Math.min(5, availableParallelism() + 1))) || 1, 1), LANES);

/** What is to be measured, the most important first: row, source, how often. */
function plan() {
    const sources = Object.keys(SOURCES);
    const many = ({row, source}) => source === 'exec' && !row.slow;
    const rows = [...ROWS, ...READERS].filter(row => values.long || values.row || !row.longOnly).flatMap((row, index) => {
        const all = row.sources ?? sources;
        const some = values.long || values.source ? all : [all[index % all.length]];
        return some.map(source => ({row, source}));
    });
    const swap = [{row: SWAP, source: 'device'}];
    const resumes = RESUMES.filter(row => values.long || row.seconds === 5)
        .flatMap(row => (values.long ? sources : ['exec']).map(source => ({row, source})));
    const inOrder = [
        ...rows.filter(many), ...swap, ...rows.filter(i => i.source === 'exec' && i.row.slow), ...resumes,
        ...rows.filter(i => i.source !== 'exec'),
    ];
    const runs = item => values.long ? (many(item) && !item.row.seconds ? MANY : FEW) : item.row.seconds ? 1 : 3;
    return inOrder.filter(({row, source}) => row.name.includes(values.row) && source.includes(values.source))
        .map(item => ({...item, runs: Number(values.runs ?? runs(item))}));
}

const known = () => existsSync(values.results)
    ? readFileSync(values.results, 'utf8').split('\n').filter(Boolean).map(l => JSON.parse(l)) : [];

async function main() {
    if (values.report) return report(known());
    if (cannotRun('release')) return;
    if (!values.inside) {
        // The same program again, inside the server's namespace.
        const id = String(process.pid % 100_000);
        for (const sign of ['SIGINT', 'SIGTERM']) process.on(sign, () => { destroy(id); process.exit(1); });
        build(id, LANES_WANTED);
        try {
            const again = spawnSync('ip', ['netns', 'exec', names(id).server, process.execPath, FILE, ...process.argv.slice(2), '--inside', id], {stdio: 'inherit'});
            process.exitCode = again.status ?? 1;
        } finally {
            destroy(id);
        }
        return;
    }
    mkdirSync(dirname(values.results), {recursive: true});
    const done = values.long ? known() : [];
    const records = [];
    const lab = await startLab(values.inside);
    const lanes = Array.from({length: LANES_WANTED}, (_, number) => new Lane(lab, number));
    try {
        const items = plan().map(item => ({
            ...item, runs: item.runs - done.filter(r => r.row === item.row.name && r.source === item.source).length,
        })).filter(item => item.runs > 0);
        const keep = record => {
            records.push(record);
            if (values.long) appendFileSync(values.results, `${JSON.stringify(record)}\n`);
        };
        // Most of a run is waiting. With wide bounds, different rows may wait side by side; but a device
        // that is busy is asked by one program after the other, whose starts other lanes' browsers would slow down.
        const [alone, together] = [items.filter(item => item.row.swap), items.filter(item => !item.row.swap)];
        const parts = values.long ? items.map(item => [item]) : [alone, together];
        for (const part of parts) await measure(part.some(item => item.row.swap) ? lanes.slice(0, 1) : lanes, part, keep);
    } finally {
        await Promise.all(lanes.map(lane => lane.close()));
        await lab.close();
    }
    const failed = verdicts(values.long ? known() : records, !values.long).filter(v => !v.ok);
    for (const {text} of failed) console.log(text);
    console.log(`release: ${failed.length ? `${failed.length} rows are out of bounds` : 'all rows are within their bounds'}`);
    process.exitCode = failed.length ? 1 : 0;
}

/** Of three WebRTC viewers that fall silent within a second the server would think that it is cut off itself. */
const MOST_SILENT = 2;
const isSilent = row => row.silent || row.seconds || row.name.includes('ICMP filtered');

/** Every lane takes one run after the other. */
async function measure(lanes, items, keep) {
    const results = new Map(items.map(item => [item, []]));
    const queue = items.flatMap(item => Array.from({length: item.runs}, () => item));
    let silent = 0;
    await Promise.all(lanes.map(async lane => {
        for (;;) {
            const at = queue.findIndex(({row}) => silent < MOST_SILENT || !isSilent(row));
            // The lanes that are busy with silence do what is left.
            if (at < 0) return;
            const [item] = queue.splice(at, 1);
            const {row, source} = item;
            if (isSilent(row)) silent++;
            let result = await lane.measure(row, source);
            // A page that did not come to play measures nothing; it is told, and tried once more.
            if (result.error && !result.begun) {
                console.log(`${row.name}, ${source}: not begun (${result.error}), once more`);
                result = await lane.measure(row, source);
            }
            if (isSilent(row)) silent--;
            const record = {row: row.name, source, ...result, load: Math.round(loadavg()[0] * 10) / 10};
            keep(record);
            const all = results.get(item);
            all.push(record);
            if (all.length === item.runs) say(all, item);
        }
    }));
}

const percentile = (numbers, part) => {
    const sorted = [...numbers].sort((a, b) => a - b);
    return sorted.length ? sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] : NaN;
};
const three = numbers => [0.5, 0.95, 0.99].map(p => percentile(numbers, p).toFixed(0)).join(' / ');

/** Noticed, let go, both, what of it the device needed and how long its picture was on its way, where a row has them. */
function measured(good) {
    const of = name => good.map(r => r[name]).filter(n => n !== undefined && n !== null);
    const judged = good.map(r => r.fromLetGo ?? r.total);
    return [['noticed', of('detect')], ['released', of('release')], ['total', judged], ['of it the device', of('minimum')], ['picture on its way', of('start')]];
}

/** One line for a row that was just measured. */
function say(results, {row, source}) {
    const good = results.filter(r => r.total !== undefined);
    const bad = results.length - good.length;
    const numbers = measured(good).filter(([, all]) => all.length).map(([name, all]) => `${name} ${three(all)}`.padEnd(25));
    console.log(`${`${row.name}, ${source}`.padEnd(40)} ${String(results.length).padStart(3)} runs  ${numbers.join(' ')} ms`
        + `  ${[...new Set(good.map(r => r.reason))].join(' ')}${bad ? `  ${bad} FAILED: ${results.find(r => r.error)?.error}` : ''}  load ${results.at(-1)?.load}`);
}

/** The bound of a run: wide in the short form; silence is judged by the session's own limit. */
function boundOf(row, record, short) {
    if (row.swap) return record.minimum + (short ? 3 : 1) * row.bound;
    const asked = row.fromPage && record.source === 'rtsp' ? 100 : row.bound;
    if (!row.silent) return short ? 3 * asked : asked;
    const floor = row.profile === 'fast' ? 1000 : 3000;
    const limit = record.limit > floor + 1 ? record.limit + 200 : asked;
    return short ? limit + 1000 : limit;
}

function verdicts(records, short) {
    const groups = Map.groupBy ? Map.groupBy(records, r => `${r.row}|${r.source}`) : group(records);
    return [...groups.values()].map(runs => {
        const row = [...ROWS, ...READERS, SWAP, ...RESUMES].find(r => r.name === runs[0].row);
        const errors = runs.filter(r => r.error);
        // Each run against its own bound: what remains of it, as a share.
        const shares = runs.filter(r => r.total !== undefined && row?.bound).map(r => (r.fromLetGo ?? r.total) / boundOf(row, r, short));
        const worst = percentile(shares, 0.99);
        const ok = !errors.length && !(worst > 1);
        const text = `${runs[0].row}, ${runs[0].source}: ${errors.length ? `${errors.length} of ${runs.length} failed: ${errors[0].error}` : `${Math.round(worst * 100)} % of the bound`}`;
        return {ok, text, runs, row, worst};
    });
}

function group(records) {
    const groups = new Map();
    for (const record of records) {
        const key = `${record.row}|${record.source}`;
        groups.set(key, [...groups.get(key) ?? [], record]);
    }
    return groups;
}

/** Markdown for docs/release.md. */
function report(records) {
    console.log('| what happens | source | runs | noticed, ms | released, ms | total, ms | bound, ms | |\n|---|---|---|---|---|---|---|---|');
    for (const {runs, row, ok} of verdicts(records, false)) {
        const good = runs.filter(r => r.total !== undefined);
        const [detect, release, total, device] = measured(good).map(([, all]) => all.length ? three(all) : '');
        const bound = row?.swap ? `device's ${device} + ${row.bound}` : row?.bound ? boundOf(row, {...runs[0], limit: 0}, false) : '';
        console.log(`| ${runs[0].row} | ${runs[0].source} | ${runs.length} | ${detect} | ${release} | ${total} | ${bound} | ${ok ? '' : 'missed'} |`);
    }
}

await main();
