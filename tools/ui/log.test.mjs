/**
 * The page of the log: another level for a while, with the release binary, and filters that let nothing through.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {fixture, lateFeed} from './pages-fixture.mjs';
import {BINARY, rs2rtc, until} from './rs2rtc.mjs';
import {putOff} from './visit.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
/** @type {Awaited<ReturnType<typeof rs2rtc>>} */
let server;
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) [server, chromium] = await Promise.all([rs2rtc('log: {level: info, webrtc: warn}\nstreams: {}\n'), launch()]);
});
after(async () => {
    await chromium?.close();
    await server?.stop();
});

/** @param {string} path @param {Record<string, string>} [headers] */
async function open(path, headers = {}, base = server.url) {
    const page = await chromium.browser.newPage();
    await page.setExtraHTTPHeaders(headers);
    await page.goto(`${base}${path}${path.includes('?') ? '&' : '?'}lang=en`);
    return page;
}
/** @param {import('puppeteer-core').Page} page @param {RegExp} pattern */
const says = (page, pattern, within = 'main') => page.waitForFunction((source, within) => new RegExp(source).test([...document.querySelectorAll(within)].filter(n => n.checkVisibility()).map(n => n.textContent).join('\n')), {polling: 20}, pattern.source, within);
const levels = async () => (await (await fetch(`${server.url}api/rs/log/levels`)).json()).temporary;

test('another level for a while: set by keyboard, told with its time, also after a reload, and ended', {skip}, async () => {
    const page = await open('log.html');
    await says(page, /^Server level: info, webrtc warn$/, 'main summary');
    await page.focus('main summary');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    await page.select('main form select', 'rtsp');
    for (let i = 0; i < 3; i++) await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Change for now');
    await page.keyboard.press('Enter');
    // What has been done goes away by itself.
    await Promise.all([says(page, /rtsp: debug, 00:09:\d\d left/), says(page, /^Done$/, '.toast > span')]);
    const [{module, level, left_ms: left}] = await levels();
    assert.deepEqual([module, level, left > 500_000], ['rtsp', 'debug', true]);
    await page.reload();
    await says(page, /rtsp: debug, 00:0\d:\d\d left/);
    assert.equal(await page.$eval('main details', n => n.open), false, 'it is told though the choice is folded');
    await page.$$eval('main button', nodes => {
        const end = nodes.find(one => one.textContent === 'Stop');
        end?.focus();
        end?.click();
    });
    await until(levels, list => !list.length);
    await page.waitForFunction(() => !/00:\d\d:\d\d left/.test(document.querySelector('main')?.textContent ?? ''), {polling: 20});
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'SUMMARY', 'the focus goes where it can be set again');
    await page.close();
});

test('all modules at once, and who may only look', {skip}, async () => {
    const page = await open('log.html');
    await says(page, /^Server level/, 'main summary');
    await page.$eval('main form', n => /** @type {HTMLFormElement} */ (n).requestSubmit());
    await says(page, /All modules: debug, 00:/);
    assert.deepEqual((await levels()).map((/** @type {any} */ one) => one.level), ['debug']);
    const other = await open('log.html', {'X-Forwarded-For': '192.168.77.9'});
    await says(other, /All modules: debug, 00:/);
    await other.$eval('main form', n => /** @type {HTMLFormElement} */ (n).requestSubmit());
    // It may be done with the admin token, which nobody gives here.
    await other.waitForSelector('dialog input[type=password]');
    await other.$eval('dialog button', n => /** @type {HTMLButtonElement} */ (n).click());
    await says(other, /You may view but not change this/, '.toast');
    await other.close();
    await page.close();
    await fetch(`${server.url}api/rs/log/levels`, {method: 'DELETE'});
});

