/**
 * What the browser does until the grid is on the screen: few requests, nothing that moves afterwards, and no camera is opened. How soon it is
 * there is measured by `bench-pages.mjs`.
 */
import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {test} from 'node:test';
import {CHROMIUM, FIREFOX, isDebian, launch, launchFirefox, without} from './browser.mjs';
import {fixture} from './pages-fixture.mjs';
import {BINARY} from './rs2rtc.mjs';
import {paints} from './scenes.mjs';
import {putOff} from './visit.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
/** How much the page may move (Layout Instability API). */
const SHIFT = 0.02;
/** Requests of a first visit until the grid is there, whatever they are for. */
const REQUESTS = 14;

for (const [name, start, missing] of /** @type {[string, typeof launch, string|false][]} */ ([['Chromium', launch, without(CHROMIUM, 'Chromium')], ['Firefox', launchFirefox, without(FIREFOX, 'Firefox', isDebian())]])) {
    test(`${name}: a first visit asks for little until the grid is there`, {skip: missing}, async () => {
        const {browser, close} = await start(), idle = {producers: [{url: 'rtsp://192.168.1.70/x'}], consumers: null};
        try {
            for (const language of ['en', 'zh']) {
                const server = await fixture({streams: {}}), page = await browser.newPage();
                server.state.streams = Object.fromEntries(Array.from({length: 16}, (_, i) => [`cam ${i}`, idle]));
                // What a page puts off waits for the paint.
                await putOff(page, 250);
                await page.evaluateOnNewDocument(() => {
                    const look = () => document.querySelectorAll('.tile').length >= 16 ? requestAnimationFrame(() => fetch('painted').catch(() => {})) : requestAnimationFrame(look);
                    look();
                });
                await page.goto(`${server.url}?lang=${language}`);
                await server.until(() => server.requests.includes('/painted'));
                const asked = server.requests.slice(0, server.requests.indexOf('/painted'));
                console.log(`${asked.length} requests until the grid is there: ${asked.join(' ')}`);
                assert.ok(asked.length <= REQUESTS, `${asked.length}: ${asked}`);
                await page.close();
                server.close();
            }
        } finally {
            await close();
        }
    });
}

test('where a camera runs the player is asked for with the list, before the page has begun', {skip: without(CHROMIUM, 'Chromium')}, async () => {
    const {browser, close} = await launch();
    try {
        for (const lang of ['en', 'zh']) {
            let begin = () => {};
            const begins = new Promise(done => begin = () => done(null)), server = await fixture({answers: {'GET pages/live.js': async ({response}) => {
                await begins;
                response.setHeader('content-type', 'text/javascript');
                return readFile(new URL('../../ui/pages/live.js', import.meta.url), 'utf8');
            }}});
            const page = await browser.newPage(), there = page.goto(`${server.url}?lang=${lang}`);
            await server.until(() => server.requests.includes('/player/rs-player.js'));
            assert.ok(server.requests.indexOf(`/i18n/${lang}.js`) < server.requests.indexOf('/player/rs-player.js'), 'the words of the page come first');
            assert.equal(await page.$('.tile'), null);
            begin();
            await there;
            await page.waitForSelector('.tile');
            assert.equal(server.requests.filter(path => path === '/player/rs-player.js').length, 1);
            await page.close();
            server.close();
        }
    } finally {
        await close();
    }
});

test('a list that is cut off is told, and asked for again', {skip: without(CHROMIUM, 'Chromium')}, async () => {
    const {browser, close} = await launch();
    let cut = true;
    const server = await fixture({answers: {'GET api/streams': ({response}) => {
        if (!cut) return server.state.streams;
        response.writeHead(200, {'content-type': 'application/json', 'content-length': '1000'});
        response.write('{"a": ');
        setImmediate(() => response.destroy());
        return new Promise(() => {});
    }}});
    try {
        const page = await browser.newPage();
        await page.goto(`${server.url}?lang=en`);
        await page.waitForFunction(() => /Server not reachable/.test(document.querySelector('.banner')?.textContent ?? ''));
        cut = false;
        await page.waitForSelector('.tile');
        await page.close();
    } finally {
        await close();
        server.close();
    }
});

test('a slow thread answers while the grid is built: few tiles at a time, and nothing that takes long to make before them', {skip}, async () => {
    const server = await fixture({streams: {}}), {browser, close} = await launch();
    server.state.streams = Object.fromEntries(Array.from({length: 40}, (_, i) => [`cam ${i}`, {producers: [{url: 'rtsp://192.168.1.70/x'}], consumers: null}]));
    try {
        const page = await browser.newPage();
        await page.evaluateOnNewDocument(() => {
            const steps = /** @type {number[]} */ ([]), made = /** @type {string[]} */ ([]);
            Object.assign(window, {steps, made});
            // What formats and sorts as languages do takes as long as all the tiles.
            for (const name of /** @type {const} */ (['Collator', 'NumberFormat', 'PluralRules', 'DateTimeFormat'])) {
                const real = /** @type {any} */ (Intl[name]);
                /** @type {any} */ (Intl)[name] = new Proxy(real, {construct: (target, args) => {
                    made.push(name);
                    return Reflect.construct(target, args);
                }});
            }
            let before = 0;
            new MutationObserver(() => {
                const now = document.querySelectorAll('.tile').length;
                if (now !== before) steps.push(now - before);
                before = now;
            }).observe(document, {subtree: true, childList: true});
        });
        await page.goto(`${server.url}?lang=en`);
        await page.waitForFunction(() => document.querySelectorAll('.tile').length === 40 && document.querySelector('.summary')?.textContent, {polling: 50, timeout: 60_000});
        const {steps, made} = await page.evaluate(() => ({steps: /** @type {any} */ (window).steps, made: /** @type {any} */ (window).made}));
        assert.deepEqual(steps, [8, 8, 8, 8, 8]);
        assert.deepEqual(made, []);
        assert.deepEqual(await page.$$eval('.tile', tiles => tiles.map(one => one.getAttribute('data-name'))), Array.from({length: 40}, (_, i) => `cam ${i}`), 'in the order of people');
    } finally {
        await close();
        server.close();
    }
});

test('the grid stays where it is and opens no camera', {skip}, async () => {
    for (const {requests, shift, opened} of await paints({visits: 2})) {
        console.log(`${requests.length} requests until the grid is there, moved by ${shift.toFixed(4)}`);
        assert.ok(shift <= SHIFT, `it moved by ${shift}`);
        assert.equal(requests.filter(path => /rs-player|vendor/.test(path)).length, 0, `the player comes with the first picture: ${requests}`);
        assert.equal(opened, 0, 'no camera was opened');
    }
});
