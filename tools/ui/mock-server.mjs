/**
 * The web files and a little of the API, for tests of the pages without a server: every
 * stream answers with an error, under the same content security policy as the product.
 */
import {createHash} from 'node:crypto';
import {EventEmitter, once} from 'node:events';
import {readFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import {extname, join, normalize} from 'node:path';
import {fileURLToPath} from 'node:url';

const UI = fileURLToPath(new URL('../../ui/', import.meta.url));
const TYPES = {
    '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
    '.svg': 'image/svg+xml', '.ico': 'image/x-icon', '.json': 'application/json', '.webmanifest': 'application/manifest+json',
};
export const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob: data:; "
    + "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-src 'self'; frame-ancestors 'self'; "
    + "require-trusted-types-for 'script'; trusted-types 'none'";

/** @typedef {{method: string, query: URLSearchParams, body: string, response: import('node:http').ServerResponse}} Call */

/**
 * @param {object} options
 * @param {Record<string, object>} options.streams JSON of `api/streams`
 * @param {Record<string, string>} [options.errors] by stream name: the answer to any request
 * @param {string} [options.base] path in front of everything, with both slashes
 * @param {Record<string, (call: Call) => any>} [options.answers] by method and path: gives text, JSON, or a status as a number
 * @param {number} [options.port] the port to listen on; any by default
 * @returns {Promise<{url: string, requests: string[], goodbyes: string[], said: (n: number) => Promise<string[]>, until: (fits: () => boolean) => Promise<void>, readers: () => number, emit: (name: string, data: object) => void, close: () => void}>}
 *     goodbyes: method and the end of the address of each, `said` waits for some of them; `until` waits for any request or reader that
 *     makes something true; `emit` tells all readers of the event feed
 */
export async function mockServer({streams, errors = {}, base = '/', answers = {}, port: wanted = 0}) {
    const feeds = new Set(), changes = new EventEmitter(), boot = String(Math.random());
    let seq = 0;
    const requests = /** @type {string[]} */ ([]), goodbyes = /** @type {string[]} */ ([]);
    const server = createServer(async (request, response) => {
        const url = new URL(request.url ?? '/', 'http://localhost');
        requests.push(url.pathname);
        changes.emit('change');
        const path = url.pathname.startsWith(base) ? url.pathname.slice(base.length) : null;
        const json = value => {
            response.setHeader('content-type', 'application/json');
            response.end(JSON.stringify(value));
        };
        const answer = answers[`${request.method} ${path}`];
        if (answer) {
            const chunks = [];
            for await (const chunk of request) chunks.push(chunk);
            const asked = answer({method: request.method ?? '', query: url.searchParams, body: Buffer.concat(chunks).toString(), response});
            changes.emit('change');
            const value = await asked;
            if (response.writableEnded) return;
            if (typeof value === 'number') {
                response.statusCode = value;
                return response.end(`status ${value}\n`);
            }
            return typeof value === 'string' ? response.end(value) : json(value);
        }
        // No picture is kept.
        if (path === 'api/rs/poster') return response.writeHead(204).end();
        if (path === 'api') return json({config_path: '/config/rs2rtc.yaml', version: '0.0.0', host: request.headers.host});
        if (path === 'api/streams') return json(streams);
        if (path === 'api/rs/streams') return json({streams: {}});
        if (path === 'api/rs/events') {
            response.writeHead(200, {'content-type': 'text/event-stream', 'cache-control': 'no-store'});
            response.write(`id: ${seq}\nevent: hello\ndata: ${JSON.stringify({boot, seq})}\n\n`);
            feeds.add(response);
            request.on('close', () => {
                feeds.delete(response);
                changes.emit('change');
            });
            return;
        }
        if (path?.startsWith('api/rs/bye/')) {
            goodbyes.push(`${request.method} ${path.slice('api/rs/bye/'.length)}`);
            changes.emit('change');
            response.statusCode = 204;
            return response.end();
        }
        try {
            if (path === null) throw new Error('elsewhere');
            const name = normalize(path || 'index.html');
            const body = await readFile(join(UI, name));
            response.setHeader('content-type', TYPES[extname(name)] ?? 'application/octet-stream');
            response.setHeader('content-security-policy', CSP);
            response.end(body);
        } catch {
            response.statusCode = 404;
            response.end('404 page not found\n');
        }
    });
    const sockets = new Set();
    server.on('upgrade', (request, socket) => {
        sockets.add(socket);
        socket.on('error', () => {});
        const key = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
            + `Sec-WebSocket-Accept: ${key.digest('base64')}\r\n\r\n`);
        const name = new URL(request.url ?? '/', 'http://localhost').searchParams.get('src') ?? '';
        const error = name in streams ? errors[name] ?? 'not implemented' : 'stream not found';
        const frames = new Frames();
        socket.on('data', data => {
            for (const message of frames.take(data)) {
                if (message === null) return socket.end(Buffer.from([0x88, 0]));
                const {type} = JSON.parse(message);
                if (type === 'webrtc/candidate' || type === 'hello') continue;
                const text = Buffer.from(JSON.stringify({type: 'error', value: `${type}: ${error}`}));
                const head = text.length < 126 ? [0x81, text.length] : [0x81, 126, text.length >> 8, text.length & 255];
                socket.write(Buffer.concat([Buffer.from(head), text]));
            }
        });
    });
    await once(server.listen(wanted, '127.0.0.1'), 'listening');
    const {port} = /** @type {import('node:net').AddressInfo} */ (server.address());
    const until = async (/** @type {() => boolean} */ fits) => {
        for (const signal = AbortSignal.timeout(60_000); !fits();) await once(changes, 'change', {signal});
    };
    return {
        until,
        readers: () => feeds.size,
        async said(n) {
            await until(() => goodbyes.length >= n);
            return [...goodbyes].sort();
        },
        url: `http://127.0.0.1:${port}${base}`,
        requests,
        goodbyes,
        emit(name, data) {
            for (const feed of feeds) feed.write(`id: ${++seq}\nevent: ${name}\ndata: ${JSON.stringify({at: Date.now(), ...data})}\n\n`);
        },
        close() {
            for (const socket of sockets) socket.destroy();
            server.closeAllConnections();
            server.close();
        },
    };
}

/** The masked frames of a socket, which come in chunks of any size. */
class Frames {
    #data = Buffer.alloc(0);

    /** The texts that are complete, null for the closing frame. @param {Buffer} chunk */
    *take(chunk) {
        this.#data = Buffer.concat([this.#data, chunk]);
        for (;;) {
            const data = this.#data, long = (data[1] & 127) === 126, head = long ? 4 : 2;
            if (data.length < head + 4) return;
            const length = long ? data.readUInt16BE(2) : data[1] & 127, end = head + 4 + length;
            if (data.length < end) return;
            this.#data = data.subarray(end);
            const kind = data[0] & 15, mask = data.subarray(head, head + 4);
            if (kind === 1) yield Buffer.from(data.subarray(head + 4, end)).map((byte, i) => byte ^ mask[i & 3]).toString();
            if (kind === 8) yield null;
        }
    }
}
