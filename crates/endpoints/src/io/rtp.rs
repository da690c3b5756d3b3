//! RTP in and out of the tracks, for sources and outputs that carry it over a
//! stream connection.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use rs2rtc_media::frame::SizeClass;
use rs2rtc_media::rtp::depay::Depacketiser;
use rs2rtc_media::rtp::{self, pay, rtcp};
use rs2rtc_media::time::{NtpTime, from_ticks};
use rs2rtc_media::{Codec, Frame, Kind};
use rs2rtc_streams::{Connection, Sender, TrackWriter, Tracks};

/// RTP packets of one connection to frames on its tracks.
pub struct Receiver {
    connection: Arc<Connection>,
    inputs: Vec<Input>,
}

struct Input {
    media: usize,
    codec: Codec,
    depacketiser: Depacketiser,
    writer: Option<TrackWriter>,
}

impl Receiver {
    /// A receiver that counts on `connection`.
    pub const fn new(connection: Arc<Connection>) -> Self {
        Self { connection, inputs: Vec::new() }
    }

    /// Adds an input: packets with this index belong to that media of the
    /// producer and carry that codec.
    pub fn add(&mut self, media: usize, codec: Codec) -> usize {
        let depacketiser = Depacketiser::new(&codec);
        self.inputs.push(Input { media, codec, depacketiser, writer: None });
        self.inputs.len() - 1
    }

    /// Looks up again which medias are wanted.
    pub fn refresh(&mut self, tracks: &mut Tracks) {
        for input in &mut self.inputs {
            input.writer = tracks.writer(input.media);
        }
    }

    /// Takes an RTP packet. Malformed ones are ignored.
    pub fn rtp(&mut self, index: usize, packet: &Bytes, arrival: Instant) {
        self.connection.received(packet.len());
        let Some(input) = self.inputs.get_mut(index) else { return };
        let Ok((header, payload)) = rtp::parse(packet) else { return };
        let before = input.depacketiser.stats().lost;
        input.depacketiser.push(&header, payload, arrival);
        let lost = input.depacketiser.stats().lost.saturating_sub(before);
        if let Some(writer) = &input.writer {
            writer.count_packet(lost);
        }
        while let Some(unit) = input.depacketiser.poll() {
            if let Some(writer) = &input.writer {
                let (pts, dts) = (unit.pts, unit.dts);
                writer.write(unit.into_frame(input.codec.id.clone(), pts, dts));
            }
        }
    }

    /// Takes a compound RTCP packet: sender reports align picture and sound.
    pub fn rtcp(&mut self, index: usize, packet: &[u8]) {
        self.connection.received(packet.len());
        let Some(input) = self.inputs.get_mut(index) else { return };
        let Ok(packets) = rtcp::parse(packet) else { return };
        for packet in packets {
            if let (rtcp::Packet::SenderReport { ntp, timestamp, .. }, Some(writer)) =
                (packet, &input.writer)
            {
                // Some cameras send reports without a clock.
                if ntp.0 != 0 {
                    writer.sender_report(ntp, input.depacketiser.extend(timestamp));
                }
            }
        }
    }
}

/// Bytes that wait to be written: slices, never copies of payloads.
#[derive(Debug, Default)]
pub struct Pieces {
    pieces: VecDeque<Piece>,
    len: usize,
}

#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    Shared(Arc<[u8]>, usize),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Shared(data, start) => data.get(*start..).unwrap_or_default(),
        }
    }
}

impl Pieces {
    /// Appends bytes.
    pub fn push(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        self.pieces.push_back(Piece::Bytes(bytes));
    }

    fn push_shared(&mut self, data: &Arc<[u8]>) {
        self.len += data.len();
        self.pieces.push_back(Piece::Shared(Arc::clone(data), 0));
    }

