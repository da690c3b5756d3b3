/** The pure parts of the pages. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import './no-page.mjs';
import {Budget, costOf, LEAST, RATE, START} from '../../ui/lib/decode.js';
import {diff} from '../../ui/lib/diff.js';
import {hostOf, layout, rates} from '../../ui/lib/graph.js';
import {parse} from '../../ui/lib/hls.js';
import {lineOf, LogList} from '../../ui/lib/loglist.js';
import {compose, hostOf as hostOfSource, isFileOnly, schemeOf, split, suggest} from '../../ui/lib/source.js';
import {boundTo, isLocal, isSecret, keptOf, places, seenAs, snippets} from '../../ui/lib/urls.js';
import {children, describe, docsOf, lineOfKey, lookup, parents, pathOf, programs, values, withCandidate} from '../../ui/lib/yaml-path.js';

test('the budget: first ones play, exempt ones always, less when frames are dropped, more while none are', () => {
    const budget = new Budget(), large = 1280 * 720 * RATE, tiles = Array.from({length: 8}, (_, i) => ({cost: /** @type {number|undefined} */ (large), exempt: i === 7, on: false}));
    const playing = budget.choose(tiles);
    assert.equal(playing.size, Math.floor(START / large));
    assert.ok(playing.has(tiles[7]) && playing.has(tiles[0]));
    assert.equal(new Budget().choose([{cost: 10 * START, exempt: false, on: false}]).size, 1, 'one plays in any case');
    budget.count(1, 80, 20, START);
    budget.count(4000, 80, 20, START);
    assert.equal(budget.limit, START, 'a short time is forgiven');
    budget.count(5002, 80, 20, START);
    assert.equal(budget.limit, START / 2);
    for (let now = 10_003; now < 100_000; now += 5001) budget.count(now, 10, 90, 1);
    assert.equal(budget.limit, LEAST);
    budget.count(200_000, 100, 0, 1);
    budget.count(216_000, 100, 0, 1);
    assert.equal(budget.limit, LEAST * 1.2);
});

test('the budget: a stream that is not known yet is taken for a large one, or for one like the largest that plays', () => {
    const budget = new Budget(), tiles = Array.from({length: 40}, () => ({cost: /** @type {number|undefined} */ (undefined), exempt: false, on: false}));
    assert.equal(budget.choose(tiles).size, 4);
    Object.assign(tiles[0], {cost: START / 40, on: true});
    Object.assign(tiles[1], {cost: START / 20, on: true});
    assert.equal(budget.choose(tiles).size, 20, 'those two, and 18 like the second one');
    assert.equal(budget.unknown, START / 20);
    tiles[0].cost = tiles[1].cost = 0;
    assert.equal(budget.choose(tiles).size, 6, 'what sends nothing says nothing of the others');
    tiles[0].cost = START / 3;
    assert.equal(budget.choose(tiles).size, 4, 'beside a very large one they are large, and not like that');
    tiles[0].on = false;
    tiles[1].cost = START / 40;
    assert.equal(budget.choose(tiles).size, 27, 'nor like one that does not play');
    budget.choose([]);
    assert.ok(budget.unknown > 0);
});

test('the budget: what plays goes on while it takes a little more than that, and nothing begins for it', () => {
    const budget = new Budget(), tiles = Array.from({length: 12}, (_, i) => ({cost: START / 10, exempt: false, on: i < 10}));
    assert.equal(budget.choose(tiles).size, 10);
    for (const tile of tiles) tile.cost = START / 9;
    assert.deepEqual([...budget.choose(tiles)], tiles.slice(0, 10), 'wavering');
    for (const tile of tiles) tile.cost = START / 8;
    assert.equal(budget.choose(tiles).size, 9, 'too much');
    for (const tile of tiles) tile.on = false;
    assert.equal(budget.choose(tiles).size, 8);
});

test('what a picture costs: by its frames, and no less for those that are dropped', () => {
    assert.deepEqual([costOf(1000, 25, 0, 0), costOf(1000, 25, 2, 50_000), costOf(1000, 10, 5, 25_000), costOf(1000, 30, 15, 25_000), costOf(1000, 200, 0, 0)],
        [25_000, 25_000, 25_000, 30_000, 60_000]);
});

