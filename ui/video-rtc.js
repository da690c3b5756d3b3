/**
 * A live video element: WebRTC beside one of MSE, HLS or MP4, with MJPEG as the last
 * resort, over the WebSocket `api/ws?src=NAME`; `docs/web.md` tells how it goes.
 *
 * Fields, hooks and their order are those of go2rtc's player of the same name, for pages
 * that extend it. It imports nothing.
 */

/** @typedef {{type: string, value?: any}} Message */
/** @typedef {import('./reasons.js').PathReport} PathReport */

/** Bytes that may wait, and seconds kept behind the player. */
const STAGING_LIMIT = 8 << 20, LIVE_WINDOW = 5;
/** Seconds behind after which the player jumps, with sound that is heard, and of a stall. */
const MOST_BEHIND = 3, STALL = 2;
/** The higher sum is shown, WebRTC wins ties. */
const SCORE = {rtcH265: 0x240, rtcVideo: 0x220, rtcAudio: 0x102, hvc1: 0x230, avc1: 0x210, av01: 0x210, mp4a: 0x101};
/** A type, or a playlist, of sound alone. */
const SOUND_ALONE = /codecs="(flac|opus|mp4a)[^,"]*"/i;

export class VideoRTC extends HTMLElement {
    /** Have not failed. @type {Set<string>} */
    #running = new Set();
    /** @type {(() => void)|null} */
    #unwatch = null;
    /** Candidates. @type {{local: string[], remote: string[]}} */
    #seen = {local: [], remote: []};
    /** It has been connected. @type {RTCPeerConnection|null} */
    #connected = null;
    #controlsHidden = false;
    /** Gets pictures beside sound. @type {((data: ArrayBuffer) => void)|null} */
    #onpicture = null;

    constructor() {
        super();

        /** Milliseconds from hidden or removed to closed. */
        this.DISCONNECT_TIMEOUT = 5000;
        /** Least milliseconds between two attempts. */
        this.RECONNECT_TIMEOUT = 15000;
        /** Codecs to offer. */
        this.CODECS = [
            'avc1.640029', 'avc1.64002A', 'avc1.640033', // H.264 High 4.1, 4.2, 5.1
            'hvc1.1.6.L153.B0', // H.265 Main 5.1
            'av01.0.08M.08', // AV1
            'mp4a.40.2', 'mp4a.40.5', // AAC LC, HE
            'flac', 'opus',
        ];

        /** Allowed modes: `webrtc`, `webrtc/tcp`, `mse`, `hls`, `mp4`, `mjpeg`. */
        this.mode = 'webrtc,mse,hls,mjpeg';
        /** Wanted media: `video`, `audio`, `microphone`. */
        this.media = 'video,audio';
        /** Go on while hidden, scrolled away or removed. */
        this.background = false;
        /** Part (0 to 1) that must be on the screen; 0 does not watch. */
        this.visibilityThreshold = 0;
        /** Stop when the page is hidden. */
        this.visibilityCheck = true;
        /** @type {RTCConfiguration} */
        this.pcConfig = {
            bundlePolicy: 'max-bundle',
            iceServers: [{urls: ['stun:stun.cloudflare.com:3478', 'stun:stun.l.google.com:19302']}],
        };

        /** State of the socket, as of `WebSocket`. @type {number} */
        this.wsState = WebSocket.CLOSED;
        /** The same of the peer connection. @type {number} */
        this.pcState = WebSocket.CLOSED;
        /** @type {HTMLVideoElement|null} */
        this.video = null;
        /** @type {WebSocket|null} */
        this.ws = null;
        /** Address of the socket. */
        this.wsURL = '';
        /** @type {RTCPeerConnection|null} */
        this.pc = null;
        /** When the last attempt began, as of `Date.now()`. */
        this.connectTS = 0;
        /** When the next attempt begins, 0 if none is waiting. */
        this.reconnectTS = 0;
        /** Type of the MSE stream, if it is known. */
        this.mseCodecs = '';
        /** @type {any} Timer, or 0. */
        this.disconnectTID = 0;
        /** @type {any} Timer, or 0. */
        this.reconnectTID = 0;
        /** @type {((data: ArrayBuffer) => void)|null} Gets the binary messages. */
        this.ondata = null;
        /** @type {Record<string, (msg: Message) => void>} Get every text message. */
        this.onmessage = {};
    }

