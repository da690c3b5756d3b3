/**
 * A server for the tests of the pages: some streams, sessions, a log and a configuration, and what the pages call.
 */
import {mockServer} from './mock-server.mjs';

/** What a name may be at its worst. */
export const HOSTILE = `<img src=x onerror=1>"'&?#/空格😀`;
export const LONG = 'x'.repeat(500);

const codec = name => ({codec: {codec_name: name, codec_type: name === 'opus' || name === 'aac' ? 'audio' : 'video'}, id: name.length * 100, bytes: 1000});
export const STREAMS = {
    demo: {producers: [{url: 'demo:'}], consumers: null},
    gate: {producers: [{url: 'rtsp://***@192.168.1.70/x'}], consumers: null},
    [HOSTILE]: {
        producers: [{id: 1, format_name: 'rtsp', protocol: 'rtsp+tcp', remote_addr: '192.168.1.64:554', url: 'rtsp://192.168.1.64/x', medias: ['video, recvonly, H264', 'audio, sendonly, PCMA/8000'],
            receivers: [codec('h264'), codec('aac')], bytes_recv: 5_000_000}],
        consumers: [{id: 2, format_name: 'webrtc', protocol: 'ws+udp', remote_addr: '192.168.1.23:5000', user_agent: 'Mozilla/5.0 Chrome/150', senders: [{id: 9, ...codec('h264'), parent: 400, bytes: 900, drops: 2}], bytes_send: 4_000_000}],
    },
    [LONG]: {producers: [{url: 'rtsp://192.168.1.71/x'}], consumers: null},
};

const session = {profile: 'default', limit_ms: 3000, loss: 0.01, rtt_ms: 1.6, wrong_parks_per_hour: 0, heard_ms_ago: 40, sent_ms_ago: 10, format: 'webrtc', publishes: false, user_agent: 'Mozilla/5.0 Chrome/150'};
export const SESSIONS = {
    sessions: [{...session, id: 2, stream: HOSTILE, state: 'alive', remote: '192.168.1.23:5000', age_ms: 12_000, left_at: null, reason: null, detect_ms: null, release_ms: null, timeline: [{ms: 0, event: 'offer', detail: ''}, {ms: 41.9, event: 'connected', detail: 'udp'}]}],
    ended: [
        {...session, id: 7, stream: 'demo', state: 'gone', remote: '192.168.1.40:6000', age_ms: 60_000, left_at: 1_700_000_000_000, reason: 'close_notify', detect_ms: 6.1, release_ms: 32.4,
            timeline: [{ms: 0, event: 'offer', detail: ''}, {ms: 60_000, event: 'hint', detail: 'pagehide'}, {ms: 60_006, event: 'gone', detail: 'close_notify'}, {ms: 60_038, event: 'released', detail: ''}]},
        {...session, id: 6, stream: 'demo', state: 'gone', remote: '192.168.1.41:6000', age_ms: 9000, left_at: 1_700_000_000_000, reason: 'silence', detect_ms: 3004, release_ms: 38, timeline: []},
        // A publisher: it has held no camera, and when it left is not known.
        {...session, id: 5, stream: 'demo', state: 'gone', remote: null, user_agent: null, publishes: true, age_ms: 2000, left_at: null, reason: 'sctp_abort', detect_ms: null, release_ms: null, timeline: []},
        {...session, id: 4, stream: 'demo', state: 'gone', remote: '192.168.1.42:6000', age_ms: 9000, left_at: 1_700_000_000_000, reason: 'sctp_abort', detect_ms: 5, release_ms: 40, timeline: []},
    ],
};

