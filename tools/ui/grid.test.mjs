/**
 * The grid in a real Chromium: layouts are arranged, kept, shared and deleted; a camera with two streams is one tile that changes over without
 * going black; a failure from before the page was loaded is told.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {pageCamera} from './page-camera.mjs';
import {fixture} from './pages-fixture.mjs';
import {stripCells} from './strip.mjs';

const skip = without(CHROMIUM, 'Chromium');
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) chromium = await launch({mdns: 'show'});
});
after(() => chromium?.close());

/** @param {Record<string, object>} streams @param {{width?: number, height?: number, query?: string, options?: object, session?: object}} [more] `options`: of the server; `session`: what it answers to players */
async function live(streams, {width = 1280, height = 800, query = '', options = {}, session} = {}) {
    const server = await fixture({streams: {}, ...options}), page = await chromium.browser.newPage(), faults = /** @type {string[]} */ ([]);
    server.state.streams = /** @type {any} */ (streams);
    await page.setViewport({width, height});
    page.on('console', msg => msg.type() === 'error' && faults.push(msg.text()));
    page.on('pageerror', err => faults.push(String(err)));
    await page.evaluateOnNewDocument(`window.__session = ${JSON.stringify(session)}; (${pageCamera})(${stripCells})`);
    await page.goto(`${server.url}${query || '?lang=en'}`);
    if (Object.keys(streams).length) await page.waitForSelector('.tile');
    return {server, page, async done(/** @type {RegExp|undefined} */ expected = undefined) {
        await page.close();
        server.close();
        assert.deepEqual(faults.filter(text => !expected?.test(text)), []);
    }};
}
const idle = {producers: [{url: 'rtsp://192.168.1.70/x'}], consumers: null};
const names = page => page.$$eval('.tile', nodes => nodes.map(n => n.dataset.name));
const choose = (page, text) => page.evaluate(words => {
    const select = /** @type {HTMLSelectElement} */ (document.querySelector('.tools select'));
    select.value = [...select.options].find(o => o.text.startsWith(words))?.value ?? 'none';
    select.dispatchEvent(new Event('change'));
}, text);
const chosen = page => page.$eval('.tools select', select => /** @type {any} */ (select).selectedOptions[0].text);
/** What is seldom used is loaded when it is. */
const press = async (page, within, label) => (await page.waitForSelector(`${within} [aria-label="${label}"]`)).evaluate(node => node.click());
/** The button of the page with these words. @param {import('puppeteer-core').Page} page @param {string} words */
const click = (page, words) => page.evaluate(text => /** @type {any} */ ([...document.querySelectorAll('.tools button, .toast button')].find(b => b.textContent === text)).click(), words);
const many = (/** @type {number} */ n, of = idle) => Object.fromEntries(Array.from({length: n}, (_, i) => [`cam ${i}`, of]));
const write = async (page, text) => {
    await page.waitForSelector('dialog input');
    await page.type('dialog input', text);
};

