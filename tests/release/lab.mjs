/**
 * A laboratory of network namespaces: the server in one, browsers in another (one for
 * each lane), a switch and cables between them. Nothing outside is touched; all is gone at
 * the end.
 */
import {execFileSync, spawn, spawnSync} from 'node:child_process';
import {mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
export const ROOT = join(HERE, '..', '..');
const NETWORK = '10.77.0', FIRST_BROWSER = 2;
export const SERVER = `${NETWORK}.1`;
export const PORTS = {api: 1984, rtsp: 8554, webrtc: 8555, page: 1985};

const run = (...args) => execFileSync(args[0], args.slice(1), {stdio: ['ignore', 'pipe', 'pipe']}).toString();
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** Names of the server's namespace, and of a lane's with its cable: browser's end, server's end. */
export const names = (id, lane = 0) => ({server: `rr-s-${id}`, browser: `rr-b-${id}-${lane}`, cable: [`rrb${id}${lane}`, `rrs${id}${lane}`]});

/** The address of a lane's browsers. */
export const browserAddress = lane => `${NETWORK}.${FIRST_BROWSER + lane}`;

const sysctl = (ns, name, value) => run('ip', 'netns', 'exec', ns, 'sysctl', '-qw', `net.${name}=${value}`);

/**
 * Whether there can be no namespaces; says that a program leaves its work out, which is an error in CI if it is root there:
 * then only a package is missing that our script installs.
 * @param {string} program
 */
export function cannotRun(program) {
    const root = process.getuid?.() === 0;
    if (root && spawnSync('ip', ['netns']).status === 0) return false;
    console.log(`${program}: SKIPPED: it needs ${root ? '`ip netns` (iproute2)' : 'root'}`);
    if (root && process.env.CI) process.exitCode = 1;
    return true;
}

/** Makes namespaces: the server's with a switch, and one for each lane's browsers, plugged in. @param {string} id */
export function build(id, lanes = 1) {
    const {server} = names(id);
    const add = ns => {
        run('ip', 'netns', 'add', ns);
        // Addresses that appear late make browsers drop what they load.
        for (const scope of ['all', 'default']) sysctl(ns, `ipv6.conf.${scope}.disable_ipv6`, 1);
        run('ip', '-n', ns, 'link', 'set', 'lo', 'up');
    };
    const plug = (ns, link, address) => {
        run('ip', '-n', ns, 'addr', 'add', `${address}/24`, 'dev', link);
        run('ip', '-n', ns, 'link', 'set', link, 'up');
    };
    add(server);
    run('ip', '-n', server, 'link', 'add', 'switch', 'type', 'bridge');
    plug(server, 'switch', SERVER);
    for (let lane = 0; lane < lanes; lane++) {
        const {browser, cable} = names(id, lane);
        add(browser);
        run('ip', 'link', 'add', cable[0], 'netns', browser, 'type', 'veth', 'peer', 'name', cable[1], 'netns', server);
        run('ip', '-n', server, 'link', 'set', cable[1], 'master', 'switch', 'up');
        plug(browser, cable[0], browserAddress(lane));
        untilUp(browser, cable[0]);
    }
}

/**
 * Until a link can carry something, up to a second after it was set up: a Chromium that starts before finds no address for WebRTC
 * for as long as it runs.
 */
function untilUp(ns, link) {
    for (const end = Date.now() + 20_000; Date.now() < end;) {
        if (spawnSync('ip', ['-n', ns, '-o', 'link', 'show', link]).stdout?.includes('state UP')) return;
    }
    throw new Error(`${link} in ${ns} is not up`);
}

/** Removes them, and whatever still runs in them. @param {string} id */
export function destroy(id) {
    const ours = (spawnSync('ip', ['netns', 'list']).stdout ?? '').toString().split('\n')
        .map(line => line.split(' ')[0]).filter(ns => ns === names(id).server || ns.startsWith(`rr-b-${id}-`));
    for (const ns of ours) {
        for (const pid of (spawnSync('ip', ['netns', 'pids', ns]).stdout ?? '').toString().split('\n').filter(Boolean)) {
            if (Number(pid) !== process.pid) try { process.kill(Number(pid), 'SIGKILL'); } catch { /* gone */ }
        }
        spawnSync('ip', ['netns', 'del', ns]);
    }
}

/** Plugs a lane's cable in or out. */
export const cable = ({id, number}, state) => run('ip', '-n', names(id, number).browser, 'link', 'set', names(id, number).cable[0], state);

/** Lets a lane's host say that a port is closed, as Linux does by itself, or not. */
export function icmp({id, number}, on) {
    const {browser} = names(id, number);
    // A host sends so many such messages a second, six in a row; none without a token.
    sysctl(browser, 'ipv4.icmp_ratemask', on ? 6168 : 8);
    sysctl(browser, 'ipv4.icmp_ratelimit', on ? 1000 : 2147483647);
}

/** Gives the connections that a lane's host opens buffers that are full soon, or the usual ones. */
export function smallBuffers({id, number}, on) {
    sysctl(names(id, number).browser, 'ipv4.tcp_rmem', on ? '4096 16384 16384' : '4096 131072 6291456');
}

/** A running server in its namespace; this process must be in it too. */
export class Server {
    /** @param {string} config */
    static async start(config) {
        const folder = mkdtempSync(join(tmpdir(), 'rs2rtc-release-'));
        writeFileSync(join(folder, 'rs2rtc.yaml'), config);
        const log = join(folder, 'log');
        const out = openSync(log, 'w');
        const binary = process.env.RS2RTC || join(ROOT, 'target/release/rs2rtc');
        const child = spawn(binary, ['-config', join(folder, 'rs2rtc.yaml')], {stdio: ['ignore', out, out], cwd: folder});
        const server = new Server(child, folder, log);
        for (let i = 0; i < 200; i++) {
            try {
                await server.get('api');
                server.feed = await Feed.open();
                return server;
            } catch { await sleep(50); }
        }
        throw new Error(`the server does not start:\n${server.log()}`);
    }

    constructor(child, folder, log) {
        Object.assign(this, {child, folder, logFile: log, pid: child.pid, base: `http://${SERVER}:${PORTS.api}/`});
    }

    async get(path) {
        // A connection of its own: one that rests may be closed just when it is used again.
        const reply = await fetch(`http://127.0.0.1:${PORTS.api}/${path}`, {signal: AbortSignal.timeout(5000), headers: {connection: 'close'}});
        if (!reply.ok) throw new Error(`${path}: ${reply.status}`);
        return path.startsWith('api') ? reply.json() : reply.text();
    }

    log() { return readFileSync(this.logFile, 'utf8'); }

    /** The newest session of a stream that may hold its camera. @param {string} stream */
    async session(stream) {
        const {sessions} = await this.get('api/rs/sessions');
        return sessions.filter(s => s.stream === stream && !['gone', 'parked'].includes(s.state)).at(-1);
    }

    /** Ids of all processes below the server. */
    children(pid = this.pid, found = []) {
        for (const task of list(`/proc/${pid}/task`)) {
            for (const child of read(`/proc/${pid}/task/${task}/children`).split(' ').filter(Boolean)) {
                found.push(Number(child));
                this.children(Number(child), found);
            }
        }
        return found;
    }

    /** Descriptors in use. */
    descriptors() { return list(`/proc/${this.pid}/fd`).length; }

    async stop() {
        this.feed?.close();
        const ended = new Promise(resolve => this.child.once('exit', resolve));
        this.child.kill('SIGTERM');
        await Promise.race([ended, sleep(4000)]);
        this.child.kill('SIGKILL');
        rmSync(this.folder, {recursive: true, force: true});
    }
}

const list = path => { try { return readdirSync(path); } catch { return []; } };
const read = path => { try { return readFileSync(path, 'utf8').trim(); } catch { return ''; } };

/** The server's live events. */
class Feed {
    /** @type {{name: string, data: any}[]} */
    seen = [];
    /** @type {Set<() => void>} */
    #waiting = new Set();
    #abort = new AbortController();

    static async open() {
        const feed = new Feed();
        const reply = await fetch(`http://127.0.0.1:${PORTS.api}/api/rs/events?topics=streams,sessions`, {signal: feed.#abort.signal});
        if (!reply.ok || !reply.body) throw new Error(`events: ${reply.status}`);
        feed.#read(reply.body).catch(() => {});
        return feed;
    }

    async #read(body) {
        const decoder = new TextDecoder();
        let text = '';
        for await (const chunk of body) {
            text += decoder.decode(chunk, {stream: true});
            const whole = text.split('\n\n');
            text = whole.pop() ?? '';
            for (const lines of whole) {
                const fields = Object.fromEntries(lines.split('\n').map(l => [l.slice(0, l.indexOf(':')), l.slice(l.indexOf(':') + 2)]));
                if (fields.event) this.seen.push({name: fields.event, data: JSON.parse(fields.data)});
            }
            for (const wake of this.#waiting) wake();
        }
    }

    /**
     * The first event since `from` that fits; undefined after `limit` ms.
     * @param {number} from index into `seen`
     */
    async find(from, fits, limit) {
        const until = Date.now() + limit;
        for (;;) {
            const found = this.seen.slice(from).find(e => fits(e.name, e.data));
            const left = until - Date.now();
            if (found || left <= 0) return found;
            await new Promise(resolve => {
                const wake = () => { this.#waiting.delete(wake); clearTimeout(timer); resolve(undefined); };
                const timer = setTimeout(wake, left);
                this.#waiting.add(wake);
            });
        }
    }

    close() { this.#abort.abort(); }
}