test('addresses: user and password are put in and taken out again', () => {
    assert.equal(compose('192.168.1.64/stream1', 'admin', 'p@ss/w:rd'), 'rtsp://admin:p%40ss%2Fw%3Ard@192.168.1.64/stream1');
    assert.equal(compose('host:8554/x', '', ''), 'rtsp://host:8554/x');
    assert.equal(compose('rtsp://old:one@h/x', 'new', ''), 'rtsp://new@h/x');
    assert.equal(compose('demo:', 'a', 'b'), 'demo:');
    assert.equal(compose('  ', 'a', 'b'), '');
    for (const [user, password] of [['admin', 'p@ss/w:rd'], ['ä', '空格'], ['a', '']]) {
        assert.deepEqual(split(compose('rtsp://h:554/x?y=1', user, password)), {url: 'rtsp://h:554/x?y=1', user, password});
    }
    assert.deepEqual(split('rtsp://a:b%zz@h/'), {url: 'rtsp://h/', user: 'a', password: 'b%zz'});
    assert.equal(schemeOf('FFMPEG:rtsp://x'), 'ffmpeg');
    assert.deepEqual(['onvif://a:p%40b@192.168.1.9:80/x', 'ffmpeg:rtsp://Cam.local/x#video=h264', 'rtsp://[fd00::5]:554/', 'ffmpeg:device?video=0', 'demo:', 'v4l2:device?video=/dev/video0'].map(hostOfSource), ['192.168.1.9', 'cam.local', '[fd00::5]', '', '', '']);
    assert.deepEqual(['exec:ls', 'echo:x', 'ffmpeg:cam#raw=-i /etc/passwd', 'ffmpeg:cam#raw=-vf hflip,vflip', 'ffmpeg:cam#video=h264', 'rtsp://h/x#raw=x'].map(isFileOnly), [true, true, true, false, false, false]);
    for (const text of ['ffmpeg:device?video=0', 'ffmpeg:file:///etc/passwd', ' ffmpeg:tcp://0.0.0.0:1?listen', 'ffmpeg:rtsp://h/x#video=h264#input=-i']) assert.equal(isFileOnly(text), true, text);
    for (const text of ['ffmpeg:', 'ffmpeg:rtsp:', 'ffmpeg:rtmps://h/x#input=http', 'ffmpeg:virtual?video=testsrc', 'ffmpeg:device', 'ffmpeg:my:cam', 'ffmpeg:/media/x.mp4#input=file']) assert.equal(isFileOnly(text), false, text);
    assert.equal(suggest('rtsp://192.168.1.64/x', name => name === 'camera_64'), 'camera_64_2');
    assert.equal(suggest('rtsp://garden.local:554/x', () => false), 'garden');
    assert.equal(suggest('demo:', () => false), 'demo');
});

test('differences of texts', () => {
    const show = lines => lines.map(l => `${{same: ' ', add: '+', del: '-', skip: '~'}[l.kind]}${l.text}`);
    assert.deepEqual(show(diff('a\nb\nc', 'a\nx\nc')), [' a', '-b', '+x', ' c']);
    assert.deepEqual(show(diff('1\n2\n3\n4\n5\n6\n7', '1\n2\n3\n4\n5\n6\n8', 1)), ['~…', ' 6', '-7', '+8']);
    assert.deepEqual(diff('same', 'same').filter(l => l.kind !== 'same' && l.kind !== 'skip'), []);
    const long = Array.from({length: 5000}, (_, i) => String(i)).join('\n');
    assert.equal(diff(long, long.replaceAll('1', 'x')).filter(l => l.kind === 'add').length > 100, true, 'large ones end');
});