test('a layout is arranged, kept, opened elsewhere and deleted', {skip}, async () => {
    const {server, page, done} = await live({a: idle, b: idle, c: idle});
    await click(page, 'Arrange');
    await press(page, '[data-name=c]', 'Move forward');
    await press(page, '[data-name=b]', 'Leave out');
    await press(page, '[data-name=c]', 'Move forward');
    await press(page, '[data-name=a]', 'Show large');
    assert.deepEqual(await names(page), ['c', 'a']);
    assert.deepEqual(await page.$$eval('.tile.big', nodes => nodes.map(n => n.dataset.name)), ['a']);
    await choose(page, 'Save layout');
    await write(page, 'Door & yard');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => !document.querySelector('dialog') && location.search.includes('src=c&src=a'));
    const shared = page.url();
    await choose(page, 'All cameras');
    assert.deepEqual(await names(page), ['a', 'b', 'c']);
    assert.equal(new URL(page.url()).search, '');
    await choose(page, 'Door & yard');
    assert.deepEqual(await names(page), ['c', 'a']);
    // The next visit shows it again, and its address shows it in a browser that has not kept it.
    await page.goto(server.url);
    await page.waitForSelector('.tile');
    assert.deepEqual(await names(page), ['c', 'a']);
    await page.evaluate(() => localStorage.clear());
    await page.goto(shared);
    await page.waitForSelector('.tile.big');
    assert.deepEqual(await names(page), ['c', 'a']);
    await choose(page, 'Save layout');
    await write(page, 'x');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => [.../** @type {any} */ (document.querySelector('.tools select')).options].some(o => o.text === 'Delete layout x'));
    await choose(page, 'Delete layout x');
    assert.deepEqual(await names(page), ['a', 'b', 'c']);
    await page.waitForSelector('.toast button');
    assert.match(await page.$eval('.toast', n => n.textContent ?? ''), /^x is deleted/);
    await click(page, 'Undo');
    assert.deepEqual([await chosen(page), await names(page)], ['x', ['c', 'a']]);
    await done();
});

test('pressed twice while it is loaded, arranging begins once', {skip}, async () => {
    const {page, done} = await live(many(2));
    await page.evaluate(() => {
        const arrange = /** @type {HTMLElement} */ (document.querySelector('.tools button[aria-pressed][title]'));
        for (let i = 0; i < 2; i++) arrange.click();
    });
    await page.waitForSelector('.tools button[aria-pressed=true]');
    await page.waitForFunction(() => document.querySelector('.tile .arrange')?.checkVisibility());
    await done();
});

test('the address follows what is shown, and a layout has its name again after a reload', {skip}, async () => {
    const {page, done} = await live({a: idle, b: idle, c: idle}, {query: '?lang=en&src=a&src=gone&src=b'});
    await page.waitForFunction(() => /there is no stream gone/.test(document.querySelector('.summary')?.textContent ?? ''));
    const reload = async () => {
        await page.reload();
        await page.waitForSelector('.tile');
    };
    await click(page, 'Arrange');
    await press(page, '[data-name=b]', 'Move forward');
    await page.select('[aria-label=Columns]', '3');
    assert.match(page.url(), /\?src=b&src=a&cols=3$/);
    await choose(page, 'Save layout');
    await write(page, 'Yard');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => !document.querySelector('dialog'));
    await reload();
    assert.deepEqual([await chosen(page), await names(page)], ['Yard', ['b', 'a']]);
    await page.keyboard.press('[');
    assert.equal(await chosen(page), 'Not saved');
    await reload();
    assert.deepEqual([await chosen(page), await page.$eval('.grid', n => /** @type {any} */ (n).dataset.cols)], ['Not saved', '2']);
    await page.keyboard.press(']');
    assert.equal(await chosen(page), 'Yard', 'as it is kept');
    await choose(page, 'All cameras');
    await page.select('[aria-label=Columns]', '2');
    assert.equal(new URL(page.url()).search, '');
    await reload();
    assert.deepEqual([await names(page), await page.$eval('.grid', n => /** @type {any} */ (n).dataset.cols)], [['a', 'b', 'c'], '2']);
    await done();
});

test('two streams of a camera are one tile, which plays the lesser one while it is small', {skip}, async () => {
    const {page, done} = await live({door: idle, door_sub: idle}, {width: 420});
    assert.deepEqual(await names(page), ['door']);
    await page.focus('.tile');
    await page.keyboard.press('Space');
    const plays = name => page.waitForFunction(wanted => {
        const all = [...document.querySelectorAll('.tile rs-player')];
        return all.length === 1 && new URL(/** @type {any} */ (all[0]).wsURL).searchParams.get('src') === wanted && /** @type {any} */ (all[0]).video.videoWidth > 0;
    }, {timeout: 60_000}, name);
    await plays('door_sub');
    // While the other one has no picture yet, this one stays in front.
    await page.evaluate(() => {
        const seen = [];
        /** @type {any} */ (window).seen = seen;
        new MutationObserver(() => seen.push(document.querySelectorAll('.tile rs-player').length)).observe(/** @type {Element} */ (document.querySelector('.picture')), {childList: true});
    });
    await page.click('.tile button.quality');
    await plays('door');
    assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).seen), [2, 1]);
    await page.reload();
    await page.waitForSelector('.tile');
    assert.equal(await page.$eval('.tile button.quality', n => n.textContent), 'HD', 'it is remembered');
    await done();
});

