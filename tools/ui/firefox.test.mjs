/**
 * The pages in Firefox ESR: every one is built without an error on its console and asks nobody else; a camera of an odd name is added.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {FIREFOX, isDebian, launchFirefox, without} from './browser.mjs';
import {fixture, HOSTILE} from './pages-fixture.mjs';

const skip = without(FIREFOX, 'Firefox', isDebian());
const SRC = encodeURIComponent(HOSTILE);
// A tile that plays by itself has loaded its player: leaving before that would be an error on the console.
const PAGES = {'': '.tile rs-player', 'streams.html': 'tbody tr', 'sessions.html': '.timeline, tbody tr', 'add.html': '.examples button', 'log.html': '.loglist li', 'config.html': '.problems', 'net.html': '.graph g',
    [`links.html?src=${SRC}`]: '.urls li', 'doctor.html': '.checks li', [`camera.html?src=${SRC}`]: 'rs-player .info'};

/** @type {Awaited<ReturnType<typeof launchFirefox>>} */
let firefox;
/** @type {import('puppeteer-core').Browser} */
let browser;
/** @type {Awaited<ReturnType<typeof fixture>>} */
let server;

before(async () => {
    if (skip) return;
    server = await fixture({base: '/a/b/'});
    firefox = await launchFirefox();
    browser = firefox.browser;
});
after(async () => {
    await firefox?.close();
    server?.close();
});

test('every page without an error, also in Chinese', {skip}, async () => {
    const page = await browser.newPage(), faults = /** @type {string[]} */ ([]);
    page.on('console', msg => {
        if (msg.type() === 'error') faults.push(msg.text());
    });
    page.on('pageerror', err => faults.push(String(err)));
    page.on('request', request => {
        if (!request.url().startsWith(server.url) && !/^(data|blob):/.test(request.url())) faults.push(`asks ${request.url()}`);
    });
    for (const [path, ready] of Object.entries(PAGES)) {
        for (const lang of ['', 'config.html'].includes(path) ? ['zh', 'en'] : ['en']) {
            await page.goto(`${server.url}${path}${path.includes('?') ? '&' : '?'}lang=${lang}`);
            await page.waitForSelector(ready, {timeout: 30_000});
            assert.equal(await page.$eval('html', n => n.lang), lang === 'zh' ? 'zh-CN' : 'en');
        }
    }
    await page.goto(`${server.url}config.html`);
    await page.waitForFunction(() => document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-line')?.textContent === 'api:', {timeout: 30_000});
    await page.close();
    assert.deepEqual(faults, []);
});

test('a camera of any name is added and watched', {skip}, async () => {
    const page = await browser.newPage();
    await page.goto(`${server.url}add.html?lang=en`);
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'src');
    await page.keyboard.type('rtsp://192.168.1.9/x');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'name', {timeout: 30_000});
    await page.keyboard.type('<b>&"x');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => /is added/.test(document.querySelector('main')?.textContent ?? ''), {timeout: 30_000});
    assert.ok('<b>&"x' in server.state.streams);
    assert.equal(new URL(await page.$eval('a.primary', n => /** @type {any} */ (n).href)).searchParams.get('src'), '<b>&"x');
    await page.close();
});
