//! Sound from the viewer to the camera.

use super::*;

/// An offer with a microphone, of whom may talk and of whom may not.
#[tokio::test(flavor = "multi_thread")]
async fn a_microphone_is_heard_only_of_who_may_talk() {
    let scene = Scene::new(1);
    let mut rtc = RtcConfig::new().set_rtp_mode(true).build(Instant::now());
    let mut api = rtc.sdp_api();
    api.add_media(MediaKind::Video, ClientDirection::RecvOnly, None, None, None);
    api.add_media(MediaKind::Audio, ClientDirection::SendRecv, None, None, None);
    let both = api.apply().unwrap().0.to_sdp_string();
    for may_talk in [true, false] {
        let signalling = Signalling { may_talk, ..Scene::signalling() };
        let answer = scene.gateway.answer(&scene.stream, &both, signalling, true).await.unwrap();
        let consumers = scene.stream.snapshot().consumers.unwrap_or_default();
        let hears = |m: &Media| m.direction == Direction::RecvOnly;
        let heard = consumers.iter().any(|c| c.description.medias.iter().any(hears));
        assert_eq!(heard, may_talk);
        // Sound goes to the viewer in any case.
        assert!(answer.sdp.contains("a=sendonly"), "{}", answer.sdp);
        answer.session.goodbye(Goodbye::Delete);
        released(&scene).await;
    }
    // Nothing is left of an offer that only talks.
    let mut rtc = RtcConfig::new().set_rtp_mode(true).build(Instant::now());
    let mut api = rtc.sdp_api();
    api.add_media(MediaKind::Audio, ClientDirection::SendOnly, None, None, None);
    let talk = api.apply().unwrap().0.to_sdp_string();
    let signalling = Signalling { may_talk: false, ..Scene::signalling() };
    let refused = scene.gateway.answer(&scene.stream, &talk, signalling, true).await.unwrap_err();
    assert!(refused.to_string().contains("wants nothing"), "{refused}");
    scene.cancel.cancel();
}