test('a failure from before is told with its reason', {skip}, async () => {
    const {page, done} = await live({gate: {producers: [{url: 'rtsp://192.168.1.70/x', error: 'rtsp: wrong user/pass', error_kind: 'auth'}], consumers: null}});
    await page.waitForFunction(() => document.querySelector('.tile .state')?.getAttribute('data-state') === 'failed');
    assert.match(await page.$eval('.tile', n => n.textContent ?? ''), /rtsp: wrong user\/pass[\s\S]*Retry now[\s\S]*Wrong user name or password/);
    await done();
});

test('all cameras play that were there when it was pressed, also those whose tiles are not built yet', {skip}, async () => {
    const {server, page, done} = await live({});
    // The button is pressed with the first tiles.
    await page.evaluateOnNewDocument(() => new MutationObserver((_, self) => {
        if (!document.querySelector('.tile')) return;
        self.disconnect();
        queueMicrotask(() => {
            /** @type {any} */ (window).built = document.querySelectorAll('.tile').length;
            /** @type {any} */ ([...document.querySelectorAll('.tools button')].find(b => b.textContent === 'Play all')).click();
        });
    }).observe(document, {subtree: true, childList: true}));
    server.state.streams = many(20);
    await page.setViewport({width: 1280, height: 4000});
    await page.goto(`${server.url}?lang=en`);
    await page.waitForFunction(() => [...document.querySelectorAll('.tile')].filter(one => one.querySelector('rs-player') || /to save power/.test(one.querySelector('.note')?.textContent ?? '')).length === 20, {polling: 50, timeout: 60_000})
        .catch(async err => assert.fail(`${err.message} ${await page.evaluate(() => [document.visibilityState, /** @type {any} */ (window).built, ...document.querySelectorAll('.tile')].map(one => one?.outerHTML ?? one).join('\n'))}`));
    assert.equal(await page.evaluate(() => /** @type {any} */ (window).built), 8);
    await done();
});

