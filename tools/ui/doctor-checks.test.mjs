/**
 * What the doctor says of a server that tells of its machine, of a network that lets nothing through, of one camera, and of a server that has no such calls: with
 * answers that are made here. `doctor.test.mjs` has the release binary.
 */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {fixture} from './pages-fixture.mjs';
import {visit} from './visit.mjs';

const skip = without(CHROMIUM, 'Chromium');
/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    if (!skip) chromium = await launch({mdns: 'hide'});
});
after(() => chromium?.close());

const FACTS = {uptime_s: 75, version: '1.0.0', platform: 'linux/amd64', base_path: '/cams', config: '/config/rs2rtc.yaml', container: false,
    ports: [{module: 'api', network: 'tcp', address: '[::]:1984', problem: null}, {module: 'webrtc', network: 'udp', address: '8555', problem: null}], interfaces: [{name: 'eth0', addresses: ['192.168.1.5', 'fd00::5']}],
    candidates: ['udp 192.168.1.5:8555'], ffmpeg: {path: '/usr/bin/ffmpeg', version: '7.1.1'}, disk: {path: '/config', free: 5e9, total: 2e10}, open_files: {used: 40, limit: 1000}, request: {peer: '192.168.1.40:51000', forwarded: [], host: 'cams'}};

/** An answer to the offer of a data channel; nobody is behind it. @param {string} address @param {string} [protocol] */
const answer = (address, protocol = 'udp') => ['v=0', 'o=- 1 1 IN IP4 0.0.0.0', 's=-', 't=0 0', 'a=group:BUNDLE 0', 'm=application 9 UDP/DTLS/SCTP webrtc-datachannel', 'c=IN IP4 0.0.0.0', 'a=ice-ufrag:abcd',
    'a=ice-pwd:abcdefghijklmnopqrstuvwx', `a=fingerprint:sha-256 ${Array.from({length: 32}, () => 'AB').join(':')}`, 'a=setup:passive', 'a=mid:0', 'a=sctp-port:5000',
    `a=candidate:1 1 ${protocol} 2130706431 ${address} 8555 typ host${protocol === 'tcp' ? ' tcptype passive' : ''}`, ''].join('\r\n');

/** A server of ours. @param {object} [facts] that are other ones @param {Record<string, any>} [answers] */
async function ours(facts = {}, answers = {}) {
    const own = await fixture({answers: {
        'GET api': () => ({rs2rtc: {version: '1.0.0', addresses: []}, version: '1.9.0', host: new URL(own.url).host}),
        'GET api/rs/doctor': () => ({...FACTS, now_ms: Date.now(), ...facts}),
        'POST api/rs/doctor/path': (/** @type {any} */ call) => {
            call.response.writeHead(201, {'content-type': 'application/sdp', 'x-candidates': '0'});
            return 'v=0\r\n';
        },
        ...answers,
    }});
    return own;
}

/** All lines by their title. @param {import('puppeteer-core').Page} page @returns {Promise<Record<string, string[]>>} state, text, why */
async function lines(page) {
    await page.waitForFunction(() => document.querySelectorAll('.checks .state').length >= 10 && !document.querySelector('.checks li:not([data-check=quiet]) > .state[data-state=run]'), {timeout: 60_000});
    return Object.fromEntries(await page.$$eval('.checks > li', nodes => nodes.map(node => [node.querySelector('.state')?.textContent ?? '',
        [node.querySelector('.state')?.getAttribute('data-state') ?? '', node.children[1]?.textContent ?? '', [...node.querySelectorAll('.why')].map(n => n.textContent).join(' ')]])));
}

