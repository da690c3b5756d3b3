#!/usr/bin/env node
/**
 * Builds the third-party code of the web interface: one file per library in `ui/vendor`, with its licences, and beside what they
 * are built from a list of what is in them, which is served to nobody. `--check` builds into memory and fails if a byte differs from what is there.
 */
import {createHash} from 'node:crypto';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {build, version} from 'esbuild';
import {minify} from 'terser';

const HERE = fileURLToPath(new URL('./', import.meta.url));
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** @returns {Promise<Record<string, string>>} contents of the files, by their paths in the repository */
export async function vendor() {
    const lock = JSON.parse(readFileSync(`${HERE}package-lock.json`, 'utf8')).packages;
    /** @type {Record<string, string>} */
    const files = {};
    const list = [], licences = new Map();
    for (const name of ['codemirror', 'uqr']) {
        const result = await build({
            entryPoints: [`${HERE}vendor/${name}.js`], absWorkingDir: HERE, bundle: true, minify: true, format: 'esm', target: 'es2022', charset: 'utf8',
            legalComments: 'none', write: false, metafile: true,
        });
        // What one leaves the other finds: 3 KB of what every browser loads for the editor.
        const text = `${(await minify(result.outputFiles[0].text, {module: true, ecma: 2020, compress: {passes: 3}})).code}\n`;
        files[`ui/vendor/${name}.js`] = text;
        const packages = [...new Set(Object.keys(result.metafile.inputs).flatMap(path => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []))].sort();
        for (const one of packages) {
            const {license} = JSON.parse(readFileSync(`${HERE}node_modules/${one}/package.json`, 'utf8'));
            const file = ['LICENSE', 'LICENSE.md', 'LICENSE.txt'].map(f => `${HERE}node_modules/${one}/${f}`).find(existsSync);
            licences.set(one, `${one} ${lock[`node_modules/${one}`].version} (${license})\n\n${file ? readFileSync(file, 'utf8').trim() : ''}\n`);
        }
        list.push({
            file: `${name}.js`, sha256: createHash('sha256').update(text).digest('hex'), builder: `esbuild ${version}, terser ${lock['node_modules/terser'].version}`,
            packages: packages.map(one => ({package: one, version: lock[`node_modules/${one}`].version, integrity: lock[`node_modules/${one}`].integrity})),
        });
    }
    files['ui/vendor/LICENSES.txt'] = [...licences.values()].join('\n----\n\n');
    files['tools/ui/vendor/vendor.json'] = `${JSON.stringify(list, null, 2)}\n`;
    return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    for (const [name, text] of Object.entries(await vendor())) {
        const same = existsSync(ROOT + name) && readFileSync(ROOT + name, 'utf8') === text;
        if (process.argv.includes('--check') && !same) {
            console.error(`${name} is not what its packages give: run node tools/ui/vendor.mjs`);
            process.exitCode = 1;
        } else if (!same) {
            writeFileSync(ROOT + name, text);
        }
    }
}