test('a level that is over is not shown any more', {skip}, async () => {
    let asked = 0, seen = () => {};
    const first = new Promise(resolve => {
        seen = () => resolve(undefined);
    });
    const own = await fixture({base: '/', answers: {'GET api/rs/log/levels': async () => {
        const over = asked++ > 0;
        if (over) await first;
        return {level: 'info', modules: {}, known: ['rtsp'], temporary: over ? [] : [{module: 'rtsp', level: 'trace', left_ms: 1}]};
    }}});
    const page = await open('log.html', {}, own.url);
    await says(page, /rtsp: trace, /);
    seen();
    await own.until(() => asked > 1);
    await page.waitForFunction(() => !/rtsp: trace/.test(document.querySelector('main')?.textContent ?? ''), {polling: 20});
    await page.close();
    own.close();
});

test('after a change it is looked again, whatever was under way; levels that cannot be had are not shown', {skip}, async () => {
    const list = (/** @type {string} */ level, left_ms = 60_000) => ({level: 'info', modules: {}, known: ['rtsp'], temporary: [{module: 'rtsp', level, left_ms}]});
    const held = /** @type {((answer: any) => void)[]} */ ([]);
    const own = await fixture({base: '/', answers: {
        'GET api/rs/log/levels': () => new Promise(resolve => held.push(resolve)),
        'POST api/rs/log/levels': () => ({}),
    }});
    const page = await open('log.html', {}, own.url);
    await own.until(() => held.length === 1);
    held[0](list('trace', 1));
    await own.until(() => held.length === 2);
    await page.$eval('main form', n => /** @type {HTMLFormElement} */ (n).requestSubmit());
    await says(page, /^Done$/, '.toast > span');
    held[1](list('trace'));
    await own.until(() => held.length === 3);
    held[2](list('debug'));
    await says(page, /rtsp: debug, /);
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    await own.until(() => held.length === 4);
    held[3](500);
    await page.waitForFunction(() => !document.querySelector('main summary')?.checkVisibility());
    await page.close();
    own.close();
});

test('filters that let nothing through can be taken away; F follows and does not', {skip}, async () => {
    const own = await fixture({base: '/'}), page = await open('log.html?level=error&q=nothing', {}, own.url);
    await says(page, /No line matches/);
    await page.$$eval('main button', nodes => nodes.find(one => one.textContent === 'Clear filter')?.click());
    await says(page, /400 of 400 lines/);
    assert.deepEqual([new URL(page.url()).search, await page.$$eval('.tools select, .tools input', nodes => nodes.map(n => /** @type {any} */ (n).value).join(''))], ['?lang=en', '']);
    await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
    const follow = [];
    for (let i = 0; i < 3; i++) {
        follow.push(await page.$$eval('main button', nodes => nodes.find(one => one.textContent === 'Follow')?.getAttribute('aria-pressed')));
        await page.keyboard.press('f');
    }
    assert.deepEqual(follow, ['true', 'false', 'true']);
    // The list has just been moved to its end when it is told to stay.
    const pressed = await page.evaluate(async () => {
        const press = () => document.dispatchEvent(new KeyboardEvent('keydown', {key: 'f'})), box = /** @type {Element} */ (document.querySelector('.loglist'));
        const frames = async () => {
            for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
        };
        box.scrollTop = 0;
        await frames();
        press();
        press();
        await frames();
        return [...document.querySelectorAll('main button')].find(one => one.textContent === 'Follow')?.getAttribute('aria-pressed');
    });
    assert.equal(pressed, 'false');
    await page.close();
    own.close();
});

test('several modules are chosen, stand in the address, and go one by one', {skip}, async () => {
    const lines = ['rtsp', 'webrtc', 'api', 'rtsp'].map((module, i) => `${JSON.stringify({level: 'info', time: i, message: `[${module}] line ${i}`})}\n`).join('');
    const own = await fixture({base: '/', answers: {'GET api/log': () => lines}});
    try {
        const page = await open('log.html?module=rtsp', {}, own.url);
        const becomes = (/** @type {string} */ modules) => page.waitForFunction(wanted => [...document.querySelectorAll('.loglist .mod')].map(one => one.textContent).join() === wanted, {polling: 20}, modules);
        await becomes('rtsp,rtsp');
        await page.select('.tools [aria-label="Module"]', 'webrtc');
        await becomes('rtsp,webrtc,rtsp');
        assert.equal(new URL(page.url()).searchParams.get('module'), 'rtsp,webrtc');
        assert.deepEqual(await page.$$eval('.tools [aria-label="Module"] option', all => all.map(one => one.value)), ['', 'api']);
        await page.focus('::-p-aria(rtsp[role="button"])');
        await page.keyboard.press('Enter');
        await becomes('webrtc');
        assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'Module');
        await page.focus('::-p-aria(webrtc[role="button"])');
        await page.keyboard.press('Enter');
        await becomes('rtsp,webrtc,api,rtsp');
        assert.equal(new URL(page.url()).searchParams.has('module'), false);
        await page.close();
    } finally {
        own.close();
    }
});

