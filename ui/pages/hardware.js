/**
 * The encoders that the machine's hardware has for FFmpeg. To look takes seconds, so it is looked on a click only.
 */
import {button, fill, h, say} from '../lib/dom.js';
import {t} from '../lib/i18n.js';
import {call, explain} from '../lib/server.js';
import {copied} from '../shell/shell.js';

export function hardware() {
    const list = h('ul', {class: 'urls'}), state = h('p', {class: 'muted small', role: 'status'}, t('add.hardwareAbout'));
    const look = button(t('add.hardwareLook'), async () => {
        look.disabled = true;
        say(state, t('test.run'));
        try {
            const {sources} = await (await call('GET', 'api/ffmpeg/hardware', {query: {empty: '1'}, limit: 60_000})).json();
            const works = (/** @type {any} */ one) => one.name === 'OK', all = [...sources.filter(works), ...sources.filter((/** @type {any} */ one) => !works(one))], n = sources.filter(works).length;
            say(state, n ? t('doctor.hardware', {n}) : t('doctor.software'));
            fill(list, all.map(one => row(one.url, works(one))));
        } catch (err) {
            say(state, explain(err));
        }
        look.disabled = false;
    });
    return h('section', {class: 'card'}, h('h2', null, t('add.hardware')), state, h('div', {class: 'row'}, look), list);
}

/** @param {string} url as a source has it @param {boolean} works */
function row(url, works) {
    const [, codec = '', engine = ''] = /#video=(\w+)#hardware=(\w+)/.exec(url) ?? [];
    return h('li', null, h('span', {class: 'state', data: {state: works ? 'ok' : 'fail'}}, `${codec.toUpperCase()} ${engine}: ${t(works ? 'add.works' : 'add.worksNot')}`), h('code', null, url),
        works && button(t('common.copy'), () => copied(url), {icon: 'copy'}));
}
