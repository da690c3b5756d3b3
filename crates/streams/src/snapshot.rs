//! The state of a stream at one moment, as the API shows it (`spec/api.md` 3.1).

use std::sync::Arc;

use rs2rtc_base::Error;
use rs2rtc_media::Codec;

use crate::connection::{Connection, Description, Timing};
use crate::consumer::Consumer;
use crate::live::{Live, Quality};
use crate::play::Playing;
use crate::stream::{Source, Stream};
use crate::track::{Sender, Track};

/// A stream: its producers and consumers. `None` where there never was one.
#[derive(Clone, Debug)]
pub struct StreamSnapshot {
    /// Sources, configured ones first.
    pub producers: Option<Vec<ProducerSnapshot>>,
    /// Viewers, oldest first.
    pub consumers: Option<Vec<ConnectionSnapshot>>,
}

/// A source of a stream.
#[derive(Clone, Debug)]
pub struct ProducerSnapshot {
    /// The configured text; empty for a pushed source or an unfilled template.
    pub source: String,
    /// Its connection while it is open.
    pub connection: Option<ConnectionSnapshot>,
    /// Why the last try to open it failed; `None` once one has worked.
    pub error: Option<Error>,
    /// How good what it delivers is.
    pub quality: Quality,
}

/// An open connection.
#[derive(Clone, Debug)]
pub struct ConnectionSnapshot {
    /// From the process-wide counter.
    pub id: u64,
    /// Descriptive fields.
    pub description: Description,
    /// Steps on the way to the media.
    pub timings: Vec<Timing>,
    /// Tracks it delivers.
    pub receivers: Vec<ReceiverSnapshot>,
    /// Tracks it is sent.
    pub senders: Vec<SenderSnapshot>,
    /// Bytes received.
    pub bytes_recv: u64,
    /// Bytes sent.
    pub bytes_send: u64,
}

/// A track that comes in.
#[derive(Clone, Debug)]
pub struct ReceiverSnapshot {
    /// Id of the track.
    pub id: u64,
    /// Its codec.
    pub codec: Codec,
    /// Senders that read it.
    pub children: Vec<u64>,
    /// Payload bytes.
    pub bytes: u64,
    /// Packets, or frames where the source has no packets.
    pub packets: u64,
}

/// A track that goes out.
#[derive(Clone, Debug)]
pub struct SenderSnapshot {
    /// Id of the sender.
    pub id: u64,
    /// Its codec.
    pub codec: Codec,
    /// The track it reads.
    pub parent: u64,
    /// Payload bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets it lost by being too slow.
    pub drops: u64,
}

impl From<&Track> for ReceiverSnapshot {
    fn from(track: &Track) -> Self {
        let (bytes, packets) = track.counters();
        Self { id: track.id, codec: track.codec(), children: track.children(), bytes, packets }
    }
}

impl From<&Sender> for SenderSnapshot {
    fn from(sender: &Sender) -> Self {
        let (bytes, packets, drops) = sender.counters();
        let codec = sender.left_codec().clone();
        Self { id: sender.id, codec, parent: sender.parent(), bytes, packets, drops }
    }
}

impl ConnectionSnapshot {
    pub(crate) fn new(
        connection: &Connection,
        receivers: Vec<ReceiverSnapshot>,
        senders: Vec<SenderSnapshot>,
    ) -> Self {
        Self {
            id: connection.id,
            description: connection.description(),
            timings: connection.timings(),
            receivers,
            senders,
            bytes_recv: connection.bytes_recv(),
            bytes_send: connection.bytes_send(),
        }
    }

    /// `parked`: senders that are not listed as readers.
    fn of_live(live: &Live, parked: &[u64]) -> Option<Self> {
        let connection = live.connection()?;
        let receivers = live.receivers().into_iter().filter_map(|(track, kept)| {
            let mut receiver = ReceiverSnapshot::from(&*track);
            receiver.children.retain(|child| !parked.contains(child));
            // What nobody reads any more is left out.
            (kept || !receiver.children.is_empty()).then_some(receiver)
        });
        let receivers = receivers.collect();
        let senders = live.senders().iter().map(|s| SenderSnapshot::from(&**s)).collect();
        let mut open = Self::new(&connection, receivers, senders);
        // What was opened behind it may know the channels that were left open.
        let offered = || open.description.medias.iter().flat_map(|media| &media.codecs);
        for codec in open.receivers.iter_mut().map(|track| &mut track.codec) {
            let known = offered().find(|known| known.matches(codec));
            if let Some(known) = known.filter(|_| codec.channels == 0) {
                codec.channels = known.channels;
            }
        }
        Some(open)
    }

    pub(crate) fn of_consumer(consumer: &Consumer) -> Self {
        use rs2rtc_media::Direction::{RecvOnly, SendOnly};
        let tracks = consumer.tracks();
        let receivers = tracks.iter().filter(|t| t.direction == RecvOnly);
        let senders = tracks.iter().filter(|t| t.direction == SendOnly);
        Self::new(
            &consumer.connection,
            receivers.map(|t| ReceiverSnapshot::from(&*t.track)).collect(),
            senders.map(|t| SenderSnapshot::from(&*t.sender)).collect(),
        )
    }
}

impl Stream {
    /// What the API shows of this stream.
    pub fn snapshot(&self) -> StreamSnapshot {
        let (consumers, had_consumer, had_external) = self.consumers();
        let sources = self.lock_sources();
        let playing = self.playing();
        let listener = playing.as_ref().and_then(listener);
        // Who let go for a time is not listed: neither as a reader.
        let parked = consumers.iter().filter(|c| c.is_parked()).flat_map(|c| c.tracks());
        let parked: Vec<u64> = parked.map(|track| track.sender.id).collect();
        let empty = sources.is_empty() && !had_external;
        let producers = sources.iter().filter_map(|source| match source {
            Source::Slot(slot) => {
                let target = playing.as_ref().map(|playing| &playing.target);
                let listens = listener.is_some() && target.is_some_and(|t| Arc::ptr_eq(t, slot));
                Some(ProducerSnapshot {
                    source: slot.source(),
                    connection: ConnectionSnapshot::of_live(&slot.live, &parked)
                        .filter(|_| !listens),
                    error: slot.last_error(),
                    quality: slot.live.quality(),
                })
            }
            Source::External(external) => Some(ProducerSnapshot {
                source: String::new(),
                connection: Some(ConnectionSnapshot::of_live(&external.live, &parked)?),
                error: None,
                quality: external.live.quality(),
            }),
        });
        let played = playing.iter().filter_map(|playing| {
            Some(ProducerSnapshot {
                source: playing.source.clone(),
                connection: Some(ConnectionSnapshot::of_live(&playing.live, &parked)?),
                error: None,
                quality: playing.live.quality(),
            })
        });
        let producers: Vec<_> = producers.chain(played).collect();
        let listed = consumers.iter().filter(|c| !c.is_parked());
        let listed = listed.map(|c| ConnectionSnapshot::of_consumer(c));
        StreamSnapshot {
            producers: (!empty).then_some(producers),
            consumers: had_consumer.then(|| listed.chain(listener).collect()),
        }
    }
}

/// The camera that listens to what is played, if it does nothing else: it is
/// listed as a consumer then.
fn listener(playing: &Playing) -> Option<ConnectionSnapshot> {
    let live = &playing.target.live;
    let only = live.receivers().iter().all(|(track, _)| !track.is_watched());
    ConnectionSnapshot::of_live(live, &[]).filter(|open| only && open.senders.len() == 1)
}
