/**
 * The state of a stream in a few words, from the JSON of `api/streams`.
 */

/**
 * @typedef {{id?: number, url?: string, source?: string, error?: string, error_kind?: string, format_name?: string, protocol?: string,
 *     remote_addr?: string, medias?: string[], receivers?: {codec?: Codec}[], bytes_recv?: number, senders?: object[]}} Connection
 * @typedef {{codec_name?: string, codec_type?: string}} Codec
 * @typedef {{producers: Connection[]|null, consumers: Connection[]|null}} Stream
 */

/** Consumers nobody watches. */
const NOT_VIEWERS = ['preload', 'probe'];

/**
 * @param {Stream} stream
 * @returns {{state: 'live'|'failed'|'starting'|'idle', detail: string, viewers: number}}
 */
export function describe(stream) {
    const producers = stream.producers ?? [];
    const viewers = (stream.consumers ?? []).filter(c => !NOT_VIEWERS.includes(c.format_name ?? '') && !isTalkOnly(c)).length;
    const live = producers.filter(isConnected);
    if (live.length) {
        const codecs = live.flatMap(p => (p.receivers ?? []).map(r => codecName(r.codec?.codec_name)));
        const detail = [live[0].format_name ?? live[0].protocol ?? '', [...new Set(codecs)].filter(Boolean).join(' + ')];
        return {state: 'live', detail: detail.filter(Boolean).join(' '), viewers};
    }
    const failed = producers.find(p => p.error);
    if (failed) return {state: 'failed', detail: failed.error ?? '', viewers};
    if (viewers) return {state: 'starting', detail: '', viewers};
    const source = producers[0]?.url ?? producers[0]?.source ?? '';
    return {state: 'idle', detail: source, viewers};
}

/** Names of the API, and of people. @type {Record<string, string>} */
const CODECS = {HEVC: 'H265', PCM_ALAW: 'PCMA', PCM_MULAW: 'PCMU'};

/** The name of a codec as it is known to people. @param {string} [name] of the API */
export const codecName = (name = '') => CODECS[name.toUpperCase()] ?? name.toUpperCase();

/**
 * The codecs that come from the camera, pictures before sound.
 * @param {Stream} stream
 * @returns {string[]} names for people, each once
 */
export function codecsOf(stream) {
    const codecs = (stream.producers ?? []).flatMap(p => (p.receivers ?? []).map(r => r.codec ?? {}));
    codecs.sort((a, b) => Number(b.codec_type === 'video') - Number(a.codec_type === 'video'));
    return [...new Set(codecs.map(c => codecName(c.codec_name)))].filter(Boolean);
}

/** @type {[string, RegExp][]} */
const BROWSERS = [['Edge', /Edg\//], ['Chrome', /Chrom(e|ium)\//], ['Firefox', /Firefox\//], ['Safari', /Safari\//]];

/** A browser or player in one word, from its long description. @param {string|null} [agent] */
export const agentName = agent => BROWSERS.find(([, pattern]) => pattern.test(agent ?? ''))?.[0] ?? (agent ?? '').split('/')[0].slice(0, 24);

/** Can somebody talk to it, as far as its sources have told? @param {Stream} stream */
export const hasLoudspeaker = stream => (stream.producers ?? []).some(p => (p.medias ?? []).some(m => m.startsWith('audio, sendonly')) || /#.*\bbackchannel=1\b/.test(p.url ?? ''));

/** @param {Connection} consumer */
const isTalkOnly = consumer => Boolean(consumer.receivers?.length) && !consumer.senders?.length;

/**
 * A source that is not connected is only its address.
 * @param {Connection} producer
 */
function isConnected(producer) {
    return Boolean(producer.id || producer.format_name || producer.medias || producer.bytes_recv);
}