    /** Address of the stream, also `http(s)` or relative to the page. Connects if it is in the document. @param {string|URL} value */
    set src(value) {
        const url = new URL(String(value), document.baseURI || location.href);
        this.wsURL = url.href.replace(/^http/, 'ws');
        this.onconnect();
    }

    /** Plays; muted, if the browser refuses sound. */
    play() {
        const video = this.video;
        if (!video) return;
        video.play()?.catch(err => {
            if (err.name !== 'NotAllowedError' || video.muted) return;
            video.muted = true;
            video.play().catch(console.warn);
        });
    }

    /** @param {Message} value */
    send(value) {
        if (this.ws && this.ws.readyState === WebSocket.OPEN) this.ws.send(JSON.stringify(value));
    }

    /** The offered codecs as a list. @param {(type: string) => any} isSupported tells if the browser plays a type */
    codecs(isSupported) {
        return this.CODECS
            .filter(codec => this.media.includes(/^(av|hvc)/.test(codec) ? 'video' : 'audio'))
            .filter(codec => isSupported(`video/mp4; codecs="${codec}"`))
            .join();
    }

    /** In the document, or visible again. */
    connectedCallback() {
        if (this.disconnectTID) {
            clearTimeout(this.disconnectTID);
            this.disconnectTID = 0;
        }
        if (this.video) {
            const seekable = this.video.seekable;
            if (seekable.length > 0) this.video.currentTime = seekable.end(seekable.length - 1);
            if (this.ws || this.pc) this.play();
        } else {
            this.oninit();
        }
        this.#watch();
        this.onconnect();
    }

    /** Out of the document, or hidden. */
    disconnectedCallback() {
        const idle = this.wsState === WebSocket.CLOSED && this.pcState === WebSocket.CLOSED;
        if (idle && !this.isConnected) this.#unwatch?.();
        if (idle || this.background || this.disconnectTID) return;
        this.disconnectTID = setTimeout(() => {
            this.disconnectTID = 0;
            this.ondisconnect();
            if (!this.isConnected) this.#unwatch?.();
        }, this.DISCONNECT_TIMEOUT);
    }

    /** Creates the video element, once. */
    oninit() {
        const video = document.createElement('video');
        video.controls = video.playsInline = true;
        video.preload = 'auto';
        Object.assign(video.style, {display: 'block', width: '100%', height: '100%'});
        video.addEventListener('error', () => {
            // Not those of an emptied element, nor of sound beside pictures.
            if (this.ws && !this.pictured && (video.error || video.src)) {
                console.warn(video.error);
                this.ws.close();
            }
        });
        this.video = video;
        this.appendChild(video);

        const version = navigator.userAgent.match(/Version\/(\d+).+Safari/);
        if (version) {
            const number = Number(version[1]);
            const drop = number < 13 ? 'mp4a.40.2' : number < 14 ? 'flac' : 'opus';
            const from = this.CODECS.indexOf(drop);
            if (from >= 0) this.CODECS.splice(from);
        }
    }

    /** Opens the socket. @returns {boolean} false if there is nothing to do */
    onconnect() {
        if (!this.isConnected || !this.wsURL || this.ws || this.pc) return false;
        this.#cancelReconnect();

        this.wsState = WebSocket.CONNECTING;
        this.connectTS = Date.now();
        const ws = this.createSocket();
        this.ws = ws;
        ws.binaryType = 'arraybuffer';
        ws.addEventListener('open', () => {
            if (this.ws !== ws) return;
            // A subclass may add modes.
            for (const mode of this.onopen() ?? []) this.#running.add(mode);
        });
        ws.addEventListener('close', ev => {
            // One that was replaced concerns nobody.
            if (!this.ws || this.ws === ws) this.onclose(ev);
        });
        ws.addEventListener('message', ev => {
            if (this.ws === ws) this.#receive(ev.data);
        });
        return true;
    }

    createSocket() {
        return new WebSocket(this.wsURL);
    }

    /** Closes everything. */
    ondisconnect() {
        this.#cancelReconnect();
        this.#closePC();

        this.#closeWS();
        this.ondata = null;
        this.#running.clear();

        this.#emptyVideo();
    }

