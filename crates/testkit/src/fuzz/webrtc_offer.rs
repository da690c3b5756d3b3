//! Offers of any bytes: never a panic, and what was read can be answered.

use std::sync::OnceLock;
use std::time::Instant;

use rs2rtc_webrtc::liveness::{Reason, Timers};
use rs2rtc_webrtc::{Accept, Certificate, Config, Offer, Selected, Session};

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(offer) = Offer::parse_channel(&text) {
        answer(&offer, &[]);
    }
    let Ok(offer) = Offer::parse(&text) else { return };
    assert!(!offer.medias().is_empty());
    let first = |(media, m): (usize, &rs2rtc_media::Media)| {
        Some(Selected { media, codec: m.codecs.first()?.clone() })
    };
    let selected: Vec<Selected> = offer.medias().iter().enumerate().filter_map(first).collect();
    answer(&offer, &selected);
}

fn answer(offer: &Offer, selected: &[Selected]) {
    let now = Instant::now();
    let request = Accept {
        offer,
        selected,
        ufrag: "Afuzz",
        password: "0123456789012345678901",
        local: &[],
        configured: &[],
        complete: true,
        epoch: now,
        timers: Timers::default(),
        held: true,
        seed: [1; 32],
    };
    if let Ok(mut accepted) = Session::accept(config(), request, now) {
        assert!(accepted.answer.starts_with("v=0\r\n"));
        accepted.session.close(Reason::Admin, "done", now);
    }
}

fn config() -> &'static Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    CONFIG.get_or_init(|| Config { certificate: Certificate::generate().expect("randomness") })
}
