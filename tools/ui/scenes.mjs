/**
 * What the pages go through with the release binary. Tests look at what happens there (`restart`, `cached`, `paint`), which is the same on
 * every machine; `bench-pages.mjs` looks at how long it takes, which is not.
 */
import assert from 'node:assert/strict';
import {launch} from './browser.mjs';
import {rs2rtc, watch} from './rs2rtc.mjs';

/** A page's player shows a picture. */
const live = () => /** @type {any} */ (document.querySelector('rs-player'))?.phase === 'live';
/** Milliseconds that anything may take before it has failed. */
const PATIENCE = 60_000;

/** Waits until the list of consumers of all streams has this length. @param {string} url @param {number} wanted */
async function consumers(url, wanted) {
    for (const end = Date.now() + PATIENCE; ;) {
        const open = Object.values(await (await fetch(`${url}api/streams`)).json()).flatMap(one => one.consumers ?? []);
        if (open.length === wanted) return;
        assert.ok(Date.now() < end, `${wanted} wanted: ${JSON.stringify(open)}`);
        await new Promise(resolve => setTimeout(resolve, 20));
    }
}

/**
 * @typedef {object} Restart
 * @property {number} banner ms from the death of the server to the page saying so
 * @property {number} tiles ms from the new server listening to every tile playing
 * @property {number} listening when the new server listened
 * @property {[string, string, number][]} story what happened in the page, in order: a tile or `page`, what it said, when
 */

/**
 * The server dies while two tiles play that nobody has started, is away until each has tried in vain some times, and is started again.
 * @param {{rounds: number, tries: number}} options
 * @returns {Promise<Restart[]>}
 */
export async function restarts({rounds, tries}) {
    const server = await rs2rtc('streams:\n  door: demo:?width=320&height=180&fps=15\n  yard: demo:?width=320&height=180&fps=15\n');
    const {browser, close} = await launch({mdns: 'show'}), seen = /** @type {Restart[]} */ ([]);
    try {
        const page = await browser.newPage();
        await page.evaluateOnNewDocument(() => {
            const story = /** @type {[string, string, number][]} */ ([]);
            /** @type {any} */ (window).story = story;
            document.addEventListener('state', ev => {
                const tile = /** @type {Element} */ (ev.target).closest('.tile');
                if (tile) story.push([tile.getAttribute('data-name') ?? '', /** @type {CustomEvent} */ (ev).detail.state, Date.now()]);
            });
            let said = '';
            addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
                const banner = /** @type {HTMLElement|null} */ (document.querySelector('.banner'));
                const text = banner && !banner.hidden ? /Server (not|restarted)/.exec(banner.textContent ?? '')?.[1] ?? '' : '';
                if (text && text !== said) story.push(['page', text, Date.now()]);
                said = text || said;
            }).observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true}));
        });
        const playing = () => page.waitForFunction(() => {
            const players = /** @type {any[]} */ ([...document.querySelectorAll('.tile rs-player')]);
            return players.length === 2 && players.every(one => one.phase === 'live' && !one.video.paused) && Date.now();
        }, {polling: 20, timeout: PATIENCE}).then(handle => handle.jsonValue());
        // The tiles play by themselves, because somebody else watches until they do.
        const others = await Promise.all(['door', 'yard'].map(name => watch(`${server.url}api/stream.mp4?src=${name}`)));
        await page.goto(`${server.url}?lang=en`);
        await playing();
        for (const leave of others) leave();
        await consumers(server.url, 2);
        while (seen.length < rounds) {
            await page.evaluate(() => { /** @type {any} */ (window).story.length = 0; });
            const killed = Date.now();
            await server.kill();
            await page.waitForFunction(tries => ['door', 'yard'].every(name => /** @type {any} */ (window).story.filter(([who, what]) => who === name && what === 'retrying').length >= tries), {polling: 20, timeout: PATIENCE}, tries);
            await server.again();
            const listening = Date.now();
            await page.waitForFunction(() => /** @type {any} */ (window).story.some(([who, what]) => who === 'page' && what === 'restarted'), {polling: 20, timeout: PATIENCE});
            const tiles = Number(await playing()) - listening, story = /** @type {Restart['story']} */ (await page.evaluate(() => /** @type {any} */ (window).story));
            const banner = story.find(([who, what]) => who === 'page' && what === 'not');
            assert.ok(banner, `the page says that the server is gone: ${JSON.stringify(story)}`);
            seen.push({banner: banner[2] - killed, tiles, listening, story});
        }
    } finally {
        await close();
        await server.stop();
    }
    return seen;
}

