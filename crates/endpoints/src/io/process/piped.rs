//! A program that writes to its standard output, in one of the formats of
//! [`rs2rtc_media::container`].
//!
//! Where these have no times, pictures are shown when they come and sound is
//! counted in samples.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::container::{self, Demuxer, Time, Unit};
use rs2rtc_media::time::{NtpTime, to_ticks};
use rs2rtc_media::{Codec, Direction, Frame, Media};
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
/// How long the second track of a format may take once the format is known.
const SETTLE: Duration = Duration::from_secs(5);
/// What is told about data that nobody knows.
const KNOWN: &str = "known over a pipe are MJPEG, H.264, H.265, AAC, WAV, FLV and MPEG-TS, use {output} for everything else";

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
    let mut reader =
        Reader { stdout, demuxer: Demuxer::new(), buffer: vec![0; READ], ended: false };
    let found = tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        found = tokio::time::timeout(plan.start_timeout, reader.tracks()) => Some(found),
    };
    let Some(found) = found else {
        process.end(plan.stop, || drop(reader)).await;
        return Err(source::unwanted());
    };
    let codecs = match found {
        Ok(Ok(codecs)) => codecs,
        Ok(Err(broken)) => {
            let error = source::failed(&mut process, broken.kind(), &broken.text()).await;
            process.end(plan.stop, || drop(reader)).await;
            return Err(error);
        }
        Err(_) => {
            let error =
                source::failed(&mut process, ErrorKind::Unreachable, "exec/pipe: timeout").await;
            process.end(plan.stop, || drop(reader)).await;
            return Err(error);
        }
    };
    let media = |codec: &Codec| Media::new(codec.id.kind(), Direction::RecvOnly, codec.clone());
    let medias: Vec<Media> = codecs.iter().map(media).collect();
    let mut description = Description {
        format_name: reader.demuxer.format_name().to_owned(),
        protocol: "pipe".to_owned(),
        medias: medias.clone(),
        ..Description::default()
    };
    plan.describe(&mut description, None);
    let connection = Arc::new(Connection::new(description));
    Ok(Box::new(Piped { reader, codecs, medias, connection, process, stop: plan.stop }))
}

struct Reader {
    stdout: ChildStdout,
    demuxer: Demuxer,
    buffer: Vec<u8>,
    /// The output is closed.
    ended: bool,
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
            Self::Format(
                container::Error::UnknownFormat(_)
                | container::Error::UnknownBitstream(_)
                | container::Error::UnsupportedWav(_)
                | container::Error::NoTracks(_),
            ) => ErrorKind::Unsupported,
            Self::Format(_) => ErrorKind::Protocol,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Format(container::Error::UnknownFormat(_)) => {
                format!("exec/pipe: {self} ({KNOWN})")
            }
            broken => format!("exec/pipe: {broken}"),
        }
    }
}

impl Reader {
    /// Reads on. The end comes after all that is left.
    async fn fill(&mut self) -> Result<usize, Broken> {
        if self.ended {
            return Err(Broken::Eof);
        }
        let length = self.stdout.read(&mut self.buffer).await?;
        if length == 0 {
            self.ended = true;
            self.demuxer.end()?;
        }
        self.demuxer.push(self.buffer.get(..length).unwrap_or_default());
        Ok(length)
    }

    /// Reads until the tracks are known.
    async fn tracks(&mut self) -> Result<Vec<Codec>, Broken> {
        let mut settle = None;
        loop {
            if let Some(codecs) = self.demuxer.tracks()? {
                return Ok(codecs.to_vec());
            }
            if settle.is_none() && self.demuxer.is_recognised() {
                settle = Some(tokio::time::Instant::now() + SETTLE);
            }
            let late = async {
                match settle {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                filled = self.fill() => { filled?; }
                () = late => self.demuxer.settle()?,
            }
        }
    }
}

struct Piped {
    reader: Reader,
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
            let Self { reader, codecs, connection, mut process, stop, .. } = *self;
            let mut delivery = Box::pin(deliver(reader, codecs, connection, tracks));
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
                        broken => Some(Error::new(broken.kind(), broken.text())),
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
    codecs: Vec<Codec>,
    connection: Arc<Connection>,
    mut tracks: Tracks,
) -> Broken {
    let mut outlets: Vec<Outlet> = codecs.into_iter().map(Outlet::new).collect();
    let start = Instant::now();
    refresh(&mut outlets, &mut tracks);
    loop {
        loop {
            let unit = match reader.demuxer.next_unit() {
                Ok(Some(unit)) => unit,
                Ok(None) => break,
                Err(error) => return error.into(),
            };
            if let Some(outlet) = outlets.get_mut(unit.track) {
                outlet.write(unit, start);
            }
        }
        tokio::select! {
            biased;
            filled = reader.fill() => match filled {
                Ok(length) => connection.received(length),
                Err(broken) => return broken,
            },
            () = tracks.changed() => refresh(&mut outlets, &mut tracks),
        }
    }
}

fn refresh(outlets: &mut [Outlet], tracks: &mut Tracks) {
    tracks.wanted();
    for (index, outlet) in outlets.iter_mut().enumerate() {
        outlet.writer = tracks.writer(index);
    }
}

/// Where the units of a track go.
struct Outlet {
    codec: Codec,
    /// Samples so far.
    samples: i64,
    writer: Option<TrackWriter>,
    /// The timeline that it shares with the other tracks was told.
    aligned: bool,
}

impl Outlet {
    const fn new(codec: Codec) -> Self {
        Self { codec, samples: 0, writer: None, aligned: false }
    }

    fn write(&mut self, unit: Unit, start: Instant) {
        let now = Instant::now();
        let (pts, dts) = match unit.time {
            Time::Arrival => {
                let pts =
                    to_ticks(now.saturating_duration_since(start), self.codec.timestamp_rate());
                (pts, pts)
            }
            Time::Lasts(samples) => {
                let pts = self.samples;
                self.samples = pts.saturating_add(i64::from(samples));
                (pts, pts)
            }
            Time::At { pts, dts } => (pts, dts),
        };
        let Some(writer) = &self.writer else { return };
        if let Time::At { .. } = unit.time
            && !std::mem::replace(&mut self.aligned, true)
        {
            writer.sender_report(NtpTime(0), 0);
        }
        let mut frame = Frame::new(self.codec.id.clone(), unit.keyframe, pts, now, unit.payload);
        frame.dts = dts;
        writer.write(frame);
    }
}
