/** WebRTC viewers without a browser: the program of `crates/testkit/src/bin/webrtc-viewer.rs`. */
import {spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {names, PORTS, ROOT, SERVER} from './lab.mjs';

const BINARY = process.env.VIEWER || join(ROOT, 'target/release/webrtc-viewer');

export class Viewer {
    /** What it has said. @type {any[]} */
    seen = [];
    #waiting = new Set();

    /**
     * Starts one on a lane's host.
     * @param {{id: string, number: number}} lane
     * @param {string} stream
     * @param {string[]} [options] as of the program
     */
    constructor({id, number}, stream, options = []) {
        if (!existsSync(BINARY)) throw new Error(`${BINARY} is missing: cargo build --release -p rs2rtc-testkit --bins`);
        this.child = spawn('ip', ['netns', 'exec', names(id, number).browser, BINARY, '--server', `${SERVER}:${PORTS.api}`, '--src', stream, ...options],
            {stdio: ['pipe', 'pipe', 'pipe']});
        let text = '', error = '';
        this.child.stderr.on('data', data => { error += data; });
        this.child.stdin.on('error', () => {});
        this.child.stdout.on('data', data => {
            const lines = (text + data).split('\n');
            text = lines.pop() ?? '';
            for (const line of lines) this.seen.push(JSON.parse(line));
            this.#wake();
        });
        /** Why it failed; undefined if it did not. @type {Promise<string|undefined>} */
        this.ended = new Promise(resolve => this.child.once('close', (code, signal) => {
            this.failed = code === 0 ? undefined : error.trim() || `it ended with ${code ?? signal}`;
            this.over = true;
            this.#wake();
            resolve(this.failed);
        }));
    }

    #wake() { for (const wake of [...this.#waiting]) wake(); }

    /** The n-th line of an event. @param {string} event */
    async until(event, limit = 25_000, n = 0) {
        const until = Date.now() + limit;
        for (;;) {
            const found = this.seen.filter(line => line.event === event)[n];
            if (found) return found;
            if (this.over) throw new Error(this.failed ?? `it ended before "${event}"`);
            const left = until - Date.now();
            if (left <= 0) throw new Error(`a viewer without "${event}"`);
            await new Promise(resolve => {
                const wake = () => { this.#waiting.delete(wake); clearTimeout(timer); resolve(undefined); };
                const timer = setTimeout(wake, left);
                this.#waiting.add(wake);
            });
        }
    }

    /** What it has received. */
    async stats() {
        const n = this.seen.filter(line => line.event === 'stats').length;
        this.child.stdin.write('stats\n');
        return this.until('stats', 5000, n);
    }

    /** @param {string} line */
    tell(line) { this.child.stdin.write(`${line}\n`); }

    /** Ends it, if it still runs, like a crash. */
    async kill() {
        this.child.kill('SIGKILL');
        await this.ended;
    }
}
