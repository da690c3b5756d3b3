//! The kernel's messages about networks.

use rs2rtc_protocols::rtnetlink::Links;

/// One run on arbitrary bytes, whole and then message by message as it may be cut.
pub fn run(data: &[u8]) {
    let mut links = Links::default();
    links.handle_datagram(data);
    for part in data.chunks(32) {
        links.handle_datagram(part);
    }
}
