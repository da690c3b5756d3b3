//! What a viewer sees of a source that comes back as another one.

use super::*;

const OTHER_SPS: &[u8] = &[0x67, 0x42, 0xe0, 0x28, 0xda, 0x01, 0xe0, 0x08];

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_comes_back_changed_goes_on_in_the_same_time() {
    let mut scene = Scene::new(1);
    let (mut client, session) = scene.viewer(Client::udp()).await;
    client.until(|c| c.connected.is_some());
    (0..4).for_each(|n| scene.picture(n == 0));
    // Sound that comes before the server is connected too is lost.
    client.until(|c| c.pictures() == 4);
    let heard = client.audio_packets;
    let has = |client: &Client, bytes: &[u8]| {
        client.video_payloads.iter().any(|p| p.windows(bytes.len()).any(|w| w == bytes))
    };
    assert!(has(&client, scene.sps) && !has(&client, OTHER_SPS));
    scene.sps = OTHER_SPS;
    scene.comes_back(true);
    // Nothing can be made of it without a keyframe.
    scene.picture(false);
    (0..2).for_each(|n| scene.picture(n == 0));
    client.until(|c| c.pictures() == 6 && c.audio_packets >= heard + 3);
    assert!(has(&client, OTHER_SPS), "the new parameters come in band");
    let times: Vec<u32> = client.video_packets.iter().map(|packet| packet.0).collect();
    let steps = times.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    assert!(steps.clone().all(|step| step < 1 << 31), "time goes on: {times:?}");
    assert_eq!(steps.filter(|step| *step > 0).count(), 5, "each has its own: {times:?}");
    assert_eq!((session.close_reason(), session.parked()), (None, None));
    session.goodbye(Goodbye::Delete);
    released(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_that_does_not_come_back_ends_the_session() {
    let mut scene = Scene::new(1);
    let (mut client, session) = scene.viewer(Client::udp()).await;
    client.until(|c| c.connected.is_some());
    scene.picture(true);
    client.until(|c| c.pictures() == 1);
    scene.comes_back(false);
    scene.picture(true);
    assert_eq!(session.closed().await, "the source does not give this track any more");
    assert_eq!(session.close_code(), Some("source_failed"));
    client.until(|c| c.closed);
    released(&scene).await;
    // Who asks again gets what there is.
    let (mut client, session) = scene.viewer(Client::udp()).await;
    client.until(|c| c.connected.is_some());
    scene.picture(true);
    client.until(|c| c.pictures() >= 1);
    session.goodbye(Goodbye::Delete);
    released(&scene).await;
}
