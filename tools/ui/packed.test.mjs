/**
 * What the binary has packed is what is in `ui/`: comments, and spaces that part nothing, are left out of scripts and stylesheets, and nothing else.
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

const skip = without(BINARY, 'rs2rtc') || (process.env.UI ? 'UI is set: nothing packed is served' : false);

test('packed files are those of the folder, without what only people read', {skip}, async t => {
    const server = await rs2rtc('');
    t.after(() => server.stop());
    for (const name of files) {
        const source = readFileSync(new URL(name, UI)), reply = await fetch(`${server.url}${name === 'index.html' ? '' : name}`), served = Buffer.from(await reply.arrayBuffer());
        assert.equal(reply.status, 200, name);
        const loader = /** @type {'js'|'css'|undefined} */ (/\.(js|css)$/.exec(name)?.[1]);
        // Who extends the player reads it.
        if (!loader || name.startsWith('vendor/') || ['main.js', 'video-rtc.js', 'video-stream.js'].includes(name)) {
            assert.ok(served.equals(source), name);
            continue;
        }
        const read = async (/** @type {string} */ text) => (await transform(text, {loader, minify: true, legalComments: 'none'})).code;
        const text = String(served);
        assert.ok(await read(text) === await read(String(source)), `${name} is another one than the file: build again, or tell what it was taken for (crates/server/build/unread.rs)`);
        assert.ok(!/\/\*\*\s/.test(text), `${name} has comments`);
        assert.ok(!/^ +[\w.}]/m.test(text.replace(/`(?:[^`\\]|\\.)*`/g, '')), `${name} has indentation`);
        assert.equal(text.split('\n').length, String(source).split('\n').length, `${name}: lines keep their numbers`);
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
