//! Why a player of a socket sees what it sees: for each way of playing, what became of
//! each track of the stream (`docs/api-rs.md`, message `why`).

use axum::extract::ws::Message;
use rs2rtc_media::codec::ParameterSets;
use rs2rtc_media::{Codec, CodecId, Direction, Kind};
use rs2rtc_streams::{ConnectionSnapshot, Stream, StreamSnapshot};
use serde_json::{Map, Value};

use super::message::message;
use crate::http::{Api, Settings};

/// The ways of playing, with the module of each.
const WAYS: [(&str, &str); 5] =
    [("webrtc", "webrtc"), ("mse", "mp4"), ("hls", "hls"), ("mp4", "mp4"), ("mjpeg", "mjpeg")];
/// Most candidates that are told of one way; cameras have a handful.
const MOST: usize = 32;

/// What became of a way of playing, or of a track of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    kind: Option<Kind>,
    /// As it is sent, or would be.
    codec: Option<CodecId>,
    /// What it is made from, if that is another one.
    from: Option<CodecId>,
    verdict: &'static str,
    text: Option<String>,
}

impl Candidate {
    fn track(kind: Kind, codec: Option<&CodecId>, verdict: &'static str) -> Self {
        Self { kind: Some(kind), codec: codec.cloned(), from: None, verdict, text: None }
    }

    const fn way(verdict: &'static str) -> Self {
        Self { kind: None, codec: None, from: None, verdict, text: None }
    }

    fn to_json(&self, mode: &str) -> Value {
        let mut map = Map::new();
        map.insert("mode".into(), mode.into());
        let mut put = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                map.insert(key.into(), value.into());
            }
        };
        put("kind", self.kind.map(Kind::name));
        put("codec", self.codec.as_ref().map(CodecId::ffmpeg_name));
        put("from", self.from.as_ref().map(CodecId::ffmpeg_name));
        put("verdict", Some(self.verdict));
        put("text", self.text.as_deref());
        Value::Object(map)
    }
}

/// What is known of the ways of one socket.
#[derive(Debug, Default)]
pub(super) struct Why {
    /// The way that a person has chosen; else the player chooses.
    pinned: Option<&'static str>,
    ways: Vec<(&'static str, Vec<Candidate>)>,
}

/// The way of a message's type, of those that there are.
pub(super) fn way(name: &str) -> Option<&'static str> {
    WAYS.iter().find(|(way, _)| *way == name).map(|(way, _)| *way)
}

impl Why {
    /// The player has said which way it keeps to.
    pub(super) fn pin(&mut self, way: Option<&'static str>) {
        self.pinned = way;
    }

    /// This has become of a way. An empty list says nothing: its viewer sleeps, or has left.
    pub(super) fn set(&mut self, way: &'static str, candidates: Vec<Candidate>) {
        if !candidates.is_empty() {
            self.ways.retain(|(known, _)| *known != way);
            self.ways.push((way, candidates));
        }
    }

    /// What a way has played is over.
    pub(super) fn ended(&mut self, way: &'static str) {
        let plays = |all: &[Candidate]| all.iter().any(|one| one.verdict == "chosen");
        self.ways.retain(|(known, all)| *known != way || !plays(all));
    }

    /// There will be nothing of a way, for a reason in words.
    pub(super) fn fail(&mut self, way: &'static str, text: &str) {
        let text = Some(text.to_owned());
        self.set(way, vec![Candidate { text, ..Candidate::way("failed") }]);
    }

    /// A connection of WebRTC never came about.
    pub(super) fn no_network(&mut self) {
        self.set("webrtc", vec![Candidate::way("network")]);
    }

    /// The player does not need a way any more: another one is shown.
    pub(super) fn stopped(&mut self, way: &'static str) {
        if self.ways.iter().any(|(known, _)| *known == way) {
            self.set(way, vec![Candidate::way("slower")]);
        }
    }

    /// Everything that is known, for the player.
    pub(super) fn message(&self, api: &Api) -> Message {
        let mut value = self.to_json(&api.settings());
        api.secrets.mask_json(&mut value);
        message("why", &value)
    }

    fn to_json(&self, settings: &Settings) -> Value {
        let mut all = Vec::new();
        for (way, module) in WAYS {
            let known = self.ways.iter().find(|(known, _)| *known == way);
            match known {
                Some((_, candidates)) => all.extend(candidates.iter().map(|c| c.to_json(way))),
                None if !settings.has_module(module) => {
                    all.push(Candidate::way("off").to_json(way));
                }
                None if self.pinned.is_some_and(|pinned| pinned != way) => {
                    all.push(Candidate::way("pinned").to_json(way));
                }
                None => {}
            }
        }
        let mut value = Map::new();
        value.insert("candidates".into(), all.into());
        Value::Object(value)
    }
}

/// What a viewer of a stream is sent, and what not.
pub(super) fn of_viewer(stream: &Stream, viewer: u64, way: &'static str) -> Vec<Candidate> {
    of_snapshot(&stream.snapshot(), viewer, way)
}