test('places in a configuration', () => {
    const lines = 'api:\n  listen: ":1984"\n\n# comment\nstreams:\n  "a b":\n    - rtsp://x\n  gate: rtsp://y\nwebrtc:\n  '.split('\n');
    assert.deepEqual(pathOf(lines, 1), ['api', 'listen']);
    assert.deepEqual(pathOf(lines, 7), ['streams', 'gate']);
    assert.deepEqual(pathOf(lines, 3), null);
    assert.deepEqual(parents(lines, 9, 2), ['webrtc']);
    assert.deepEqual(parents(lines, 9, 0), []);
    const schema = {properties: {api: {anyOf: [{type: 'null'}, {properties: {on: {type: 'boolean', default: true, description: 'Is it on'}}}]}, streams: {additionalProperties: {type: 'string'}}}};
    assert.deepEqual(values(lookup(schema, ['api', 'on'])), ['true', 'false']);
    assert.deepEqual(children(lookup(schema, ['api'])).map(([name]) => name), ['on']);
    assert.equal(lookup(schema, ['streams', 'any'])?.type, 'string');
    assert.equal(lookup(schema, ['nothing']), null);
    assert.deepEqual([docsOf({properties: {api: {'x-docs': 'docs#api'}}}, ['api', 'on']), docsOf(schema, ['api']), docsOf({}, ['nothing', 'at all'])], ['docs#api', '', '']);
    assert.match(describe(lookup(schema, ['api', 'on'])), /Is it on\nboolean\n= true/);
});

test('lines whose source starts a program, however they are written, and no others', () => {
    const text = `log:
  exec: debug
publish:
  a: exec:never
streams:
  plain: rtsp://192.168.1.64/exec:no
  one: exec:ffmpeg -i x {output}
  two:
    - rtsp://192.168.1.64/x
    - "echo:/usr/bin/url"
    - ffmpeg:two#video=h264
    - ffmpeg:two#raw=-y out.mp4
  three: [rtsp://192.168.1.64/x, 'exec:cat /tmp/x']
  four:
    url: exec:v4l2
    linger: 5s
  # five: exec:commented
`;
    assert.deepEqual(programs(text), [7, 10, 12, 13, 15]);
    assert.deepEqual(programs(''), []);
});

test('the line of a stream, whatever its name is', () => {
    // As the server writes them, and by hand.
    const names = {door: 'door', 'a:b': 'a:b', 'a#b': 'a#b', 'a: b': "'a: b'", 'a #b': "'a #b'", '-x': '-x', "it's": "it's", "'q'": "'''q'''", '"q"': "'\"q\"'", 'a\nb"': '"a\\nb\\""', on: '"on"', 'two words': 'two words',
        '<img src=x onerror=1>"\'&?#/空格😀': '<img src=x onerror=1>"\'&?#/空格😀', '[x]': "'[x]'", 1984: '"1984"'};
    for (const [name, key] of Object.entries(names)) {
        const text = `# streams:\n#   ${key}: no\npreload:\n  ${key}: video\nstreams:\n  other:\n    ${key}: no\n  ${key}: rtsp://host:554/x#video=h264\n  last:\n    - rtsp://host/y\n`;
        assert.equal(lineOfKey(text, ['streams', name]), 8, name);
        assert.equal(lineOfKey(text.replaceAll('\n', '\r\n'), ['streams', 'last']), 9);
    }
    assert.equal(lineOfKey('streams:\n  door: x\n', ['streams', 'gate']), 0);
    assert.equal(lineOfKey('streams: {door: x}\n', ['streams', 'door']), 0, 'not in block style');
    assert.equal(lineOfKey('', ['streams', '']), 0);
    // A line that nobody writes is not worth its time: to look for a key in it takes the square of its length.
    assert.equal(lineOfKey(`streams:\n  door${' '.repeat(2000)}: x\n`, ['streams', 'door']), 0);
    assert.equal(lineOfKey(`streams:\n  door: ${'x'.repeat(1900)}\n`, ['streams', 'door']), 2);
});

