/**
 * The graph in a real Chromium: the drawing that is taken away looks as it does on the page.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {writeFileSync} from 'node:fs';
import {CHROMIUM, launch, without} from './browser.mjs';
import {fixture} from './pages-fixture.mjs';
import {visit} from './visit.mjs';

const skip = without(CHROMIUM, 'Chromium');
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) chromium = await launch({mdns: 'show'});
});
after(() => chromium?.close());

test('the exported drawing has the colours of the page', {skip}, async () => {
    const {page, says, press, done} = await visit(chromium.browser, 'net.html');
    for (const scheme of ['light', 'dark']) {
        await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value: scheme}]);
        await page.waitForSelector('.graph g');
        const given = page.evaluate(() => new Promise(resolve => {
            const make = URL.createObjectURL;
            URL.createObjectURL = blob => {
                URL.createObjectURL = make;
                /** @type {Blob} */ (blob).text().then(resolve);
                return make.call(URL, blob);
            };
        }));
        await press('Export SVG', '.tools');
        const text = /** @type {string} */ (await given);
        if (process.env.SCREENSHOTS) writeFileSync(`${process.env.SCREENSHOTS}/graph-${scheme}.svg`, text);
        // As another program shows it: without this page around it.
        const seen = await page.evaluate(async text => {
            const image = new Image(), url = URL.createObjectURL(new Blob([text], {type: 'image/svg+xml'}));
            image.src = url;
            await image.decode();
            const svg = /** @type {SVGElement} */ (document.querySelector('.graph svg')), canvas = document.createElement('canvas');
            canvas.width = image.width;
            canvas.height = image.height;
            const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', {willReadFrequently: true}));
            pen.drawImage(image, 0, 0);
            const at = (/** @type {number} */ x, /** @type {number} */ y) => `rgb(${[...pen.getImageData(x, y, 1, 1).data].slice(0, 3).join(', ')})`;
            const box = /** @type {SVGRectElement} */ (svg.querySelector('g rect')), {x, y, width} = box.getBBox();
            return {ground: at(2, 2), box: at(x + width - 4, y + 8), page: [getComputedStyle(/** @type {Element} */ (svg.parentElement)).backgroundColor, getComputedStyle(box).fill]};
        }, text);
        assert.deepEqual([seen.ground, seen.box], seen.page, scheme);
        assert.match(text, /<path [^>]*fill="none"/);
    }
    await press('Show as table', '.tools');
    await page.waitForSelector('.table td');
    assert.equal(await page.$('.graph'), null);
    await page.waitForFunction(() => [...document.querySelectorAll('.tools button')].some(b => b.textContent === 'Export SVG' && /** @type {HTMLElement} */ (b).hidden));
    await press('192.168.1.23 Chrome', '.table');
    await says('.card dt', /^Client$/);
    assert.deepEqual(await page.$$eval('.card dt', nodes => nodes.map(n => n.textContent)), ['Client'], 'the address is the title');
    await done();
});

