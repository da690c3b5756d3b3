/** What is known of the admin token goes also when the server cannot be told. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import './no-page.mjs';
import {admin} from '../../ui/lib/prefs.js';
import {forget} from '../../ui/lib/token.js';

test('forgotten without the server, which is told', async () => {
    globalThis.fetch = () => Promise.reject(new Error('away'));
    admin('key');
    await assert.rejects(forget());
    assert.equal(admin(), '');
});