test('lines of the log: module, fields, folding, filters', () => {
    const line = lineOf({level: 'warn', time: 1_700_000_000_000, message: '[rtsp] no answer', stream: 'cam', n: 3});
    assert.deepEqual([line.module, line.message, line.at], ['rtsp', 'no answer  stream=cam n=3', 1_700_000_000_000]);
    const log = new LogList();
    log.set('{"level":"info","message":"[api] a"}\n{"level":"info","message":"[api] a"}\nnot json\n');
    assert.deepEqual(log.all.map(l => [l.message, l.count]), [['a', 2], ['not json', 1]]);
    log.filter = {level: 'warn', modules: ['x', 'api'], stream: '', words: 'gate'};
    log.sift();
    assert.equal(log.shown.length, 0);
    assert.equal(log.add({level: 'error', message: '[x] the GATE'}), true);
    assert.equal(log.add({level: 'error', message: '[x] the GATE'}), false, 'it has no line of its own');
    assert.equal(log.add({level: 'info', message: '[x] the gate'}), false);
    assert.equal(log.add({level: 'error', message: '[y] the gate'}), false);
    for (let i = 0; i < 6000; i++) log.add({level: 'info', message: `[x] ${i}`});
    assert.equal(log.all.length, 5000);
    // The oldest go; the page is told how many, to keep what is read where it is.
    log.filter = {level: '', modules: [], stream: '', words: ''};
    log.sift();
    for (let i = 0; i < 7; i++) log.add({level: 'info', message: `[x] more ${i}`});
    assert.deepEqual([log.shown.length, log.dropped, log.shown[0], log.shown.at(-1)?.message], [5000, 7, log.all[0], 'more 6']);
});

test('what is written while the log is loaded is kept, and shown once', () => {
    const record = n => ({level: 'info', time: 1000 + n, message: `[x] ${n}`}), text = ns => ns.map(n => `${JSON.stringify(record(n))}\n`).join('');
    for (const [loaded, meanwhile, shown] of [[[1, 2], [3, 4], '1234'], [[1, 2, 3], [3, 4], '1234'], [[1, 2, 3, 4, 5], [3, 4], '12345'], [[], [3], '3'], [[1, 2], [], '12'], [[3], [3], '3']]) {
        const log = new LogList();
        log.set(text(loaded), meanwhile.map(record));
        assert.equal(log.shown.map(line => line.message).join(''), shown);
        assert.ok(log.shown.every(line => line.count === 1));
    }
});

test('the graph: five columns, lines between what belongs together', () => {
    const streams = {cam: {producers: [{id: 1, format_name: 'rtsp', remote_addr: '10.0.0.1:554', receivers: [{id: 2, codec: {codec_name: 'h264'}}]}, {url: 'rtsp://idle'}],
        consumers: [{id: 3, format_name: 'webrtc', remote_addr: '[fd00::1]:9 host', senders: [{id: 4, parent: 2, drops: 1}]}, {id: 5, format_name: 'preload'}]}, other: {producers: null, consumers: null}};
    const {nodes, edges} = layout(streams, []);
    assert.deepEqual(nodes.map(n => [n.id, n.column]), [['c10.0.0.1', 0], ['p1', 1], ['t2', 2], ['k3', 3], ['k5', 3], ['vfd00::1', 4]]);
    assert.deepEqual(edges.map(e => `${e.from} ${e.to}`), ['c10.0.0.1 p1', 'p1 t2', 't2 k3', 'k3 vfd00::1']);
    assert.equal(layout(streams, ['other']).nodes.length, 0);
    assert.equal(hostOf({remote_addr: '127.0.0.1:1 forwarded 8.8.8.8'}), '8.8.8.8');
    const viewer = (id, user_agent) => ({id, format_name: 'rtsp', remote_addr: `10.0.0.9:${id}`, user_agent, senders: []});
    const made = layout({cam: {producers: [{id: 1, receivers: [{id: 5, codec: {codec_name: 'aac'}}, {id: 6, codec: {codec_name: 'h264'}}]}], consumers: [7, 8].map(id => ({id, senders: [{parent: 5, codec: {codec_name: 'opus'}, bytes: 10}, {parent: 6, codec: {codec_name: 'h264'}, bytes: 90}]}))}});
    assert.deepEqual(made.nodes.filter(n => n.column === 2).map(n => n.title).sort(), ['> Opus', 'AAC', 'H264']);
    assert.deepEqual(made.edges.filter(e => /^[tm]/.test(e.from)).map(e => `${e.from}>${e.to}`).sort(), ['m5 opus>k7', 'm5 opus>k8', 't5>m5 opus', 't6>k7', 't6>k8'], 'made once for both');
    const two = layout({cam: {producers: null, consumers: [viewer(1, 'curl/8'), viewer(2, 'ffmpeg/7'), viewer(3, 'curl/8')]}});
    assert.deepEqual(two.nodes.filter(n => n.column === 4).map(n => `${n.title} ${n.sub}`), ['10.0.0.9 curl', '10.0.0.9 ffmpeg'], 'programs of one machine are apart');
    assert.deepEqual(two.edges.map(e => `${e.from} ${e.to}`), ['k1 v10.0.0.9 curl', 'k2 v10.0.0.9 ffmpeg', 'k3 v10.0.0.9 curl']);
});

