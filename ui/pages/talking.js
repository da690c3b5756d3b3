/**
 * The button that talks to a camera: held it talks while it is held; pressed twice, or by Enter, until it is pressed again. While somebody else has the floor it says
 * so and waits. On the camera page it is there from the beginning, on Live once a tile plays whose camera has a loudspeaker.
 */
import {button, h, say} from '../lib/dom.js';
import {t} from '../lib/i18n.js';
import {recall, remember} from '../lib/prefs.js';
import {Talk} from '../lib/talk.js';
import {translate} from '../player/words.js';
import {explainError} from '../reasons.js';
import {toast} from '../shell/shell.js';

/** Milliseconds between two presses that keep the microphone open. */
const PRESSES = 400;

/** @typedef {ReturnType<typeof talking>} Talking */

/**
 * @param {string} name the stream that is talked to
 * @param {import('../lib/server.js').Feed} feed tells who talks, also where there is no player
 * @param {boolean} [bare] only the icon is seen
 */
export function talking(name, feed, bare = false) {
    const who = h('input', {maxlength: '40', value: recall('name', ''), autocomplete: 'off', onchange: () => remember('name', who.value.trim() || null),
        onkeydown: (/** @type {KeyboardEvent} */ ev) => ev.key === 'Enter' && who.blur()});
    const talk = new Talk(name, () => who.value.trim()), floor = h('span', {class: 'muted small', role: 'status'});
    const field = h('label', {class: 'field', hidden: true}, h('span', null, t('camera.talkName')), who);
    /** @type {HTMLButtonElement} */
    const node = button(t('camera.talk'), () => {}, {icon: 'mic', key: 'T', bare});
    node.hidden = !bare;
    /** Over the picture while the microphone is asked for or open, also where the picture has the whole screen; it ends that. */
    const air = button('', () => talk.stop(), {icon: 'mic', class: 'air'});
    air.hidden = true;
    let latched = false, pressed = -PRESSES;
    const hold = (/** @type {Event} */ ev) => {
        ev.preventDefault();
        if (!Talk.possible) return toast(t('camera.talkHttps'));
        if (latched && talk.state !== 'off') {
            // The next press is a first one again.
            pressed = -PRESSES;
            return talk.stop();
        }
        latched = ev.timeStamp - pressed < PRESSES;
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
        const words = t(on ? latched ? 'camera.talkLatched' : 'camera.talking' : off ? 'camera.talk' : 'camera.talkAsking');
        say(/** @type {Node} */ (air.lastChild), words);
        air.hidden = off;
        if (bare) {
            node.setAttribute('aria-label', words);
            node.title = `${words} (T)`;
        } else {
            say(/** @type {Node} */ (node.lastChild), words);
        }
        if (talk.other) toast(t('camera.floor', {who: talk.other.by}));
        else if (talk.taken) toast(t(talk.taken === 'silence' ? 'camera.talkSilence' : talk.taken === 'limit' ? 'camera.talkLimit' : 'camera.talkLost'));
        else if (talk.problem) toast(`${t('camera.talkFailed')} ${talk.cause ? t(`talk.${talk.cause}`) : translate(explainError(talk.problem, new URL(`?src=${encodeURIComponent(name)}`, location.href).href))}`);
        show(speaker);
    });

    /** Who talks now, as the server tells. @type {{id?: number, by?: string|null, asked?: boolean}} */
    let speaker = {};
    /** @type {any} */
    let later = 0;
    /** Two at once would not be understood: the button waits for who has asked for the floor. @param {typeof speaker} now */
    const show = now => {
        speaker = now;
        // What is told right after a press may be of that press, before anybody could tell its number.
        const fresh = talk.state === 'off' ? pressed + PRESSES - performance.now() : 0, other = now.id === talk.id || fresh > 0 ? null : now.by ?? null;
        clearTimeout(later);
        if (fresh > 0) later = setTimeout(() => show(speaker), fresh);
        node.disabled = other !== null && Boolean(now.asked) && talk.state === 'off';
        say(floor, other !== null ? t('camera.floor', {who: other}) : bare && talk.state !== 'off' ? node.getAttribute('aria-label') ?? '' : '');
    };
    // The player's own socket tells too; this works without one.
    feed.on(['talk_started', 'talk_ended'], (detail, event) => {
        if (detail.stream === name) show(event === 'talk_started' ? detail : detail.id === speaker.id ? {} : speaker);
    }, talk.over);
    // Whose end was missed.
    feed.addEventListener('reset', () => show({}), talk.over);
    feed.addEventListener('restarted', () => {
        // Numbers begin anew.
        talk.id = 0;
        show({});
    }, talk.over);
    return {
        node, floor, field, air, hold, lift, show,
        /** The key of the page. While the button waits it is told for whom, which full screen does not show. @param {KeyboardEvent} ev */
        press: ev => ev.repeat || node.hidden || hold(ev),
        stop: () => talk.stop(),
        end: () => talk.end(),
    };
}

/** The same in a tile of Live. @param {import('./tile.js').Tile} tile */
export function talkIn(tile) {
    const talk = talking(tile.speaks ?? tile.entry.name, tile.grid.feed, true);
    talk.node.tabIndex = tile.tabIndex;
    talk.floor.classList.add('floor');
    tile.full.before(talk.node);
    tile.buttons.after(talk.floor);
    tile.talk = talk;
    tile.update(tile.entry);
}