test('what the machine of the server has, and nothing of it is a reason to worry', {skip}, async () => {
    const own = await ours(), {page, done} = await visit(chromium.browser, 'doctor.html', {own}), all = await lines(page);
    const {Clock: clock, ...rest} = Object.fromEntries(['Clock', 'Program', 'Ports', 'Network', 'Disk', 'Open files', 'Proxy', 'Base path', 'STUN / TURN', 'FFmpeg'].map(title => [title, all[title]]));
    assert.equal(clock[0], 'ok');
    assert.deepEqual(rest, {Program: ['ok', 'linux/amd64 · running for 00:01:15', ''], Ports: ['ok', 'api TCP [::]:1984 · webrtc UDP 8555', ''], Network: ['ok', 'eth0 192.168.1.5, fd00::5', ''], Disk: ['ok', '/config · 5 GB of 20 GB free', ''],
        'Open files': ['ok', '40 of 1,000', ''], Proxy: ['ok', 'none, seen from 192.168.1.40', ''], 'Base path': ['ok', '/cams', ''], 'STUN / TURN': ['skip', 'STUN not configured · relay not configured', ''], FFmpeg: ['ok', '7.1.1 · Software encoding only · /usr/bin/ffmpeg', '']});
    assert.match(all['Codecs of this browser'][1], /H264: .* · AAC: .*· Opus: WebRTC \+ MSE · FLAC: MSE · MP3: (no|MSE) · PCMA: WebRTC · PCMU: WebRTC$/);
    await done();
    own.close();
});

test('what is wrong with the machine of the server', {skip}, async () => {
    const own = await ours({now_ms: Date.now() - 60_000, container: true, candidates: ['udp 172.17.0.2:8555', 'tcp 172.17.0.2:8555'], disk: {path: '/config', free: 5e7, total: 2e10}, open_files: {used: 900, limit: 1000}, ffmpeg: null,
        ports: [{module: 'rtsp', network: 'tcp', address: ':8554', problem: 'address in use'}], request: {peer: '172.17.0.1', forwarded: ['x-forwarded-for', 'via'], host: 'x'}}, {'GET api/config': () => 'webrtc:\n  candidates: [stun:8555]\n  ice_servers:\n    - urls: ["turn:relay:3478"]\n'});
    const {page, done} = await visit(chromium.browser, 'doctor.html', {own}), all = await lines(page);
    assert.deepEqual([all.Clock[0], all.Clock[2].replace(/\d+/g, 'N')], ['warn', 'The clocks differ by N:N:N.']);
    assert.match(all.Program[1], /in a container$/);
    assert.deepEqual(all.Ports, ['fail', 'rtsp TCP :8554', 'rtsp TCP :8554: address in use']);
    assert.match(all.Network.join(), /^warn,.*Only addresses of a container.*172\.17\.0\.2\)/);
    assert.deepEqual([all.Disk[0], all.Disk[1], all['Open files'][0], all.FFmpeg[0], all['STUN / TURN'][0]], ['warn', '/config · 50 MB of 20 GB free', 'warn', 'warn', 'warn']);
    assert.equal(all['STUN / TURN'][1], 'public address by STUN · TURN is configured, but not supported');
    assert.equal(all.Proxy[1], 'x-forwarded-for, via · 172.17.0.1');
    await done();
    own.close();
});

test('what is told to nobody from outside is said so', {skip}, async () => {
    const own = await ours({ports: null, interfaces: null, candidates: null, disk: null, config: null, request: {peer: null, forwarded: [], host: 'cams'}}), {page, done} = await visit(chromium.browser, 'doctor.html', {own}), all = await lines(page);
    for (const title of ['Ports', 'Network', 'Disk', 'Proxy', 'STUN / TURN']) assert.deepEqual(all[title], ['skip', 'Told only within the private network.', ''], title);
    await done();
    own.close();
});

