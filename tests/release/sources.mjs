/** Cameras: what the streams of the laboratory are fed with. */
import {spawn, spawnSync} from 'node:child_process';
import {existsSync, mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {Device} from './device.mjs';
import {ROOT} from './lab.mjs';

const TEST = '-f lavfi -i testsrc=size=320x180:rate=10 -c:v libx264 -preset ultrafast -tune zerolatency -profile:v baseline -pix_fmt yuv420p -g 10';

/** The text of a source, by kind and lane. @type {Record<string, (lane: number, tools: any) => string>} */
export const SOURCES = {
    exec: lane => `exec:ffmpeg -hide_banner -v error -re ${TEST} -metadata lane=${lane} -f rtsp {output}`,
    demo: () => 'demo:?width=320&height=180&fps=10',
    rtsp: (_, tools) => `rtsp://127.0.0.1:${tools.rtspPort}/h264`,
    device: (lane, tools) => device(lane, tools, 'video.h264 10 {output}'),
};

/** Cameras that only some outputs can give. @type {Record<string, () => string>} */
export const SPECIAL = {
    hevc: () => 'exec:ffmpeg -hide_banner -v error -re -f lavfi -i testsrc=size=320x180:rate=10 -pix_fmt yuv420p -c:v libx265 -preset ultrafast -tune zerolatency -x265-params keyint=10:log-level=none -f hevc -',
    kept: () => 'demo:?width=320&height=180&fps=10',
    pictures: () => 'demo:?width=320&height=180&fps=10&video=mjpeg&audio=none',
    aac: () => 'exec:ffmpeg -hide_banner -v error -re -f lavfi -i sine -c:a aac -f adts -',
    // Fast enough that a reader's packets are short: it sees a goodbye only between two.
    pcm: () => 'exec:ffmpeg -hide_banner -v error -re -f lavfi -i sine=sample_rate=48000 -c:a pcm_s16le -f wav -',
    raw: () => 'exec:ffmpeg -hide_banner -v error -re -f lavfi -i testsrc=size=320x180:rate=10 -pix_fmt yuv420p -f yuv4mpegpipe -',
};

/** What is set of their streams beside the address. @type {Record<string, string>} */
export const SETTINGS = {kept: 'clip: 10s'};

/** The device with other settings: it must be closed before it can be opened so. It tells when its first picture is there. */
export const OTHER = (lane, tools) => device(lane, tools, 'video.flv -');

// Without what it imports by itself, Python starts in half the time.
const device = (lane, tools, how) => `exec:/usr/bin/python3 -I -S ${ROOT}/tests/release/device.py ${tools.folder}/device${lane} ${tools.folder}/${how}`;

/** A camera that takes its time: it never answers. */
export const SLOW = lane => `exec:/bin/sh -c "sleep 61" lane=${lane}`;

/** Seconds between the keyframes of a camera that sends few. */
export const RARE = 15;
/** Such a camera. Nobody can ask it for a keyframe. */
export const RARE_KEYFRAMES = () => `exec:ffmpeg -hide_banner -v error -re ${TEST} -g ${10 * RARE} -keyint_min ${10 * RARE} -sc_threshold 0 -f rtsp {output}`;

/** The camera of another maker, the devices of the lanes and their video. */
export class Tools {
    /** @param {number} lanes */
    static async start(lanes) {
        const tools = new Tools();
        tools.folder = mkdtempSync(join(tmpdir(), 'rs2rtc-release-tools-'));
        const [video, same] = ['video.h264', 'video.flv'].map(name => join(tools.folder, name));
        // Longer than a run: where it begins anew it pauses, and readers see a goodbye only between two frames.
        spawnSync('ffmpeg', ['-v', 'error', '-t', '60', ...TEST.split(' '), '-f', 'h264', video]);
        spawnSync('ffmpeg', ['-v', 'error', '-framerate', '10', '-i', video, '-c', 'copy', same]);
        if (!existsSync(same)) throw new Error('ffmpeg makes no video');
        tools.devices = await Promise.all(Array.from({length: lanes}, (_, lane) => Device.start(join(tools.folder, `device${lane}`))));
        tools.camera = spawn('/usr/bin/python3', [join(ROOT, 'crates/server/tests/tools/gst_rtsp_server.py')], {stdio: ['ignore', 'pipe', 'ignore']});
        tools.rtspPort = await new Promise((resolve, reject) => {
            tools.camera.once('exit', () => reject(new Error('the RTSP camera does not start')));
            tools.camera.stdout.on('data', data => {
                const port = String(data).match(/ready (\d+)/)?.[1];
                if (port) resolve(Number(port));
            });
        });
        return tools;
    }

    stop() {
        this.camera.removeAllListeners('exit');
        this.camera.kill('SIGKILL');
        for (const device of this.devices) device.stop();
        rmSync(this.folder, {recursive: true, force: true});
    }
}
