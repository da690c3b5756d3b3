/**
 * What went wrong, in words a person can act on. Pure text; the server's own words are
 * always kept, because they are the truth.
 */

/** @typedef {import('./video-rtc.js').Candidate} Candidate */
/** @typedef {import('./video-rtc.js').PathReport} PathReport */

/** The first that fits explains the error. @type {[RegExp, string][]} */
const CAUSES = [
    [/no network path/i, 'No network path between this browser and the server: a firewall, or the wrong address in "candidates".'],
    [/\b401\b|unauthori[sz]ed|wrong user|wrong password|user\/pass|credential|\bauth/i, 'The camera refuses the user name or the password.'],
    [/\b403\b|forbidden/i, 'The camera does not allow this.'],
    [/refused/i, 'The camera refuses the connection: it is off, or the port is wrong.'],
    [/no route|unreachable|host is down/i, 'There is no way to the camera in the network: it is off, or the address is wrong.'],
    [/timed? ?-?out|deadline/i, 'The camera does not answer.'],
    [/lookup|resolve|no such host|name or service|unknown host/i, 'The name of the camera is not known in the network.'],
    [/codecs? not matched|no common codec|unsupported codec/i, 'The stream has no format that this way of playing can carry.'],
    [/\b404\b|not found/i, 'The camera has no such stream.'],
    [/\b453\b|busy|too many|not enough bandwidth/i, 'The camera has no free place for another viewer.'],
    [/\beof\b|reset by peer|broken pipe|closed/i, 'The camera has ended the connection.'],
    [/not implemented|not available|unsupported|unknown (mode|type|request)/i, 'The server cannot play it this way.'],
];

/**
 * Words for an error message of the server, `webrtc/offer: text`.
 * @param {string} value
 * @param {string} url address of the socket, for the name of the stream
 */
export function explainError(value, url) {
    const text = value.replace(/^(webrtc|mse|hls|mp4|mjpeg)(\/offer|\/candidate)?: */, '');
    if (/^(streams?: )?stream not found$/i.test(text)) {
        return `There is no stream named "${streamName(url)}".`;
    }
    const cause = CAUSES.find(([pattern]) => pattern.test(text));
    return cause ? `${cause[1]}\n${text}` : text || 'The server gives no reason.';
}

/**
 * Words for a network path that was not found.
 * @param {PathReport} report
 */
export function explainPath(report) {
    if (report.found) {
        return `A network path was found, but the encrypted connection failed.\n${pathText(report)}`;
    }
    if (!report.remote.length) return 'The server offers no address for the media: see "candidates" in its configuration.';
    if (!report.local.length && !report.pairs.length) return 'This browser offers no network address: WebRTC may be blocked here.';
    const udp = report.remote.filter(c => c.protocol === 'udp').length;
    const tcp = report.remote.filter(c => c.protocol === 'tcp').length;
    const hint = udp && !tcp ? '\nThe server offers UDP only; a firewall may block it.' : '';
    return `No network path to the server: none of its addresses answers.\n${pathText(report)}${hint}`;
}

/**
 * The addresses of both sides and what came of each pair.
 * @param {PathReport} report
 */
export function pathText(report) {
    const lines = [
        `Server: ${list(report.remote)}`,
        `Browser: ${list(report.local)}`,
    ];
    for (const pair of report.pairs.slice(0, 8)) {
        const answer = pair.answered ? `${pair.answered} answered` : 'no answer';
        lines.push(`${address(pair.local)} → ${address(pair.remote)} ${pair.remote.protocol}: ${pair.sent} sent, ${answer}`);
    }
    if (report.pairs.length > 8) lines.push(`and ${report.pairs.length - 8} more`);
    return lines.join('\n');
}

/** @param {Candidate[]} candidates */
function list(candidates) {
    const texts = candidates.map(c => `${address(c)} ${c.protocol}`);
    return [...new Set(texts)].join(', ') || 'none';
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