/**
 * @typedef {object} Return
 * @property {boolean} persisted the browser had kept the page
 * @property {boolean} old the last picture from before stood there until then
 * @property {number} ms from the page being back to a new picture
 */

/**
 * A camera's page is left for another one and comes back out of the cache of the browser. Nobody holds the camera meanwhile; one does afterwards.
 * @param {{visits: number}} options
 * @returns {Promise<Return[]>}
 */
export async function returns({visits}) {
    const server = await rs2rtc('streams:\n  cam: demo:?width=320&height=180&fps=25\n'), {browser, close} = await launch({mdns: 'show', backForwardCache: true});
    const seen = /** @type {Return[]} */ ([]);
    try {
        const page = await browser.newPage();
        await page.goto(`${server.url}camera.html?src=cam&lang=en`);
        await page.waitForFunction(live, {polling: 20, timeout: PATIENCE});
        await page.evaluate(() => addEventListener('pageshow', ev => {
            const began = performance.now(), player = /** @type {any} */ (document.querySelector('rs-player')), video = /** @type {HTMLVideoElement} */ (player.video);
            const back = {persisted: ev.persisted, old: player.querySelector('canvas.last')?.hidden === false, ms: 0};
            /** @type {any} */ (window).back = back;
            const look = () => {
                if (player.phase === 'live') back.ms = performance.now() - began;
                else video.requestVideoFrameCallback(look);
            };
            video.requestVideoFrameCallback(look);
        }));
        while (seen.length < visits) {
            // One way has won, and its picture has come: while it takes over from another one there is none to keep.
            await consumers(server.url, 1);
            await page.waitForFunction(() => /** @type {any} */ (document.querySelector('rs-player')).video.readyState >= 2, {polling: 20, timeout: PATIENCE});
            await page.goto(`${server.url}links.html?src=cam&lang=en`);
            await page.waitForSelector('.urls li');
            await consumers(server.url, 0);
            await page.goBack();
            // What the driver waits for in a page that comes out of the cache may be forgotten; a question is answered.
            const ask = () => page.evaluate(() => /** @type {any} */ (window).back);
            let back = await ask();
            for (const end = Date.now() + PATIENCE; !back?.ms; back = await ask()) {
                assert.ok(Date.now() < end, JSON.stringify(back));
                await new Promise(resolve => setTimeout(resolve, 20));
            }
            await page.evaluate(() => { delete /** @type {any} */ (window).back; });
            seen.push(back);
            await consumers(server.url, 1);
        }
    } finally {
        await close();
        await server.stop();
    }
    return seen;
}

/**
 * @typedef {object} Paint
 * @property {number} ms from the navigation to the tiles on the screen
 * @property {string[]} requests what was asked for until then
 * @property {number} shift how much what was there has moved since (Layout Instability API), 0 to 1
 * @property {number} opened how often a camera was dialled, until every tile has been seen and everything that the page put off has been done
 */

/**
 * What a server tells on its feed. `after` does something that is told there, and gives what was heard until then.
 * @param {string} url
 */
function listen(url) {
    const ended = new AbortController();
    let heard = '', wake = () => {};
    const reads = fetch(`${url}api/rs/events?topics=streams`, {signal: ended.signal}).then(async answer => {
        for await (const bytes of answer.body ?? []) {
            heard += Buffer.from(bytes).toString();
            wake();
        }
    }).catch(() => {});
    return {
        /** @param {RegExp} event @param {() => Promise<any>} cause */
        async after(event, cause) {
            const from = heard.length, signal = AbortSignal.timeout(PATIENCE);
            await cause();
            while (!event.test(heard.slice(from))) {
                await new Promise(resolve => {
                    wake = () => resolve(undefined);
                    signal.addEventListener('abort', wake);
                });
                signal.throwIfAborted();
            }
            const all = heard;
            heard = '';
            return all;
        },
        async stop() {
            ended.abort();
            await reads;
        },
    };
}

