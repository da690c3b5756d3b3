//! Codec filters in queries: `video=h264,h265&audio=aac` (`spec/core.md` 11.3).

use crate::codec::{Codec, CodecId};
use crate::track::{Direction, Kind, Media};

/// The medias a consumer asks for by query parameters (names and decoded
/// values in order): video first, then audio, then microphones. Each value
/// makes one media, commas separate the codecs it accepts. Empty if the query
/// names none.
pub fn medias<'q>(query: impl IntoIterator<Item = (&'q str, &'q str)>) -> Vec<Media> {
    let mut found: Vec<(u8, Media)> = Vec::new();
    for (name, value) in query {
        let (order, kind, direction) = match name {
            "video" => (0, Kind::Video, Direction::SendOnly),
            "audio" => (1, Kind::Audio, Direction::SendOnly),
            "microphone" => (2, Kind::Audio, Direction::RecvOnly),
            _ => continue,
        };
        let codecs = value.split(',').map(codec).collect();
        found.push((order, Media { kind, direction, codecs, id: String::new() }));
        if found.len() >= 16 {
            break;
        }
    }
    found.sort_by_key(|(order, _)| *order);
    found.into_iter().map(|(_, media)| media).collect()
}

/// The names in a value that stand for no codec that we know.
pub fn unknown(value: &str) -> impl Iterator<Item = &str> {
    let names = value.split(',').map(str::trim);
    names.filter(|name| matches!(codec(name).id, CodecId::Other(_)))
}

fn codec(name: &str) -> Codec {
    let name = name.trim().to_ascii_uppercase();
    Codec::new(match name.as_str() {
        "" | "COPY" => CodecId::Any,
        "MJPEG" => CodecId::Jpeg,
        "AAC" => CodecId::Aac,
        "MP3" => CodecId::Mpa,
        "HEVC" => CodecId::H265,
        "PCM" => CodecId::L16,
        other => CodecId::from_name(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(query: &[(&str, &str)]) -> Vec<String> {
        medias(query.iter().copied()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_of_no_codec() {
        assert_eq!(unknown("h264,h999, x,copy,all,").collect::<Vec<_>>(), ["h999", "x"]);
        assert_eq!(unknown("hevc,mjpeg,aac,mp3,pcm,pcma,pcml,opus").count(), 0);
    }

    #[test]
    fn filters_of_the_contract() {
        assert!(lines(&[("src", "x")]).is_empty());
        assert_eq!(lines(&[("video", "")]), ["video, sendonly, ANY"]);
        assert_eq!(
            lines(&[("audio", "aac"), ("video", "h264,h265")]),
            ["video, sendonly, H264, H265", "audio, sendonly, MPEG4-GENERIC"]
        );
        assert_eq!(
            lines(&[("video", ""), ("audio", "opus"), ("audio", "aac")]),
            ["video, sendonly, ANY", "audio, sendonly, OPUS", "audio, sendonly, MPEG4-GENERIC"]
        );
        assert_eq!(
            lines(&[("microphone", ""), ("audio", "all")]),
            ["audio, sendonly, ALL", "audio, recvonly, ANY"]
        );
    }
}
