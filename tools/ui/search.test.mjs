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

/** Searches, and gives what the page says of it and what is on its console. @param {string} url @param {string} [lang] */
async function search(url, lang = 'en') {
    const page = await chromium.browser.newPage(), said = /** @type {string[]} */ ([]);
    page.on('console', msg => ['error', 'warn'].includes(msg.type()) && said.push(`${msg.text()} ${msg.location()?.url ?? ''}`));
    await page.goto(`${url}add.html?lang=${lang}`);
    await page.waitForSelector('.examples button');
    await page.$$eval('main button', nodes => nodes.find(one => ['Search', '搜索'].includes(one.textContent ?? ''))?.click());
    // What may stand between is looked up after that.
    await page.waitForFunction(() => {
        const card = document.querySelector('section.card:last-child');
        return /(Found|找到) \d/.test(card?.textContent ?? '') && !card?.querySelector('.row button:disabled');
    }, {polling: 20});
    const text = await page.$$eval('section.card:last-child .row + .stack > *', nodes => nodes.map(n => n.textContent).filter(Boolean));
    await page.close();
    return {text, said};
}
/** What go2rtc answers. @param {number} status @param {string} text */
const answer = (status, text) => (/** @type {{response: import('node:http').ServerResponse}} */ {response}) => {
    response.statusCode = status;
    return text;
};
test('who types before the page knows everything keeps the focus', {skip}, async () => {
    let answer = (/** @type {string[]} */ _schemes) => {};
    const server = await fixture({answers: {'GET api/schemes': () => new Promise(resolve => answer = resolve)}}), page = await chromium.browser.newPage();
    try {
        await page.goto(`${server.url}add.html?lang=en`);
        await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'src');
        await page.keyboard.type('rtsp://10.0.0.9/x');
        await page.focus('input[name=user]');
        await server.until(() => server.requests.some(one => /api\/schemes/.test(one)));
        answer(['rtsp']);
        await page.waitForSelector('.examples button');
        assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('name')), 'user');
    } finally {
        await page.close();
        server.close();
    }
});

/** @param {Record<string, (call: any) => any>} answers @param {string[]} schemes @param {string} [lang] */
async function searchAt(answers, schemes, lang) {
    const server = await fixture({answers: {'GET api/schemes': () => schemes, ...answers}});
    try {
        return await search(server.url, lang);
    } finally {
        server.close();
    }
}

test('a server without devices, asked for an empty list, says nothing on the console', {skip: skip || without(BINARY, 'rs2rtc')}, async () => {
    const server = await rs2rtc('streams: {}\nffmpeg: {bin: /nowhere/ffmpeg}\n');
    try {
        assert.deepEqual(await search(server.url), {text: ['Found 0 devices (FFmpeg).'], said: []});
    } finally {
        await server.stop();
    }
});

test('where only what is plugged in can be searched, the network is not promised, and what is found is shown as it stands in the file', {skip}, async () => {
    const server = await fixture(), page = await chromium.browser.newPage();
    await page.goto(`${server.url}add.html?lang=en`);
    await page.waitForSelector('.examples button');
    const card = '[data-step] > section.card:last-child';
    assert.deepEqual(await page.$$eval(`${card} > :is(h2, p)`, nodes => nodes.map(n => n.textContent)), ['Plugged into the server', 'This build of the server cannot search the network: give the address above.']);
    const press = (/** @type {string} */ words) => page.$$eval('main button', (nodes, words) => nodes.find(one => one.textContent === words)?.click(), words);
    await press('Search');
    await page.waitForFunction(() => /Found 1 device \(FFmpeg\)\./.test(document.querySelector('section.card:last-child')?.textContent ?? ''));
    await press('Use');
    assert.deepEqual(await page.$eval('form pre', n => [n.checkVisibility(), n.textContent]), [true, 'streams:\n  ffmpeg: "ffmpeg:device?video=0"']);
    assert.equal(await page.$eval('form button.primary', n => /** @type {HTMLButtonElement} */ (n).disabled), true);
    await page.close();
    server.close();
});

test('a server that can search nothing: nothing is promised, and there is nothing to press', {skip}, async () => {
    const server = await fixture({answers: {'GET api/schemes': () => ['rtsp']}}), page = await chromium.browser.newPage();
    await page.goto(`${server.url}add.html?lang=en`);
    await page.waitForFunction(() => /cannot search the network/.test(document.querySelector('[data-step] > section.card:last-child')?.textContent ?? ''));
    assert.deepEqual(await page.$$eval('[data-step] > section.card:last-child button', nodes => nodes.filter(n => n.checkVisibility()).length), 0);
    await page.close();
    server.close();
});

test('a go2rtc that finds nothing answers 404: nothing is found, and nothing is wrong', {skip}, async () => {
    const answers = {'GET api/rs/doctor': answer(404, '404 page not found\n'), 'GET api/onvif': answer(404, 'no sources\n'), 'GET api/ffmpeg/devices': answer(404, 'no sources\n')};
    const {text, said} = await searchAt(answers, ['onvif', 'ffmpeg']), zh = await searchAt(answers, ['onvif', 'ffmpeg'], 'zh');
    assert.match(text.join('\n'), /^Found 0 cameras \(ONVIF, FFmpeg\)\.\nIn a container with a bridge network [^\n]+$/);
    assert.equal(zh.text.length, 2, zh.text.join('\n'));
    assert.ok(said.every(line => /404 \(Not Found\)/.test(line)), said.join('\n'));
});