test('no address gets through: why, and the change that would help', {skip}, async () => {
    const all = [answer('172.17.0.2'), answer('172.17.0.2', 'tcp'), answer('172.17.0.3')], asked = /** @type {string[]} */ ([]);
    let busy = 1;
    const own = await ours({container: true}, {'POST api/rs/doctor/path': (/** @type {any} */ call) => {
        if (busy-- > 0) {
            call.response.setHeader('retry-after', '1');
            return 503;
        }
        assert.match(call.body, /m=application/);
        assert.doesNotMatch(call.body, /m=(audio|video)/);
        asked.push(call.query.get('candidate'));
        call.response.writeHead(201, {'content-type': 'application/sdp', 'x-candidates': String(all.length)});
        return all[Number(call.query.get('candidate'))];
    }});
    const {page, done} = await visit(chromium.browser, 'doctor.html', {own}), rows = await lines(page);
    assert.deepEqual(asked.sort(), ['0', '1', '2']);
    assert.deepEqual(rows.WebRTC.slice(0, 2), ['fail', 'No answer']);
    assert.match(rows.WebRTC[2], /sits in a container and offers only 172\.17\.0\.2, 172\.17\.0\.3,.*port 8555/);
    assert.equal(await page.$eval('[data-check=ways] a', n => n.getAttribute('href')), 'config.html?candidate=127.0.0.1%3A8555');
    assert.deepEqual(await page.$eval('[data-check=ways] details', n => [n.open, n.querySelector('summary')?.textContent, n.querySelector('strong')?.textContent]), [true, 'Why · Fix', 'Fix']);
    // The speed is measured without a camera, when nothing else is.
    assert.match(rows['Download from this server'].join(), /^(ok|warn),[\d.,]+ [kMG]b\/s/);
    assert.ok(own.requests.lastIndexOf('/api/rs/doctor/path') < own.requests.indexOf('/vendor/codemirror.js'));
    assert.equal(own.requests.some(path => /api\/(webrtc|rs\/test)$/.test(path)), false);
    assert.deepEqual([1, 2, 3].map(n => rows[`Address ${n} of the server`].slice(0, 2)), [['warn', 'UDP 172.17.0.2:8555 · No answer'], ['warn', 'TCP 172.17.0.2:8555 · No answer'], ['warn', 'UDP 172.17.0.3:8555 · No answer']]);
    await done(/503 \(Service Unavailable\)/);
    own.close();
});

test('on a phone the lines stand alone, and each opens with why; the report has all of it', {skip}, async () => {
    const own = await ours({disk: {path: '/config', free: 5e7, total: 2e10}}), {page, done} = await visit(chromium.browser, 'doctor.html', {own, width: 390, touch: true}), all = await lines(page);
    assert.match(all.Disk[2], /^Little room is left/);
    const disk = await page.waitForSelector('::-p-xpath(//li[span="Disk"])'), open = () => disk?.$eval('.why', n => n.checkVisibility());
    assert.equal(await open(), false);
    assert.equal(await page.$$eval('.checks details[open]', nodes => nodes.length), 0);
    await (await disk?.$('summary'))?.click();
    assert.deepEqual([await open(), await disk?.$eval('summary', n => [n.textContent, n.getBoundingClientRect().height >= 44])], [true, ['Why', true]]);
    await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', {value: {writeText: async (/** @type {string} */ text) => Object.assign(window, {copied: text})}}));
    await page.keyboard.press('c');
    await page.waitForFunction(() => /** @type {any} */ (window).copied);
    assert.ok((await page.evaluate(() => /** @type {any} */ (window).copied)).includes(`warn: Disk | ${all.Disk[1]} | Why | ${all.Disk[2]}`));
    await done();
    own.close();
});

test('a server that has no address for the media: what to do', {skip}, async () => {
    const own = await ours({candidates: []}, {'POST api/rs/doctor/path': () => 404}), {page, done} = await visit(chromium.browser, 'doctor.html', {own}), all = await lines(page);
    assert.deepEqual([all.WebRTC, all['Address 1 of the server']], [['fail', 'No answer', 'The server offers no address: see webrtc.listen and webrtc.candidates.'], ['fail', 'The server offers no address.', '']]);
    await done(/404 \(Not Found\)/);
    own.close();
});

test('one camera, step by step, only when it is asked for', {skip}, async () => {
    const asked = /** @type {any[]} */ ([]);
    const own = await ours({}, {'POST api/rs/test': (/** @type {any} */ call) => {
        asked.push(JSON.parse(call.body));
        for (const line of [{step: 'connect', state: 'ok', ms: 0, running: true}, {step: 'tracks', state: 'ok', tracks: [{codec_name: 'h264', codec_type: 'video', width: 640, height: 360}], talk: false}, {step: 'picture', state: 'ok', ms: 210},
            {step: 'keyframes', state: 'ok', every_ms: 2000}, {step: 'packets', state: 'ok', ms: 2000, frames: 50, lost: 1, loss: 0.02, jumps: 3}, {step: 'release', state: 'skip'}]) call.response.write(`${JSON.stringify(line)}\n`);
        call.response.end();
    }});
    const {page, says, press, done} = await visit(chromium.browser, 'doctor.html', {own});
    await lines(page);
    assert.deepEqual(asked, []);
    await page.select('section select', 'gate');
    await press('Check camera');
    await says('section .checks li[data-step=release]', /Camera let go/);
    assert.deepEqual(asked, [{stream: 'gate'}]);
    assert.deepEqual(await page.$$eval('section .checks li', nodes => nodes.map(n => [...n.children].map(c => c.textContent).join(': '))), ['Reach and log in: runs already', 'Video and sound: H264 640x360', 'Picture: 210 ms', 'Keyframes: every 2 s',
        'Stream: 2 s · 50 frames · Loss 2 % · 3 jumps of its clock', 'Camera let go: others watch']);
    await page.waitForFunction(() => ![...document.querySelectorAll('section button')].some(b => /** @type {HTMLButtonElement} */ (b).disabled));
    await done();
    own.close();
});