test('rates stand at producers and consumers and in the table, what is dropped is told and dashed, what is made of a track stands below it', {skip}, async () => {
    const from = performance.now(), codec = (/** @type {string} */ codec_name) => ({codec_name, codec_type: 'audio'});
    let drops = 3, looks = 0, look = () => {};
    // Two looks tell a rate.
    const second = new Promise(done => look = () => done(null)), own = await fixture({answers: {'GET api/streams': async () => {
        if (looks++) await second;
        // 2 Mb/s.
        const bytes = Math.round((performance.now() - from) * 250);
        return {cam: {producers: [{id: 1, format_name: 'rtsp', remote_addr: '192.168.1.64:554', receivers: [{id: 5, codec: codec('aac'), bytes}], bytes_recv: bytes}],
            consumers: [{id: 2, format_name: 'webrtc', remote_addr: '192.168.1.23:5000', senders: [{id: 9, codec: codec('opus'), parent: 5, bytes, drops}], bytes_send: bytes}]}};
    }}}), {page, press, done} = await visit(chromium.browser, 'net.html', {own});
    await page.waitForSelector('.graph g');
    const words = () => page.$$eval('.graph g', nodes => nodes.map(n => n.getAttribute('aria-label')));
    assert.deepEqual(await words(), ['Cameras: 192.168.1.64 cam', 'Producers: rtsp cam', 'Tracks: AAC ', 'Tracks: > Opus ', 'Consumers: webrtc cam', 'Viewers: 192.168.1.23 ']);
    look();
    await page.waitForFunction(() => /^Producers: rtsp [12](\.\d)? Mb\/s cam$/.test(document.querySelector('[data-id=p1]')?.getAttribute('aria-label') ?? '')
        && /^Consumers: webrtc [12](\.\d)? Mb\/s cam$/.test(document.querySelector('[data-id=k2]')?.getAttribute('aria-label') ?? ''), {polling: 50});
    assert.deepEqual(await page.$$eval('.graph path', nodes => nodes.filter(n => /dropped/.test(n.textContent ?? '')).map(n => [/ · 3 dropped$/.test(n.textContent ?? ''), n.getAttribute('class')])), [[true, 'hot']], 'that was before');
    drops = 4;
    await page.waitForSelector('.graph path.drops', {timeout: 60_000});
    assert.deepEqual(await page.$$eval('.graph path.drops', nodes => nodes.map(n => [/ · 4 dropped$/.test(n.textContent ?? ''), getComputedStyle(n).strokeDasharray])), [[true, '8px, 3px']]);
    await page.$eval('[data-id=t5]', n => /** @type {any} */ (n).focus());
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).dataset.id), 'm5 opus');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    assert.match(await page.$eval('section.card', n => n.textContent ?? ''), /Bit rate[12](\.\d)? Mb\/sDropped4/);
    await press('Show as table', '.tools');
    assert.match(await page.$eval('.table', n => n.textContent ?? ''), /From.*Bit rate.*> Opus.*webrtc cam[12](\.\d)? Mb\/s[\d.]+ MB4/);
    const row = await page.$('tbody tr:nth-child(2)'), before = await row?.evaluate(n => n.textContent);
    await page.focus('tbody tr:nth-child(2) td:nth-child(2) button');
    await page.waitForFunction((row, before) => row?.textContent !== before, {polling: 50, timeout: 60_000}, row, before);
    assert.ok(await page.evaluate(row => row?.isConnected && document.activeElement === row.querySelector('td:nth-child(2) button'), row));
    await done();
    own.close();
});

/** A server with a camera that is watched by programs of two machines, and by one of them twice; more of it comes with every look. */
async function watched() {
    let looks = 0;
    const viewer = (/** @type {number} */ id, host = '192.168.1.40') => ({id, format_name: 'rtsp', remote_addr: `${host}:${id}`, user_agent: 'VLC/3', senders: [{id: id + 100, parent: 5, codec: {codec_name: 'h264'}}]});
    const streams = Object.fromEntries(['cam', 'yard'].map((name, i) => [name, {producers: [{id: i + 1, format_name: 'rtsp', remote_addr: '192.168.1.64:554', receivers: [{id: 5 + i, codec: {codec_name: 'h264'}}]}], consumers: /** @type {any[]} */ ([])}]));
    streams.cam.consumers.push(viewer(20), viewer(21, '192.168.1.23'));
    streams.yard.consumers.push(viewer(22));
    const own = await fixture({answers: {
        'GET api/streams': () => {
            looks++;
            for (const {producers, consumers} of Object.values(streams)) for (const one of [...producers, ...consumers, ...consumers.flatMap(c => c.senders)]) Object.assign(one, {bytes_recv: looks * 1_000_000, bytes_send: looks * 1_000_000, bytes: looks * 1_000_000});
            return streams;
        },
        'DELETE api/rs/sessions': call => {
            for (const one of Object.values(streams)) one.consumers = one.consumers.filter(c => String(c.id) !== call.query.get('id'));
            return {};
        },
    }});
    return {own, streams};
}

