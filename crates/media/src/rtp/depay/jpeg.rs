//! JPEG payloads (RFC 2435) to pictures with all their tables.

use std::time::Instant;

use bytes::Bytes;

use super::{MAX_PACKETS, MAX_UNIT, Output, Packet, Unit};
use crate::frame::Payload;
use crate::rtp::jpeg::{FragmentHeader, write_headers};

/// Fragments of a picture to the picture.
#[derive(Debug, Default)]
pub(super) struct Depacketiser {
    /// In-band tables by Q, which may be sent with the first picture only.
    tables: Option<(u8, Vec<u8>)>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    time: i64,
    arrival: Instant,
    header: FragmentHeader,
    parts: Vec<Bytes>,
    received: Vec<Bytes>,
    len: usize,
    damaged: bool,
}

impl Depacketiser {
    pub(super) fn push(&mut self, packet: Packet, output: &mut Output) {
        if let Some(current) = &mut self.current {
            current.damaged |= packet.after_loss;
            if current.time != packet.time {
                self.finish(output);
            }
        }
        let Some((header, data)) = FragmentHeader::parse(&packet.payload) else {
            if let Some(current) = &mut self.current {
                current.damaged = true;
            }
            return;
        };
        if header.offset == 0 {
            if self.current.is_some() {
                self.finish(output);
            }
            if !header.tables.is_empty() {
                self.tables = Some((header.q, header.tables.to_vec()));
            }
            self.current = Some(Current {
                time: packet.time,
                arrival: packet.arrival,
                header: header.clone(),
                parts: Vec::new(),
                received: Vec::new(),
                len: 0,
                damaged: false,
            });
        }
        let Some(current) = &mut self.current else {
            // The beginning is missing.
            output.stats.damaged += u64::from(packet.marker);
            return;
        };
        current.arrival = packet.arrival;
        current.damaged |= header.offset != current.len;
        current.len = current.len.saturating_add(data.len());
        if current.len > MAX_UNIT || current.parts.len() >= MAX_PACKETS {
            current.parts = Vec::new();
            current.received = Vec::new();
        } else {
            current.parts.push(data);
            current.received.push(packet.payload);
        }
        if packet.marker {
            self.finish(output);
        }
    }

    fn finish(&mut self, output: &mut Output) {
        let Some(current) = self.current.take() else { return };
        if current.len > MAX_UNIT || current.parts.is_empty() {
            output.stats.oversize += 1;
            return;
        }
        let stored = self.tables.as_ref().filter(|(q, _)| *q == current.header.q);
        let headers = write_headers(&current.header, stored.map(|(_, t)| t.as_slice()));
        let Some(mut picture) = headers.filter(|_| !current.damaged) else {
            output.stats.damaged += 1;
            return;
        };
        picture.reserve_exact(current.len + 2);
        for part in &current.parts {
            picture.extend_from_slice(part);
        }
        if !picture.ends_with(&[0xff, 0xd9]) {
            picture.extend_from_slice(&[0xff, 0xd9]);
        }
        // Payloads that rely on tables of an earlier picture cannot stand alone.
        let alone = current.header.q < 128 || !current.header.tables.is_empty();
        output.push(Unit {
            keyframe: true,
            pts: current.time,
            dts: current.time,
            payload: Payload::Data(picture.into()),
            received: if alone { current.received } else { Vec::new() },
            arrival: current.arrival,
        });
    }
}
