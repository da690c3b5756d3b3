/**
 * The configuration page with the release binary: what is wrong is marked with its line, a stream that is added disturbs nobody, a file that was
 * changed meanwhile is not overwritten, and what nobody confirms is undone.
 */
import assert from 'node:assert/strict';
import {readFileSync, writeFileSync} from 'node:fs';
import {test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');

test('a viewer goes on while streams are added; wrong, conflicting and unconfirmed changes', {skip}, async () => {
    const server = await rs2rtc('streams:\n  cam: demo:?width=320&height=180&fps=15\n'), {browser, close} = await launch({mdns: 'show'});
    const sessions = async () => (await (await fetch(`${server.url}api/rs/sessions`)).json()).sessions.map((/** @type {any} */ one) => one.id);
    const streams = async () => Object.keys(await (await fetch(`${server.url}api/streams`)).json());
    try {
        const page = await browser.newPage(), viewer = await browser.newPage();
        // A draft that is left asks whether it may be.
        page.on('dialog', dialog => dialog.accept());
        await viewer.goto(`${server.url}camera.html?src=cam&mode=webrtc&lang=en`);
        await viewer.waitForFunction(() => /** @type {any} */ (document.querySelector('rs-player'))?.phase === 'live', {polling: 50, timeout: 60_000});
        const before = await sessions();
        assert.equal(before.length, 1);
        // Its page stays in front: a hidden one would let go.
        const press = (/** @type {string} */ words, /** @type {string} */ within) => page.evaluate((words, within) => {
            const all = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(`${within} button`)]);
            const one = all.find(one => one.textContent?.includes(words));
            if (!one) throw new Error(`no button: ${words}`);
            one.click();
        }, words, within);
        const text = (/** @type {string} */ selector, /** @type {RegExp} */ wanted) => page.waitForFunction((selector, wanted) =>
            [...document.querySelectorAll(selector)].some(n => new RegExp(wanted).test(n.textContent ?? '')), {polling: 50, timeout: 60_000}, selector, wanted.source);
        const edit = (/** @type {string} */ line) => page.goto(`${server.url}config.html?lang=en&add=${encodeURIComponent(line)}`)
            .then(() => page.waitForFunction(wanted => document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-content')?.textContent?.includes(wanted), {polling: 50, timeout: 60_000}, line.trim()));
        const review = async () => {
            await press('Review and apply', '.tools');
            await page.waitForFunction(() => document.querySelector('dialog .diff'), {polling: 50, timeout: 60_000});
        };
        await edit('webrct: {}');
        await text('.problems button', /line 6.*webrct.*webrtc/i);
        await edit('  gate: rtsp://127.0.0.1:9/x');
        await review();
        await page.$eval('dialog .primary', node => /** @type {HTMLElement} */ (node).click());
        await page.waitForFunction(() => !document.querySelector('dialog'), {polling: 50, timeout: 60_000});
        assert.ok((await streams()).includes('gate'));
        assert.deepEqual(await sessions(), before, 'the viewer has noticed nothing');
        // Somebody else writes the file.
        await edit('  yard: rtsp://127.0.0.1:9/x');
        await review();
        const theirs = `${readFileSync(server.file, 'utf8')}# theirs\n`;
        writeFileSync(server.file, theirs);
        await page.$eval('dialog .primary', node => /** @type {HTMLElement} */ (node).click());
        await text('dialog h2', /Changed on disk meanwhile/);
        assert.equal(readFileSync(server.file, 'utf8'), theirs);
        // Nobody confirms, and the page is closed.
        await edit('  yard: rtsp://127.0.0.1:9/x');
        await review();
        await page.evaluate(() => {
            const real = window.fetch;
            window.fetch = (url, options) => real(String(url).replace('confirm=60', 'confirm=1'), options);
        });
        await press('undo in 60 s', 'dialog');
        await text('dialog h2', /Keep this configuration/);
        await page.close();
        for (const until = Date.now() + 60_000; (await streams()).includes('yard');) {
            assert.ok(Date.now() < until, 'it is undone');
            await new Promise(resolve => setTimeout(resolve, 50));
        }
        assert.equal(readFileSync(server.file, 'utf8'), theirs);
        assert.deepEqual(await sessions(), before);
        await viewer.waitForFunction(() => /** @type {any} */ (document.querySelector('rs-player')).phase === 'live', {polling: 50, timeout: 60_000});
        assert.deepEqual(await sessions(), before);
    } finally {
        await close();
        await server.stop();
    }
});
