//! A program that pushes to our RTSP server.
//!
//! It is started with `rtsp://127.0.0.1:<port>/<key>` as its output; the server
//! hands the connection that announces the key over to us. The key is the MD5 of
//! the command, as scripts may know it, and a random part: streams with the same
//! command do not meet, a dying predecessor cannot take the place of its
//! successor, and nobody else on this machine can guess it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use md5::{Digest as _, Md5};
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::Media;
use rs2rtc_streams::{BoxFuture, CancellationToken, Connection, Ended, Producer, Tracks};

use super::source::{self, Plan};
use super::{Process, Stop};
use crate::Context;

/// How long a program whose connection ended has to end by itself, so that its
/// exit status tells why.
const AFTERWARDS: Duration = Duration::from_millis(150);
/// How long a connection may go on after its program has ended: what is still
/// in the socket is delivered.
const REST: Duration = Duration::from_millis(500);

/// Starts the program and waits until it pushes.
pub(super) async fn open(
    context: &Context,
    plan: &Plan,
    cancel: &CancellationToken,
) -> Result<Box<dyn Producer>, Error> {
    let disabled = || Error::new(ErrorKind::Config, "exec: rtsp module disabled");
    let port = context.rtsp_port().ok_or_else(disabled)?;
    let key = key(&plan.command)?;
    let taken = || Error::new(ErrorKind::Busy, "exec: the output is in use");
    let mut place = context.pushes.wait(&key).ok_or_else(taken)?;
    let command = plan.command(Some(&format!("rtsp://127.0.0.1:{port}/{key}")))?;
    let mut process = source::start(context, &command).await?;
    let inner = tokio::select! {
        biased;
        () = cancel.cancelled() => {
            process.end(plan.stop, || ()).await;
            return Err(source::unwanted());
        }
        inner = place.arrived() => inner,
        _ = process.exited() => {
            return Err(source::failed(&mut process, ErrorKind::Ended, "exec/rtsp").await);
        }
        () = tokio::time::sleep(plan.start_timeout) => {
            let error = source::failed(&mut process, ErrorKind::Unreachable, "exec: timeout").await;
            process.end(plan.stop, || ()).await;
            return Err(error);
        }
    };
    // The rest of the key is nobody's business.
    let shown = key.split('-').next().unwrap_or_default();
    let output = format!("rtsp://127.0.0.1:{port}/{shown}");
    inner.connection().describe(|description| plan.describe(description, Some(&output)));
    Ok(Box::new(Pushed { inner, process, stop: plan.stop }))
}

fn key(command: &str) -> Result<String, Error> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|e| Error::caused(ErrorKind::Busy, "exec", e))?;
    let digest = Md5::digest(format!("exec:{command}"));
    let mut key = String::with_capacity(49);
    for byte in digest {
        let _ = write!(key, "{byte:02x}");
    }
    let _ = write!(key, "-{:016x}", u64::from_ne_bytes(random));
    Ok(key)
}

/// The pushed connection and the program behind it.
struct Pushed {
    inner: Box<dyn Producer>,
    process: Process,
    stop: Stop,
}

impl Producer for Pushed {
    fn connection(&self) -> Arc<Connection> {
        self.inner.connection()
    }

    fn medias(&self) -> &[Media] {
        self.inner.medias()
    }

    fn run(self: Box<Self>, tracks: Tracks, cancel: CancellationToken) -> BoxFuture<Ended> {
        Box::pin(async move {
            let Self { inner, mut process, stop } = *self;
            let close = CancellationToken::new();
            if cancel.is_cancelled() {
                close.cancel();
            }
            let mut running = inner.run(tracks, close.clone());
            tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    // The connection is read on while the program says goodbye.
                    let end = process.end(stop, || close.cancel());
                    tokio::join!(end, running);
                    Ended::Cancelled
                }
                ended = &mut running => after(process, stop, ended).await,
                _ = process.exited() => {
                    let ended = if let Ok(ended) = tokio::time::timeout(REST, &mut running).await {
                        ended
                    } else {
                        close.cancel();
                        running.await
                    };
                    after(process, stop, ended).await
                }
            }
        })
    }
}

/// The connection has ended: so does the program. Its status says more than
/// the connection's end.
async fn after(mut process: Process, stop: Stop, ended: Ended) -> Ended {
    let status = tokio::time::timeout(AFTERWARDS, source::ended(&mut process)).await;
    process.end(stop, || ()).await;
    match status {
        Ok(Some(error)) => Ended::Failed(error),
        Ok(None) | Err(_) => ended,
    }
}
