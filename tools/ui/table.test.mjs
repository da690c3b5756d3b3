/**
 * The table of streams in a real Chromium: nothing is drawn anew that stays, what can be done with several streams at once, and the order of its columns.
 */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {fixture} from './pages-fixture.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium');
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) chromium = await launch({mdns: 'show'});
});
after(() => chromium?.close());

/** @param {Record<string, any>} streams @param {Parameters<typeof fixture>[0]} [options] of the server @param {string} [query] */
async function table(streams, options = {}, query = '') {
    const server = await fixture({streams: {}, ...options}), page = await chromium.browser.newPage(), faults = /** @type {string[]} */ ([]);
    server.state.streams = streams;
    page.on('console', msg => msg.type() === 'error' && faults.push(msg.text()));
    page.on('pageerror', err => faults.push(String(err)));
    await page.setViewport({width: 1280, height: 900});
    await page.goto(`${server.url}streams.html?lang=en${query}`);
    await page.waitForSelector('tbody tr');
    /** @param {(...args: any[]) => any} fits @param {any[]} args */
    const until = (fits, ...args) => page.waitForFunction(fits, {polling: 50, timeout: 60_000}, ...args);
    return {
        server, page, until,
        /** Clicks the first button with these words. @param {string} words @param {string} [within] */
        press: async (words, within = 'body') => (await page.waitForSelector(`${within} ::-p-xpath(.//button[.='${words}' or @aria-label='${words}'])`, {visible: true}))?.click(),
        names: () => page.$$eval('tbody tr.lead .title', nodes => nodes.map(n => n.textContent)),
        /** Chooses streams by their boxes. @param {string[]} names */
        async choose(...names) {
            for (const name of names) await page.click(`[aria-label="Select: ${name}"]`);
        },
        said: (/** @type {RegExp} */ words) => until(pattern => new RegExp(pattern).test(document.querySelector('.toast')?.textContent ?? ''), words.source),
        async done(/** @type {RegExp|undefined} */ expected = undefined) {
            await page.close();
            server.close();
            assert.deepEqual(faults.filter(text => !expected?.test(text)), []);
        },
    };
}
const from = (/** @type {string} */ url) => ({producers: [{url}], consumers: null});

