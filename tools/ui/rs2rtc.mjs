/**
 * The release binary for tests and tools: on free ports of the loopback interface, with a configuration and a folder of its own.
 * `RS2RTC` names another binary, `UI` a folder of pages in the place of those in the binary.
 */
import {spawn} from 'node:child_process';
import {createSocket} from 'node:dgram';
import {once} from 'node:events';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';

export const BINARY = process.env.RS2RTC || fileURLToPath(new URL('../../target/release/rs2rtc', import.meta.url));

/** Below those that the system gives out for connections, and for other tests beside these; processes begin at different ones. */
const FIRST_PORT = 11_000, PORTS = 20_000;
let nextPort = process.pid * 61 % PORTS;

/** A port that nobody has, for TCP and UDP; each is given out once. @returns {Promise<number>} */
export async function freePort() {
    for (let i = 0; i < PORTS; i++) {
        const port = FIRST_PORT + nextPort++ % PORTS;
        if (await isFree(port)) return port;
    }
    throw new Error('no port is free');
}

/** @param {number} port */
async function isFree(port) {
    const tcp = createServer(), udp = createSocket('udp4');
    const all = await Promise.allSettled([once(tcp.listen(port, '127.0.0.1'), 'listening'), new Promise((resolve, reject) => {
        udp.once('error', reject);
        udp.bind(port, '127.0.0.1', () => resolve(undefined));
    })]);
    await Promise.all([tcp, udp].map(one => new Promise(resolve => one.close(resolve))));
    return all.every(one => one.status === 'fulfilled');
}

/**
 * Watches what is answered without an end, and takes all of it: an answer that nobody keeps or reads is ended by the garbage collector.
 * @param {string} url
 * @returns {Promise<() => void>} leaves
 */
export async function watch(url) {
    const viewer = new AbortController(), answer = await fetch(url, {signal: viewer.signal});
    if (!answer.ok || !answer.body) throw new Error(`${answer.status} for ${url}`);
    answer.body.pipeTo(new WritableStream()).catch(() => {});
    return () => viewer.abort();
}

/**
 * Asks again and again until the answer fits, for a minute at most.
 * @template T
 * @param {() => Promise<T>} look
 * @param {(value: T) => unknown} fits
 * @returns {Promise<T>} the answer that fits
 */
export async function until(look, fits) {
    for (const end = Date.now() + 60_000; ;) {
        const value = await look();
        if (fits(value)) return value;
        if (Date.now() > end) throw new Error(`not after a minute: ${JSON.stringify(value)}`);
        await new Promise(resolve => setTimeout(resolve, 20));
    }
}

/**
 * Starts it and waits until it listens.
 * @param {string|null} config YAML behind what says where to listen; `api` is a line of its own there; `null`: the file does not exist
 * @param {{api?: string, webrtc?: string, args?: string[]}} [options] `api`, `webrtc`: more keys of the sections, in flow style
 */
export async function rs2rtc(config, {api = '', webrtc = '', args = []} = {}) {
    if (process.env.UI && !api.includes('static_dir')) api = [api, `static_dir: ${JSON.stringify(resolve(process.env.UI))}`].filter(Boolean).join(', ');
    const folder = mkdtempSync(join(tmpdir(), 'rs2rtc-'));
    const [port, rtsp, media] = [await freePort(), await freePort(), await freePort()];
    const file = join(folder, 'rs2rtc.yaml');
    const listen = [`api: {listen: "127.0.0.1:${port}"${api && `, ${api}`}}`, `rtsp: {listen: "127.0.0.1:${rtsp}"}`, `webrtc: {listen: "127.0.0.1:${media}"${webrtc && `, ${webrtc}`}}`];
    if (config === null) args = ['-config', `{${listen.join(', ')}}`, ...args];
    else writeFileSync(file, `${listen.join('\n')}\n${config}`);
    /** @type {import('node:child_process').ChildProcess} */
    let child;
    let log = '', ended = /** @type {Promise<any>} */ (Promise.resolve());
    const start = () => {
        const one = spawn(BINARY, ['-config', file, ...args], {cwd: folder, stdio: ['ignore', 'pipe', 'pipe']});
        child = one;
        ended = once(one, 'exit');
        log = '';
        return new Promise((done, reject) => {
            const timer = setTimeout(() => reject(new Error(`it does not listen after 20 s:\n${log}`)), 20_000);
            const hear = (/** @type {Buffer} */ data) => {
                log += data;
                if (!log.includes('[api] listen addr=')) return;
                clearTimeout(timer);
                done(undefined);
            };
            one.stdout.on('data', hear);
            one.stderr.on('data', hear);
            ended.then(([code]) => reject(new Error(`it ended with ${code}:\n${log}`)));
        });
    };
    const end = async (/** @type {NodeJS.Signals} */ signal) => {
        child.kill(signal);
        await ended;
    };
    const stop = async () => {
        await end('SIGTERM');
        rmSync(folder, {recursive: true, force: true});
    };
    try {
        await start();
    } catch (err) {
        await stop();
        throw err;
    }
    return {url: `http://127.0.0.1:${port}/`, port, rtsp, media, folder, file, pid: child.pid ?? 0, log: () => log, stop,
        /** It dies without a goodbye. */
        kill: () => end('SIGKILL'),
        /** It is started again after that, at the same addresses. */
        again: start};
}
