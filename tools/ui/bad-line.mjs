/**
 * A line to the server that is bad on purpose: it can stand still for a while, and it can refuse WebSockets, as some proxies do.
 */
import {once} from 'node:events';
import {connect, createServer} from 'node:net';

/** @param {number} port of the server @param {{sockets?: boolean}} [options] `sockets`: lets WebSockets through */
export async function badLine(port, {sockets = true} = {}) {
    const open = /** @type {Set<import('node:net').Socket>} */ (new Set());
    let still = false;
    const line = createServer(near => {
        let refused = false;
        const far = connect(port, '127.0.0.1');
        for (const [from, to] of [[near, far], [far, near]]) {
            open.add(from);
            if (still) from.pause();
            from.on('data', data => {
                // Requests of a browser come in one piece.
                if (!sockets && from === near && /^upgrade: *websocket/im.test(data.toString('latin1'))) {
                    refused = true;
                    near.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
                    far.destroy();
                }
                if (!refused && !to.write(data)) {
                    from.pause();
                    to.once('drain', () => still || from.resume());
                }
            });
            from.on('close', () => {
                open.delete(from);
                if (!refused) to.destroy();
            });
            from.on('error', () => {});
        }
    }).listen(0, '127.0.0.1');
    await once(line, 'listening');
    return {
        url: `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (line.address()).port}/`,
        /** Nothing passes any more, in either direction. */
        stop() {
            still = true;
            for (const socket of open) socket.pause();
        },
        go() {
            still = false;
            for (const socket of open) socket.resume();
        },
        close() {
            line.close();
            for (const socket of open) socket.destroy();
        },
    };
}
