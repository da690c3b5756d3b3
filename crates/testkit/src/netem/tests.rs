//! The network does what its profile says, each time the same.

use super::*;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Sends a numbered datagram every `gap` and tells when which one arrived.
fn run(profile: &str, seed: u64, count: u64, gap: Duration) -> (Vec<(u64, Duration)>, Stats) {
    let begin = Instant::now();
    let mut link = Link::new(profile.parse().unwrap(), seed, begin);
    let mut arrived = Vec::new();
    let mut take = |link: &mut Link<Vec<u8>>, until: Instant| {
        while let Some(due) = link.next_due().filter(|due| *due <= until) {
            let bytes = link.pop_due(due).unwrap();
            let number = u64::from_be_bytes(bytes[2..10].try_into().unwrap());
            arrived.push((number, due - begin));
        }
    };
    for number in 0..count {
        let now = begin + gap * number as u32;
        take(&mut link, now);
        let mut bytes = vec![0x80, 96];
        bytes.extend(number.to_be_bytes());
        bytes.resize(100, 0);
        link.push(now, bytes);
    }
    take(&mut link, begin + gap * count as u32 + ms(3_600_000));
    (arrived, link.stats())
}

#[test]
fn an_empty_profile_changes_nothing() {
    let (arrived, stats) = run("", 1, 100, ms(10));
    let expected: Vec<_> = (0..100).map(|n| (n, ms(10 * n))).collect();
    assert_eq!(arrived, expected);
    assert_eq!((stats.pushed, stats.delivered), (100, 100));
}

#[test]
fn a_seed_is_a_network() {
    let profile = "loss 0.2 burst 100ms jitter 80ms reorder";
    assert_eq!(run(profile, 7, 5000, ms(10)), run(profile, 7, 5000, ms(10)));
    assert_ne!(run(profile, 7, 5000, ms(10)), run(profile, 8, 5000, ms(10)));
    // Twice the datagrams, the same bad periods.
    let (sparse, _) = run("loss 0.3 burst 200ms", 3, 5000, ms(20));
    let (dense, _) = run("loss 0.3 burst 200ms", 3, 10_000, ms(10));
    let even: Vec<_> = dense.into_iter().filter(|(n, _)| n % 2 == 0).map(|(_, at)| at).collect();
    assert_eq!(sparse.into_iter().map(|(_, at)| at).collect::<Vec<_>>(), even);
}

#[test]
fn losses_are_as_frequent_as_asked() {
    let (arrived, stats) = run("loss 0.3", 5, 100_000, ms(1));
    assert!((29_000..31_000).contains(&stats.lost), "{stats:?}");
    assert_eq!(stats.lost + arrived.len() as u64, 100_000);
}

#[test]
fn bad_periods_have_their_mean_length_and_share() {
    // 20,000 s in steps of 10 ms, so that some 30,000 periods are seen.
    let (arrived, stats) = run("loss 0.3 burst 200ms", 11, 2_000_000, ms(10));
    let share = stats.burst as f64 / 2e6;
    assert!((0.29..0.31).contains(&share), "{share}");
    let mut gaps: Vec<u64> = arrived.windows(2).map(|w| w[1].0 - w[0].0 - 1).collect();
    gaps.retain(|gap| *gap > 0);
    let mean = 10.0 * gaps.iter().sum::<u64>() as f64 / gaps.len() as f64;
    // Periods of less than a step are not always seen.
    assert!((193.0..217.0).contains(&mean), "{mean} ms");
    // Exponential: one in e^5 is longer than five times the mean.
    let long = gaps.iter().filter(|gap| **gap >= 100).count() as f64 / gaps.len() as f64;
    assert!((0.005..0.009).contains(&long), "{long}");
}

