//! Offers of any bytes: never a panic, and what was accepted can be answered.

#![no_main]

use std::sync::OnceLock;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use rs2rtc_media::Direction;
use rs2rtc_webrtc::{Accept, Certificate, Config, Limits, Offer, Selected, Session};

fn config() -> &'static Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    CONFIG.get_or_init(|| Config {
        certificate: Certificate::generate().expect("randomness"),
        limits: Limits::default(),
    })
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(offer) = Offer::parse(text) else { return };
    let medias = offer.medias().iter().enumerate();
    let selected: Vec<Selected> = medias
        .filter(|(_, m)| m.direction == Direction::SendOnly || m.direction == Direction::RecvOnly)
        .filter_map(|(media, m)| Some(Selected { media, codec: m.codecs.first()?.clone() }))
        .collect();
    let now = Instant::now();
    let request = Accept {
        offer: &offer,
        selected: &selected,
        ufrag: "Afuzz",
        password: "0123456789012345678901",
        local: &[],
        configured: &[],
        complete: true,
        epoch: now,
    };
    if let Ok(mut accepted) = Session::accept(config(), request, now) {
        accepted.session.close("done", now);
    }
});
