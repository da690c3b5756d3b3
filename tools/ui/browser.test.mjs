import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {isDebian, without} from './browser.mjs';

const folder = mkdtempSync(join(tmpdir(), 'rs2rtc-without-')), ci = process.env.CI;
after(() => {
    rmSync(folder, {recursive: true});
    if (ci === undefined) delete process.env.CI;
    else process.env.CI = ci;
});

test('what is missing is left out, in CI it is an error', () => {
    const missing = join(folder, 'nothing');
    delete process.env.CI;
    assert.equal(without(folder, 'Chromium'), false);
    assert.equal(without(missing, 'Chromium'), 'no Chromium here');
    process.env.CI = 'true';
    assert.equal(without(folder, 'Chromium'), false);
    assert.throws(() => without(missing, 'Chromium'), /Chromium is missing/);
    assert.equal(without(missing, 'Firefox', false), 'no Firefox here');
});

test('only Debian has Firefox', () => {
    const release = (name, text) => {
        const path = join(folder, name);
        writeFileSync(path, text);
        return path;
    };
    assert.equal(isDebian(release('debian', 'NAME="x"\nID=debian\n')), true);
    assert.equal(isDebian(release('ubuntu', 'ID=ubuntu\nID_LIKE=debian\n')), false);
    assert.equal(isDebian(join(folder, 'nothing')), false);
});
