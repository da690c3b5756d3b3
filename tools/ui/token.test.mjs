/**
 * The admin token with the release binary: who may not administrate from where he is can give it, a wrong one is told, and no script of any page can read what stands for it.
 */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {fixture} from './pages-fixture.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';
import {visit} from './visit.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');

test('the admin token is asked for where it is wanted, and forgotten', {skip}, async () => {
    // Other machines reach it, or there would be no token.
    const server = await rs2rtc('streams:\n  cam: demo:\n', {api: 'tls_listen: ":0"'}), token = readFileSync(server.file.replace(/yaml$/, 'token'), 'utf8').trim();
    const {browser, close} = await launch();
    try {
        const page = await browser.newPage(), lines = /** @type {string[]} */ ([]), urls = /** @type {string[]} */ ([]);
        page.on('console', msg => lines.push(msg.text()));
        page.on('request', request => urls.push(request.url()));
        await page.setExtraHTTPHeaders({'X-Forwarded-For': '192.168.77.9'});
        const says = (/** @type {string} */ selector, /** @type {RegExp} */ pattern) => page.waitForFunction((s, p) => new RegExp(p).test(document.querySelector(s)?.textContent ?? ''), {}, selector, pattern.source);
        const press = async (/** @type {string} */ words, within = 'body') => {
            const node = await page.waitForSelector(`${within} ::-p-text(${words})`, {visible: true});
            await node?.evaluate(n => /** @type {HTMLElement} */ (n.closest('button') ?? n).click());
        };
        const give = async (/** @type {string} */ text) => {
            const field = await page.waitForSelector('dialog input[type=password]');
            await field?.evaluate(n => /** @type {HTMLInputElement} */ (n).select());
            await field?.type(text);
            await page.keyboard.press('Enter');
        };
        // An action.
        await page.goto(`${server.url}log.html?lang=en`);
        await press('Clear log', 'main');
        await press('Clear log', 'dialog');
        await give('x'.repeat(64));
        await says('dialog:last-of-type', /This is not the token/);
        assert.equal((await browser.cookies()).length, 0);
        await give(token);
        await page.waitForFunction(() => !document.querySelector('dialog'));
        assert.doesNotMatch(await page.$eval('body', n => n.textContent ?? ''), /may view but not change/);
        // What it gives is there on the next page.
        await page.goto(`${server.url}config.html?lang=en`);
        await says('main', /in force/);
        assert.equal(await page.$eval('.tools .primary', n => /** @type {HTMLButtonElement} */ (n).disabled), false);
        const [cookie, ...more] = await browser.cookies();
        assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.session, cookie.path, more.length], [true, 'Strict', true, '/', 0]);
        const kept = () => page.evaluate(() => JSON.stringify({...localStorage, ...sessionStorage}) + document.cookie);
        for (const secret of [token, cookie.value]) assert.ok(!(await kept()).includes(secret));
        // What is kept is of no use without the cookie.
        const key = await page.evaluate(() => localStorage.getItem('rs.admin') ?? '');
        const told = (await (await fetch(`${server.url}api/rs/login`, {headers: {'X-RS': key, 'X-Forwarded-For': '192.168.77.9'}})).json());
        assert.deepEqual([key.length, told], [33, {admin: false, cookie: false}]);
        await page.keyboard.press('?');
        await page.$eval('body', n => n.querySelector('dialog') ?? /** @type {HTMLElement|null} */ (n.querySelector('.corner button'))?.click());
        await press('Forget the admin token', 'dialog');
        await says('.banner', /look but not change/);
        assert.equal((await browser.cookies()).length, 0);
        // And where one looks first.
        await press('Admin token', '.banner');
        await press('Cancel', 'dialog');
        await press('Admin token', '.banner');
        await give(token);
        await page.waitForFunction(() => document.querySelector('.tools .primary:enabled') && document.querySelector('.editor > div'));
        assert.deepEqual([...lines, ...urls, server.log()].filter(text => text.includes(token)), []);
        // Another tab is signed in, too; another profile is not.
        for (const [where, signedIn] of /** @type {const} */ ([[browser, true], [await browser.createBrowserContext(), false]])) {
            const other = await where.newPage();
            await other.setExtraHTTPHeaders({'X-Forwarded-For': '192.168.77.9'});
            await other.goto(`${server.url}config.html?lang=en`);
            await other.waitForFunction(is => is ? document.querySelector('.tools .primary:enabled') : /look but not change/.test(document.querySelector('.banner')?.textContent ?? ''), {}, signedIn);
        }
    } finally {
        await close();
        await server.stop();
    }
});

test('one token is tried at a time, and one that turns out wrong later takes nothing from the right one', {skip: without(CHROMIUM, 'Chromium')}, async () => {
    const ends = /** @type {((value: any) => void)[]} */ ([]), own = await fixture({answers: {'POST api/rs/login': () => new Promise(resolve => ends.push(resolve)), 'GET api/rs/login': () => ({admin: true, cookie: true})}});
    const {browser, close} = await launch();
    try {
        const {page, says, press, done} = await visit(browser, 'links.html', {own});
        const give = async (/** @type {string} */ token) => {
            await page.evaluate(async () => {
                (await import(String(new URL('lib/token.js', location.href)))).askToken();
            });
            await page.type('dialog input', token);
            await page.keyboard.press('Enter');
        };
        await give('wrong');
        await own.until(() => ends.length === 1);
        await says('dialog .state[data-state=run]', /^running…$/);
        await page.keyboard.press('Enter');
        await page.$eval('dialog .primary', n => /** @type {HTMLElement} */ (n).click());
        // It would have gone out before this one.
        await page.evaluate(() => fetch('api/streams').then(answer => answer.text()));
        assert.deepEqual([ends.length, await page.$eval('dialog .primary', n => /** @type {HTMLButtonElement} */ (n).disabled)], [1, true]);
        ends[0](401);
        await says('dialog .state[data-state=fail]', /^This is not the token\.$/);
        assert.deepEqual(await page.evaluate(() => [document.activeElement?.tagName, document.querySelectorAll('dialog button:enabled').length]), ['INPUT', 2]);
        await page.keyboard.press('Enter');
        await own.until(() => ends.length === 2);
        await press('Cancel', 'dialog');
        await page.waitForFunction(() => !document.querySelector('dialog'));
        await give('right');
        await own.until(() => ends.length === 3);
        ends[2]({key: 'k'});
        await page.waitForFunction(() => !document.querySelector('dialog'));
        const refused = page.waitForResponse(response => response.status() === 401);
        ends[1](401);
        await (await refused).text().catch(() => '');
        await page.evaluate(() => fetch('api/streams').then(answer => answer.text()));
        assert.match(await page.evaluate(() => localStorage.getItem('rs.admin') ?? ''), /k/);
        await done(/401 \(Unauthorized\)/);
    } finally {
        await close();
        own.close();
    }
});
