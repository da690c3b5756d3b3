/**
 * Pages with much to show, from a server that only tells: a log of 5000 lines that goes on, 100 streams of which something is told all the
 * time, and 300 sessions that come and go. `busy.test.mjs` looks at how often they draw and what they keep, `bench-pages.mjs` at how long that takes.
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

/** @typedef {{still?: boolean}} Options `still`: nothing is drawn or loaded only because time goes by */

/** @param {import('puppeteer-core').Browser} browser @param {string} url @param {string} box where it draws @param {Options} options */
async function open(browser, url, box, {still}) {
    const page = await browser.newPage(), devtools = await page.createCDPSession();
    if (still) await page.evaluateOnNewDocument(() => {
        const real = window.setInterval;
        // The driver asks more often than pages do.
        window.setInterval = /** @type {any} */ ((run, ms, ...rest) => ms < 1000 ? real(run, ms, ...rest) : 0);
    });
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
            // Of scripts, of the document, and of what both keep outside.
            const {usedSize, embedderHeapUsedSize = 0, backingStorageSize = 0} = await devtools.send('Runtime.getHeapUsage');
            return usedSize + embedderHeapUsedSize + backingStorageSize;
        },
        /** @param {() => Promise<unknown>} happens */
        async watch(happens) {
            const look = () => page.evaluate(() => ({draws: /** @type {any} */ (window).draws, ms: performance.now()})), before = await look();
            await happens();
            const after = await look();
            return {draws: after.draws - before.draws, ms: after.ms - before.ms};
        }};
}

/** 5000 lines, and 12 more in each batch. @param {import('puppeteer-core').Browser} browser @param {Options} [options] @returns {Promise<Busy>} */
export async function busyLog(browser, options = {}) {
    const lines = Array.from({length: 5000}, (_, i) => JSON.stringify({level: 'info', time: 1_700_000_000_000 + i, message: `[rtsp] line ${i}`})).join('\n');
    const server = await fixture({base: '/', answers: {'GET api/log': () => `${lines}\n`}}), {watch, ...opened} = await open(browser, `${server.url}log.html?lang=en`, '.loglist', options);
    const shows = (/** @type {string} */ text) => opened.page.waitForFunction(text => document.querySelector('.loglist')?.textContent?.includes(text), {polling: 'mutation'}, text);
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

/** 100 streams, and 20 events in each batch. @param {import('puppeteer-core').Browser} browser @param {Options} [options] @returns {Promise<Busy & {tell: (batch: number) => void, shown: (ms: number) => Promise<unknown>}>} */
export async function busyStreams(browser, options = {}) {
    const server = await fixture({streams: {}, base: '/'}), names = Array.from({length: 100}, (_, i) => `cam ${i}`), source = 'rtsp://192.168.1.1/x';
    server.state.streams = Object.fromEntries(names.map((name, i) => [name, {producers: [{id: i + 1, format_name: 'rtsp', url: `rtsp://192.168.1.${i}/x`}], consumers: [{id: 1000 + i, format_name: 'rtsp'}]}]));
    const {watch, ...opened} = await open(browser, `${server.url}streams.html?lang=en`, 'tbody', options);
    await opened.page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 100, {polling: 50});
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
        return opened.page.waitForFunction(text => document.querySelector('tbody tr:last-child')?.textContent?.includes(text), {polling: 'mutation'}, `${ms} ms`);
    };
    return {...opened, server, tell, shown, batch: batch => watch(() => {
        tell(batch);
        return shown(100 + batch);
    }), async close() {
        await opened.page.close();
        server.close();
    }};
}

/** 300 sessions that watch and 100 that have left; in each batch ten leave and ten come. @param {import('puppeteer-core').Browser} browser @param {Options} [options] @returns {Promise<Busy & {tell: (batch: number) => void, shown: () => Promise<unknown>}>} */
export async function busySessions(browser, options = {}) {
    const server = await fixture({streams: {}, base: '/'}), [one] = server.state.sessions.sessions, [over] = server.state.sessions.ended;
    const timeline = Array.from({length: 12}, (_, i) => ({ms: 100 * i, event: i ? 'heard' : 'offer', detail: 'udp'}));
    let next = 1;
    const session = () => ({...one, id: next++, stream: `cam ${next % 100}`, remote: `192.168.1.${next % 250}:5000`, timeline});
    const state = /** @type {{sessions: any[], ended: any[]}} */ ({sessions: Array.from({length: 300}, session), ended: Array.from({length: 100}, () => ({...over, id: next++, timeline}))});
    server.state.sessions = /** @type {any} */ (state);
    const {watch, ...opened} = await open(browser, `${server.url}sessions.html?lang=en`, 'tbody', options);
    await opened.page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 400, {polling: 50});
    await server.until(() => server.readers() === 1);
    const tell = () => {
        for (let i = 0; i < 10; i++) {
            const left = state.sessions.shift(), come = session();
            state.sessions.push(come);
            state.ended.pop();
            state.ended.unshift({...left, state: 'gone', reason: 'pagehide', left_at: 1_700_000_000_000, detect_ms: 5, release_ms: 30});
            server.emit('viewer_left', {stream: left.stream, viewer: left.id});
            server.emit('viewer_joined', {stream: come.stream, viewer: come.id});
        }
    };
    const shown = () => opened.page.waitForFunction(id => document.querySelector(`tbody tr[data-id="${id}"]`), {polling: 'mutation'}, state.sessions.at(-1).id);
    return {...opened, server, tell, shown, batch: () => watch(() => {
        tell();
        return shown();
    }), async close() {
        await opened.page.close();
        server.close();
    }};
}
