//! Datagrams of one session on their way to the socket: runs of equal size for
//! one destination leave in one segmented send (the last may be shorter).

use std::net::SocketAddr;

use rs2rtc_webrtc::Transmit;

use crate::io::udp::UdpPort;

/// Most bytes of one segmented send: an IP packet's limit with headers.
const MAX_BYTES: usize = 65_000;
/// Most segments of one send that the system takes.
const MAX_SEGMENTS: usize = 64;

/// A run that is not sent yet.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    segment: usize,
    count: usize,
    /// The last one was shorter: nothing can follow it.
    complete: bool,
    source: Option<SocketAddr>,
    destination: Option<SocketAddr>,
}

impl Batch {
    /// Adds a datagram; sends what cannot be in one run with it.
    pub(super) fn push(&mut self, transmit: &Transmit, port: &UdpPort) {
        let length = transmit.contents.len();
        let fits = self.destination == Some(transmit.destination)
            && self.source == Some(transmit.source)
            && !self.complete
            && length <= self.segment
            && self.bytes.len() + length <= MAX_BYTES
            && self.count < port.max_segments(transmit.destination).min(MAX_SEGMENTS);
        if !fits {
            self.flush(port);
            self.segment = length;
            self.source = Some(transmit.source);
            self.destination = Some(transmit.destination);
        }
        self.complete = length < self.segment;
        self.count += 1;
        self.bytes.extend_from_slice(&transmit.contents);
    }

    /// Sends what is there.
    pub(super) fn flush(&mut self, port: &UdpPort) {
        if let (Some(source), Some(destination)) = (self.source.take(), self.destination.take())
            && !self.bytes.is_empty()
        {
            port.send(source.ip(), destination, &self.bytes, self.segment);
        }
        self.bytes.clear();
        self.count = 0;
        self.complete = false;
    }
}