    /** The socket is open. @returns {string[]} the modes that were started */
    onopen() {
        this.wsState = WebSocket.OPEN;
        this.ondata = null;
        this.#onpicture = null;
        this.onmessage = {};

        const wanted = this.mode.split(',').map(mode => mode.trim());
        const modes = [];
        if (wanted.includes('mse') && ('MediaSource' in window || 'ManagedMediaSource' in window)) {
            modes.push('mse');
            this.onmse();
        } else if (wanted.includes('hls') && this.playsHLS(wanted)) {
            modes.push('hls');
            this.onhls();
        } else if (wanted.includes('mp4')) {
            modes.push('mp4');
            this.onmp4();
        }
        if (wanted.some(mode => mode === 'webrtc' || mode === 'webrtc/tcp') && 'RTCPeerConnection' in window) {
            modes.push('webrtc');
            this.onwebrtc();
        }
        if (wanted.includes('mjpeg')) {
            if (modes.length) {
                const first = modes[0];
                this.onmessage.mjpeg = msg => {
                    const text = String(msg.value);
                    if (msg.type === 'error' ? text.startsWith(first) : SOUND_ALONE.test(text)) this.#addPictures();
                };
            } else {
                modes.push('mjpeg');
                this.onmjpeg();
            }
        }
        this.#running = new Set(modes);
        return modes;
    }

    /** The socket is closed: plans the next attempt. @param {Event} [_ev] @returns {boolean} false if it was on purpose */
    // @ts-expect-error
    onclose(_ev) {
        if (this.wsState === WebSocket.CLOSED) return false;

        this.ws = null;
        if (this.pictured) this.#closePC();
        this.#running.clear();
        this.#reconnect(this.RECONNECT_TIMEOUT);
        return true;
    }

    /** Starts MSE: one endless fragmented MP4. */
    onmse() {
        const video = /** @type {HTMLVideoElement} */ (this.video);
        const {ManagedMediaSource: Managed} = /** @type {any} */ (window);
        const Source = Managed ?? MediaSource, source = new Source();
        let url = '';
        if (Managed) {
            video.disableRemotePlayback = true;
            video.srcObject = source;
        } else {
            video.srcObject = null;
            video.src = url = URL.createObjectURL(source);
        }
        source.addEventListener('sourceopen', () => {
            URL.revokeObjectURL(url);
            this.send({type: 'mse', value: this.codecs(Source.isTypeSupported)});
        }, {once: true});
        this.play();

        this.mseCodecs = '';
        this.onmessage.mse = msg => {
            if (msg.type !== 'mse') return;
            this.mseCodecs = msg.value;
            try {
                const buffer = source.addSourceBuffer(msg.value);
                buffer.mode = 'segments';
                this.ondata = feed(video, source, buffer, /mp4a|opus|flac/i.test(msg.value), () => this.pictured || this.ws?.close());
            } catch (err) {
                console.warn(err);
                this.#failed('mse');
            }
        };
    }

    /** Starts WebRTC. */
    onwebrtc() {
        const tcpOnly = this.mode.includes('webrtc/tcp');
        const pc = new RTCPeerConnection(this.pcConfig);
        this.#seen = {local: [], remote: []};
        // A refused media has no candidates.
        let mid = '0';

        pc.addEventListener('icecandidate', ev => {
            const text = ev.candidate ? ev.candidate.candidate : '';
            if (tcpOnly && isUDP(text)) return;
            if (text) this.#seen.local.push(text);
            this.send({type: 'webrtc/candidate', value: text});
        });
        pc.addEventListener('connectionstatechange', () => {
            if (this.pc !== pc) return;
            if (pc.connectionState === 'connected') this.#pcConnected(pc);
            else if (pc.connectionState === 'failed' || pc.connectionState === 'disconnected') this.#pcFailed(pc);
        });

        const fail = (/** @type {any} */ err) => {
            // Another may run.
            if (this.pc !== pc) return;
            console.warn(err);
            this.#closePC();
            this.#failed('webrtc');
        };
        this.onmessage.webrtc = msg => {
            switch (msg.type) {
                case 'webrtc/candidate':
                    if (this.pc !== pc || !msg.value || tcpOnly && isUDP(msg.value)) return;
                    this.#seen.remote.push(msg.value);
                    pc.addIceCandidate({candidate: msg.value, sdpMid: mid}).catch(console.warn);
                    break;
                case 'webrtc/answer': {
                    if (this.pc !== pc) return;
                    mid = msg.value.match(/BUNDLE (\S+)/)?.[1] ?? mid;
                    const lines = String(msg.value).split(/\r?\n/)
                        .filter(line => !(tcpOnly && line.startsWith('a=candidate:') && isUDP(line)));
                    this.#seen.remote.push(...lines.filter(line => line.startsWith('a=candidate:')).map(line => line.slice(2)));
                    pc.setRemoteDescription({type: 'answer', sdp: lines.join('\r\n')}).catch(fail);
                    break;
                }
                case 'error':
                    // Without this the next connection would never be made.
                    if (this.pc === pc && String(msg.value).includes('webrtc/offer')) this.#closePC();
                    break;
            }
        };

        this.pcState = WebSocket.CONNECTING;
        this.pc = pc;
        this.createOffer(pc).then(offer => {
            if (this.pc === pc) this.send({type: 'webrtc/offer', value: offer.sdp});
        }, fail);
    }

