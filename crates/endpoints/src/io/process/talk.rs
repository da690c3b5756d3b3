//! A program that plays sound: what somebody says goes to its standard input
//! (`spec/protocols-standard.md` 5, `backchannel=1`).
//!
//! It is started when the first talker is there and ended with the last one.
//! Nothing here waits for it: a program that does not read loses sound, the
//! oldest first, and never lags behind by more than [`BEHIND`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::codec::aac::{AdtsHeader, AudioSpecificConfig};
use rs2rtc_media::codec::pcm;
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media, Payload};
use rs2rtc_streams::{
    BoxFuture, CancellationToken, Connection, Description, Ended, FrameQueue, Producer, Sender,
    Subscription, Tracks, Wanted,
};
use tokio::net::unix::pipe;

use super::Process;
use super::source::{self, Plan};
use crate::Context;

/// Sound that may wait for the program here.
const BEHIND: Duration = Duration::from_millis(500);
/// Bytes that may wait for codecs without a constant rate.
const MAX_BYTES: usize = 16 * 1024;
/// How long a program that closed its input has to end by itself, so that its
/// exit status tells why.
const AFTERWARDS: Duration = Duration::from_millis(150);

/// A producer that gives a program's standard input to whoever talks, in one
/// codec. Nothing is started yet.
pub(super) fn open(context: Arc<Context>, plan: Plan, codec: Codec) -> Box<dyn Producer> {
    let mut medias = vec![Media::new(Kind::Audio, Direction::SendOnly, codec.clone())];
    if let (Some(media), Some(other)) = (medias.first_mut(), swapped(&codec)) {
        media.codecs.push(other);
    }
    let connection = Arc::new(Connection::new(Description {
        format_name: "pcm".to_owned(),
        protocol: "pipe".to_owned(),
        medias: medias.clone(),
        ..Description::default()
    }));
    Box::new(Speaker { context, plan, codec, medias, connection })
}

/// The same samples in the other order of bytes: what is sent over a network is
/// big endian, programs like little endian.
fn swapped(codec: &Codec) -> Option<Codec> {
    let id = match codec.id {
        CodecId::Pcml => CodecId::L16,
        CodecId::L16 => CodecId::Pcml,
        _ => return None,
    };
    Some(Codec { id, ..codec.clone() })
}

struct Speaker {
    context: Arc<Context>,
    plan: Plan,
    /// What the program takes.
    codec: Codec,
    medias: Vec<Media>,
    connection: Arc<Connection>,
}

impl Producer for Speaker {
    fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    fn medias(&self) -> &[Media] {
        &self.medias
    }

    fn run(self: Box<Self>, tracks: Tracks, cancel: CancellationToken) -> BoxFuture<Ended> {
        Box::pin(async move {
            if cancel.is_cancelled() {
                return Ended::Cancelled;
            }
            let Self { context, plan, codec, connection, .. } = *self;
            let started = match plan.talk_command() {
                Ok(command) => source::start(&context, &command).await,
                Err(error) => Err(error),
            };
            let mut process = match started {
                Ok(process) => process,
                Err(error) => return Ended::Failed(error),
            };
            let Some(stdin) = process.take_stdin() else {
                return Ended::Failed(Error::new(ErrorKind::Unsupported, "exec/talk: no input"));
            };
            let talking = talk(&mut process, stdin, &codec, &connection, tracks);
            let ended = tokio::select! {
                biased;
                () = cancel.cancelled() => Ended::Cancelled,
                ended = talking => ended,
            };
            process.end(plan.stop, || ()).await;
            ended
        })
    }
}

/// Writes what is said until the program ends or takes no more.
async fn talk(
    process: &mut Process,
    stdin: pipe::Sender,
    codec: &Codec,
    connection: &Connection,
    mut tracks: Tracks,
) -> Ended {
    let mut voices = Voices::new(&tracks.wanted(), codec);
    let mut backlog = Backlog::default();
    loop {
        let queue = Arc::clone(&voices.queue);
        tokio::select! {
            biased;
            _ = process.exited() => break,
            () = tracks.changed() => voices = Voices::new(&tracks.wanted(), codec),
            ready = stdin.writable(), if !backlog.frames.is_empty() => {
                if ready.is_err() || backlog.write(&stdin, connection).is_err() {
                    break;
                }
            }
            // All that talked are gone: wait for the next one, or for the end.
            Some((index, frame)) = queue.recv(), if !voices.is_empty() => {
                voices.take(index, &frame, &mut backlog);
            }
        }
    }
    let end = tokio::time::timeout(AFTERWARDS, source::ended(process)).await;
    match end {
        Ok(Some(error)) => Ended::Failed(error),
        Ok(None) => Ended::Finished,
        Err(_) => {
            let text = "exec/talk: the program closed its standard input";
            Ended::Failed(Error::new(ErrorKind::Ended, text))
        }
    }
}

