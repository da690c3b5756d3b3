/**
 * The page of sessions: who only takes snapshots is not in the way of who watches, and is there for who asks; each mark of a timeline is in the lane of its signal; the figures can
 * begin anew; who is parked stays listed.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {fixture, lateFeed} from './pages-fixture.mjs';
import {BINARY, freePort, rs2rtc, until} from './rs2rtc.mjs';
import {UNREACHED, visit} from './visit.mjs';

const skip = without(CHROMIUM, 'Chromium');
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) chromium = await launch({mdns: 'show'});
});
after(() => chromium?.close());

test('nothing is said of who watches before it is known, nor where it cannot be known', {skip}, async () => {
    const answers = /** @type {((value: any) => void)[]} */ ([]);
    const own = await fixture({answers: {'GET api/rs/sessions': () => new Promise(resolve => answers.push(resolve))}}), {page, says, done} = await visit(chromium.browser, 'sessions.html', {own});
    /** What can be seen below the headings. */
    const seen = () => page.$$eval('main section.stack > :not(h2)', nodes => nodes.filter(n => n.checkVisibility()).map(n => n.className));
    await page.waitForSelector('.skeleton');
    await own.until(() => answers.length === 1);
    assert.deepEqual(await seen(), ['skeleton', 'skeleton']);
    answers[0](401);
    await says('.banner', /status 401/);
    assert.deepEqual(await seen(), []);
    await page.click('.banner button');
    await own.until(() => answers.length === 2);
    answers[1]({sessions: [], ended: []});
    await says('.empty:not([hidden])', /^Nobody is watching\. Camera lights should be off\.$/);
    assert.deepEqual(await seen(), ['empty', 'empty']);
    await done(/401/);
    own.close();
});

test('who comes before events are heard is not missed, and a server that was away is asked again', {skip}, async () => {
    for (const first of [{sessions: [], ended: []}, 503]) {
        let asked = 0;
        const late = lateFeed(), own = await fixture({answers: {
            'GET api/rs/events': late.answer,
            'GET api/rs/sessions': () => asked++ ? own.state.sessions : first,
        }}), {page, says, done} = await visit(chromium.browser, 'sessions.html', {own});
        await says(first === 503 ? '.banner' : '.empty:not([hidden])', first === 503 ? /status 503/ : /^Nobody is watching/);
        late.hello();
        await page.waitForSelector('tr[data-id="2"]');
        assert.deepEqual([await page.$eval('.banner', n => n.checkVisibility()), asked], [false, 2]);
        await done(/503/);
        own.close();
    }
});

test('a viewer is ended that was there before the server has said which run it is', {skip}, async () => {
    const late = lateFeed(), own = await fixture({answers: {'GET api/rs/events': late.answer}}), {page, press, done} = await visit(chromium.browser, 'sessions.html', {own});
    await page.waitForSelector('tr[data-id="2"]');
    await press('Kick', 'tbody');
    await page.waitForSelector('dialog[open]');
    late.hello();
    await page.waitForSelector('.dot[data-state=live]');
    await press('Kick', 'dialog');
    await own.until(() => own.state.calls.includes('kick 2'));
    await done();
    own.close();
});

test('a server that does not know sessions says so, also where it takes long to say what it is', {skip}, async () => {
    let answer = () => {};
    // Who asks twice hears of it twice.
    const version = new Promise(resolve => answer = () => resolve({version: '1.9.14'})), own = await fixture({answers: {'GET api/rs/events': () => 404, 'GET api/rs/sessions': () => 404, 'GET api': () => version}});
    const {page, says, done} = await visit(chromium.browser, 'sessions.html', {own});
    await page.waitForFunction(() => !document.querySelector('.skeleton')?.checkVisibility());
    answer();
    await says('.banner', /status 404/);
    await done(/404/);
    own.close();
});

test('a camera that is kept warm is no viewer, and its light is not said to be off', {skip}, async () => {
    const own = await fixture(), [one] = own.state.sessions.sessions, preload = {...one, id: 9, stream: '<b>warm', format: 'preload', remote: null, user_agent: null, timeline: []};
    own.state.sessions.sessions = [preload];
    const {page, says, done} = await visit(chromium.browser, 'sessions.html', {own});
    await says('.empty', /^Nobody is watching\.$/);
    assert.deepEqual(await page.$$eval('section.stack p.row', nodes => nodes.filter(n => n.checkVisibility()).map(n => [...n.children].map(c => c.textContent))), [['Warm', '<b>warm']]);
    assert.deepEqual(await page.$$eval('tbody tr', rows => rows.filter(n => n.checkVisibility()).map(n => n.dataset.id)), ['7', '6', '5', '4']);
    own.state.sessions.sessions = [one, preload];
    own.emit('viewer_joined', {stream: 'x'});
    await page.waitForSelector('tr[data-id="2"]');
    assert.equal((await page.$$('tr[data-id="9"]')).length, 0);
    await done();
    own.close();
});

