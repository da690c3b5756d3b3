/**
 * What can be done with the picture of a camera; below, which of two streams plays.
 */
import {button, canFill, download, fullScreen, h, hasFullScreen, say, setIcon} from '../lib/dom.js';
import {number, t} from '../lib/i18n.js';
import {chooseQuality, keepWish, NARROW, pairs, recall, remember, wishOf} from '../lib/prefs.js';
import {explain} from '../lib/server.js';
import {inPicture} from '../player/leaving.js';
import {bind, toast} from '../shell/shell.js';

/** Milliseconds that a pause keeps the camera, and between two taps for the full screen. */
const PAUSE_KEEPS = 5000, TAPS = 300;
/** Milliseconds after which a pause is somebody's: a browser that pauses what it hides does so in that moment. */
const MEANT = 1000;

/**
 * @param {string} name of the stream
 * @param {import('./camera.js').View} view
 * @param {{stage: HTMLElement, talk: import('./talking.js').Talking, settle: () => void}} page `settle`: what plays now is what is seen
 */
export function controlsOf(name, view, {stage, talk, settle}) {
    const video = () => /** @type {HTMLVideoElement|undefined} */ (view.player?.video);
    /** What is seen and heard. */
    const front = () => view.before ?? view.player, heard = () => /** @type {HTMLVideoElement|undefined} */ (front()?.video);
    let pausing = 0, since = 0, wanted = false;
    const hasPicture = () => ['live', 'buffering'].includes(view.player?.phase);
    /** It stands still: somebody has paused it, or the camera is let go meanwhile. */
    const halted = () => view.player?.phase === 'parked' || !['', 'mjpeg'].includes(view.played) && Boolean(video()?.paused);
    const pause = () => {
        // What is tried has nothing to show yet.
        const {before} = view;
        if (before?.shown) view.player.keep(before.shown);
        settle();
        const now = video();
        if (!now) return;
        if (view.player.phase === 'parked') view.player.retry();
        // Without a picture there is nothing to keep, and Motion JPEG has no pause.
        else if (!hasPicture() || view.played === 'mjpeg') view.player.phase === 'failed' || view.player.park(0);
        else if (now.paused) now.play().catch(() => {});
        else {
            now.pause();
            wanted = true;
        }
    };
    const mute = () => hush(!heard()?.muted);
    /** Somebody wants it so, also of what plays next. @param {boolean} muted @param {number} [volume] */
    const hush = (muted, volume) => {
        remember('muted', muted || null);
        const now = heard();
        if (now) Object.assign(now, {muted, volume: volume ?? now.volume});
    };
    const full = () => fullScreen(stage);
    /** Pictures of Motion JPEG do not pass through the video. */
    const canLeave = () => view.played !== 'mjpeg' && hasPicture() && Boolean(video()?.videoWidth);
    const pip = async () => {
        const now = /** @type {any} */ (video());
        if (!now || !canLeave()) return;
        try {
            if (!document.pictureInPictureEnabled) now.webkitSetPresentationMode(inPicture(now) ? 'inline' : 'picture-in-picture');
            else if (document.pictureInPictureElement) await document.exitPictureInPicture();
            else await now.requestPictureInPicture();
        } catch (err) {
            toast(explain(err));
        }
    };
    // What stands over the video is what is seen.
    const snapshot = () => save(front()?.querySelector('img.stills:not([hidden]), canvas.last:not([hidden])') ?? front()?.shown, name);
    let tapped = -TAPS;
    stage.addEventListener('touchend', (/** @type {TouchEvent} */ ev) => {
        // Not the end of a scroll; and the browser's own controls would jump.
        if (!ev.cancelable || ev.touches.length || /** @type {Element} */ (ev.target).closest('button')) return;
        const again = ev.timeStamp - tapped < TAPS;
        tapped = again ? -TAPS : ev.timeStamp;
        if (!again) return;
        ev.preventDefault();
        full();
    });

    const sound = button(t('tile.sound'), mute, {icon: 'sound', bare: true, key: 'M'}), pauses = button(t('camera.pause'), pause, {icon: 'pause', bare: true, key: 'Space'});
    const behind = h('span', {class: 'muted small'});
    const fulls = button(t('tile.full'), full, {icon: 'full', bare: true, key: 'F'}), pips = button(t('camera.pip'), pip, {icon: 'pip', bare: true, key: 'P'});
    fulls.hidden = !hasFullScreen();
    pips.hidden = !document.pictureInPictureEnabled && !('webkitSetPresentationMode' in HTMLVideoElement.prototype);
    const volume = h('input', {type: 'range', min: '0', max: '1', step: '0.05', oninput: () => hush(!volume.valueAsNumber, volume.valueAsNumber)});
    const showSound = () => {
        const now = heard(), muted = now?.muted ?? true;
        sound.setAttribute('aria-pressed', String(!muted));
        setIcon(sound, muted ? 'mute' : 'sound');
        volume.value = String(muted ? 0 : now?.volume);
    };
    const showPause = () => {
        const still = halted(), text = t(still ? 'camera.play' : 'camera.pause');
        // Whoever has paused it: the browser's own button, a media key, the system. What is still dialled is not paused yet.
        if (still && hasPicture()) {
            if (!pausing) since = performance.now();
            pausing ||= window.setTimeout(() => halted() && view.player.park(0), PAUSE_KEEPS);
        } else {
            const hidden = (wanted || pausing && performance.now() - since > MEANT) && view.player?.phase === 'parked';
            clearTimeout(pausing);
            pausing = 0;
            wanted = false;
            // Seen again it stays paused.
            if (hidden) view.player.park(0);
        }
        if (pauses.getAttribute('aria-label') === text) return;
        pauses.setAttribute('aria-label', text);
        pauses.title = `${text} (Space)`;
        setIcon(pauses, still ? 'play' : 'pause');
    };
    return {
        node: h('div', {class: 'controls'}, pauses, sound, talk.node, button(t('camera.snapshot'), snapshot, {icon: 'photo', bare: true, key: 'S'}),
            pips, fulls, behind, talk.floor),
        volume: h('label', {class: 'row'}, h('span', {class: 'muted small'}, t('camera.volume')), volume),
        /** Gives the page its keys. */
        bind() {
            bind(' ', t('camera.pause'), pause);
            bind('m', t('tile.sound'), mute);
            if (!fulls.hidden) bind('f', t('tile.full'), full);
            if (!pips.hidden) bind('p', t('camera.pip'), pip);
            bind('s', t('camera.snapshot'), snapshot);
            bind('t', t('camera.talk'), talk.press);
            document.addEventListener('keyup', ev => {
                if (ev.key.toLowerCase() === 't') talk.lift();
            });
        },
        /** Follows the video of a new player, which is not heard before it is seen. */
        follow() {
            const mine = video();
            if (!mine) return;
            mine.volume = recall('volume', 1);
            mine.defaultMuted = recall('muted', false);
            mine.muted = mine.defaultMuted || Boolean(view.before);
            mine.addEventListener('volumechange', () => {
                if (mine !== heard()) return;
                remember('volume', mine.volume);
                // Its own buttons, or that for the sound; what nobody has touched the browser has muted.
                if (navigator.userActivation?.isActive) remember('muted', mine.muted || null);
                showSound();
            });
            for (const type of ['pause', 'play']) mine.addEventListener(type, showPause);
            showSound();
            showPause();
        },
        /** What can be done now. */
        show() {
            fulls.disabled = !canFill(stage);
            pips.disabled = !canLeave();
            const {delay} = view.figures;
            say(behind, delay === undefined || halted() ? '' : t('tile.delay', {s: number(delay / 1000, 2)}));
            showPause();
        },
        halted, showSound,
    };
}

