//! H.265 payloads (RFC 7798): single NAL units, aggregation packets and
//! fragmentation units, without decoding order numbers (`sprop-max-don-diff` 0).
//! PACI packets are ignored.

use bytes::Bytes;

use super::access_unit::AccessUnits;
use super::h264::{Fragments, sized};
use super::{Output, Packet};
use crate::codec::{Codec, nal};

const AP: u8 = 48;
const FU: u8 = 49;

/// H.265 payloads to access units.
#[derive(Debug)]
pub(super) struct Depacketiser {
    units: AccessUnits,
    fragments: Fragments,
}

impl Depacketiser {
    pub(super) fn new(codec: &Codec) -> Self {
        Self { units: AccessUnits::new(codec), fragments: Fragments::default() }
    }

    pub(super) fn push(&mut self, packet: Packet, output: &mut Output) {
        if packet.after_loss {
            self.fragments.clear();
        }
        let payload = packet.payload.clone();
        let kind = payload.first().map(|b| b >> 1 & 0x3f);
        // A unit that never got its end bit is complete if nothing was lost.
        let goes_on = kind == Some(FU) && payload.get(2).is_some_and(|b| b & 0x80 == 0);
        if !goes_on && let Some(nal) = self.fragments.take() {
            self.units.nal(nal, output);
        }
        self.units.begin_packet(&packet, output);
        let mut reusable = true;
        match kind {
            None => {}
            Some(AP) => self.aggregate(&payload, output),
            Some(FU) => reusable = self.fragment(&payload, output),
            Some(0..=47) if payload.len() > 2 => {
                if !nal::starts_with_code(&payload) {
                    self.units.before_nal(&payload, output);
                }
                self.units.nal(payload, output);
            }
            Some(_) => reusable = false,
        }
        let open = self.fragments.is_open();
        self.units.end_packet(packet, reusable, open, output);
    }

    fn aggregate(&mut self, payload: &Bytes, output: &mut Output) {
        let mut at = 2;
        while let Some(nal) = sized(payload, &mut at) {
            if nal.len() > 2 {
                self.units.before_nal(&nal, output);
                self.units.nal(nal, output);
            }
        }
        if at < payload.len() {
            self.units.damage();
        }
    }

    /// Returns whether the payload can be sent on.
    fn fragment(&mut self, payload: &Bytes, output: &mut Output) -> bool {
        let Some(&[b0, b1, header]) = payload.first_chunk::<3>() else {
            self.units.damage();
            return false;
        };
        let (start, end) = (header & 0x80 != 0, header & 0x40 != 0);
        let data = payload.slice(3..);
        if start {
            let nal_header = [b0 & 0x81 | (header & 0x3f) << 1, b1];
            let mut head = nal_header.to_vec();
            head.extend(data.iter().take(2));
            self.units.before_nal(&head, output);
            self.fragments.start(&nal_header, data);
        } else if !self.fragments.append(data) {
            self.units.damage();
        }
        if end && let Some(nal) = self.fragments.take() {
            self.units.nal(nal, output);
        }
        // A unit in one fragment (OpenIPC) is against the rules of RFC 7798 4.4.3.
        !(start && end)
    }
}
