//! Which segment comes next, and when to look for it (RFC 8216 6.3.3 to 6.3.5).
//!
//! A live stream begins with its newest segment, for the least delay; one that has
//! ended with its first. Who falls out of the list, or whose server began to count
//! anew, goes on with the newest one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::playlist::{Cipher, Error, Map, Media, Part, Segment};

/// Playlists without a new segment after which the stream has ended.
const MAX_IDLE: u32 = 10;
/// With parts the playlist is asked for more often: so many target durations too.
const MAX_IDLE_TARGETS: u32 = 5;
/// Least time between two playlists of a server that waits by itself: it may say so and
/// answer at once. Twice as long with every one from which nothing is loaded.
const LEAST: Duration = Duration::from_millis(20);
/// Limits of the time between two playlists.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// What to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// A segment, or a part of one.
    pub part: Part,
    /// How it is encrypted, if it is.
    pub cipher: Option<Cipher>,
    /// The index to fetch before it: it is not the one that was fetched last.
    pub map: Option<Arc<Map>>,
    /// What it follows has another timeline or another index.
    pub discontinuity: bool,
}

/// When to fetch the playlist again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// Not earlier.
    pub at: Instant,
    /// What it is to wait for: the number of a segment, and of a part in it
    /// (`_HLS_msn` and `_HLS_part`).
    pub until: Option<(u64, usize)>,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Fetch a segment or a part, then ask again.
    Load(Box<Load>),
    /// Fetch the playlist again.
    Reload(Reload),
    /// The stream has ended as it said.
    Finished,
    /// No new segment has come for too long.
    Stalled,
}

/// Follows a media playlist.
#[derive(Debug)]
pub struct Follower {
    media: Media,
    /// Number of the next segment, and of a part in it; `None` before the first
    /// playlist.
    next: Option<(u64, usize)>,
    map: Option<Arc<Map>>,
    /// There was a discontinuity since what was loaded last.
    discontinuity: bool,
    /// Nothing was loaded yet.
    is_first: bool,
    reload: Instant,
    idle: u32,
    /// When something was new last.
    changed: Instant,
    /// Something was loaded since the last playlist.
    has_loaded: bool,
    /// Playlists in a row from which nothing was loaded.
    fruitless: u32,
    /// The server does not wait as it says.
    never_blocks: bool,
}

impl Follower {
    /// Knows no playlist; the first one is to be fetched at once.
    pub fn new(now: Instant) -> Self {
        Self {
            media: Media::default(),
            next: None,
            map: None,
            discontinuity: false,
            is_first: true,
            reload: now,
            idle: 0,
            changed: now,
            has_loaded: true,
            fruitless: 0,
            never_blocks: false,
        }
    }

    /// Takes a playlist that was asked for at `asked` and came at `now`.
    pub fn handle_playlist(&mut self, asked: Instant, now: Instant, media: Media) {
        let end = |media: &Media| {
            let segments = media.sequence.saturating_add(media.segments.len() as u64);
            (segments, media.open.partials.len())
        };
        let (before, after) = (end(&self.media), end(&media));
        let next = match self.next {
            None if media.ended => (media.sequence, 0),
            None => newest(&media),
            // It counts anew, or we were too slow.
            Some(next) if next.0 > after.0 || next.0 < media.sequence => newest(&media),
            Some(next) => next,
        };
        let is_new = self.next.is_none() || before != after;
        self.idle = if is_new { 0 } else { self.idle + 1 };
        if is_new {
            self.changed = now;
        }
        let has_loaded = std::mem::take(&mut self.has_loaded);
        self.fruitless = if has_loaded { 0 } else { self.fruitless.saturating_add(1) };
        let wait = match (media.part_target, is_new) {
            // It waits for what comes by itself.
            (Some(target), true) if self.blocks(&media) => {
                let wait = LEAST.saturating_mul(1 << self.fruitless.min(16));
                wait.min(target.clamp(SHORTEST, LONGEST))
            }
            (Some(target), _) => target.clamp(SHORTEST, LONGEST),
            (None, true) => media.target.clamp(SHORTEST, LONGEST),
            (None, false) => (media.target / 2).clamp(SHORTEST, LONGEST),
        };
        self.reload = asked + wait;
        self.next = Some(next);
        self.media = media;
    }

    /// A request that was to wait for something failed: no other one is made.
    pub const fn handle_refusal(&mut self, now: Instant) {
        self.never_blocks = true;
        self.reload = now;
    }

