//! Which segment comes next, and when to look for it (RFC 8216 6.3.3 to 6.3.5).
//!
//! A live stream begins with its newest segment, for the least delay; one that has
//! ended with its first. Who falls out of the list, or whose server began to count
//! anew, goes on with the newest one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::playlist::{Error, Media, Part, Segment};

/// Playlists without a new segment after which the stream has ended.
const MAX_IDLE: u32 = 10;
/// Limits of the time between two playlists.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// What to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Its media.
    pub segment: Segment,
    /// The index to fetch before it: it is not the one that was fetched last.
    pub map: Option<Arc<Part>>,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Fetch a segment, then ask again.
    Load(Box<Load>),
    /// Fetch the playlist again at this time.
    Reload(Instant),
    /// The stream has ended as it said.
    Finished,
    /// No new segment has come for too long.
    Stalled,
}

/// Follows a media playlist.
#[derive(Debug)]
pub struct Follower {
    media: Media,
    /// Number of the next segment; `None` before the first playlist.
    next: Option<u64>,
    map: Option<Arc<Part>>,
    reload: Instant,
    idle: u32,
}

impl Follower {
    /// Knows no playlist; the first one is to be fetched at once.
    pub fn new(now: Instant) -> Self {
        Self { media: Media::default(), next: None, map: None, reload: now, idle: 0 }
    }

    /// Takes a playlist that was asked for at `asked`.
    pub fn handle_playlist(&mut self, asked: Instant, media: Media) {
        let end = |media: &Media| media.sequence.saturating_add(media.segments.len() as u64);
        let (before, now) = (end(&self.media), end(&media));
        let newest = now.saturating_sub(1).max(media.sequence);
        let next = match self.next {
            None if media.ended => media.sequence,
            None => newest,
            // It counts anew, or we were too slow.
            Some(next) if next > now || next < media.sequence => newest,
            Some(next) => next,
        };
        let changed = self.next.is_none() || now != before;
        self.idle = if changed { 0 } else { self.idle + 1 };
        let wait = if changed { media.target } else { media.target / 2 };
        self.reload = asked + wait.clamp(SHORTEST, LONGEST);
        self.next = Some(next);
        self.media = media;
    }