    /**
     * @param {RTCPeerConnection} pc
     * @returns {Promise<RTCSessionDescriptionInit>}
     */
    async createOffer(pc) {
        if (this.media.includes('microphone')) {
            try {
                const stream = await navigator.mediaDevices.getUserMedia({audio: true});
                for (const track of stream.getTracks()) {
                    if (pc.signalingState === 'closed') track.stop();
                    pc.addTransceiver(track, {direction: 'sendonly'});
                }
            } catch (err) {
                console.warn(err);
            }
        }
        for (const kind of ['video', 'audio']) {
            if (this.media.includes(kind)) pc.addTransceiver(kind, {direction: 'recvonly'});
        }
        const offer = await pc.createOffer();
        await pc.setLocalDescription(offer);
        return offer;
    }

    /** WebRTC has a picture: decides if it is shown. @param {HTMLVideoElement} video2 plays the stream; may be `video` */
    onpcvideo(video2) {
        const stream = /** @type {MediaStream|null} */ (video2.srcObject);
        if (this.pc && this.video && stream) {
            let rtc = 0, mse = 0;
            if (stream.getVideoTracks().length) {
                const h265 = /H265\/90000/i.test(this.pc.remoteDescription?.sdp ?? '');
                rtc += h265 ? SCORE.rtcH265 : SCORE.rtcVideo;
            }
            if (stream.getAudioTracks().length) rtc += SCORE.rtcAudio;
            for (const [name, score] of Object.entries(SCORE)) {
                if (this.mseCodecs.includes(`${name}.`)) mse += score;
            }

            if (rtc >= mse) {
                this.pcState = WebSocket.OPEN;
                this.ondata = null;
                this.#cancelReconnect();
                this.#showControls(true);
                if (this.video !== video2) {
                    this.video.playbackRate = 1;
                    this.video.removeAttribute('src');
                    this.video.srcObject = stream;
                    this.play();
                }
                // Pictures beside the sound need the socket; unknown messages harm nobody.
                if (this.pictured && rtc <= SCORE.rtcAudio) {
                    this.send({type: 'stop', value: 'mse'});
                } else {
                    this.#closeWS();
                }
            } else {
                this.#closePC();
            }
        }
        if (video2 !== this.video) video2.srcObject = null;
    }

    /** No network path, or it was lost; the next attempt is planned. @param {PathReport} _report */
    onpcfailed(_report) {}

    /** The peer connection is gone: goes on with what is left, or plans the next attempt. */
    onpclost() {
        this.#failed('webrtc');
        // With the socket another mode runs, or its end leads to the next attempt.
        if (this.ws || this.reconnectTID) return;
        if (Date.now() - this.connectTS >= 1000) this.onconnect();
        else this.#reconnect(1000);
    }

    /** Starts HLS. */
    onhls() {
        const video = /** @type {HTMLVideoElement} */ (this.video);
        this.onmessage.hls = msg => {
            if (msg.type !== 'hls') return;
            const base = new URL('hls/', this.wsURL.replace(/^ws/, 'http'));
            base.search = '';
            const playlist = msg.value.replace('hls/', base.href);
            video.src = `data:application/vnd.apple.mpegurl;base64,${btoa(playlist)}`;
            this.play();
        };
        this.send({type: 'hls', value: this.codecs(type => video.canPlayType(type))});
    }