    /// What to do now.
    ///
    /// # Errors
    /// The next segment is encrypted in a way that is not known here.
    pub fn poll(&mut self) -> Result<Step, Error> {
        loop {
            let Some((number, part)) = self.next else { return Ok(self.wait()) };
            let index = number.checked_sub(self.media.sequence);
            let index = index.and_then(|index| usize::try_from(index).ok());
            let found = index.and_then(|index| self.media.segments.get(index));
            let is_open = index == Some(self.media.segments.len());
            let Some(segment) = found.or_else(|| is_open.then_some(&*self.media.open)) else {
                return Ok(self.wait());
            };
            let (wanted, gap) = match (found, segment.partials.get(part)) {
                // What is whole is fetched as a whole.
                (Some(segment), _) if part == 0 => (segment.part.clone(), segment.gap),
                (_, Some(partial)) if can_be_played(&self.media, segment) => {
                    (partial.part.clone(), partial.gap)
                }
                // The rest of it is not listed, or there is none.
                (Some(_), _) => {
                    self.next = Some((number.saturating_add(1), 0));
                    continue;
                }
                (None, _) => return Ok(self.wait()),
            };
            let is_whole = found.is_some() && part == 0;
            let after = if is_whole {
                (number.saturating_add(1), 0)
            } else {
                (number, part.saturating_add(1))
            };
            if !gap && let Some(method) = &segment.encrypted {
                return Err(Error::Encrypted(method.to_string()));
            }
            let cipher = segment.key.as_ref().map(|key| key.cipher(number));
            let needed = segment.map.clone();
            self.discontinuity |= segment.discontinuity && part == 0;
            self.next = Some(after);
            if gap {
                continue;
            }
            self.has_loaded = true;
            let map = needed.filter(|map| self.map.as_ref() != Some(map));
            if map.is_some() {
                self.map.clone_from(&map);
            }
            let is_first = std::mem::take(&mut self.is_first);
            let differs = std::mem::take(&mut self.discontinuity) || map.is_some();
            let discontinuity = differs && !is_first;
            return Ok(Step::Load(Box::new(Load { part: wanted, cipher, map, discontinuity })));
        }
    }

    fn wait(&self) -> Step {
        let media = &self.media;
        if media.ended {
            return Step::Finished;
        }
        // What comes twice as often as a segment is waited for longer.
        let patience =
            media.part_target.map_or(Duration::ZERO, |_| media.target * MAX_IDLE_TARGETS);
        if self.idle >= MAX_IDLE && self.reload >= self.changed + patience {
            return Step::Stalled;
        }
        let until = self.next.filter(|_| media.part_target.is_some() && self.blocks(media));
        Step::Reload(Reload { at: self.reload, until })
    }

    const fn blocks(&self, media: &Media) -> bool {
        media.can_block && !self.never_blocks
    }
}

/// Where a live stream begins: with the newest part that can be decoded by itself, if
/// there is one, else with the newest segment.
fn newest(media: &Media) -> (u64, usize) {
    let end = media.sequence.saturating_add(media.segments.len() as u64);
    let open = (end, &*media.open);
    let last = media.segments.last().map(|last| (end.saturating_sub(1), last));
    let independent = [Some(open), last].into_iter().flatten().find_map(|(number, segment)| {
        let at =
            segment.partials.iter().rposition(|partial| partial.independent && !partial.gap)?;
        can_be_played(media, segment).then_some((number, at))
    });
    independent.unwrap_or_else(|| (end.saturating_sub(1).max(media.sequence), 0))
}