/// Those who talk, and in which codec.
struct Voices {
    queue: Arc<FrameQueue>,
    framings: Vec<Framing>,
    _subscriptions: Vec<Subscription>,
}

impl Voices {
    fn new(wanted: &[Wanted], codec: &Codec) -> Self {
        let queue = FrameQueue::new();
        let (mut framings, mut subscriptions) = (Vec::new(), Vec::new());
        for w in wanted.iter().filter(|w| w.direction == Direction::SendOnly) {
            let sender = match &w.sender {
                Some(sender) => Arc::clone(sender),
                None => Arc::new(Sender::new(w.codec.clone(), w.track.id)),
            };
            let (_, sink) = queue.input(Kind::Audio, Arc::clone(&sender));
            framings.push(Framing::new(codec, &w.track.codec(), sender));
            subscriptions.push(w.track.subscribe(sink));
        }
        Self { queue, framings, _subscriptions: subscriptions }
    }

    fn is_empty(&self) -> bool {
        self.framings.is_empty()
    }

    fn take(&self, index: usize, frame: &Frame, backlog: &mut Backlog) {
        let (Some(framing), Payload::Data(data)) = (self.framings.get(index), &frame.payload)
        else {
            return;
        };
        if let Some(head) = framing.head(data.len()) {
            let data = if framing.swap { swap(data) } else { data.clone() };
            backlog.push(Piece { sender: Arc::clone(&framing.sender), head, data });
            backlog.trim(framing.limit);
        }
    }
}

fn swap(samples: &[u8]) -> Bytes {
    let pairs = samples.as_chunks::<2>().0.iter();
    pairs.flat_map(|[first, second]| [*second, *first]).collect()
}

/// How packets are written. In front of AAC stand ADTS headers, as without them
/// nobody could tell where one packet ends.
struct Framing {
    sender: Arc<Sender>,
    /// Samples come in the other order of bytes.
    swap: bool,
    aac: Option<AudioSpecificConfig>,
    /// Bytes that may wait.
    limit: usize,
}

impl Framing {
    /// For what the program takes and the talker gives.
    fn new(taken: &Codec, given: &Codec, sender: Arc<Sender>) -> Self {
        let aac = (taken.id == CodecId::Aac).then(|| {
            let told = [&given.fmtp, &taken.fmtp];
            told.iter().find_map(|fmtp| AudioSpecificConfig::from_fmtp(fmtp)).unwrap_or_else(|| {
                AudioSpecificConfig::lc(given.timestamp_rate(), given.channels.max(1))
            })
        });
        let second = pcm::sample_bytes(given).map(|sample| {
            let rate = usize::try_from(given.timestamp_rate()).unwrap_or(usize::MAX);
            sample.saturating_mul(rate)
        });
        let share = |bytes: usize| bytes / 1000 * BEHIND.as_millis() as usize;
        let swap = swapped(taken).is_some_and(|other| other.id == given.id);
        Self { sender, swap, aac, limit: second.map_or(MAX_BYTES, share) }
    }

    /// The header of a packet, which may be empty; nothing if it cannot have one.
    fn head(&self, length: usize) -> Option<Bytes> {
        match &self.aac {
            None => Some(Bytes::new()),
            Some(config) => AdtsHeader::new(config, length)
                .map(|header| Bytes::copy_from_slice(&header.write())),
        }
    }
}

/// A packet on its way to the program.
struct Piece {
    sender: Arc<Sender>,
    head: Bytes,
    data: Bytes,
}

/// Packets that the program has not taken yet.
#[derive(Default)]
struct Backlog {
    frames: VecDeque<Piece>,
    bytes: usize,
    /// Bytes of the first packet that are written.
    written: usize,
}

impl Backlog {
    fn push(&mut self, piece: Piece) {
        self.bytes += piece.head.len() + piece.data.len();
        self.frames.push_back(piece);
    }