test('the graph: how fast each line is', () => {
    const edge = (/** @type {number} */ bytes, from = 'a') => ({from, to: 'b', bytes, drops: 0}), at = (/** @type {any[]} */ edges) => edges.map(e => e.rate);
    const looks = [[edge(1000)], [edge(2000)], [edge(2500)], [edge(3250), edge(9, 'c')], [edge(10)]];
    let seen = new Map();
    for (const [i, now] of [0, 1000, 1500, 2000, 3000].entries()) seen = rates(looks[i], seen, now);
    // What is looked at too soon keeps what was told, and one that counts anew is another one.
    assert.deepEqual(looks.map(at), [[undefined], [8000], [8000], [10_000, undefined], [undefined]]);
    assert.deepEqual([...seen.keys()], ['a b']);
});

test('the graph: what was dropped before somebody looked is not what drops now', () => {
    const told = /** @type {unknown[]} */ ([]);
    let seen = new Map();
    for (const [at, drops] of [[0, 4], [1000, 4], [1500, 5], [2000, 5], [31_400, 5], [31_600, 5], [32_000, 6], [62_000, 6]]) {
        const edge = {from: 'a', to: 'b', bytes: at, drops};
        seen = rates([edge], seen, at);
        told.push(/** @type {any} */ (edge).dropping);
    }
    assert.deepEqual(told, [false, false, true, true, true, false, true, false]);
});

test('the graph: who has several streams has each, with the viewer that can be ended', () => {
    const viewer = (/** @type {number} */ id, format_name = 'rtsp') => ({id, format_name, remote_addr: `10.0.0.9:${id}`, user_agent: 'VLC/3', senders: []}), camera = {id: 1, remote_addr: '10.0.0.1:554', receivers: []};
    const {nodes} = layout({a: {producers: [camera], consumers: [viewer(2), viewer(3)]}, b: {producers: [{...camera, id: 4}], consumers: [viewer(5), viewer(6, 'preload')]}});
    const parts = (/** @type {string} */ id) => nodes.find(n => n.id === id)?.parts.map(p => [p.stream, p.kick, p.title]);
    assert.deepEqual(parts('v10.0.0.9 VLC'), [['a', 2, 'rtsp'], ['a', 3, 'rtsp'], ['b', 5, 'rtsp']]);
    assert.deepEqual(parts('c10.0.0.1'), [['a', 0, ''], ['b', 0, '']]);
    assert.deepEqual([parts('p1'), parts('k5'), parts('k6')], [[['a', 0, '']], [['b', 5, '']], [['b', 0, '']]], 'a warm start is no viewer');
});

test('the graph: a stream with two names has its lines once', () => {
    const stream = {producers: [{id: 1, remote_addr: '10.0.0.1:554', receivers: [{id: 2, bytes: 7, codec: {codec_name: 'h264'}}]}], consumers: null}, {edges, nodes} = layout({a: stream, b: stream});
    assert.deepEqual(edges.map(e => [e.from, e.to, e.bytes]), [['c10.0.0.1', 'p1', 0], ['p1', 't2', 7]]);
    assert.deepEqual(nodes.find(n => n.id === 't2')?.parts.map(p => p.stream), ['a', 'b']);
});

