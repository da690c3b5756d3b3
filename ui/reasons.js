/**
 * What went wrong, in words a person can act on. Pure text; the server's own words are
 * always kept, because they are the truth.
 */

/** @typedef {{address: string, port: number, protocol: string, type: string}} Candidate */
/**
 * What was tried to find a network path.
 * @typedef {object} PathReport
 * @property {Candidate[]} local of this browser
 * @property {Candidate[]} remote of the server
 * @property {{local: Candidate, remote: Candidate, state: string, sent: number, answered: number}[]} pairs
 * @property {boolean} found there is a path; what failed is the encryption
 * @property {boolean} lost it was connected before
 */

/**
 * What to do about it: `network` try again soon, `busy` try again later, `auth` and `config`
 * need a person, `ended` the session is over and another may begin.
 * @typedef {'network'|'busy'|'auth'|'config'|'ended'} ErrorClass
 */

const NO_H265 = 'The camera sends H.265, which this browser does not take this way.', MISMATCH = 'The stream has no format that this way of playing can carry.';
/** What was tried and could not be decoded. */
export const NO_DECODER = 'This browser cannot decode what the camera sends.';

/** Why somebody has to press a button. */
export const REFUSED = 'This browser plays nothing by itself, perhaps to save power.';

/** The first that fits explains the error. @type {[RegExp, ErrorClass, string][]} */
const CAUSES = [
    [/\bis in use\b/i, 'busy', 'Another viewer has the camera.'],
    [/no network path/i, 'network', 'No network path between this browser and the server: a firewall, or the wrong address in "candidates".'],
    [/\b401\b|unauthori[sz]ed|wrong user|wrong password|user\/pass|credential|\bauth/i, 'auth', 'The camera refuses the user name or the password.'],
    [/\b403\b|forbidden/i, 'auth', 'The camera does not allow this.'],
    [/refused/i, 'network', 'The camera refuses the connection: it is off, or the port is wrong.'],
    [/no route|unreachable|host is down/i, 'network', 'There is no way to the camera in the network: it is off, or the address is wrong.'],
    [/timed? ?-?out|deadline/i, 'network', 'The camera does not answer.'],
    [/lookup|resolve|no such host|name or service|unknown host/i, 'network', 'The name of the camera is not known in the network.'],
    [/codecs? not matched: video:H265\b[^=]*=(>|\\u003e)/i, 'config', NO_H265],
    [/codecs? not matched|no common codec|unsupported codec/i, 'config', MISMATCH],
    [/program not found/i, 'network', 'The server does not find the program that the source runs.'],
    [/\b404\b|not found/i, 'network', 'The camera has no such stream.'],
    [/\b453\b|busy|too many|not enough bandwidth/i, 'busy', 'The camera has no free place for another viewer.'],
    [/\beof\b|reset by peer|broken pipe|closed/i, 'network', 'The camera has ended the connection.'],
    [/^(streams: )?unknown error$/i, 'network', 'There is no picture yet: the stream has no source of its own, and nobody sends to it.'],
    [/not implemented|not available|unsupported|unknown (mode|type|request)/i, 'config', 'The server cannot play it this way.'],
];

/** Why a session is paused or over, by the server's code. @type {Record<string, [ErrorClass, string]>} */
const ENDS = {
    hidden: ['ended', 'Paused while it cannot be seen.'],
    contended: ['busy', 'Somebody else needs the camera.'],
    superseded: ['config', 'This player has been opened again and goes on there.'],
    admin: ['config', 'An administrator has ended this session.'],
    kicked: ['config', 'An administrator has ended this session.'],
    deleted: ['config', 'The stream has been removed.'],
    shutdown: ['network', 'The server is stopping.'],
    silence: ['ended', 'The server has not heard from this browser.'],
    'ws_fin+silence': ['ended', 'The server has not heard from this browser.'],
    icmp_verified: ['ended', 'The server could not reach this browser.'],
    ping_timeout: ['ended', 'The server has not heard from this browser.'],
    write_stall: ['ended', 'This browser took nothing for too long.'],
    sctp_abort: ['ended', 'This browser has ended the connection.'],
    close_notify: ['ended', 'This browser has ended the connection.'],
    source_failed: ['network', 'The camera has ended the connection.'],
    replaced: ['ended', 'The camera has changed; starting again.'],
    tcp_rst: ['ended', 'The network has cut the connection.'],
    dtls_fatal: ['ended', 'The encrypted connection has failed.'],
    connect_timeout: ['network', 'The connection was not made in time.'],
    signalling_lost: ['network', 'The connection to the server was lost.'],
    ended: ['ended', 'The camera has changed; starting again.'],
};

/**
 * Words for the code of a pause or an end; an unknown one may be the text of an error.
 * @param {string} code
 * @param {string} [url] address of the socket, for the name of the stream
 */
export function explainEnd(code, url = '') {
    if (!code) return 'The server has ended the connection.';
    return Object.hasOwn(ENDS, code) ? ENDS[code][1] : /^[a-z_+]+$/.test(code) ? about('The server has ended the connection: {}.', code) : explainError(code, url);
}