test('a log that could not be loaded while the server was away is there when it is back, and nothing is said of filters until then', {skip}, async () => {
    let away = true, asked = 0, refuse = () => {};
    const refused = new Promise(resolve => {
        refuse = () => resolve(503);
    });
    const own = await fixture({base: '/', answers: {
        'GET api': () => ({version: '1', rs2rtc: {version: '1'}}),
        'GET api/rs/events': ({response}) => away ? 503 : new Promise(() => {
            response.writeHead(200, {'content-type': 'text/event-stream'});
            response.write('event: hello\ndata: {"boot": "a", "seq": 0}\n\n');
        }),
        'GET api/log': () => asked++ ? '{"level":"info","message":"[api] here I am"}\n' : refused,
    }});
    try {
        const page = await open('log.html', {}, own.url);
        await says(page, /Server not reachable/, 'body');
        const answered = page.waitForResponse(response => response.url().endsWith('api/log'));
        refuse();
        assert.equal((await answered).status(), 503);
        await page.type('.tools input', 'I am');
        assert.equal(await page.$eval('main', n => /No line matches/.test(/** @type {HTMLElement} */ (n).innerText)), false);
        away = false;
        await says(page, /here I am/, '.loglist');
        assert.equal(asked, 2);
        await page.close();
    } finally {
        own.close();
    }
});

test('a line that is written before events are heard is not missed, and where they are heard the log is loaded once', {skip}, async () => {
    const lines = ['one'];
    let asked = 0;
    const late = lateFeed(), own = await fixture({base: '/', answers: {
        'GET api/rs/events': late.answer,
        'GET api/log': () => {
            asked++;
            return lines.map(message => `${JSON.stringify({level: 'info', message})}\n`).join('');
        },
    }}), page = await open('log.html', {}, own.url);
    await says(page, /one/, '.loglist');
    lines.push('two');
    late.hello();
    await says(page, /two/, '.loglist');
    assert.equal(asked, 2);
    own.close();
    const heard = await fixture({base: '/'});
    // It does not wait for the events for ever, but for longer than any machine needs.
    await putOff(page, 200);
    await page.goto(`${heard.url}log.html?lang=en`);
    await says(page, /400 of 400 lines/);
    await page.waitForSelector('.dot[data-state=live]');
    // It would have gone out before this one.
    await page.evaluate(() => fetch('api/streams').then(answer => answer.text()));
    assert.equal(heard.requests.filter(path => path === '/api/log').length, 1);
    await page.close();
    heard.close();
});

test('what is new below is counted by the lines that it adds', {skip}, async () => {
    const own = await fixture({base: '/'}), page = await open('log.html', {}, own.url);
    await says(page, /400 of 400 lines/);
    await page.waitForSelector('.dot[data-state=live]');
    await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
    await page.keyboard.press('f');
    for (const message of ['one', 'two', 'two', 'two']) own.emit('log', {level: 'info', message: `[rtsp] ${message}`});
    await says(page, /402 of 402 lines/);
    // A line that the last one repeats adds nothing, however long it goes on.
    own.emit('log', {level: 'info', message: '[rtsp] two'});
    own.emit('log', {level: 'info', message: '[rtsp] three'});
    await says(page, /403 of 403 lines/);
    assert.equal(await page.$$eval('main button', nodes => nodes.filter(n => n.checkVisibility()).map(n => n.textContent).find(text => / new/.test(text ?? ''))), '3 new lines');
    await page.close();
    own.close();
});