test('playlists', () => {
    const base = new URL('http://h/a/api/stream.m3u8?src=x');
    assert.deepEqual(parse('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="avc1.640029,mp4a.40.2"\nhls/playlist.m3u8?id=1', base).streams, [{url: 'http://h/a/api/hls/playlist.m3u8?id=1', codecs: 'avc1.640029,mp4a.40.2'}]);
    const media = parse('#EXTM3U\r\n#EXT-X-TARGETDURATION:2\r\n#EXT-X-MEDIA-SEQUENCE:7\r\n#EXT-X-MAP:URI="init.mp4?id=1"\r\n#EXTINF:0.500,\r\nsegment.m4s?id=1&n=7\r\n#EXT-X-DISCONTINUITY\r\n#EXT-X-MAP:URI="init.mp4?id=1&n=1"\r\n#EXTINF:1.000,\r\nsegment.m4s?id=1&n=8\r\n#EXTINF:1.000,\r\nsegment.m4s?id=1&n=9\r\n', new URL('http://h/api/hls/playlist.m3u8'));
    const at = (/** @type {number} */ n, /** @type {string} */ map, isNew = false) => ({url: `http://h/api/hls/segment.m4s?id=1&n=${n}`, map: `http://h/api/hls/init.mp4?id=1${map}`, isNew});
    assert.deepEqual([media.target, media.sequence, media.segments], [2, 7, [at(7, ''), at(8, '&n=1', true), at(9, '&n=1')]]);
});

test('one more candidate of WebRTC goes where it belongs, or nowhere', () => {
    const add = (/** @type {string} */ text) => withCandidate(text, '[fd00::1]:8555'), entry = '"[fd00::1]:8555"';
    for (const [before, after] of [
        ['', `webrtc:\n  candidates: [${entry}]\n`],
        ['api:\n  listen: ":1984"\n\n', `api:\n  listen: ":1984"\nwebrtc:\n  candidates: [${entry}]\n`],
        ['# mine\nwebrtc: # here\n\n    # where\n    listen: ":8555" # port\nlog:\n  level: info\n', `# mine\nwebrtc: # here\n    candidates: [${entry}]\n\n    # where\n    listen: ":8555" # port\nlog:\n  level: info\n`],
        ['webrtc:\nlog:\n  level: info\n', `webrtc:\n  candidates: [${entry}]\nlog:\n  level: info\n`],
        ['log:\n  webrtc: debug\n"webrtc":\n  filters:\n    candidates: [x]\n', `log:\n  webrtc: debug\n"webrtc":\n  candidates: [${entry}]\n  filters:\n    candidates: [x]\n`],
        ['webrtc:\n  candidates:\n    # home\n    - 1.2.3.4:8555\n    - stun\n', `webrtc:\n  candidates:\n    - ${entry}\n    # home\n    - 1.2.3.4:8555\n    - stun\n`],
        ['webrtc:\n  candidates:\n  - stun\n', `webrtc:\n  candidates:\n  - ${entry}\n  - stun\n`],
        ['webrtc:\n  candidates: ["1.2.3.4:8555"] # home\n', `webrtc:\n  candidates: [${entry}, "1.2.3.4:8555"] # home\n`],
        ['webrtc:\n  candidates: [ ]\n', `webrtc:\n  candidates: [${entry}]\n`],
    ]) assert.equal(add(before), after);
    for (const other of ['{"webrtc": {}}\n', 'webrtc: {listen: ":8555"}\n', 'webrtc: *other\n', 'webrtc:\n  {listen: ":8555"}\n', 'webrtc:\n  candidates:\n  listen: x\n', 'webrtc:\n  candidates: one\n', 'api: {}\n...\n']) assert.equal(add(other), null, other);
});

