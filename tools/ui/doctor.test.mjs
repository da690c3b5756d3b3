/**
 * The connectivity doctor with the release binary: what works is told with its figures, an address that leads nowhere with the reason, and
 * a server whose addresses all lead nowhere with a change of the configuration that would help.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {CHROMIUM, launch, without} from './browser.mjs';
import {BINARY, rs2rtc} from './rs2rtc.mjs';

const skip = without(CHROMIUM, 'Chromium') || without(BINARY, 'rs2rtc');
const STREAMS = 'streams:\n  cam: demo:?width=320&height=180&fps=15\n  gone: rtsp://127.0.0.1:9/nothing\n';
/** For documentation (RFC 5737): nobody has it. */
const NOBODY = '203.0.113.9', DEAD = `${NOBODY}:8555`;

/** @type {Awaited<ReturnType<typeof launch>>} */
let chromium;
before(async () => {
    // Its addresses are names that the server cannot know: there is no way but the server's addresses.
    if (!skip) chromium = await launch({mdns: 'hide'});
});
after(() => chromium?.close());

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
    await page.waitForFunction(() => document.querySelectorAll('.checks .state').length >= 7 && !document.querySelector('.checks .state[data-state=run]') && document.querySelector('section option'), {timeout: 60_000});
    await page.select('section select', stream);
    await page.click('section button');
    await page.waitForFunction(() => document.querySelectorAll('section .checks li').length > 1 && !document.querySelector('section .checks .state[data-state=run]')
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

test('what works, an address that leads nowhere, and the download', {skip}, async () => {
    const server = await rs2rtc(STREAMS, {webrtc: `candidates: ["${DEAD}"]`});
    try {
        const {server: first, path} = await examine(server, 'cam');
        const of = (/** @type {string} */ title) => /** @type {Row} */ (first.find(row => row.title === title) ?? assert.fail(title));
        for (const title of ['Codecs of this browser', 'Server', 'WebSocket', 'Event feed']) assert.equal(of(title).state, 'ok', JSON.stringify(of(title)));
        assert.match(of('Server').text, / [\d.]+ m?s/);
        const [media, ...rest] = path, speed = /** @type {Row} */ (rest.pop());
        assert.deepEqual([media.title, media.state], ['WebRTC cam', 'ok'], JSON.stringify(media));
        assert.match(media.text, /^UDP · .*fps/);
        const at = (/** @type {string} */ address) => rest.filter(row => row.text.includes(address));
        assert.deepEqual(at(DEAD).map(row => row.state), at(DEAD).map(() => 'warn'));
        assert.ok(at(DEAD).length >= 1 && at(DEAD).every(row => /firewall/.test(row.why)), JSON.stringify(rest));
        const here = at(`127.0.0.1:${server.media}`);
        assert.deepEqual(here.map(row => [row.text.split(' ')[0], row.state]), [['UDP', 'ok'], ['TCP', 'ok']], JSON.stringify(rest));
        assert.equal(rest.length, at(DEAD).length + here.length);
        assert.equal(speed.state, 'ok');
        assert.ok(parseFloat(speed.text) > 8 && /Mb\/s$/.test(speed.text), speed.text);
    } finally {
        await server.stop();
    }
});

test('addresses that all lead nowhere: the reason, and the change that would help', {skip}, async () => {
    const server = await rs2rtc(STREAMS);
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
            await page.waitForFunction(() => document.querySelector('.editor > div')?.shadowRoot?.querySelector('.cm-content')?.textContent?.includes('candidates:'), {timeout: 60_000});
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
        const {path: [media, speed]} = await examine(server, 'gone');
        assert.equal(media.state, 'fail');
        assert.match(media.why, /camera refuses the connection/);
        assert.equal(speed.state, 'ok');
    } finally {
        await server.stop();
    }
});
