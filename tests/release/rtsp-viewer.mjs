/** A small RTSP player: plays over one TCP connection (RFC 2326 10.12) and leaves in a chosen way. */
import {connect} from 'node:net';

const LIMIT = 15_000;

/**
 * @param {number} port
 * @param {string} path
 * @param {'teardown'|'fin'|'reset'} leave
 * @param {number} ms how long it watches
 */
export async function watchRtsp(port, path, leave, ms) {
    const base = `rtsp://127.0.0.1:${port}/${path}`;
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(LIMIT, () => socket.destroy(new Error('the RTSP server says nothing')));
    let text = Buffer.alloc(0), media = 0;
    let wake = () => {};
    const ended = new Promise(resolve => socket.once('close', resolve));
    let error;
    socket.on('error', err => { error = err; wake(); });
    socket.on('data', data => { text = Buffer.concat([text, data]); wake(); });
    let number = 0, session = '';
    const ask = async (method, url, more = '') => {
        number += 1;
        const head = `${method} ${url} RTSP/1.0\r\nCSeq: ${number}\r\nUser-Agent: test\r\n${session && `Session: ${session}\r\n`}${more}\r\n`;
        socket.write(head);
        for (;;) {
            const answer = take();
            if (answer) return answer;
            if (error) throw error;
            await new Promise(resolve => { wake = () => resolve(undefined); });
        }
    };
    // An answer, or nothing yet; interleaved packets before it are counted and dropped.
    const take = () => {
        while (text.length >= 4 && text[0] === 0x24) {
            const length = text.readUInt16BE(2) + 4;
            if (text.length < length) return undefined;
            text = text.subarray(length);
            media += 1;
        }
        const end = text.indexOf('\r\n\r\n');
        if (end < 0 || text[0] === 0x24) return undefined;
        const head = text.subarray(0, end).toString();
        const length = Number(head.match(/^content-length: *(\d+)/im)?.[1] ?? 0);
        if (text.length < end + 4 + length) return undefined;
        const body = text.subarray(end + 4, end + 4 + length).toString();
        text = text.subarray(end + 4 + length);
        const status = Number(head.split(' ')[1]);
        if (status !== 200) throw new Error(`RTSP ${status}`);
        session ||= head.match(/^session: *([^;\r\n]+)/im)?.[1] ?? '';
        return {head, body};
    };
    try {
        const {body} = await ask('DESCRIBE', base, 'Accept: application/sdp\r\n');
        const controls = [...body.matchAll(/^a=control:(.+)$/gm)].map(m => m[1].trim()).filter(c => c !== '*');
        for (const [index, control] of controls.entries()) {
            const url = control.includes('://') ? control : `${base}/${control}`;
            await ask('SETUP', url, `Transport: RTP/AVP/TCP;unicast;interleaved=${2 * index}-${2 * index + 1}\r\n`);
        }
        await ask('PLAY', base, 'Range: npt=0.000-\r\n');
        await new Promise(resolve => setTimeout(resolve, ms));
        take();
        if (leave === 'teardown') await ask('TEARDOWN', base);
        if (leave === 'reset') socket.resetAndDestroy();
        else socket.end();
        return media;
    } finally {
        if (error || leave !== 'fin') socket.destroy();
        setTimeout(() => socket.destroy(), 500).unref();
        await ended;
    }
}
