/**
 * A proxy that leaves of our server what go2rtc has too: nothing below `api/rs/`, nothing about itself in the answer of `api`, and over the socket only messages of its kinds, both ways.
 * Unknown messages are dropped, as go2rtc ignores them.
 */
import {once} from 'node:events';
import {createServer, request as ask} from 'node:http';
import {WebSocket, WebSocketServer} from 'ws';

/** What a socket of go2rtc understands and says (`spec/api.md` 7). */
const KINDS = new Set(['webrtc/offer', 'webrtc/answer', 'webrtc/candidate', 'webrtc', 'mse', 'mp4', 'hls', 'mjpeg', 'error']);

/** @param {number} port of the server behind it */
export async function plainServer(port) {
    /** Paths that it does not have and that were asked for; kinds of messages that it does not know. */
    const missed = /** @type {string[]} */ ([]), dropped = /** @type {Set<string>} */ (new Set());
    const server = createServer((request, response) => {
        const {pathname} = new URL(request.url ?? '/', 'http://localhost');
        if (pathname.startsWith('/api/rs/')) {
            missed.push(pathname);
            return response.writeHead(404, {'content-type': 'text/plain; charset=utf-8'}).end('404 page not found\n');
        }
        const about = pathname === '/api';
        const inner = ask({port, host: '127.0.0.1', method: request.method, path: request.url, headers: about ? {...request.headers, 'accept-encoding': 'identity'} : request.headers}, async answer => {
            // Versions of the file are ours.
            if (pathname === '/api/config') delete answer.headers.etag;
            if (!about) return answer.pipe(response.writeHead(answer.statusCode ?? 502, answer.headers));
            try {
                const chunks = [];
                for await (const chunk of answer) chunks.push(chunk);
                const {rs, rs2rtc, ...json} = JSON.parse(Buffer.concat(chunks).toString()), text = JSON.stringify(json);
                response.writeHead(200, {'content-type': 'application/json', 'content-length': Buffer.byteLength(text)}).end(text);
            } catch {
                // Whoever has asked is gone, or the server.
                response.destroy();
            }
        });
        inner.on('error', () => response.destroy());
        response.on('close', () => inner.destroy());
        request.pipe(inner);
    });
    const sockets = new WebSocketServer({server, path: '/api/ws'});
    sockets.on('connection', (near, request) => {
        const far = new WebSocket(`ws://127.0.0.1:${port}${request.url}`), early = /** @type {string[]} */ ([]);
        const known = (/** @type {string} */ text) => {
            const {type} = JSON.parse(text);
            if (!KINDS.has(type)) dropped.add(type);
            return KINDS.has(type);
        };
        near.on('message', data => {
            if (!known(String(data))) return;
            if (far.readyState === WebSocket.OPEN) far.send(String(data));
            else early.push(String(data));
        });
        far.on('open', () => {
            for (const text of early) far.send(text);
        });
        far.on('message', (data, binary) => (binary || known(String(data))) && near.send(binary ? data : String(data)));
        for (const [one, other] of [[near, far], [far, near]]) {
            one.on('close', () => other.close());
            one.on('error', () => other.terminate());
        }
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const at = /** @type {import('node:net').AddressInfo} */ (server.address());
    return {url: `http://127.0.0.1:${at.port}/`, missed, dropped, close() {
        for (const one of sockets.clients) one.terminate();
        server.closeAllConnections();
        server.close();
    }};
}
