/**
 * Pages with much to show, from a server that only tells: a log of 5000 lines that goes on, and 100 streams of which something is told all the
 * time. `busy.test.mjs` looks at how often they draw and what they keep, `bench-pages.mjs` at how long that takes.
 */
import {fixture} from './pages-fixture.mjs';

/**
 * @typedef {object} Busy
 * @property {import('puppeteer-core').Page} page
 * @property {Awaited<ReturnType<typeof fixture>>} server
 * @property {(batch: number) => Promise<{draws: number, ms: number}>} batch tells what comes in a quarter of a second, and waits until the page
 *     shows it: how often it has drawn since, and the milliseconds by its own clock
 * @property {() => Promise<number[]>} times seconds that scripts and tasks took, and that the page's thread was on a processor
 * @property {() => Promise<number>} heap bytes in use once everything that is not needed is gone
 * @property {() => Promise<void>} close
 */

/** @param {import('puppeteer-core').Browser} browser @param {string} url @param {string} box where it draws */
async function open(browser, url, box) {
    const page = await browser.newPage(), devtools = await page.createCDPSession();
    await devtools.send('Performance.enable');
    await page.goto(url);
    await page.waitForSelector(box);
    await page.evaluate(box => {
        /** @type {any} */ (window).draws = 0;
        // All that one task changes is told at once.
        new MutationObserver(() => { /** @type {any} */ (window).draws++; }).observe(/** @type {Node} */ (document.querySelector(box)), {subtree: true, childList: true, characterData: true, attributes: true});
    }, box);
    return {page,
        async times() {
            const {metrics} = await devtools.send('Performance.getMetrics');
            return ['ScriptDuration', 'TaskDuration', 'ThreadTime'].map(name => metrics.find(one => one.name === name)?.value ?? NaN);
        },
        async heap() {
            await devtools.send('HeapProfiler.collectGarbage');
            return (await devtools.send('Runtime.getHeapUsage')).usedSize;
        },
        /** @param {() => Promise<unknown>} happens */
        async watch(happens) {
            const look = () => page.evaluate(() => ({draws: /** @type {any} */ (window).draws, ms: performance.now()})), before = await look();
            await happens();
            const after = await look();
            return {draws: after.draws - before.draws, ms: after.ms - before.ms};
        }};
}

/** 5000 lines, and 12 more in each batch. @param {import('puppeteer-core').Browser} browser @returns {Promise<Busy>} */
export async function busyLog(browser) {
    const lines = Array.from({length: 5000}, (_, i) => JSON.stringify({level: 'info', time: 1_700_000_000_000 + i, message: `[rtsp] line ${i}`})).join('\n');
    const server = await fixture({base: '/', answers: {'GET api/log': () => `${lines}\n`}}), {watch, ...opened} = await open(browser, `${server.url}log.html?lang=en`, '.loglist');
    const shows = (/** @type {string} */ text) => opened.page.waitForFunction(text => document.querySelector('.loglist')?.textContent?.includes(text), {polling: 'mutation', timeout: 30_000}, text);
    await shows('line 4999');
    await server.until(() => server.readers() === 1);
    return {...opened, server, batch: batch => watch(() => {
        for (let i = 0; i < 12; i++) server.emit('log', {level: 'info', message: `[api] new ${batch}.${i}`});
        return shows(`new ${batch}.11`);
    }), async close() {
        await opened.page.close();
        server.close();
    }};
}

/** 100 streams, and 20 events in each batch. @param {import('puppeteer-core').Browser} browser @returns {Promise<Busy & {tell: (batch: number) => void, shown: (ms: number) => Promise<unknown>}>} */
export async function busyStreams(browser) {
    const server = await fixture({streams: {}, base: '/'}), names = Array.from({length: 100}, (_, i) => `cam ${i}`), source = 'rtsp://192.168.1.1/x';
    server.state.streams = Object.fromEntries(names.map((name, i) => [name, {producers: [{id: i + 1, format_name: 'rtsp', url: `rtsp://192.168.1.${i}/x`}], consumers: [{id: 1000 + i, format_name: 'rtsp'}]}]));
    const {watch, ...opened} = await open(browser, `${server.url}streams.html?lang=en`, 'tbody');
    await opened.page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 100, {polling: 50, timeout: 30_000});
    await server.until(() => server.readers() === 1);
    const tell = (/** @type {number} */ batch) => {
        for (let i = 0; i < 10; i++) {
            const stream = names[(batch * 10 + i) % 100];
            server.emit('source_failed', {stream, source, error: `refused ${batch}`, kind: 'unreachable', retry_ms: 8000});
            server.emit('source_opened', {stream, source, took_ms: 5});
        }
    };
    /** Tells of a release, and waits until it is shown. @param {number} ms */
    const shown = ms => {
        server.emit('source_released', {stream: 'cam 99', source, viewer: 1, reason: 'pagehide', release_ms: ms});
        return opened.page.waitForFunction(text => document.querySelector('tbody tr:last-child')?.textContent?.includes(text), {polling: 'mutation', timeout: 30_000}, `${ms} ms`);
    };
    return {...opened, server, tell, shown, batch: batch => watch(() => {
        tell(batch);
        return shown(100 + batch);
    }), async close() {
        await opened.page.close();
        server.close();
    }};
}
