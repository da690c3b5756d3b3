/**
 * The connectivity doctor with the release binary: what works is told with its figures, an address that leads nowhere with the reason, and
 * a server whose addresses all lead nowhere with a change of the configuration that would help. No camera starts before somebody asks for it.
 */
import assert from 'node:assert/strict';
import {readFileSync, writeFileSync} from 'node:fs';
import {connect, createServer} from 'node:net';
import {after as atEnd, before as atFirst, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {plainServer} from './plain-server.mjs';
import {BINARY, rs2rtc, until, watch} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
const STREAMS = 'streams:\n  cam: demo:?width=320&height=180&fps=15\n  gone: rtsp://127.0.0.1:9/nothing\n';
/** For documentation (RFC 5737): nobody has it. */
const NOBODY = '203.0.113.9', DEAD = `${NOBODY}:8555`;

/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
atFirst(async () => {
    // Its addresses are names that the server cannot know: there is no way but the server's addresses.
    if (!skip) chromium = await launch({mdns: 'hide'});
});
atEnd(() => chromium?.close());

/** Waits until all is checked but the socket that stays quiet for a minute. @param {import('puppeteer-core').Page} page */
const settled = page => page.waitForFunction(() => document.querySelectorAll('.checks .state').length >= 10 && !document.querySelector('.checks li:not([data-check=quiet]) > .state[data-state=run]'), {timeout: 60_000});

/** @typedef {{title: string, state: string, text: string, why: string}} Row */

/**
 * Runs the checks of one stream on the page and gives the lines of the media path.
 * @param {Awaited<ReturnType<typeof rs2rtc>>} server @param {string} stream
 * @param {{prepare?: (page: import('puppeteer-core').Page) => Promise<unknown>, look?: (page: import('puppeteer-core').Page) => Promise<void>}} [hooks] at the page before and after
 * @returns {Promise<{server: Row[], path: Row[]}>}
 */
async function examine(server, stream, {prepare, look} = {}) {
    const page = await chromium.browser.newPage(), faults = /** @type {string[]} */ ([]);
    page.on('console', msg => {
        if (msg.type() === 'error') faults.push(msg.text());
    });
    page.on('pageerror', err => faults.push(String(err)));
    await page.evaluateOnNewDocument(() => document.addEventListener('securitypolicyviolation', ev => console.error(`policy: ${ev.violatedDirective} ${ev.blockedURI}`)));
    await prepare?.(page);
    await page.goto(`${server.url}doctor.html?lang=en`);
    await settled(page);
    await page.waitForSelector('section option');
    await page.select('section select', stream);
    await page.click('section button');
    await page.waitForFunction(() => document.querySelectorAll('section .checks li').length > 0 && !document.querySelector('section .checks .state[data-state=run]')
        && !(/** @type {HTMLButtonElement} */ (document.querySelector('section button')).disabled), {timeout: 60_000});
    const rows = await page.$$eval('.checks > li', nodes => nodes.map(node => ({
        path: node.closest('section') !== null, title: node.querySelector('.state')?.textContent ?? '', state: node.querySelector('.state')?.getAttribute('data-state') ?? '',
        text: node.children[1]?.textContent ?? '', why: [...node.querySelectorAll('.why')].map(n => n.textContent).join(' '),
    })));
    await look?.(page);
    await page.close();
    assert.deepEqual(faults, []);
    return {server: rows.filter(row => !row.path), path: rows.filter(row => row.path)};
}

/** The figure of the download depends on the machine; what is said of it fits the figure. @param {Row} speed */
function judged(speed) {
    const [, figure, unit] = /^([\d,.]+) ([kM])b\/s$/.exec(speed.text) ?? assert.fail(JSON.stringify(speed)), megabits = Number(figure.replaceAll(',', '')) / (unit === 'M' ? 1 : 1000);
    assert.ok(megabits > 0, speed.text);
    // On the bound itself the figure is rounded.
    if (megabits !== 8) assert.deepEqual([speed.state, speed.why !== ''], megabits > 8 ? ['ok', false] : ['warn', true], speed.text);
}

test('what works, an address that leads nowhere, and the download', {skip}, async () => {
    const server = await rs2rtc(STREAMS, {webrtc: `candidates: ["${DEAD}"]`});
    try {
        const {server: first, path} = await examine(server, 'cam');
        const of = (/** @type {string} */ title) => /** @type {Row} */ (first.find(row => row.title === title) ?? assert.fail(title));
        for (const title of ['Codecs of this browser', 'Server', 'WebSocket', 'Event feed']) assert.equal(of(title).state, 'ok', JSON.stringify(of(title)));
        assert.match(of('Server').text, / [\d.]+ m?s/);
        const [media, ...rest] = path;
        assert.deepEqual([media.title, media.state], ['WebRTC cam', 'ok'], JSON.stringify(media));
        assert.match(media.text, /^UDP · .*fps/);
        const at = (/** @type {string} */ address) => rest.filter(row => row.text.includes(address));
        assert.deepEqual(at(DEAD).map(row => row.state), at(DEAD).map(() => 'warn'));
        assert.ok(at(DEAD).length >= 1 && at(DEAD).every(row => /firewall/.test(row.why)), JSON.stringify(rest));
        const here = at(`127.0.0.1:${server.media}`);
        assert.deepEqual(here.map(row => [row.text.split(' ')[0], row.state]), [['UDP', 'ok'], ['TCP', 'ok']], JSON.stringify(rest));
        assert.equal(rest.length, at(DEAD).length + here.length);
        judged(of('Download from this server'));
    } finally {
        await server.stop();
    }
});

test('a stream that is played here ends with another run, and when nobody sees the page: its camera is let go', {skip}, async () => {
    const server = await rs2rtc(STREAMS, {webrtc: `candidates: ["${DEAD}"]`}), page = await chromium.browser.newPage();
    const viewers = async () => (await (await fetch(`${server.url}api/rs/sessions`)).json()).sessions.length;
    const until = (/** @type {() => unknown} */ fits) => page.waitForFunction(fits, {polling: 50, timeout: 60_000}), ended = async () => {
        await until(() => !(/** @type {HTMLButtonElement} */ (document.querySelector('section button')).disabled));
        assert.equal(await page.$('rs-player'), null);
        while (await viewers()) await new Promise(resolve => setTimeout(resolve, 20));
    };
    try {
        await page.goto(`${server.url}doctor.html?lang=en`);
        await settled(page);
        await page.select('section select', 'cam');
        for (const end of [() => /** @type {HTMLElement} */ (document.querySelector('.tools button')).click(), () => {
            Object.defineProperty(document, 'hidden', {get: () => true});
            document.dispatchEvent(new Event('visibilitychange'));
        }]) {
            // While its ways are tried. The page may be told more above it meanwhile.
            await page.$eval('section button', node => /** @type {HTMLElement} */ (node).click());
            await until(() => document.querySelectorAll('section .checks li').length > 1);
            assert.ok(await viewers());
            await page.evaluate(end);
            await ended();
        }
        assert.deepEqual(await page.$$eval('section .checks > li', nodes => nodes.map(n => n.textContent).slice(1)), ['Address 1 of the serverCancelled, camera let go']);
        await page.click('.tools button');
        await settled(page);
        assert.deepEqual(await page.$$('section .checks > li'), []);
    } finally {
        await page.close();
        await server.stop();
    }
});

/** What the file says of WebRTC, and what it is to say: in a section, in a list, and nothing so far. @type {[(port: number) => string, (port: number) => string][]} */
const SECTIONS = [
    [port => `webrtc: # here\n  # and there\n  listen: "127.0.0.1:${port}"\n`, port => `webrtc: # here\n  candidates: ["127.0.0.1:${port}"]\n  # and there\n  listen: "127.0.0.1:${port}"\n`],
    [port => `webrtc:\n  listen: "127.0.0.1:${port}"\n  candidates:\n    - stun:3478\n`, port => `webrtc:\n  listen: "127.0.0.1:${port}"\n  candidates:\n    - "127.0.0.1:${port}"\n    - stun:3478\n`],
    [() => '', port => `webrtc:\n  candidates: ["127.0.0.1:${port}"]\n`],
];
for (const [before, after] of SECTIONS) test(`addresses that all lead nowhere: the reason, and the change that would help, ${JSON.stringify(before(1))}`, {skip}, async () => {
    const server = await rs2rtc(STREAMS), started = readFileSync(server.file, 'utf8'), rest = started.replace(/^webrtc: .*\n/m, '');
    const written = started.replace(/^webrtc: .*\n/m, before(server.media)), wanted = before(1) ? started.replace(/^webrtc: .*\n/m, after(server.media)) : rest + after(server.media);
    writeFileSync(server.file, written);
    try {
        // As a server in a container has it: it knows only addresses that nobody outside reaches.
        const prepare = (/** @type {import('puppeteer-core').Page} */ page) => page.evaluateOnNewDocument(nobody => {
            const proto = RTCPeerConnection.prototype, {setRemoteDescription: set, addIceCandidate: add} = proto;
            proto.setRemoteDescription = function (description) {
                return set.call(this, {...description, sdp: description.sdp?.replace(/^(a=candidate:.*) 127\.0\.0\.1 /gm, `$1 ${nobody} `)});
            };
            proto.addIceCandidate = function (candidate) {
                return add.call(this, candidate && {...candidate, candidate: candidate.candidate?.replace(' 127.0.0.1 ', ` ${nobody} `)});
            };
        }, NOBODY);
        const {path: [media]} = await examine(server, 'cam', {prepare, look: async page => {
            if (!await page.$('section .why a')) assert.fail(await page.$eval('section .checks', n => String(n.textContent)));
            await page.click('section .why a');
            await page.waitForSelector('dialog .diff .add', {timeout: 60_000});
            await page.waitForFunction(() => /changed, not in force · nothing is wrong/.test(document.querySelector('main')?.textContent ?? ''));
            assert.deepEqual(await page.$$eval('.problems li', all => all.map(n => n.textContent)), []);
            assert.equal(readFileSync(server.file, 'utf8'), written, 'nothing is applied unasked');
            await (await page.waitForSelector('dialog button.primary:enabled'))?.click();
            await page.waitForFunction(() => /In force/.test(document.querySelector('.toast')?.textContent ?? ''));
            assert.equal(readFileSync(server.file, 'utf8'), wanted);
        }});
        assert.equal(media.state, 'fail');
        assert.match(media.why, /^No network path/);
        assert.ok(media.why.includes(`candidates: ["127.0.0.1:${server.media}"]`), media.why);
    } finally {
        await server.stop();
    }
});

test('a camera that cannot be reached: the reason is the camera\'s', {skip}, async () => {
    const server = await rs2rtc(STREAMS);
    try {
        const {path: [media, ...rest], server: first} = await examine(server, 'gone');
        assert.deepEqual(rest, []);
        assert.equal(media.state, 'fail');
        assert.match(media.why, /camera refuses the connection/);
        judged(/** @type {Row} */ (first.find(row => row.title === 'Download from this server')));
    } finally {
        await server.stop();
    }
});

test('what is in flow style is left to its owner, and developers find what they look for', {skip}, async () => {
    const server = await rs2rtc(STREAMS), page = await chromium.browser.newPage();
    try {
        await page.goto(`${server.url}config.html?candidate=192.0.2.1:8555&lang=en`);
        await page.waitForFunction(() => /candidates: 192\.0\.2\.1:8555/.test(document.querySelector('.banner')?.textContent ?? ''));
        assert.equal(await page.$('dialog'), null);
        for (const language of ['en', 'zh']) {
            await page.goto(`${server.url}doctor.html?lang=${language}`);
            for (const [path, words] of [['api/openapi.yaml', /OpenAPI/], ['vendor/LICENSES.txt', /Licences|许可证/]]) {
                assert.match(await page.$eval(`main a[href="${path}"]`, n => n.textContent ?? ''), /** @type {RegExp} */ (words));
                assert.equal((await fetch(server.url + path)).status, 200);
            }
        }
    } finally {
        await page.close();
        await server.stop();
    }
});

/** Opens the page and waits until all is checked. @param {string} url @param {(page: import('puppeteer-core').Page) => Promise<unknown>} [prepare] */
async function visit(url, prepare) {
    const page = await chromium.browser.newPage(), said = /** @type {string[]} */ ([]);
    page.on('console', msg => ['error', 'warn'].includes(msg.type()) && said.push(`${msg.text()} ${msg.location()?.url ?? ''}`));
    page.on('pageerror', err => said.push(String(err)));
    await prepare?.(page);
    await page.goto(`${url}doctor.html?lang=en`);
    await settled(page);
    return {page, said, rows: async () => /** @type {Record<string, string[]>} */ (Object.fromEntries(await page.$$eval('.checks > li', nodes => nodes.map(node => [node.querySelector('.state')?.textContent ?? '',
        [node.querySelector('.state')?.getAttribute('data-state') ?? '', node.children[1]?.textContent ?? '', [...node.querySelectorAll('.why')].map(n => n.textContent).join(' ')]]))))};
}

test('each address for the media is tried without a camera, and the server tells of its machine', {skip}, async () => {
    const server = await rs2rtc(STREAMS, {webrtc: `candidates: ["${DEAD}"]`});
    try {
        const {page, said, rows} = await visit(server.url), all = await rows();
        assert.deepEqual(all.WebRTC, ['ok', 'UDP gets through', '']);
        const tried = Object.entries(all).filter(([title]) => /^Address \d+ of the server$/.test(title)).map(([, row]) => row);
        const here = tried.filter(row => row[1].includes(`127.0.0.1:${server.media}`));
        assert.deepEqual(here.map(row => [row[0], row[1].split(' ')[0], / · RTT [\d.]+ ms$/.test(row[1])]).sort(), [['ok', 'TCP', true], ['ok', 'UDP', true]], JSON.stringify(tried));
        const dead = tried.filter(row => row[1].includes(DEAD));
        assert.ok(dead.length >= 1 && dead.every(row => row[0] === 'warn' && /^Not needed/.test(row[2])), JSON.stringify(tried));
        assert.equal(tried.length, here.length + dead.length);
        for (const title of ['Clock', 'Program', 'Ports', 'Network', 'Disk', 'Open files', 'Proxy', 'Base path']) assert.match(all[title]?.[0] ?? '', /^(ok|warn)$/, `${title}: ${all[title]}`);
        assert.ok(all.Ports[1].includes(`rtsp TCP 127.0.0.1:${server.rtsp}`) && all.Ports[1].includes('webrtc UDP'), all.Ports[1]);
        const streams = /** @type {Record<string, any>} */ (await (await fetch(`${server.url}api/streams`)).json());
        assert.deepEqual(Object.values(streams).flatMap(one => one.producers.filter((/** @type {any} */ p) => p.id)), [], 'no camera has started');
        // A camera that runs, then one that is not there.
        const ends = (/** @type {string} */ words) => page.waitForFunction(words => document.querySelector('section .checks li[data-step=release] .state:not([data-state=run])') && document.querySelector('section .checks')?.textContent?.includes(words), {timeout: 60_000}, words);
        const probe = async (/** @type {string} */ stream) => {
            await page.select('section select', stream);
            await (await page.waitForSelector('section ::-p-text(Check camera)'))?.click();
        };
        const leave = await watch(`${server.url}api/stream.mp4?src=cam`);
        await probe('cam');
        await ends('others watch');
        assert.match((await rows())['Reach and log in'].join(), /^ok,runs already/);
        assert.match((await rows()).Stream.join(), /^ok,.* frames · 0 jumps of its clock/);
        leave();
        await page.waitForFunction(() => !(/** @type {HTMLButtonElement} */ (document.querySelector('section button:last-of-type')).disabled));
        await probe('gone');
        await ends('refused');
        assert.equal((await rows())['Reach and log in'][0], 'fail');
        await page.close();
        assert.deepEqual(said, []);
    } finally {
        await server.stop();
    }
});

/** In the page: a clock that is forty times as fast, for what takes a minute, until the server is asked whether it is still there: its answer has the time that it has. */
function hurry() {
    const now = performance.now.bind(performance), every = setInterval, {send} = WebSocket.prototype;
    let from = 0, at = 0, speed = 40;
    performance.now = () => from + (now() - at) * speed;
    WebSocket.prototype.send = function (data) {
        if (/"hello"/.test(String(data))) [from, at, speed] = [performance.now(), now(), 1];
        return send.call(this, data);
    };
    window.setInterval = /** @type {any} */ ((/** @type {TimerHandler} */ run, ms = 0, ...args) => every(run, ms / 40, ...args));
}

test('a socket on which nothing is said for a minute: it stays, or something between cuts it', {skip}, async () => {
    const server = await rs2rtc(STREAMS);
    const sockets = /** @type {Set<import('node:net').Socket>} */ (new Set());
    const proxy = createServer(near => {
        const far = connect(server.port, '127.0.0.1');
        near.once('data', head => /upgrade: websocket/i.test(String(head)) && sockets.add(near));
        near.pipe(far).pipe(near);
        for (const [one, other] of [[near, far], [far, near]]) one.on('close', () => {
            sockets.delete(one);
            other.destroy();
        }).on('error', () => other.destroy());
    });
    await new Promise(resolve => proxy.listen(0, '127.0.0.1', () => resolve(undefined)));
    const url = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (proxy.address()).port}/`, quiet = (/** @type {Record<string, string[]>} */ all) => all['Quiet WebSocket'];
    const ended = (/** @type {import('puppeteer-core').Page} */ page) => page.waitForSelector('[data-check=quiet] > .state:not([data-state=run])', {timeout: 60_000});
    try {
        const {page, rows, said} = await visit(url, page => page.evaluateOnNewDocument(hurry));
        await ended(page);
        assert.deepEqual(quiet(await rows()), ['ok', 'Still open after 60 s', '']);
        await page.close();
        assert.deepEqual(said, []);
        // The others do not wait for it.
        const other = await visit(url);
        await other.page.waitForFunction(() => /quiet for [1-9]/.test(document.querySelector('[data-check=quiet]')?.textContent ?? ''), {timeout: 60_000});
        assert.equal(quiet(await other.rows())[0], 'run');
        for (const one of sockets) one.destroy();
        await ended(other.page);
        assert.match(quiet(await other.rows()).join(), /^fail,Cut after [1-9]\d* s,.*proxy_read_timeout/);
        // Whoever leaves takes it along.
        await other.page.click('.tools button');
        await other.page.waitForFunction(() => /quiet for/.test(document.querySelector('[data-check=quiet]')?.textContent ?? ''), {timeout: 60_000});
        assert.ok(sockets.size > 0);
        await other.page.evaluate(() => window.dispatchEvent(new Event('pagehide')));
        await until(async () => sockets.size, left => !left);
        assert.equal(quiet(await other.rows())[0], 'run', 'it has not come to its end');
        await other.page.close();
    } finally {
        proxy.close();
        await server.stop();
    }
});

test('a go2rtc is not asked for what it does not have', {skip}, async () => {
    const server = await rs2rtc(STREAMS), plain = await plainServer(server.port);
    try {
        const {page, said, rows} = await visit(plain.url), all = await rows();
        for (const title of ['Event feed', 'Load of the server', 'Quiet WebSocket', 'WebRTC', 'Machine of the server', 'Check camera']) assert.equal(all[title]?.[0], 'skip', `${title}: ${all[title]}`);
        for (const title of ['Server', 'WebSocket', 'Codecs of this browser']) assert.equal(all[title][0], 'ok', title);
        // What a page asks for on any server, to find out that there is none.
        assert.deepEqual(plain.missed.filter(path => path !== '/api/rs/events'), []);
        assert.deepEqual(said.filter(line => !/api\/rs\/events/.test(line)), []);
        await page.close();
    } finally {
        plain.close();
        await server.stop();
    }
});
