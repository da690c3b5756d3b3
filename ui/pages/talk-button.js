/**
 * The button that talks to a camera: held it talks while it is held; pressed twice, or by Enter, until it is pressed again. While
 * somebody else has the floor it says so and waits.
 */
import {button, h, say} from '../lib/dom.js';
import {t} from '../lib/i18n.js';
import {Talk} from '../lib/talk.js';
import {toast} from '../shell/shell.js';

/** Milliseconds between the two presses that keep the microphone open. */
const DOUBLE = 400;

/**
 * @param {string} name the stream that is talked to
 * @param {() => string} who the name that others see
 * @param {import('../lib/server.js').Feed} feed tells who talks, also where there is no player
 */
export function talkButton(name, who, feed) {
    const talk = new Talk(name, who), floor = h('span', {class: 'muted small', role: 'status'});
    /** @type {HTMLButtonElement} */
    const node = button(t('camera.talk'), () => {}, {icon: 'mic', key: 'T'});
    node.hidden = true;
    let latched = false, pressed = 0;
    const hold = (/** @type {Event} */ ev) => {
        ev.preventDefault();
        if (!Talk.possible) return toast(t('camera.talkHttps'));
        if (latched && talk.state !== 'off') return talk.stop();
        latched = ev.timeStamp - pressed < DOUBLE;
        pressed = ev.timeStamp;
        talk.start();
    };
    const lift = () => latched || talk.stop();
    node.addEventListener('pointerdown', hold);
    for (const end of ['pointerup', 'pointerleave', 'pointercancel']) node.addEventListener(end, lift);
    node.addEventListener('keydown', ev => {
        if (ev.key !== 'Enter' || ev.repeat) return;
        if (talk.state !== 'off') return talk.stop();
        hold(ev);
        latched = true;
    });
    talk.addEventListener('change', () => {
        const on = talk.state === 'on', off = talk.state === 'off';
        node.classList.toggle('talking', on);
        node.setAttribute('aria-pressed', String(on));
        say(/** @type {Node} */ (node.lastChild), t(on ? latched ? 'camera.talkLatched' : 'camera.talking' : off ? 'camera.talk' : 'camera.talkAsking'));
        if (talk.other) toast(t('camera.floor', {who: talk.other.by}));
        else if (talk.taken) toast(t(talk.taken === 'silence' ? 'camera.talkSilence' : talk.taken === 'limit' ? 'camera.talkLimit' : 'camera.talkLost'));
        else if (talk.problem) toast(`${t('camera.talkFailed')} ${talk.problem}`);
        show(speaker);
    });

    /** Who talks now, as the server tells. @type {{id?: number, by?: string|null, asked?: boolean}} */
    let speaker = {};
    /** Two at once would not be understood: the button waits for who has asked for the floor. @param {typeof speaker} now */
    const show = now => {
        speaker = now;
        const other = now.id === talk.id ? null : now.by ?? null;
        node.disabled = other !== null && Boolean(now.asked) && talk.state === 'off';
        say(floor, other === null ? '' : t('camera.floor', {who: other}));
    };
    // The player's own socket tells too; this works without one.
    feed.on(['talk_started', 'talk_ended'], (detail, event) => {
        if (detail.stream === name) show(event === 'talk_started' ? detail : detail.id === speaker.id ? {} : speaker);
    });
    return {node, floor, hold, lift, show};
}