    /** Starts MP4: a complete file per keyframe, shown as a picture. */
    onmp4() {
        const video = /** @type {HTMLVideoElement} */ (this.video);
        const canvas = document.createElement('canvas');
        const player = document.createElement('video');
        player.autoplay = player.playsInline = player.muted = true;
        player.addEventListener('loadeddata', () => {
            canvas.width = player.videoWidth;
            canvas.height = player.videoHeight;
            canvas.getContext('2d')?.drawImage(player, 0, 0);
            this.#show(canvas.toDataURL('image/jpeg'));
        });
        this.ondata = data => {
            player.src = `data:video/mp4;base64,${VideoRTC.btoa(data)}`;
        };
        this.send({type: 'mp4', value: this.codecs(type => video.canPlayType(type))});
    }

    /** Starts MJPEG: a JPEG per message. */
    onmjpeg() {
        this.ondata = data => this.#show(`data:image/jpeg;base64,${VideoRTC.btoa(data)}`);
        this.send({type: 'mjpeg'});
    }

    /** MJPEG shows the picture. */
    get pictured() {
        return this.#running.has('mjpeg');
    }

    /** MJPEG as well, beside what plays the sound. */
    #addPictures() {
        if (this.pictured || !this.media.includes('video')) return;
        this.#running.add('mjpeg');
        const sound = this.ondata;
        this.onmjpeg();
        this.#onpicture = this.ondata;
        if (sound) this.ondata = sound;
    }

    /** @param {ArrayBuffer} buffer */
    static btoa(buffer) {
        const bytes = new Uint8Array(buffer);
        let text = '';
        for (let i = 0; i < bytes.length; i += 0x8000) {
            text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
        }
        return btoa(text);
    }

    /** @param {RTCPeerConnection} pc @returns {Promise<PathReport>} */
    async pathReport(pc) {
        /** @type {PathReport} */
        const report = {
            local: this.#seen.local.map(parseCandidate),
            remote: this.#seen.remote.map(parseCandidate),
            pairs: [],
            found: false,
            lost: this.#connected === pc,
        };
        try {
            const stats = await pc.getStats();
            const candidate = (/** @type {string} */ id) => {
                const {address, ip = '', port = 0, protocol = '', candidateType: type = ''} = stats.get(id) ?? {};
                return {address: address || ip, port, protocol, type};
            };
            stats.forEach(entry => {
                if (entry.type === 'transport' && entry.selectedCandidatePairId) report.found = true;
                if (entry.type !== 'candidate-pair') return;
                const {localCandidateId, remoteCandidateId, state, requestsSent: sent = 0, responsesReceived: answered = 0} = entry;
                report.pairs.push({local: candidate(localCandidateId), remote: candidate(remoteCandidateId), state, sent, answered});
            });
        } catch (err) {
            console.warn(err);
        }
        return report;
    }

    /** @param {string|ArrayBuffer} data */
    #receive(data) {
        if (typeof data !== 'string') {
            // Only a JPEG begins with FF.
            const isPicture = new Uint8Array(data)[0] === 0xFF;
            (isPicture && this.#onpicture || this.ondata)?.(data);
            return;
        }
        /** @type {Message} */
        const msg = JSON.parse(data);
        for (const name of Object.keys(this.onmessage)) this.onmessage[name](msg);
        if (msg.type === 'error') {
            const mode = String(msg.value).match(/^(webrtc|mse|hls|mp4|mjpeg)(\/offer)?:/);
            if (mode) this.#failed(mode[1]);
        }
    }

    /** A mode came to nothing. The last one closes the socket, which leads to the next attempt. @param {string} mode */
    #failed(mode) {
        if (!this.#running.delete(mode) || this.#running.size) return;
        // Without a picture the browser would show that it loads for ever.
        if (this.video && this.video.readyState < 2) this.#emptyVideo();
        this.ws?.close();
    }

    #emptyVideo() {
        if (!this.video) return;
        this.video.style.background = '';
        this.video.srcObject = null;
        if (this.video.hasAttribute('src')) {
            this.video.removeAttribute('src');
            this.video.load();
        }
    }

    /** @param {number} apart least milliseconds since the last attempt */
    #reconnect(apart) {
        this.#cancelReconnect();
        this.wsState = WebSocket.CONNECTING;
        const delay = Math.max(0, apart - (Date.now() - this.connectTS));
        this.reconnectTS = Date.now() + delay;
        this.reconnectTID = setTimeout(() => {
            this.#cancelReconnect();
            this.onconnect();
        }, delay);
    }

    #cancelReconnect() {
        clearTimeout(this.reconnectTID);
        this.reconnectTID = 0;
        this.reconnectTS = 0;
    }

    /** The network path is there: waits for the picture. @param {RTCPeerConnection} pc */
    #pcConnected(pc) {
        this.#connected = pc;
        // The goodbye; the connection itself needs seconds to notice.
        const dtls = pc.getReceivers()[0]?.transport;
        dtls?.addEventListener('statechange', () => {
            if (this.pc === pc && dtls.state === 'closed') this.#pcFailed(pc);
        });

        const tracks = pc.getTransceivers()
            .filter(t => t.currentDirection === 'recvonly' || t.currentDirection === 'sendrecv')
            .map(t => t.receiver.track);
        // With no rival the element shows it at once: a frame less.
        const alone = this.#running.size === 1 && this.#running.has('webrtc') && this.video;
        const video2 = alone || document.createElement('video');
        if (alone && this.onmessage.mjpeg && !tracks.some(track => track.kind === 'video')) this.#addPictures();
        video2.addEventListener('loadeddata', () => {
            if (this.pc === pc) this.onpcvideo(video2);
        }, {once: true});
        if (alone) alone.removeAttribute('src');
        video2.srcObject = new MediaStream(tracks);
        if (alone) this.play();
    }

    /** No path, or lost. @param {RTCPeerConnection} pc */
    #pcFailed(pc) {
        this.pc = null;
        this.pcState = WebSocket.CLOSED;
        this.pathReport(pc).then(report => {
            release(pc);
            this.onpcfailed(report);
        });
        this.onpclost();
    }

    /** @param {string} url */
    #show(url) {
        const {video} = this;
        if (!video) return;
        // What plays shows no poster any more. Without sound there is nothing to control.
        const sounds = video.readyState > 0;
        video.poster = url;
        if (sounds) video.style.background = `center/contain no-repeat url(${url})`;
        this.#showControls(sounds);
    }

    /** @param {boolean} shown */
    #showControls(shown) {
        const {video} = this;
        if (!video || (shown ? !this.#controlsHidden : !video.controls)) return;
        video.controls = shown;
        this.#controlsHidden = !shown;
    }

    #closeWS() {
        this.wsState = WebSocket.CLOSED;
        const ws = this.ws;
        this.ws = null;
        ws?.close();
    }

    #closePC() {
        this.pcState = WebSocket.CLOSED;
        const pc = this.pc;
        this.pc = null;
        if (pc) release(pc);
    }

    /** Chromium says that it "maybe" plays HLS, and does not. @param {string[]} wanted */
    playsHLS(wanted) {
        if (!this.video?.canPlayType('application/vnd.apple.mpegurl')) return false;
        const reliable = 'ManagedMediaSource' in window || /Version\/\d+.+Safari/.test(navigator.userAgent);
        return reliable || wanted.every(mode => mode === 'hls');
    }

    #watch() {
        if (this.#unwatch) return;
        const abort = new AbortController(), {signal} = abort;
        this.#unwatch = () => {
            this.#unwatch = null;
            abort.abort();
        };
        window.addEventListener('pagehide', () => {
            // First of all, so that the goodbye gets out before the page is gone.
            this.pc?.close();
            this.ondisconnect();
        }, {signal});
        window.addEventListener('pageshow', ev => {
            if (ev.persisted && this.isConnected) this.connectedCallback();
        }, {signal});

        const onseen = (/** @type {boolean} */ seen) => {
            if (this.background) return;
            if (!seen) this.disconnectedCallback();
            else if (this.isConnected) this.connectedCallback();
        };
        document.addEventListener('visibilitychange', () => {
            if (this.visibilityCheck) onseen(!document.hidden);
        }, {signal});
        if (this.visibilityThreshold && 'IntersectionObserver' in window) {
            const observer = new IntersectionObserver(entries => {
                for (const entry of entries) onseen(entry.isIntersecting);
            }, {threshold: this.visibilityThreshold});
            observer.observe(this);
            signal.addEventListener('abort', () => observer.disconnect());
        }
    }
}

