//! A start with hundreds of sources.

use rs2rtc_media::CodecId;
use tokio::time::{Instant, sleep};

use crate::lab::{MS, S, bench, wants};

#[tokio::test(start_paused = true)]
async fn hundreds_of_preloads_dial_one_after_the_other_and_viewers_before_them() {
    let b = bench();
    for n in 0..500 {
        // Of five, three do not answer, one never says anything, one works.
        let how =
            ["fail&dial=1", "fail&dial=1", "fail&dial=1", "dial=99999999", "v=h264&step=1000"]
                [n % 5];
        b.stream(&format!("cam{n}"), &[&format!("cam:{n}?{how}")]);
        b.streams.preload(&format!("cam{n}"), "video").unwrap();
    }
    sleep(S).await;
    assert!(b.lab.dial_times().len() <= 41, "{}", b.lab.dial_times().len());
    // The last in the queue has a viewer now.
    let last = b.streams.get("cam499").unwrap();
    let asked = Instant::now();
    let viewer = last.attach(wants(&[CodecId::H264])).await.unwrap();
    assert!(asked.elapsed() <= 20 * MS, "{:?}", asked.elapsed());
    sleep(40 * S).await;
    let times = b.lab.dial_times();
    for (at, first) in times.iter().enumerate() {
        let second = times[at..].iter().take_while(|time| **time - *first < S).count();
        assert!(second <= 41, "{second} dials in a second");
    }
    let working = b.lab.open().iter().filter(|name| name.parse::<u32>().unwrap() % 5 == 4).count();
    assert_eq!(working, 100, "all that work are open");
    drop(viewer);
    assert!(b.streams.shutdown(10 * S).await);
}
