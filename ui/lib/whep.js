/**
 * Sessions whose offer goes over HTTP (WHEP): waiting for the own addresses before, and the goodbye after.
 */

/** Milliseconds that gathering the own addresses may take, and that the server may take to hear the goodbye. */
const GATHER = 1500, LEAVE = 2000;

/** Tells the server that a session is over. @param {string} session its address; empty: there is none */
export async function bye(session) {
    if (session) await fetch(session, {method: 'DELETE', keepalive: true}).catch(() => {});
}

/**
 * Leaves: asks the server while it still knows the session, then closes the connection. A page that goes has no time to wait.
 * @param {RTCPeerConnection|null} pc
 * @param {string} session as for `bye`
 * @param {boolean} [going] with the page
 */
export async function leave(pc, session, going = false) {
    if (going) pc?.close();
    await Promise.race([bye(session), new Promise(resolve => setTimeout(resolve, LEAVE))]);
    pc?.close();
}

/** Waits until the addresses are known. @param {RTCPeerConnection} pc */
export function gathered(pc, limit = GATHER) {
    return new Promise(resolve => {
        if (pc.iceGatheringState === 'complete') return resolve(undefined);
        pc.addEventListener('icegatheringstatechange', () => pc.iceGatheringState === 'complete' && resolve(undefined));
        setTimeout(resolve, limit);
    });
}
