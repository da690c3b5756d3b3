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
    const own = await fixture({answers: {'GET api/streams': () => {
        // 2 Mb/s.
        const bytes = Math.round((performance.now() - from) * 250);
        return {cam: {producers: [{id: 1, format_name: 'rtsp', remote_addr: '192.168.1.64:554', receivers: [{id: 5, codec: codec('aac'), bytes}], bytes_recv: bytes}],
            consumers: [{id: 2, format_name: 'webrtc', remote_addr: '192.168.1.23:5000', senders: [{id: 9, codec: codec('opus'), parent: 5, bytes, drops: 4}], bytes_send: bytes}]}};
    }}}), {page, press, done} = await visit(chromium.browser, 'net.html', {own});
    await page.waitForSelector('.graph g');
    const words = () => page.$$eval('.graph g', nodes => nodes.map(n => n.getAttribute('aria-label')));
    assert.deepEqual(await words(), ['Cameras: 192.168.1.64 cam', 'Producers: rtsp cam', 'Tracks: AAC ', 'Tracks: > Opus ', 'Consumers: webrtc cam', 'Viewers: 192.168.1.23 ']);
    await page.waitForFunction(() => /^Producers: rtsp [12](\.\d)? Mb\/s cam$/.test(document.querySelector('[data-id=p1]')?.getAttribute('aria-label') ?? '')
        && /^Consumers: webrtc [12](\.\d)? Mb\/s cam$/.test(document.querySelector('[data-id=k2]')?.getAttribute('aria-label') ?? ''), {polling: 50});
    assert.deepEqual(await page.$$eval('.graph path.drops', nodes => nodes.map(n => [/ · 4 dropped$/.test(n.textContent ?? ''), getComputedStyle(n).strokeDasharray])), [[true, '8px, 3px']]);
    await page.$eval('[data-id=t5]', n => /** @type {any} */ (n).focus());
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).dataset.id), 'm5 opus');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    assert.match(await page.$eval('section.card', n => n.textContent ?? ''), /Bit rate[12](\.\d)? Mb\/sDropped4/);
    await press('Show as table', '.tools');
    assert.match(await page.$eval('.table', n => n.textContent ?? ''), /From.*Bit rate.*> Opus.*webrtc cam[12](\.\d)? Mb\/s[\d.]+ MB4/);
    const row = await page.$('tbody tr:nth-child(2)');
    await page.focus('tbody tr:nth-child(2) td:nth-child(2) button');
    await page.waitForFunction(old => !old?.isConnected, {polling: 50, timeout: 60_000}, row);
    assert.ok(await page.evaluate(() => document.activeElement === document.querySelector('tbody tr:nth-child(2) td:nth-child(2) button')));
    await done();
    own.close();
});
