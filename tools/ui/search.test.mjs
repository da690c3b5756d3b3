/**
 * The search of the wizard where there is nothing to be found: said as that, and not as a fault; what did not work is told by its name.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {fixture} from './pages-fixture.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium');
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) chromium = await launch();
});
after(() => chromium?.close());

/** Searches, and gives what the page says of it and what is on its console. @param {string} url */
async function search(url) {
    const page = await chromium.browser.newPage(), said = /** @type {string[]} */ ([]);
    page.on('console', msg => ['error', 'warn'].includes(msg.type()) && said.push(`${msg.text()} ${msg.location()?.url ?? ''}`));
    await page.goto(`${url}add.html?lang=en`);
    await page.waitForSelector('.examples button');
    await page.$$eval('main button', nodes => nodes.find(one => one.textContent === 'Search')?.click());
    await page.waitForFunction(() => /Found \d/.test(document.querySelector('section.card:last-child')?.textContent ?? ''), {polling: 20});
    const text = await page.$$eval('section.card:last-child .row + .stack > *', nodes => nodes.map(n => n.textContent).filter(Boolean));
    await page.close();
    return {text, said};
}
/** What go2rtc answers. @param {number} status @param {string} text */
const answer = (status, text) => (/** @type {{response: import('node:http').ServerResponse}} */ {response}) => {
    response.statusCode = status;
    return text;
};
/** @param {Record<string, (call: any) => any>} answers @param {string[]} schemes */
async function searchAt(answers, schemes) {
    const server = await fixture({answers: {'GET api/schemes': () => schemes, ...answers}});
    try {
        return await search(server.url);
    } finally {
        server.close();
    }
}

test('a server without devices, asked for an empty list, says nothing on the console', {skip: skip || without(BINARY, 'rs2rtc')}, async () => {
    const server = await rs2rtc('streams: {}\nffmpeg: {bin: /nowhere/ffmpeg}\n');
    try {
        assert.deepEqual(await search(server.url), {text: ['Found 0 cameras (FFmpeg).'], said: []});
    } finally {
        await server.stop();
    }
});

test('a go2rtc that finds nothing answers 404: nothing is found, and nothing is wrong', {skip}, async () => {
    const {text, said} = await searchAt({'GET api/onvif': answer(404, 'no sources\n'), 'GET api/ffmpeg/devices': answer(404, 'no sources\n')}, ['onvif', 'ffmpeg']);
    assert.match(text.join('\n'), /^Found 0 cameras \(ONVIF, FFmpeg\)\.\nIn a container with a bridge network [^\n]+$/);
    assert.ok(said.every(line => /404 \(Not Found\)/.test(line)), said.join('\n'));
});

test('what cannot be asked is told, and what others find is shown', {skip}, async () => {
    const {text} = await searchAt({'GET api/onvif': answer(404, '404 page not found\n'), 'GET api/dvrip': answer(500, 'no network\n')}, ['onvif', 'dvrip', 'ffmpeg']);
    assert.deepEqual([text[0], text[2]], ['Found 1 camera (ONVIF, DVRIP, FFmpeg).', 'ONVIF: 404 page not found · DVRIP: no network']);
    assert.match(text[1] ?? '', /ffmpeg:device\?video=0/);
});
