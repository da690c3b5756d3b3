//! What viewers ask for: codecs as a browser names them, and the filters of a
//! query (`spec/media.md` 4.2, `spec/api.md` 4.1).

use rs2rtc_media::{Codec, CodecId, Direction, Kind, Media, filter};

/// Sound that leaves as FLAC.
const PCM: [CodecId; 4] = [CodecId::Pcma, CodecId::Pcmu, CodecId::L16, CodecId::Pcml];
const VIDEO: [CodecId; 2] = [CodecId::H264, CodecId::H265];

/// Medias of a browser's list, `avc1.640029,mp4a.40.2`. Names that are not known
/// are left out; without any that is, it is H.264 or H.265 with AAC. Without
/// `sound` only pictures are asked for.
pub fn of_list(list: &str, sound: bool) -> Vec<Media> {
    let (mut video, mut audio) = (Vec::new(), Vec::new());
    // A browser names a dozen.
    for name in list.split(',').take(64) {
        match name.trim() {
            "avc1.640029" => video.push(CodecId::H264),
            "hvc1.1.6.L153.B0" => video.push(CodecId::H265),
            // Of any profile, level and depth: the answer says what it is.
            name if name.starts_with("av01.") => video.push(CodecId::Av1),
            "mp4a.40.2" => audio.push(CodecId::Aac),
            "flac" => audio.extend(PCM),
            "opus" => audio.push(CodecId::Opus),
            _ => {}
        }
    }
    if !sound {
        audio.clear();
    }
    if video.is_empty() && audio.is_empty() {
        video.extend(VIDEO);
        audio.extend(sound.then_some(CodecId::Aac));
    }
    medias(video, audio)
}

/// Medias of a query: `video` and `audio` filters, else by `mp4`: absent or empty
/// for H.264, H.265 and AAC, `flac` for PCM as well, anything else for all.
pub fn of_query<'q>(pairs: impl Iterator<Item = (&'q str, &'q str)> + Clone) -> Vec<Media> {
    let filters = pairs.clone().filter(|(name, _)| matches!(*name, "video" | "audio"));
    let filtered = filter::medias(filters);
    if !filtered.is_empty() {
        return filtered;
    }
    let (mut video, mut audio) = (VIDEO.to_vec(), vec![CodecId::Aac]);
    match pairs.clone().find(|(name, _)| *name == "mp4").map_or("", |(_, value)| value) {
        "" => {}
        "flac" => audio.extend(PCM),
        _ => {
            video.push(CodecId::Av1);
            audio.extend(PCM);
            audio.extend([CodecId::Opus, CodecId::Mpa]);
        }
    }
    medias(video, audio)
}

fn medias(video: Vec<CodecId>, audio: Vec<CodecId>) -> Vec<Media> {
    let media = |(kind, codecs): (Kind, Vec<CodecId>)| Media {
        kind,
        direction: Direction::SendOnly,
        codecs: codecs.into_iter().map(Codec::new).collect(),
        id: String::new(),
    };
    let wanted = [(Kind::Video, video), (Kind::Audio, audio)];
    wanted.into_iter().filter(|(_, codecs)| !codecs.is_empty()).map(media).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(medias: &[Media]) -> Vec<String> {
        medias.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lists_of_browsers() {
        let default = ["video, sendonly, H264, H265", "audio, sendonly, MPEG4-GENERIC"];
        assert_eq!(lines(&of_list("", true)), default);
        assert_eq!(lines(&of_list("foo,bar", true)), default);
        assert_eq!(lines(&of_list("", false)), default[..1]);
        assert_eq!(lines(&of_list("mp4a.40.2", true)), default[1..]);
        assert_eq!(
            lines(&of_list("avc1.640029,avc1.64002A,flac,opus,mp4a.40.5", true)),
            ["video, sendonly, H264", "audio, sendonly, PCMA, PCMU, L16, PCML, OPUS"]
        );
        assert_eq!(lines(&of_list("hvc1.1.6.L153.B0,opus", false)), ["video, sendonly, H265"]);
        assert_eq!(
            lines(&of_list("avc1.640029,av01.0.08M.08,av01.0.08M.10,opus", true)),
            ["video, sendonly, H264, AV1", "audio, sendonly, OPUS"]
        );
    }

    #[test]
    fn queries() {
        let of = |pairs: &[(&'static str, &'static str)]| lines(&of_query(pairs.iter().copied()));
        let default = ["video, sendonly, H264, H265", "audio, sendonly, MPEG4-GENERIC"];
        assert_eq!(of(&[("src", "x")]), default);
        assert_eq!(of(&[("mp4", "")]), default);
        assert_eq!(
            of(&[("mp4", "flac")])[1],
            "audio, sendonly, MPEG4-GENERIC, PCMA, PCMU, L16, PCML"
        );
        assert_eq!(
            of(&[("mp4", "all")])[1],
            "audio, sendonly, MPEG4-GENERIC, PCMA, PCMU, L16, PCML, OPUS, MPA"
        );
        assert_eq!(of(&[("mp4", "all")])[0], "video, sendonly, H264, H265, AV1");
        assert_eq!(of(&[("video", "h264"), ("microphone", "")]), ["video, sendonly, H264"]);
    }
}
