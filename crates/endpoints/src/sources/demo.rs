//! The built-in camera `demo:`: a test picture and a tone, made in the process
//! while somebody watches.
//!
//! Address: `demo:?width=&height=&fps=&gop=&video=h264|mjpeg&audio=opus|pcmu|none`
//! (see `docs/sources/demo.md`). Picture and sound share one timeline: frame
//! `n` is due `n / fps` seconds after the start, and a beep begins with every
//! frame whose number is a multiple of `fps`. The work is done on one thread per
//! running camera, which ends the moment it is cancelled.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::codec::h264::ParameterSets;
use rs2rtc_media::time::NtpTime;
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media, Payload};
use rs2rtc_streams::{
    BoxFuture, CancellationToken, Connection, Description, Ended, OpenRequest, Producer,
    TrackWriter, Tracks,
};
use rs2rtc_transcode::audio::{self, G711, Law, opus};
use rs2rtc_transcode::demo::{Audio, Params, Pattern, Tone, Video};
use rs2rtc_transcode::video::{self, Encoder as _, I420Frame, h264, jpeg};

use crate::Context;
use crate::table::Opening;

/// Quality of the JPEG pictures, 1 to 100.
const JPEG_QUALITY: u8 = 80;
/// A camera that is this late (a busy or sleeping machine) leaves pictures out.
const MAX_LATE: Duration = Duration::from_millis(200);
/// Packets of sound made in a row after a delay; older sound is left out.
const MAX_AUDIO_BURST: u64 = 10;

/// Checks a `demo:` address.
///
/// # Errors
/// `Config`, naming the parameter, its value and what is allowed.
pub fn check(source: &str) -> Result<(), Error> {
    parse(source).map(|_| ())
}

fn parse(source: &str) -> Result<Params, Error> {
    Params::parse(source).map_err(|e| Error::new(ErrorKind::Config, e.to_string()))
}

/// Opens the camera: sets up its encoders, so that the medias tell the
/// parameter sets. Nothing is generated before it runs.
pub fn open(_context: Arc<Context>, request: OpenRequest) -> Opening {
    Box::pin(async move {
        let params = parse(&request.source)?;
        let made = tokio::task::spawn_blocking(move || Camera::new(params)).await;
        let camera = made.map_err(|e| Error::caused(ErrorKind::Unsupported, "demo", e))??;
        let medias = camera.medias();
        let connection = Arc::new(Connection::new(Description {
            format_name: "demo".to_owned(),
            protocol: "internal".to_owned(),
            url: request.source,
            medias: medias.clone(),
            ..Description::default()
        }));
        Ok(Box::new(Demo { camera, medias, connection }) as Box<dyn Producer>)
    })
}

struct Demo {
    camera: Camera,
    medias: Vec<Media>,
    connection: Arc<Connection>,
}

impl Producer for Demo {
    fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    fn medias(&self) -> &[Media] {
        &self.medias
    }

    fn run(self: Box<Self>, mut tracks: Tracks, cancel: CancellationToken) -> BoxFuture<Ended> {
        Box::pin(async move {
            if cancel.is_cancelled() {
                return Ended::Cancelled;
            }
            let (orders, inbox) = sync_channel(4);
            let Self { camera, connection, .. } = *self;
            let mut thread = tokio::task::spawn_blocking(move || camera.run(&connection, &inbox));
            let ended = loop {
                let order = Writers { video: tracks.writer(0), audio: tracks.writer(1) };
                tracks.wanted();
                if orders.send(order).is_err() {
                    break None;
                }
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => break Some(Ended::Cancelled),
                    () = tracks.changed() => {}
                    result = &mut thread => break Some(finished(result)),
                }
            };
            drop(orders); // the thread ends when nobody gives orders
            match ended {
                Some(Ended::Cancelled) | None => finished(thread.await),
                Some(other) => other,
            }
        })
    }
}

fn finished(result: Result<Result<(), Error>, tokio::task::JoinError>) -> Ended {
    match result {
        Ok(Ok(())) => Ended::Cancelled,
        Ok(Err(error)) => Ended::Failed(error),
        Err(join) => Ended::Failed(Error::caused(ErrorKind::Unsupported, "demo", join)),
    }
}

/// Where frames go; a missing writer means nobody wants that media.
struct Writers {
    video: Option<TrackWriter>,
    audio: Option<TrackWriter>,
}

struct Camera {
    params: Params,
    pattern: Pattern,
    video: Box<dyn video::Encoder>,
    video_codec: Codec,
    tone: Option<(Tone, Box<dyn audio::Encoder>, Codec)>,
}