    /// Drops the oldest packets above a limit, but never a part of one.
    fn trim(&mut self, limit: usize) {
        while self.bytes > limit && self.frames.len() > 2 {
            let Some(oldest) = self.frames.remove(usize::from(self.written > 0)) else { return };
            self.bytes -= oldest.head.len() + oldest.data.len();
            oldest.sender.dropped(1);
        }
    }

    /// Writes what fits.
    fn write(&mut self, stdin: &pipe::Sender, connection: &Connection) -> std::io::Result<()> {
        while let Some(piece) = self.frames.front() {
            let (head, length) = (piece.head.len(), piece.head.len() + piece.data.len());
            let rest = match piece.head.get(self.written..) {
                Some(rest @ [_, ..]) => rest,
                _ => piece.data.get(self.written.saturating_sub(head)..).unwrap_or_default(),
            };
            if !rest.is_empty() {
                match stdin.try_write(rest) {
                    Ok(count) => {
                        self.written += count;
                        connection.sent(count);
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            if self.written >= length {
                piece.sender.sent(1, piece.data.len());
                self.written = 0;
                self.bytes -= length;
                self.frames.pop_front();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn piece(sender: &Arc<Sender>, data: &'static [u8]) -> Piece {
        Piece { sender: Arc::clone(sender), head: Bytes::new(), data: Bytes::from_static(data) }
    }

    fn sender() -> Arc<Sender> {
        Arc::new(Sender::new(Codec::new(CodecId::Pcma), 1))
    }

    #[tokio::test]
    async fn a_program_that_does_not_read_loses_whole_packets() {
        let (stdin, mut program) = pipe::pipe().unwrap();
        rustix::pipe::fcntl_setpipe_size(&stdin, 4096).unwrap();
        let connection = Connection::new(Description::default());
        let (mut backlog, sender) = (Backlog::default(), sender());
        // The pipe takes a part of the first packet.
        const FILLS: [&[u8]; 5] = [&[1; 5000], &[2; 5000], &[3; 5000], &[4; 5000], &[5; 5000]];
        stdin.writable().await.unwrap();
        for fill in FILLS {
            backlog.push(piece(&sender, fill));
            backlog.write(&stdin, &connection).unwrap();
            backlog.trim(10_000);
        }
        assert_eq!(sender.counters(), (0, 0, 3));
        let mut heard = vec![0; 10_000];
        let mut have = 0;
        while have < heard.len() {
            tokio::select! {
                read = program.read(&mut heard[have..]) => have += read.unwrap(),
                ready = stdin.writable(), if !backlog.frames.is_empty() => {
                    ready.unwrap();
                    backlog.write(&stdin, &connection).unwrap();
                }
            }
        }
        let expected = [FILLS[0], FILLS[4]].concat();
        let runs = |bytes: &[u8]| {
            bytes.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect::<Vec<_>>()
        };
        assert_eq!(runs(&heard), runs(&expected), "packets stay whole");
        assert_eq!((backlog.bytes, backlog.written), (0, 0));
        assert_eq!((connection.bytes_send(), sender.counters()), (10_000, (10_000, 2, 3)));
        drop(program);
        backlog.push(piece(&sender, FILLS[0]));
        assert!(backlog.write(&stdin, &connection).is_err());
    }

    #[test]
    fn aac_gets_headers() {
        let codec = Codec::new(CodecId::Aac).clock(16_000);
        let framing = Framing::new(&codec, &codec, sender());
        let header = AdtsHeader::parse(&framing.head(100).unwrap()).unwrap();
        assert_eq!((header.frame_len, header.config()), (107, AudioSpecificConfig::lc(16_000, 1)));
        assert!(framing.head(9000).is_none(), "too long for the header");
        let codec = Codec::new(CodecId::Pcma).clock(8000);
        assert_eq!(Framing::new(&codec, &codec, sender()).limit, 4000);
    }

    #[test]
    fn samples_come_in_either_order_of_bytes() {
        let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
        let codec = Codec::new(CodecId::Pcml).clock(16_000);
        let speaker = open(context, Plan::new("aplay"), codec.clone());
        assert_eq!(speaker.medias()[0].to_string(), "audio, sendonly, PCML/16000, L16/16000");
        let given = Codec::new(CodecId::L16).clock(16_000);
        assert!(Framing::new(&codec, &given, sender()).swap);
        assert!(!Framing::new(&codec, &codec, sender()).swap);
        assert_eq!(swap(&[1, 2, 3, 4, 5]), [2, 1, 4, 3][..]);
    }
}