test('run again before the server has answered: each line once, and a key that is held is one press', {skip}, async () => {
    const ends = /** @type {((value: any) => void)[]} */ ([]), own = await ours({}, {'GET api': () => new Promise(resolve => ends.push(resolve))}), {page, done} = await visit(chromium.browser, 'doctor.html', {own});
    await own.until(() => ends.length === 1);
    for (let i = 0; i < 3; i++) await page.keyboard.down('r');
    await page.keyboard.up('r');
    await own.until(() => ends.length > 1);
    // More would have gone out before this one.
    await page.evaluate(() => fetch('api/streams').then(answer => answer.text()));
    assert.equal(ends.length, 2);
    for (const end of ends) end({rs2rtc: {version: '1.0.0', addresses: []}, version: '1.9.0', host: new URL(own.url).host});
    await page.waitForFunction(() => [...document.querySelectorAll('.checks li > .state[data-state=fail]')].some(n => n.textContent === 'Address 1 of the server'));
    const titles = await page.$$eval('.checks > li > .state', nodes => nodes.map(n => n.textContent));
    assert.deepEqual(titles, [...new Set(titles)]);
    await lines(page);
    assert.equal(own.requests.filter(path => path === '/api/rs/doctor/path').length, 1);
    await done();
    own.close();
});

test('a server that has no such calls is not asked, and that is said', {skip}, async () => {
    const own = await fixture(), {page, done} = await visit(chromium.browser, 'doctor.html', {own}), all = await lines(page);
    for (const title of ['Event feed', 'Load of the server', 'Quiet WebSocket', 'WebRTC', 'Machine of the server', 'Check camera']) assert.deepEqual(all[title], ['skip', 'This server has no such call.', ''], title);
    assert.equal(all.WebSocket[0], 'ok');
    assert.deepEqual(own.requests.filter(path => /rs\/(doctor|metrics|test)/.test(path)), []);
    assert.equal(await page.$$eval('section button', nodes => nodes.filter(n => n.checkVisibility()).length), 1);
    await done();
    own.close();
});

test('both languages, both themes, desk and phone', {skip}, async () => {
    const AXE = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
    const own = await ours({container: true}, {'POST api/rs/doctor/path': (/** @type {any} */ call) => {
        call.response.writeHead(201, {'content-type': 'application/sdp', 'x-candidates': '1'});
        return answer('172.17.0.2');
    }});
    for (const lang of ['en', 'zh']) {
        const {page, done} = await visit(chromium.browser, 'doctor.html', {own});
        await page.goto(`${own.url}doctor.html?lang=${lang}`);
        await lines(page);
        await page.evaluate(AXE);
        for (const [scheme, width] of /** @type {[string, number][]} */ ([['light', 1280], ['dark', 390], ['light', 390], ['dark', 1280]])) {
            await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value: scheme}]);
            await page.setViewport({width, height: 800});
            assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, `${lang} ${width}`);
            assert.deepEqual(await page.evaluate(async () => (await /** @type {any} */ (window).axe.run(document, {resultTypes: ['violations']})).violations.map((/** @type {any} */ v) => `${v.id}: ${v.nodes[0].html}`)), [], `${lang} ${scheme} ${width}`);
            if (process.env.SCREENSHOTS) await page.screenshot({path: /** @type {any} */ (`${process.env.SCREENSHOTS}/doctor-full-${lang}-${scheme}-${width}.png`), fullPage: true});
        }
        await done();
    }
    own.close();
});
