/**
 * Everything by the keyboard alone, with the release binary: a camera is added, opened, pinned to a way of playing, talked to, its viewer ended, and
 * a configuration applied; and at each step it can be seen where the focus is.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');

test('add, open, pin, talk, kick, apply', {skip}, async () => {
    const server = await rs2rtc('streams:\n  bell:\n    - demo:?width=320&height=180&fps=15\n    - exec:/bin/sh -c "exec cat > /dev/null"#backchannel=1#audio=alaw/8000\n');
    const {browser, close} = await launch({mdns: 'show', args: ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']});
    const streams = async () => Object.keys(await (await fetch(`${server.url}api/streams`)).json());
    try {
        const page = await browser.newPage(), keys = page.keyboard;
        const until = (/** @type {string} */ what, /** @type {(...args: any[]) => any} */ fits, /** @type {any[]} */ ...args) => page.waitForFunction(fits, {polling: 50, timeout: 60_000}, ...args)
            .catch(async err => assert.fail(`${what}: ${err.message} ${await page.$eval('body', n => n.innerText.slice(0, 1500))}`));
        /** Where the focus is has a mark around it, or around what stands for it. */
        const marked = () => {
            const node = document.activeElement;
            if (!node || node === document.body) return false;
            // The browser marks its own controls where no page can see it.
            if (node.matches('video[controls]')) return true;
            const box = node.getBoundingClientRect(), around = [node, node.nextElementSibling, ...node.querySelectorAll('*'), node.shadowRoot?.activeElement?.closest('.cm-editor')];
            return box.bottom > 0 && box.top < innerHeight && around.some(one => {
                const style = one && getComputedStyle(one);
                return style && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
            });
        };
        const visible = async (/** @type {string} */ what) => await page.evaluate(marked)
            || until(`${what}: the focus is seen at ${await page.evaluate(() => document.activeElement?.outerHTML.slice(0, 200))}`, marked);
        const tabTo = async (/** @type {string} */ what, /** @type {(node: Element) => boolean} */ wanted) => {
            for (let i = 0; i < 60; i++) {
                await keys.press('Tab');
                await visible(what);
                if (await page.evaluate(`(${wanted})(document.activeElement)`)) return;
            }
            assert.fail(`no way to: ${what}`);
        };
        await page.goto(`${server.url}add.html?lang=en`);
        await until('the address has the focus', () => document.activeElement?.getAttribute('name') === 'src');
        await visible('address');
        await keys.type('demo:?width=320&height=180&fps=15');
        await keys.press('Enter');
        await until('the name has the focus', () => document.activeElement?.getAttribute('name') === 'name');
        await visible('name');
        await keys.type('yard');
        await keys.press('Enter');
        await until('it is added', () => /is added/.test(document.querySelector('main')?.textContent ?? ''));
        await visible('watch');
        assert.deepEqual((await streams()).sort(), ['bell', 'yard']);
        // Live: the first tile, and open it.
        await Promise.all([page.waitForNavigation(), keys.press('g'), keys.press('l')]);
        await until('tiles', () => document.querySelectorAll('.tile').length === 2);
        await keys.press('1');
        await visible('tile');
        assert.equal(await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).dataset.name), 'bell');
        await Promise.all([page.waitForNavigation(), keys.press('Enter')]);
        assert.match(page.url(), /camera\.html\?src=bell/);
        // Pinned by its number.
        await until('it plays', () => /** @type {any} */ (document.querySelector('rs-player'))?.phase === 'live');
        await keys.press('2');
        await until('MSE is pinned', () => /Pinned to MSE/.test(document.body.innerText) && /over MSE/.test(document.querySelector('.why')?.textContent ?? ''));
        await until('there is a loudspeaker', () => [...document.querySelectorAll('.controls button')].some(one => /Hold to talk/.test(one.textContent ?? '') && one.checkVisibility()));
        await tabTo('the button to talk', node => /Hold to talk/.test(node.textContent ?? ''));
        await keys.press('Enter');
        await until('it talks', () => document.querySelector('.controls .talking'));
        await keys.press('Enter');
        await until('it talks no more', () => !document.querySelector('.controls .talking'));
        // The viewer is ended from another page.
        const other = await browser.newPage();
        await other.goto(`${server.url}camera.html?src=yard&mode=mse&lang=en`);
        await other.waitForFunction(() => /** @type {any} */ (document.querySelector('rs-player'))?.phase === 'live', {polling: 50, timeout: 60_000});
        await page.bringToFront();
        await Promise.all([page.waitForNavigation(), keys.press('g'), keys.press('e')]);
        await until('its session is listed', () => [...document.querySelectorAll('tbody tr[data-id]')].some(row => /yard/.test(row.textContent ?? '')));
        for (let i = 0; i < 8 && !await page.evaluate(() => /yard/.test(document.activeElement?.closest('tr')?.textContent ?? '')); i++) await keys.press('ArrowDown');
        await visible('row of the session');
        await keys.press('k');
        await until('the question', () => document.querySelector('dialog[open]'));
        await tabTo('the answer', node => node.matches('dialog .danger'));
        await keys.press('Enter');
        await other.waitForFunction(() => ['failed', 'retrying', 'parked'].includes(/** @type {any} */ (document.querySelector('rs-player')).phase), {polling: 50, timeout: 60_000});
        await until('its end', () => !document.querySelector('dialog[open]'));
        await other.close();
        // The configuration: written at the end, reviewed, applied.
        await page.bringToFront();
        await Promise.all([page.waitForNavigation(), keys.press('g'), keys.press('c')]);
        await until('the editor', () => document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-line'));
        await tabTo('the editor', node => Boolean(node.shadowRoot) || node.matches('.editor *'));
        await keys.down('Control');
        await keys.press('End');
        await keys.up('Control');
        await keys.type('\nlog: {level: debug}\n');
        await keys.down('Control');
        await keys.press('Enter');
        await keys.up('Control');
        await until('the difference', () => document.querySelector('dialog .diff .add'));
        await tabTo('apply', node => node.matches('dialog .primary'));
        await keys.press('Enter');
        await until('it is applied', () => !document.querySelector('dialog'));
        assert.match(await (await fetch(`${server.url}api/config`)).text(), /level: debug/);
    } finally {
        await close();
        await server.stop();
    }
});