test('what could not be loaded at first is no fault any more once it is there', {skip}, async () => {
    let bad = 1;
    const {page, done} = await live({}, {options: {answers: {'GET api/streams': () => bad-- > 0 ? 500 : {a: idle}}}});
    await page.waitForFunction(() => document.querySelector('.tile') && /** @type {HTMLElement|null} */ (document.querySelector('.banner'))?.hidden, {polling: 50, timeout: 60_000})
        .catch(async err => assert.fail(`${err.message} ${await page.evaluate(() => [document.visibilityState, ...document.querySelectorAll('.banner, .dot')].map(one => one.outerHTML ?? one).join(' '))} ${server.requests.join(' ')}`));
    await done(/500 \(Internal/);
});

test('a list that was not reached is asked for again, also while the events come', {skip}, async () => {
    const {page, done} = await live({a: idle});
    // The page asks twice: at its beginning, and when the events come.
    await page.evaluateOnNewDocument(() => {
        const {fetch} = window;
        let away = 2;
        window.fetch = (what, how) => /api\/streams/.test(String(/** @type {any} */ (what).url ?? what)) && away-- > 0 ? Promise.reject(new TypeError('away')) : fetch(what, how);
    });
    await page.reload();
    await page.waitForSelector('.tile', {timeout: 60_000});
    await done();
});

test('streams that others add and delete come and go', {skip}, async () => {
    const {server, page, done} = await live({a: idle, b: idle});
    // The page looks once more when it is connected.
    await server.until(() => server.requests.filter(path => path === '/api/streams').length >= 2);
    await page.evaluate(() => fetch('api/streams').then(response => response.text()));
    server.state.streams = /** @type {any} */ ({b: idle, c: idle});
    server.emit('streams_changed', {});
    await page.waitForFunction(() => [...document.querySelectorAll('.tile')].map(one => one.getAttribute('data-name')).join() === 'b,c', {polling: 50, timeout: 60_000});
    await done();
});

test('keys of a tile are for the one that has the focus: without one, Space scrolls', {skip}, async () => {
    const {page, done} = await live(many(40));
    await page.waitForFunction(() => document.querySelectorAll('.tile').length === 40);
    await page.evaluate(() => document.addEventListener('scrollend', () => document.body.dataset.scrolled = 'yes'));
    for (const key of ['Enter', 'f', 'm', 'Space']) await page.keyboard.press(/** @type {any} */ (key));
    await page.waitForSelector('[data-scrolled]', {timeout: 60_000});
    assert.ok(await page.evaluate(() => scrollY) > 100);
    assert.deepEqual(await page.evaluate(() => [/** @type {any} */ (window).__sockets.length, document.fullscreenElement, location.pathname]), [0, null, '/']);
    await page.focus('.tile');
    await page.keyboard.press('Space');
    await page.waitForSelector('.tile.playing');
    // The button that stops it goes, and the keys are still for this tile.
    await page.click('.tile.playing [aria-label=Stop]');
    await page.waitForFunction(() => !document.querySelector('.tile.playing'));
    assert.equal(await page.evaluate(() => document.activeElement?.matches('.tile')), true);
    await done();
});

test('two quick presses on a button of a tile are no wish for full screen, on its picture they are', {skip}, async () => {
    const {page, done} = await live({a: idle, b: idle, c: idle});
    await page.evaluate(() => {
        Element.prototype.requestFullscreen = async function () {
            this.setAttribute('data-full', '');
        };
    });
    await click(page, 'Arrange');
    await page.waitForSelector('[data-name=a] [aria-label="Move back"]');
    // The tile that moves or grows leaves something else under the pointer.
    for (const words of ['Move back', 'Show large']) await page.click(`[data-name=a] [aria-label="${words}"]`, {count: 2});
    await click(page, 'Arrange');
    await page.waitForFunction(() => document.querySelector('.tools [aria-pressed=false]'));
    assert.equal(await page.$('[data-full]'), null);
    await page.click('[data-name=b] .frame', {offset: {x: 20, y: 20}, count: 2});
    await page.waitForSelector('[data-name=b][data-full]');
    await done();
});

test('a tile that may not play and has no still picture has its button: it plays instead of another one', {skip}, async () => {
    const {page, done} = await live(many(16), {height: 1500});
    await page.waitForFunction(() => document.querySelectorAll('.tile').length === 16);
    await click(page, 'Play all');
    const last = '.tile[data-name="cam 9"]';
    await page.waitForSelector('.tile rs-player');
    // Pressed as it is seen: what fits changes while the others begin.
    await page.waitForFunction(one => {
        const start = /** @type {HTMLElement|null} */ (document.querySelector(`${one} .start`));
        if (!/to save power/.test(document.querySelector(`${one} .note`)?.textContent ?? '') || !start?.checkVisibility()) return false;
        start.focus();
        start.click();
        return true;
    }, {polling: 50, timeout: 60_000}, last).catch(async err => assert.fail(`${err.message} ${await page.$eval(last, n => n.outerHTML)}`));
    await page.waitForSelector(`${last} rs-player`);
    assert.equal(await page.$eval(last, n => n === document.activeElement), true);
    await done();
});

test('a narrow tile has room for its name, its state in words and all of its buttons; a phone has two columns', {skip}, async () => {
    const running = {producers: [{id: 1, format_name: 'rtsp'}], consumers: [{id: 2, format_name: 'webrtc'}]};
    const picture = {'GET api/rs/poster': (/** @type {any} */ {response}) => {
        response.setHeader('content-type', 'image/svg+xml').setHeader('age', '240');
        return '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 9"/>';
    }};
    for (const [language, width, height] of /** @type {[string, number, number][]} */ ([['en', 390, 844], ['zh', 390, 844], ['en', 844, 390]])) {
        const {page, done} = await live({cam1: running, cam1_sub: running, cam2: idle}, {width, height, query: `?lang=${language}&cols=4`, options: {answers: picture}});
        await page.waitForSelector('[data-name=cam1].playing .about:not(:empty)');
        await page.waitForSelector('[data-name=cam2] .note:not([hidden])');
        // The longest that it says of what plays.
        await page.waitForFunction(() => /behind|延迟/.test(document.querySelector('[data-name=cam1] .state')?.textContent ?? ''), {timeout: 60_000});
        await page.evaluate(() => /** @type {any} */ (document.querySelector('.tools .compact')).click());
        await page.waitForSelector('.arrange button');
        const cut = await page.evaluate(() => [...document.querySelectorAll('.tile')].flatMap(tile => {
            const box = tile.getBoundingClientRect(), frame = /** @type {Element} */ (tile.querySelector('.frame')).getBoundingClientRect();
            const parts = [...tile.querySelectorAll('.name, .state, .bar button, .note')].filter(one => one.checkVisibility());
            return parts.filter(one => {
                const {left, right, top} = one.getBoundingClientRect();
                return left < box.left || right > box.right || top < frame.top || one.scrollWidth > one.clientWidth || one.matches('.note') && one.scrollHeight > one.clientHeight;
            }).map(one => `${one.className} ${one.textContent}`);
        }));
        assert.deepEqual(cut, [], language);
        assert.equal(await page.$eval('.grid', node => getComputedStyle(node).gridTemplateColumns.split(' ').length), 2);
        await done();
    }
});

test('a tile that begins shows the last picture and how old it is until there is one of now', {skip}, async () => {
    const {page, done} = await live({cam: idle}, {options: {answers: {'GET api/rs/poster': (/** @type {any} */ {response}) => {
        response.setHeader('content-type', 'image/svg+xml').setHeader('age', '240');
        return '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 9" width="160" height="90"><rect width="16" height="9" fill="red"/></svg>';
    }}}});
    await page.waitForSelector('.note:not([hidden])');
    // No answer for now.
    await page.evaluate(() => { /** @type {any} */ (window).__down = true; });
    await page.click('.start');
    // All in one: soon it would try again, and then without a socket.
    const seen = await page.waitForFunction(() => {
        const player = /** @type {any} */ (document.querySelector('.tile.playing rs-player'));
        if (!player?.querySelector('[data-phase=retrying]')) return null;
        const seen = [document.querySelector('.note')?.textContent, getComputedStyle(player).backgroundColor, document.querySelector('.tile .still')?.checkVisibility()];
        /** @type {any} */ (window).__down = false;
        player.retry();
        return seen;
    }, {polling: 'mutation', timeout: 60_000});
    assert.deepEqual(await seen.jsonValue(), ['Last picture, 4 min ago', 'rgba(0, 0, 0, 0)', true]);
    await page.waitForFunction(() => /** @type {any} */ (document.querySelector('rs-player')).phase === 'live' && !document.querySelector('.note')?.checkVisibility(), {polling: 50, timeout: 60_000});
    await done();
});

test('which tile is heard is told above them, where it is silenced too', {skip}, async () => {
    const {page, done} = await live({a: idle, b: idle});
    const says = (/** @type {string} */ words, /** @type {boolean} */ off) => page.waitForFunction((words, off) => {
        const one = /** @type {HTMLButtonElement} */ (document.querySelector('.tools .quiet'));
        return one.textContent === words && one.disabled === off;
    }, {polling: 50}, words, off);
    // What is to be heard begins anew with the next frame.
    const muted = (/** @type {boolean[]} */ ...wanted) => page.waitForFunction(wanted => ['a', 'b'].every((name, i) => /** @type {any} */ (document.querySelector(`[data-name=${name}] video`))?.muted === wanted[i]), {polling: 20}, wanted);
    await says('Sound off', true);
    await click(page, 'Play all');
    await page.waitForFunction(() => document.querySelectorAll('.tile rs-player video').length === 2, {polling: 50});
    for (const name of ['a', 'b']) {
        await page.focus(`[data-name=${name}]`);
        await page.keyboard.press('m');
        await says(`Mute ${name}`, false);
    }
    await muted(true, false);
    await page.focus('.tools .quiet');
    await page.keyboard.press('Enter');
    await says('Sound off', true);
    await muted(true, true);
    assert.equal(await page.$eval('[data-name=b] [aria-label=Sound]', node => node.getAttribute('aria-pressed')), 'false');
    assert.notEqual(await page.evaluate(() => document.activeElement), null);
    // A tile that is stopped is not heard.
    await page.focus('[data-name=a]');
    await page.keyboard.press('m');
    await says('Mute a', false);
    await page.keyboard.press('Space');
    await says('Sound off', true);
    await done();
});

test('a camera that is always to start plays with the page, the others sleep', {skip}, async () => {
    const {page, done} = await live({a: idle, b: idle, c: idle});
    const button = '[data-name=b] button.always';
    await click(page, 'Arrange');
    await page.waitForSelector(`${button}[aria-pressed=false]`);
    await page.click(button);
    await page.waitForSelector(`${button}[aria-pressed=true]`);
    await page.reload();
    // What has no picture yet is not what rests.
    await phases(page, 'live');
    assert.deepEqual(await page.$$eval('.tile.playing', nodes => nodes.map(one => /** @type {any} */ (one).dataset.name)), ['b']);
    await click(page, 'Arrange');
    await page.waitForSelector(`${button}[aria-pressed=true]`);
    await page.click(button);
    await page.waitForFunction(() => !document.querySelector('.tile.playing'));
    assert.equal(await page.evaluate(() => localStorage.getItem('rs.always')), null);
    await page.reload();
    await page.waitForSelector('[data-name=b] .start');
    assert.equal(await page.$('rs-player'), null);
    await done();
});

/** What our server answers to a player. */
const SESSION = {id: '1', bye: 'api/rs/bye/1', boot: 'b', caps: ['park', 'bye', 'released', 'stop', 'why']};
/** There are tiles that play, and all of them do just that. @param {import('puppeteer-core').Page} page @param {string} phase of the player */
const phases = (page, phase) => page.waitForFunction(phase => {
    const all = /** @type {any[]} */ ([...document.querySelectorAll('.tile rs-player')]);
    return all.length && all.every(one => one.phase === phase);
}, {polling: 20, timeout: 60_000}, phase);
const state = (/** @type {import('puppeteer-core').Page} */ page, /** @type {string} */ wanted) => page.waitForSelector(`.tile .state[data-state=${wanted}]`, {timeout: 60_000});
/** The page has decided who plays since then. @param {import('puppeteer-core').Page} page */
const decided = page => page.evaluate(() => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve))));

