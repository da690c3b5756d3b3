/** One browser and one stream at a time; several lanes measure side by side. */
import {spawn, spawnSync} from 'node:child_process';
import {createServer} from 'node:http';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {launch} from '../../tools/ui/browser.mjs';
import {browserAddress, names, PORTS, ROOT, SERVER, Server} from './lab.mjs';
import {OTHER, RARE_KEYFRAMES, SETTINGS, SLOW, SOURCES, SPECIAL, Tools} from './sources.mjs';
import {Viewer} from './viewer.mjs';

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
/** Now in Unix milliseconds with fractions. */
const now = () => performance.timeOrigin + performance.now();
/** Longest wait for a picture and for a release. */
const PATIENCE = 20_000;
/** Lanes for which there are streams. */
export const LANES = 6;
/** Reads what is no media, and says when there is something. */
const READ_TEXT = 'import sys, urllib.request\nwith urllib.request.urlopen(sys.argv[1]) as answer:\n    while answer.read1(65536): print("frame=1", flush=True)';
/** Asks once, and says when the answer was there. */
const ASK = 'import sys, time, urllib.request\nwith urllib.request.urlopen(sys.argv[1]) as answer:\n    size = sum(map(len, iter(lambda: answer.read1(65536), b"")))\nif size: print(time.time() * 1000)';
/** Longest run, with the browser's start. */
const RUN = 120_000;

/** A promise's value, or an error after some ms. */
function within(ms, promise) {
    let timer;
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`nothing happens for ${ms / 1000} s`)), ms); });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Server, cameras and the foreign player's page. @param {string} id */
export async function startLab(id) {
    const tools = await Tools.start(LANES);
    const streams = [];
    for (const [kind, source] of Object.entries({...SOURCES, ...SPECIAL})) {
        for (let lane = 0; lane < LANES; lane++) {
            for (const profile of ['', 'fast']) {
                const url = JSON.stringify(source(lane, tools));
                const more = kind === 'device' ? `exclusive: device${lane}` : SETTINGS[kind];
                streams.push(`  ${kind}${lane}${profile}: {url: ${url}${profile && `, liveness: ${profile}`}${more ? `, ${more}` : ''}}`);
            }
        }
    }
    for (let lane = 0; lane < LANES; lane++) {
        streams.push(`  slow${lane}: ${JSON.stringify(SLOW(lane))}`);
        streams.push(`  other${lane}: {url: ${JSON.stringify(OTHER(lane, tools))}, exclusive: device${lane}}`);
    }
    streams.push(`  rare: ${JSON.stringify(RARE_KEYFRAMES())}`);
    const config = `api: {listen: ":${PORTS.api}", origin: "*"}\nrtsp: {listen: ":${PORTS.rtsp}"}\nwebrtc: {listen: ":${PORTS.webrtc}"}\n`
        + `log: {format: text}\nstreams:\n${streams.join('\n')}\n`;
    const server = await Server.start(config);
    const html = name => readFileSync(join(ROOT, 'tests/release', name));
    const [player, offer] = [html('page.html'), html('offer.html')];
    const pages = createServer((request, reply) => reply.setHeader('content-type', 'text/html').end(request.url?.startsWith('/offer') ? offer : player));
    await new Promise(resolve => pages.listen(PORTS.page, SERVER, () => resolve(undefined)));
    return {
        id, server, tools,
        async close() {
            pages.close();
            pages.closeAllConnections();
            await server.stop();
            tools.stop();
        },
    };
}

export class Lane {
    /** @param {any} lab @param {number} number */
    constructor(lab, number) {
        Object.assign(this, {lab, id: lab.id, server: lab.server, number});
    }

    /** One run: play, wait a random time, leave, wait for the camera. */
    async measure(row, source) {
        this.acted = false;
        try {
            const how = row.swap ? this.#swap() : row.reader ? this.#read(row, source) : row.asked ? this.#ask(row, source)
                : row.published ? this.#publish(row, source) : row.seconds ? this.#resume(row, source) : this.#leave(row, source);
            return await within(RUN, how);
        } catch (err) {
            await this.#drop();
            // Where the page begins with what is measured, that counts.
            return {error: String(err.message).split('\n')[0].slice(0, 400), begun: this.acted && (row.player !== 'none' || this.begun !== undefined)};
        } finally {
            await row.undo?.(this)?.catch(() => {});
            if (row.undo || !row.keepsBrowser) await this.#drop();
        }
    }