    /// Bytes that wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// True if nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first slices, as many as one system call takes.
    pub fn slices<'a>(&'a self, out: &mut Vec<IoSlice<'a>>) {
        out.clear();
        out.extend(self.pieces.iter().take(512).map(|p| IoSlice::new(p.bytes())));
    }

    /// Forgets the first `count` bytes: they are written.
    pub fn advance(&mut self, mut count: usize) {
        self.len = self.len.saturating_sub(count);
        while let Some(first) = self.pieces.front_mut() {
            let size = first.bytes().len();
            if count < size {
                match first {
                    Piece::Bytes(bytes) => bytes.advance(count),
                    Piece::Shared(_, start) => *start += count,
                }
                return;
            }
            count -= size;
            self.pieces.pop_front();
        }
    }
}

/// Sender reports are sent this often (RFC 3550 6.2 for a session of two).
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// Seconds from 1900 to 1970.
const NTP_OFFSET: u64 = 2_208_988_800;

/// Frames of one track to RTP packets, interleaved on a channel pair of an
/// RTSP connection (RFC 2326 10.12).
#[derive(Debug)]
pub struct Packetiser {
    sender: Arc<Sender>,
    kind: Kind,
    codec: Codec,
    payload_type: u8,
    channels: (u8, u8),
    class: SizeClass,
    ssrc: u32,
    seq: u16,
    offset: u32,
    packets: u32,
    octets: u32,
    next_report: Option<Instant>,
    /// Wall-clock time of the stream's epoch.
    epoch: SystemTime,
}

/// What a new [`Packetiser`] is told.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Counters of this viewer.
    pub sender: Arc<Sender>,
    /// The codec of the frames.
    pub codec: Codec,
    /// Video or audio.
    pub kind: Kind,
    /// Payload type that was announced.
    pub payload_type: u8,
    /// Interleaved channels for RTP and RTCP.
    pub channels: (u8, u8),
    /// How large packets may be.
    pub class: SizeClass,
    /// Wall-clock time of the stream's epoch, for sender reports.
    pub epoch: SystemTime,
    /// Random numbers for SSRC, first sequence number and timestamp offset.
    pub random: [u8; 10],
}

impl Packetiser {
    /// A packetiser whose first packets carry a sender report.
    pub fn new(outgoing: Outgoing) -> Self {
        let Outgoing { sender, codec, kind, payload_type, channels, class, epoch, random } =
            outgoing;
        let [a, b, c, d, e, f, g, h, i, j] = random;
        Self {
            sender,
            kind,
            codec,
            payload_type,
            channels,
            class,
            ssrc: u32::from_be_bytes([a, b, c, d]),
            seq: u16::from_be_bytes([e, f]),
            offset: u32::from_be_bytes([g, h, i, j]),
            packets: 0,
            octets: 0,
            next_report: None,
            epoch,
        }
    }

    /// Appends a frame's packets, and a sender report when one is due.
    pub fn frame(&mut self, frame: &Frame, now: Instant, out: &mut Pieces) {
        let payloads = frame.rtp(self.class);
        let timestamp = (frame.pts as u32).wrapping_add(self.offset);
        if self.next_report.is_none_or(|at| now >= at) {
            self.next_report = Some(now + REPORT_INTERVAL);
            out.push(self.report(frame.pts, timestamp));
        }
        // All heads of the frame in one allocation; payloads by reference.
        let mut heads = BytesMut::with_capacity(16 * payloads.len());
        let last = payloads.len().saturating_sub(1);
        let mut before = 0;
        for (index, payload) in payloads.iter().enumerate() {
            let Ok(size) = u16::try_from(payload.len() + 12) else { continue };
            let marker = match self.kind {
                Kind::Video => index == last,
                _ => false,
            };
            heads.put_u8(b'$');
            heads.put_u8(self.channels.0);
            heads.put_u16(size);
            heads.put_u8(0x80);
            heads.put_u8(u8::from(marker) << 7 | self.payload_type & 0x7f);
            heads.put_u16(self.seq);
            let later = pay::timestamp_offset(&self.codec, before);
            heads.put_u32(timestamp.wrapping_add(later));
            heads.put_u32(self.ssrc);
            out.push(heads.split().freeze());
            out.push_shared(payload);
            before += payload.len();
            self.seq = self.seq.wrapping_add(1);
            self.packets = self.packets.wrapping_add(1);
            self.octets = self.octets.wrapping_add(payload.len() as u32);
            self.sender.sent(1, payload.len());
        }
    }

