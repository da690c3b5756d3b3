//! Trying the way to us without a camera: a session with a data channel and nothing else.
//!
//! A page that wants to know which of our addresses it reaches offers a data channel for each of
//! them and gets an answer that names that address only. What it says on the channel comes back.
//! Nothing is attached, and such a session is in no list of viewers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_webrtc::Offer;
use rs2rtc_webrtc::liveness::Reason;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tracing::debug;

use super::{Gateway, Inner, SessionHandle, Signalling, Terms, refused};
use crate::io::shard::{Hold, NewSession};

/// Tests at the same time.
pub(super) const MOST: usize = 16;
/// The stream of a session that shows none.
pub(super) const NO_STREAM: &str = "";
/// How long a test may take.
const LIMIT: Duration = Duration::from_secs(10);

/// An answer to a test.
#[derive(Clone, Debug)]
pub struct PathTest {
    /// The answer's SDP, with one candidate.
    pub sdp: String,
    /// How many candidates there are.
    pub candidates: usize,
}

impl Gateway {
    /// Answers the offer of a data channel with the candidate of that number, from 0. The session
    /// ends when the other side leaves, after 10 s at most.
    ///
    /// # Errors
    /// `Unsupported` for another offer, `NotFound` for a number that there is not, `Busy` while
    /// 16 others are tested.
    pub async fn try_path(
        &self,
        offer: &str,
        signalling: Signalling,
        candidate: usize,
    ) -> Result<PathTest, Error> {
        let parsed = Offer::parse_channel(offer).map_err(refused)?;
        let inner = &self.inner;
        let Ok(place) = Arc::clone(&inner.path_tests).try_acquire_owned() else {
            return Err(Error::new(ErrorKind::Busy, "webrtc: too many tests at the same time"));
        };
        let terms = Terms {
            epoch: Instant::now(),
            timers: inner.timers(NO_STREAM),
            held: true,
            loopback: signalling.loopback,
            complete: false,
        };
        let (shard, accepted) = inner.accept(parsed, Vec::new(), terms).await?;
        let candidates = accepted.candidates.len();
        let Some(line) = accepted.candidates.get(candidate) else {
            let text = format!("webrtc: there are {candidates} addresses");
            return Err(Error::new(ErrorKind::NotFound, text));
        };
        // It has one section, so that this is where they belong.
        let sdp = format!("{}a={line}\r\na=end-of-candidates\r\n", accepted.answer);
        let (hold, watcher) = watch::channel(Hold::Held);
        let new = NewSession {
            session: accepted.session,
            tracks: Vec::new(),
            connection: signalling.connection(Vec::new()),
            signalling: signalling.protocol,
            stream: NO_STREAM.to_owned(),
            hold,
            epoch: terms.epoch,
            intake: None,
        };
        let session = inner.hand_over(shard, new, watcher)?;
        let keeper = Arc::clone(inner);
        inner.tasks.spawn("webrtc path test", async move { keep(&keeper, session, place).await });
        Ok(PathTest { sdp, candidates })
    }
}

/// Ends the session in time.
async fn keep(inner: &Inner, session: SessionHandle, place: OwnedSemaphorePermit) {
    tokio::select! {
        reason = session.closed() => debug!(reason, "path test"),
        () = tokio::time::sleep(LIMIT) => session.close(Reason::HttpDelete, "the test is over"),
        () = inner.cancel.cancelled() => session.close(Reason::Shutdown, "server stops"),
    }
    session.closed().await;
    inner.forget(&session, None);
    drop(place);
}

/// Protocol and address of a candidate line.
pub(super) fn place(line: &str) -> Option<String> {
    let mut words = line.split_ascii_whitespace().skip(2);
    let (protocol, host, port) = (words.next()?, words.nth(1)?, words.next()?);
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    Some(format!("{} {host}:{port}", protocol.to_ascii_lowercase()))
}
