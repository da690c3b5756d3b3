/**
 * The files of the web interface as they are served: words in both languages, nothing that the page's policy forbids, sizes, preloads,
 * and third-party code that is what its packages give.
 */
import assert from 'node:assert/strict';
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {gzipSync} from 'node:zlib';
import en from '../../ui/i18n/en.js';
import player from '../../ui/i18n/player-zh.js';
import zh from '../../ui/i18n/zh.js';
import {without} from './browser.mjs';
import {closure, pages, preloaded, UI} from './preloads.mjs';

const CRATES = fileURLToPath(new URL('../../crates/', import.meta.url));
const files = readdirSync(UI, {recursive: true, withFileTypes: true}).filter(f => f.isFile()).map(f => join(f.parentPath, f.name).slice(UI.length));
const ours = files.filter(name => name.endsWith('.js') && !name.startsWith('vendor/') && !name.startsWith('i18n/'));
const read = name => readFileSync(join(UI, name), 'utf8');
const gzip = name => gzipSync(readFileSync(join(UI, name)), {level: 9}).length;

test('both languages have the same words, with the same values in them', () => {
    assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
    const values = text => [...text.matchAll(/\{(\w+)\}/g)].map(m => m[1]).filter(name => name !== 'n').sort();
    for (const key of Object.keys(en)) assert.deepEqual(values(zh[key]), values(en[key]), key);
});

test('every word that a page asks for is there, and every one that is there is asked for', () => {
    const source = ours.map(read).join('\n');
    const asked = [...source.matchAll(/\bt\('([^']+)'/g)].map(m => m[1]);
    assert.deepEqual(asked.filter(key => !(key in en)), []);
    const families = [...source.matchAll(/\bt\(`([a-z]+\.)\$\{/gi)].map(m => m[1]);
    const unused = Object.keys(en).filter(key => !source.includes(`'${key.replace(/\.one$/, '')}'`) && !families.some(family => key.startsWith(family)));
    assert.deepEqual(unused, []);
});

test('every kind of mistake in a configuration has words', () => {
    const kinds = [...readFileSync(join(CRATES, 'server/src/config/problem.rs'), 'utf8').matchAll(/Self::\w+(?:\(.*?\))? => "(\w+)"/g)].map(m => m[1]);
    assert.ok(kinds.length > 5);
    assert.deepEqual(kinds.filter(kind => !(`problem.${kind}` in zh)), []);
});

test('every reason that the server can give has words', () => {
    // The floor has codes of its own.
    const rust = readdirSync(CRATES, {recursive: true}).map(String).filter(name => /\/src\/.*\.rs$/.test(name) && !/\/(tests|floor)[/.]/.test(name)).map(name => readFileSync(join(CRATES, name), 'utf8').replace(/^#\[cfg\(test\)\]\nmod [\s\S]*/m, ''));
    // Where a departure is made, up to the end of its call or of the table that it is taken from.
    const given = rust.flatMap(text => [...text.matchAll(/Departure::now\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)|fn (?:departure|code)\(self\)[^{]*\{([\s\S]*?)\n {4}\}/g)].map(m => m[1] ?? m[2]));
    const codes = [...new Set(given.flatMap(part => [...part.matchAll(/"([a-z_+]+)"/g)].map(m => m[1])))];
    for (const known of ['delivered', 'failed', 'left', 'close_notify', 'ping_timeout', 'tcp_fin']) assert.ok(codes.includes(known), `${known}: ${codes}`);
    assert.deepEqual(codes.filter(code => !(`reason.${code}` in en)), []);
});

test('every reason that the server counts has words', () => {
    const counted = /REASONS[^=]*= &\[([^\]]+)\]/.exec(readFileSync(new URL('../../crates/server/src/metrics/mod.rs', import.meta.url), 'utf8'))?.[1] ?? '';
    const reasons = [...counted.matchAll(/"([^"]+)"/g)].map(m => m[1]);
    assert.ok(reasons.length > 5);
    assert.deepEqual(reasons.filter(reason => !(`reason.${reason}` in en)), []);
});

test('every sentence that is translated for the player is one that it says', () => {
    const source = ours.map(bare).join('\n');
    assert.deepEqual(Object.keys(player).filter(text => !source.includes(`'${text}'`) && !source.includes(`\`${text}\``)), []);
    const waits = [...read('player/patience.js').matchAll(/'([A-Z][^']+…)'/g)].map(m => m[1]);
    assert.ok(waits.length >= 4);
    assert.deepEqual(waits.filter(text => !(text in player)), []);
    const sentences = [...read('reasons.js').matchAll(/'(?:network|busy|auth|config|ended)', '([^']+)'/g)].map(m => m[1]);
    assert.ok(sentences.length > 20);
    assert.deepEqual(sentences.filter(text => !(text in player)), []);
});

/** Without comments, and with `{}` for what a text is about. @param {string} name */
const bare = name => read(name).replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '').replace(/\$\{[^{}]*\}/g, '{}');
/** The texts of a script that look so. @param {string} name @param {RegExp} like */
const said = (name, like) => [...bare(name).matchAll(/'([^'\n]+)'|`([^`\n]+)`/g)].map(m => m[1] ?? m[2]).filter(text => like.test(text));

