//! The streams core (layer 2): named streams, the sources that feed them and
//! the viewers that hold them.
//!
//! A [`Stream`] has *slots* (configured sources) and *consumers* (viewers). A
//! source is opened when a viewer asks for it and released the moment the last
//! one is gone. Frames go from a producer through a [`Track`] to the sinks of
//! its viewers; nothing on that path waits. Which protocol a source or a viewer
//! speaks is unknown here: sources are opened through the [`Opener`], viewers
//! hold an [`Attached`].
//!
//! Rules of matching, order and error texts: `spec/core.md` 6 and 7.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod attach;
mod cache;
mod connection;
mod consumer;
mod counters;
mod dials;
pub mod events;
pub mod floor;
mod group;
mod history;
mod live;
mod matching;
mod moving;
mod options;
mod play;
mod preload;
mod producer;
mod publish;
mod queue;
mod registry;
mod relay;
mod repeats;
mod retry;
mod slot;
mod snapshot;
mod stream;
mod tasks;
mod track;

pub use attach::{Attached, AttachedTrack, Request};
pub use cache::Limits as CacheLimits;
pub use connection::{Connection, Description, Timing, next_id};
pub use counters::Counters;
pub use events::Events;
pub use live::{Packets, Quality, TrackWriter, Tracks, Wanted};
pub use options::{Departure, Options, Wake};
pub use preload::PreloadSnapshot;
pub use producer::{BoxFuture, Ended, OpenRequest, Opener, Origin, Producer};
pub use publish::{Connected, Destination};
pub use queue::{FrameQueue, Limits as QueueLimits};
pub use registry::{Settings, Streams, Tried};
pub use repeats::{Repeat, Repeats};
pub use retry::Change;
pub use snapshot::{
    ConnectionSnapshot, ProducerSnapshot, ReceiverSnapshot, SenderSnapshot, StreamSnapshot,
};
pub use stream::{Publication, Stream};
pub use tasks::Tasks;
pub use track::{Sender, Sink, Subscription, Track};

pub use tokio_util::sync::CancellationToken;
