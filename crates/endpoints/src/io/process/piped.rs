//! A program that writes to its standard output, in one of the formats of
//! [`rs2rtc_media::container`].

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::container::Demuxer;
use rs2rtc_media::{Codec, Media};
use rs2rtc_streams::{
    BoxFuture, CancellationToken, Connection, Description, Ended, Producer, Tracks,
};
use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStdout;

use super::source::{self, Plan};
use super::{Process, Stop};
use crate::Context;
use crate::io::intake::{self, Delivery, Input, Intake};

/// Bytes read at once; what a pipe holds.
const READ: usize = 64 * 1024;
/// What errors begin with.
const WHAT: &str = "exec/pipe";
/// What is told about data that nobody knows.
const KNOWN: &str = "known over a pipe are MJPEG, H.264, H.265, AAC, WAV, FLV, MP4, MPEG-TS and Y4M, use {output} for everything else";

/// Starts the program and waits until its output is recognised.
pub(super) async fn open(
    context: &Context,
    plan: &Plan,
    cancel: &CancellationToken,
) -> Result<Box<dyn Producer>, Error> {
    let command = plan.command(None)?;
    let mut process = source::start(context, &command).await?;
    let Some(stdout) = process.take_stdout() else {
        return Err(Error::new(ErrorKind::Unsupported, "exec/pipe: no output"));
    };
    let mut intake = Intake::new(Output::new(stdout), Demuxer::new(), WHAT);
    let found = tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        found = tokio::time::timeout(plan.start_timeout, intake.tracks()) => Some(found),
    };
    let Some(found) = found else {
        process.end(plan.stop, || drop(intake)).await;
        return Err(source::unwanted());
    };
    let late = |_| Error::new(ErrorKind::Unreachable, "exec/pipe: timeout");
    let codecs = match found.map_err(late).flatten() {
        Ok(codecs) => codecs,
        Err(error) => {
            let mut text = error.to_string();
            if error.kind() == ErrorKind::Unsupported && intake.format_name().is_empty() {
                text = format!("{text} ({KNOWN})");
            }
            let error = source::failed(&mut process, error.kind(), &text).await;
            process.end(plan.stop, || drop(intake)).await;
            return Err(error);
        }
    };
    let medias = intake::medias(&codecs);
    let mut description = Description {
        format_name: intake.format_name().to_owned(),
        protocol: "pipe".to_owned(),
        sdp: intake.description().to_owned(),
        medias: medias.clone(),
        ..Description::default()
    };
    plan.describe(&mut description, None);
    let connection = Arc::new(Connection::new(description));
    Ok(Box::new(Piped { intake, codecs, medias, connection, process, stop: plan.stop }))
}

/// The standard output of a program.
#[derive(Debug)]
struct Output {
    stdout: ChildStdout,
    buffer: BytesMut,
}

impl Output {
    fn new(stdout: ChildStdout) -> Self {
        Self { stdout, buffer: BytesMut::new() }
    }
}

impl Input for Output {
    async fn read(&mut self) -> Result<Option<Bytes>, Error> {
        self.buffer.reserve(READ);
        let read = self.stdout.read_buf(&mut self.buffer).await;
        let read = read.map_err(|e| Error::caused(ErrorKind::Ended, "read", e))?;
        Ok((read > 0).then(|| self.buffer.split().freeze()))
    }
}

struct Piped {
    intake: Intake<Output>,
    codecs: Vec<Codec>,
    medias: Vec<Media>,
    connection: Arc<Connection>,
    process: Process,
    stop: Stop,
}

impl Producer for Piped {
    fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    fn medias(&self) -> &[Media] {
        &self.medias
    }

    fn run(self: Box<Self>, tracks: Tracks, cancel: CancellationToken) -> BoxFuture<Ended> {
        Box::pin(async move {
            let Self { intake, codecs, connection, mut process, stop, .. } = *self;
            let delivery = intake.deliver(codecs, connection, tracks, Delivery::AtOnce);
            let mut delivery = Box::pin(delivery);
            tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    // Its output is read on while it says goodbye, so that it
                    // is never blocked on a full pipe.
                    let close = CancellationToken::new();
                    let end = process.end(stop, || close.cancel());
                    let read = async {
                        tokio::select! {
                            _ = &mut delivery => {}
                            () = close.cancelled() => {}
                        }
                        drop(delivery);
                    };
                    tokio::join!(end, read);
                    Ended::Cancelled
                }
                failure = &mut delivery => {
                    let failure = match failure {
                        None => source::ended(&mut process).await,
                        failure => failure,
                    };
                    process.end(stop, || ()).await;
                    failure.map_or(Ended::Finished, Ended::Failed)
                }
            }
        })
    }
}
