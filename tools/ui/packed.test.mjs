/**
 * What the binary has packed is what is in `ui/`: comments, and spaces that part nothing, are left out of scripts and stylesheets, and nothing else; and
 * modules that only the player needs are in its file.
 */
import assert from 'node:assert/strict';
import {readdirSync, readFileSync} from 'node:fs';
import {test} from 'node:test';
import {transform} from 'esbuild';
import {BINARY, rs2rtc} from './rs2rtc.mjs';
import {without} from './browser.mjs';
import {CSP} from './mock-server.mjs';

/** Its modules are one file. */
const PLAYER = 'player/rs-player.js';
const UI = new URL('../../ui/', import.meta.url);
const files = readdirSync(UI, {recursive: true, withFileTypes: true}).filter(one => one.isFile())
    .map(one => `${one.parentPath}/${one.name}`.replace(/\/+/g, '/').slice(UI.pathname.length));

/** @param {string} text @param {'js'|'css'|undefined} loader */
const minified = async (text, loader) => (await transform(text, {loader, minify: true, legalComments: 'none'})).code;

const skip = without(BINARY, 'rs2rtc') || (process.env.UI ? 'UI is set: nothing packed is served' : false);

test('packed files are those of the folder, without what only people read', {skip}, async t => {
    const server = await rs2rtc('');
    t.after(() => server.stop());
    const joined = await (await fetch(`${server.url}${PLAYER}`)).text(), members = [...joined.matchAll(/^\/\/ (player\/[\w-]+\.js)$/gm)].map(match => match[1]);
    for (const name of files) {
        if (name.endsWith('.d.ts') || members.includes(name)) {
            assert.equal((await fetch(`${server.url}${name}`)).status, 404, name);
            continue;
        }
        if (name === PLAYER) continue;
        const source = readFileSync(new URL(name, UI)), reply = await fetch(`${server.url}${name === 'index.html' ? '' : name}`), served = Buffer.from(await reply.arrayBuffer());
        assert.equal(reply.status, 200, name);
        const loader = /** @type {'js'|'css'|undefined} */ (/\.(js|css)$/.exec(name)?.[1]);
        // Who extends the player reads it.
        if (name.endsWith('.html')) {
            const lines = String(source).split('\n').filter(line => !members.some(member => line.includes(`href="${member}"`)));
            assert.equal(String(served), lines.join('\n'), name);
            continue;
        }
        if (!loader || name.startsWith('vendor/') || ['main.js', 'video-rtc.js', 'video-stream.js'].includes(name)) {
            assert.ok(served.equals(source), name);
            continue;
        }
        const text = String(served), read = (/** @type {string} */ text) => minified(text, loader);
        assert.ok(await read(text) === await read(String(source)), `${name} is another one than the file: build again, or tell what it was taken for (crates/server/build/unread.rs)`);
        assert.ok(!/\/\*\*\s/.test(text), `${name} has comments`);
        assert.ok(!/^ +[\w.}]/m.test(text.replace(/`(?:[^`\\]|\\.)*`/g, '')), `${name} has indentation`);
        assert.equal(text.split('\n').length, String(source).split('\n').length, `${name}: lines keep their numbers`);
    }
});

test('the file of the player is its modules: all that only it needs, each as it is written', {skip}, async t => {
    const server = await rs2rtc('');
    t.after(() => server.stop());
    const text = await (await fetch(`${server.url}${PLAYER}`)).text();
    // All of it can be read.
    await minified(text, 'js');
    // Each begins with its name; the player itself, which exports, is the last.
    const parts = text.split(/^\/\/ (player\/[\w-]+\.js)\n/gm), bodies = new Map();
    for (let i = 1; i < parts.length; i += 2) bodies.set(parts[i], parts[i + 1]);
    assert.ok(bodies.size > 10, `${[...bodies.keys()]}`);
    assert.match(parts[0], /^(?:import\*as \$\w+ from'[^']+';\n)+$/);
    const end = /^return\{[^}]*\};\}\)\(\);\n/m, last = [...bodies.keys()].at(-1);
    const [, own] = bodies.get(last).split(end);
    bodies.set(PLAYER, own);
    const bare = (/** @type {string} */ code) => minified(code.replace(/^const ?\$\w+ ?= ?\(\(\) ?=> ?\{\n/, '').split(end)[0].replace(/^const ?\{[^}]*\} ?= ?\$\w+;\n/gm, ''), 'js');
    for (const [name, body] of bodies) {
        const source = readFileSync(new URL(name, UI), 'utf8').replace(/^import [^\n]*\n/gm, ''), inner = name === PLAYER ? source : source.replace(/^export /gm, '');
        assert.equal(await bare(body), await minified(inner, 'js'), name);
    }
    // What is a file of its own is there once: others need it, or it comes later.
    const others = files.filter(name => name.endsWith('.js') && !name.startsWith('vendor/') && !bodies.has(name)).map(name => readFileSync(new URL(name, UI), 'utf8').replace(/\/\*[\s\S]*?\*\//g, ''));
    for (const name of bodies.keys()) if (name !== PLAYER) assert.ok(!others.some(text => text.includes(`/${name.split('/')[1]}'`)), name);
});

test('pages without the binary are tested under the policy that it sends', {skip}, async t => {
    const server = await rs2rtc('');
    t.after(() => server.stop());
    const policy = async (/** @type {string} */ name) => (await fetch(`${server.url}${name}`)).headers.get('content-security-policy');
    const bare = ['stream.html', 'webrtc.html', 'webrtc-sync.html', 'hls.html'];
    for (const name of files.filter(one => one.endsWith('.html') && !bare.includes(one))) assert.equal(await policy(name === 'index.html' ? '' : name), CSP, name);
    // They may stand in frames of others; all else is the same.
    for (const name of bare) assert.equal((await policy(name))?.replace("frame-ancestors 'self' *;", "frame-ancestors 'self';"), CSP, name);
});