test('who may only look ends nobody', {skip}, async () => {
    const own = await fixture({answers: {'GET api': () => ({rs2rtc: {version: '1', may: 'view'}})}}), {page, says, done} = await visit(chromium.browser, 'sessions.html', {own});
    await says('#view-only', /^You may view but not change this/);
    await page.waitForSelector('tr[data-id="2"]');
    assert.deepEqual(await page.$$eval('tr[data-id="2"] button', nodes => nodes.map(n => [n.textContent, n.disabled, n.title])), [['', false, 'Details'], ['Kick', true, 'You may view but not change this.']]);
    await page.focus('tr[data-id="2"]');
    await page.keyboard.press('k');
    await says('.toast', /You may view but not change this/);
    assert.equal(await page.$('dialog'), null);
    await done();
    own.close();
});

test('a viewer of an earlier run of the server is not ended in this one, where somebody else has the number', {skip}, async () => {
    const port = await freePort(), own = await fixture({port}), {page, says, press, done} = await visit(chromium.browser, 'sessions.html', {own});
    await page.waitForSelector('.dot[data-state=live]');
    await press('Kick', 'tbody');
    await page.waitForSelector('dialog[open]');
    own.close();
    await page.waitForSelector('.dot[data-state=lost]');
    await press('Kick', 'dialog');
    await says('dialog .error', /^Server not reachable\.$/);
    const second = await fixture({port});
    second.state.sessions.sessions[0].remote = '192.168.1.99:5000';
    await page.waitForSelector('.dot[data-state=live]');
    await says('tr[data-id="2"]', /192\.168\.1\.99/);
    await press('Kick', 'dialog');
    await says('.toast', /^The server has restarted meanwhile: nobody was ended\.$/);
    await page.waitForFunction(() => !document.querySelector('dialog'));
    assert.deepEqual([own.state.calls, second.state.calls], [[], []]);
    await press('Kick', 'tbody');
    await press('Kick', 'dialog');
    await page.waitForFunction(() => !document.querySelector('dialog'));
    assert.deepEqual(second.state.calls, ['kick 2']);
    await done(UNREACHED);
    second.close();
});

test('what is pressed twice while the server is asked opens one dialog', {skip}, async () => {
    const ends = /** @type {((value: any) => void)[]} */ ([]), own = await fixture({answers: {'GET api/streams': () => new Promise(resolve => ends.push(resolve))}}), {page, done} = await visit(chromium.browser, 'sessions.html', {own});
    await page.waitForSelector('tr[data-id="2"]');
    await page.$$eval('.tools button', nodes => {
        for (let i = 0; i < 2; i++) nodes.find(n => n.textContent === 'Try it')?.click();
    });
    await own.until(() => ends.length > 0);
    // A second one would have gone out before this one.
    await page.evaluate(() => fetch('api/rs/release').catch(() => {}));
    for (const end of ends) end({demo: {producers: []}});
    await page.waitForSelector('dialog[open]');
    assert.deepEqual([ends.length, (await page.$$('dialog')).length], [1, 1]);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => !document.querySelector('dialog'));
    await page.$$eval('.tools button', nodes => nodes.find(n => n.textContent === 'Try it')?.click());
    await own.until(() => ends.length > 1);
    await done(/404 \(Not Found\)/);
    own.close();
});

test('each has its number, and over what it is carried; where the server is lost, what was known stands with its age', {skip}, async () => {
    const own = await fixture(), [one] = own.state.sessions.sessions, at = {ms: 40, event: 'connected', detail: 'tcp'};
    own.state.sessions.sessions = [one, {...one, id: 3, timeline: [at]}, {...one, id: 8, format: 'mse', timeline: []}, {...one, id: 12, user_agent: null, remote: null, publishes: true, timeline: [{...at, detail: ''}]}];
    const {page, says, done} = await visit(chromium.browser, 'sessions.html', {own});
    await page.waitForSelector('tr[data-id="12"]');
    assert.deepEqual(await page.$$eval('tr.lead', rows => rows.slice(0, 4).map(row => [...row.querySelectorAll('td')].filter((_, i) => i === 0 || i === 2).map(n => n.textContent))),
        [['Chrome 192.168.1.23 #2', 'WebRTC/UDP'], ['Chrome 192.168.1.23 #3', 'WebRTC/TCP'], ['Chrome 192.168.1.23 #8', 'MSE'], ['#12', 'WebRTC, publishing']]);
    await page.waitForSelector('.dot[data-state=live]');
    await page.evaluate(() => {
        const now = Date.now;
        Object.assign(window, {skew: 0});
        Date.now = () => now() + /** @type {any} */ (window).skew;
    });
    own.close();
    await page.waitForSelector('.dot[data-state=lost]');
    await page.evaluate(() => Object.assign(window, {skew: 180_000}));
    await says('tr[data-id="2"] td:nth-child(4)', /^1\d s · 3 min ago$/);
    await done(UNREACHED);
});