impl Camera {
    fn new(params: Params) -> Result<Self, Error> {
        let (video, video_codec) = video_encoder(&params)?;
        Ok(Self {
            params,
            pattern: Pattern::new(params.width, params.height, params.fps),
            video,
            video_codec,
            tone: audio_encoder(&params)?,
        })
    }

    fn medias(&self) -> Vec<Media> {
        let mut medias =
            vec![Media::new(Kind::Video, Direction::RecvOnly, self.video_codec.clone())];
        if let Some((_, _, codec)) = &self.tone {
            medias.push(Media::new(Kind::Audio, Direction::RecvOnly, codec.clone()));
        }
        medias
    }

    /// Generates until the other end of `inbox` is dropped.
    fn run(mut self, connection: &Connection, inbox: &Receiver<Writers>) -> Result<(), Error> {
        let Ok(mut writers) = inbox.recv() else { return Ok(()) };
        let start = Instant::now();
        let mut schedule = Schedule::new(&self.params, self.tone.as_ref().map(|t| &*t.1));
        writers.share_timeline();
        let mut force_keyframe = true;
        loop {
            let due = start + schedule.next_due();
            match inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(changed) => {
                    force_keyframe |= writers.video.is_none() && changed.video.is_some();
                    writers = changed;
                    writers.share_timeline();
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {
                    schedule.catch_up(start.elapsed());
                    if schedule.is_audio_next() {
                        self.sound(&mut schedule, &writers, connection)?;
                    } else {
                        self.picture(&mut schedule, &writers, connection, &mut force_keyframe)?;
                    }
                }
            }
        }
    }

    fn picture(
        &mut self,
        schedule: &mut Schedule,
        writers: &Writers,
        connection: &Connection,
        force_keyframe: &mut bool,
    ) -> Result<(), Error> {
        let number = schedule.frame;
        schedule.frame += 1;
        let Some(writer) = &writers.video else { return Ok(()) };
        let picture = self.pattern.render(number, unix_ms());
        let unit = self.video.encode(picture, *force_keyframe).map_err(broken)?;
        *force_keyframe = false;
        connection.received(unit.len());
        let payload = match self.params.video {
            Video::H264 => Payload::Nals(unit.units),
            Video::Mjpeg => Payload::Data(unit.units.into_iter().next().unwrap_or_else(Bytes::new)),
        };
        let pts = schedule.video_pts(number);
        let id = self.video_codec.id.clone();
        writer.write(Frame::new(id, unit.keyframe, pts, Instant::now(), payload));
        Ok(())
    }

    fn sound(
        &mut self,
        schedule: &mut Schedule,
        writers: &Writers,
        connection: &Connection,
    ) -> Result<(), Error> {
        let number = schedule.packet;
        schedule.packet += 1;
        let (Some((tone, encoder, codec)), Some(writer)) = (&mut self.tone, &writers.audio) else {
            return Ok(());
        };
        let first = number * schedule.packet_samples;
        let mut pcm = vec![0; encoder.frame_samples() * usize::from(encoder.channels())];
        tone.fill(first, &mut pcm);
        let packet = encoder.encode(&pcm).map_err(broken)?;
        connection.received(packet.len());
        let pts = i64::try_from(first).unwrap_or(i64::MAX);
        let payload = Payload::Data(packet);
        writer.write(Frame::new(codec.id.clone(), true, pts, Instant::now(), payload));
        Ok(())
    }
}

impl Writers {
    /// Zero is the same moment on both tracks.
    fn share_timeline(&self) {
        for writer in self.video.iter().chain(&self.audio) {
            writer.sender_report(NtpTime(0), 0);
        }
    }
}

/// What is due when, counted from the start of the run.
struct Schedule {
    fps: u64,
    frame: u64,
    packet: u64,
    /// Samples of a packet of sound; 0 without sound.
    packet_samples: u64,
    sample_rate: u64,
}

impl Schedule {
    fn new(params: &Params, audio: Option<&dyn audio::Encoder>) -> Self {
        Self {
            fps: u64::from(params.fps.max(1)),
            frame: 0,
            packet: 0,
            packet_samples: audio.map_or(0, |a| a.frame_samples() as u64),
            sample_rate: audio.map_or(1, |a| u64::from(a.sample_rate())),
        }
    }

    fn frame_due(&self) -> Duration {
        Duration::from_nanos(self.frame * 1_000_000_000 / self.fps)
    }

