//! Which of the offered payload types of H.264 and AV1 fits a stream best.
//!
//! Browsers offer H.264 many times, by profile and packetization mode (RFC 6184
//! section 8.1 and 8.2.2). Their decoders read the parameter sets in band, so
//! a near profile plays; another packetization mode does not. They offer AV1 once
//! for each profile (RTP Payload Format for AV1, section 7.2).

use rs2rtc_media::Codec;
use rs2rtc_media::codec::{fmtp_value, h264};

/// `profile-level-id`: profile, constraint flags, level.
type ProfileLevel = [u8; 3];

/// Constrained baseline 3.1, which every WebRTC end plays (RFC 7742 section 6.2).
const CONSTRAINED_BASELINE: ProfileLevel = [0x42, 0xe0, 0x1f];

/// How well an offered payload type fits a stream; the highest wins, the first
/// of equals.
pub(crate) fn score(offered: &str, stream: Option<ProfileLevel>) -> u32 {
    let mode = fmtp_value(offered, "packetization-mode").unwrap_or("0");
    let offered = fmtp_value(offered, "profile-level-id")
        .and_then(profile_level)
        .unwrap_or([0x42, 0x00, 0x0a]);
    let stream = stream.unwrap_or(CONSTRAINED_BASELINE);
    let mut score = match mode {
        "1" => 1000,
        "0" => 500,
        _ => 0,
    };
    if class(offered) == class(stream) {
        score += 200;
    } else if class(offered) == class(CONSTRAINED_BASELINE) {
        score += 100;
    } else if offered[0] == 0x42 {
        score += 50;
    }
    // Among equal profiles the level that is enough, else the nearest.
    if offered[2] >= stream[2] {
        score += 40;
    }
    score + 30_u32.saturating_sub(u32::from(offered[2].abs_diff(stream[2])))
}

/// How well an offered payload type of AV1 fits a stream, by the parameters of both.
pub(crate) fn av1(offered: &str, stream: &str) -> u32 {
    let number = |fmtp, name, usual: u32| {
        fmtp_value(fmtp, name).and_then(|value| value.parse().ok()).unwrap_or(usual)
    };
    let (profile, level) = (|fmtp| number(fmtp, "profile", 0), number(offered, "level-idx", 5));
    // Levels are 0..=31; the highest one cannot be too low.
    u32::from(profile(offered) == profile(stream)) * 100 + level.min(31)
}

/// Profile and level of a stream, from its SDP parameters.
pub(crate) fn of_stream(codec: &Codec) -> Option<ProfileLevel> {
    h264::ParameterSets::from_fmtp(&codec.fmtp)
        .profile_level_id()
        .as_deref()
        .or_else(|| fmtp_value(&codec.fmtp, "profile-level-id"))
        .and_then(profile_level)
}

/// Profile, and for baseline whether it is the constrained one.
fn class(id: ProfileLevel) -> (u8, bool) {
    (id[0], id[0] == 0x42 && id[1] & 0x40 != 0)
}

fn profile_level(text: &str) -> Option<ProfileLevel> {
    let bytes = u32::from_str_radix(text.get(..6)?, 16).ok()?.to_be_bytes();
    Some([bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(stream: Option<ProfileLevel>, offers: &[&str]) -> usize {
        let key = |i: &usize| (score(offers[*i], stream), std::cmp::Reverse(*i));
        (0..offers.len()).max_by_key(key).unwrap()
    }

    #[test]
    fn mode_first_then_profile_then_level() {
        let offers = [
            "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=64001f",
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f",
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f",
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f",
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640032",
        ];
        assert_eq!(best(Some([0x64, 0, 0x1f]), &offers), 4);
        assert_eq!(best(Some([0x64, 0, 0x29]), &offers), 5);
        assert_eq!(best(Some([0x4d, 0x40, 0x28]), &offers), 3);
        assert_eq!(best(Some([0x42, 0xc0, 0x1e]), &offers), 2);
        assert_eq!(best(None, &offers), 2);
        assert_eq!(best(Some([0x58, 0, 0x1e]), &offers), 2);
        assert_eq!(best(None, &["", "packetization-mode=1;profile-level-id=zz"]), 1);
    }

    #[test]
    fn the_profile_of_av1_first() {
        let high = "profile=1;level-idx=12;tier=0";
        assert!(av1("level-idx=5;profile=1", high) > av1("level-idx=31;profile=0", high));
        for stream in ["", "profile=0;level-idx=8"] {
            assert!(av1("", stream) > av1("profile=1", stream), "0 is taken for granted");
            assert!(av1("level-idx=8", stream) > av1("profile=0", stream), "and 5");
        }
        assert_eq!(av1("level-idx=4000000000;profile=x", ""), 131);
    }
}
