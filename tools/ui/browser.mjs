/**
 * A Chromium for the tests: new profile, nothing shared, no traffic of its own, gone at
 * the end. It is driven through a pipe, so it may run in another network namespace.
 */
import {spawnSync} from 'node:child_process';
import {chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

/** Where Debian installs it; `CHROMIUM` names another one. */
export const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';

const ARGS = [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-default-apps', '--disable-extensions',
    '--autoplay-policy=no-user-gesture-required', '--mute-audio', '--disable-dev-shm-usage',
];

/**
 * Why tests have to be left out, for their `skip`: `false` if what they need is there. In CI nothing is left out unseen: what is
 * missing there is an error.
 * @param {string|URL} path
 * @param {string} what
 * @param {boolean} [expected] it is installed in CI (`tools/install-test-tools.sh`)
 * @returns {false|string}
 */
export function without(path, what, expected = true) {
    if (existsSync(path)) return false;
    if (process.env.CI && expected) throw new Error(`${what} is missing: ${path}`);
    return `no ${what} here`;
}

/** The same for FFmpeg, wherever it is. */
export const withoutFfmpeg = () => spawnSync('ffmpeg', ['-version']).status !== 0 && without('/usr/bin/ffmpeg', 'ffmpeg');

/** Where Debian installs it; `FIREFOX` names another one. */
export const FIREFOX = process.env.FIREFOX || '/usr/bin/firefox-esr';

/** Only there Firefox is installed: the rule of `tools/install-test-tools.sh`. @param {string} [file] */
export const isDebian = (file = '/etc/os-release') => existsSync(file) && /^ID=debian/m.test(readFileSync(file, 'utf8'));

/**
 * @typedef {object} Options
 * @property {'show'|'hide'} [mdns] show: candidates carry real addresses; hide: names ending
 *     in `.local`, as for every visitor (default)
 * @property {string} [netns] name of the network namespace to run in (needs root)
 * @property {boolean} [meek] in a namespace: everything else goes before it
 * @property {boolean} [backForwardCache] keep pages that are left, as browsers do
 * @property {string[]} [args] further switches
 */

/**
 * Starts the browser.
 * @param {Options} [options]
 * @returns {Promise<{browser: import('puppeteer-core').Browser, pid: number, close: () => Promise<void>}>}
 */
export async function launch(options = {}) {
    const folder = mkdtempSync(join(tmpdir(), 'rs2rtc-browser-'));
    let executablePath = CHROMIUM;
    if (options.netns) {
        if (!/^[\w.-]+$/.test(options.netns)) throw new Error(`not the name of a namespace: ${options.netns}`);
        executablePath = join(folder, 'chromium-in-namespace');
        // It stands for another machine. As root it would put itself before the server;
        // where the server is measured, its time must not be time that the server lacks.
        const equal = 'setpriv --bounding-set -sys_nice --inh-caps -sys_nice';
        const how = options.meek ? `nice -n 10 ${equal}` : equal;
        writeFileSync(executablePath, `#!/bin/sh\nexec ip netns exec '${options.netns}' ${how} '${CHROMIUM}' "$@"\n`);
        chmodSync(executablePath, 0o755);
    }
    const args = [...ARGS, ...(options.args ?? [])];
    if (options.mdns === 'show') args.push('--disable-features=WebRtcHideLocalIpsWithMdns');

    /** @type {import('puppeteer-core').Browser|undefined} */
    let browser;
    const clean = () => {
        const pid = browser?.process()?.pid;
        if (pid) {
            // The browser leads a process group of its own.
            try { process.kill(-pid, 'SIGKILL'); } catch { /* all gone */ }
        }
        rmSync(folder, {recursive: true, force: true, maxRetries: 20, retryDelay: 50});
    };
    try {
        // Tests that need no browser do without the package.
        const {default: puppeteer} = await import('puppeteer-core');
        browser = await puppeteer.launch({
            executablePath, args, pipe: true, headless: true, userDataDir: join(folder, 'profile'),
            ignoreDefaultArgs: options.backForwardCache ? ['--disable-back-forward-cache'] : undefined,
            handleSIGINT: true, handleSIGTERM: true, timeout: 60_000, protocolTimeout: 120_000,
        });
    } catch (err) {
        clean();
        throw err;
    }
    process.once('exit', clean);
    patient(browser);
    return {
        browser,
        pid: browser.process()?.pid ?? 0,
        async close() {
            let timer;
            await Promise.race([
                browser?.close().catch(() => {}),
                new Promise(resolve => { timer = setTimeout(resolve, 5000); }),
            ]);
            clearTimeout(timer);
            process.removeListener('exit', clean);
            clean();
        },
    };
}

/**
 * Starts Firefox, with a profile of its own and no traffic of its own.
 * @returns {Promise<{browser: import('puppeteer-core').Browser, pid: number, close: () => Promise<void>}>}
 */
export async function launchFirefox() {
    const folder = mkdtempSync(join(tmpdir(), 'rs2rtc-firefox-'));
    const clean = () => rmSync(folder, {recursive: true, force: true, maxRetries: 20, retryDelay: 50});
    try {
        const {default: puppeteer} = await import('puppeteer-core');
        const browser = await puppeteer.launch({
            browser: 'firefox', executablePath: FIREFOX, headless: true, userDataDir: folder, timeout: 90_000, protocolTimeout: 120_000,
            extraPrefsFirefox: {
                'media.autoplay.default': 0, 'app.update.enabled': false,
                'network.captive-portal-service.enabled': false, 'network.connectivity-service.enabled': false,
                // WebRTC finds this machine, whose addresses no mDNS tells here.
                'media.peerconnection.ice.loopback': true, 'media.peerconnection.ice.obfuscate_host_addresses': false,
            },
        });
        patient(browser);
        return {
            browser,
            pid: browser.process()?.pid ?? 0,
            async close() {
                await browser.close().catch(() => {});
                clean();
            },
        };
    } catch (err) {
        clean();
        throw err;
    }
}

/**
 * Waits end when something has happened; that it has not is known only after a time in which every machine would have managed.
 * @param {import('puppeteer-core').Browser} browser
 */
function patient(browser) {
    /** @param {Pick<import('puppeteer-core').BrowserContext, 'newPage'>} opener */
    const opens = opener => {
        const {newPage} = opener;
        opener.newPage = async (...args) => {
            const page = await newPage.apply(opener, args);
            page.setDefaultTimeout(60_000);
            return page;
        };
    };
    opens(browser);
    const {createBrowserContext} = browser;
    browser.createBrowserContext = async (...args) => {
        const context = await createBrowserContext.apply(browser, args);
        opens(context);
        return context;
    };
}

/** Runs in a page before its own scripts: the first MSE of it shows nothing, so that WebRTC does, however slow the machine is. */
export function holdMse() {
    const Source = MediaSource;
    window.MediaSource = class extends Source {
        constructor() {
            super();
            window.MediaSource = Source;
        }

        /** @param {string} type */
        addSourceBuffer(type) {
            return Object.assign(super.addSourceBuffer(type), {appendBuffer() {}});
        }
    };
}

/** Does the network namespace exist? @param {string} name */
export function hasNamespace(name) {
    return spawnSync('ip', ['netns', 'exec', name, 'true'], {stdio: 'ignore'}).status === 0;
}
