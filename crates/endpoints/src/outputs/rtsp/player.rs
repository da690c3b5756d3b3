//! The other side of an RTSP connection that plays, or is published to: frames of
//! its tracks out, its talk in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rs2rtc_media::frame::SizeClass;
use rs2rtc_media::rtp::{self, depay::Depacketiser};
use rs2rtc_media::{Direction, Frame, Kind, Media};
use rs2rtc_streams::{Attached, FrameQueue, QueueLimits, Subscription, Track};

use crate::io::random::random_bytes;
use crate::io::rtp::{Outgoing, Packetiser, Pieces};

pub(crate) struct Player {
    queue: Arc<FrameQueue>,
    /// By the queue's index.
    packetisers: Vec<(Packetiser, Kind)>,
    /// By the session's track index: what the client says.
    talk: Vec<Option<(Depacketiser, Arc<Track>)>>,
    _subscriptions: Vec<Subscription>,
    attached: Attached,
    paused: bool,
    /// After a pause, pictures begin at a keyframe again.
    await_keyframe: bool,
}

impl Player {
    /// Starts the tracks that were set up, by index; the others are dropped.
    pub(crate) fn new(
        mut attached: Attached,
        channels: &BTreeMap<usize, (u8, u8)>,
        class: SizeClass,
    ) -> Self {
        // The description has named the tracks.
        let queue = FrameQueue::undivided(QueueLimits::default());
        let (mut packetisers, mut subscriptions, mut talk) = (Vec::new(), Vec::new(), Vec::new());
        let epoch = attached.stream().epoch().1;
        for (index, track) in attached.tracks.iter().enumerate() {
            talk.push(None);
            let Some(&channels) = channels.get(&index) else { continue };
            if track.direction == Direction::RecvOnly {
                let depacketiser = Depacketiser::new(&track.wanted);
                talk[index] = Some((depacketiser, Arc::clone(&track.track)));
                continue;
            }
            let (_, sink) = queue.input(track.track.kind, Arc::clone(&track.sender));
            let packetiser = Packetiser::new(Outgoing {
                sender: Arc::clone(&track.sender),
                codec: track.codec.clone(),
                kind: track.track.kind,
                payload_type: payload_type(index),
                channels,
                class,
                epoch,
                random: random_bytes().unwrap_or_default(),
            });
            packetisers.push((packetiser, track.track.kind));
            subscriptions.push(track.track.subscribe(sink));
        }
        let mut index = 0;
        attached.tracks.retain(|_| {
            index += 1;
            channels.contains_key(&(index - 1))
        });
        Self {
            queue,
            packetisers,
            talk,
            _subscriptions: subscriptions,
            attached,
            paused: false,
            await_keyframe: false,
        }
    }

    pub(crate) const fn attached(&self) -> &Attached {
        &self.attached
    }

    /// Ends the player; what it holds on the stream is left.
    pub(crate) fn into_attached(self) -> Attached {
        self.attached
    }

    pub(crate) const fn queue(&self) -> &Arc<FrameQueue> {
        &self.queue
    }

    /// Sends nothing until [`Self::resume`].
    pub(crate) const fn pause(&mut self) {
        self.paused = true;
    }

    /// Goes on, with pictures from the next keyframe.
    pub(crate) const fn resume(&mut self) {
        if self.paused {
            self.paused = false;
            self.await_keyframe = true;
        }
    }

    /// Appends a frame's packets.
    pub(crate) fn frame(&mut self, index: usize, frame: &Frame, out: &mut Pieces) {
        let Some((packetiser, kind)) = self.packetisers.get_mut(index) else { return };
        if *kind == Kind::Video {
            self.await_keyframe &= !frame.keyframe;
        }
        if self.paused || (*kind == Kind::Video && self.await_keyframe) {
            return;
        }
        let before = out.len();
        packetiser.frame(frame, Instant::now(), out);
        self.attached.connection().sent(out.len() - before);
    }

    /// Takes a packet of the client: its talk, or its receiver reports.
    pub(crate) fn packet(&mut self, track: usize, rtcp: bool, packet: &Bytes) {
        self.attached.connection().received(packet.len());
        let Some(Some((depacketiser, track))) = self.talk.get_mut(track) else { return };
        if rtcp {
            return;
        }
        let Ok((header, payload)) = rtp::parse(packet) else { return };
        depacketiser.push(&header, payload, Instant::now());
        while let Some(unit) = depacketiser.poll() {
            let (pts, dts) = (unit.pts, unit.dts);
            track.push(&Arc::new(unit.into_frame(track.codec().id, pts, dts)));
        }
    }
}

/// The medias of the description of a stream that is sent: track `n` has payload type
/// `96 + n`.
pub(crate) fn described(attached: &Attached) -> Vec<Media> {
    let tracks = attached.tracks.iter().enumerate();
    tracks
        .map(|(index, track)| {
            let mut codec = match track.direction {
                Direction::SendOnly => track.track.codec(),
                Direction::RecvOnly => track.wanted.clone(),
            };
            codec.payload_type = Some(payload_type(index));
            if codec.clock_rate == 0 {
                codec.clock_rate = codec.timestamp_rate();
            }
            Media {
                kind: track.track.kind,
                // From the other side: what it receives, and what it may say.
                direction: track.direction.inverted(),
                codecs: vec![codec],
                id: format!("trackID={index}"),
            }
        })
        .collect()
}

fn payload_type(index: usize) -> u8 {
    96 + u8::try_from(index.min(31)).unwrap_or(0)
}
