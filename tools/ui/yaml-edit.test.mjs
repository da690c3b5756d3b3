/**
 * Single values of a configuration that are changed in its text: all else stays as it is, and what is not known for certain is left alone.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {outline, readAt, withValue, written} from '../../ui/lib/yaml-edit.js';

const TEXT = `# The door.
api:
  # where it listens
  listen: ":1984"   # all of them
  local_auth: false
  odd_key: 'it''s'

streams:
  listen: rtsp://x   # a stream of that name
  door:
    - rtsp://y
log: {level: debug, "format": text} # short
webrtc:
  filters:
    loopback: true
  ice_servers:
    - urls: [stun:x:1]
      username: joe
rtsp:
  username: &who admin
  password: *who
  default_query: |
    listen: x
publish: {a: [x, "y, }"], b: {c: 1}, d: e}
`;

test('values are read as they are meant', () => {
    const file = outline(TEXT);
    for (const [path, value] of /** @type {[string, any][]} */ ([['api.listen', ':1984'], ['api.local_auth', 'false'], ['api.odd_key', 'it\'s'], ['api.username', undefined], ['log.level', 'debug'], ['log.format', 'text'], ['log.time', undefined],
        ['webrtc.filters.loopback', 'true'], ['webrtc.listen', undefined], ['webrtc.timeouts.failed', undefined], ['rtsp.username', null], ['rtsp.password', null], ['rtsp.default_query', null], ['rtsp.listen', undefined],
        ['webrtc.filters', null], ['streams.door', null], ['streams.door.linger', null], ['publish.a', null], ['publish.b.c', '1'], ['publish.b.d', undefined], ['publish.d', 'e'], ['compat', undefined], ['webrtc.ice_servers.username', null]])) assert.equal(readAt(file, path.split('.')), value, path);
    for (const text of ['{api: {listen: x}}', '--- {a: b}\n', '[a]']) assert.equal(readAt(outline(text), ['api', 'listen']), null, text);
    for (const text of ['api: "x\n  y"\n', 'api:\n  listen: x\n    y\n', 'api: {listen: x,\n  y: z}\n', 'api: text\n', 'api:\n  listen: "a" b\n', 'api:\n- listen\n']) assert.equal(readAt(outline(text), ['api', 'listen']), null, text);
    for (const text of ['api:\n  listen:\nlog:\n', 'api:\n  listen: ~ # none\n', 'api: {}\n', 'api:\n', '', '# api:\n#   listen: x\n']) assert.equal(readAt(outline(text), ['api', 'listen']), undefined, text);
});

test('braces and quoted texts over several lines have no keys in them, and what comes after has', () => {
    for (const text of ['api: {\n  listen: x,\n  local_auth: true\n}\n', 'api: &a {more: [1,\n  listen: x # it\'s }\n  ]}\n', 'api:\n  {listen: x}\n', 'api:\n  {\n  listen: x\n  }\n', 'api: "a\n  listen: x\n  # \\" b"\n', 'api: \'it\'\'s\n  listen: x\'\n']) {
        const whole = `${text}log:\n  level: info\n`, file = outline(whole);
        assert.equal(readAt(file, ['api', 'listen']), null, text);
        assert.equal(withValue(whole, ['api', 'listen'], 'y'), null, text);
        assert.equal(readAt(file, ['log', 'level']), 'info', text);
    }
    for (const value of ['{a: it\'s, b: x#y} # {', '"}" # "', '\'{\'', 'x{"', '[{a: "]"}, \'[\']', 'it\'s {']) {
        const text = `odd: ${value}\nlog:\n  level: info\n`;
        assert.equal(readAt(outline(text), ['log', 'level']), 'info', text);
    }
    // Where that ends is not known.
    for (const text of ['odd: "x\nlog:\n  level: info\n', 'odd: [\nlog:\n  level: info\n']) for (const path of [['log', 'level'], ['log', 'time'], ['fresh']]) assert.equal(readAt(outline(text), path), null, text);
});

/** What differs: lines that are gone, and lines that are new. @param {string|null} after @param {string} before */
function lines(after, before = TEXT) {
    const [a, b] = [before.split('\n'), String(after).split('\n')];
    return [a.filter(line => !b.includes(line)), b.filter(line => !a.includes(line))];
}

