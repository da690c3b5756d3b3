//! What shards know of each other and of their clients: whose an address is,
//! who floods, whose way out is cut.

use rs2rtc_webrtc::liveness::{Profile, Reason};

use super::*;

/// A client with a fixed port that is killed and started again: its new session
/// gets what it sends, though the old one still waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_starts_again_on_its_port_is_served_again() {
    for shards in [1, 3] {
        let mut scene = Scene::with(shards, Profile::Fast.into());
        // So that the first shard, which reads the port, has no place free.
        let _other = scene.viewer(Client::udp()).await;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for run in 1..=3 {
            let client = Client::at(socket.try_clone().unwrap());
            let (mut client, session) = scene.viewer(client).await;
            client.until(|c| c.connected.is_some());
            scene.picture(true);
            client.until(|c| c.pictures() > 0);
            assert_eq!(session.close_reason(), None, "{shards} shards, run {run}");
        }
    }
}

/// A viewer that is heard keeps its address: a check does not prove where its sender is.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_cannot_be_claimed() {
    for shards in [1, 3] {
        let mut scene = Scene::new(shards);
        let _other = scene.viewer(Client::udp()).await;
        let (mut viewer, _) = scene.viewer(Client::udp()).await;
        viewer.until(|c| c.connected.is_some());
        // Somebody with a session of its own writes the viewer's address on its checks.
        let Link::Udp(socket) = &viewer.link else { unreachable!() };
        let thief = Client::at(socket.try_clone().unwrap());
        let (mut thief, stolen) = scene.viewer(thief).await;
        let end = Instant::now() + LIMIT;
        loop {
            let reports = scene.gateway.reports().await;
            let report = reports.iter().find(|r| r.viewer == stolen.viewer()).unwrap();
            if report.timeline.iter().any(|mark| mark.name == "reached") {
                break;
            }
            assert!(Instant::now() < end, "its checks do not arrive: {report:?}");
            thief.send();
            thief.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
            viewer.step();
        }
        scene.picture(true);
        viewer.until(|c| c.pictures() > 0);
        viewer.rtc.close().unwrap();
        viewer.until(|c| !c.rtc.is_alive());
        assert_eq!(stolen.close_reason(), None);
        let end = Instant::now() + LIMIT;
        while scene.gateway.ended().is_empty() {
            assert!(Instant::now() < end, "the viewer's goodbye was not heard");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(scene.gateway.ended()[0].reason.map(Reason::code), Some("close_notify"));
    }
}

/// Commands of a client, however many, do not keep media back.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_commands_does_not_starve_media() {
    let mut scene = Scene::new(1);
    let (_absent, flooder) = scene.viewer(Client::udp()).await;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let flood = std::thread::spawn(move || {
        while !stopped.is_cancelled() {
            flooder.signalling_lost(SignallingEnd::Fin);
        }
    });
    let (mut viewer, _) = scene.viewer(Client::udp()).await;
    viewer.until(|c| c.connected.is_some());
    scene.picture(true);
    viewer.until(|c| c.pictures() > 0);
    stop.cancel();
    flood.join().unwrap();
}

/// All fall silent at once, each in a shard of its own.
#[tokio::test(flavor = "multi_thread")]
async fn viewers_of_all_shards_together_make_the_server_doubt_itself() {
    // Whoever is suspected first is not parked before the others are suspected too.
    let silence_min = Duration::from_secs(5);
    let scene = Scene::with(3, Timers { silence_min, ..Profile::Fast.into() });
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(scene.viewer(Client::udp()).await.0);
    }
    // All answer probes from their first one on: late answers would make one more patient.
    let end = Instant::now() + LIMIT;
    while !clients.iter().all(|c| c.connected.is_some()) {
        assert!(Instant::now() < end, "not all are connected");
        clients.iter_mut().for_each(Client::step);
    }
    let end = Instant::now() + LIMIT;
    while !scene.gateway.reports().await.iter().all(|r| r.state == "alive") {
        assert!(Instant::now() < end, "not all are heard at once");
        clients.iter_mut().for_each(Client::step);
    }
    let end = Instant::now() + LIMIT;
    loop {
        let reports = scene.gateway.reports().await;
        let doubted = |r: &&SessionReport| r.timeline.iter().any(|m| m.name == "uplink_doubted");
        if reports.iter().filter(doubted).count() == 3 {
            break;
        }
        assert!(Instant::now() < end, "{reports:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
