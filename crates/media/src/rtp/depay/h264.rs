//! H.264 payloads (RFC 6184): single NAL units, STAP-A and FU-A. The interleaved
//! forms (STAP-B, MTAP, FU-B) are not negotiated and ignored.

use bytes::Bytes;

use super::access_unit::AccessUnits;
use super::{MAX_UNIT, Output, Packet};
use crate::codec::{Codec, nal};

const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// H.264 payloads to access units.
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
        // A unit that never got its end bit is complete if nothing was lost.
        let fragment = payload.first().is_some_and(|b| b & 0x1f == FU_A);
        let goes_on = fragment && payload.get(1).is_some_and(|b| b & 0x80 == 0);
        if !goes_on && let Some(nal) = self.fragments.take() {
            self.units.nal(nal, output);
        }
        self.units.begin_packet(&packet, output);
        let mut reusable = true;
        match payload.first().map(|b| b & 0x1f) {
            None => {}
            Some(STAP_A) => self.aggregate(&payload, output),
            Some(FU_A) => reusable = self.fragment(&payload, output),
            Some(1..=23) => {
                self.units.before_nal(&payload, output);
                self.units.nal(payload, output);
            }
            Some(_) => {
                reusable = false;
                if nal::starts_with_code(&payload) {
                    self.units.nal(payload, output);
                }
            }
        }
        let open = self.fragments.is_open();
        self.units.end_packet(packet, reusable, open, output);
    }

    fn aggregate(&mut self, payload: &Bytes, output: &mut Output) {
        let mut at = 1;
        while let Some(nal) = sized(payload, &mut at) {
            self.units.before_nal(&nal, output);
            self.units.nal(nal, output);
        }
        if at < payload.len() {
            self.units.damage();
        }
    }

    /// Returns whether the payload can be sent on.
    fn fragment(&mut self, payload: &Bytes, output: &mut Output) -> bool {
        let Some(&[indicator, header]) = payload.first_chunk::<2>() else {
            self.units.damage();
            return false;
        };
        let (start, end) = (header & 0x80 != 0, header & 0x40 != 0);
        let data = payload.slice(2..);
        if start {
            let nal_header = indicator & 0xe0 | header & 0x1f;
            let mut head = vec![nal_header];
            head.extend(data.iter().take(3));
            self.units.before_nal(&head, output);
            self.fragments.start(&[nal_header], data);
        } else if !self.fragments.append(data) {
            self.units.damage();
        }
        if end && let Some(nal) = self.fragments.take() {
            self.units.nal(nal, output);
        }
        // A unit in one fragment (OpenIPC) is against the rules of RFC 6184 5.8.
        !(start && end)
    }
}

/// The next length-prefixed unit of an aggregation packet; `None` at its end or
/// where the length is wrong. Empty units are skipped.
pub(super) fn sized(payload: &Bytes, at: &mut usize) -> Option<Bytes> {
    loop {
        let len = usize::from(u16::from_be_bytes(*payload.get(*at..)?.first_chunk()?));
        let start = *at + 2;
        let end = start + len;
        if end > payload.len() {
            return None;
        }
        *at = end;
        if len > 0 {
            return Some(payload.slice(start..end));
        }
    }
}

/// The fragments of a NAL unit, copied together once when it is complete.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    header: Vec<u8>,
    parts: Vec<Bytes>,
    len: usize,
    open: bool,
}

impl Fragments {
    pub(super) fn start(&mut self, header: &[u8], data: Bytes) {
        self.clear();
        header.clone_into(&mut self.header);
        self.open = true;
        self.append(data);
    }

    /// False if there was no start, or the unit is too large.
    pub(super) fn append(&mut self, data: Bytes) -> bool {
        if !self.open {
            return false;
        }
        self.len = self.len.saturating_add(data.len());
        if self.len > MAX_UNIT || self.parts.len() >= super::MAX_PACKETS {
            self.clear();
            return false;
        }
        self.parts.push(data);
        true
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn clear(&mut self) {
        self.parts.clear();
        self.len = 0;
        self.open = false;
    }

    /// The unit put together, if one was begun and has content.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        if !self.open {
            return None;
        }
        let mut nal = Vec::with_capacity(self.header.len() + self.len);
        nal.extend_from_slice(&self.header);
        for part in &self.parts {
            nal.extend_from_slice(part);
        }
        let whole = self.len > 0;
        self.clear();
        whole.then(|| nal.into())
    }
}