fn of_snapshot(snapshot: &StreamSnapshot, viewer: u64, way: &'static str) -> Vec<Candidate> {
    let consumers = snapshot.consumers.as_deref().unwrap_or_default();
    let Some(viewer) = consumers.iter().find(|consumer| consumer.id == viewer) else {
        return Vec::new();
    };
    let producers = snapshot.producers.iter().flatten();
    let open: Vec<&ConnectionSnapshot> = producers.filter_map(|p| p.connection.as_ref()).collect();
    let given = open.iter().flat_map(|producer| &producer.description.medias);
    let given: Vec<&Codec> = given
        .filter(|media| media.direction == Direction::RecvOnly)
        .flat_map(|media| &media.codecs)
        .collect();
    let mut all = Vec::new();
    // Of the camera's own tracks: which of them are sent.
    let mut sent: Vec<(CodecId, Option<&Codec>)> = Vec::new();
    for sender in &viewer.senders {
        let mut tracks = open.iter().flat_map(|producer| &producer.receivers);
        let own = tracks.find(|track| track.id == sender.parent).map(|track| &track.codec);
        let kind = sender.codec.id.kind();
        let source = own.or_else(|| given.iter().copied().find(|codec| codec.id.kind() == kind));
        let from = source.map(|codec| codec.id.clone()).filter(|id| *id != sender.codec.id);
        let chosen = Candidate::track(kind, Some(&sender.codec.id), "chosen");
        all.push(Candidate { from, ..chosen });
        if way == "webrtc" && source.is_some_and(reorders) {
            all.push(Candidate::track(kind, Some(&sender.codec.id), "bframes"));
        }
        sent.push((sender.codec.id.clone(), source));
    }
    for codec in given.iter().copied() {
        let is_sent = |(_, source): &(CodecId, Option<&Codec>)| {
            source.is_some_and(|source| source.id == codec.id)
        };
        let told = |c: &Candidate| c.codec.as_ref() == Some(&codec.id);
        if sent.iter().any(is_sent) || all.iter().any(told) || codec.id.kind() == Kind::Other {
            continue;
        }
        let offered = viewer.description.medias.iter();
        let mut offered = offered
            .filter(|m| m.direction == Direction::SendOnly && m.kind == codec.id.kind())
            .peekable();
        if offered.peek().is_none() {
            // It has not asked for sound, or for pictures.
            continue;
        }
        let is_offered = offered.any(|media| media.codecs.iter().any(|c| codec.matches(c)));
        let verdict = if is_offered { "other_chosen" } else { "codec_unsupported" };
        all.push(Candidate::track(codec.id.kind(), Some(&codec.id), verdict));
    }
    for kind in [Kind::Video, Kind::Audio] {
        let mut offered = viewer.description.medias.iter();
        let wanted = offered.any(|m| m.direction == Direction::SendOnly && m.kind == kind);
        if wanted && given.iter().all(|codec| codec.id.kind() != kind) {
            all.push(Candidate::track(kind, None, "no_track"));
        }
    }
    all.truncate(MOST);
    all
}

/// Whether pictures are shown in another order than they come, which WebRTC has no place for.
fn reorders(codec: &Codec) -> bool {
    ParameterSets::from_codec(codec).is_some_and(|sets| sets.reorders())
}

#[cfg(test)]
mod tests {
    use rs2rtc_media::Media;
    use rs2rtc_streams::{
        Description, ProducerSnapshot, Quality, ReceiverSnapshot, SenderSnapshot,
    };
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    fn media(direction: Direction, codec: &Codec) -> Media {
        Media::new(codec.id.kind(), direction, codec.clone())
    }

    /// A camera with these codecs, of which the first `wanted` are read; a viewer that offers
    /// some and is sent some of those, each made of the track with that number.
    fn snapshot(
        camera: &[Codec],
        wanted: u64,
        offers: &[Codec],
        sent: &[(u64, Codec)],
    ) -> StreamSnapshot {
        let camera_medias = camera.iter().map(|codec| media(Direction::RecvOnly, codec));
        let receivers = (0..wanted).zip(camera).map(|(id, codec)| ReceiverSnapshot {
            id,
            codec: codec.clone(),
            children: Vec::new(),
            bytes: 0,
            packets: 0,
        });
        let senders = sent.iter().map(|(parent, codec)| SenderSnapshot {
            id: 100 + parent,
            codec: codec.clone(),
            parent: *parent,
            bytes: 0,
            packets: 0,
            drops: 0,
        });
        let connection = |id, medias: Vec<Media>, receivers, senders| ConnectionSnapshot {
            id,
            description: Description { medias, ..Description::default() },
            timings: Vec::new(),
            receivers,
            senders,
            bytes_recv: 0,
            bytes_send: 0,
        };
        let producer = connection(1, camera_medias.collect(), receivers.collect(), Vec::new());
        let offers = offers.iter().map(|codec| media(Direction::SendOnly, codec)).collect();
        StreamSnapshot {
            producers: Some(vec![ProducerSnapshot {
                source: "demo:".into(),
                connection: Some(producer),
                error: None,
                quality: Quality::default(),
            }]),
            consumers: Some(vec![connection(7, offers, Vec::new(), senders.collect())]),
        }
    }