    async #leave(row, source) {
        this.stream = `${source}${this.number}${row.profile ?? ''}`;
        await this.#idle();
        const from = this.server.feed.seen.length;
        this.letGo = undefined;
        this.begun = undefined;
        const played = row.player !== 'none';
        await row.prepare?.(this);
        if (played) {
            await this.#play(row.player, row.mode);
            await sleep(2000 + Math.random() * 3000);
        }
        const session = await this.server.session(this.stream);
        if (played && !session) throw new Error('no session');
        const before = this.#programs();
        this.acted = true;
        const t0 = now();
        await row.act(this);
        const filling = row.fills ? this.#filling() : undefined;
        const {at, reason, detect_ms, release_ms} = await this.#released(from, row.limit).finally(() => filling?.stop());
        const start = filling?.full ?? this.begun ?? t0;
        // What the server says is checked: its child must be gone.
        const after = source === 'exec' ? this.#programs() : [];
        if (after.some(pid => before.includes(pid))) throw new Error('the program still runs');
        const letGo = this.letGo ?? (row.fromPage ? await this.#letGo() : undefined);
        const result = {
            total: at - start, detect: at - start - release_ms, release: release_ms, server: detect_ms, reason,
            fromLetGo: letGo ? Math.max(0, at - letGo) : undefined, limit: session?.limit_ms,
        };
        if (row.keepsBrowser) await this.#leavePage();
        return result;
    }

