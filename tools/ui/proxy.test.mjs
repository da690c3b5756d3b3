/**
 * The release binary behind nginx and Caddy: under a base path, with a prefix that the proxy takes away, and with one that is different for every
 * session, as Home Assistant's ingress has it. Every page, the WebSocket, the events and a change of the configuration work, and no page asks
 * for anything beside its prefix or has an error on its console.
 */
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {connect} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, freePort, rs2rtc} from './rs2rtc.mjs';

const NGINX = process.env.NGINX || '/usr/sbin/nginx', CADDY = process.env.CADDY || '/usr/bin/caddy';
const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
/** What is there once a page has loaded what it needs. */
const PAGES = {'': '.tile', 'streams.html': 'tbody tr', 'sessions.html': '.card h2', 'add.html': '.examples button', 'log.html': '.loglist li', 'config.html': '.problems',
    'net.html': '.graph g, .table td, .empty', 'links.html?src=demo': '.urls li', 'doctor.html': '.checks li:nth-child(7) .state:not([data-state=run])', 'camera.html?src=demo': 'rs-player .info[data-phase=live]',
    'stream.html?src=demo': 'rs-player .info[data-phase=live]', 'stream.html?src=demo&src=demo&mode=mse&mode=webrtc&width=200px&background=false': 'rs-player:nth-child(2) .info[data-phase=live]',
    'webrtc.html?src=demo&media=video+audio': 'rs-player .info[data-phase=live]', 'webrtc-sync.html?src=demo&media=video': 'video',
    'hls.html?src=demo': 'video', 'hls.html?src=demo&video=h264&audio=aac,opus': 'video'};
const INGRESS = '/api/hassio_ingress/Zm9vYmFy/';

/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) chromium = await launch({mdns: 'show'});
});
after(() => chromium?.close());

/** Runs a proxy until the callback is done. @param {(folder: string, port: number) => string[]} command @param {(port: number) => Promise<void>} use */
async function behind(command, use) {
    const folder = mkdtempSync(join(tmpdir(), 'rs2rtc-proxy-')), port = await freePort();
    const [program, ...args] = command(folder, port);
    const child = spawn(program, args, {cwd: folder, env: {...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder}, stdio: ['ignore', 'ignore', 'pipe']});
    let said = '', gone = false;
    child.stderr.on('data', data => { said += data; });
    const ended = once(child, 'exit').finally(() => { gone = true; });
    try {
        // It says nothing when it listens.
        for (const until = Date.now() + 60_000; !await listens(port);) {
            if (gone || Date.now() > until) throw new Error(`${program} does not listen:\n${said}`);
            await new Promise(resolve => setTimeout(resolve, 20));
        }
        await use(port);
    } finally {
        child.kill('SIGTERM');
        await ended;
        rmSync(folder, {recursive: true, force: true});
    }
}

/** @param {number} port @returns {Promise<boolean>} */
const listens = port => new Promise(resolve => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false)).once('connect', () => socket.destroy());
});

/** @param {number} server */
const nginx = server => (/** @type {string} */ folder, /** @type {number} */ port) => {
    mkdirSync(join(folder, 'temp'));
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder}/temp/${name};`).join('\n');
    const common = 'proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; '
        + 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $up; proxy_buffering off; proxy_read_timeout 1h;';
    writeFileSync(join(folder, 'nginx.conf'), `daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${folder}/nginx.pid;