/** Lets go of the microphone too. @param {RTCPeerConnection} pc */
function release(pc) {
    for (const sender of pc.getSenders()) sender.track?.stop();
    pc.close();
}

/** @param {string} candidate */
function isUDP(candidate) {
    return parseCandidate(candidate).protocol === 'udp';
}

/** RFC 8839. @param {string} text @returns {PathReport['local'][0]} */
function parseCandidate(text) {
    const [, , protocol = '', , address = '', port = '0', , type = ''] = text.split(' ');
    return {address, port: Number(port), protocol: protocol.toLowerCase(), type};
}

/**
 * Keeps the last seconds, and the player near the live end.
 * @param {HTMLVideoElement} video
 * @param {EventTarget} source may not want any for a while
 * @param {SourceBuffer} buffer
 * @param {boolean} sound
 * @param {() => void} restart it has fallen behind for good
 * @returns {(data: ArrayBuffer) => void}
 */
function feed(video, source, buffer, sound, restart) {
    /** @type {ArrayBuffer[]} */
    let staged = [];
    let bytes = 0, lastData = 0, lastGap = 0, target = 0.25, picture = 0, late = false, held = false;

    /** Removes what was played; true if the buffer has become busy by that. */
    const trim = (/** @type {number} */ keep) => {
        const ranges = buffer.buffered;
        if (buffer.updating || !ranges.length) return false;
        const start = ranges.start(0), end = ranges.end(ranges.length - 1) - keep;
        if (end <= start) return false;
        buffer.remove(start, end);
        return true;
    };
    const follow = () => {
        const ranges = buffer.buffered;
        if (!ranges.length) return;
        const last = ranges.length - 1, end = ranges.end(last), start = ranges.start(last);
        const behind = !video.paused && end - video.currentTime > (sound && !video.muted ? MOST_BEHIND : target + 1);
        if (video.currentTime < start || behind) video.currentTime = Math.max(start, end - target);
        const rate = liveRate(end - video.currentTime, target, video.playbackRate);
        if (video.playbackRate !== rate) video.playbackRate = rate;
    };
    const next = () => {
        try {
            if (held || buffer.updating || !buffer.buffered) return;
        } catch {
            return; // Taken from the video.
        }
        const data = staged[0];
        if (!data) {
            const ranges = buffer.buffered;
            if (ranges.length && ranges.end(ranges.length - 1) - ranges.start(0) > 2 * LIVE_WINDOW) trim(LIVE_WINDOW);
            follow();
            return;
        }
        try {
            buffer.appendBuffer(data);
            staged.shift();
            bytes -= data.byteLength;
        } catch (err) {
            // Full: make room, then try again.
            if (!(err instanceof DOMException && err.name === 'QuotaExceededError' && trim(1))) restart();
        }
    };

    buffer.addEventListener('updateend', next);
    for (const type of ['startstreaming', 'endstreaming']) {
        source.addEventListener(type, () => {
            held = type[0] === 'e';
            next();
        });
    }
    return data => {
        const now = Date.now(), gap = lastData && (now - lastData) / 1000;
        // Only a second stall in a row is the camera's.
        target = Math.min(2, Math.max(0.25, target * 0.99, 1.5 * (gap > STALL ? lastGap : gap)));
        lastData = now;
        lastGap = gap;
        const start = startOf(data);
        if (start < 0) picture = -start;
        bytes += data.byteLength;
        if (bytes > STAGING_LIMIT) {
            staged = staged.filter(one => !startOf(one));
            bytes = staged.reduce((sum, one) => sum + one.byteLength, data.byteLength);
            late = true;
        }
        // Fragments are left out up to the next keyframe.
        if (start) late &&= start !== (picture || start);
        if (start && late) bytes -= data.byteLength;
        else staged.push(data);
        if (bytes > STAGING_LIMIT) restart();
        else next();
    };
}

/** The track of a fragment, negative if its first sample needs others (ISO/IEC 14496-12 8.8.3.1); 0: none. @param {ArrayBuffer} data */
function startOf(data) {
    const view = new DataView(data);
    if (data.byteLength < 100 || view.getUint32(4) !== 0x6D6F6F66) return 0;
    for (let i = 48; i < 100; i += 4) {
        const flags = view.getUint32(i), track = view.getInt32(44);
        if (flags === 0x2000000) return track;
        if (flags === 0x1010000) return -track;
    }
    return 0;
}

/** Speed that brings the gap to the target, in seconds, unheard. @param {number} gap @param {number} target @param {number} rate so far */
function liveRate(gap, target, rate) {
    if (gap < 0.05) return 0.97;
    if (gap > target + 0.5) return 1.1;
    return gap > target + (rate > 1 ? 0 : 0.05) ? 1.05 : 1;
}
