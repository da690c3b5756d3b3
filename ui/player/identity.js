/**
 * The identity of a player (`cid`): 128 random bits that survive a reload, so that the
 * server knows the new session as the follower of the old one.
 *
 * They are kept in `sessionStorage` only between `pagehide` and the next load of the same
 * address: a duplicated tab copies the storage of a page that lives, and finds nothing.
 * Two players of one page, and two frames of one tab, never get the same one.
 */

const KEY = `rs2rtc.cid ${location.href.replace(/#.*/, '')}`;

/** In the order of the elements. @type {{cid: string, used: boolean}[]} */
const slots = [];

/** Takes what the page before has left. */
function restore() {
    for (const cid of stored()) {
        if (!slots.some(slot => slot.cid === cid)) slots.push({cid, used: false});
    }
    store([]);
}

/** Leaves what is in use for the page after. */
function leave() {
    const used = slots.filter(slot => slot.used).map(slot => slot.cid);
    // Another frame of the tab may have left its own.
    store([...new Set([...stored(), ...used])]);
}

/** @returns {string[]} */
function stored() {
    try {
        const list = JSON.parse(sessionStorage.getItem(KEY) ?? '[]');
        return Array.isArray(list) ? list.filter(cid => /^[0-9a-f]{32}$/.test(cid)) : [];
    } catch {
        // No storage in this frame, or not ours.
        return [];
    }
}

/** @param {string[]} list */
function store(list) {
    try {
        if (list.length) sessionStorage.setItem(KEY, JSON.stringify(list));
        else sessionStorage.removeItem(KEY);
    } catch {
        // Without storage a reload begins as a stranger, which the server copes with.
    }
}

/** The identity for the next player of the page. @returns {string} */
export function takeIdentity() {
    let slot = slots.find(slot => !slot.used);
    if (!slot) {
        const bytes = crypto.getRandomValues(new Uint8Array(16));
        slot = {cid: [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join(''), used: false};
        slots.push(slot);
    }
    slot.used = true;
    return slot.cid;
}

/** The player has left the page; the next one may have its identity. @param {string} cid */
export function returnIdentity(cid) {
    const slot = slots.find(slot => slot.cid === cid);
    if (slot) slot.used = false;
}

restore();
window.addEventListener('pagehide', leave);
window.addEventListener('pageshow', ev => {
    // Back from the cache: the page lives again, with what it has in memory.
    if (/** @type {PageTransitionEvent} */ (ev).persisted) store([]);
});