test('new rates leave the drawing where it is: what is scrolled, pointed at, or has the focus', {skip}, async () => {
    const {own} = await watched(), {page, done} = await visit(chromium.browser, 'net.html', {own, width: 700});
    await page.waitForSelector('.graph g');
    await page.$eval('.graph', n => n.scrollTo(150, 0));
    await page.$eval('[data-id=k20]', n => /** @type {any} */ (n).focus({preventScroll: true}));
    const before = await page.evaluateHandle(() => ({all: [...document.querySelectorAll('.graph, .graph *')], text: document.querySelector('.graph')?.textContent}));
    const scrolled = await page.$eval('.graph', n => n.scrollLeft);
    assert.ok(scrolled > 0);
    await page.waitForFunction(({text}) => /Mb\/s/.test(document.querySelector('[data-id=k20]')?.textContent ?? '') && document.querySelector('.graph')?.textContent !== text, {polling: 50, timeout: 60_000}, before);
    assert.equal(await page.evaluate(({all}) => all.every(node => node.isConnected), before), true, 'nothing was made anew');
    assert.deepEqual(await page.$eval('.graph', n => [n.scrollLeft, document.activeElement?.getAttribute('data-id')]), [scrolled, 'k20']);
    await done();
    own.close();
});

test('details follow: of a machine with two streams both, each viewer can be ended, and what has left is told', {skip}, async () => {
    const {own, streams} = await watched(), {page, says, done} = await visit(chromium.browser, 'net.html', {own});
    await page.waitForSelector('.graph g');
    await page.$eval('[data-id="v192.168.1.40 VLC"]', n => /** @type {any} */ (n).dispatchEvent(new MouseEvent('click')));
    const rows = () => page.$$eval('.card [role=group]', nodes => nodes.map(n => [n.getAttribute('aria-label'), ...[...n.querySelectorAll('a')].map(a => new URL(a.href).search), n.querySelectorAll('button').length].join(' ')));
    assert.deepEqual(await rows(), ['cam rtsp ?src=cam ?stream=cam 1', 'yard rtsp ?src=yard ?stream=yard 1']);
    await page.focus('.card [role=group]:nth-child(2) button');
    await page.keyboard.press('Enter');
    await (await page.waitForSelector('dialog button.danger'))?.click();
    await page.waitForFunction(() => document.querySelectorAll('.card [role=group]').length === 1);
    assert.deepEqual(await rows(), ['cam rtsp ?src=cam ?stream=cam 1']);
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'H2', 'the focus stays with the details');
    // The numbers are those of now.
    await page.$eval('[data-id=k20]', n => /** @type {any} */ (n).dispatchEvent(new MouseEvent('click')));
    const [sent] = await page.$$eval('.card dd', nodes => nodes.map(n => n.textContent).filter(text => /^\d{7,}$/.test(text ?? '')));
    own.emit('viewer_joined', {});
    await page.waitForFunction(sent => [...document.querySelectorAll('.card dd')].some(n => Number(n.textContent) > Number(sent)), {polling: 20}, sent);
    streams.cam.consumers.length = 0;
    own.emit('viewer_left', {});
    await says('.card .state:not([hidden])', /^No longer connected\.$/);
    assert.deepEqual([await rows(), await page.$eval('.card h2', n => n.textContent)], [[], 'rtsp cam']);
    await done();
    own.close();
});

test('a go2rtc ends no viewer: nothing offers it', {skip}, async () => {
    const {streams, own: first} = await watched(), own = await fixture({streams, answers: {'GET api/streams': () => streams, 'GET api/rs/events': () => 404, 'GET api': () => ({version: '1.9.14', host: 'h'})}});
    const {page, done} = await visit(chromium.browser, 'net.html', {own});
    await page.waitForSelector('.graph g');
    await page.waitForSelector('.plain');
    await page.$eval('[data-id=k20]', n => /** @type {any} */ (n).dispatchEvent(new MouseEvent('click')));
    await page.waitForSelector('.card a');
    assert.equal(await page.$$eval('.card button', nodes => nodes.filter(n => n.checkVisibility()).length), 0);
    await done(/404/);
    first.close();
    own.close();
});