test('what could not be loaded at first is no fault any more once it is there', {skip}, async () => {
    let bad = 1;
    const {until, done} = await table({}, {answers: {'GET api/streams': () => bad-- > 0 ? 500 : {a: from('demo:')}}});
    await until(() => /** @type {any} */ (document.querySelector('.banner')).hidden);
    await done(/500 \(Internal/);
});

test('warm start of several: on for all of them, and off only if all are warm', {skip}, async () => {
    const kept = /** @type {Record<string, object>} */ ({a: {}});
    const {page, press, choose, said, done} = await table({a: from('demo:'), b: from('demo:'), c: from('demo:')}, {answers: {
        'GET api/preload': () => kept,
        'PUT api/preload': ({query}) => {
            kept[query.get('src') ?? ''] = {};
            return '';
        },
        'DELETE api/preload': ({query}) => {
            delete kept[query.get('src') ?? ''];
            return '';
        },
    }});
    await choose('a', 'b');
    await press('Warm start on or off');
    await said(/All of them are kept warm/);
    assert.deepEqual(Object.keys(kept), ['a', 'b']);
    await press('Warm start on or off');
    await said(/None of them is kept warm any more/);
    assert.deepEqual(Object.keys(kept), []);
    assert.equal(await page.$eval('tbody [aria-selected=true]', n => n.textContent?.includes('a')), true);
    await done();
});

test('viewers are stopped, publishers and what is kept warm are not; one that fails does not keep the others', {skip}, async () => {
    const session = (/** @type {number} */ id, format = 'webrtc', publishes = false) => ({id, format, publishes}), ended = /** @type {string[]} */ ([]);
    /** @type {Record<string, any[]>} */
    const sessions = {a: [session(1), session(2, 'webrtc', true), session(3, 'preload')], b: [session(4), session(5, 'mse'), session(6, 'test')], d: [session(8, 'preload')]};
    const {press, choose, said, page, until, done} = await table({a: from('demo:'), b: from('demo:'), c: from('demo:'), d: from('demo:')}, {answers: {
        'GET api/rs/sessions': ({query}) => sessions[query.get('stream') ?? ''] ? {sessions: sessions[query.get('stream') ?? ''], ended: []} : 503,
        'DELETE api/rs/sessions': ({query}) => {
            ended.push(query.get('id') ?? '');
            return {4: 500, 5: 404}[query.get('id') ?? ''] ?? '';
        },
    }});
    await choose('a', 'b', 'c');
    await press('Stop viewers', '.bulk');
    await said(/^1 viewer stopped\nstatus 500$/);
    assert.deepEqual(ended, ['1', '4', '5'], 'who had left meanwhile is no error');
    await press('Details', 'tbody tr[data-name=d]');
    await page.waitForSelector('.detail');
    await press('Stop viewers', '.detail');
    await said(/^0 viewers stopped$/);
    await press('Details', 'tbody tr[data-name=d]');
    await until(() => !document.querySelector('.detail'));
    await press('Details', 'tbody tr[data-name=c]');
    await press('Stop viewers', '.detail');
    await said(/^status 503$/);
    assert.equal(ended.length, 3);
    await done(/50[03]|404/);
});

test('who may only look is told so, and cannot press what would be refused', {skip}, async () => {
    const {server, page, press, choose, said, until, done} = await table({a: from('demo:'), b: from('demo:')}, {answers: {'GET api': () => ({rs2rtc: {version: '1', may: 'view'}})}});
    await page.waitForSelector('#view-only');
    assert.equal(await page.$eval('#view-only', n => n.textContent), 'You may view but not change this.');
    await choose('a');
    await press('Details', 'tbody tr[data-name=a]');
    await page.waitForSelector('.detail');
    const locked = (/** @type {string} */ within) => page.$$eval(`${within} button`, nodes => nodes.map(n => [n.textContent, n.disabled && n.title === 'You may view but not change this.' && n.getAttribute('aria-describedby') === 'view-only']));
    assert.deepEqual(await locked('.bulk'), [['Stop viewers', true], ['Warm start on or off', true], ['Delete streams', true], ['Clear selection', false]]);
    assert.deepEqual(await locked('.detail .row'), [['Retry now', false], ['Warm start on or off', true], ['Stop viewers', true], ['Delete stream', true]]);
    await page.keyboard.press('Delete');
    await said(/^You may view but not change this/);
    assert.equal(await page.$('dialog'), null);
    await press('Admin token');
    await page.waitForSelector('dialog input[type=password]');
    await press('Cancel', 'dialog');
    await until(() => !document.querySelector('dialog'));
    assert.deepEqual(server.state.calls, []);
    await done();
});

test('who may only look and gives the admin token may more', {skip: skip || without(BINARY, 'rs2rtc')}, async () => {
    // Other machines reach it, or there would be no token; a proxy tells of one that is far away.
    const server = await rs2rtc('streams:\n  cam: demo:\n', {api: 'tls_listen: ":0"'}), token = readFileSync(server.file.replace(/yaml$/, 'token'), 'utf8').trim(), page = await (await chromium.browser.createBrowserContext()).newPage();
    try {
        await page.setExtraHTTPHeaders({'X-Forwarded-For': '203.0.113.7'});
        await page.goto(`${server.url}streams.html?lang=en`);
        await (await page.waitForSelector('.noted button'))?.click();
        await page.waitForSelector('dialog input');
        await page.type('dialog input', token);
        await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
        await (await page.waitForSelector('[aria-label="Select: cam"]'))?.click();
        await page.waitForSelector('.bulk .danger:enabled');
        // Asked later, answered later.
        assert.equal(await page.evaluate(async () => (await (await fetch('api', {headers: {'X-RS': localStorage.getItem('rs.admin') ?? ''}})).json()).rs2rtc.may), 'admin');
        assert.equal(await page.$('#view-only'), null);
    } finally {
        await page.close();
        await server.stop();
    }
});

test('who may change streams sees nothing of that, whether the server tells or not', {skip}, async () => {
    for (const rs2rtc of [{version: '1', may: 'stream'}, {version: '1', may: 'admin'}, {version: '1'}, undefined]) {
        const {server, page, choose, done} = await table({a: from('demo:')}, {answers: {'GET api': () => ({rs2rtc})}});
        await server.until(() => server.requests.includes('/api'));
        // Asked later, answered later.
        await page.evaluate(async () => { await (await fetch('api')).text(); await new Promise(requestAnimationFrame); });
        await choose('a');
        assert.deepEqual([await page.$('#view-only'), await page.$$eval('.bulk button', nodes => nodes.filter(n => n.disabled).length)], [null, 0]);
        await done();
    }
});

test('what is drawn each second leaves the focus and what is selected where they are', {skip}, async () => {
    const running = {producers: [{id: 1, format_name: 'rtsp', remote_addr: '192.168.1.64:554', bytes_recv: 1e6}], consumers: null};
    const {server, page, press, choose, until, done} = await table({a: structuredClone(running), b: from('demo:')});
    await choose('a');
    await press('Details', 'tbody tr:first-child');
    await page.waitForSelector('.detail li');
    await page.evaluate(() => {
        /** @type {HTMLElement|undefined} */ ([...document.querySelectorAll('main button')].find(b => b.textContent === 'Warm start on or off'))?.focus();
        const words = /** @type {Node} */ (document.querySelector('.detail li')?.firstChild);
        getSelection()?.setBaseAndExtent(words, 7, words, 20);
    });
    server.state.streams.a.producers[0].bytes_recv = 9e6;
    server.emit('viewer_left', {stream: 'a'});
    await until(() => /9 MB/.test(document.querySelector('.detail')?.textContent ?? ''));
    assert.deepEqual(await page.evaluate(() => [document.activeElement?.textContent, String(getSelection())]), ['Warm start on or off', '192.168.1.64:']);
    // Gone, it is not selected any more.
    delete server.state.streams.a;
    server.emit('streams_changed', {});
    await until(() => document.querySelectorAll('tbody tr').length === 1);
    assert.equal(await page.$eval('main .row', node => /** @type {any} */ (node).hidden), true);
    await page.type('input[type=search]', 'nothing');
    await page.focus('.empty button');
    const looks = () => server.requests.filter(path => path === '/api/streams').length, before = looks();
    await server.until(() => looks() > before + 1);
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Clear filter');
    await done();
});

test('the last release is there with the page, and is sorted by', {skip}, async () => {
    const {server, page, press, names, until, done} = await table({a: from('demo:'), b: from('demo:'), c: from('demo:')}, {answers: {'GET api/rs/streams': () => ({streams: {
        a: {since: null, released_at: 1_700_000_000_000, release_ms: 95}, b: {since: null, released_at: null, release_ms: null}, c: {since: null, released_at: 1_700_000_000_000, release_ms: 38.4}}})}});
    const cells = () => page.$$eval('tbody [data-label="Last release"]', nodes => nodes.map(n => n.textContent));
    await until(() => /38 ms/.test(document.querySelector('tbody')?.textContent ?? ''));
    assert.deepEqual(await cells(), ['95 ms', '–', '38 ms']);
    await press('Last release');
    assert.deepEqual(await names(), ['c', 'a', 'b']);
    await server.until(() => server.readers() > 0);
    server.emit('source_released', {stream: 'b', release_ms: 7, reason: 'silence', detect_ms: 1});
    await until(() => /7 ms/.test(document.querySelector('tbody tr')?.textContent ?? ''));
    assert.deepEqual(await names(), ['b', 'c', 'a']);
    await done();
});

test('columns in the order of people, both ways', {skip}, async () => {
    const streams = {cam10: from('rtsp://192.168.1.9/'), cam2: from('rtsp://192.168.1.10/'), Cam3: {producers: [{id: 1, url: 'rtsp://192.168.1.8/', format_name: 'rtsp'}], consumers: null}, 门: from('rtsp://192.168.1.9/')};
    const {press, names, done} = await table(streams);
    assert.deepEqual(await names(), ['cam2', 'Cam3', 'cam10', '门']);
    await press('Name');
    assert.deepEqual(await names(), ['门', 'cam10', 'Cam3', 'cam2']);
    await press('Source');
    assert.deepEqual(await names(), ['Cam3', 'cam10', '门', 'cam2'], 'as it is shown');
    await press('Source');
    assert.deepEqual(await names(), ['cam2', 'cam10', '门', 'Cam3']);
    await done();
});

test('several are deleted after a question, by the key too, and come back', {skip}, async () => {
    const {server, page, press, choose, names, said, until, done} = await table({a: from('demo:'), b: from('demo:'), c: from('demo:')});
    await page.focus('tbody tr:nth-child(3)');
    await page.keyboard.press('Delete');
    await page.waitForSelector('dialog input');
    await page.type('dialog input', 'c');
    await press('Delete stream', 'dialog');
    await said(/^c is deleted/);
    await until(() => document.querySelectorAll('tbody tr').length === 2);
    await choose('a', 'b');
    await press('Delete streams');
    await page.waitForSelector('dialog input');
    assert.match(await page.$eval('dialog', n => n.textContent ?? ''), /Delete 2 streams\?a, bType how many they are/);
    await page.type('dialog input', '3');
    assert.equal(await page.$eval('dialog .danger', n => /** @type {any} */ (n).disabled), true);
    await page.keyboard.press('Backspace');
    await page.type('dialog input', '2');
    await press('Delete streams', 'dialog');
    await said(/2 streams are deleted/);
    await until(() => !document.querySelector('tbody tr') && document.querySelector('.toast button'));
    await press('Undo', '.toast');
    await said(/2 streams are back/);
    assert.deepEqual([await names(), server.state.calls], [[], ['delete c', 'delete a', 'delete b', 'apply v4']]);
    await done();
});

test('one of several that is not deleted does not keep the others, and what the file does not have comes back, too', {skip}, async () => {
    const {server, press, choose, names, said, until, page, done} = await table({a: from('demo:'), b: from('demo:'), c: from('demo:?c')}, {answers: {'DELETE api/streams': (/** @type {any} */ call) => {
        const name = call.query.get('src');
        if (name === 'a') return 500;
        delete server.state.streams[name];
        if (name === 'b') server.state.version = 'v2';
        return '';
    }}});
    await choose('a', 'b', 'c');
    await press('Delete streams');
    await page.waitForSelector('dialog input');
    await page.type('dialog input', '3');
    await press('Delete streams', 'dialog');
    await said(/2 streams are deleted.\nstatus 500/);
    await until(() => document.querySelectorAll('tbody tr').length === 1 && document.querySelector('.toast button'));
    await press('Undo', '.toast');
    await said(/2 streams are back/);
    await until(() => document.querySelectorAll('tbody tr').length === 2);
    assert.deepEqual([await names(), server.state.calls], [['a', 'c'], ['apply v2', 'put c demo:?c']]);
    await done(/500/);
});

test('one that fails is tried again', {skip}, async () => {
    const failing = {producers: [{url: 'rtsp://192.168.1.64/x', error: 'connection refused', error_kind: 'unreachable'}], consumers: null}, tried = /** @type {string[]} */ ([]);
    const {page, press, until, said, done} = await table({}, {answers: {
        'GET api/streams': call => {
            if (!call.query.get('src')) return {a: failing, b: from('demo:')};
            tried.push(String(call.query));
            if (tried.length > 1) return {};
            call.response.statusCode = 500;
            return 'rtsp: still refused';
        },
    }});
    for (const nth of [2, 1]) await press('Details', `tbody tr:nth-child(${nth})`);
    await until(() => document.querySelectorAll('.detail').length === 2);
    assert.deepEqual(await page.$$eval('.detail', rows => rows.map(row => [...row.querySelectorAll('button')].some(b => b.textContent === 'Retry now' && b.checkVisibility()))), [true, false]);
    await press('Retry now');
    await said(/rtsp: still refused/);
    await press('Retry now');
    await said(/a answers/);
    assert.deepEqual(tried, Array(2).fill('src=a&video=all&audio=all'));
    await done(/500 \(Internal/);
});

test('what takes its time is shown and told, and is not begun twice', {skip}, async () => {
    const failing = {producers: [{url: 'rtsp://192.168.1.64/x', error: 'connection refused', error_kind: 'unreachable'}], consumers: null}, ends = /** @type {((value: any) => void)[]} */ ([]), wait = () => new Promise(resolve => ends.push(resolve));
    const {server, page, press, choose, until, said, done} = await table({}, {answers: {
        'GET api/streams': call => call.query.get('src') ? wait() : {a: failing, b: from('demo:')}, 'GET api/rs/sessions': wait,
    }});
    const busy = (/** @type {string} */ within) => page.$$eval(`${within} button`, nodes => nodes.filter(n => n.ariaBusy === 'true').map(n => `${n.textContent} ${n.ariaDisabled} ${n === document.activeElement}`));
    await press('Details', 'tbody tr:nth-child(1)');
    await page.waitForSelector('.detail');
    for (let i = 0; i < 2; i++) await press('Retry now', '.detail');
    await said(/^Retry now… a$/);
    await until(() => [...document.querySelectorAll('[role=status]')].some(n => n.textContent === 'Retry now… a'));
    assert.deepEqual([await busy('.detail'), ends.length], [['Retry now true true'], 1]);
    // What is running goes on where the row is closed meanwhile.
    await press('Details', 'tbody tr:nth-child(1)');
    await until(() => !document.querySelector('.detail'));
    await press('Details', 'tbody tr:nth-child(1)');
    await page.waitForSelector('.detail');
    assert.deepEqual(await busy('.detail'), ['Retry now true false']);
    ends.pop()?.({});
    await said(/^a answers/);
    assert.deepEqual(await busy('.detail'), []);
    await choose('a', 'b');
    await press('Stop viewers', '.bulk');
    await said(/^Stop viewers…$/);
    assert.deepEqual(await busy('main'), ['Stop viewers true true']);
    for (let n = 0; n < 2; n++) {
        await server.until(() => ends.length > 0);
        ends.pop()?.({sessions: []});
    }
    await said(/^0 viewers stopped$/);
    assert.deepEqual(await busy('main'), []);
    await done();
});

test('a camera that stands still is not live, and is again with its next pictures', {skip}, async () => {
    const runs = {producers: [{id: 1, format_name: 'rtsp', url: 'rtsp://10.0.0.1/x', medias: ['video, recvonly, H264']}], consumers: [{id: 2, format_name: 'webrtc'}]}, source = 'rtsp://10.0.0.1/x', stream = 'cam';
    const {server, until, done} = await table({cam: runs}), chip = (/** @type {RegExp} */ words) => until(pattern => new RegExp(pattern).test(document.querySelector('tbody .state')?.textContent ?? ''), words.source);
    await chip(/^Live/);
    await server.until(() => server.readers() > 0);
    server.emit('source_stalled', {stream, source, silent_ms: 15_000});
    await chip(/^No pictures come$/);
    server.state.streams.cam = {producers: [{url: source, error: 'no frame for 15.0 s', error_kind: 'ended'}], consumers: runs.consumers};
    server.emit('source_failed', {stream, source, error: 'no frame for 15.0 s', kind: 'ended', retry_ms: 20_000});
    await chip(/^No pictures come · Retry in/);
    server.emit('source_failed', {stream, source, error: 'timed out', kind: 'unreachable', retry_ms: 20_000});
    await chip(/^Camera not reachable/);
    server.state.streams.cam = runs;
    server.emit('source_opened', {stream, source, took_ms: 10});
    await chip(/^Live/);
    await done();
});

test('an open row tells what the server counts and what failed last, asked for when it is opened and when something happens to its stream', {skip}, async () => {
    const asked = /** @type {string[]} */ ([]), counted = {sources: [{source: 'rtsp://10.0.0.1/x', open: true, frames: 5120, jumps: 2, lost: /** @type {number|null} */ (1)}, {source: 'rtsp://10.0.0.1/never', open: false, frames: 0, jumps: 0, lost: null}], errors: [{at: Date.now() - 180_000, source: 'rtsp://10.0.0.1/x', kind: 'unreachable', error: 'no route to host'}]};
    const watched = {producers: [{id: 1, format_name: 'rtsp', url: 'rtsp://10.0.0.1/x'}], consumers: [{id: 2, format_name: 'mse', remote_addr: '10.0.0.9:5', senders: [{drops: 3}, {drops: 4}, {}]}]};
    const {server, page, until, press, done} = await table({a: watched, b: from('demo:')}, {answers: {'GET api/rs/sources': ({query}) => {
        asked.push(query.get('src') ?? '');
        return counted;
    }}});
    const says = (/** @type {RegExp} */ words) => until(pattern => new RegExp(pattern).test(document.querySelector('.detail')?.textContent ?? ''), words.source);
    await server.until(() => server.readers() > 0);
    await page.waitForSelector('.dot[data-state=live]');
    assert.deepEqual(asked, [], 'nobody has asked');
    // What stands there for a second only.
    await page.evaluate(() => {
        const seen = /** @type {string[]} */ ([]);
        Object.assign(window, {seen});
        new MutationObserver(() => seen.push(document.querySelector('.detail')?.textContent ?? '')).observe(document.body, {childList: true, subtree: true, characterData: true});
    });
    const told = (/** @type {RegExp} */ words) => until(pattern => /** @type {any} */ (window).seen.some((/** @type {string} */ text) => new RegExp(pattern).test(text)), words.source);
    await press('Details', 'tbody tr:first-child');
    await told(/5,120 frames · 2 jumps of its clock repaired · 1 packet lost · 0 s ago/);
    await says(/no route to host · 3 min ago/);
    assert.doesNotMatch(await page.$eval('.detail', n => n.textContent ?? ''), /never/);
    await says(/10\.0\.0\.9:5 · MSE.* · 7 dropped/);
    assert.deepEqual(asked, ['a']);
    Object.assign(counted.sources[0], {jumps: 1, lost: null});
    server.emit('viewer_left', {stream: 'b'});
    server.emit('source_stalled', {stream: 'a', source: 'rtsp://10.0.0.1/x', silent_ms: 9000});
    await told(/5,120 frames · 1 jump of its clock repaired · 0 s ago/);
    assert.deepEqual(asked, ['a', 'a'], 'only for its own stream');
    // Closed, nobody asks any more.
    await press('Details', 'tbody tr:first-child');
    server.emit('source_opened', {stream: 'a', source: 'rtsp://10.0.0.1/x', took_ms: 1});
    await until(() => /^Live/.test(document.querySelector('tbody .state')?.textContent ?? ''));
    assert.deepEqual(asked, ['a', 'a']);
    await done();
});

test('times of a server whose clock is wrong are told by that of the browser', {skip}, async () => {
    const yesterday = Date.now() - 86_400_000;
    const {page, until, press, done} = await table({a: from('rtsp://10.0.0.1/x')}, {answers: {'GET api/rs/sources': ({response}) => {
        response.setHeader('date', new Date(yesterday).toUTCString());
        return {sources: [], errors: [{at: yesterday - 240_000, source: '', kind: 'unreachable', error: 'no route to host'}]};
    }}});
    await page.waitForSelector('.dot[data-state=live]');
    await press('Details', 'tbody tr:first-child');
    await until(() => /no route to host · 4 min ago/.test(document.querySelector('.detail')?.textContent ?? ''));
    await done();
});

test('all that are shown are selected at once; keys open a row and select it', {skip}, async () => {
    const {page, press, until, done} = await table({cam1: from('demo:'), cam2: from('demo:'), door: from('demo:')});
    const every = 'thead input', chosen = () => page.$$eval('tbody tr[aria-selected=true]', rows => rows.map(row => row.dataset.name));
    await page.type('input[type=search]', 'cam');
    await until(() => document.querySelectorAll('tbody tr').length === 2);
    await page.click(every);
    assert.deepEqual(await chosen(), ['cam1', 'cam2']);
    assert.match(await page.$eval('.bulk', n => n.textContent ?? ''), /2 selected/);
    assert.equal(await page.$eval('.bulk a', n => /** @type {HTMLAnchorElement} */ (n).search), '?src=cam1&src=cam2');
    await page.click('[aria-label="Select: cam1"]');
    assert.deepEqual(await page.$eval(every, n => [n.checked, n.indeterminate]), [false, true]);
    await press('Clear selection');
    assert.deepEqual(await page.$eval(every, n => [n.checked, n.indeterminate]), [false, false]);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('x');
    assert.deepEqual(await chosen(), ['cam2']);
    await page.keyboard.press('ArrowRight');
    await page.waitForSelector('.detail');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowLeft');
    await until(() => !document.querySelector('.detail'));
    await page.keyboard.press('Escape');
    assert.deepEqual(await chosen(), []);
    await done();
});

/** Touches a place, and lets the finger go where it is then. @param {import('puppeteer-core').Page} page @param {string} selector @param {(x: number, y: number) => Promise<any>} hold */
async function touch(page, selector, hold) {
    const box = await (await page.waitForSelector(selector))?.boundingBox(), x = (box?.x ?? 0) + 20, y = (box?.y ?? 0) + (box?.height ?? 0) / 2;
    await page.touchscreen.touchStart(x, y);
    await hold(x, y);
    await page.touchscreen.touchEnd();
}

test('on a phone a card has its actions in a sheet, and a finger that stays selects it', {skip}, async () => {
    const {server, page, until, press, done} = await table({a: from('demo:'), b: from('demo:')});
    await page.setViewport({width: 390, height: 800, hasTouch: true, isMobile: true});
    // Half seconds that are waited for: they are over when the test says so.
    await page.evaluateOnNewDocument(() => {
        const begin = window.setTimeout, end = window.clearTimeout, waiting = new Map();
        let last = 0;
        Object.assign(window, {waiting, setTimeout: (/** @type {any} */ run, /** @type {number} */ ms, /** @type {any[]} */ ...args) => {
            if (ms !== 500) return begin(run, ms, ...args);
            waiting.set(--last, run);
            return last;
        }, clearTimeout: (/** @type {any} */ id) => waiting.delete(id) || end(id)});
    });
    await page.reload();
    await page.waitForSelector('tbody tr');
    const seen = (/** @type {string} */ label) => page.$$eval(`tbody [aria-label="${label}"]`, nodes => nodes.filter(n => n.checkVisibility()).length);
    assert.deepEqual([await seen('Actions'), await seen('Details')], [2, 0]);
    await press('Actions', 'tbody tr:first-child');
    await page.waitForSelector('dialog.low[open]');
    const place = await page.$eval('dialog', n => [innerHeight - n.getBoundingClientRect().bottom, n.getBoundingClientRect().width, Math.min(...[...n.querySelectorAll('button, a')].filter(one => one.checkVisibility()).map(one => one.getBoundingClientRect().height))]);
    assert.deepEqual([place[0], place[1], place[2] >= 44], [0, 390, true]);
    assert.deepEqual(await page.$$eval('dialog :is(a, button)', nodes => nodes.filter(n => n.checkVisibility()).map(n => n.textContent)), ['Open', 'Details', 'Links', 'Graph', 'Log', 'Warm start on or off', 'Stop viewers', 'Delete stream', 'Close']);
    await press('Warm start on or off', 'dialog');
    await until(() => /a is kept warm/.test(document.querySelector('.toast')?.textContent ?? '') && !document.querySelector('dialog'));
    assert.deepEqual(server.state.calls, ['warm a']);
    await press('Actions', 'tbody tr:first-child');
    await press('Delete stream', 'dialog');
    await until(() => document.querySelectorAll('dialog').length === 1 && document.activeElement?.matches('dialog input'));
    await press('Cancel', 'dialog');
    await press('Actions', 'tbody tr:first-child');
    await press('Details', 'dialog');
    await page.waitForSelector('.detail');
    // One that moves scrolls.
    const selected = () => page.$$eval('tbody tr[aria-selected=true]', rows => rows.map(row => row.dataset.name));
    const waiting = (/** @type {number} */ n) => until(n => /** @type {any} */ (window).waiting.size === n, n);
    const chosen = async () => {
        await waiting(1);
        await page.evaluate(() => {
            for (const [id, run] of /** @type {any} */ (window).waiting) {
                /** @type {any} */ (window).waiting.delete(id);
                run();
            }
        });
        await until(() => document.querySelector('tbody tr[aria-selected=true]'));
    };
    await touch(page, 'tr[data-name=a] .state', async (x, y) => {
        await waiting(1);
        await page.touchscreen.touchMove(x, y - 30);
        await waiting(0);
    });
    await touch(page, 'tr[data-name=b] .state', chosen);
    assert.deepEqual(await selected(), ['b']);
    assert.ok(page.url().includes('streams.html'));
    // On the name too, which is a link.
    await page.click('[aria-label="Select: b"]');
    await touch(page, 'tr[data-name=b] .title a', chosen);
    await page.evaluate(() => new Promise(requestAnimationFrame));
    assert.deepEqual([await selected(), page.url().includes('streams.html')], [['b'], true]);
    await done();
});
