//! A player of HLS that keeps what it fetches, and holds every playlist to the rules
//! ([`rs2rtc_testkit::playlist`]).

use rs2rtc_testkit::playlist::{Read, follows, keeps_to, read, read_master};

use super::super::harness::{Server, pause};

/// What is fetched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Latency {
    /// Whole segments.
    Usual,
    /// Parts, as soon as they are there.
    Low,
}

impl Latency {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Usual => "",
            Self::Low => ", parts",
        }
    }
}

/// Plays from the first segment on; gives what makes so many seconds, and how many
/// pieces it came in.
pub(super) fn record(
    server: &Server,
    path: &str,
    latency: Latency,
    seconds: f64,
) -> (Vec<u8>, String) {
    let address = format!("api/{}", read_master(&text(server, path)).uri);
    let folder = address.rsplit_once('/').unwrap().0;
    let mut player = Player {
        server,
        folder,
        map: None,
        out: Vec::new(),
        pieces: 0,
        length: 0.0,
        segments: Vec::new(),
    };
    let (mut before, mut next, mut target): (Option<Read>, _, _) = (None, None, 0);
    while player.length < seconds {
        // The part that comes next; without low latency the playlist is polled.
        let blocking = match next {
            Some((segment, part)) if latency == Latency::Low => {
                format!("&_HLS_msn={segment}&_HLS_part={part}")
            }
            _ => String::new(),
        };
        let list = read(&text(server, &format!("{address}{blocking}")));
        if let Some(before) = &before {
            follows(before, &list);
        }
        let place = next.get_or_insert((list.sequence, 0));
        assert!(place.0 >= list.sequence, "{path}: what comes next is gone");
        for (number, segment) in (list.sequence..).zip(list.segments.iter().chain([&list.open])) {
            if number != place.0 {
                continue;
            }
            let is_whole = !segment.uri.is_empty();
            if latency == Latency::Low && !segment.parts.is_empty() {
                for part in &segment.parts[place.1.min(segment.parts.len())..] {
                    player.fetch(segment.map.as_ref(), &part.uri, part.duration);
                }
                place.1 = segment.parts.len();
            } else if is_whole {
                let bytes = player.fetch(segment.map.as_ref(), &segment.uri, segment.duration);
                player.segments.push((bytes as f64, segment.duration));
            }
            if is_whole {
                *place = (number + 1, 0);
            }
        }
        target = list.target;
        before = Some(list);
        if latency == Latency::Usual {
            pause();
        }
    }
    // The first master playlist may be from before there was a segment to measure (RFC 8216
    // 4.3.4.2); one of now covers all. In front of the first segment there may stand what
    // only this player was given.
    let measured = read_master(&text(server, path)).bandwidth;
    keeps_to(measured, target, player.segments.get(1..).unwrap_or_default());
    let kind = if latency == Latency::Low { "parts" } else { "segments" };
    let pieces = format!("{} {kind}", player.pieces);
    (player.out, pieces)
}

struct Player<'a> {
    server: &'a Server,
    folder: &'a str,
    /// The initialisation segment in force.
    map: Option<String>,
    out: Vec<u8>,
    pieces: usize,
    /// Seconds.
    length: f64,
    /// Whole segments: bytes and seconds.
    segments: Vec<(f64, f64)>,
}

impl Player<'_> {
    /// Gives the number of bytes.
    fn fetch(&mut self, map: Option<&String>, uri: &str, duration: f64) -> usize {
        if map != self.map.as_ref() {
            self.map = map.cloned();
            if let Some(map) = map {
                self.out.extend(self.server.download(&format!("{}/{map}", self.folder)));
            }
        }
        let bytes = self.server.download(&format!("{}/{uri}", self.folder));
        assert!(!bytes.is_empty(), "{uri} is empty");
        let count = bytes.len();
        self.out.extend(bytes);
        self.pieces += 1;
        self.length += duration;
        count
    }
}

fn text(server: &Server, path: &str) -> String {
    String::from_utf8(server.download(path)).unwrap()
}
