//! Playlists, and what a follower makes of one.

use std::time::{Duration, Instant};

use rs2rtc_protocols::hls::{Choice, Follower, Playlist, Segment, Step};

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Playlist::parse(&text) {
        Ok(Playlist::Master(variants)) => {
            for choice in [Choice::First, Choice::Best, Choice::Smallest] {
                assert!(choice.of(&variants).is_some(), "a master playlist has variants");
            }
        }
        Ok(Playlist::Media(media)) => {
            let now = Instant::now();
            let partials = |segment: &Segment| segment.partials.len();
            let count = media.segments.len()
                + media.segments.iter().map(partials).sum::<usize>()
                + partials(&media.open);
            let mut follower = Follower::new(now);
            // Twice: as it comes first, and as one that has not changed.
            for _ in 0..2 {
                follower.handle_playlist(now, now, media.clone());
                let mut loads = 0;
                while let Ok(Step::Load(_)) = follower.poll() {
                    loads += 1;
                }
                assert!(loads <= count, "each segment and each part once");
                if let Ok(Step::Reload(reload)) = follower.poll() {
                    assert!(reload.at <= now + Duration::from_secs(60), "a wait is bounded");
                }
            }
        }
        Err(_) => {}
    }
}