test('snapshots are counted only if somebody asks for them', {skip}, async () => {
    const own = await fixture(), [one] = own.state.sessions.ended;
    own.state.sessions.ended.unshift(...Array.from({length: 90}, (_, i) => ({...one, id: 100 + i, format: 'keyframe', reason: i % 9 ? 'delivered' : 'failed', detect_ms: 0, release_ms: 1})));
    const {page, says, done} = await visit(chromium.browser, 'sessions.html', {own});
    await says('.card', /3 measured/);
    assert.equal((await page.$$('tbody tr.lead[data-id="101"]')).length, 0);
    assert.equal((await page.$$('section:last-of-type tbody tr.lead')).length, 4);
    await page.select('.tools select', 'delivered');
    await says('.card', /80 measured/);
    await says('tbody tr.lead[data-id="101"]', /Snapshot taken/);
    await page.select('.tools select', 'failed');
    await says('tbody tr.lead[data-id="100"]', /No snapshot/);
    await page.select('.tools select', '');
    await says('.card', /3 measured/);
    await done();
    own.close();
});

/** What a lane shows: the title of each mark. @param {import('puppeteer-core').Page} page @param {string} name */
const lane = (page, name) => page.$$eval(`.lanes [data-lane=${name}] title`, nodes => nodes.map(n => n.textContent?.replace(/^[\d:.,]+ m?s? ?/, '').trim()));

test('a lane for each signal, with what the figures say beside the marks', {skip}, async () => {
    const own = await fixture(), [one] = own.state.sessions.ended;
    const mark = (ms, event, detail = '') => ({ms, event, detail});
    own.state.sessions.ended = [{...one, id: 7, reason: 'icmp_verified', detect_ms: 40, release_ms: 9, timeline: [mark(0, 'offer'), mark(30, 'reached'), mark(31, 'connected', 'udp'), mark(900, 'hint', 'ws_fin'), mark(901, 'suspect'), mark(905, 'pardoned', 'ws_fin'),
        mark(910, 'hint', 'tcp_fin'), mark(911, 'server_late', '30 ms'), mark(912, 'ice_disconnected'), mark(915, 'camera_released', 'silence'), mark(920, 'resumed'), mark(920, 'camera_taken'), mark(925, 'camera_back'), mark(40_000, 'hint', 'icmp'), mark(40_001, 'camera_released', 'icmp_verified'),
        mark(40_001, 'gone', 'icmp_verified')]}];
    const {page, done} = await visit(chromium.browser, 'sessions.html', {own});
    await (await page.waitForSelector('tr[data-id="7"] button'))?.click();
    await page.waitForSelector('.lanes circle');
    assert.deepEqual(await page.$$eval('.lanes g > text', nodes => nodes.map(n => n.textContent)), ['media', 'control socket', 'ICMP', 'probes', 'lease', 'device']);
    const all = Object.fromEntries(await Promise.all(['media', 'socket', 'icmp', 'probes', 'lease', 'device'].map(async name => [name, await lane(page, name)])));
    assert.deepEqual(all, {media: ['reached', 'connected udp', 'hint tcp_fin', 'last_packet'], socket: ['offer', 'hint ws_fin', 'pardoned ws_fin'], icmp: ['hint icmp'], probes: ['suspect', 'server_late 30 ms', 'ice_disconnected'],
        lease: ['camera_released silence', 'resumed', 'camera_taken', 'camera_released icmp_verified', 'gone icmp_verified'], device: ['camera_back', 'source_released']});
    // Whoever sees no picture hears the same, in order.
    const words = await page.$$eval('ol.timeline li', nodes => nodes.map(n => n.textContent));
    assert.equal(words.length, 18);
    assert.match(words.at(-1) ?? '', /^40 s \+9 mssource_released$/);
    assert.match(words.slice(-5).join(), /last_packet,.*hint · icmp,.*camera_released.*,.*gone/);
    // The last milliseconds of a long session are no single point.
    const xs = await page.$$eval('.lanes circle', nodes => nodes.map(n => Number(n.getAttribute('cx'))));
    const dots = await page.$$eval('.lanes [data-lane=device] circle, .lanes [data-lane=lease] circle', nodes => nodes.map(n => Number(n.getAttribute('cx'))));
    assert.ok(Math.max(...xs) - dots.toSorted((a, b) => a - b).at(-2) > 20, String(dots));
    await done();
    own.close();
});