/** In the page: `window.putOff` tells how much is to be done that the page put off for less than two seconds, or has not repeated since `window.again()`. */
function countPutOff() {
    const {setTimeout, clearTimeout, setInterval, clearInterval} = window, waiting = new Set(), repeated = /** @type {Map<number, number>} */ (new Map());
    window.setTimeout = /** @type {any} */ ((/** @type {any} */ run, /** @type {number} */ ms = 0, /** @type {any[]} */ ...args) => {
        const id = setTimeout(() => {
            run(...args);
            waiting.delete(id);
        }, ms);
        if (ms < 2000) waiting.add(id);
        return id;
    });
    window.clearTimeout = id => {
        waiting.delete(id);
        clearTimeout(id);
    };
    window.setInterval = /** @type {any} */ ((/** @type {any} */ run, /** @type {number} */ ms = 0, /** @type {any[]} */ ...args) => {
        const id = setInterval(() => {
            run(...args);
            repeated.set(id, (repeated.get(id) ?? 0) + 1);
        }, ms);
        if (ms <= 5000) repeated.set(id, 0);
        return id;
    });
    window.clearInterval = /** @type {any} */ ((/** @type {number} */ id) => {
        repeated.delete(id);
        clearInterval(id);
    });
    Object.assign(window, {
        putOff: () => waiting.size + [...repeated.values()].filter(times => times < 2).length,
        again() {
            for (const id of repeated.keys()) repeated.set(id, 0);
        },
    });
}

/**
 * Live with 16 cameras that sleep, with the connection and the browser's process warm and the cache empty.
 * @param {{visits: number}} options
 * @returns {Promise<Paint[]>}
 */
export async function paints({visits}) {
    const server = await rs2rtc(`streams:\n${Array.from({length: 16}, (_, i) => `  cam${i + 1}: demo:?width=320&height=180\n`).join('')}`);
    const {browser, close} = await launch({mdns: 'show'}), seen = /** @type {Paint[]} */ ([]), feed = listen(server.url);
    try {
        const page = await browser.newPage();
        await page.setCacheEnabled(false);
        await page.evaluateOnNewDocument(countPutOff);
        await page.evaluateOnNewDocument(() => {
            /** @type {any} */ (window).shift = 0;
            new PerformanceObserver(list => {
                for (const one of /** @type {any[]} */ (list.getEntries())) if (!one.hadRecentInput) /** @type {any} */ (window).shift += one.value;
            }).observe({type: 'layout-shift', buffered: true});
            // In the frame after the one that they are drawn in they have been seen.
            const look = () => document.querySelectorAll('.tile').length >= 16
                ? requestAnimationFrame(() => { /** @type {any} */ (window).painted = performance.now(); }) : requestAnimationFrame(look);
            look();
        });
        while (seen.length < visits) {
            await page.goto(`${server.url}?lang=en`);
            await page.waitForFunction(() => /** @type {any} */ (window).painted, {timeout: PATIENCE});
            const shown = await page.evaluate(() => {
                const {painted, shift} = /** @type {any} */ (window);
                return {ms: painted, shift, requests: performance.getEntriesByType('resource').filter(one => one.startTime < painted).map(one => new URL(one.name).pathname)};
            });
            // Every tile is seen, and gets its still picture; then whatever was put off is done, twice where it is done again and again. A player has not to be waited for.
            const asked = () => new Set(performance.getEntriesByType('resource').filter(one => one.name.includes('/api/rs/poster') && one.responseEnd).map(one => new URL(one.name).searchParams.get('src'))).size;
            for (let tile = 0; tile < 16; tile += 4) {
                await page.evaluate(at => document.querySelectorAll('.tile')[at].scrollIntoView({block: 'start'}), tile);
                await page.waitForFunction(`(${asked})() >= ${tile + 4} || document.querySelector('rs-player')`, {polling: 50, timeout: PATIENCE});
            }
            await page.evaluate(() => /** @type {any} */ (window).again());
            await page.waitForFunction(() => /** @type {any} */ (window).putOff() === 0 || document.querySelector('rs-player'), {polling: 50, timeout: PATIENCE});
            const cause = (/** @type {string} */ method) => () => fetch(`${server.url}api/streams?name=mark&src=${method === 'PUT' ? 'demo:' : 'mark'}`, {method});
            const told = await feed.after(/^event: streams_changed$/m, cause('PUT'));
            await feed.after(/^event: streams_changed$/m, cause('DELETE'));
            const streams = await (await fetch(`${server.url}api/streams`)).json();
            seen.push({...shown, opened: (told.match(/^event: source_opening$/gm)?.length ?? 0) + Object.values(streams).filter(one => one.consumers).length});
        }
    } finally {
        await feed.stop();
        await close();
        await server.stop();
    }
    return seen;
}

