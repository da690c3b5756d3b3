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
    '.svg': 'image/svg+xml', '.json': 'application/json',
};
export const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob: data:; "
    + "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'; "
    + "require-trusted-types-for 'script'; trusted-types 'none'";

/**
 * @param {object} options
 * @param {Record<string, object>} options.streams JSON of `api/streams`
 * @param {Record<string, string>} [options.errors] by stream name: the answer to any request
 * @param {string} [options.base] path in front of everything, with both slashes
 * @returns {Promise<{url: string, requests: string[], goodbyes: string[], close: () => void}>} goodbyes: method and the
 *     end of the address of each
 */
export async function mockServer({streams, errors = {}, base = '/'}) {
    const requests = /** @type {string[]} */ ([]), goodbyes = /** @type {string[]} */ ([]);
    const server = createServer(async (request, response) => {
        const url = new URL(request.url ?? '/', 'http://localhost');
        requests.push(url.pathname);
        const path = url.pathname.startsWith(base) ? url.pathname.slice(base.length) : null;
        const json = value => {
            response.setHeader('content-type', 'application/json');
            response.end(JSON.stringify(value));
        };
        if (path === 'api') return json({config_path: '/config/rs2rtc.yaml', version: '0.0.0', host: request.headers.host});
        if (path === 'api/streams') return json(streams);
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
    await new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(undefined)));
    const {port} = /** @type {import('node:net').AddressInfo} */ (server.address());
    return {
        url: `http://127.0.0.1:${port}${base}`,
        requests,
        goodbyes,
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
