/**
 * What runs inside the page before its own scripts: notes when sockets, peer connections
 * and pictures reach their states, and looks at the decoded pictures and the sound. It
 * changes nothing in how the page works.
 */

/**
 * Sent into the page as text, with `readStrip` as its argument.
 * @param {typeof import('./strip.mjs').readStrip} readStrip
 */
export function probe(readStrip) {
    /** Milliseconds since the navigation began. */
    const marks = {};
    const mark = name => { marks[name] ??= Math.round(performance.now() * 10) / 10; };
    const state = {marks, pcs: [], videos: [], readings: [], hashes: [], sockets: 0, shown: 0, damaged: 0, reading: false};
    Object.defineProperty(window, '__probe', {value: state});
    mark('documentStart');

    /** Starts the clock anew, for a click. */
    state.reset = () => {
        for (const name of Object.keys(marks)) delete marks[name];
        state.zero = performance.now();
    };

    const Socket = window.WebSocket;
    window.WebSocket = class extends Socket {
        constructor(...args) {
            super(...args);
            state.sockets++;
            mark('socketDial');
            this.addEventListener('open', () => mark('socketOpen'));
            this.addEventListener('message', ev => {
                if (typeof ev.data !== 'string') return mark('media');
                if (ev.data.includes('webrtc/answer')) mark('answer');
                if (ev.data.includes('"error"')) state.errors = [...state.errors ?? [], ev.data.trim()];
            });
        }
        send(data) {
            if (typeof data === 'string' && data.includes('webrtc/offer')) mark('offer');
            if (typeof data === 'string' && data.includes('"mse"')) mark('mse');
            super.send(data);
        }
    };

    const Peer = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Peer {
        constructor(...args) {
            super(...args);
            state.pcs.push(this);
            mark('peerConnection');
            this.addEventListener('iceconnectionstatechange', () => {
                if (/connected|completed/.test(this.iceConnectionState)) mark('iceConnected');
            });
            this.addEventListener('connectionstatechange', () => mark(this.connectionState));
        }
    };

    // The lower twelfth of the picture, where the strip is, and a thumbnail for a hash.
    const canvas = document.createElement('canvas'), small = document.createElement('canvas');
    const pen = canvas.getContext('2d', {willReadFrequently: true});
    const smallPen = small.getContext('2d', {willReadFrequently: true});
    small.width = 64;
    small.height = 36;
    const draw = CanvasRenderingContext2D.prototype.drawImage;
    const look = (video, now) => {
        const {videoWidth: width = video.width, videoHeight: height = video.height} = video;
        const top = Math.floor(height * 54 / 60);
        if (canvas.width !== width || canvas.height !== height - top) {
            canvas.width = width;
            canvas.height = height - top;
        }
        draw.call(pen, video, 0, top, width, height - top, 0, 0, width, height - top);
        const reading = readStrip(pen.getImageData(0, 0, width, height - top), height);
        if (reading) {
            const at = performance.timeOrigin + now;
            state.readings.push({...reading, at: Math.round(at * 10) / 10, delay: Math.round((at - reading.unixMs) * 10) / 10});
        } else {
            state.damaged++;
        }
        if (!reading || state.hashes.length < 4) {
            draw.call(smallPen, video, 0, 0, 64, 36);
            let hash = 0x811C9DC5;
            for (const byte of smallPen.getImageData(0, 0, 64, 36).data) hash = Math.imul(hash ^ byte, 0x01000193);
            state.hashes.push((hash >>> 0).toString(16).padStart(8, '0'));
        }
    };

    // Motion JPEG is drawn on a canvas.
    CanvasRenderingContext2D.prototype.drawImage = function (...args) {
        draw.apply(this, args);
        if (this.canvas.className !== 'pictures' || !this.canvas.isConnected) return;
        mark('firstFrame');
        state.shown++;
        state.size = {width: this.canvas.width, height: this.canvas.height};
        if (state.reading && state.readings.length + state.damaged < 3000) look(this.canvas, performance.now());
    };

    const create = Document.prototype.createElement;
    Document.prototype.createElement = function (...args) {
        const node = create.apply(this, args);
        if (node instanceof HTMLVideoElement && 'requestVideoFrameCallback' in node) {
            state.videos.push(node);
            node.addEventListener('loadeddata', () => mark('loadedData'));
            node.addEventListener('playing', () => mark('playing'));
            const onframe = (now, data) => {
                if (node.isConnected) {
                    mark('firstFrame');
                    state.shown++;
                    state.presented = data.presentedFrames;
                    if (state.reading && state.readings.length + state.damaged < 3000) look(node, now);
                }
                node.requestVideoFrameCallback(onframe);
            };
            node.requestVideoFrameCallback(onframe);
        }
        return node;
    };

    /** The video element that is in the page. */
    state.video = () => state.videos.filter(video => video.isConnected).at(-1);

    /** The numbers of the newest peer connection. */
    state.stats = async () => {
        const result = {};
        const pc = state.pcs.filter(pc => pc.connectionState !== 'closed').at(-1);
        if (!pc) return result;
        const stats = await pc.getStats();
        stats.forEach(entry => {
            if (entry.type === 'inbound-rtp') {
                const names = [
                    'packetsReceived', 'packetsLost', 'bytesReceived', 'jitter', 'jitterBufferDelay', 'jitterBufferEmittedCount',
                    'framesReceived', 'framesDecoded', 'framesDropped', 'keyFramesDecoded', 'freezeCount', 'pliCount', 'nackCount',
                    'frameWidth', 'frameHeight', 'decoderImplementation', 'totalAudioEnergy', 'totalSamplesReceived',
                    'concealedSamples', 'audioLevel',
                ];
                const codec = stats.get(entry.codecId)?.mimeType;
                result[entry.kind] = {codec, ...Object.fromEntries(names.filter(n => n in entry).map(n => [n, entry[n]]))};
            } else if (entry.type === 'candidate-pair' && entry.nominated && entry.state === 'succeeded') {
                const side = id => {
                    const c = stats.get(id) ?? {};
                    return {address: c.address ?? '', port: c.port, protocol: c.protocol, type: c.candidateType};
                };
                result.path = {
                    local: side(entry.localCandidateId), remote: side(entry.remoteCandidateId),
                    roundTripTime: entry.currentRoundTripTime,
                };
            }
        });
        return result;
    };

    /** Begins to listen; the answer gives the loudest level until then, 0 to 1. */
    state.listen = () => {
        const stream = state.video()?.srcObject;
        if (!(stream instanceof MediaStream) || !stream.getAudioTracks().length) return;
        const context = new AudioContext(), analyser = context.createAnalyser();
        analyser.fftSize = 2048;
        context.createMediaStreamSource(stream).connect(analyser);
        const samples = new Float32Array(analyser.fftSize);
        state.sound = {peak: 0, rms: 0};
        // When a beep begins, to compare with the frame that it belongs to. The last
        // sample of a block is as old as its event.
        state.beeps = [];
        const block = 512, scriptNode = context.createScriptProcessor(block, 1, 1);
        let quiet = 0;
        scriptNode.onaudioprocess = ev => {
            const input = ev.inputBuffer.getChannelData(0), now = performance.timeOrigin + performance.now();
            for (let i = 0; i < block; i++) {
                if (Math.abs(input[i]) < 0.1) {
                    quiet++;
                } else {
                    if (quiet > context.sampleRate * 0.3) state.beeps.push(now - (block - i) / context.sampleRate * 1000);
                    quiet = 0;
                }
            }
        };
        context.createMediaStreamSource(stream).connect(scriptNode);
        scriptNode.connect(context.destination);
        setInterval(() => {
            analyser.getFloatTimeDomainData(samples);
            let sum = 0, peak = 0;
            for (const sample of samples) {
                sum += sample * sample;
                peak = Math.max(peak, Math.abs(sample));
            }
            state.sound.peak = Math.max(state.sound.peak, peak);
            state.sound.rms = Math.max(state.sound.rms, Math.sqrt(sum / samples.length));
        }, 20);
    };
}
