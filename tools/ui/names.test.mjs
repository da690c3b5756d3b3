/**
 * A stream with the worst of names lives and dies in the web interface, with the release binary, in Chromium and in Firefox: it is added, opened,
 * watched, linked and deleted, and its name is text wherever it stands.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {CHROMIUM, FIREFOX, isDebian, launch, launchFirefox, without} from './browser.mjs';
import {HOSTILE} from './pages-fixture.mjs';
import {BINARY, rs2rtc, watch} from './rs2rtc.mjs';

const skip = without(BINARY, 'rs2rtc');

for (const [name, absent, start] of /** @type {[string, string|false, () => Promise<{browser: import('puppeteer-core').Browser, close: () => Promise<void>}>][]} */ ([
    ['Chromium', skip || without(CHROMIUM, 'Chromium'), launch], ['Firefox', skip || without(FIREFOX, 'Firefox', isDebian()), launchFirefox]])) {
    test(`${name}: added, opened, linked and deleted by its name`, {skip: absent}, async () => {
        const source = await rs2rtc('streams:\n  cam: demo:?width=320&height=180&fps=15\n'), server = await rs2rtc(''), {browser, close} = await start();
        try {
            const page = await browser.newPage(), faults = /** @type {string[]} */ ([]);
            page.on('console', msg => {
                if (msg.type() === 'error') faults.push(msg.text());
            });
            page.on('pageerror', err => faults.push(String(err)));
            page.on('dialog', dialog => faults.push(`asks ${dialog.message()}`));
            const wait = (/** @type {string} */ what, /** @type {(...args: any[]) => any} */ fits) => page.waitForFunction(fits, {polling: 50, timeout: 60_000}, HOSTILE)
                .catch(async err => assert.fail(`${what}: ${err.message} ${await page.$eval('body', n => n.textContent)}`));
            const open = async (/** @type {string} */ path) => {
                await page.goto(`${server.url}${path}${path.includes('?') ? '&' : '?'}lang=en`);
            };
            await open('add.html');
            await wait('the form', () => document.activeElement?.getAttribute('name') === 'src');
            await page.keyboard.type(`rtsp://127.0.0.1:${source.rtsp}/cam`);
            await page.keyboard.press('Enter');
            await wait('a name', () => document.activeElement?.getAttribute('name') === 'name');
            await page.$eval('[name=name]', node => /** @type {HTMLInputElement} */ (node).select());
            await page.keyboard.type(HOSTILE);
            await page.keyboard.press('Enter');
            await wait('it is added', wanted => [...document.querySelectorAll('h2')].some(node => node.textContent?.startsWith(`${wanted} is added`)));
            assert.deepEqual(Object.keys(await (await fetch(`${server.url}api/streams`)).json()), [HOSTILE]);
            // Live, and from there to its own page.
            await open('');
            await wait('its tile', wanted => document.querySelector('.tile .name')?.textContent === wanted);
            const link = await page.$eval('.tile .name', node => /** @type {HTMLAnchorElement} */ (node).href);
            assert.equal(new URL(link).searchParams.get('src'), HOSTILE);
            await page.goto(`${link}&mode=mse&lang=en`);
            await wait('it plays', wanted => document.querySelector('h1')?.textContent?.includes(wanted) && /** @type {any} */ (document.querySelector('rs-player'))?.phase === 'live');
            assert.ok((await page.title()).includes(HOSTILE));
            await open(`links.html?src=${encodeURIComponent(HOSTILE)}`);
            await wait('its addresses', () => document.querySelector('.urls li'));
            const links = await page.$$eval('.urls li', nodes => nodes.map(node => node.getAttribute('data-url') ?? ''));
            assert.ok(links.filter(url => url.startsWith('http')).every(url => [...new URL(url).searchParams].some(([key, value]) => ['src', 'dst'].includes(key) && value === HOSTILE)), links.join('\n'));
            assert.equal((await fetch(`${server.url}api/frame.mp4?src=${encodeURIComponent(HOSTILE)}`)).status, 200);
            await open('sessions.html');
            await wait('the session that was', wanted => [...document.querySelectorAll('tbody tr')].some(row => row.textContent?.includes(wanted)));
            const leave = await watch(`${server.url}api/stream.mp4?src=${encodeURIComponent(HOSTILE)}`);
            await open(`net.html?src=${encodeURIComponent(HOSTILE)}`);
            await wait('its boxes in the graph', wanted => ['Producers', 'Consumers'].every(column => [...document.querySelectorAll('.graph g')].some(node => node.getAttribute('aria-label')?.startsWith(column) && node.querySelector('title')?.textContent?.endsWith(` ${wanted}`))));
            await page.evaluate(() => document.querySelector('.graph g[aria-label^=Consumers]')?.dispatchEvent(new MouseEvent('click')));
            await wait('its details in the graph', wanted => document.querySelector('.card h2')?.textContent?.endsWith(` ${wanted}`));
            assert.equal(new URL(await page.$eval('.card a', node => /** @type {HTMLAnchorElement} */ (node).href)).searchParams.get('src'), HOSTILE);
            assert.equal(await page.evaluate(() => document.querySelectorAll('main img, [onerror]').length), 0);
            leave();
            await wait('its viewer has left the graph', () => [...document.querySelectorAll('.card .state')].some(node => node.checkVisibility()));
            // Gone, by its name.
            await open('streams.html');
            await wait('its row', wanted => document.querySelector('tbody tr')?.textContent?.includes(wanted));
            await page.click('tbody button[aria-label=Details]');
            await wait('its details', () => [...document.querySelectorAll('.detail button')].some(node => node.textContent === 'Delete stream'));
            await page.$$eval('.detail button', nodes => /** @type {HTMLElement} */ (nodes.find(node => node.textContent === 'Delete stream')).click());
            await wait('the question', wanted => document.querySelector('dialog[open]')?.textContent?.includes(wanted));
            await page.focus('dialog input');
            await page.keyboard.type(HOSTILE);
            await page.click('dialog .danger');
            await wait('it is gone', wanted => document.querySelector('.toast')?.textContent?.includes(wanted) && !document.querySelector('tbody tr'));
            assert.deepEqual(await (await fetch(`${server.url}api/streams`)).json(), {});
            assert.equal(await page.evaluate(() => document.querySelectorAll('main img, [onerror]').length), 0);
            assert.deepEqual(faults, []);
        } finally {
            await close();
            await server.stop();
            await source.stop();
        }
    });
}
