/**
 * Pages with much to show stay light: a log of 5000 lines that goes on, and 100 streams of which something is told all the time. What counts
 * is the time that the page's thread was on a processor, so that other work of the machine is left out, in the best of some rounds.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {fixture} from './pages-fixture.mjs';

const skip = without(CHROMIUM, 'Chromium');
/** Milliseconds of a batch of lines, and of one of events; bytes of the page with 100 streams, and what it may grow. */
const LINES = 10, EVENTS = 8, HEAP = 60e6, GROWTH = 1e6;
/** Batches of one measurement, and measurements at most: a machine that does other things shows what it can do now and then. */
const BATCHES = 10, ROUNDS = 5;

/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) chromium = await launch();
});
after(() => chromium?.close());

/** A page and its figures. @param {string} url */
async function open(url) {
    const page = await chromium.browser.newPage(), devtools = await page.createCDPSession();
    await devtools.send('Performance.enable');
    await page.goto(url);
    return {page,
        /** What scripts and tasks took, and the time on a processor, in seconds. */
        async times() {
            const {metrics} = await devtools.send('Performance.getMetrics');
            return ['ScriptDuration', 'TaskDuration', 'ThreadTime'].map(name => metrics.find(one => one.name === name)?.value ?? NaN);
        },
        /** Bytes in use once everything that is not needed is gone. */
        async heap() {
            await devtools.send('HeapProfiler.collectGarbage');
            return (await devtools.send('Runtime.getHeapUsage')).usedSize;
        }};
}

/** Milliseconds of script of one batch, on a processor: the best measurement. @param {() => Promise<number[]>} times @param {(batch: number) => Promise<unknown>} batch done when the page has shown it @param {number} limit */
async function cost(times, batch, limit) {
    const seen = [];
    for (let round = 0; round < ROUNDS && !(Math.min(...seen) < limit / 2); round++) {
        const before = await times();
        for (let i = 0; i < BATCHES; i++) await batch(round * BATCHES + i);
        const [script, task, thread] = (await times()).map((now, i) => now - before[i]);
        seen.push(script * Math.min(1, thread / task) / BATCHES * 1000);
    }
    return Math.min(...seen);
}

test('a log of 5000 lines and 50 more each second', {skip}, async () => {
    const lines = Array.from({length: 5000}, (_, i) => JSON.stringify({level: 'info', time: 1_700_000_000_000 + i, message: `[rtsp] line ${i}`})).join('\n');
    const server = await fixture({base: '/', answers: {'GET api/log': () => `${lines}\n`}}), {page, times} = await open(`${server.url}log.html?lang=en`);
    try {
        const shows = (/** @type {string} */ text) => page.waitForFunction(text => document.querySelector('.loglist')?.textContent?.includes(text), {polling: 'mutation', timeout: 30_000}, text);
        await shows('line 4999');
        await server.until(() => server.readers() === 1);
        const ms = await cost(times, batch => {
            for (let i = 0; i < 12; i++) server.emit('log', {level: 'info', message: `[api] new ${batch}.${i}`});
            return shows(`new ${batch}.11`);
        }, LINES);
        console.log(`${ms.toFixed(1)} ms of script for each quarter of a second of the log`);
        assert.ok(ms < LINES, `${ms.toFixed(1)} ms`);
        // Scrolled up, what is read stays where it is, although the oldest lines go.
        await page.$eval('.loglist', node => { node.scrollTop = 50_000; });
        await page.waitForFunction(() => document.querySelector('[aria-keyshortcuts=F]')?.getAttribute('aria-pressed') === 'false' && !/new \d/.test(document.querySelector('.loglist')?.textContent ?? ''), {polling: 50, timeout: 30_000});
        const seen = () => page.$eval('.loglist', box => {
            const {top} = box.getBoundingClientRect(), lines = [...box.querySelectorAll('li')].map(li => ({y: Math.round(li.getBoundingClientRect().top - top), text: li.querySelector('span:last-child')?.textContent ?? ''}));
            return lines.find(one => one.y >= 0);
        });
        const before = await seen();
        assert.match(before?.text ?? '', /^line \d+/);
        for (let i = 0; i < 50; i++) server.emit('log', {level: 'info', message: `[api] later ${i}`});
        await page.waitForFunction(() => /50 new lines/.test(document.querySelector('main')?.textContent ?? ''), {polling: 50, timeout: 30_000});
        assert.deepEqual(await seen(), before);
    } finally {
        await page.close();
        server.close();
    }
});

test('100 streams: each batch of events is quick, and the page does not grow', {skip}, async () => {
    const server = await fixture({streams: {}, base: '/'}), names = Array.from({length: 100}, (_, i) => `cam ${i}`);
    server.state.streams = Object.fromEntries(names.map((name, i) => [name, {producers: [{id: i + 1, format_name: 'rtsp', url: `rtsp://192.168.1.${i}/x`}], consumers: [{id: 1000 + i, format_name: 'rtsp'}]}]));
    const {page, times, heap} = await open(`${server.url}streams.html?lang=en`);
    try {
        await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 100, {polling: 50, timeout: 30_000});
        await server.until(() => server.readers() === 1);
        const source = 'rtsp://192.168.1.1/x', tell = (/** @type {number} */ batch) => {
            for (let i = 0; i < 10; i++) {
                const stream = names[(batch * 10 + i) % 100];
                server.emit('source_failed', {stream, source, error: `refused ${batch}`, kind: 'unreachable', retry_ms: 8000});
                server.emit('source_opened', {stream, source, took_ms: 5});
            }
        };
        /** Tells of a release, and waits until it is shown. @param {number} ms */
        const shown = ms => {
            server.emit('source_released', {stream: 'cam 99', source, viewer: 1, reason: 'pagehide', release_ms: ms});
            return page.waitForFunction(text => document.querySelector('tbody tr:last-child')?.textContent?.includes(text), {polling: 'mutation', timeout: 30_000}, `${ms} ms`);
        };
        const ms = await cost(times, batch => {
            tell(batch);
            return shown(100 + batch);
        }, EVENTS), small = await heap();
        // Many more than a page can show one by one.
        for (let batch = 0; batch < 200; batch++) tell(batch);
        await shown(999);
        assert.equal(await page.$$eval('tbody tr', rows => rows.length), 100);
        const large = await heap();
        console.log(`${ms.toFixed(1)} ms of script for each batch of 20 events; heap ${(small / 1e6).toFixed(1)} MB, after 4000 events more ${(large / 1e6).toFixed(1)} MB`);
        assert.ok(ms < EVENTS, `${ms.toFixed(1)} ms`);
        assert.ok(large < HEAP && large - small < GROWTH, `${small} and ${large} bytes`);
    } finally {
        await page.close();
        server.close();
    }
});