    /** ffmpeg reads one of the other outputs and leaves. */
    async #read(row, source) {
        this.stream = `${source}${this.number}`;
        await this.#idle();
        const from = this.server.feed.seen.length;
        await row.prepare?.(this);
        const over = row.reader('').startsWith('rtsp') ? ['-rtsp_transport', 'tcp'] : [];
        const program = row.text ? ['python3', '-c', READ_TEXT, row.reader(this.stream)] : ['ffmpeg', '-v', row.polls ? 'info' : 'error', '-nostdin',
            ...over, '-i', row.reader(this.stream), '-c', 'copy', '-progress', 'pipe:1', '-stats_period', '0.1', '-f', 'null', '-'];
        const reader = this.#onHost(...program);
        try {
            let error = '', fetched = 0;
            reader.stderr.on('data', data => {
                error = `${error}${data}`.slice(-4000);
                // What it opens it says before it asks.
                if (/Opening '[^']*segment\./.test(data)) fetched = now();
            });
            await within(PATIENCE, new Promise((resolve, reject) => {
                // Once there are pictures, or sound alone, it has read what was there and follows.
                reader.stdout.on('data', text => { if (/^(frame|out_time_us)=[1-9]/m.test(text)) resolve(undefined); });
                reader.once('close', () => reject(new Error(`the reader ended: ${error.trim().split('\n').at(row.polls ? -1 : 0)}`)));
                reader.once('error', reject);
            }));
            await sleep(1000 + Math.random() * 2000);
            const before = this.#programs();
            this.acted = true;
            const start = now();
            await row.act(this);
            const filling = row.fills ? this.#filling() : undefined;
            const {at, reason, detect_ms, release_ms} = await this.#released(from, row.limit).finally(() => filling?.stop());
            if (source === 'exec' && this.#programs().some(pid => before.includes(pid))) throw new Error('the program still runs');
            if (row.polls && !fetched) throw new Error('the reader does not say what it fetches');
            const left = row.polls ? Math.max(start, fetched) : filling?.full ?? start;
            return {total: at - left, detect: at - left - release_ms, release: release_ms, server: detect_ms, reason};
        } finally {
            reader.kill('SIGKILL');
        }
    }

    /** Starts a program on the viewers' host; a row's signals are for it. */
    #onHost(...program) {
        this.reader = spawn('ip', ['netns', 'exec', names(this.id, this.number).browser, 'nice', '-n', '10', ...program], {stdio: ['ignore', 'pipe', 'pipe']});
        return this.reader;
    }

    /** What the server says of the camera's release since some event. */
    async #released(from, limit = PATIENCE) {
        const released = await this.server.feed.find(from, (name, data) => name === 'source_released' && data.stream === this.stream, limit);
        if (!released) throw new Error('the camera was not let go');
        return released.data;
    }

    /** A client asks once: it has its answer, or leaves while the camera is dialled. */
    async #ask(row, source) {
        this.stream = row.dials ? `slow${this.number}` : `${source}${this.number}`;
        await this.#idle();
        const from = this.server.feed.seen.length;
        const client = this.#onHost('/usr/bin/python3', '-I', '-c', ASK, row.asked(this.stream));
        let said = '', error = '';
        client.stdout.on('data', data => { said += data; });
        client.stderr.on('data', data => { error = `${error}${data}`.slice(-4000); });
        const answered = new Promise((resolve, reject) => {
            client.once('close', () => Number(said) ? resolve(Number(said)) : reject(new Error(`no answer: ${error.trim().split('\n').at(-1)}`)));
            client.once('error', reject);
        });
        answered.catch(() => {});
        try {
            let start = row.dials ? await this.#dialled() : await within(PATIENCE, answered);
            const before = this.#programs();
            this.acted = true;
            if (row.act) {
                start = now();
                await row.act(this);
            }
            const {at, reason, detect_ms, release_ms} = await this.#released(from);
            if (this.#programs().some(pid => before.includes(pid))) throw new Error('the program still runs');
            // Where the answer is there the camera may be free before it.
            const total = Math.max(0, at - start);
            return {total, detect: Math.max(0, total - release_ms), release: release_ms, server: detect_ms, reason};
        } finally {
            client.kill('SIGKILL');
        }
    }

    /** A server on the viewers' host gets the stream, until one of the two ends it. */
    async #publish(row, source) {
        this.stream = `${source}${this.number}`;
        await this.#idle();
        const from = this.server.feed.seen.length;
        await row.prepare?.(this);
        const taker = this.#onHost('/usr/bin/python3', '-I', join(ROOT, 'tests/release/taker.py'), String(PORTS.rtsp));
        try {
            let error = '', said = '';
            const waiting = new Map();
            const says = word => within(PATIENCE, new Promise((resolve, reject) => {
                waiting.set(word, resolve);
                taker.once('close', () => reject(new Error(`the other server ended: ${error.trim().split('\n').at(-1)}`)));
                taker.once('error', reject);
            }));
            taker.stderr.on('data', data => { error = `${error}${data}`.slice(-4000); });
            taker.stdout.on('data', data => {
                said += data;
                for (const [word, resolve] of waiting) if (said.includes(word)) resolve(undefined);
            });
            await says('ready');
            const media = says('media');
            await Promise.all([this.publication('POST'), media]);
            await sleep(1000 + Math.random() * 2000);
            this.acted = true;
            const start = now();
            await row.act(this);
            const filling = row.fills ? this.#filling('dport', PORTS.rtsp) : undefined;
            const {at, reason, detect_ms, release_ms} = await this.#released(from, row.limit).finally(() => filling?.stop());
            const total = at - (filling?.full ?? start);
            return {total, detect: total - release_ms, release: release_ms, server: detect_ms, reason};
        } finally {
            // Or it would begin again.
            await this.publication('DELETE').catch(() => {});
            taker.kill('SIGKILL');
        }
    }

    /** Publishes the stream to the viewers' host (`POST`), or withdraws it (`DELETE`). */
    async publication(method) {
        const dst = `rtsp://${browserAddress(this.number)}:${PORTS.rtsp}/taken`;
        const reply = await fetch(`${this.server.base}api/streams?src=${this.stream}&dst=${encodeURIComponent(dst)}`,
            {method, signal: AbortSignal.timeout(PATIENCE), headers: {connection: 'close'}});
        if (!reply.ok) throw new Error(`publication: ${reply.status} ${await reply.text()}`);
    }

    /**
     * Notes when what waits in the kernel for this lane's host has grown for the last time: then its connection was full.
     * @param {'sport'|'dport'} [side] where the port is
     */
    #filling(side = 'sport', port = PORTS.api) {
        const filling = {full: now(), stop: () => clearInterval(timer)};
        let most = 0;
        const timer = setInterval(() => {
            const all = spawnSync('ss', ['-tnH', 'state', 'established', side, '=', `:${port}`, 'and', 'dst', browserAddress(this.number)], {encoding: 'utf8'}).stdout;
            const queued = Math.max(0, ...all.split('\n').map(line => Number(line.trim().split(/\s+/)[1]) || 0));
            if (queued > most) [most, filling.full] = [queued, now()];
        }, 200);
        return filling;
    }

    /** The server's programs for this lane. */
    #programs() {
        const mine = pid => {
            try {
                const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
                // The guard names its program too, and holds nothing.
                return !words.includes('--guard') && words.some(word => word.includes(`lane=${this.number}`));
            } catch { return false; }
        };
        return this.server.children().filter(mine);
    }

    /** Frozen and back: the picture must go on by itself. */
    async #resume(row, source) {
        this.stream = `${source}${this.number}`;
        await this.#idle();
        const from = this.server.feed.seen.length;
        await this.#play('own');
        await sleep(2000 + Math.random() * 1000);
        await row.stop(this);
        await sleep(row.seconds * 1000);
        this.acted = true;
        const t0 = now();
        await row.goOn(this);
        const moves = 'new Promise(done => { const v = document.querySelector("video"), t = v?.currentTime ?? 0;'
            + ' const look = () => { const n = document.querySelector("video"); n && n.currentTime > 0.2 && (n.currentTime < t ? n.currentTime : n.currentTime - t) > 0.5 && !n.paused ? done(n.currentTime) : setTimeout(look, 20); }; look(); })';
        await Promise.race([this.page.evaluate(moves), sleep(PATIENCE).then(() => { throw new Error('the picture does not come back'); })]);
        const back = now() - t0;
        const events = this.server.feed.seen.slice(from).filter(e => e.data.stream === this.stream).map(e => e.name);
        return {total: back, reason: events.filter(n => /parked|resumed|joined/.test(n)).join('+')};
    }

    /**
     * One viewer leaves, another one comes at the same moment for the same device with other
     * settings. What the device itself needs (its close, and from its opening to its first
     * picture) is the minimum; the rest is ours.
     */
    async #swap() {
        const device = this.lab.tools.devices[this.number];
        for (let i = 0; i < 800 && !device.isFree; i++) await sleep(10);
        if (!device.isFree) throw new Error('the device is not closed');
        const viewers = [];
        const watch = (stream, ...options) => {
            const viewer = new Viewer(this, stream, options);
            viewers.push(viewer);
            return viewer;
        };
        try {
            const one = watch(`device${this.number}`), other = watch(`other${this.number}`, '--ask', 'later');
            await one.until('first');
            await sleep(1000 + Math.random() * 1000);
            this.acted = true;
            one.tell('leave');
            other.tell('ask');
            const t0 = (await one.until('left')).at;
            const {at} = await other.until('first');
            const [close, unlocked, opened, picture] = ['close', 'free', 'open', 'picture'].map(what => device.last(what, t0)?.at);
            if (!close || !unlocked || !opened || !picture) throw new Error(`the device saw ${JSON.stringify(device.log.slice(-6))}`);
            return {
                total: at - t0, fromLetGo: at - close, minimum: unlocked - close + picture - opened, detect: close - t0, release: opened - unlocked, start: at - picture,
                busy: device.log.filter(e => e.what === 'busy' && e.at >= t0).length, reason: 'swapped',
            };
        } finally {
            await Promise.all(viewers.map(viewer => viewer.kill()));
        }
    }

    /** A page that offers, over HTTP (`post`) or over a socket (`open`), and never connects. */
    async offer(way) {
        this.page = await (await this.#browser()).newPage();
        await this.page.goto(`http://${SERVER}:${PORTS.page}/offer?src=${this.stream}&server=${encodeURIComponent(this.server.base)}`);
        const answered = await within(PATIENCE, this.page.evaluate(`${way}()`));
        this.begun = answered ?? now();
    }

    /** Closes the page's socket and lets the page be. */
    async closeSocket() { this.begun = await this.page.evaluate('close()'); }

    /** Our player waits for a camera that takes its time, until this is called off. */
    async dial() {
        this.stream = `slow${this.number}`;
        this.page = await (await this.#browser()).newPage();
        await this.page.goto(`${this.server.base}stream.html?src=${this.stream}&background=true&mode=webrtc`, {waitUntil: 'domcontentloaded'});
        await this.#dialled();
    }

    /** The camera that takes its time is dialled, for a moment already. */
    async #dialled() {
        for (let i = 0; i < 1000 && !this.#programs().length; i++) await sleep(10);
        if (!this.#programs().length) throw new Error('the camera is not dialled');
        await sleep(200 + Math.random() * 300);
    }

    /** The tab is closed; the time begins now. */
    closePage() {
        this.begun = now();
        this.page.close().catch(() => {});
    }

    async #browser() {
        if (!this.chromium) {
            this.chromium = await launch({netns: names(this.id, this.number).browser, mdns: 'show', meek: true});
            // A second tab keeps the browser, and reads what a page that left has noted.
            this.helper = await this.chromium.browser.newPage();
            await this.helper.goto(`${this.server.base}api`);
        }
        return this.chromium.browser;
    }

    async #play(player, mode = 'webrtc') {
        const browser = await this.#browser();
        await this.helper.evaluate('localStorage.removeItem("left")');
        this.page = await browser.newPage();
        const failed = [];
        this.page.on('requestfailed', request => failed.push(`${request.url()} ${request.failure()?.errorText}`));
        this.page.on('pageerror', err => failed.push(String(err)));
        await this.page.evaluateOnNewDocument('addEventListener("pagehide", () => localStorage.setItem("left", performance.timeOrigin + performance.now()))');
        const own = `${this.server.base}stream.html?src=${this.stream}&background=true&mode=${mode}`;
        const foreign = `http://${SERVER}:${PORTS.page}/?src=${this.stream}&server=${encodeURIComponent(this.server.base)}`;
        await this.page.goto(player === 'own' ? own : foreign, {waitUntil: 'domcontentloaded'});
        try {
            // These two draw pictures over a video that has none.
            const drawn = ['mp4', 'mjpeg'].includes(mode);
            await this.page.waitForFunction(drawn ? 'document.querySelector("rs-player")?.phase === "live"' : '(document.querySelector("video")?.currentTime ?? 0) > 0.3', {timeout: PATIENCE, polling: 50});
        } catch (err) {
            const shown = await within(3000, this.page.evaluate(() => `${location.href} ${document.readyState} ${document.querySelector('rs-player')?.phase} ${document.body.innerText} ${performance.getEntriesByType('resource').map(r => `${r.name} ${r.responseStatus} ${Math.round(r.duration)}`)}`)).catch(() => '');
            const session = await this.server.session(this.stream).catch(() => null);
            throw new Error(`no picture: ${failed.join(', ')} ${String(shown).replace(/\s+/g, ' ').trim()}; session ${session?.state} ${JSON.stringify(session?.timeline?.slice(-3))}`, {cause: err});
        }
    }

    /** When the page let go, by its own clock. */
    async #letGo() {
        for (let i = 0; i < 50; i++) {
            const left = await this.helper.evaluate('localStorage.getItem("left")');
            if (left) return Number(left);
            await sleep(20);
        }
        return undefined;
    }

    async #leavePage() {
        const {page, moving} = this;
        this.page = this.moving = undefined;
        await within(5000, moving ?? Promise.resolve()).catch(() => {});
        try {
            await within(5000, page?.isClosed() ? Promise.resolve() : page?.close());
        } catch {
            await this.#drop();
        }
    }

    /** Waits until the stream is let go. */
    async #idle() {
        for (let i = 0; i < 800; i++) {
            const streams = await this.server.get('api/streams');
            const mine = streams[this.stream];
            if (!(mine?.consumers?.length) && !await this.server.session(this.stream)) return;
            await sleep(50);
        }
        throw new Error('the stream is still in use');
    }

    async #drop() {
        const {chromium} = this;
        this.chromium = this.page = this.helper = undefined;
        await chromium?.close().catch(() => {});
    }

    async close() { await this.#drop(); }
}