#[test]
fn jitter_keeps_the_order_unless_told() {
    let (arrived, _) = run("delay 20ms jitter 500ms", 2, 10_000, ms(10));
    assert!(arrived.is_sorted());
    let (arrived, _) = run("delay 20ms jitter 500ms reorder", 2, 10_000, ms(10));
    assert!(!arrived.iter().map(|(n, _)| n).is_sorted());
    let delays: Vec<_> = arrived.iter().map(|(n, at)| *at - ms(10 * n)).collect();
    assert!(delays.iter().all(|d| (ms(20)..ms(520)).contains(d)));
    let mean = delays.iter().sum::<Duration>() / 10_000;
    assert!((ms(262)..ms(278)).contains(&mean), "{mean:?}");
}

#[test]
fn nothing_passes_a_stall() {
    let (arrived, stats) = run("stall 10s/60s", 1, 1200, ms(100));
    assert_eq!(stats.stalled, 200);
    let gaps = arrived.windows(2).filter(|w| w[1].1 - w[0].1 > ms(100));
    assert_eq!(gaps.map(|w| w[1].1 - w[0].1).collect::<Vec<_>>(), [ms(10_100); 2]);
    assert_eq!(arrived[300].1, ms(40_000));
    // Held back instead, in order.
    let (arrived, stats) = run("hold 10s/60s", 1, 1200, ms(100));
    assert_eq!((stats.stalled, arrived.len()), (0, 1200));
    assert!(arrived.is_sorted());
    assert_eq!(arrived[300].1, ms(40_000));
}

#[test]
fn a_bottleneck_delays_then_drops() {
    // 100 bytes every 10 ms are 80 kbit/s.
    let (arrived, stats) = run("rate 160/100ms", 1, 100, ms(10));
    assert_eq!(stats.overflow, 0);
    assert!(arrived.iter().all(|(n, at)| *at == ms(10 * n + 5)));
    let (arrived, stats) = run("rate 40/200ms", 1, 1000, ms(10));
    assert!((480..510).contains(&stats.overflow), "{stats:?}");
    assert!(arrived.iter().all(|(n, at)| *at - ms(10 * n) <= ms(201)));
}

#[test]
fn classes_are_dropped() {
    let now = Instant::now();
    let mut link = Link::new("drop alerts,stun".parse().unwrap(), 1, now);
    for first in [0_u8, 20, 21, 22, 23, 63, 128, 200] {
        link.push(now, vec![first, 200]);
    }
    link.push(now, Vec::new());
    let mut passed = Vec::new();
    while let Some(bytes) = link.pop_due(now) {
        passed.push(bytes.first().copied());
    }
    let expected = [20, 22, 23, 63, 128, 200].map(Some);
    assert_eq!(passed, expected.into_iter().chain([None]).collect::<Vec<_>>());
    link.set("blackhole".parse().unwrap(), now);
    link.push(now, vec![0x80; 20]);
    assert_eq!((link.next_due(), link.stats().filtered), (None, 3));
    assert_eq!(Class::of(&[0x80, 200]), Class::Control);
    assert_eq!(Class::of(&[0x80, 96 | 0x80]), Class::Media);
}

#[test]
fn profiles_are_read() {
    let read = |text: &str| text.parse::<Profile>();
    let profile =
        read("loss 0.3 burst 200ms delay 1.5s stall 10s/10m rate 800/1s drop dtls").unwrap();
    assert_eq!(profile.burst, Some(Burst { loss: 0.3, length: ms(200) }));
    assert_eq!((profile.loss, profile.delay), (0.0, ms(1500)));
    assert_eq!(profile.stall.unwrap().first, ms(300_000));
    assert_eq!(profile.rate, Some(Rate { rate: 100_000, queue: 100_000 }));
    assert_eq!(profile.drop, [Class::Dtls]);
    for bad in [
        "x",
        "loss",
        "loss 2",
        "loss x",
        "delay 5",
        "delay -1s",
        "burst 1s",
        "loss 1 burst 1s",
        "stall 10s",
        "stall 10s/10s",
        "rate 0/1s",
        "drop cheese",
        "delay 1e40s",
        "delay 5h",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}
