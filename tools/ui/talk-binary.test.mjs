/**
 * Talking with the release binary: what is said into the browser's microphone comes out at the camera, others see who talks and wait, and a
 * page that goes gives the floor back.
 */
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, statSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
const folder = mkdtempSync(join(tmpdir(), 'rs2rtc-talk-')), heard = join(folder, 'heard');

/** Two, so that none of the pages is behind the other. @type {Awaited<ReturnType<typeof launch>>[]} */
let chromiums = [];
/** @type {Awaited<ReturnType<typeof rs2rtc>>} */
let server;
before(async () => {
    if (skip) return;
    server = await rs2rtc(`streams:\n  bell:\n    - demo:?width=320&height=180&fps=10\n    - exec:/bin/sh -c 'exec cat > ${heard}'#backchannel=1#audio=alaw/8000\n`);
    const one = () => launch({mdns: 'show', args: ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']});
    chromiums = await Promise.all([one(), one()]);
});
after(async () => {
    await Promise.all(chromiums.map(one => one.close()));
    await server?.stop();
    rmSync(folder, {recursive: true, force: true});
});

/** Bytes that have come out. */
const said = () => statSync(heard, {throwIfNoEntry: false})?.size ?? 0;

test('what is said is heard, and others see who talks', {skip}, async () => {
    const faults = /** @type {string[]} */ ([]);
    const open = async (/** @type {number} */ index) => {
        const page = await chromiums[index].browser.newPage();
        page.on('console', msg => {
            if (msg.type() === 'error') faults.push(msg.text());
        });
        page.on('pageerror', err => faults.push(String(err)));
        await page.goto(`${server.url}camera.html?src=bell&lang=en`);
        await page.waitForSelector('.controls button:nth-child(3):not([hidden])', {timeout: 30_000});
        return page;
    };
    const status = (/** @type {RegExp} */ wanted) => ({source: wanted.source});
    const sees = (/** @type {import('puppeteer-core').Page} */ page, /** @type {RegExp} */ wanted, /** @type {boolean} */ waits) => page.waitForFunction(({source}, waits) =>
        new RegExp(source).test(document.querySelector('.controls [role=status]')?.textContent ?? '')
        && /** @type {HTMLButtonElement} */ (document.querySelector('.controls button:nth-child(3)')).disabled === waits, {polling: 50, timeout: 30_000}, status(wanted), waits);

    const other = await open(0), talker = await open(1);
    await talker.keyboard.down('t');
    await talker.waitForSelector('.controls .talking', {timeout: 30_000});
    await sees(talker, /^$/, false);
    for (const until = Date.now() + 20_000; said() < 8000 && Date.now() < until;) await new Promise(resolve => setTimeout(resolve, 50));
    assert.ok(said() >= 8000, 'a second of G.711 has come out');
    await sees(other, /^Somebody else is talking \([\d.a-f:[\]]+\)\.$/, true);
    await talker.close();
    await sees(other, /^$/, false);
    assert.equal(await other.$eval('.card dd span', n => n.textContent), '1', 'who only talks is no viewer');
    await other.close();
    assert.deepEqual(faults, []);
});