/**
 * @typedef {object} SlowStart
 * @property {number} ms from the navigation until every tile and the page have their buttons
 * @property {number[]} long tasks of the page's thread, ms, until its stills were asked for
 * @property {number} shift how much what was there has moved since (Layout Instability API), 0 to 1
 */

/**
 * Live with 16 cameras that sleep, on a thread that is four times slower than it is.
 * @param {{visits: number}} options
 * @returns {Promise<SlowStart[]>}
 */
export async function slowStarts({visits}) {
    const server = await rs2rtc(`streams:\n${Array.from({length: 16}, (_, i) => `  cam${i + 1}: rtsp://127.0.0.1:1/cam\n`).join('')}`);
    const {browser, close} = await launch({mdns: 'show'}), seen = /** @type {SlowStart[]} */ ([]);
    try {
        const page = await browser.newPage(), devtools = await page.createCDPSession();
        await page.setViewport({width: 1280, height: 900});
        await page.setCacheEnabled(false);
        await page.evaluateOnNewDocument(() => {
            const long = /** @type {number[]} */ ([]);
            Object.assign(window, {long, shift: 0});
            new PerformanceObserver(list => long.push(...list.getEntries().map(one => one.duration))).observe({type: 'longtask', buffered: true});
            new PerformanceObserver(list => {
                for (const one of /** @type {any[]} */ (list.getEntries())) if (!one.hadRecentInput) /** @type {any} */ (window).shift += one.value;
            }).observe({type: 'layout-shift', buffered: true});
            const look = () => {
                const tiles = [...document.querySelectorAll('.tile')], tools = document.querySelectorAll('.tools button');
                if (tiles.length >= 16 && tools.length > 2 && tiles.every(one => one.querySelector('.start'))) /** @type {any} */ (window).ready = performance.now();
                else requestAnimationFrame(look);
            };
            look();
        });
        await devtools.send('Emulation.setCPUThrottlingRate', {rate: 4});
        while (seen.length < visits) {
            await page.goto(`${server.url}?lang=en`);
            await page.waitForFunction(() => /** @type {any} */ (window).ready, {polling: 100, timeout: PATIENCE});
            await page.waitForFunction(() => performance.getEntriesByType('resource').some(one => one.name.includes('/api/rs/poster')), {polling: 100, timeout: PATIENCE});
            seen.push(await page.evaluate(() => {
                const {ready, long, shift} = /** @type {any} */ (window);
                return {ms: ready, long, shift};
            }));
        }
    } finally {
        await close();
        await server.stop();
    }
    return seen;
}

/**
 * @typedef {object} Overload
 * @property {number} playing tiles, of 16, at the end
 * @property {number} frames that came in the last seconds
 * @property {number} dropped of them
 * @property {number[]} long tasks of the page's thread, ms
 */

/**
 * 16 cameras are to play for some seconds, and the page's thread is four times slower than it is; the last seconds count.
 * @param {{seconds: number, last: number}} options
 * @returns {Promise<Overload>}
 */
export async function overload({seconds, last}) {
    // One encoder for all: the others only pass on what they get.
    const source = await rs2rtc('streams:\n  cam: demo:?width=640&height=360&fps=25&audio=none\n');
    const server = await rs2rtc(`streams:\n${Array.from({length: 16}, (_, i) => `  cam ${i}: rtsp://127.0.0.1:${source.rtsp}/cam\n`).join('')}`);
    const {browser, close} = await launch({mdns: 'show'});
    try {
        const page = await browser.newPage(), devtools = await page.createCDPSession();
        await page.setViewport({width: 1280, height: 900});
        await page.evaluateOnNewDocument(() => {
            localStorage.setItem('rs.alwaysAll', 'true');
            localStorage.setItem('rs.cols', '4');
            const long = /** @type {number[]} */ ([]);
            /** @type {any} */ (window).long = long;
            new PerformanceObserver(list => long.push(...list.getEntries().map(one => one.duration))).observe({type: 'longtask'});
        });
        await devtools.send('Emulation.setCPUThrottlingRate', {rate: 4});
        await page.goto(`${server.url}?lang=en`);
        await page.waitForFunction(() => document.querySelectorAll('.tile').length === 16, {polling: 50, timeout: PATIENCE});
        // Every second: what has come to all players since the last one, and how much of it nobody has seen.
        await page.evaluate(() => {
            const all = /** @type {{frames: number, dropped: number, playing: number}[]} */ ([]), before = new Map();
            /** @type {any} */ (window).all = all;
            setInterval(async () => {
                const now = {frames: 0, dropped: 0, playing: 0};
                for (const player of /** @type {any} */ (document.querySelectorAll('rs-player'))) {
                    const {totalVideoFrames = 0, droppedVideoFrames = 0} = player.video.getVideoPlaybackQuality(), receiver = player.pc?.getReceivers().find(one => one.track.kind === 'video');
                    const rtc = [...(await receiver?.getStats())?.values() ?? []].find(one => one.type === 'inbound-rtp' && one.framesReceived);
                    const count = rtc ? {frames: rtc.framesReceived, dropped: droppedVideoFrames + rtc.framesReceived - rtc.framesDecoded} : {frames: totalVideoFrames, dropped: droppedVideoFrames}, last = before.get(player) ?? count;
                    now.frames += Math.max(0, count.frames - last.frames);
                    now.dropped += Math.max(0, count.dropped - last.dropped);
                    now.playing += player.phase === 'live' ? 1 : 0;
                    before.set(player, count);
                }
                all.push(now);
            }, 1000);
        });
        await page.waitForFunction(seconds => /** @type {any} */ (window).all.length >= seconds, {polling: 200, timeout: 3 * PATIENCE}, seconds);
        return await page.evaluate(last => {
            const {all, long} = /** @type {any} */ (window), sum = (/** @type {'frames'|'dropped'} */ key) => all.slice(-last).reduce((sum, one) => sum + one[key], 0);
            return {frames: sum('frames'), dropped: sum('dropped'), playing: all.at(-1).playing, long};
        }, last);
    } finally {
        await close();
        await server.stop();
        await source.stop();
    }
}

/**
 * Somebody talks on one page, with a microphone that the browser makes up, and closes it, while another page looks on.
 * @param {{rounds: number}} options
 * @returns {Promise<{freed: number, pause: number, silent: number}[]>} ms from the closed page to the other one saying that the floor is free, and the
 *     longest time in which the other one had no new picture (one comes every 40 ms); and that time for a page that is closed without having talked
 */
export async function talks({rounds}) {
    const server = await rs2rtc('streams:\n  bell:\n    - demo:?width=320&height=180&fps=25\n    - exec:/bin/sh -c "exec cat > /dev/null"#backchannel=1#audio=alaw/8000\n');
    // Two, so that none of the pages is behind the other.
    const one = () => launch({mdns: 'show', args: ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']});
    const [near, far] = await Promise.all([one(), one()]), seen = [];
    const open = async (/** @type {typeof near} */ {browser}) => {
        const page = await browser.newPage();
        await page.goto(`${server.url}camera.html?src=bell&lang=en`);
        await page.waitForSelector('.controls button:nth-child(3):not([hidden])', {timeout: PATIENCE});
        await page.waitForFunction(live, {polling: 20, timeout: PATIENCE});
        return page;
    };
    try {
        const other = await open(near);
        await other.evaluate(() => {
            const video = /** @type {HTMLVideoElement} */ (document.querySelector('rs-player video')), floor = /** @type {Element} */ (document.querySelector('.controls [role=status]'));
            const frames = /** @type {number[]} */ ([]), told = /** @type {[number, string][]} */ ([]), note = (/** @type {number} */ _, /** @type {VideoFrameCallbackMetadata} */ frame) => {
                // When the picture was there, however late the page hears of it.
                frames.push(frame.presentationTime);
                video.requestVideoFrameCallback(note);
            };
            Object.assign(window, {frames, told});
            video.requestVideoFrameCallback(note);
            new MutationObserver(() => told.push([Date.now(), floor.textContent ?? ''])).observe(floor, {childList: true, characterData: true, subtree: true});
        });
        const floor = (/** @type {boolean} */ taken) => other.waitForFunction(taken => Boolean(document.querySelector('.controls [role=status]')?.textContent) === taken, {polling: 20, timeout: PATIENCE}, taken);
        const begin = () => other.evaluate(() => { /** @type {any} */ (window).frames.length = 0; });
        const pause = () => other.waitForFunction(() => {
            const {frames} = /** @type {any} */ (window);
            return frames.length > 50 && Math.max(...frames.slice(1).map((/** @type {number} */ now, /** @type {number} */ i) => now - frames[i]));
        }, {polling: 20, timeout: PATIENCE}).then(async longest => Number(await longest.jsonValue()));
        while (seen.length < rounds) {
            const silent = await open(far);
            await begin();
            await silent.close();
            const before = await pause(), talker = await open(far);
            await begin();
            await talker.keyboard.down('t');
            await talker.waitForSelector('.controls .talking', {timeout: PATIENCE});
            await floor(true);
            const closed = Date.now();
            await talker.close();
            await floor(false);
            const longest = await pause(), freed = await other.evaluate(closed => /** @type {any} */ (window).told.at(-1)[0] - closed, closed);
            seen.push({freed, pause: longest, silent: before});
        }
    } finally {
        await Promise.all([near.close(), far.close()]);
        await server.stop();
    }
    return seen;
}

/**
 * The first picture of a tile in Live whose camera runs anyway, with and without the still picture that is offered for it.
 * @param {{visits: number, posters: boolean}} options
 * @returns {Promise<{ms: number, own: number}[]>} milliseconds to the picture: `ms` since the navigation, `own` since the player has begun
 */
export async function firstPictures({visits, posters}) {
    const server = await rs2rtc('preload:\n  cam: video\nstreams:\n  cam: demo:?width=1280&height=720&fps=25&audio=none\n'), {browser, close} = await launch({mdns: 'show'});
    const seen = /** @type {{ms: number, own: number}[]} */ ([]);
    try {
        const page = await browser.newPage(), devtools = await page.createCDPSession();
        await devtools.send('Network.enable');
        if (!posters) await devtools.send('Network.setBlockedURLs', {urls: ['*/api/rs/poster*']});
        await page.evaluateOnNewDocument(() => document.addEventListener('firstframe', ev => { /** @type {any} */ (window).first ??= {ms: performance.now(), own: /** @type {CustomEvent} */ (ev).detail.ms}; }));
        while (seen.length < visits) {
            await page.goto(`${server.url}?lang=en`);
            await page.waitForFunction(() => /** @type {any} */ (window).first, {polling: 20, timeout: PATIENCE});
            seen.push(await page.evaluate(() => /** @type {any} */ (window).first));
            await page.goto('about:blank');
            await consumers(server.url, 1);
        }
    } finally {
        await close();
        await server.stop();
    }
    return seen;
}

/**
 * The still picture of a camera in Live that sleeps and has been watched before.
 * @param {{visits: number}} options
 * @returns {Promise<number[]>} milliseconds since the page has asked for it
 */
export async function stills({visits}) {
    const server = await rs2rtc('streams:\n  cam: demo:?width=1280&height=720&fps=25&audio=none\n'), {browser, close} = await launch({mdns: 'show'}), seen = /** @type {number[]} */ ([]);
    try {
        const page = await browser.newPage();
        await page.goto(`${server.url}camera.html?src=cam&lang=en`);
        await page.waitForFunction(live, {polling: 20, timeout: PATIENCE});
        await page.goto('about:blank');
        await consumers(server.url, 0);
        await page.evaluateOnNewDocument(() => {
            const there = (/** @type {Event} */ {target}) => {
                if (!/** @type {Element} */ (target).matches?.('.still')) return;
                const asked = performance.getEntriesByType('resource').find(one => one.name.includes('api/rs/poster'));
                /** @type {any} */ (window).still = performance.now() - (asked?.startTime ?? NaN);
            };
            for (const event of ['load', 'loadeddata']) document.addEventListener(event, there, true);
        });
        while (seen.length < visits) {
            await page.goto(`${server.url}?lang=en`);
            seen.push(Number(await page.waitForFunction(() => /** @type {any} */ (window).still, {polling: 20, timeout: PATIENCE}).then(shown => shown.jsonValue())));
        }
        await consumers(server.url, 0);
    } finally {
        await close();
        await server.stop();
    }
    return seen;
}
