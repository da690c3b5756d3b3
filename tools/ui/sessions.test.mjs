/** The page of sessions: who only takes snapshots is not in the way of who watches, and is there for who asks. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
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