test('what cannot be asked is told, and what others find is shown', {skip}, async () => {
    const {text} = await searchAt({'GET api/onvif': answer(404, '404 page not found\n'), 'GET api/dvrip': answer(500, 'no network\n')}, ['onvif', 'dvrip', 'ffmpeg']);
    assert.deepEqual([text[0], text[2]], ['Found 1 camera (ONVIF, DVRIP, FFmpeg).', 'ONVIF: 404 page not found · DVRIP: no network']);
    assert.match(text[1] ?? '', /ffmpeg:device\?video=0/);
});

test('what is found stands below its host, what is plugged in behind that', {skip}, async () => {
    let answerNow = () => {};
    // What comes first stands first.
    const later = new Promise(done => answerNow = () => done(null));
    const server = await fixture({answers: {'GET api/schemes': () => ['onvif', 'dvrip', 'ffmpeg'],
        'GET api/onvif': () => ({sources: [{name: 'Hikvision DS-2CD', url: 'onvif://192.168.1.64'}, {name: 'other', url: 'onvif://user:p%40ss@[FD00::5]:80/x'}]}),
        'GET api/dvrip': () => later.then(() => ({sources: [{name: 'door', url: 'dvrip://192.168.1.64:34567'}]}))}});
    const page = await chromium.browser.newPage();
    await page.goto(`${server.url}add.html?lang=en`);
    await page.waitForSelector('.examples button');
    await page.$$eval('main button', nodes => nodes.find(one => one.textContent === 'Search')?.click());
    await page.waitForFunction(() => /Hikvision/.test(document.querySelector('.found')?.textContent ?? ''));
    answerNow();
    await page.waitForFunction(() => /Found 4/.test(document.querySelector('section.card:last-child')?.textContent ?? ''));
    const groups = await page.$$eval('.found', nodes => nodes.map(n => [n.querySelector('h3')?.textContent, [...n.querySelectorAll('strong')].map(one => one.textContent)]));
    assert.deepEqual(groups.at(-1), ['Plugged into the server', ['FFmpeg Camera']]);
    assert.deepEqual(Object.fromEntries(groups), {'192.168.1.64': ['ONVIF Hikvision DS-2CD', 'DVRIP door'], '[fd00::5]': ['ONVIF other'], 'Plugged into the server': ['FFmpeg Camera']});
    await page.close();
    server.close();
});

test('ways of searching are shown while they run, and are stopped together', {skip}, async () => {
    let open = 0;
    const never = (/** @type {any} */ {response}) => new Promise(resolve => {
        open++;
        response.on('close', () => {
            open--;
            resolve(response.end());
        });
    });
    const server = await fixture({answers: {'GET api/schemes': () => ['onvif', 'dvrip', 'ffmpeg'], 'GET api/onvif': never, 'GET api/dvrip': () => ({sources: [{name: 'door', url: 'dvrip://192.168.1.64:34567'}]})}}), page = await chromium.browser.newPage();
    await page.goto(`${server.url}add.html?lang=en`);
    await page.waitForSelector('.examples button');
    const press = (/** @type {string} */ words) => page.$$eval('main button', (nodes, words) => nodes.find(one => one.textContent === words && one.checkVisibility())?.click(), words);
    await press('Search');
    await page.waitForFunction(() => /^ONVIF \d s\|run DVRIP 1\|ok FFmpeg 1\|ok$/.test([...document.querySelectorAll('section.card:last-child .state')].map(n => `${n.textContent}|${/** @type {HTMLElement} */ (n).dataset.state}`).join(' ')), {polling: 20});
    await server.until(() => open === 1);
    await press('Stop');
    await page.waitForFunction(() => /^Stopped\. Found 2 cameras \(ONVIF, DVRIP, FFmpeg\)\.$/.test(document.querySelector('section.card:last-child [role=status]')?.textContent ?? ''), {polling: 20});
    for (const until = Date.now() + 60_000; open;) {
        assert.ok(Date.now() < until, 'nothing is asked any more');
        await new Promise(resolve => setTimeout(resolve, 20));
    }
    assert.deepEqual(await page.$$eval('[data-step] > section.card:last-child .row button', nodes => nodes.filter(n => n.checkVisibility()).map(n => [n.textContent, /** @type {HTMLButtonElement} */ (n).disabled])), [['Search', false]]);
    await page.close();
    server.close();
});

test('nothing found: on which networks it was looked, and whether a container stands between', {skip}, async () => {
    const interfaces = [{name: 'lo', addresses: ['127.0.0.1', '::1']}, {name: 'eth0', addresses: ['192.168.1.5', 'fe80::1']}, {name: 'wlan0', addresses: ['10.0.0.3']}];
    for (const [container, words] of /** @type {[boolean, RegExp][]} */ ([[false, /^Found 0 cameras \(ONVIF\)\.\nSearched on eth0 \(192\.168\.1\.5\), wlan0 \(10\.0\.0\.3\)\.$/], [true, /wlan0[^\n]+\nIn a container with a bridge network/]])) {
        const {text, said} = await searchAt({'GET api/onvif': () => ({sources: []}), 'GET api/rs/doctor': () => ({interfaces, container})}, ['onvif']);
        assert.match(text.join('\n'), words);
        assert.deepEqual(said, []);
    }
    // One that presses before the feed is there is told the same.
    const early = await searchAt({'GET api/onvif': () => ({sources: []}), 'GET api/rs/doctor': () => ({interfaces, container: false}), 'GET api/rs/events': () => new Promise(() => {})}, ['onvif']);
    assert.deepEqual([early.text.length, early.said], [2, []], early.text.join('\n'));
    assert.match(early.text[1] ?? '', /^Searched on eth0/);
    // A caller from outside is told nothing of the network.
    const {text} = await searchAt({'GET api/onvif': () => ({sources: []}), 'GET api/rs/doctor': () => ({interfaces: null, container: false})}, ['onvif']);
    assert.deepEqual(text, ['Found 0 cameras (ONVIF).']);
});