test('every sentence that the player says has its translation', () => {
    const all = [...ours.filter(name => name.startsWith('player/')), 'reasons.js'].flatMap(name => said(name, /^[A-Z][^<>]* [^<>]*[.…]$/));
    for (const known of ['The connection was lost.', 'This browser can play none of: {}.', 'Waiting for the camera…', 'The server gives no reason.']) assert.ok(all.includes(known), known);
    all.push(...said('player/overlay.js', /^[A-Z][a-z]/), ...said('player/mjpeg.js', /^live/), ...said('player/http-socket.js', /^a /));
    all.push(...[...bare('lib/hls.js').matchAll(/new Error\(['`]([^'`]+)/g)].map(m => m[1]));
    assert.ok(['Retry now', 'live picture', 'no segment comes'].every(text => all.includes(text)), String(all));
    assert.deepEqual(all.filter(text => !(text in player)), []);
});

test('what is told of a network path that was not found is translated to the last word', async () => {
    const {explainPath, pathText} = await import('../../ui/reasons.js'), {translate, useWords} = await import('../../ui/player/words.js');
    const at = (address, protocol) => ({address, port: 8555, protocol, type: 'host'}), pair = (answered, n) => ({local: at('x.local', 'udp'), remote: at('10.0.0.5', 'udp'), state: 'failed', sent: n, answered});
    useWords(player);
    for (const [local, remote, pairs] of [[[at('x.local', 'udp'), at('fe80::1', 'tcp')], [at('10.0.0.5', 'udp')], [pair(0, 1), pair(2, 3), ...Array(8).fill(pair(0, 7))]], [[], [], []]]) {
        for (const found of [true, false]) {
            const report = {local, remote, pairs, found, lost: false}, text = [explainPath(report), pathText(report)].map(translate).join('\n');
            assert.doesNotMatch(text.replace(/fe80|udp|tcp|UDP|TCP|"candidates"|WebRTC/g, ''), /[a-z]/i, text);
        }
    }
    assert.equal(translate('hidden address → 10.0.0.5:8555 udp: 3 sent, 2 answered'), '隐藏地址 → 10.0.0.5:8555 udp：已发送 3 次，应答 2 次');
    assert.equal(translate('There is no stream named "a: 3 sent, {} answered".'), '没有名为“a: 3 sent, {} answered”的视频流。');
    useWords({});
});

test('no markup from text, no inline script or style, no address of anybody else', () => {
    for (const name of ours) {
        const text = read(name);
        for (const pattern of [/\binnerHTML\b/, /\bouterHTML\b/, /insertAdjacentHTML/, /document\.write/, /\beval\(/, /new Function/, /\.style\.cssText/, /setAttribute\('style'/]) assert.doesNotMatch(text, pattern, name);
    }
    for (const name of files.filter(f => f.endsWith('.html'))) {
        const text = read(name);
        assert.doesNotMatch(text, /<script(?![^>]*\bsrc=)/, name);
        assert.doesNotMatch(text, /\sstyle=|\son\w+=|<base/i, name);
        assert.doesNotMatch(text, /(src|href)="(https?:)?\/\//, name);
        assert.doesNotMatch(text, /(src|href)="\//, `${name}: works under any prefix`);
    }
});

test('pages ask at once for all modules that they need, and have their icon', () => {
    for (const page of pages()) assert.equal(preloaded(read(page)), read(page), `${page}: run node tools/ui/preloads.mjs`);
});

// All files together are summed up where they are packed (crates/server/src/http/assets.rs).
test('sizes stay in their bounds', () => {
    const first = ['index.html', 'app.css', 'early.js', 'i18n/zh.js', ...closure('pages/live.js')];
    const sum = names => [...new Set(names)].reduce((all, name) => all + gzip(name), 0);
    // The player is loaded when the first tile plays.
    const live = sum(first), playing = sum([...first, 'i18n/player-zh.js', ...closure('pages/playing.js')]);
    console.log(`Live ${live} bytes, with its player ${playing}, gzip`);
    assert.ok(live <= 60 * 1024, `Live: ${live}`);
    assert.ok(gzip('video-rtc.js') <= 9 * 1024);
});

// What Live may take, and 145 KB more for the editor.
test('the page of the configuration, with its editor and its form, stays in its bounds', () => {
    const asked = new Set(['config.html', 'app.css', 'early.js', 'i18n/zh.js', ...['config', 'editor', 'config-form'].flatMap(name => closure(`pages/${name}.js`))]), sum = [...asked].reduce((all, name) => all + gzip(name), 0);
    console.log(`Configuration ${sum} bytes, gzip`);
    assert.ok(asked.has('vendor/codemirror.js'), 'with the editor');
    assert.ok(sum <= (60 + 145) * 1024, `${sum}`);
});

test('third-party code is what its packages give', {skip: without(new URL('node_modules/esbuild', import.meta.url), 'esbuild')}, async () => {
    const {vendor} = await import('./vendor.mjs');
    for (const [name, text] of Object.entries(await vendor())) assert.ok(read(`../${name}`) === text, `${name}: run node tools/ui/vendor.mjs`);
});
