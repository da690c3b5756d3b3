//! Tracks of a session description as the server machine needs them: how many,
//! and which one a SETUP means.

use rs2rtc_base::url::percent_decode;

/// Most tracks of a session: each takes two of the 256 channels.
const MAX_TRACKS: usize = 127;

/// One media section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Track {
    /// `a=control` of the section; empty without.
    control: String,
    /// RTP channel once it is set up.
    pub(super) channel: Option<u8>,
}

/// The media sections of a session description, in order.
pub(super) fn parse(sdp: &[u8]) -> Vec<Track> {
    let mut tracks: Vec<Track> = Vec::new();
    for line in sdp.split(|b| matches!(b, b'\r' | b'\n')) {
        if line.starts_with(b"m=") {
            if tracks.len() == MAX_TRACKS {
                break;
            }
            tracks.push(Track::default());
        } else if let (Some(control), Some(track)) =
            (line.strip_prefix(b"a=control:"), tracks.last_mut())
        {
            track.control = String::from_utf8_lossy(control.trim_ascii()).into_owned();
        }
    }
    tracks
}

/// Which track a SETUP of `url` means. Clients put the control before or after
/// the query; if it is found nowhere, the number after the last `=` or `/` counts.
pub(super) fn find(tracks: &[Track], url: &str) -> Option<usize> {
    let path = url.split_once('?').map_or(url, |(path, _)| path);
    let matches = |track: &Track| {
        let control = track.control.as_str();
        !control.is_empty()
            && control != "*"
            && (ends_with(url, control) || ends_with(path, control))
    };
    tracks.iter().position(matches).or_else(|| number(url)).or_else(|| number(path))
}

/// The number a URL ends with, after `=` or `/`.
pub(super) fn number(url: &str) -> Option<usize> {
    let tail = url.rsplit(['=', '/']).next()?;
    tail.parse().ok()
}

fn ends_with(url: &str, control: &str) -> bool {
    url.ends_with(control) || percent_decode(url).ends_with(control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_clients_ask_for() {
        let sdp = b"v=0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\na=control:trackID=0\r\n\
            m=audio 0 RTP/AVP 97\r\na=control:trackID=1\r\n";
        let tracks = parse(sdp);
        assert_eq!(tracks.len(), 2);
        for (url, index) in [
            ("rtsp://h/cam/trackID=1", Some(1)),
            ("rtsp://h/cam?video&audio/trackID=1", Some(1)),
            ("rtsp://h/cam/trackID=1?video=0", Some(1)),
            ("rtsp://h/cam/trackID%3D1", Some(1)),
            ("rtsp://h/cam/trackID=7", Some(7)),
            ("rtsp://h/cam", None),
        ] {
            assert_eq!(find(&tracks, url), index, "{url}");
        }
        let tracks = parse(b"m=video\nm=audio\na=control:stream=1\n");
        assert_eq!(find(&tracks, "rtsp://h/x/stream=1"), Some(1));
        assert!(parse(&b"m=\n".repeat(1000)).len() == MAX_TRACKS);
    }
}
