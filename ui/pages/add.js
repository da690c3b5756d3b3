/**
 * Adding a camera: an address (found or given), a test that shows each step, a name, done. The test opens the source once and lets
 * it go, whatever happens. Nothing is saved before the person says so, and no password is remembered.
 */
import {button, fill, h, say} from '../lib/dom.js';
import {duration, t} from '../lib/i18n.js';
import {askMay, guarded, viewOnly} from '../lib/may.js';
import {call, explain, Feed, getJson} from '../lib/server.js';
import {compose, EXAMPLES, isFileOnly, schemeOf, split, suggest, wantsFile} from '../lib/source.js';
import {announce, copied, failed, notice, shell, toast, watch} from '../shell/shell.js';
import {hardware, searching} from './discover.js';
import {added, adviceOf, adviceOfLesser, probe, put} from './find.js';

const {main} = shell({page: 'add', title: t('nav.add')});
const feed = new Feed('streams');
watch(feed);

/** Steps of a test, in order. */
const STEPS = ['connect', 'tracks', 'picture', 'keyframes', 'release'];

/** @type {string[]} */
let schemes = [];
let streams = /** @type {Record<string, object>} */ ({});
/** @type {AbortController|null} */
let testing = null;
let worked = false, saving = false;
/** The sources that the test shown is about, which are those to save; none: no test, or an address was changed. @type {string[]} */
let tested = [];
/** The address was changed after its test. */
let changed = false;
/** What the server has not taken from here. */
let refused = '';