    /// What to do now.
    ///
    /// # Errors
    /// The next segment is encrypted.
    pub fn poll(&mut self) -> Result<Step, Error> {
        loop {
            let Some(next) = self.next else { return Ok(Step::Reload(self.reload)) };
            let index = next.checked_sub(self.media.sequence).and_then(|i| usize::try_from(i).ok());
            let Some(segment) = index.and_then(|index| self.media.segments.get(index)) else {
                return Ok(match (self.media.ended, self.idle) {
                    (true, _) => Step::Finished,
                    (false, MAX_IDLE..) => Step::Stalled,
                    (false, _) => Step::Reload(self.reload),
                });
            };
            self.next = Some(next.saturating_add(1));
            if segment.gap {
                continue;
            }
            if let Some(method) = &segment.encrypted {
                return Err(Error::Encrypted(method.to_string()));
            }
            let segment = segment.clone();
            let map = segment.map.clone().filter(|map| self.map.as_ref() != Some(map));
            if map.is_some() {
                self.map.clone_from(&map);
            }
            return Ok(Step::Load(Box::new(Load { segment, map })));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hls::Playlist;

    struct Camera {
        follower: Follower,
        now: Instant,
    }

    impl Camera {
        #[allow(clippy::disallowed_methods)]
        fn new() -> Self {
            // Any moment to count from.
            let now = Instant::now();
            Self { follower: Follower::new(now), now }
        }

        fn list(&mut self, first: u64, count: u64, more: &str) {
            let segments = (first..first + count).map(|n| format!("#EXTINF:4,\n{n}.ts\n"));
            let text = format!(
                "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{first}\n{}{more}",
                segments.collect::<String>()
            );
            let Playlist::Media(media) = Playlist::parse(&text).unwrap() else { panic!() };
            self.follower.handle_playlist(self.now, media);
        }

        /// Segments to fetch, and what comes then.
        fn steps(&mut self) -> (Vec<String>, Step) {
            let mut uris = Vec::new();
            loop {
                match self.follower.poll().unwrap() {
                    Step::Load(load) => uris.push(load.segment.part.uri),
                    step => return (uris, step),
                }
            }
        }

        fn reload_after(&self, seconds: u64) -> Step {
            Step::Reload(self.now + Duration::from_secs(seconds))
        }
    }

    #[test]
    fn a_live_stream_is_followed_from_its_newest_segment() {
        let mut camera = Camera::new();
        assert_eq!(camera.steps(), (vec![], camera.reload_after(0)));
        camera.list(5, 3, "");
        assert_eq!(camera.steps(), (vec!["7.ts".to_owned()], camera.reload_after(4)));
        camera.now += Duration::from_secs(4);
        camera.list(5, 3, "");
        assert_eq!(camera.steps(), (vec![], camera.reload_after(2)), "nothing new: half the time");
        camera.list(7, 3, "");
        let two = vec!["8.ts".to_owned(), "9.ts".to_owned()];
        assert_eq!(camera.steps(), (two, camera.reload_after(4)));
    }

    #[test]
    fn who_is_too_slow_or_meets_another_count_goes_on_with_the_newest() {
        let mut camera = Camera::new();
        camera.list(5, 3, "");
        camera.steps();
        camera.list(20, 3, "");
        assert_eq!(camera.steps().0, ["22.ts"]);
        camera.list(0, 2, "");
        assert_eq!(camera.steps().0, ["1.ts"], "the server began anew");
        camera.list(0, 0, "");
        assert_eq!(camera.steps().0, [""; 0]);
    }

    #[test]
    fn ends() {
        let mut camera = Camera::new();
        camera.list(0, 3, "#EXT-X-ENDLIST\n");
        let (uris, last) = camera.steps();
        assert_eq!((uris.len(), last), (3, Step::Finished), "a recording from its beginning");
        let mut camera = Camera::new();
        camera.list(0, 3, "");
        camera.steps();
        for _ in 0..MAX_IDLE - 1 {
            camera.list(0, 3, "");
            assert!(matches!(camera.steps().1, Step::Reload(_)));
        }
        camera.list(0, 3, "");
        assert_eq!(camera.steps().1, Step::Stalled);
        camera.list(0, 4, "#EXT-X-ENDLIST\n");
        assert_eq!(camera.steps(), (vec!["3.ts".to_owned()], Step::Finished));
    }

    #[test]
    fn an_index_is_fetched_once_and_gaps_are_passed_over() {
        let mut camera = Camera::new();
        let tail = "#EXT-X-MAP:URI=\"a.mp4\"\n#EXTINF:4,\na1\n#EXT-X-GAP\n#EXTINF:4,\ngap\n\
            #EXTINF:4,\na2\n#EXT-X-MAP:URI=\"b.mp4\"\n#EXTINF:4,\nb1\n#EXT-X-ENDLIST\n";
        camera.list(0, 0, tail);
        let mut loads = Vec::new();
        while let Step::Load(load) = camera.follower.poll().unwrap() {
            loads.push((load.segment.part.uri, load.map.map(|map| map.uri.clone())));
        }
        let expected = [("a1", Some("a.mp4")), ("a2", None), ("b1", Some("b.mp4"))];
        assert_eq!(loads, expected.map(|(uri, map)| (uri.to_owned(), map.map(str::to_owned))));
        camera.list(4, 0, "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:4,\nx\n");
        assert_eq!(camera.follower.poll(), Err(Error::Encrypted("AES-128".to_owned())));
    }

    #[test]
    fn waits_are_bounded() {
        let mut camera = Camera::new();
        let now = camera.now;
        for (target, wait) in [("0", SHORTEST), ("3000", LONGEST)] {
            let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:{target}\n");
            let Playlist::Media(media) = Playlist::parse(&text).unwrap() else { panic!() };
            camera.follower.handle_playlist(now, media);
            assert_eq!(camera.follower.poll().unwrap(), Step::Reload(now + wait));
        }
    }
}
