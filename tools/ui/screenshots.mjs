#!/usr/bin/env node
/**
 * The pictures of the README, from the release binary and a real Chromium: the built-in cameras play, one camera is not there.
 *
 *     node tools/ui/screenshots.mjs [FOLDER]
 *
 * Without FOLDER they go where the README looks for them.
 */
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {launch} from './browser.mjs';
import {rs2rtc} from './rs2rtc.mjs';

export const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url));

/** Names of cameras as people have them. */
const CONFIG = lang => `
streams:
${(lang === 'zh' ? ['前门', '花园', '车库', '客厅'] : ['front door', 'garden', 'garage', 'living room'])
        .map((name, i) => `  ${name}: demo:?width=640&height=360&fps=15${i ? '&audio=none' : ''}`).join('\n')}
  ${lang === 'zh' ? '大门' : 'gate'}: rtsp://127.0.0.1:9/stream1
`;
const DOOR = {en: 'front door', zh: '前门'};

/** @typedef {{name: string, lang: 'en'|'zh', path: string, scheme: 'light'|'dark', width: number, height: number, scale?: number, ready: (page: import('puppeteer-core').Page) => Promise<unknown>}} Shot */

/** @param {number} n players that show a picture */
const playing = n => (/** @type {import('puppeteer-core').Page} */ page) =>
    page.waitForFunction(wanted => [...document.querySelectorAll('video')].filter(v => v.videoWidth && v.currentTime > 1).length >= wanted, {timeout: 40_000}, n);

/** Starts what stands still, the camera that is not there too. @param {import('puppeteer-core').Page} page */
async function startAll(page) {
    await page.waitForFunction(() => document.querySelectorAll('.tile').length === 5);
    await page.evaluate(() => {
        for (const node of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('.tile'))) {
            if (!node.classList.contains('playing')) /** @type {HTMLElement} */ (node.querySelector('.over .button, .over button')).click();
        }
    });
}

/** @type {(lang: 'en'|'zh') => Shot[]} */
const shots = lang => [
    {name: 'live', lang, path: '', scheme: 'light', width: 1280, height: 800, ready: async page => {
        await startAll(page);
        await playing(4)(page);
        await page.waitForSelector('.tile .state[data-state=failed], .tile .state[data-state=retrying]', {timeout: 30_000});
        await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
    }},
    {name: 'camera', lang, path: `camera.html?src=${encodeURIComponent(DOOR[lang])}`, scheme: 'light', width: 1280, height: 800, ready: playing(1)},
    {name: 'sessions', lang, path: 'sessions.html', scheme: 'light', width: 1280, height: 1000, ready: async page => {
        // One that has left, with its timeline.
        const visitor = await page.browser().newPage();
        await visitor.goto(new URL(`stream.html?src=${encodeURIComponent(DOOR[lang])}&mode=webrtc`, page.url()).href);
        await playing(1)(visitor);
        await visitor.close();
        // Only WebRTC has one.
        const row = await page.waitForFunction(() => [...[...document.querySelectorAll('table')].at(-1)?.querySelectorAll('tbody tr[data-id]') ?? []].find(row => /WebRTC/.test(row.textContent ?? '')));
        await row.asElement()?.evaluate(node => /** @type {HTMLElement} */ (node).focus());
        await page.keyboard.press('Enter');
        await page.waitForSelector('.timeline li');
        await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
    }},
    {name: 'phone', lang, path: '', scheme: 'dark', width: 390, height: 800, scale: 2, ready: async page => {
        await startAll(page);
        await playing(1)(page);
    }},
];

/** @param {string} folder */
export async function screenshots(folder) {
    mkdirSync(folder, {recursive: true});
    const chromium = await launch({mdns: 'show'});
    try {
        for (const lang of /** @type {const} */ (['en', 'zh'])) {
            const server = await rs2rtc(CONFIG(lang));
            try {
                for (const {name, path, scheme, width, height, scale, ready} of shots(lang)) {
                    const page = await chromium.browser.newPage();
                    await page.setViewport({width, height, deviceScaleFactor: scale ?? 1});
                    await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value: scheme}]);
                    await page.goto(`${server.url}${path}${path.includes('?') ? '&' : '?'}lang=${lang}`);
                    await ready(page);
                    const file = join(folder, `${name}${lang === 'en' ? '' : `.${lang}`}.webp`);
                    const picture = await page.screenshot({type: 'webp', quality: 72});
                    writeFileSync(file, picture);
                    console.log(`${file}: ${picture.length} bytes`);
                    await page.close();
                }
            } finally {
                await server.stop();
            }
        }
    } finally {
        await chromium.close();
    }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await screenshots(process.argv[2] ?? IMAGES);