    fn told(candidates: &[Candidate]) -> Vec<String> {
        let text = |c: &Candidate| {
            let name =
                |id: &Option<CodecId>| id.as_ref().map_or("-", CodecId::ffmpeg_name).to_owned();
            format!("{} {} {}", name(&c.codec), name(&c.from), c.verdict)
        };
        candidates.iter().map(text).collect()
    }

    fn codec(id: CodecId) -> Codec {
        Codec::new(id)
    }

    #[test]
    fn each_track_of_the_camera_has_a_verdict() {
        use CodecId::{Aac, Flac, H264, H265, Jpeg, Opus, Pcma};
        let camera = [codec(H264), codec(H265), codec(Aac)];
        let all = snapshot(&camera, 1, &[codec(H264), codec(Opus)], &[(0, codec(H264))]);
        assert_eq!(
            told(&of_snapshot(&all, 7, "webrtc")),
            ["h264 - chosen", "hevc - codec_unsupported", "aac - codec_unsupported"]
        );
        let both = [codec(H264), codec(H265), codec(Opus)];
        let all = snapshot(&camera, 1, &both, &[(0, codec(H264))]);
        assert_eq!(told(&of_snapshot(&all, 7, "mse"))[1], "hevc - other_chosen");
        let all = snapshot(&camera, 1, &[codec(H264)], &[(0, codec(H264))]);
        let pictures = ["h264 - chosen", "hevc - codec_unsupported"];
        assert_eq!(told(&of_snapshot(&all, 7, "mse")), pictures, "it did not ask for sound");
        // G.711 as FLAC, and pictures that are made of H.264 by a track of their own.
        let camera = [codec(Pcma), codec(H264)];
        let offers = [codec(Flac), codec(Jpeg)];
        let all = snapshot(&camera, 1, &offers, &[(0, codec(Flac)), (50, codec(Jpeg))]);
        assert_eq!(
            told(&of_snapshot(&all, 7, "mjpeg")),
            ["flac pcm_alaw chosen", "mjpeg h264 chosen"]
        );
        let all = snapshot(&[codec(H264)], 1, &[codec(H264), codec(Opus)], &[(0, codec(H264))]);
        assert_eq!(told(&of_snapshot(&all, 7, "webrtc")), ["h264 - chosen", "- - no_track"]);
        assert_eq!(of_snapshot(&all, 8, "webrtc"), [], "it has left");
    }

    #[test]
    fn reordered_pictures_are_told_where_they_hurt() {
        // High profile with `max_num_reorder_frames` 2.
        let sps = "Z2QAH6zZQFAFuwFqAgICgAAAAwCAAAAeB4wYyw==";
        let high = codec(CodecId::H264).fmtp(format!("sprop-parameter-sets={sps},aOvjyyLA"));
        assert!(reorders(&high));
        let camera = std::slice::from_ref(&high);
        let all = snapshot(camera, 1, camera, &[(0, high.clone())]);
        assert_eq!(told(&of_snapshot(&all, 7, "webrtc")), ["h264 - chosen", "h264 - bframes"]);
        assert_eq!(told(&of_snapshot(&all, 7, "mse")), ["h264 - chosen"]);
    }

    #[test]
    fn ways_that_were_not_asked_for_are_told_with_their_reason() {
        let settings = Settings::new(&Config::parse("f", "app: {modules: [webrtc, mp4, hls]}"));
        let mut why = Why::default();
        assert_eq!(
            why.to_json(&settings),
            json!({ "candidates": [{ "mode": "mjpeg", "verdict": "off" }] })
        );
        why.pin(way("mse"));
        why.set("mse", vec![Candidate::track(Kind::Video, Some(&CodecId::H264), "chosen")]);
        let verdicts = |why: &Why| {
            let value = why.to_json(&settings);
            let all = value["candidates"].as_array().unwrap().clone();
            let text = |c: &Value| {
                format!("{} {}", c["mode"].as_str().unwrap(), c["verdict"].as_str().unwrap())
            };
            all.iter().map(text).collect::<Vec<_>>()
        };
        let pinned = ["webrtc pinned", "mse chosen", "hls pinned", "mp4 pinned", "mjpeg off"];
        assert_eq!(verdicts(&why), pinned);
        why.pin(None);
        why.no_network();
        assert_eq!(verdicts(&why), ["webrtc network", "mse chosen", "mjpeg off"]);
        why.fail("webrtc", "no source");
        why.stopped("mse");
        why.stopped("hls");
        assert_eq!(verdicts(&why), ["webrtc failed", "mse slower", "mjpeg off"]);
        why.ended("webrtc");
        why.set("webrtc", Vec::new());
        assert_eq!(verdicts(&why), ["webrtc failed", "mse slower", "mjpeg off"], "that holds");
        why.set("webrtc", vec![Candidate::track(Kind::Video, Some(&CodecId::H264), "chosen")]);
        why.ended("webrtc");
        assert_eq!(verdicts(&why), ["mse slower", "mjpeg off"]);
        assert_eq!(way("nonsense"), None);
    }
}
