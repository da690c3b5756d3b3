//! Random schedules.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rs2rtc_base::ErrorKind;
use rs2rtc_streams::{Departure, Options};
use tokio::time::{sleep, timeout};

use crate::lab::{MS, S, bench, h264};

/// xorshift: schedules that can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Viewers come, park, resume, give up and go at random, over two streams with
/// one device and one without: never two open at once on the device, and in the
/// end nothing is held.
#[tokio::test(start_paused = true)]
async fn random_schedules_leave_nothing_behind() {
    for seed in 1..=30_u64 {
        let b = bench();
        let mut random = Random(seed * 0x9e37_79b9_7f4a_7c15);
        for source in ["dev0/a", "dev0/b", "cam:1"] {
            b.lab.script(source, |s| {
                s.dial = random.below(80) as u32 * MS;
                s.close = random.below(300) as u32 * MS;
                s.lives = (random.below(2) == 0).then(|| (500 + random.below(4000) as u32) * MS);
                for _ in 0..random.below(6) {
                    let kinds = [ErrorKind::Unreachable, ErrorKind::Busy, ErrorKind::NotFound];
                    s.fail.push_back(kinds[random.below(3) as usize]);
                }
            });
        }
        let linger = |random: &mut Random| Options {
            linger: Some(random.below(3) as u32 * 200 * MS),
            ..Options::default()
        };
        let streams = [
            b.stream("a", "dev0/a", linger(&mut random)),
            b.stream("b", "dev0/b", linger(&mut random)),
            b.stream("c", "cam:1", linger(&mut random)),
            b.stream("d", "a", Options::default()),
        ];
        let mut viewers = Vec::new();
        for _ in 0..25 {
            let stream = Arc::clone(&streams[random.below(4) as usize]);
            let mut random = Random(random.0 ^ (random.below(u64::MAX) | 1));
            viewers.push(tokio::spawn(async move {
                let pause = |random: &mut Random, most| sleep(random.below(most) as u32 * MS);
                pause(&mut random, 8000).await;
                let patience = random.below(1500) as u32 * MS;
                let Ok(Ok(mut viewer)) = timeout(patience, stream.attach(h264())).await else {
                    return;
                };
                for _ in 0..random.below(4) {
                    pause(&mut random, 1500).await;
                    viewer.park(Departure::now("silence"));
                    pause(&mut random, 500).await;
                    let patience = random.below(800) as u32 * MS;
                    let _ = timeout(patience, viewer.resume()).await;
                }
                pause(&mut random, 1000).await;
                if random.below(2) == 0 {
                    viewer.detach(Departure::now("close_notify"));
                }
            }));
        }
        for viewer in viewers {
            viewer.await.unwrap();
        }
        sleep(10 * S).await;
        assert_eq!(b.lab.most.load(Ordering::Relaxed), 1, "seed {seed}");
        assert_eq!(b.lab.open_now(), 0, "seed {seed}");
        let counters = b.streams.counters();
        let left = (counters.leases_held, counters.leases_waiting, counters.runs, counters.tasks);
        assert_eq!(left, (0, 0, 0, 0), "seed {seed}");
    }
}