const steps = h('ol', {class: 'steps'}, ['find', 'test', 'name', 'done'].map((one, i) => h('li', {data: {step: one}}, `${i + 1} ${t(`add.${one}`)}`)));
const src = h('input', {type: 'text', name: 'src', placeholder: 'rtsp://192.168.1.64/stream1', spellcheck: 'false', autocomplete: 'off', autocapitalize: 'off', required: true, oninput: onSource, onpaste: () => setTimeout(takeApart)});
const user = h('input', {type: 'text', name: 'user', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', oninput: onSource});
const password = h('input', {type: 'password', name: 'secret', autocomplete: 'off', oninput: onSource});
const lesser = h('input', {type: 'text', name: 'lesser', placeholder: 'rtsp://192.168.1.64/stream2', spellcheck: 'false', autocomplete: 'off', autocapitalize: 'off', oninput: onSource, onpaste: () => setTimeout(takeApart)});
const reveal = h('input', {type: 'checkbox', onchange: () => password.type = reveal.checked ? 'text' : 'password'});
const help = h('p', {class: 'muted small', role: 'status'}), inFile = h('pre', {class: 'grow', tabindex: '0'}), fileOnly = h('div', {class: 'row', hidden: true}, inFile, button(t('common.copy'), () => copied(inFile.textContent ?? ''), {icon: 'copy'}), h('a', {class: 'button', href: 'config.html'}, t('nav.config'))), examples = h('div', {class: 'row small examples'});
const testButton = h('button', {class: 'primary'}, t('add.testButton')), cancel = button(t('common.cancel'), () => testing?.abort());
cancel.hidden = true;
const name = h('input', {type: 'text', name: 'name', spellcheck: 'false', autocomplete: 'off', maxlength: 500, oninput: checkName}), nameHelp = h('p', {class: 'small', role: 'status'});
const warm = h('input', {type: 'checkbox'}), linger = h('select', null, h('option', {value: ''}, t('add.lingerNot')), [5, 10, 30].map(s => h('option', {value: `${s}s`}, duration(s * 1000))));
const saveButton = guarded(h('button', {class: 'primary'}, t('add.save')));
const checks = h('ul', {class: 'checks', 'aria-live': 'polite'}), advice = h('div', {class: 'stack'});
const both = h('input', {type: 'checkbox', checked: true, onchange: checkName}), useBoth = h('label', {class: 'check', hidden: true}, both, t('add.useLesser'));
const more = h('details', null, h('summary', null, t('add.lesser')), h('label', {class: 'field'}, t('add.lesserAbout'), lesser));

const form = h('form', {class: 'form card', data: {part: 'find'}, onsubmit: (/** @type {Event} */ ev) => {
    ev.preventDefault();
    if (src.value.trim()) test();
}}, h('h2', null, t('add.url')),
h('label', {class: 'field'}, t('add.source'), src), help, fileOnly, examples,
h('div', {class: 'pair'}, h('label', {class: 'field'}, t('add.user'), user), h('label', {class: 'field'}, t('add.password'), password)),
more, h('div', {class: 'row sticky'}, testButton, cancel, h('label', {class: 'check'}, reveal, t('add.reveal'))));
const heading = h('h2', {tabindex: '-1'}, t('add.test')), progress = h('p', {class: 'muted', hidden: true});
/** On a phone the address is a screen of its own. */
const back = button(t('add.change'), () => {
    testing?.abort();
    step('find');
    src.focus();
}, {class: 'phone'});
const result = h('section', {class: 'card', data: {part: 'test'}, hidden: true}, heading, progress, checks, advice, useBoth, h('div', {class: 'row phone'}, back));
const naming = h('form', {class: 'form card', data: {part: 'name'}, hidden: true, onsubmit: (/** @type {Event} */ ev) => {
    ev.preventDefault();
    if (saving) return;
    saving = true;
    save().finally(() => {
        saving = false;
        checkName();
    });
}}, h('h2', {tabindex: '-1'}, t('add.name')), h('label', {class: 'field'}, t('streams.name'), name), nameHelp,
h('label', {class: 'check'}, warm, t('add.warm')), h('label', {class: 'field own'}, t('add.linger'), linger), h('div', {class: 'row sticky'}, saveButton, h('span', {class: 'muted'}, t('add.notSaved'))));
const done = h('section', {class: 'card', data: {part: 'done'}, hidden: true}), encoders = hardware();
const searches = searching(take, () => feed.state !== 'absent');
const screen = h('div', {class: 'stack'}, steps, form, result, naming, done, searches.node);
main.append(h('div', {class: 'stack narrow'}, screen, encoders));
step('find');

/** @param {string} now */
function step(now) {
    screen.dataset.step = now;
    for (const item of /** @type {NodeListOf<HTMLElement>} */ (steps.querySelectorAll('li'))) {
        if (item.dataset.step === now) item.setAttribute('aria-current', 'step');
        else item.removeAttribute('aria-current');
    }
}

async function load() {
    try {
        [schemes, streams] = await Promise.all([getJson('api/schemes'), getJson('api/streams')]);
        notice('');
    } catch (err) {
        return failed(err, load);
    }
    fill(examples, h('span', {class: 'muted'}, t('add.examples')), Object.entries(EXAMPLES).filter(([scheme]) => schemes.includes(scheme)).map(([, text]) => button(text, () => take(text))));
    encoders.hidden = !schemes.includes('ffmpeg');
    searches.knows(schemes);
    onSource();
}

function onSource() {
    const scheme = schemeOf(src.value);
    if (tested.length && String(sources()) !== String(tested)) drop();
    const forbidden = [src, lesser].map(one => one.value.trim()).find(one => one && (isFileOnly(one) || one === refused)), text = forbidden ? t('add.fileOnly') : scheme && schemes.length && !schemes.includes(scheme) && /:\/\/|^[a-z]+:$/.test(src.value) ? t('add.unknownScheme', {scheme}) : changed ? t('add.changed') : '';
    say(help, text);
    fileOnly.hidden = !forbidden;
    say(inFile, forbidden ? `streams:\n  ${suggest(forbidden, one => Object.hasOwn(streams, one))}: ${JSON.stringify(forbidden)}` : '');
    testButton.disabled = Boolean(forbidden) || testing !== null;
}

/** The camera, and its lesser stream if one was given. */
const sources = () => [src, lesser].filter(one => one.value.trim()).map(one => compose(one.value, user.value, password.value));

/** What the test has shown is true no more. */
function drop() {
    testing?.abort();
    testing = null;
    tested = [];
    changed = cancel.hidden = result.hidden = naming.hidden = true;
    step('find');
}

/** It is not to be tested: how it stands in the file. @param {HTMLInputElement} field @param {unknown} err */
function forFile(field, err) {
    drop();
    refused = field.value.trim();
    onSource();
    say(help, `${t('add.fileOnly')}\n${explain(err)}`);
    announce(help.textContent ?? '');
    field.focus();
}

/** A pasted address with a password in it: the parts go where they belong. */
function takeApart() {
    for (const field of [lesser, src]) {
        const parts = split(field.value);
        if (!parts.user && !parts.password) continue;
        field.value = parts.url;
        user.value = parts.user;
        password.value = parts.password;
        announce(t('add.apart'));
    }
}

async function test() {
    testing?.abort();
    takeApart();
    const mine = new AbortController();
    testing = mine;
    const asked = sources();
    tested = asked;
    changed = false;
    say(help, '');
    step('test');
    result.hidden = false;
    naming.hidden = done.hidden = true;
    worked = false;
    testButton.disabled = true;
    cancel.hidden = progress.hidden = false;
    fill(advice);
    fill(checks);
    heading.focus();
    // A go2rtc cannot test.
    if (feed.state === 'absent') {
        testing = null;
        testButton.disabled = false;
        cancel.hidden = progress.hidden = true;
        fill(checks, h('li', null, h('span', {class: 'state', data: {state: 'skip'}}, t('doctor.plain'))));
        return offer(true);
    }
    try {
        let good = true;
        // One after the other: some cameras have a single place.
        for (let i = 0; good && i < asked.length; i++) {
            if (asked.length > 1) checks.append(h('li', null, h('strong', {class: 'why'}, t(i ? 'add.lesser' : 'add.better'))));
            good = await probe({src: asked[i], still: true}, mine.signal, checks, (line, well) => {
                if (STEPS.includes(line.step)) say(progress, [i && t('add.lesser'), t('add.testing', {n: 1 + STEPS.indexOf(line.step), all: STEPS.length})].filter(Boolean).join(' · '));
                if (line.step === 'tracks' && i) fill(advice, ...advice.childNodes, adviceOfLesser(line));
                else if (line.step === 'tracks') fill(advice, ...adviceOf(line, asked.length > 1 ? null : askLesser));
                const silent = line.step === 'tracks' && line.state === 'ok' && !line.tracks.some(c => c.codec_type === 'video');
                if (i === asked.length - 1 && (line.step === 'picture' && line.state !== 'run' && well || silent)) offer(true);
            });
        }
        announce(good ? t('add.testDone') : t('add.testFailed'));
    } catch (err) {
        // The next one shows its own.
        if (testing !== mine) return;
        if (wantsFile(err)) return forFile(asked.length > 1 && checks.querySelector('[data-step]') ? lesser : src, err);
        if (mine.signal.aborted) checks.append(h('li', null, h('span', {class: 'state', data: {state: 'skip'}}, t('add.cancelled'))));
        else checks.append(h('li', {tabindex: '-1'}, h('span', {class: 'state', data: {state: 'fail'}}, t('add.test')), h('span', {class: 'why'}, explain(err))));
    }
    if (testing !== mine) return;
    testing = null;
    testButton.disabled = false;
    progress.hidden = true;
    cancel.hidden = true;
    if (!worked && !mine.signal.aborted) offer(false);
    // Whoever waits here goes on with what has failed, or with the address.
    if (!worked && [document.body, heading, cancel].includes(document.activeElement)) (checks.querySelector('li:has([data-state=fail])') ?? (src.checkVisibility() ? src : heading)).focus();
    // The steps have pushed it down meanwhile.
    if (document.activeElement === name) naming.scrollIntoView({block: 'nearest'});
}

/** For the small tiles: where nothing plays the better stream. */
function askLesser() {
    step('find');
    more.open = true;
    lesser.focus();
}

/** The step of the name. @param {boolean} good */
function offer(good) {
    if (worked) return;
    worked = good;
    naming.hidden = false;
    useBoth.hidden = tested.length < 2;
    if (!name.value || name.dataset.made === name.value) {
        name.value = suggest(compose(src.value, '', ''), one => Object.hasOwn(streams, one));
        name.dataset.made = name.value;
    }
    checkName();
    if (!good) return;
    step('name');
    name.focus();
    name.select();
}

/** The names of what is saved: Live shows both as one camera. @param {string} text */
const namesOf = text => [text, `${text}_sub`].slice(0, both.checked ? tested.length : 1);

function checkName() {
    const text = name.value.trim(), names = namesOf(text), taken = names.filter(one => Object.hasOwn(streams, one)).join(', ');
    nameHelp.className = taken ? 'state' : 'small';
    nameHelp.dataset.state = taken ? 'warn' : '';
    say(nameHelp, !text ? t('add.nameEmpty') : taken ? t('add.nameTaken', {name: taken}) : names[1] ? t('add.lesserName', {name: names[1]}) : '');
    say(saveButton, t(taken ? 'add.replace' : worked ? 'add.save' : 'add.saveAnyway'));
    saveButton.className = taken ? 'danger' : worked ? 'primary' : '';
    // What is there keeps its own.
    linger.disabled = taken !== '';
    saveButton.disabled = !text || saving || viewOnly();
}

async function save() {
    testing?.abort();
    const text = name.value.trim(), names = namesOf(text), asked = tested, warnings = /** @type {string[]} */ ([]);
    if (!text || !asked.length) return;
    checkName();
    const now = await getJson('api/streams').catch(() => streams), fresh = names.some(one => Object.hasOwn(now, one) && !Object.hasOwn(streams, one));
    streams = now;
    // Somebody else was quicker.
    if (fresh) return;
    for (const [i, one] of names.entries()) {
        try {
            warnings.push(await put(one, asked[i], Object.hasOwn(streams, one) ? null : linger.value));
            streams[one] = {};
        } catch (err) {
            if (!i) return toast(explain(err));
            warnings.push(`${one}: ${explain(err)}`);
        }
    }
    if (warm.checked) await call('PUT', 'api/preload', {query: {src: text}, limit: 30_000}).catch(err => warnings.push(`${t('add.warm')}: ${explain(err)}`));
    tested = [];
    warm.checked = false;
    both.checked = true;
    linger.value = lesser.value = password.value = user.value = src.value = name.value = '';
    form.hidden = result.hidden = naming.hidden = true;
    done.hidden = false;
    step('done');
    added(done, text, warnings, () => {
        form.hidden = false;
        done.hidden = true;
        step('find');
        src.focus();
    });
    announce(t('add.added', {name: text}));
}

/** @param {string} url */
function take(url) {
    const parts = split(url);
    src.value = parts.url;
    // Those of the address belong together; without any, what was typed stays.
    if (parts.user || parts.password) {
        user.value = parts.user;
        password.value = parts.password;
    }
    onSource();
    src.focus();
}

window.addEventListener('pagehide', () => {
    testing?.abort();
    searches.stop();
});
// Later it would take the focus from who types already.
src.focus();
load();
askMay(main);
