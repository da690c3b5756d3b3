#!/usr/bin/env node
/**
 * What the heads of the pages repeat: the `modulepreload` lines, every module that a page's script imports, so that the browser asks for all of them at
 * once; the same for what it imports later (`data-later` of the script), for which it asks when it sets `rel`; and the icon, which is `icon.svg` in the page itself, so that nobody asks for it. Run without arguments it writes them; the tests check that they are right.
 */
import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {dirname, join, normalize, relative} from 'node:path';
import {fileURLToPath} from 'node:url';

export const UI = fileURLToPath(new URL('../../ui/', import.meta.url));

/** What a module imports statically, and what its imports do; the module itself last. @param {string} path below `ui/` @returns {string[]} */
export function closure(path, seen = new Set()) {
    if (seen.has(path)) return [];
    seen.add(path);
    const text = readFileSync(join(UI, path), 'utf8');
    const found = [...text.matchAll(/^(?:import|export)\s[^;'"]*?from\s*'([^']+)'|^import\s*'([^']+)'/gm)].map(m => m[1] ?? m[2]);
    return [...found.flatMap(spec => closure(normalize(join(dirname(path), spec)), seen)), path];
}

/** The picture as an address. */
const icon = () => `data:image/svg+xml,${readFileSync(join(UI, 'icon.svg'), 'utf8').trim().replaceAll('"', "'").replace(/[#<>]/g, encodeURIComponent)}`;

/** The page with the lines that it should have. @param {string} html */
export function preloaded(html) {
    html = html.replace(/<link rel="icon" href="[^"]*">/, () => `<link rel="icon" href="${icon()}">`);
    const script = /<script type="module" src="([^"]+)"/.exec(html)?.[1];
    if (!script) return html;
    const first = closure(script), later = /<script type="module"[^>]* data-later="([^"]+)"/.exec(html)?.[1];
    const links = (/** @type {string} */ rel, /** @type {string[]} */ paths) => paths.sort().map(path => `    <link rel="${rel}" href="${relative('', path)}">\n`);
    const lines = [...links('modulepreload', first.filter(path => path !== script)), ...links('later', later ? closure(later).filter(path => !first.includes(path)) : [])];
    return html.replace(/ *<link rel="(?:modulepreload|later)"[^\n]*\n/g, '').replace(/( *)<script type="module"/, `${lines.join('')}$1<script type="module"`);
}

export const pages = () => readdirSync(UI).filter(name => name.endsWith('.html'));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    for (const page of pages()) writeFileSync(join(UI, page), preloaded(readFileSync(join(UI, page), 'utf8')));
}
