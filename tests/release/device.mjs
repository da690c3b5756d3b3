/**
 * A fake camera that only one program can have, as the harness keeps it: a socket that
 * answers "free" or "busy". Who got it has it until the last process that holds the
 * connection is gone; then it stays busy for 0 to 300 ms, as real ones do.
 */
import {createServer} from 'node:net';

/** Now in Unix milliseconds with fractions. */
const now = () => performance.timeOrigin + performance.now();
/** Longest time that it takes to close, in ms. */
const CLOSE_DELAY = 300;

export class Device {
    /** What happened: `open`, `busy`, `picture` (its user's first, if it tells), `close` (its user is gone), `free`. @type {{at: number, what: string}[]} */
    log = [];
    #user;
    #server;

    /** @param {string} path of the socket */
    static async start(path) {
        const device = new Device();
        device.#server = createServer(socket => device.#asked(socket));
        await new Promise((resolve, reject) => {
            device.#server.once('error', reject);
            device.#server.listen(path, () => resolve(undefined));
        });
        return device;
    }

    #asked(socket) {
        socket.on('error', () => {});
        if (this.#user) {
            this.#note('busy');
            socket.resume();
            socket.end('busy\n');
            return;
        }
        // A line: when its first picture was there.
        socket.on('data', line => this.#note('picture', Number(line)));
        this.#user = socket;
        this.#note('open');
        socket.write('free\n');
        socket.once('close', () => {
            this.#note('close');
            setTimeout(() => {
                this.#user = undefined;
                this.#note('free');
            }, Math.random() * CLOSE_DELAY);
        });
    }

    #note(what, at = now()) { this.log.push({at, what}); }

    /** The last of a kind since some time. @param {string} what */
    last(what, since = 0) { return this.log.findLast(e => e.what === what && e.at >= since); }

    /** Nobody has it, and it is closed. */
    get isFree() { return !this.#user; }

    stop() {
        this.#server.close();
        this.#user?.destroy?.();
    }
}
