//! What a player sees of a source that comes back as another one.

use bytes::Bytes;
use rs2rtc_media::rtp;

use super::super::super::scene::{OTHER_SETS, Scene, hex};
use super::*;

/// A player of both tracks, with the channels 0 and 2.
struct Both {
    client: TcpStream,
    /// By track: sequence number and time of its last packet.
    last: [Option<(u16, u32)>; 2],
    cancel: CancellationToken,
}

impl Drop for Both {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Both {
    async fn play(scene: &Scene) -> Self {
        let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
        let config =
            Config { listen: "127.0.0.1:0".into(), timers: patient(), ..Config::default() };
        let streams = scene.streams.clone();
        let server =
            Server::bind(config, Arc::clone(&context), streams, Arc::new(|_, _| Ok(()))).unwrap();
        let url = format!("rtsp://{}/yard", server.local_addr().unwrap());
        let mut client = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
        let cancel = CancellationToken::new();
        context.tasks.spawn("server", server.run(cancel.clone()));
        ask(&mut client, &format!("DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n")).await;
        for track in 0..2 {
            let (number, channel) = (track + 2, track * 2);
            let transport = format!("RTP/AVP/TCP;unicast;interleaved={channel}-{}", channel + 1);
            let setup = format!("SETUP {url}/trackID={track} RTSP/1.0");
            ask(
                &mut client,
                &format!("{setup}\r\nCSeq: {number}\r\nTransport: {transport}\r\n\r\n"),
            )
            .await;
        }
        ask(&mut client, &format!("PLAY {url} RTSP/1.0\r\nCSeq: 9\r\n\r\n")).await;
        Self { client, last: [None; 2], cancel }
    }

    /// The track and the payload of the next packet of media; `None` at the end.
    async fn packet(&mut self) -> Option<(usize, Bytes)> {
        loop {
            let mut head = [0; 4];
            let read = tokio::time::timeout(LIMIT, self.client.read_exact(&mut head));
            read.await.expect("in time").ok()?;
            assert_eq!(head[0], b'$');
            let mut packet = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
            self.client.read_exact(&mut packet).await.unwrap();
            if head[1] % 2 == 1 {
                continue;
            }
            let packet = Bytes::from(packet);
            let (header, payload) = rtp::parse(&packet).unwrap();
            let (track, now) = (usize::from(head[1] / 2), (header.seq.0, header.timestamp));
            if let Some((sequence, time)) = self.last[track].replace(now) {
                assert_eq!(now.0, sequence.wrapping_add(1), "no packet is missing");
                let step = now.1.wrapping_sub(time);
                assert!(step < 1 << 31 && (track == 0 || step > 0), "time goes on: {step}");
            }
            return Some((track, payload));
        }
    }

    /// Reads until both parameter sets have come.
    async fn until(&mut self, sets: (&str, &str)) {
        let mut missing = vec![hex(sets.0), hex(sets.1)];
        while !missing.is_empty() {
            let (_, payload) = self.packet().await.expect("more");
            missing.retain(|set| !payload.windows(set.len()).any(|window| window == set));
        }
    }
}

fn scene() -> Scene {
    Scene::new(Codec::new(CodecId::Pcma).clock(8000))
}

#[tokio::test]
async fn a_source_that_comes_back_changed_goes_on_in_the_same_time() {
    let mut scene = scene();
    let mut player = Both::play(&scene).await;
    (0..3).for_each(|n| scene.picture(n == 0));
    player.until(scene.sets).await;
    let before = player.last[0].map(|(_, time)| time);
    scene.comes_back_changed();
    scene.picture(false);
    (0..2).for_each(|n| scene.picture(n == 0));
    player.until(OTHER_SETS).await;
    assert_ne!(player.last[0].map(|(_, time)| time), before);
    assert_eq!(scene.stream.viewers(), 1);
}

#[tokio::test]
async fn a_track_that_does_not_come_back_ends_the_connection() {
    let mut scene = scene();
    let mut player = Both::play(&scene).await;
    scene.picture(true);
    player.until(scene.sets).await;
    scene.comes_back_silent();
    scene.picture(true);
    while player.packet().await.is_some() {}
    assert_eq!(scene.left().await, "source_failed");
    assert_eq!(scene.stream.viewers(), 0);
}