test('addresses of a stream carry its name, and say who cannot play it', () => {
    const name = 'a/b <"\'&?#/空', about = {name, base: 'http://h/x/', host: 'h', rtspPort: '8554', codecs: ['H265'], own: true};
    for (const {url, into} of places(about).filter(p => p.url.startsWith('http'))) assert.equal(new URL(url).searchParams.get(into ? 'dst' : 'src'), name, url);
    assert.ok(places({...about, codecs: ['VP8']}).find(p => p.key === 'webrtc')?.misfit);
    assert.deepEqual([true, false, undefined].map(clip => places({...about, codecs: ['H264'], clip}).find(p => p.key === 'clip')?.misfit), ['', 'clip', '']);
    assert.equal(places({...about, codecs: []}).filter(p => p.misfit).length, 0);
    const fits = (/** @type {string[]} */ ...codecs) => places({...about, codecs}).filter(p => !p.misfit && !p.into).map(p => p.key);
    // Its sound alone could be had in other ways, but not its picture.
    assert.deepEqual(fits('MJPEG', 'PCMU'), ['camera', 'player', 'rtsp', 'snapshot', 'poster', 'mjpeg', 'ascii', 'wav']);
    // The server makes pictures of H264 too, and of what is in a picture's own form nothing else.
    assert.deepEqual(['mjpeg', 'ascii', 'y4m', 'frame', 'annexb'].map(key => [['H264'], ['H265'], ['RAWVIDEO']].map(codecs => fits(...codecs).includes(key))), [[true, false, true], [true, false, true], [false, false, true], [true, true, false], [true, true, false]]);
    assert.deepEqual(['mjpeg', 'aac', 'wav'].filter(key => fits('H265', 'AAC').includes(key)), ['aac']);
    assert.ok(fits('Opus').includes('whep') && fits('H265', 'Opus').includes('whep') && !fits('VP8', 'Opus').includes('whep') && fits('AV1').includes('webrtc'));
    const url = (/** @type {string} */ key, /** @type {string[]} */ ...codecs) => places({...about, name: 'x', codecs}).find(p => p.key === key)?.url;
    assert.deepEqual([url('hls', 'H264', 'AAC'), url('hls', 'H264', 'Opus'), url('mp4', 'H264'), url('mp4', 'H264', 'PCMA')].map(one => one?.split('src=x')[1]), ['&mp4', '&mp4=all', '', '&mp4=all']);
    assert.deepEqual([url('annexb', 'H264'), url('annexb', 'H265', 'AAC')], ['http://h/x/api/stream.h264?src=x', 'http://h/x/api/stream.hevc?src=x']);
    assert.equal(places({...about, rtspPort: ''}).filter(p => p.key.startsWith('rtsp')).length, 0);
    assert.deepEqual(places(about).filter(p => !places({...about, own: false}).some(one => one.key === p.key)).map(p => p.key), ['poster', 'clip'], 'a go2rtc has no more than that not');
    assert.deepEqual(places(about).filter(p => p.into).map(p => p.key), ['sendCamera', 'sendScreen', 'whip', 'rtsp', 'ts']);
    assert.doesNotMatch(snippets(about)[1][1].replace(/^ffmpeg .*? -i '/, '').replace(/' -c copy.*/, ''), /'/);
    for (const program of [2, 3]) assert.match(snippets(about)[program][1], /^(ffplay -rtsp_transport tcp|vlc) '[^']+'$/);
    assert.equal(snippets({...about, name: 'a b'}).at(-1)?.[1], 'Settings > Devices & services > Add integration > Generic Camera\n\nStill Image URL: http://h/x/api/frame.jpeg?src=a%20b\nStream Source URL: rtsp://h:8554/a%20b\nRTSP transport protocol: TCP');
});

test('who can play it: only the codecs that do not fit, those that not every browser decodes, and sound that is left out', () => {
    const of = (/** @type {string} */ key, /** @type {string[]} */ ...codecs) => {
        const {misfit, hard, silent, who} = places({name: 'x', base: 'http://h/', host: 'h', rtspPort: '8554', codecs, own: true}).find(p => p.key === key) ?? assert.fail(key);
        return misfit ? `not ${misfit}` : [hard && `if ${hard}`, ...who, silent && `no ${silent}`].filter(Boolean).join(' ');
    };
    const all = (/** @type {string} */ key, /** @type {string[]} */ ...streams) => streams.map(one => of(key, ...one.split('+').filter(Boolean)));
    assert.deepEqual(all('camera', 'H264+AAC', 'H265', 'H265+AAC', 'AV1', 'H265+H264', 'VP8+Opus', 'AAC', ''), ['browsers', 'if H265 browsers stills', 'if H265 browsers stills', 'if AV1 browsers', 'browsers', 'not VP8', 'browsers', 'browsers']);
    assert.deepEqual(all('webrtc', 'H264+AAC', 'H264+Opus', 'H265+AAC', 'AV1+PCMA', 'AAC'), ['browsers no AAC', 'browsers', 'if H265 browsers no AAC', 'if AV1 browsers', 'not AAC']);
    assert.deepEqual(all('mp4', 'H264+Opus', 'H265', 'MJPEG+AAC'), ['progressive', 'if H265 rtsp', 'not MJPEG']);
    assert.deepEqual(all('hls', 'H265+AAC', ''), ['apple', 'apple']);
    assert.deepEqual(all('rtspMp4', 'H264+Opus', 'MJPEG+AAC'), ['recorders no Opus', 'not MJPEG']);
    assert.deepEqual(all('aac', 'H264+Opus', 'H264', 'H264+AAC', ''), ['not Opus', 'not H264', 'sound', 'sound']);
});

test('the server by another name: what may be a secret is not kept', () => {
    const kept = (/** @type {string} */ wish) => keptOf('http://h:1984/', wish);
    assert.deepEqual(['user:word@host', 'http://user:word@host/', 'a@b'].map(one => [isSecret(one), kept(one)]), [[true, ''], [true, ''], [true, '']]);
    assert.deepEqual(['cam.local:81', 'fd00::1', 'https://h/x/links.html?token=1#2', 'cam.local/x?token=1', ''].map(kept), ['cam.local:81', 'fd00::1', 'https://h/x/', 'cam.local', '']);
});

test('the server by another name', () => {
    const base = 'https://127.0.0.1:1984/a/b/', as = (/** @type {string} */ wish) => seenAs(base, wish);
    assert.deepEqual(['', 'cam.local', '192.168.1.5:1985', 'fd00::1', '[fd00::1]:80'].map(as), [base, 'https://cam.local:1984/a/b/', 'https://192.168.1.5:1985/a/b/', 'https://[fd00::1]:1984/a/b/', 'https://[fd00::1]:80/a/b/']);
    assert.deepEqual(['http://cam.example.com', 'https://h/x/links.html?src=a', 'http://h:81/x/'].map(as), ['http://cam.example.com/', 'https://h/x/', 'http://h:81/x/']);
    for (const none of ['a b', 'user@host', 'http://', 'http://user:word@host/', 'javascript:alert(1)', '<x>']) assert.equal(new URL(as(none)).username + new URL(as(none)).protocol, 'https:', none);
    assert.deepEqual([':8554', '0.0.0.0:8554', '[::]:8554', '192.168.1.5:8554', '[fd00::1]:8554', ''].map(boundTo), ['', '', '', '192.168.1.5', '[fd00::1]', '']);
    assert.deepEqual(['localhost', '127.0.0.1', '[::1]', '192.168.1.5', 'localhost.example.com'].map(isLocal), [true, true, true, false, false]);
});

test('a still picture that never comes is given up on, and the others are asked for then', async t => {
    const asked = /** @type {string[]} */ ([]), over = new AbortController(), {fetch} = globalThis, {timeout} = AbortSignal;
    t.after(() => {
        globalThis.fetch = fetch;
        AbortSignal.timeout = timeout;
    });
    AbortSignal.timeout = () => over.signal;
    globalThis.fetch = /** @type {any} */ ((/** @type {string} */ url, /** @type {{signal?: AbortSignal}} */ {signal}) => new Promise((resolve, reject) => {
        asked.push(url);
        if (asked.length > 1) resolve(new Response('', {status: 404}));
        signal?.addEventListener('abort', () => reject(signal.reason));
    }));
    const {poster} = await import('../../ui/lib/poster.js'), pictures = Promise.all([poster('a'), poster('b')]);
    assert.equal(asked.length, 1);
    over.abort();
    assert.deepEqual([await pictures, asked], [[null, null], ['api/rs/poster?src=a', 'api/rs/poster?src=b']]);
});