test('the figures count from a reset on, with how often a camera was let go by mistake', {skip}, async () => {
    let wrong = 3;
    const own = await fixture({answers: {'GET api/rs/metrics': () => `rs2rtc_wrong_parks_total ${wrong}\n`}}), [one] = own.state.sessions.ended;
    const {page, says, press, done} = await visit(chromium.browser, 'sessions.html', {own});
    await says('.card', /95 %.*3 measured/);
    await says('.card', /Wrong pauses: 3/);
    await press('Reset', '.card');
    await says('.card', /No release has been measured yet/);
    await says('.card', /Wrong pauses: 0 · since \d\d:/);
    assert.equal((await page.$$('section:last-of-type tbody tr.lead')).length, 4, 'who left stays listed');
    wrong = 4;
    own.state.sessions.ended.unshift({...one, id: 70, release_ms: 25});
    await own.until(() => own.readers() > 0);
    for (let i = 0; i < 5; i++) own.emit('viewer_resumed', {stream: 'demo', viewer: 2, parked_ms: 900});
    await says('.card', /Half within 25 ms.*1 measured/);
    await says('.card', /Wrong pauses: 1/);
    assert.equal(own.requests.filter(path => path.endsWith('/metrics')).length, 2, 'at first, and once for all that come back together');
    await done();
    own.close();
});

test('how often what took how long, drawn and in words', {skip}, async () => {
    const {page, says, press, done} = await visit(chromium.browser, 'sessions.html');
    await says('.card', /3 measured/);
    await press('How often what took how long', '.card');
    await page.waitForSelector('.spread .histogram rect');
    const text = await page.$$eval('.spread', nodes => nodes.map(node => [node.querySelector('h3')?.textContent, ...[...node.querySelectorAll('span.muted')].map(n => n.textContent)]));
    assert.deepEqual(text, [['Browser said goodbye', '≤ 10 ms: 2', '≤ 100 ms: 2', '≤ 100 ms: 2'], ['No sign of life', '> 3 s: 1', '≤ 100 ms: 1', '> 3 s: 1']]);
    assert.deepEqual(await page.$$eval('.spread svg', nodes => nodes.map(n => [n.getAttribute('aria-label'), n.querySelectorAll('rect').length]).slice(0, 2)),
        [['Browser said goodbye, Detected in: ≤ 10 ms: 2', 1], ['Browser said goodbye, Released in: ≤ 100 ms: 2', 1]]);
    await done();
});

test('who is parked stays listed, with why', {skip}, async () => {
    const own = await fixture(), [one] = own.state.sessions.sessions;
    own.state.sessions.sessions.push({...one, id: 3, stream: 'demo', format: 'mse', state: 'parked', reason: 'hidden', detect_ms: 0, release_ms: 12, timeline: []});
    const {says, done} = await visit(chromium.browser, 'sessions.html', {own});
    await says('tr[data-id="3"] .state[data-state=parked]', /^Parked \(camera off, can resume\) · Page is hidden$/);
    await done();
    own.close();
});

test('a viewer of MSE whose page is hidden stays listed, and its camera is off', {skip: skip || without(BINARY, 'rs2rtc')}, async () => {
    const server = await rs2rtc('streams:\n  own: {url: "demo:?width=320&height=180&fps=15", exclusive: device, hidden_linger: 0s}\n');
    try {
        const player = await chromium.browser.newPage(), list = await chromium.browser.newPage();
        await list.goto(`${server.url}sessions.html?lang=en`);
        await player.bringToFront();
        await player.goto(`${server.url}camera.html?src=own&lang=en&mode=mse`);
        await player.waitForFunction(() => /** @type {any} */ (document.querySelector('rs-player'))?.phase === 'live', {polling: 50, timeout: 60_000});
        await list.bringToFront();
        const state = await list.waitForFunction(() => [...document.querySelectorAll('tbody tr.lead')].find(row => /MSE/.test(row.textContent ?? ''))?.querySelector('.state[data-state=parked]')?.textContent, {timeout: 60_000});
        assert.equal(await state.jsonValue(), 'Parked (camera off, can resume) · Page is hidden');
        // It is parked first.
        await until(async () => (await (await fetch(`${server.url}api/streams?src=own`)).json()).producers.filter((/** @type {any} */ one) => one.id), open => !open.length);
        await player.bringToFront();
        await player.waitForFunction(() => /** @type {any} */ (document.querySelector('rs-player'))?.phase === 'live', {polling: 50, timeout: 60_000});
        await list.bringToFront();
        await player.close();
        await list.waitForFunction(() => [...document.querySelectorAll('.empty:not([hidden])')].some(n => /^Nobody is watching/.test(n.textContent ?? '')), {timeout: 60_000});
        await list.close();
    } finally {
        await server.stop();
    }
});
