//! Sound whose payload is the frame: Opus (RFC 7587), G.711, G.722 and linear PCM
//! (RFC 3551 section 4.5), and MPEG audio behind its 4-byte header (RFC 2250 3.5).

use super::{Output, Packet, Unit};
use crate::codec::{Codec, CodecId};
use crate::frame::Payload;

/// One packet is one frame.
#[derive(Debug)]
pub(super) struct Depacketiser {
    mpeg: bool,
}

impl Depacketiser {
    pub(super) fn new(codec: &Codec) -> Self {
        Self { mpeg: codec.id == CodecId::Mpa }
    }

    pub(super) fn push(&mut self, packet: Packet, output: &mut Output) {
        let mut data = packet.payload;
        if self.mpeg {
            // A frame in fragments (offset not 0) does not fit one packet: rare
            // enough to be left out.
            if data.get(..4) != Some(&[0; 4]) {
                output.stats.damaged += 1;
                return;
            }
            data = data.slice(4..);
        }
        if data.is_empty() {
            return;
        }
        output.push(Unit {
            keyframe: true,
            pts: packet.time,
            dts: packet.time,
            payload: Payload::Data(data),
            received: Vec::new(),
            arrival: packet.arrival,
        });
    }
}