test('what plays by itself goes on while its camera fails, and ends with a camera that sleeps', {skip}, async () => {
    const running = {producers: [{id: 1, format_name: 'rtsp'}], consumers: [{id: 2, format_name: 'webrtc'}]}, of = {stream: 'a', source: 'rtsp://192.168.1.70/x'};
    const {server, page, done} = await live({a: running}, {session: SESSION});
    await phases(page, 'live');
    // What comes here, not what the server had counted when the page asked.
    await page.waitForFunction(() => /^WebRTC [\d.,]+ [kM]b\/s$/.test(document.querySelector('.tile .about')?.textContent ?? ''), {timeout: 60_000});
    await server.until(() => server.readers() > 0);
    const plays = async () => {
        await decided(page);
        assert.equal(await page.$$eval('.tile rs-player', all => all.length), 1);
    };
    server.emit('source_stalled', of);
    await state(page, 'failed');
    await plays();
    // Who waits for it keeps it trying.
    const away = {producers: [{url: 'rtsp://192.168.1.70/x', error: 'away', error_kind: 'unreachable'}]};
    server.state.streams = /** @type {any} */ ({a: {...away, consumers: running.consumers}});
    server.emit('source_failed', {...of, error: 'away', kind: 'unreachable', retry_ms: 60_000});
    await page.waitForFunction(() => /Retry in \d+ s/.test(document.querySelector('.tile .state')?.textContent ?? ''));
    await plays();
    // It has given up: the camera opens for somebody else, and it tries again.
    server.state.streams = /** @type {any} */ ({a: {...away, consumers: null}});
    server.emit('source_failed', {...of, error: 'wrong password', kind: 'auth', retry_ms: null});
    await state(page, 'failed');
    const ended = (/** @type {string} */ reason) => page.evaluate(reason => {
        const socket = /** @type {any} */ (window).__sockets.at(-1);
        socket.answer('released', {reason, detectMs: 1, releaseMs: 1});
        socket.close();
        socket.pc.close();
    }, reason);
    await ended('admin');
    await phases(page, 'failed');
    await plays();
    server.state.streams = /** @type {any} */ ({a: running});
    server.emit('source_opened', of);
    await phases(page, 'live');
    // Its viewer was sent away, and nobody is left.
    server.state.streams = /** @type {any} */ ({a: idle});
    await ended('admin');
    await phases(page, 'failed');
    server.emit('source_released', {...of, release_ms: 10, viewer: 2});
    await page.waitForFunction(() => !document.querySelector('rs-player'));
    await done();
});