/** @param {string} code @returns {ErrorClass} */
export function classOfEnd(code) {
    return Object.hasOwn(ENDS, code) ? ENDS[code][0] : /^[a-z_+]*$/.test(code) ? 'ended' : classOfError(code);
}

/** Is it a video that this browser has no decoder for? @param {string} words of an explanation */
export const isUndecodable = words => words.startsWith(NO_H265) || words.startsWith(NO_DECODER);

/** Is there nothing in it of what was asked for? @param {string} words of an explanation */
export const isMismatch = words => words.startsWith(MISMATCH);

/** The same once decoding has failed: why nothing fits any more. @param {string} words */
export const undecoded = words => words.replace(MISMATCH, NO_DECODER);

/** Is it a code of a pause or an end, and not the text of an error? @param {string} code */
export const isEnd = code => /^[a-z_+]*$/.test(code);

/** A sentence with what it is about in it, so that it can be translated. @param {string} sentence @param {string} what */
const about = (sentence, what) => sentence.replace('{}', () => what);

/** Without the request that it answers. @param {string} value */
const bare = value => value.replace(/^(webrtc|mse|hls|mp4|mjpeg)(\/offer|\/candidate)?: */, '');
const UNKNOWN_STREAM = /^(streams?: )?stream not found$/i;

/**
 * What to do about an error message of the server.
 * @param {string} value
 * @returns {ErrorClass}
 */
export function classOfError(value) {
    const text = bare(value);
    if (UNKNOWN_STREAM.test(text)) return 'config';
    return CAUSES.find(([pattern]) => pattern.test(text))?.[1] ?? 'network';
}

/**
 * Words for an error message of the server, `webrtc/offer: text`.
 * @param {string} value
 * @param {string} url address of the socket, for the name of the stream
 */
export function explainError(value, url) {
    const text = bare(value);
    if (UNKNOWN_STREAM.test(text)) {
        return about('There is no stream named "{}".', streamName(url));
    }
    const cause = CAUSES.find(([pattern]) => pattern.test(text));
    return cause ? `${cause[2]}\n${text}` : text || 'The server gives no reason.';
}

/**
 * Words for a network path that was not found.
 * @param {PathReport} report
 */
export function explainPath(report) {
    if (report.found) {
        return ['A network path was found, but the encrypted connection failed.', pathText(report)].join('\n');
    }
    if (!report.remote.length) return 'The server offers no address for the media: see "candidates" in its configuration.';
    if (!report.local.length && !report.pairs.length) return 'This browser offers no network address: WebRTC may be blocked here.';
    const udp = report.remote.filter(c => c.protocol === 'udp').length;
    const tcp = report.remote.filter(c => c.protocol === 'tcp').length;
    const hint = udp && !tcp ? 'The server offers UDP only; a firewall may block it.' : '';
    return ['No network path to the server: none of its addresses answers.', pathText(report), hint].filter(Boolean).join('\n');
}

/**
 * The port that the server offers for the media, UDP before TCP; 0 if it offers none.
 * @param {PathReport} report
 */
export function mediaPort(report) {
    // Port 9 is that of addresses that only call and are not called.
    const open = report.remote.filter(c => c.port && c.port !== 9);
    return (open.find(c => c.protocol === 'udp') ?? open[0])?.port ?? 0;
}

/**
 * The same port from the words of a server that has given up first, "our candidates: udp 10.0.0.5:8555, …".
 * @param {string} text
 */
export const portIn = text => Number(/our candidates: [^;]*?:(\d+)[,;]/.exec(text)?.[1] ?? 0);

/**
 * The addresses of both sides and what came of each pair.
 * @param {PathReport} report
 */
export function pathText(report) {
    const {local, remote, pairs} = report, lines = [
        remote.length ? `Server: ${list(remote)}` : 'Server: none',
        local.length ? `Browser: ${list(local)}` : 'Browser: none',
    ];
    for (const pair of pairs.slice(0, 8)) {
        const way = `${address(pair.local)} → ${address(pair.remote)} ${pair.remote.protocol}`;
        lines.push(pair.answered ? `${way}: ${pair.sent} sent, ${pair.answered} answered` : `${way}: ${pair.sent} sent, no answer`);
    }
    if (pairs.length > 8) lines.push(`and ${pairs.length - 8} more`);
    return lines.join('\n');
}

/** @param {Candidate[]} candidates */
function list(candidates) {
    const texts = candidates.map(c => `${address(c)} ${c.protocol}`);
    return [...new Set(texts)].join(', ');
}

/** @param {Candidate} candidate */
function address(candidate) {
    // Without permission for camera or microphone browsers hide their addresses.
    if (!candidate.address || candidate.address.endsWith('.local')) return 'hidden address';
    const host = candidate.address.includes(':') ? `[${candidate.address}]` : candidate.address;
    // Port 9 stands for "whatever the outgoing connection gets" (RFC 6544).
    return candidate.port && candidate.port !== 9 ? `${host}:${candidate.port}` : host;
}

/** @param {string} url */
function streamName(url) {
    try {
        return new URL(url).searchParams.get('src') ?? '';
    } catch {
        return '';
    }
}
