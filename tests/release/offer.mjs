/** An offer as Chromium writes it, of a viewer that will never come. */
export const OFFER = [
    'v=0', 'o=- 4611731400430051336 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0', 'a=extmap-allow-mixed', 'a=msid-semantic: WMS',
    'm=video 9 UDP/TLS/RTP/SAVPF 103 104', 'c=IN IP4 0.0.0.0', 'a=rtcp:9 IN IP4 0.0.0.0', 'a=ice-ufrag:goNe', 'a=ice-pwd:7sFvz2gdLkEwjZEr1234567a',
    'a=ice-options:trickle',
    `a=fingerprint:sha-256 ${Array.from({length: 32}, (_, i) => (i * 7 + 16).toString(16).toUpperCase().padStart(2, '0')).join(':')}`,
    'a=setup:actpass', 'a=mid:0', 'a=recvonly', 'a=rtcp-mux', 'a=rtcp-rsize',
    'a=rtpmap:103 H264/90000', 'a=rtcp-fb:103 nack', 'a=rtcp-fb:103 nack pli',
    'a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
    'a=rtpmap:104 rtx/90000', 'a=fmtp:104 apt=103', '',
].join('\r\n');