test('one value is changed, and nothing else', () => {
    for (const [path, raw, gone, come] of /** @type {[string, string|null, string[], string[]][]} */ ([
        ['api.listen', '":1985"', ['  listen: ":1984"   # all of them'], ['  listen: ":1985"   # all of them']],
        ['api.local_auth', 'true', ['  local_auth: false'], ['  local_auth: true']],
        ['api.local_auth', null, ['  local_auth: false'], []],
        ['api.username', 'joe', [], ['  username: joe']],
        ['log.level', 'info', ['log: {level: debug, "format": text} # short'], ['log: {level: info, "format": text} # short']],
        ['log.level', null, ['log: {level: debug, "format": text} # short'], ['log: {"format": text} # short']],
        ['log.format', null, ['log: {level: debug, "format": text} # short'], ['log: {level: debug} # short']],
        ['log.time', 'x', ['log: {level: debug, "format": text} # short'], ['log: {level: debug, "format": text, time: x} # short']],
        ['webrtc.filters.loopback', null, ['  filters:', '    loopback: true'], []],
        ['webrtc.timeouts.failed', '5s', [], ['  timeouts:', '    failed: 5s']],
        ['publish.b.c', '2', ['publish: {a: [x, "y, }"], b: {c: 1}, d: e}'], ['publish: {a: [x, "y, }"], b: {c: 2}, d: e}']],
        ['compat', 'go2rtc', [], ['compat: go2rtc']],
        ['ui.x.y', '1', [], ['ui:', '  x:', '    y: 1']],
    ])) assert.deepEqual(lines(withValue(TEXT, path.split('.'), raw)), [gone, come], path);
    assert.match(String(withValue(TEXT, ['api', 'username'], 'joe')), /odd_key: 'it''s'\n {2}username: joe\n\nstreams:/, 'at the end of its section');
    for (const path of ['rtsp.username', 'rtsp.default_query', 'streams.door', 'publish.a', 'publish.a.b']) assert.equal(withValue(TEXT, path.split('.'), 'x'), null, path);
});

test('what is written is read again, and what is taken back leaves the text as it was', () => {
    const values = [':1984', 'info', 'off', '5s', '007', 'true', '', 'a b # c', '"quoted" \\ \'and\'', '$' + '{env:U}', '- x', '密码', '{a}', 'x: y', '*'];
    for (const before of [TEXT, '', '# only a comment\n', 'api:\n', 'api: {}\n', 'api: {a: b} # c\n', 'api:\r\n  a: b\r\nlog:\r\n  level: info\r\n', 'api:\n    deep: 1\n\n# end\nstreams:\n  a: b', 'streams:\n  a: b']) {
        for (const path of [['api', 'fresh'], ['api', 'more', 'fresh'], ['fresh'], ['other', 'fresh']]) {
            for (const value of values) {
                const after = withValue(before, path, written(value, false));
                assert.equal(readAt(outline(after ?? ''), path), value, `${JSON.stringify(before)} ${path} ${value}`);
                const again = withValue(after ?? '', path, '"x"');
                assert.equal(readAt(outline(again ?? ''), path), 'x');
                const back = withValue(again ?? '', path, null) ?? '';
                // A last line without its end gets one; a section that has nothing goes.
                assert.equal(back.replace(/^api:\r?\n(?!\s)/m, '').replace(/, more: \{\}|more: \{\}/, '').trimEnd(), before.replace(/^api:\r?\n(?!\s)/m, '').trimEnd(), `${JSON.stringify(before)} ${path}`);
            }
        }
    }
});

test('values are quoted where YAML would take them for something else', () => {
    assert.deepEqual(['info', 'off', '5s', '5', ':1984', 'yes', '/a/b.yaml', '012', ''].map(value => written(value, false)), ['info', '"off"', '"5s"', '"5"', '":1984"', '"yes"', '/a/b.yaml', '"012"', '""']);
    assert.deepEqual(['true', '5s', '1500', 'off', 'fast'].map(value => written(value, true)), ['true', '5s', '1500', '"off"', 'fast']);
});