    fn report(&self, pts: i64, timestamp: u32) -> Bytes {
        let report = rtcp::Packet::SenderReport {
            ssrc: self.ssrc,
            ntp: ntp(self.epoch + from_ticks(pts, self.codec.timestamp_rate())),
            timestamp,
            packets: self.packets,
            octets: self.octets,
            reports: Vec::new(),
        };
        let body = rtcp::write(&[report]);
        let mut out = BytesMut::with_capacity(4 + body.len());
        out.put_u8(b'$');
        out.put_u8(self.channels.1);
        out.put_u16(u16::try_from(body.len()).unwrap_or(0));
        out.put_slice(&body);
        out.freeze()
    }
}

/// NTP time of a wall-clock time (RFC 3550 section 4).
pub fn ntp(time: SystemTime) -> NtpTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs().wrapping_add(NTP_OFFSET);
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    NtpTime(seconds << 32 | fraction)
}

#[cfg(test)]
mod tests {
    use rs2rtc_base::{Error, ErrorKind};
    use rs2rtc_media::{CodecId, Direction, Media};
    use rs2rtc_streams::{
        BoxFuture, Description, OpenRequest, Opener, Origin, Packets, Producer, Settings, Streams,
    };

    use super::*;

    #[test]
    fn pieces_are_written_in_order_and_in_parts() {
        let mut pieces = Pieces::default();
        pieces.push(Bytes::from_static(b"abc"));
        pieces.push_shared(&Arc::from(&b"defg"[..]));
        pieces.push(Bytes::from_static(b"h"));
        let mut written = Vec::new();
        for step in [2, 3, 1, 2] {
            let mut slices = Vec::new();
            pieces.slices(&mut slices);
            let all: Vec<u8> = slices.iter().flat_map(|s| s.to_vec()).collect();
            written.extend_from_slice(&all[..step]);
            drop(slices);
            pieces.advance(step);
        }
        assert_eq!(written, b"abcdefgh");
        assert!(pieces.is_empty());
    }

    /// Streams without sources.
    struct NoSources;

    impl Opener for NoSources {
        fn check(&self, _: &str, _: Origin) -> Result<(), Error> {
            Ok(())
        }

        fn open(&self, _: OpenRequest) -> BoxFuture<Result<Box<dyn Producer>, Error>> {
            Box::pin(async { Err(Error::new(ErrorKind::Unreachable, "no source")) })
        }
    }

    #[tokio::test]
    async fn packets_that_are_missing_are_counted() {
        let streams = Streams::new(Arc::new(NoSources), Settings::default());
        let stream = streams.create("door", &[], Origin::Config).unwrap();
        let codec = Codec::new(CodecId::Pcma).clock(8000);
        let media = Media::new(Kind::Audio, Direction::RecvOnly, codec.clone());
        let connection = Arc::new(Connection::new(Description::default()));
        let publication = stream.publish(vec![media], Arc::clone(&connection));
        let mut receiver = Receiver::new(connection);
        let input = receiver.add(0, codec.clone());
        let mut tracks = publication.tracks();
        let _writer = tracks.open(0, &codec).unwrap();
        let packets = || stream.snapshot().producers.unwrap()[0].quality.packets;
        receiver.refresh(&mut tracks);
        assert_eq!(packets(), None);
        let packet = |seq: u16| {
            let mut bytes = BytesMut::from(&[0x80, 8][..]);
            bytes.put_u16(seq);
            bytes.put_u32(u32::from(seq) * 160);
            bytes.put_u32(7);
            bytes.put_slice(&[0xd5; 160]);
            bytes.freeze()
        };
        for seq in [1, 2, 5, 6, 7, 9] {
            receiver.rtp(input, &packet(seq), Instant::now());
        }
        assert_eq!(packets(), Some(Packets { received: 6, lost: 3 }));
    }

    #[test]
    fn ntp_of_1970() {
        assert_eq!(ntp(UNIX_EPOCH).0, 2_208_988_800 << 32);
    }
}