/** What the server was told of tiles that are seen or not, on each socket. @param {import('puppeteer-core').Page} page */
const told = page => page.evaluate(() => /** @type {any[]} */ (/** @type {any} */ (window).__sockets).map(one => one.sent.filter(type => type === 'park' || type === 'resume').join(' ')));

test('a dialog before the tiles pauses them at once, and what plays is the same after it', {skip}, async () => {
    const {page, done} = await live({a: idle, b: idle}, {session: SESSION});
    await page.focus('[data-name=a]');
    await page.keyboard.press('Space');
    await phases(page, 'live');
    await page.evaluate(() => {
        // The server hears of it before the next frame is drawn.
        document.addEventListener('dialog', () => /** @type {any} */ (window).heard = [.../** @type {any} */ (window).__sockets[0].sent].at(-1));
    });
    await page.keyboard.press('?');
    await phases(page, 'parked');
    assert.deepEqual([await told(page), await page.evaluate(() => /** @type {any} */ (window).heard)], [['park'], 'park']);
    // Nothing begins behind it.
    await page.evaluate(() => /** @type {any} */ (document.querySelector('[data-name=b] .start')).click());
    await decided(page);
    assert.equal(await page.$('[data-name=b] rs-player'), null);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelectorAll('.tile rs-player').length === 2, {polling: 20});
    await phases(page, 'live');
    assert.deepEqual(await told(page), ['park resume', '']);
    await done();
});

