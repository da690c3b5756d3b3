/**
 * Motion JPEG: every message of the socket is a picture, which is drawn on a canvas over
 * the video. A picture that comes while another one is decoded waits; the next one takes
 * its place, so that what is shown is never late.
 */
import {translate} from './words.js';

/**
 * Shows pictures over a video until it is closed.
 * @param {HTMLVideoElement} video whose place they take
 * @param {(width: number, height: number) => void} [onshown] called for each picture that is shown
 */
export function showPictures(video, onshown = () => {}) {
    const canvas = document.createElement('canvas');
    canvas.className = 'pictures';
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', translate('live picture'));
    video.after(canvas);

    let open = true, busy = false;
    /** @type {ArrayBuffer|null} */
    let waiting = null;

    /** @param {ArrayBuffer} data */
    const draw = async data => {
        /** @type {ImageBitmap} */
        let picture;
        try {
            picture = await createImageBitmap(new Blob([data], {type: 'image/jpeg'}));
        } catch (err) {
            // One that is damaged is left out; the next one comes.
            console.warn(err);
            return;
        }
        if (open) {
            const {width, height} = picture;
            if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
            canvas.getContext('2d')?.drawImage(picture, 0, 0);
            onshown(width, height);
        }
        picture.close();
    };

    /** @param {ArrayBuffer} data */
    const run = async data => {
        busy = true;
        /** @type {ArrayBuffer|null} */
        let next = data;
        while (next && open) {
            waiting = null;
            await draw(next);
            next = waiting;
        }
        busy = false;
    };

    return {
        /** Where the pictures are, for a snapshot. */
        canvas,
        /** Takes the bytes of a picture. @param {ArrayBuffer} data */
        push(data) {
            if (!open) return;
            if (busy) waiting = data;
            else run(data);
        },
        /** Shows no more; the last picture goes with it. */
        close() {
            open = false;
            waiting = null;
            canvas.remove();
        },
    };
}
