/**
 * The last picture of a camera, until there is one of now, with its age. It is asked for beside the player, and asking wakes no camera.
 */
import {h, say} from '../lib/dom.js';
import {ago, t} from '../lib/i18n.js';
import {poster} from '../lib/poster.js';

/** Milliseconds that a picture counts as one of now. */
const FRESH = 2000;

/** @param {import('./camera.js').View} view */
export function lastPicture(view) {
    const age = h('p', {class: 'age', hidden: true});
    /** When it was taken, as of `Date.now()`; 0: none is shown. */
    let taken = 0, clear = () => {};
    const tell = () => {
        const old = taken ? Date.now() - taken : 0;
        age.hidden = old <= FRESH;
        say(age, t('tile.age', {age: ago(old)}));
    };
    const forget = () => {
        clear();
        clear = () => {};
        taken = 0;
        tell();
    };
    return {
        age, forget, tell,
        /** Shows that of a stream in the player, unless something stays in front of it. @param {string} stream */
        async ask(stream) {
            forget();
            if (view.before) return;
            const {player} = view, last = await poster(stream);
            if (!last) return;
            if (player !== view.player || view.firstMs) return URL.revokeObjectURL(last.url);
            // What is no JPEG is a film of one picture.
            const film = last.video ? h('video', {class: 'still', src: last.url, muted: true, playsinline: true, autoplay: true, 'aria-hidden': 'true'}) : null;
            if (film) player.append(film);
            else player.video.poster = last.url;
            taken = Date.now() - (last.age ?? 0);
            tell();
            clear = () => {
                film?.remove();
                player.video.removeAttribute('poster');
                URL.revokeObjectURL(last.url);
            };
        },
    };
}