/** Offers what is seen as a picture. @param {HTMLVideoElement|HTMLImageElement|HTMLCanvasElement|undefined} shown @param {string} name */
function save(shown, name) {
    const {width = 0, height = 0} = shown instanceof HTMLVideoElement ? {width: shown.videoWidth, height: shown.videoHeight} : shown instanceof HTMLImageElement ? {width: shown.naturalWidth, height: shown.naturalHeight} : shown ?? {};
    if (!shown || !width) return toast(t('camera.noPicture'));
    const canvas = Object.assign(document.createElement('canvas'), {width, height}), now = Date.now();
    canvas.getContext('2d')?.drawImage(shown, 0, 0);
    canvas.toBlob(blob => {
        if (!blob) return;
        // By the clock of the visitor.
        const at = new Date(now - new Date(now).getTimezoneOffset() * 60_000).toISOString().slice(0, 19).replace(/[:T]/g, '-');
        const file = `${name.replace(/[^\p{L}\p{N}_.-]+/gu, '_').slice(0, 80) || 'camera'}_${at}.png`;
        download(file, blob);
        toast(t('camera.saved', {file}));
    });
}

/**
 * One of some, chosen by a button each.
 * @param {string} name @param {string} legend @param {string[][]} all values and their words @param {string} now @param {(value: any) => void} pick @param {boolean} [keys] by number too
 */
export const choices = (name, legend, all, now, pick, keys) => h('fieldset', {class: 'modes'}, h('legend', null, legend), all.map(([value, text], i) => h('label', null,
    h('input', {type: 'radio', name, value, checked: value === now, 'aria-keyshortcuts': keys && i, onchange: () => pick(value)}), h('span', null, text))));

/** Which of the two streams of a camera plays; Live keeps the choice too. @param {string} name the better one @param {() => void} changed somebody has chosen */
export function qualityOf(name, changed) {
    let wish = wishOf(name);
    const node = choices('quality', t('camera.quality'), ['auto', 'high', 'low'].map(one => [one, t(`quality.${one}`)]), wish, value => {
        wish = value;
        keepWish(name, wish);
        changed();
    });
    node.hidden = true;
    const one = {
        source: name, node,
        /** Is it decided by what other streams there are? @param {number} width of the picture in CSS pixels */
        needsNames: width => wish === 'low' || wish === 'auto' && width < NARROW,
        /** @param {Iterable<string>} names of all streams @param {number} width @returns {boolean} another one is to play than before */
        choose(names, width) {
            const low = pairs(names).get(name), before = one.source;
            node.hidden = !low;
            one.source = chooseQuality(name, low, wish, width || Infinity);
            return one.source !== before;
        },
    };
    return one;
}
