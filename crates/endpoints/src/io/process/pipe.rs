//! A program that writes to its standard output: one track in one of the
//! formats of [`rs2rtc_media::container`].
//!
//! Pictures carry no time of their own there; they are shown when they come.
//! Sound is counted in samples.

use std::sync::Arc;
use std::time::Instant;

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::container::{self, Demuxer};
use rs2rtc_media::{Codec, Direction, Frame, Media, Payload};
use rs2rtc_streams::{
    BoxFuture, CancellationToken, Connection, Description, Ended, Producer, TrackWriter, Tracks,
};
use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStdout;

use super::source::{self, Plan};
use super::{Process, Stop};
use crate::Context;

/// Bytes read at once; what a pipe holds.
const READ: usize = 64 * 1024;

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
    let mut reader = Reader { stdout, demuxer: Demuxer::new(), buffer: vec![0; READ] };
    let found = tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        found = tokio::time::timeout(plan.start_timeout, reader.codec()) => Some(found),
    };
    let Some(found) = found else {
        process.end(plan.stop, || drop(reader)).await;
        return Err(source::unwanted());
    };
    let codec = match found {
        Ok(Ok(codec)) => codec,
        Ok(Err(Broken::Format(container::Error::UnknownFormat))) => {
            let text = "exec/pipe: output over a pipe is supported as MJPEG, ADTS and WAV only: use {output} for everything else";
            process.end(plan.stop, || drop(reader)).await;
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        Ok(Err(broken)) => {
            let error =
                source::failed(&process, broken.kind(), &format!("exec/pipe: {broken}")).await;
            process.end(plan.stop, || drop(reader)).await;
            return Err(error);
        }
        Err(_) => {
            process.end(plan.stop, || drop(reader)).await;
            return Err(Error::new(ErrorKind::Unreachable, "exec/pipe: timeout"));
        }
    };
    let medias = vec![Media::new(codec.id.kind(), Direction::RecvOnly, codec.clone())];
    let mut description = Description {
        format_name: reader.demuxer.format_name().to_owned(),
        protocol: "pipe".to_owned(),
        medias: medias.clone(),
        ..Description::default()
    };
    plan.describe(&mut description);
    let connection = Arc::new(Connection::new(description));
    Ok(Box::new(Piped { reader, codec, medias, connection, process, stop: plan.stop }))
}

struct Reader {
    stdout: ChildStdout,
    demuxer: Demuxer,
    buffer: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("EOF")]
    Eof,
    #[error(transparent)]
    Read(#[from] std::io::Error),
    #[error(transparent)]
    Format(#[from] container::Error),
}

impl Broken {
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::Eof | Self::Read(_) => ErrorKind::Ended,
            Self::Format(_) => ErrorKind::Protocol,
        }
    }
}

impl Reader {
    async fn fill(&mut self) -> Result<usize, Broken> {
        let length = self.stdout.read(&mut self.buffer).await?;
        if length == 0 {
            return Err(Broken::Eof);
        }
        self.demuxer.push(self.buffer.get(..length).unwrap_or_default());
        Ok(length)
    }

    async fn codec(&mut self) -> Result<Codec, Broken> {
        loop {
            if let Some(codec) = self.demuxer.codec()? {
                return Ok(codec.clone());
            }
            self.fill().await?;
        }
    }
}

struct Piped {
    reader: Reader,
    codec: Codec,
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
            let Self { reader, codec, connection, mut process, stop, .. } = *self;
            let mut delivery = Box::pin(deliver(reader, codec, connection, tracks));
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
                broken = &mut delivery => {
                    let failure = match broken {
                        Broken::Eof => source::ended(&mut process).await,
                        broken => Some(Error::new(broken.kind(), format!("exec/pipe: {broken}"))),
                    };
                    process.end(stop, || ()).await;
                    failure.map_or(Ended::Finished, Ended::Failed)
                }
            }
        })
    }
}

/// Delivers until the output ends or breaks.
async fn deliver(
    mut reader: Reader,
    codec: Codec,
    connection: Arc<Connection>,
    mut tracks: Tracks,
) -> Broken {
    let start = Instant::now();
    let mut samples = 0_i64;
    tracks.wanted();
    let mut writer = tracks.writer(0);
    loop {
        loop {
            let unit = match reader.demuxer.next_unit() {
                Ok(Some(unit)) => unit,
                Ok(None) => break,
                Err(error) => return error.into(),
            };
            let now = Instant::now();
            let pts = if unit.duration == 0 { video_pts(now - start) } else { samples };
            samples = samples.saturating_add(i64::from(unit.duration));
            write(writer.as_ref(), &codec, pts, now, Payload::Data(unit.data));
        }
        tokio::select! {
            biased;
            filled = reader.fill() => match filled {
                Ok(length) => connection.received(length),
                Err(broken) => return broken,
            },
            () = tracks.changed() => {
                tracks.wanted();
                writer = tracks.writer(0);
            }
        }
    }
}

fn write(writer: Option<&TrackWriter>, codec: &Codec, pts: i64, now: Instant, payload: Payload) {
    if let Some(writer) = writer {
        writer.write(Frame::new(codec.id.clone(), true, pts, now, payload));
    }
}

fn video_pts(elapsed: std::time::Duration) -> i64 {
    i64::try_from(elapsed.as_nanos() * 9 / 100_000).unwrap_or(i64::MAX)
}