test('another quality begins when its tile is seen, not while it is scrolled away, and nothing behind a dialog', {skip}, async () => {
    const {page, done} = await live({...many(20), 'cam 0_sub': idle}, {session: SESSION}), sockets = () => page.evaluate(() => /** @type {any} */ (window).__sockets.map((/** @type {any} */ one) => new URL(one.url).searchParams.get('src')));
    const scroll = (/** @type {number} */ to) => page.evaluate(to => scrollTo({top: to, behavior: 'instant'}), to), choose = (/** @type {string} */ n) => page.select('select[aria-label=Columns]', n);
    await choose('4');
    await page.waitForFunction(() => document.querySelectorAll('.tile').length === 20);
    await page.focus('[data-name="cam 0"]');
    await page.keyboard.press('Space');
    await phases(page, 'live');
    assert.deepEqual(await sockets(), ['cam 0_sub']);
    await scroll(100_000);
    await phases(page, 'parked');
    await choose('1');
    await decided(page);
    assert.deepEqual(await sockets(), ['cam 0_sub'], 'nobody sees it');
    // Behind a dialog it may be scrolled back.
    await page.keyboard.press('?');
    await page.waitForSelector('dialog[open]');
    await scroll(0);
    await page.waitForFunction(() => document.querySelector('.tile')?.checkVisibility() && scrollY === 0);
    await decided(page);
    assert.deepEqual([await sockets(), await told(page)], [['cam 0_sub'], ['park']]);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => /** @type {any} */ (window).__sockets.length === 2, {polling: 20});
    assert.deepEqual(await sockets(), ['cam 0_sub', 'cam 0']);
    await done();
});