    /// A packet is complete when its last sample has been.
    fn packet_due(&self) -> Duration {
        let samples = (self.packet + 1) * self.packet_samples;
        Duration::from_nanos(samples * 1_000_000_000 / self.sample_rate)
    }

    fn is_audio_next(&self) -> bool {
        self.packet_samples > 0 && self.packet_due() < self.frame_due()
    }

    fn next_due(&self) -> Duration {
        if self.is_audio_next() { self.packet_due() } else { self.frame_due() }
    }

    /// Leaves out what is too late to be worth making.
    fn catch_up(&mut self, elapsed: Duration) {
        if elapsed.saturating_sub(self.next_due()) > MAX_LATE {
            let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
            self.frame = self.frame.max(nanos.saturating_mul(self.fps) / 1_000_000_000);
            if let Some(packets) = (u128::from(nanos) * u128::from(self.sample_rate)
                / 1_000_000_000)
                .checked_div(u128::from(self.packet_samples))
            {
                let packets = u64::try_from(packets).unwrap_or(u64::MAX);
                self.packet = self.packet.max(packets.saturating_sub(MAX_AUDIO_BURST));
            }
        }
    }

    fn video_pts(&self, frame: u64) -> i64 {
        i64::try_from(frame * 90_000 / self.fps).unwrap_or(i64::MAX)
    }
}

fn video_encoder(params: &Params) -> Result<(Box<dyn video::Encoder>, Codec), Error> {
    match params.video {
        Video::H264 => {
            let config = h264::Config {
                width: params.width,
                height: params.height,
                fps: params.fps,
                gop: params.gop,
                bitrate: params.h264_bitrate(),
            };
            let mut encoder = h264::Encoder::new(config).map_err(broken)?;
            // One picture tells the parameter sets.
            let black = I420Frame::black(params.width, params.height);
            let unit = encoder.encode(&black, true).map_err(broken)?;
            let fmtp = ParameterSets::from_nals(&unit.units).to_fmtp();
            let codec = Codec::new(CodecId::H264).clock(90_000).fmtp(fmtp);
            Ok((Box::new(encoder), codec))
        }
        Video::Mjpeg => {
            let encoder = jpeg::Encoder::new(JPEG_QUALITY).map_err(broken)?;
            Ok((Box::new(encoder), Codec::new(CodecId::Jpeg).clock(90_000)))
        }
    }
}

type Sound = (Tone, Box<dyn audio::Encoder>, Codec);

fn audio_encoder(params: &Params) -> Result<Option<Sound>, Error> {
    let (encoder, codec): (Box<dyn audio::Encoder>, _) = match params.audio {
        Audio::None => return Ok(None),
        Audio::Opus => {
            let encoder = opus::Encoder::new(opus::Config::default()).map_err(broken)?;
            // RTP always says two channels (RFC 7587 4.1); the packets are mono.
            let codec = Codec::new(CodecId::Opus).clock(48_000).channels(2);
            (Box::new(encoder), codec)
        }
        Audio::Pcmu => (Box::new(G711::new(Law::Mu)), Codec::new(CodecId::Pcmu).clock(8000)),
    };
    Ok(Some((Tone::new(encoder.sample_rate()), encoder, codec)))
}

fn broken(error: rs2rtc_transcode::Error) -> Error {
    Error::caused(ErrorKind::Unsupported, "demo", error)
}

/// Milliseconds since 1970 by the machine's clock.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picture_and_sound_keep_the_same_pace() {
        let params = Params::default();
        let encoder = opus::Encoder::new(opus::Config::default()).unwrap();
        let mut schedule = Schedule::new(&params, Some(&encoder));
        let mut last = Duration::ZERO;
        while schedule.frame < 300 {
            assert!(schedule.next_due() >= last);
            last = schedule.next_due();
            if schedule.is_audio_next() { schedule.packet += 1 } else { schedule.frame += 1 }
        }
        // The last picture is due after 9.966 s, the 498th packet is complete at 9.96 s.
        assert_eq!(schedule.packet, 498);
    }

    #[test]
    fn a_late_camera_leaves_pictures_out() {
        let mut schedule = Schedule::new(&Params::default(), None);
        schedule.catch_up(Duration::from_millis(150));
        assert_eq!(schedule.frame, 0);
        schedule.catch_up(Duration::from_secs(2));
        assert_eq!(schedule.frame, 60);
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        let error = check("demo:?widht=3").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("widht") && error.to_string().contains("width"));
    }
}
