//! What the sources of one program share.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};

use rs2rtc_base::Current;
use rs2rtc_streams::{Origin, Streams, Tasks};

use crate::io::logins::Logins;
use crate::io::reach::{Network, Reach};
use crate::io::rendezvous::Rendezvous;
use crate::outputs::mp4;
use crate::outputs::picture::Pictures;
use crate::sources::{exec, ffmpeg};

/// Shared by all sources and outputs: settings, running tasks and the places
/// where children meet the server.
#[derive(Debug)]
pub struct Context {
    /// Settings of `exec:`; a source that is opened takes those in force.
    pub exec: Current<exec::Config>,
    /// Settings of `ffmpeg:`, the same.
    pub ffmpeg: Current<ffmpeg::Config>,
    /// Tasks that outlive a single connection; joined at shutdown.
    pub tasks: Tasks,
    /// Still pictures that are being made, and those that were.
    pub pictures: Pictures,
    /// Where children that push over RTSP are awaited.
    pub pushes: Rendezvous,
    /// Wrong logins, of all protocols.
    pub logins: Arc<Logins>,
    /// Viewers of fragmented MP4.
    pub mp4: mp4::Hub,
    /// Names and addresses, and the ports that are ours.
    pub network: Arc<Network>,
    /// `User-Agent` of our requests.
    pub user_agent: String,
    rtsp_port: AtomicU16,
    streams: OnceLock<Streams>,
}

impl Context {
    /// A context without a running RTSP server and without streams.
    pub fn new(exec: exec::Config, ffmpeg: ffmpeg::Config, user_agent: &str) -> Arc<Self> {
        Self::within(Network::default(), exec, ffmpeg, user_agent)
    }

    /// As [`Self::new`], in another network than the system's.
    pub fn within(
        network: Network,
        exec: exec::Config,
        ffmpeg: ffmpeg::Config,
        user_agent: &str,
    ) -> Arc<Self> {
        Arc::new(Self {
            network: Arc::new(network),
            exec: Current::new(exec),
            ffmpeg: Current::new(ffmpeg),
            tasks: Tasks::new(),
            pictures: Pictures::default(),
            pushes: Rendezvous::default(),
            logins: Arc::default(),
            mp4: mp4::Hub::default(),
            user_agent: user_agent.to_owned(),
            rtsp_port: AtomicU16::new(0),
            streams: OnceLock::new(),
        })
    }

    /// The port of our RTSP server on loopback, if it listens.
    pub fn rtsp_port(&self) -> Option<u16> {
        Some(self.rtsp_port.load(Ordering::Relaxed)).filter(|port| *port != 0)
    }

    /// Where a source may connect to, by who named it.
    pub fn reach(&self, origin: Origin) -> Reach {
        Reach::of(Arc::clone(&self.network), origin)
    }

    /// Tells where our RTSP server listens.
    pub fn set_rtsp_port(&self, port: u16) {
        self.network.serve(port);
        self.rtsp_port.store(port, Ordering::Relaxed);
    }

    /// The streams, once [`Self::set_streams`] was called.
    pub fn streams(&self) -> Option<&Streams> {
        self.streams.get()
    }

    /// Whether a stream of this name exists.
    pub fn has_stream(&self, name: &str) -> bool {
        self.streams().is_some_and(|streams| streams.get(name).is_some())
    }

    /// Tells the streams that sources may refer to by name. The first call counts.
    pub fn set_streams(&self, streams: Streams) {
        let _ = self.streams.set(streams);
    }
}