/// Whether parts of a segment are fetched: how they would be encrypted is not said.
const fn can_be_played(media: &Media, segment: &Segment) -> bool {
    media.part_target.is_some() && segment.key.is_none() && segment.encrypted.is_none()
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
            self.follower.handle_playlist(self.now, self.now, media);
        }

        /// Segments to fetch, and what comes then.
        fn steps(&mut self) -> (Vec<String>, Step) {
            let mut uris = Vec::new();
            loop {
                match self.follower.poll().unwrap() {
                    Step::Load(load) => uris.push(load.part.uri),
                    step => return (uris, step),
                }
            }
        }

        fn reload_after(&self, seconds: u64) -> Step {
            Step::Reload(Reload { at: self.now + Duration::from_secs(seconds), until: None })
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
            loads.push((load.part.uri, load.map.map(|map| map.part.uri.clone())));
        }
        let expected = [("a1", Some("a.mp4")), ("a2", None), ("b1", Some("b.mp4"))];
        assert_eq!(loads, expected.map(|(uri, map)| (uri.to_owned(), map.map(str::to_owned))));
        camera.list(4, 0, "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n#EXTINF:4,\nx\n");
        assert_eq!(camera.follower.poll(), Err(Error::Encrypted("SAMPLE-AES".to_owned())));
    }

    #[test]
    fn discontinuities_are_told_once() {
        let mut camera = Camera::new();
        let tail = "#EXT-X-DISCONTINUITY\n#EXTINF:4,\na\n#EXTINF:4,\nb\n\
            #EXT-X-DISCONTINUITY\n#EXT-X-GAP\n#EXTINF:4,\ngap\n#EXTINF:4,\nc\n\
            #EXT-X-MAP:URI=\"m\"\n#EXTINF:4,\nd\n#EXTINF:4,\ne\n#EXT-X-ENDLIST\n";
        camera.list(0, 0, tail);
        let mut loads = Vec::new();
        while let Step::Load(load) = camera.follower.poll().unwrap() {
            loads.push((load.part.uri, load.discontinuity));
        }
        let expected = [("a", false), ("b", false), ("c", true), ("d", true), ("e", false)];
        assert_eq!(loads, expected.map(|(uri, anew)| (uri.to_owned(), anew)));
        // Of a segment in parts the first one has it.
        let mut camera = Camera::new();
        camera.list(0, 1, &low(&[], &["*a"], ""));
        camera.steps();
        let open = format!("#EXT-X-DISCONTINUITY\n{}", low(&[], &["*b", "c"], ""));
        camera.list(0, 2, &open);
        let mut loads = Vec::new();
        while let Step::Load(load) = camera.follower.poll().unwrap() {
            loads.push((load.part.uri, load.discontinuity));
        }
        assert_eq!(loads, [("b", true), ("c", false)].map(|(uri, anew)| (uri.to_owned(), anew)));
    }

    #[test]
    fn waits_are_bounded() {
        let mut camera = Camera::new();
        let now = camera.now;
        for (target, wait) in [("0", SHORTEST), ("3000", LONGEST)] {
            let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:{target}\n");
            let Playlist::Media(media) = Playlist::parse(&text).unwrap() else { panic!() };
            camera.follower.handle_playlist(now, now, media);
            let reload = Reload { at: now + wait, until: None };
            assert_eq!(camera.follower.poll().unwrap(), Step::Reload(reload));
        }
    }

    #[test]
    fn a_segment_without_a_vector_is_decrypted_by_its_number() {
        let mut camera = Camera::new();
        camera.list(7, 0, "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:4,\na\n#EXTINF:4,\nb\n");
        let Step::Load(load) = camera.follower.poll().unwrap() else { panic!() };
        let iv = 8_u128.to_be_bytes();
        assert_eq!(load.cipher, Some(Cipher { key: "k".into(), iv }));
    }

    /// A playlist of parts, each of the names with `*` in front if it is independent.
    fn low(segments: &[(&str, &[&str])], open: &[&str], control: &str) -> String {
        let parts = |names: &[&str]| -> String {
            let part = |name: &&str| {
                let (name, more) = match name.strip_prefix('*') {
                    Some(name) => (name, ",INDEPENDENT=YES"),
                    None => (*name, ""),
                };
                format!("#EXT-X-PART:DURATION=1,URI=\"{name}\"{more}\n")
            };
            names.iter().map(part).collect()
        };
        let segment =
            |(name, names): &(&str, &[&str])| format!("{}#EXTINF:4,\n{name}\n", parts(names));
        let segments: String = segments.iter().map(segment).collect();
        format!("#EXT-X-PART-INF:PART-TARGET=1\n{control}{segments}{}", parts(open))
    }

    const BLOCKS: &str = "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n";

    #[test]
    fn parts_are_fetched_near_the_live_edge() {
        let mut camera = Camera::new();
        let reload = |camera: &Camera, wait, until| {
            Step::Reload(Reload { at: camera.now + Duration::from_millis(wait), until })
        };
        // From the newest part that can be decoded, which is in a whole segment here.
        camera.list(0, 1, &low(&[("1.ts", &["*a", "b", "*c", "d"])], &["e"], BLOCKS));
        let (uris, step) = camera.steps();
        assert_eq!(uris, ["c", "d", "e"]);
        assert_eq!(step, reload(&camera, 20, Some((2, 1))));
        // The one that was waited for has come.
        camera.list(0, 1, &low(&[("1.ts", &[])], &["e", "f"], BLOCKS));
        assert_eq!(camera.steps(), (vec!["f".to_owned()], reload(&camera, 20, Some((2, 2)))));
        // Nothing has: the server does not wait, and is not asked all the time.
        camera.list(0, 1, &low(&[("1.ts", &[])], &["e", "f"], BLOCKS));
        assert_eq!(camera.steps(), (vec![], reload(&camera, 1000, Some((2, 2)))));
        // The rest of the segment, and the next one as a whole.
        let list = [("1.ts", &[][..]), ("2.ts", &["e", "f", "g"]), ("3.ts", &["h"])];
        camera.list(0, 1, &low(&list, &["i"], BLOCKS));
        assert_eq!(camera.steps().0, ["g", "3.ts", "i"]);
        // A rest that is not listed any more is passed over.
        let list = [("1.ts", &[][..]), ("2.ts", &[]), ("3.ts", &[]), ("4.ts", &[]), ("5.ts", &[])];
        camera.list(0, 1, &low(&list, &[], BLOCKS));
        assert_eq!(camera.steps().0, ["5.ts"]);
        // Who is refused to wait asks as often as parts come.
        camera.follower.handle_refusal(camera.now);
        assert_eq!(camera.steps().1, reload(&camera, 0, None));
        camera.list(0, 1, &low(&list, &["*j"], BLOCKS));
        assert_eq!(camera.steps(), (vec!["j".to_owned()], reload(&camera, 1000, None)));
    }

    /// Whatever it lists: each playlist is another one, and nothing in it is to be loaded.
    #[test]
    fn a_server_that_answers_at_once_is_asked_less_and_less() {
        let mut camera = Camera::new();
        camera.list(0, 1, &low(&[("1.ts", &["*a", "b"])], &["*c", "d"], BLOCKS));
        assert_eq!(camera.steps().0, ["c", "d"]);
        let mut waits = Vec::new();
        for n in 0..12 {
            let open: &[&str] = if n % 2 == 0 { &["*c"] } else { &["*c", "d"] };
            camera.list(0, 1, &low(&[("1.ts", &[])], open, BLOCKS));
            let (uris, Step::Reload(reload)) = camera.steps() else { panic!() };
            assert!(uris.is_empty());
            waits.push(reload.at.duration_since(camera.now).as_millis());
            camera.now = reload.at;
        }
        assert_eq!(waits[..7], [20, 40, 80, 160, 320, 640, 1000]);
        assert_eq!(waits[11], 1000, "as often as parts come");
        camera.list(0, 1, &low(&[("1.ts", &[])], &["*c", "d", "e"], BLOCKS));
        assert_eq!(camera.steps().0, ["e"]);
        camera.list(0, 1, &low(&[("1.ts", &[])], &["*c", "d", "e", "f"], BLOCKS));
        let at = camera.now + LEAST;
        let next = Step::Reload(Reload { at, until: Some((2, 4)) });
        assert_eq!(camera.steps(), (vec!["f".to_owned()], next), "there is something again");
    }

    #[test]
    fn parts_that_cannot_be_played_are_left_alone() {
        let mut camera = Camera::new();
        let key = "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n";
        camera.list(0, 0, &(key.to_owned() + &low(&[("0.ts", &["*a"])], &["*b"], "")));
        assert_eq!(camera.steps().0, ["0.ts"], "how parts are encrypted is not said");
        // No part can be decoded by itself: the newest segment, and what follows.
        let mut camera = Camera::new();
        camera.list(0, 1, &low(&[("1.ts", &["a", "b"])], &["c"], ""));
        assert_eq!(camera.steps().0, ["1.ts", "c"]);
        let gap = "#EXT-X-PART:DURATION=1,URI=\"d\",GAP=YES\n#EXT-X-PART:DURATION=1,URI=\"e\"\n";
        camera.list(0, 1, &(low(&[("1.ts", &[])], &["c"], "") + gap));
        assert_eq!(camera.steps().0, ["e"]);
    }

    #[test]
    fn who_waits_for_parts_has_patience() {
        let mut camera = Camera::new();
        let list = low(&[("1.ts", &[])], &["*a"], "");
        camera.list(0, 1, &list);
        camera.steps();
        for _ in 0..18 {
            camera.now += Duration::from_secs(1);
            camera.list(0, 1, &list);
            assert!(matches!(camera.steps().1, Step::Reload(_)));
        }
        camera.now += Duration::from_secs(2);
        camera.list(0, 1, &list);
        assert_eq!(camera.steps().1, Step::Stalled);
    }
}
