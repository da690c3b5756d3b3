/**
 * What the binary has packed is what is in `ui/`: comments, and spaces that part nothing, are left out of scripts and stylesheets, and nothing else; and
 * modules that are loaded together are in one file, each as it is written.
 */
import assert from 'node:assert/strict';
import {readdirSync, readFileSync} from 'node:fs';
import {test} from 'node:test';
import {transform} from 'esbuild';
import {BINARY, rs2rtc} from './rs2rtc.mjs';
import {without} from './browser.mjs';
import {CSP} from './mock-server.mjs';

const UI = new URL('../../ui/', import.meta.url);
const files = readdirSync(UI, {recursive: true, withFileTypes: true}).filter(one => one.isFile())
    .map(one => `${one.parentPath}/${one.name}`.replace(/\/+/g, '/').slice(UI.pathname.length));

/** @param {string} text @param {'js'|'css'|undefined} loader */
const minified = async (text, loader) => (await transform(text, {loader, minify: true, legalComments: 'none'})).code;

const skip = without(BINARY, 'rs2rtc') || (process.env.UI ? 'UI is set: nothing packed is served' : false);
const isScript = (/** @type {string} */ name) => name.endsWith('.js') && !name.startsWith('vendor/');
/** In a joined file each module begins with its name, and ends with what it gives; the file's own one is the last. */
const BEGIN = /^\/\/ ((?:[\w-]+\/)*[\w-]+\.js)\nexport const ?\$\w+ ?= ?(?:await ?)?\((?:async)?\(\) ?=> ?\{\n/m, END = /^return\{[^}]*\};\}\)\(\);\n/m;
/** What a module takes from others. */
const TAKES = /^(?:import ?\{ ?\$\w+ ?\} ?from'[^']+';|import ?\* ?as \$\w+ from'[^']+';|const ?\{[^}]*\} ?= ?\$\w+;)+\n?/gm;

/** Everything that is served, by its name; `null`: no file any more. @param {string} url @returns {Promise<Map<string, Buffer|null>>} */
async function served(url) {
    const all = new Map();
    for (const name of files) {
        const reply = await fetch(`${url}${name === 'index.html' ? '' : name}`);
        assert.ok([200, 404].includes(reply.status), name);
        all.set(name, reply.status === 404 ? null : Buffer.from(await reply.arrayBuffer()));
    }
    return all;
}

/** The modules of a file, by their names. @param {string} name @param {string} text @returns {Map<string, string>} */
function modulesOf(name, text) {
    const [before, ...parts] = text.split(new RegExp(BEGIN, 'gm')), all = new Map();
    for (let i = 0; i < parts.length; i += 2) {
        const [body, rest, ...more] = parts[i + 1].split(END);
        assert.equal(more.length, 0, parts[i]);
        all.set(parts[i], body);
        if (i + 2 < parts.length) assert.equal(rest, '', `${parts[i]} is followed by the next one`);
        else all.set(name, rest);
    }
    if (parts.length) assert.equal(before.replace(TAKES, ''), '', `${name}: nothing but what is taken from other files stands before its modules`);
    else all.set(name, before);
    return all;
}

test('packed files are those of the folder, without what only people read, and modules that are loaded together are one file', {skip}, async t => {
    const server = await rs2rtc('');
    t.after(() => server.stop());
    const all = await served(server.url), bodies = /** @type {Map<string, string>} */ (new Map()), homes = /** @type {Map<string, string>} */ (new Map());
    for (const [name, bytes] of all) {
        if (!bytes || !isScript(name)) continue;
        for (const [module, body] of modulesOf(name, String(bytes))) {
            assert.ok(!bodies.has(module), `${module} is there once`);
            bodies.set(module, body);
            homes.set(module, name);
        }
    }
    const members = [...homes].filter(([name, home]) => name !== home).map(([name]) => name), joined = new Set(members.map(name => homes.get(name)));
    for (const [home, some] of Object.entries({'player/rs-player.js': 'player/run.js', 'shell/shell.js': 'lib/dom.js', 'pages/live.js': 'pages/tile.js'})) assert.equal(homes.get(some), home);
    for (const [name, bytes] of all) {
        const source = readFileSync(new URL(name, UI)), isMember = members.includes(name);
        assert.equal(bytes === null, isMember || name.endsWith('.d.ts'), name);
        if (name.endsWith('.d.ts')) continue;
        if (name.endsWith('.html')) {
            const lines = String(source).split('\n').filter(line => !members.some(member => line.includes(`href="${member}"`)));
            assert.equal(String(bytes), lines.join('\n'), name);
            continue;
        }
        const loader = /** @type {'js'|'css'|undefined} */ (/\.(js|css)$/.exec(name)?.[1]);
        // Who extends the player reads it.
        if (!loader || name.startsWith('vendor/') || ['main.js', 'video-rtc.js', 'video-stream.js'].includes(name)) {
            assert.ok(bytes?.equals(source), name);
            continue;
        }
        if (loader === 'css') assert.ok(await minified(String(bytes), loader) === await minified(String(source), loader), `${name} is another one than the file: build again`);
        else await same(name, bodies.get(name) ?? '', String(source), homes.get(name) ?? name);
        const text = isMember ? bodies.get(name) ?? '' : String(bytes);
        assert.ok(!/\/\*\*\s/.test(text), `${name} has comments`);
        assert.ok(!/^ +[\w.}]/m.test(text.replace(/`(?:[^`\\]|\\.)*`/g, '')), `${name} has indentation`);
        if (!isMember && !joined.has(name)) assert.equal(text.split('\n').length, String(source).split('\n').length, `${name}: lines keep their numbers`);
    }
    // All of it can be read.
    for (const [name, bytes] of all) if (bytes && isScript(name)) await minified(String(bytes), 'js');
});

/** What a module does is what its file says; only how it takes and gives names may differ. @param {string} name @param {string} body @param {string} source @param {string} home */
async function same(name, body, source, home) {
    // A path that is asked for later leads where it led.
    const led = (/** @type {string} */ text, /** @type {string} */ from) => text.replace(/import\((['"])(\.[^'"]+)\1\)/g, (_, _quote, path) => `import("${new URL(path, `https://ui/${from}`).pathname}")`);
    const bare = (/** @type {string} */ text, /** @type {string} */ from) => minified(led(text, from).replace(TAKES, '').replace(/^import ?(?:\{[^}]*\} ?from ?)?'[^']+';$/gm, ''), 'js');
    const told = name === home ? source : source.replace(/^export /gm, '');
    assert.ok(await bare(body, home) === await bare(told, name), `${name} is another one than the file: build again, or tell what it was taken for (crates/server/build/unread.rs)`);
}

test('what a module names is where it says', {skip}, async t => {
    const server = await rs2rtc('');
    t.after(() => server.stop());
    const all = await served(server.url);
    for (const [name, bytes] of all) {
        if (!bytes || !isScript(name)) continue;
        for (const [, , path] of String(bytes).matchAll(/(?:from ?|import ?\(?)(['"])(\.{1,2}\/[^'"]+\.js)\1/g)) {
            const there = new URL(path, `https://ui/${name}`).pathname.slice(1);
            assert.ok(all.get(there), `${name} asks for ${there}`);
        }
    }
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