test('of many tiles that become larger at once each begins its better stream in a frame of its own', {skip}, async () => {
    const cameras = ['a', 'b', 'c', 'd'], {page, done} = await live(Object.fromEntries(cameras.flatMap(name => [[name, idle], [`${name}_sub`, idle]])), {session: SESSION});
    const choose = (/** @type {string} */ n) => page.select('select[aria-label=Columns]', n);
    await choose('4');
    for (const name of cameras) {
        await page.focus(`[data-name=${name}]`);
        await page.keyboard.press('Space');
    }
    const play = (/** @type {string} */ wanted) => page.waitForFunction(wanted => [...document.querySelectorAll('.tile rs-player')].map(one => /** @type {any} */ (one).video?.videoWidth && new URL(/** @type {any} */ (one).wsURL).searchParams.get('src')).join() === wanted, {polling: 50, timeout: 60_000}, wanted);
    await play('a_sub,b_sub,c_sub,d_sub');
    await page.evaluate(() => {
        let frame = 0;
        const begun = /** @type {number[]} */ ([]), Own = /** @type {any} */ (WebSocket), next = () => {
            frame++;
            requestAnimationFrame(next);
        };
        next();
        /** @type {any} */ (window).begun = begun;
        /** @type {any} */ (window).WebSocket = class extends Own {
            /** @param {string} url */
            constructor(url) {
                super(url);
                begun.push(frame);
            }
        };
    });
    await choose('2');
    await play('a,b,c,d');
    const begun = await page.evaluate(() => /** @type {number[]} */ (/** @type {any} */ (window).begun));
    assert.equal(new Set(begun).size, 4, begun.join());
    await done();
});

test('a tile that is scrolled away is paused, and is let go when it stays away', {skip}, async () => {
    const {page, done} = await live(many(20), {session: SESSION});
    await page.waitForFunction(() => document.querySelectorAll('.tile').length === 20);
    await page.focus('.tile');
    await page.keyboard.press('Space');
    await phases(page, 'live');
    const scroll = (/** @type {number} */ to) => page.evaluate(to => scrollTo({top: to, behavior: 'instant'}), to);
    await scroll(100_000);
    // Back before it is let go.
    await page.waitForFunction(() => {
        const parked = [...document.querySelectorAll('rs-player')].some(one => /** @type {any} */ (one).phase === 'parked');
        if (parked) scrollTo({top: 0, behavior: 'instant'});
        return parked;
    }, {polling: 'raf', timeout: 60_000});
    await phases(page, 'live');
    assert.deepEqual(await told(page), ['park resume']);
    await scroll(100_000);
    await phases(page, 'parked');
    await page.waitForFunction(() => !document.querySelector('rs-player'), {polling: 50, timeout: 60_000});
    // Somebody has asked for it: it begins again when it is seen.
    await scroll(0);
    await phases(page, 'live');
    assert.deepEqual(await told(page), ['park resume park', '']);
    await done();
});
