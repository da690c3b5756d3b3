/**
 * What `webrtc.html` and `webrtc-sync.html` share: the parameter `media`, and what is captured for it.
 */

import {speak, speaksChinese, translate} from './player/words.js';
import {explainError} from './reasons.js';

await speak();
/** Few words: these pages stand alone. */
export const words = speaksChinese() ? {
    asking: '正在请求使用摄像头和麦克风…', sending: '正在发送', noPath: '没有通往服务器的网络路径。', lost: '与服务器的连接已断开。', https: '使用麦克风需要 HTTPS 或 localhost。', none: '没有指定视频流：请在地址后加上 ?src=名称。',
} : {
    asking: 'Asking for camera and microphone…', sending: 'Sending', noPath: 'There is no network path to the server.', lost: 'The connection to the server was lost.',
    https: 'A microphone needs HTTPS or localhost.', none: 'No stream is given: add ?src=NAME to the address.',
};

/** @param {URLSearchParams} params @returns {Set<string>} */
export const wanted = params => new Set((params.get('media') || 'video+audio').split(/[ +,]/).filter(Boolean));

/** A line of text over the picture. @param {HTMLElement} main @param {string} text */
export function note(main, text) {
    const node = document.createElement('p');
    node.className = 'hint over';
    node.setAttribute('role', 'status');
    node.textContent = text;
    main.append(node);
    return node;
}

/** What the server says, in the words of the other pages. @param {string} text @param {URLSearchParams} params of the page */
export function explained(text, params) {
    const url = new URL('?', location.href);
    url.searchParams.set('src', params.get('dst') || params.get('src') || '');
    return translate(explainError(text.trim(), url.href));
}

/**
 * What a page has opened: all of it is closed when the page goes, or with the first thing that goes wrong.
 * @param {HTMLElement} status says what went wrong
 */
export function lease(status) {
    /** @type {(() => void)[]} */
    const closers = [];
    let over = false;
    const end = (/** @type {unknown} */ why = '') => {
        if (over) return;
        over = true;
        for (const close of closers) close();
        if (why) status.textContent = why instanceof Error ? why.message : String(why);
    };
    window.addEventListener('pagehide', () => end());
    // Out of the cache of the browser it has nothing any more.
    window.addEventListener('pageshow', ev => ev.persisted && location.reload());
    return {
        end,
        /** What comes too late is closed at once. @param {() => void} close */
        own(close) {
            if (over) close();
            else closers.push(close);
        },
    };
}

/** Lets go of the devices. @param {MediaStream} stream */
export function release(stream) {
    for (const track of stream.getTracks()) track.stop();
}

/** Takes pictures and sound from this device. @param {Set<string>} media */
export async function capture(media) {
    if (!navigator.mediaDevices) throw new Error(words.https);
    const stream = new MediaStream();
    try {
        await take(media, stream);
    } catch (err) {
        // The screen may be shared already when the microphone is refused.
        release(stream);
        throw err;
    }
    const video = document.createElement('video');
    Object.assign(video, {muted: true, autoplay: true, playsInline: true, srcObject: stream});
    return {stream, video};
}

/** @param {Set<string>} media @param {MediaStream} stream gets the tracks */
async function take(media, stream) {
    if (media.has('display')) {
        const shared = await navigator.mediaDevices.getDisplayMedia({video: true, audio: media.has('speaker')});
        for (const track of shared.getTracks()) stream.addTrack(track);
    }
    const camera = media.has('camera'), microphone = media.has('microphone');
    if (camera || microphone) {
        const taken = await navigator.mediaDevices.getUserMedia({video: camera, audio: microphone && {echoCancellation: true}});
        for (const track of taken.getTracks()) stream.addTrack(track);
    }
    if (!stream.getTracks().length) throw new Error('media: camera, display, microphone');
}
