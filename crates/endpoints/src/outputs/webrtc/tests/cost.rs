//! What viewers cost; measured by hand.

use super::*;

/// CPU time of the media threads so far, in clock ticks of 10 ms.
fn media_ticks() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let ticks = |entry: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (head, tail) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let used = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        head.contains("(media-").then_some(used)
    };
    tasks.filter_map(|entry| ticks(entry.ok()?)).sum()
}

/// Prints what a packet costs at several numbers of viewers. The receivers'
/// part of the loopback is in it; run it alone on a quiet machine.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
#[allow(clippy::print_stderr, clippy::disallowed_methods)]
async fn fan_out_cost() {
    for viewers in [1, 20, 40, 100] {
        let mut scene = Scene::new(1);
        let mut clients = Vec::new();
        let begin = Instant::now();
        for _ in 0..viewers {
            let (mut client, _) = scene.viewer(Client::udp()).await;
            client.until(|c| c.connected.is_some());
            clients.push(client);
        }
        let connecting = begin.elapsed() / viewers;
        // From now on somebody only takes what arrives and answers checks.
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let reader = std::thread::spawn(move || {
            let mut packets = 0_usize;
            while !stopped.is_cancelled() {
                for client in &mut clients {
                    let Link::Udp(socket) = &client.link else { continue };
                    socket.set_nonblocking(true).unwrap();
                    let mut buffer = [0; 2048];
                    while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                        if buffer[0] >= 128 {
                            packets += 1;
                            continue;
                        }
                        let bytes = &buffer[..count];
                        let receive =
                            Receive::new(str0m::net::Protocol::Udp, from, client.local, bytes)
                                .unwrap();
                        client.rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
                    }
                    client.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
                    while let Ok(str0m::Output::Transmit(t)) = client.rtc.poll_output() {
                        let Link::Udp(socket) = &client.link else { continue };
                        let _ = socket.send_to(&t.contents, t.destination);
                    }
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            packets
        });
        scene.picture(true);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = (media_ticks(), scene.sent());
        let mut pace = tokio::time::interval(Duration::from_micros(33_333));
        for n in 1..=120 {
            pace.tick().await;
            // 720p30 at 2 Mbit/s, a keyframe every two seconds.
            scene.picture_of(n % 60 == 0, if n % 60 == 0 { 60_000 } else { 7500 });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (ticks, sent) = (media_ticks() - before.0, scene.sent() - before.1);
        stop.cancel();
        let seen = reader.join().unwrap();
        eprintln!(
            "{viewers:3} viewers: {:.1} us per packet, {sent} sent, {seen} seen in all, {connecting:?} per connection",
            ticks as f64 * 10_000.0 / sent as f64
        );
        scene.gateway.stop().await;
    }
}
