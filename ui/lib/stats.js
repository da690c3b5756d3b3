/**
 * What a player does, in figures: from the peer connection or the video element. Values that are not known are left out.
 */

/**
 * @typedef {object} Figures
 * @property {number} [fps] @property {number} [dropped] @property {number} [bits] per second @property {number} [rtt] ms
 * @property {number} [loss] 0 to 1 @property {number} [buffer] ms in the jitter buffer @property {number} [delay] ms behind the live edge: what waits here, by WebRTC with half of the round trip
 * @property {number} [key] ms from one keyframe to the next
 * @property {string} [size] @property {string} [codec] @property {string} [audio] @property {string} [path] how it is carried
 */

export class Stats {
    /** @type {any} */
    #before = null;
    /** Pictures and keyframes when the first keyframe was counted. @type {{frames: number, keys: number}|null} */
    #keys = null;
    /** Pictures between two keyframes; 0: not known yet. */
    #apart = 0;

    /** @param {any} player @returns {Promise<Figures>} */
    async read(player) {
        const video = /** @type {HTMLVideoElement|null} */ (player?.video ?? null);
        if (!video) return {};
        const now = performance.now(), quality = video.getVideoPlaybackQuality?.();
        const next = {at: now, frames: quality?.totalVideoFrames ?? 0, dropped: quality?.droppedVideoFrames ?? 0, bytes: 0, lost: 0, packets: 0, jitter: 0, emitted: 0, decoded: 0, keys: 0};
        /** @type {Figures} */
        const out = {};
        if (video.videoWidth) out.size = `${video.videoWidth}x${video.videoHeight}`;
        const pc = /** @type {RTCPeerConnection|null} */ (player.pc ?? null);
        if (pc && pc.connectionState !== 'closed') {
            const report = await pc.getStats().catch(() => null);
            for (const one of report?.values() ?? []) {
                if (one.type === 'inbound-rtp') {
                    next.bytes += one.bytesReceived ?? 0;
                    next.lost += one.packetsLost ?? 0;
                    next.packets += one.packetsReceived ?? 0;
                    const codec = report?.get(one.codecId)?.mimeType?.split('/')[1];
                    if (one.kind === 'video') {
                        out.codec = codec;
                        next.jitter = one.jitterBufferDelay ?? 0;
                        next.emitted = one.jitterBufferEmittedCount ?? 0;
                        next.decoded = one.framesDecoded ?? 0;
                        next.keys = one.keyFramesDecoded ?? 0;
                    } else {
                        out.audio = codec;
                    }
                } else if (one.type === 'transport' && one.selectedCandidatePairId) {
                    const pair = report?.get(one.selectedCandidatePairId), remote = report?.get(pair?.remoteCandidateId);
                    out.path = remote?.protocol?.toUpperCase();
                    if (pair?.currentRoundTripTime !== undefined) out.rtt = pair.currentRoundTripTime * 1000;
                }
            }
        } else if (video.buffered.length) {
            out.delay = Math.max(0, (video.buffered.end(video.buffered.length - 1) - video.currentTime) * 1000);
        }
        const before = this.#before;
        this.#before = next;
        if (!before || next.frames < before.frames) return out;
        const s = (next.at - before.at) / 1000;
        out.fps = (next.frames - before.frames) / s;
        out.dropped = next.dropped - before.dropped;
        if (next.keys > before.keys) {
            // Looked at once a second: what is between many is known better than what is between two.
            this.#keys ??= {frames: next.decoded, keys: next.keys};
            const keys = next.keys - this.#keys.keys;
            if (keys > 1) this.#apart = (next.decoded - this.#keys.frames) / keys;
        }
        if (this.#apart && next.decoded > before.decoded) out.key = this.#apart * s * 1000 / (next.decoded - before.decoded);
        if (next.bytes) {
            out.bits = (next.bytes - before.bytes) * 8 / s;
            const packets = next.packets - before.packets, lost = next.lost - before.lost;
            out.loss = packets + lost > 0 ? Math.max(0, lost) / (packets + lost) : 0;
            const frames = next.emitted - before.emitted;
            if (frames > 0) {
                out.buffer = (next.jitter - before.jitter) / frames * 1000;
                out.delay = out.buffer + (out.rtt ?? 0) / 2;
            }
        }
        return out;
    }

    reset() {
        this.#before = this.#keys = null;
        this.#apart = 0;
    }
}

/** What this browser can play, per way. */
export function abilities() {
    const rtc = new Set((globalThis.RTCRtpReceiver?.getCapabilities?.('video')?.codecs ?? []).map(codec => codec.mimeType.split('/')[1].toUpperCase()));
    const media = /** @type {any} */ (globalThis).ManagedMediaSource ?? globalThis.MediaSource;
    const mse = (/** @type {string} */ type) => Boolean(media?.isTypeSupported?.(type));
    return {
        webrtc: 'RTCPeerConnection' in globalThis, mse: Boolean(media), websocket: 'WebSocket' in globalThis,
        h264: {webrtc: rtc.has('H264'), mse: mse('video/mp4; codecs="avc1.640029"')},
        h265: {webrtc: rtc.has('H265'), mse: mse('video/mp4; codecs="hvc1.1.6.L153.B0"')},
        av1: {webrtc: rtc.has('AV1'), mse: mse('video/mp4; codecs="av01.0.08M.08"')},
        aac: {webrtc: false, mse: mse('audio/mp4; codecs="mp4a.40.2"')},
        opus: {webrtc: true, mse: mse('audio/mp4; codecs="opus"')},
    };
}
