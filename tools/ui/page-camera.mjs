/**
 * A camera inside the page: answers the player's offer with a second peer connection that
 * sends a drawn picture with the strip, and a tone. It stands in for socket and server, so
 * the player and the measuring can be tested by themselves. With `__session` set in the
 * page it answers `hello` with that and pauses and resumes as our server does.
 */

/**
 * Sent into the page as text, before the probe.
 * @param {typeof import('./strip.mjs').stripCells} stripCells
 */
export function pageCamera(stripCells) {
    const Peer = window.RTCPeerConnection;
    const open = [];
    Object.defineProperty(window, '__camera', {value: open});
    /** Every socket of the page. */
    const sockets = [];
    Object.defineProperty(window, '__sockets', {value: sockets});

    const media = () => {
        const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
        canvas.width = 640;
        canvas.height = 360;
        let frame = 0;
        setInterval(() => {
            pen.fillStyle = `hsl(${frame % 360} 60% 40%)`;
            pen.fillRect(0, 0, 640, 330);
            pen.fillStyle = '#000';
            pen.fillRect(0, 330, 640, 30);
            pen.fillStyle = '#fff';
            for (const [row, cells] of stripCells({frame, unixMs: Date.now()}).entries()) {
                for (const [cell, white] of cells.entries()) {
                    if (white) pen.fillRect((cell + 1) / 54 * 640, (55 + 2 * row) / 60 * 360, 640 / 54, 12);
                }
            }
            frame++;
        }, 40);
        const context = new AudioContext(), tone = context.createOscillator(), out = context.createMediaStreamDestination();
        tone.connect(out);
        tone.start();
        return [...canvas.captureStream(25).getTracks(), ...out.stream.getTracks()];
    };

    window.WebSocket = class extends EventTarget {
        static CONNECTING = 0;
        static OPEN = 1;
        static CLOSING = 2;
        static CLOSED = 3;
        readyState = 0;
        early = [];
        constructor(url) {
            super();
            this.url = url;
            this.sent = [];
            sockets.push(this);
            setTimeout(() => {
                if (window.__down) {
                    this.readyState = 3;
                    this.dispatchEvent(new CloseEvent('close'));
                    return;
                }
                this.readyState = 1;
                this.dispatchEvent(new Event('open'));
            });
        }
        answer(type, value) {
            this.dispatchEvent(new MessageEvent('message', {data: `${JSON.stringify({type, value})}\n`}));
        }
        async send(text) {
            const {type, value} = JSON.parse(text);
            this.sent.push(type);
            if (type === 'hello') this.hello = value;
            if (type === 'hello' && window.__session) {
                setTimeout(() => this.answer('session', window.__session));
            } else if (type === 'park' || type === 'resume') {
                for (const sender of this.pc?.getSenders() ?? []) await sender.replaceTrack(type === 'park' ? null : sender.was);
                this.answer('state', type === 'park' ? {state: 'parked', reason: 'hidden'} : {state: 'alive'});
            } else if (type === 'webrtc/offer') {
                const pc = new Peer();
                this.pc = pc;
                open.push(pc);
                pc.addEventListener('icecandidate', ev => this.answer('webrtc/candidate', ev.candidate?.candidate ?? ''));
                await pc.setRemoteDescription({type: 'offer', sdp: value});
                for (const track of media()) pc.addTrack(track).was = track;
                await pc.setLocalDescription();
                this.answer('webrtc/answer', pc.localDescription.sdp);
                for (const early of this.early) pc.addIceCandidate(early);
                this.early = [];
                this.ready = true;
            } else if (type === 'webrtc/candidate') {
                const candidate = {candidate: value, sdpMid: '0'};
                if (this.ready) this.pc.addIceCandidate(candidate);
                else this.early.push(candidate);
            } else if (type === 'talk/request' && window.__floor) {
                this.answer(...window.__floor);
            } else if (type !== 'hello') {
                this.answer('error', `${type}: ${type === 'talk/request' ? 'who may not change streams may not talk: log in' : 'not implemented'}`);
            }
        }
        close() {
            if (this.readyState >= 2) return;
            this.readyState = 3;
            setTimeout(() => this.dispatchEvent(new CloseEvent('close')));
        }
    };
}
