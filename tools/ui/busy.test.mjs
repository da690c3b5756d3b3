/**
 * Pages with much to show stay light: they draw once for all that comes in a quarter of a second, show only what can be seen, and keep nothing
 * that is over. How long a batch takes is measured by `bench-pages.mjs`.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {busyLog, busySessions, busyStreams} from './busy.mjs';
import {until} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium');
/** Bytes of a page with 100 streams or 300 sessions, and what it may grow. */
const HEAP = 60e6, GROWTH = 1e6;
/** Milliseconds between two drawings. */
const EVERY = 250;

/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) chromium = await launch();
});
after(() => chromium?.close());

/**
 * What the page keeps once all is told. What it has loaded for the last events may still be on its way: that goes, what is kept for ever does not.
 * @param {string} what @param {number} small bytes before @param {() => Promise<number>} heap
 */
async function same(what, small, heap) {
    const large = await until(heap, bytes => bytes < HEAP && bytes - small < GROWTH);
    console.log(`heap ${(small / 1e6).toFixed(1)} MB, after ${what} more ${(large / 1e6).toFixed(1)} MB`);
}

/** One drawing at once, and one for every quarter of a second that the batch was on its way. @param {{draws: number, ms: number}} seen */
const seldom = ({draws, ms}) => assert.ok(draws >= 1 && draws <= 2 + ms / EVERY, `drawn ${draws} times in ${Math.round(ms)} ms`);

test('a log of 5000 lines and 50 more each second', {skip}, async () => {
    const {page, server, batch, close} = await busyLog(chromium.browser, {still: true});
    try {
        for (let i = 0; i < 10; i++) seldom(await batch(i));
        const there = await page.$$eval('.loglist li', nodes => nodes.length);
        assert.ok(there < 100, `${there} lines are in the page`);
        // Scrolled up, what is read stays where it is, although the oldest lines go.
        await page.$eval('.loglist', node => { node.scrollTop = 50_000; });
        await page.waitForFunction(() => document.querySelector('[aria-keyshortcuts=F]')?.getAttribute('aria-pressed') === 'false' && !/new \d/.test(document.querySelector('.loglist')?.textContent ?? ''), {polling: 50, timeout: 60_000});
        const seen = () => page.$eval('.loglist', box => {
            const {top} = box.getBoundingClientRect(), lines = [...box.querySelectorAll('li')].map(li => ({y: Math.round(li.getBoundingClientRect().top - top), text: li.querySelector('span:last-child')?.textContent ?? ''}));
            return lines.find(one => one.y >= 0);
        });
        const before = await seen();
        assert.match(before?.text ?? '', /^line \d+/);
        for (let i = 0; i < 50; i++) server.emit('log', {level: 'info', message: `[api] later ${i}`});
        await page.waitForFunction(() => /50 new lines/.test(document.querySelector('main')?.textContent ?? ''), {polling: 50, timeout: 60_000});
        assert.deepEqual(await seen(), before);
    } finally {
        await close();
    }
});

test('100 streams: events are shown together, and the page does not grow', {skip}, async () => {
    const {page, batch, tell, shown, heap, close} = await busyStreams(chromium.browser, {still: true});
    try {
        for (let i = 0; i < 10; i++) seldom(await batch(i));
        const small = await heap();
        // Many more than a page can show one by one.
        for (let i = 0; i < 200; i++) tell(i);
        await shown(999);
        assert.equal(await page.$$eval('tbody tr', rows => rows.length), 100);
        await same('4000 events', small, heap);
    } finally {
        await close();
    }
});

test('300 sessions: those that come and go are shown together, and the page does not grow', {skip}, async () => {
    const {page, batch, tell, shown, heap, close} = await busySessions(chromium.browser, {still: true});
    try {
        for (let i = 0; i < 10; i++) seldom(await batch(i));
        const small = await heap();
        for (let i = 0; i < 200; i++) tell(i);
        await shown();
        assert.equal(await page.$$eval('tbody tr', rows => rows.length), 400);
        await same('2000 sessions', small, heap);
    } finally {
        await close();
    }
});
