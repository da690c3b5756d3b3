//! What a protocol implements to be a source.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rs2rtc_base::Error;
use rs2rtc_media::Media;
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::live::Tracks;
use crate::publish::Destination;

/// A boxed future, as the object-safe traits here need it.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Why a producer's run ended. Whether and when it is tried again is decided
/// by the supervisor from the error's kind, never by the producer.
#[derive(Clone, Debug)]
pub enum Ended {
    /// The caller cancelled it; goodbyes are said.
    Cancelled,
    /// The source came to its end (a file, a publisher that left).
    Finished,
    /// It broke.
    Failed(Error),
}

/// An open source.
///
/// Two phases: [`Opener::open`] gives a value that knows its medias, [`Self::run`]
/// consumes it. No retry, no reconnect inside.
pub trait Producer: Send {
    /// What the API shows; medias included.
    fn connection(&self) -> Arc<Connection>;

    /// What it offers. `RecvOnly` medias give frames, `SendOnly` ones take
    /// sound for a loudspeaker.
    fn medias(&self) -> &[Media];

    /// Delivers frames into `tracks` until the source ends or `cancel` fires;
    /// then says goodbye within two seconds and returns. A token that is
    /// cancelled already means: close politely, nobody wants it.
    fn run(self: Box<Self>, tracks: Tracks, cancel: CancellationToken) -> BoxFuture<Ended>;
}

/// What [`Opener::open`] is asked.
#[derive(Clone, Debug)]
pub struct OpenRequest {
    /// The configured source text, e.g. `rtsp://…` or `ffmpeg:…`.
    pub source: String,
    /// Name of the stream it is for.
    pub stream: String,
    /// Who named it: decides which addresses it may connect to.
    pub origin: Origin,
    /// Fires when nobody waits for it any more: the dial must end at once,
    /// and what it started must be undone.
    pub cancel: CancellationToken,
}

/// Who named a source: decides what it may be, and what it may connect to
/// (`design.md` 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file or the command line: anything.
    Config,
    /// A call of this machine or of somebody with a login: never a program, a file or raw arguments.
    Api,
    /// A call of an administrator, who could write the configuration as well: a
    /// file too.
    Admin,
    /// A call of somebody else on the network: as [`Self::Api`], and nothing that
    /// only this machine may talk to.
    Stranger,
}

/// Opens sources by their scheme.
pub trait Opener: Send + Sync + 'static {
    /// Whether some scheme takes this source from this origin. Nothing is dialled.
    ///
    /// # Errors
    /// `Unsupported` with the contract's text (`spec/core.md` 6.4) for an unknown
    /// scheme, `Config` for a source that this origin may not name.
    fn check(&self, source: &str, origin: Origin) -> Result<(), Error>;

    /// The device a source captures, if only one program can at a time: sources
    /// that give the same text are never open at once.
    fn exclusive_group(&self, source: &str) -> Option<String> {
        let _ = source;
        None
    }

    /// Whether a dial that is cancelled has something to undo, such as a program
    /// to end, and does so by itself. Other dials are dropped.
    fn undoes(&self, source: &str) -> bool {
        let _ = source;
        false
    }

    /// The address of a server that a stream can be published to, named by
    /// `origin`; `None` if there is no such kind of server.
    ///
    /// # Errors
    /// `Config` for an address that cannot work.
    fn destination(
        &self,
        url: &str,
        origin: Origin,
    ) -> Result<Option<Arc<dyn Destination>>, Error> {
        let _ = (url, origin);
        Ok(None)
    }

    /// Dials it. Errors name what failed, without secrets.
    fn open(&self, request: OpenRequest) -> BoxFuture<Result<Box<dyn Producer>, Error>>;
}
