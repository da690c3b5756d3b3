/** The lints of `biome.jsonc` find nothing in the pages and in their tests. */
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {without} from './browser.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url)), BIOME = new URL('node_modules/@biomejs/biome/bin/biome', import.meta.url);

test('the lints find nothing', {skip: without(BIOME, 'Biome')}, () => {
    const {stdout, stderr, status, error} = spawnSync(process.execPath, [fileURLToPath(BIOME), 'ci', '--error-on-warnings', '--max-diagnostics=200', '--colors=off'], {cwd: ROOT, encoding: 'utf8'});
    assert.equal(error, undefined);
    assert.equal(status, 0, stdout + stderr);
    const files = Number(/Checked (\d+) files/.exec(stdout + stderr)?.[1]);
    assert.ok(files > 100, `it has looked at ${files} files`);
});
