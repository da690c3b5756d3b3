/**
 * The web files and a little of the API, for tests of the pages without a server: every
 * stream answers with an error, under the same content security policy as the product.
 */
import {createHash} from 'node:crypto';
import {readFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import {extname, join, normalize} from 'node:path';
import {fileURLToPath} from 'node:url';

const UI = fileURLToPath(new URL('../../ui/', import.meta.url));
const TYPES = {
    '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
    '.svg': 'image/svg+xml', '.json': 'application/json', '.webmanifest': 'application/manifest+json',
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
 * @returns {Promise<{url: string, requests: string[], goodbyes: string[], emit: (name: string, data: object) => void, close: () => void}>}
 *     goodbyes: method and the end of the address of each; `emit` tells all readers of the event feed
 */
export async function mockServer({streams, errors = {}, base = '/', answers = {}, port: wanted = 0}) {
    const feeds = new Set(), boot = String(Math.random());
    let seq = 0;
    const requests = /** @type {string[]} */ ([]), goodbyes = /** @type {string[]} */ ([]);
    const server = createServer(async (request, response) => {
        const url = new URL(request.url ?? '/', 'http://localhost');
        requests.push(url.pathname);
        const path = url.pathname.startsWith(base) ? url.pathname.slice(base.length) : null;
        const json = value => {
            response.setHeader('content-type', 'application/json');
            response.end(JSON.stringify(value));
        };
        const answer = answers[`${request.method} ${path}`];
        if (answer) {
            const chunks = [];
            for await (const chunk of request) chunks.push(chunk);
            const value = await answer({method: request.method ?? '', query: url.searchParams, body: Buffer.concat(chunks).toString(), response});
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
        if (path === 'api/rs/events') {
            response.writeHead(200, {'content-type': 'text/event-stream', 'cache-control': 'no-store'});
            response.write(`id: ${seq}\nevent: hello\ndata: ${JSON.stringify({boot, seq})}\n\n`);
            feeds.add(response);
            request.on('close', () => feeds.delete(response));
            return;
        }
        if (path?.startsWith('api/rs/bye/')) {
            goodbyes.push(`${request.method} ${path.slice('api/rs/bye/'.length)}`);
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
        socket.on('data', data => {
            for (const message of textFrames(data)) {
                if (message === null) return socket.end(Buffer.from([0x88, 0]));
                const {type} = JSON.parse(message);
                if (type === 'webrtc/candidate' || type === 'hello') continue;
                const text = Buffer.from(JSON.stringify({type: 'error', value: `${type}: ${error}`}));
                const head = text.length < 126 ? [0x81, text.length] : [0x81, 126, text.length >> 8, text.length & 255];
                socket.write(Buffer.concat([Buffer.from(head), text]));
            }
        });
    });
    await new Promise(resolve => server.listen(wanted, '127.0.0.1', () => resolve(undefined)));
    const {port} = /** @type {import('node:net').AddressInfo} */ (server.address());
    return {
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

/** The masked text frames of a chunk, null for the closing one; a frame cut in two is not expected here. @param {Buffer} data */
function* textFrames(data) {
    let at = 0;
    while (at + 6 <= data.length) {
        const kind = data[at] & 15;
        let length = data[at + 1] & 127, head = 2;
        if (length === 126) {
            length = data.readUInt16BE(at + 2);
            head = 4;
        }
        const mask = data.subarray(at + head, at + head + 4);
        const body = Buffer.from(data.subarray(at + head + 4, at + head + 4 + length));
        if (kind === 1) yield body.map((byte, i) => byte ^ mask[i & 3]).toString();
        if (kind === 8) yield null;
        at += head + 4 + length;
    }
}
