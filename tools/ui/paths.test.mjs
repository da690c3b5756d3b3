/**
 * The addresses in a description, each by itself, and what follows from those that answer.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import './no-page.mjs';
import {candidates, only, verdict} from '../../ui/lib/paths.js';

const SDP = ['v=0', 'm=video 9 UDP/TLS/RTP/SAVPF 96', 'a=candidate:1 1 udp 2130706431 192.168.1.5 8555 typ host', 'a=candidate:2 1 TCP 1671430143 192.168.1.5 8555 typ host tcptype passive',
    'a=candidate:3 1 udp 1694498815 fd00::5 8555 typ srflx raddr 0.0.0.0 rport 0', 'a=candidate:4 2 udp 1 192.168.1.5 8556 typ host', 'a=end-of-candidates',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=candidate:1 1 udp 2130706431 192.168.1.5 8555 typ host', ''].join('\r\n');

test('addresses are found once, those of RTCP are left out', () => {
    assert.deepEqual(candidates(SDP).map(({protocol, address, port, type}) => [protocol, address, port, type]),
        [['udp', '192.168.1.5', 8555, 'host'], ['tcp', '192.168.1.5', 8555, 'host'], ['udp', 'fd00::5', 8555, 'srflx']]);
    for (const odd of ['', 'a=candidate:', 'a=candidate:1 1 udp x y z typ host', '\0']) assert.deepEqual(candidates(odd), []);
});

test('all but one are taken away, and nothing else', () => {
    const [, tcp] = candidates(SDP), left = only(SDP, tcp);
    assert.deepEqual(candidates(left).map(one => one.protocol), ['tcp']);
    assert.equal(left.split('\r\n').length, SDP.split('\r\n').length - 4);
});

test('what follows from the addresses that answer, and what would help', () => {
    const one = (protocol, address, works, port = 8555) => ({one: {line: '', protocol, address, port, type: 'host'}, ms: works ? 3 : null});
    const told = (tried, host = '192.168.1.5', contained = false) => {
        const {state, why, fix} = verdict(tried, host, contained);
        return [state, why, fix];
    };
    assert.deepEqual(told([one('udp', '172.17.0.2', false), one('udp', '192.168.1.5', true)], '192.168.1.5', true), ['ok', '', '']);
    assert.deepEqual(told([one('udp', '192.168.1.5', false), one('tcp', '192.168.1.5', true)]), ['warn', 'udpBlocked', '']);
    assert.deepEqual(told([one('tcp', '192.168.1.5', true)]), ['warn', 'udpOff', '']);
    assert.deepEqual(told([{one: undefined, ms: null}]), ['fail', 'none', '']);
    assert.deepEqual(told([one('udp', '192.168.1.5', false), one('tcp', '192.168.1.5', false)], '192.168.1.5', true), ['fail', 'firewall', ''], 'another address would not help');
    assert.deepEqual(told([one('udp', 'fd00::5', false)], '[fd00::5]'), ['fail', 'firewall', '']);
    assert.deepEqual(told([one('tcp', '172.17.0.2', false, 9000), one('udp', '172.17.0.2', false)], 'nas.local', true), ['fail', 'container', 'nas.local:8555']);
    assert.deepEqual(told([one('udp', '10.9.9.9', false)], '[fd00::5]'), ['fail', 'elsewhere', '[fd00::5]:8555']);
    assert.equal(verdict([one('udp', '10.9.9.9', false), one('tcp', '10.9.9.9', false)], 'x', false).addresses, '10.9.9.9');
});
