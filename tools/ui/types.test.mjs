/**
 * The types that are written beside the code of the pages are true: TypeScript finds nothing, by its strict rules; and those of what the server tells are the ones of
 * its description.
 */
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {without} from './browser.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url)), TSC = new URL('node_modules/typescript/bin/tsc', import.meta.url), YAML = new URL('node_modules/yaml', import.meta.url);

test('the types hold', {skip: without(TSC, 'typescript')}, () => {
    const {stdout, stderr, error} = spawnSync(process.execPath, [fileURLToPath(TSC), '-p', HERE, '--pretty', 'false'], {encoding: 'utf8', maxBuffer: 64 << 20});
    assert.equal(error, undefined);
    assert.equal(stderr, '');
    // What others have written is read for its types only; lines that begin with a space go on about the one before.
    let own = true;
    const found = stdout.split('\n').filter(line => {
        if (!line.startsWith(' ')) own = !/(^|\/)ui\/vendor\//.test(line);
        return line && own;
    });
    assert.deepEqual(found, []);
});

test('the types of the API are those of its description', {skip: without(YAML, 'yaml')}, async () => {
    const {expected, written} = await import('./api-types.mjs');
    assert.ok(written() === expected(), 'ui/types.d.ts is another one: node tools/ui/api-types.mjs writes it');
});