error_log stderr error;
events {}
http {
    access_log off;
    ${temp}
    map $http_upgrade $up { default upgrade; '' close; }
    server {
        listen 127.0.0.1:${port};
        location /a/b/ { proxy_pass http://127.0.0.1:${server}; ${common} }
        location ${INGRESS} { proxy_pass http://127.0.0.1:${server}/a/b/; proxy_set_header X-Ingress-Path ${INGRESS.slice(0, -1)}; ${common} }
    }
}
`);
    return [NGINX, '-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'];
};

/** @param {number} server */
const caddy = server => (/** @type {string} */ folder, /** @type {number} */ port) => {
    writeFileSync(join(folder, 'Caddyfile'), `{
    admin off
    auto_https off
}
http://127.0.0.1:${port} {
    handle_path /cameras/* {
        reverse_proxy 127.0.0.1:${server}
    }
}
`);
    return [CADDY, 'run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'];
};

/** Every page, and a change. @param {string} url with the prefix @param {Awaited<ReturnType<typeof rs2rtc>>} server */
async function works(url, server) {
    for (const [path, ready] of Object.entries(PAGES)) {
        const page = await chromium.browser.newPage(), faults = /** @type {string[]} */ ([]);
        page.on('console', msg => {
            if (msg.type() === 'error') faults.push(`${msg.text()} ${msg.location()?.url ?? ''}`);
        });
        page.on('pageerror', err => faults.push(String(err)));
        page.on('request', request => {
            if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url())) faults.push(`asks ${request.url()}`);
        });
        await page.evaluateOnNewDocument(() => document.addEventListener('securitypolicyviolation', ev => console.error(`policy: ${ev.violatedDirective} ${ev.blockedURI}`)));
        await page.goto(`${url}${path}${path.includes('?') ? '&' : '?'}lang=en`);
        await page.waitForSelector(ready, {timeout: 60_000}).catch(err => assert.fail(`${path}: ${err.message}\n${faults.join('\n')}`));
        if (path === 'doctor.html') {
            // They are done when they are, and what is known of the machine may be there before.
            await page.waitForFunction(() => ['WebSocket', 'Event feed'].every(title => [...document.querySelectorAll('.checks .state:not([data-state=run])')].some(n => n.textContent === title)), {timeout: 60_000});
            const states = await page.$$eval('.checks .state', nodes => Object.fromEntries(nodes.map(n => [n.textContent, n.getAttribute('data-state')])));
            assert.equal(states.WebSocket, 'ok');
            assert.equal(states['Event feed'], 'ok', JSON.stringify(states));
        }
        if (/^(hls|stream|webrtc)/.test(path)) await plays(page, path, faults);
        if (path === 'config.html') await change(page, url, server);
        await page.close();
        assert.deepEqual(faults, [], `${url}${path}`);
    }
}

/** Every picture of a bare player advances. @param {import('puppeteer-core').Page} page @param {string} path @param {string[]} faults */
async function plays(page, path, faults) {
    const moves = () => [...document.querySelectorAll('video')].every(video => video.videoWidth && video.currentTime > 0.2);
    await page.waitForFunction(moves, {timeout: 60_000}).catch(async err => {
        const said = await page.evaluate(() => [...document.querySelectorAll('main p, .info')].map(n => n.textContent).join('\n'));
        assert.fail(`${path}: ${err.message}\n${said}\n${faults.join('\n')}`);
    });
    if (!path.startsWith('hls')) return;
    // Where tracks are chosen without the player of the other pages.
    const said = await page.$$eval('rs-player', players => players.map(n => n.textContent ?? ''));
    if (path.includes('&')) assert.deepEqual(said, [], 'it is played by HLS, not in another way');
    else assert.match(said.join(), /HLS/, 'it is played by HLS, not in another way');
}

/** Puts a changed configuration in force on the page, for good. @param {import('puppeteer-core').Page} page @param {string} url @param {Awaited<ReturnType<typeof rs2rtc>>} server */
async function change(page, url, server) {
    const press = async (/** @type {string} */ words, /** @type {string} */ within) => {
        const handle = await page.waitForSelector(`${within} ::-p-text(${words})`, {visible: true});
        await (await handle?.evaluateHandle(node => node.closest('button') ?? node))?.asElement()?.click();
    };
    const name = `gate${Date.now()}`;
    await page.goto(`${url}config.html?lang=en&add=${encodeURIComponent(`  ${name}: rtsp://127.0.0.1:9/x`)}`);
    await page.waitForFunction(wanted => document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-content')?.textContent?.includes(wanted), {}, name);
    await press('Review and apply', '.tools');
    await page.waitForSelector('dialog .diff .add');
    await press('undo in 60 s', 'dialog');
    await page.waitForFunction(() => /Keep this configuration/.test(document.querySelector('dialog h2')?.textContent ?? ''));
    await page.click('dialog .primary');
    await page.waitForFunction(() => !document.querySelector('dialog'));
    assert.ok((await (await fetch(`${server.url}api/streams`)).json())[name], 'the stream is there');
}

const DEMO = 'streams:\n  demo: demo:?width=320&height=180&fps=10\n';

test('nginx: under a base path, and as Home Assistant\'s ingress', {skip: skip || without(NGINX, 'nginx')}, async () => {
    const server = await rs2rtc(DEMO, {api: 'base_path: /a/b'});
    server.url += 'a/b/';
    try {
        await behind(nginx(server.port), async port => {
            await works(`http://127.0.0.1:${port}/a/b/`, server);
            await works(`http://127.0.0.1:${port}${INGRESS}`, server);
        });
    } finally {
        await server.stop();
    }
});

test('Caddy: with a prefix that it takes away', {skip: skip || without(CADDY, 'Caddy')}, async () => {
    const server = await rs2rtc(DEMO);
    try {
        await behind(caddy(server.port), port => works(`http://127.0.0.1:${port}/cameras/`, server));
    } finally {
        await server.stop();
    }
});
