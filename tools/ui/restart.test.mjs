/**
 * The server dies and is started again, with the release binary: the page says so, and its pictures come back by themselves.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
/** Milliseconds until the banner, and from the new server until every tile plays. */
const TOLD = 2000, BACK = 5000;
/** Times that every tile tries in vain: by then the next attempts are seconds away. */
const TRIES = 5;
/** Times that the server dies, at most. */
const ROUNDS = 3;

test('a server that dies is told within 2 s, and the tiles play within 5 s of the next one', {skip}, async () => {
    const server = await rs2rtc('streams:\n  door: demo:?width=320&height=180&fps=15\n  yard: demo:?width=320&height=180&fps=15\n');
    const {browser, close} = await launch({mdns: 'show'});
    try {
        const page = await browser.newPage();
        await page.evaluateOnNewDocument(() => {
            localStorage.setItem('rs.alwaysAll', 'true');
            const tries = /** @type {any} */ (window).tries = new Map();
            document.addEventListener('state', ev => {
                if (/** @type {any} */ (ev).detail.state === 'retrying') tries.set(ev.target, (tries.get(ev.target) ?? 0) + 1);
            });
            /** [what, when]. */
            const told = /** @type {any} */ (window).told = /** @type {[string, number][]} */ ([]);
            addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
                const banner = /** @type {HTMLElement|null} */ (document.querySelector('.banner'));
                const text = banner && !banner.hidden ? banner.textContent ?? '' : '';
                if (text && told.at(-1)?.[0] !== text.slice(0, 12)) told.push([text.slice(0, 12), Date.now()]);
            }).observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true}));
        });
        const playing = () => page.waitForFunction(() => {
            const players = /** @type {any[]} */ ([...document.querySelectorAll('.tile rs-player')]);
            return players.length === 2 && players.every(one => one.phase === 'live' && !one.video.paused) && Date.now();
        }, {polling: 20, timeout: 30_000}).then(handle => handle.jsonValue());
        await page.goto(`${server.url}?lang=en`);
        await playing();
        const banners = /** @type {number[]} */ ([]), backs = /** @type {number[]} */ ([]);
        // The best of some times counts: a machine that does other things shows what it can do now and then.
        while (banners.length < ROUNDS && !(Math.min(...banners) <= TOLD && Math.min(...backs) <= BACK)) {
            await page.evaluate(() => {
                /** @type {any} */ (window).told.length = 0;
                /** @type {any} */ (window).tries.clear();
            });
            const killed = Date.now();
            await server.kill();
            await page.waitForFunction(tries => /** @type {any} */ (window).tries.size === 2 && [.../** @type {any} */ (window).tries.values()].every(n => n >= tries), {polling: 20, timeout: 60_000}, TRIES);
            await server.again();
            const listening = Date.now();
            backs.push(Number(await playing()) - listening);
            await page.waitForFunction(() => /** @type {any} */ (window).told.some(([text]) => text.startsWith('Server resta')), {polling: 20, timeout: 30_000});
            banners.push((await page.evaluate(() => /** @type {any} */ (window).told)).find(([text]) => text.startsWith('Server not'))[1] - killed);
        }
        console.log(`banner after ${banners.join(', ')} ms, all tiles ${backs.join(', ')} ms after the server listens`);
        assert.ok(Math.min(...banners) <= TOLD, `the banner came after ${banners.join(', ')} ms`);
        assert.ok(Math.min(...backs) <= BACK, `the tiles played after ${backs.join(', ')} ms`);
    } finally {
        await close();
        await server.stop();
    }
});
