/**
 * The table of streams in a real Chromium: nothing is drawn anew that stays, what can be done with several streams at once, and the order of its columns.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {fixture} from './pages-fixture.mjs';

const skip = without(CHROMIUM, 'Chromium');
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) chromium = await launch({mdns: 'show'});
});
after(() => chromium?.close());

/** @param {Record<string, any>} streams @param {Parameters<typeof fixture>[0]} [options] of the server @param {string} [query] */
async function table(streams, options = {}, query = '') {
    const server = await fixture({streams: {}, ...options}), page = await chromium.browser.newPage(), faults = /** @type {string[]} */ ([]);
    server.state.streams = streams;
    page.on('console', msg => msg.type() === 'error' && faults.push(msg.text()));
    page.on('pageerror', err => faults.push(String(err)));
    await page.setViewport({width: 1280, height: 900});
    await page.goto(`${server.url}streams.html?lang=en${query}`);
    await page.waitForSelector('tbody tr');
    /** @param {(...args: any[]) => any} fits @param {any[]} args */
    const until = (fits, ...args) => page.waitForFunction(fits, {polling: 50, timeout: 60_000}, ...args);
    return {
        server, page, until,
        /** Clicks the first button with these words. @param {string} words @param {string} [within] */
        press: async (words, within = 'body') => (await page.waitForSelector(`${within} ::-p-xpath(.//button[.='${words}' or @aria-label='${words}'])`, {visible: true}))?.click(),
        names: () => page.$$eval('tbody tr.lead .title', nodes => nodes.map(n => n.textContent)),
        /** Chooses streams by their boxes. @param {string[]} names */
        async choose(...names) {
            for (const name of names) await page.click(`[aria-label="Select: ${name}"]`);
        },
        said: (/** @type {RegExp} */ words) => until(pattern => new RegExp(pattern).test(document.querySelector('.toast')?.textContent ?? ''), words.source),
        async done(/** @type {RegExp|undefined} */ expected = undefined) {
            await page.close();
            server.close();
            assert.deepEqual(faults.filter(text => !expected?.test(text)), []);
        },
    };
}
const from = (/** @type {string} */ url) => ({producers: [{url}], consumers: null});

test('what could not be loaded at first is no fault any more once it is there', {skip}, async () => {
    let bad = 1;
    const {until, done} = await table({}, {answers: {'GET api/streams': () => bad-- > 0 ? 500 : {a: from('demo:')}}});
    await until(() => /** @type {any} */ (document.querySelector('.banner')).hidden);
    await done(/500 \(Internal/);
});
