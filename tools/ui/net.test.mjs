/**
 * The graph in a real Chromium: the drawing that is taken away looks as it does on the page.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {writeFileSync} from 'node:fs';
import {CHROMIUM, launch, without} from './browser.mjs';
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