/** @param {object} [options] as of `mockServer`; what is not given is as above */
export async function fixture(options = {}) {
    const state = {
        /** Every change that was asked for: method, path and what it was about. */
        calls: /** @type {string[]} */ ([]), before: '', left: 0, config: 'api:\n  listen: ":1984"\nstreams:\n  demo: "demo:"\n', version: 'v1', streams: structuredClone(STREAMS), sessions: structuredClone(SESSIONS),
        release: {profile: 'default', silence_ms: /** @type {number|null} */ (3000), linger_ms: 0, hidden_linger_ms: 5000, exclusive: false},
        check: text => ({valid: !text.includes('broken'), problems: text.includes('lisen') || text.includes('broken') ? [{file: 'rs2rtc.yaml', line: 2, column: 3, path: 'api.lisen',
            text: 'unknown key, did you mean "listen"?', severity: text.includes('broken') ? 'error' : 'warning'}] : [], changes: [{path: 'streams.gate', change: 'added'}], restart_required: []}),
    };
    const note = (text, value = '') => {
        state.calls.push(text);
        return value;
    };
    const tag = call => call.response.setHeader('etag', `"${state.version}"`);
    const apply = call => {
        const base = call.query.get('base');
        note(`apply ${base}`);
        if (base !== state.version) {
            call.response.statusCode = 409;
            return {version: state.version};
        }
        const {problems, valid} = state.check(call.body);
        if (!valid) {
            call.response.statusCode = 400;
            return {problems};
        }
        state.before = state.config;
        state.left = Number(call.query.get('confirm') ?? 0) * 1000;
        state.config = call.body;
        state.version = `v${Number(state.version.slice(1)) + 1}`;
        return {version: state.version, changes: [], restart_required: [], problems, unconfirmed: state.left ? {left_ms: state.left} : null};
    };
    const answers = {
        'GET api/streams': () => state.streams,
        'GET api/schemes': () => ['rtsp', 'demo', 'ffmpeg', 'exec'],
        'GET api/preload': () => ({}),
        'PUT api/preload': call => note(`warm ${call.query.get('src')}`),
        'GET api/rs/sessions': () => state.sessions,
        'DELETE api/rs/sessions': call => note(`kick ${call.query.get('id')}`),
        'GET api/rs/metrics': () => 'rs2rtc_consumers 1\nrs2rtc_producers 1\nrs2rtc_open_fds 30\nrs2rtc_tasks 9\nrs2rtc_late_ticks_total 0\nrs2rtc_overdue_runs 0\n',
        'GET api/ffmpeg/hardware': () => ({sources: []}),
        'GET api/ffmpeg/devices': () => ({sources: [{name: 'Camera', url: 'ffmpeg:device?video=0', info: 'USB'}]}),
        'GET api/rs/poster': () => 204,
        'GET api/rs/sources': () => ({sources: [], errors: []}),
        'GET api/rs/release': call => Object.hasOwn(state.streams, call.query.get('src') ?? '') ? state.release : 404,
        'GET api/log': () => Array.from({length: 400}, (_, i) => `${JSON.stringify({level: i % 50 ? 'info' : 'warn', time: 1_700_000_000_000 + i, message: `[rtsp] line ${i}`, stream: HOSTILE})}\n`).join(''),
        'GET api/rs/log/levels': () => ({level: 'info', modules: {webrtc: 'warn'}, known: ['api', 'rtsp', 'webrtc'], temporary: [{module: 'rtsp', level: 'debug', left_ms: 600_000}]}),
        'DELETE api/log': () => note('clear log', 'OK'),
        'GET api/config': call => {
            tag(call);
            return state.config;
        },
        'POST api/rs/config/check': call => state.check(call.body),
        'POST api/rs/config/apply': apply,
        'GET api/rs/config/versions': () => ({version: state.version, unconfirmed: state.left ? {left_ms: state.left} : null, path: 'x', versions: [{number: 3, version: 'v0', saved: 1_700_000_000_000, bytes: 10}], unavailable: null}),
        'POST api/rs/config/confirm': call => {
            note(`confirm ${call.query.get('version')}`);
            state.left = 0;
            return {version: state.version};
        },
        'DELETE api/rs/config/confirm': call => {
            note(`go back ${call.query.get('version')}`);
            Object.assign(state, {left: 0, config: state.before, version: `v${Number(state.version.slice(1)) + 1}`});
            return {version: state.version, changes: [], restart_required: [], problems: [], unconfirmed: null};
        },
        'GET api/rs/config/versions/3': () => 'api:\n  listen: ":1985"\n',
        'POST api/rs/config/rollback': call => {
            note(`rollback ${call.query.get('number')}`);
            state.version = 'v9';
            return {version: 'v9', changes: [], restart_required: [], problems: []};
        },
        'GET schema.json': () => ({type: 'object', properties: {api: {type: 'object', properties: {listen: {type: 'string', description: 'Where it listens', default: ':1984'}, local_auth: {type: 'boolean'}}}, log: {type: 'object', properties: {level: {enum: ['info', 'debug']}}}}}),
        'PUT api/streams': call => {
            const name = call.query.get('name') ?? '';
            state.streams[name] = {producers: [{url: call.query.get('src')}], consumers: null};
            return note(`put ${name} ${call.query.get('src')}`);
        },
        'DELETE api/streams': call => {
            delete state.streams[call.query.get('src') ?? ''];
            state.version = `v${Number(state.version.slice(1)) + 1}`;
            return note(`delete ${call.query.get('src')}`);
        },
        'POST api/streams': call => note(`play ${call.query.get('dst')} ${call.query.get('src')}`),
        'POST api/rs/test': call => {
            const {src} = JSON.parse(call.body), line = value => call.response.write(`${JSON.stringify(value)}\n`);
            note(`test ${src}`);
            line({step: 'connect', state: 'run'});
            if (src.includes('wrong')) {
                line({step: 'connect', state: 'fail', ms: 12, kind: 'auth', error: 'rtsp: wrong user/pass'});
            } else {
                line({step: 'connect', state: 'ok', ms: 41});
                line({step: 'tracks', state: 'ok', tracks: [{codec_name: src.includes('265') ? 'hevc' : 'h264', codec_type: 'video', width: 1920, height: 1080}], talk: false});
                line({step: 'picture', state: 'ok', ms: 80});
                line({step: 'keyframes', state: 'ok', every_ms: 2000});
            }
            line({step: 'release', state: 'ok', ms: 12.5});
            call.response.end();
        },
        ...options.answers,
    };
    const server = await mockServer({streams: state.streams, ...options, answers});
    return {...server, state};
}

/** An event feed that says nothing before `hello` is called: `answer` takes the place of `GET api/rs/events`. */
export function lateFeed() {
    const late = {hello: () => {}, answer: (/** @type {{response: import('node:http').ServerResponse}} */ {response}) => new Promise(() => {
        late.hello = () => {
            response.writeHead(200, {'content-type': 'text/event-stream'});
            response.write('event: hello\ndata: {"boot": "a", "seq": 0}\n\n');
        };
    })};
    return late;
}
