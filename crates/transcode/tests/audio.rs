//! The demo tone through the encoders and back: the beep stays where it was.

#![allow(clippy::unwrap_used)]

use rs2rtc_transcode::audio::{Encoder, G711, Law, opus};
use rs2rtc_transcode::demo::Tone;
use rs2rtc_transcode::g711;

/// Start of each beep in samples: the first of 2 ms blocks that is loud after quiet.
fn beeps(samples: &[i16], rate: u32) -> Vec<usize> {
    let block = rate as usize / 500;
    let loud: Vec<bool> = samples
        .chunks_exact(block)
        .map(|part| {
            let sum: f64 = part.iter().map(|s| f64::from(*s).powi(2)).sum();
            (sum / block as f64).sqrt() > 3000.0
        })
        .collect();
    (0..loud.len())
        .filter(|&index| loud[index] && (index == 0 || !loud[index - 1]))
        .map(|index| index * block)
        .collect()
}

fn encoded(encoder: &mut dyn Encoder, seconds: usize) -> Vec<bytes::Bytes> {
    let tone = Tone::new(encoder.sample_rate());
    let (frame, channels) = (encoder.frame_samples(), usize::from(encoder.channels()));
    let mut mono = vec![0; frame];
    (0..seconds * encoder.sample_rate() as usize / frame)
        .map(|index| {
            tone.fill((index * frame) as u64, &mut mono);
            let pcm: Vec<i16> =
                mono.iter().flat_map(|sample| std::iter::repeat_n(*sample, channels)).collect();
            encoder.encode(&pcm).unwrap()
        })
        .collect()
}

#[test]
fn opus_keeps_the_beep_in_place() {
    for (channels, low_delay, bitrate) in
        [(1, true, 64_000), (1, false, 32_000), (2, true, 96_000), (2, false, 64_000)]
    {
        let config = opus::Config { channels, bitrate, low_delay, ..opus::Config::default() };
        let mut encoder = opus::Encoder::new(config).unwrap();
        let packets = encoded(&mut encoder, 5);
        let bits = packets.iter().map(|p| p.len() * 8).sum::<usize>() / 5;
        assert!(bits < bitrate as usize * 3 / 2, "{bits} bit/s of {bitrate}");

        let mut decoder = opus::Decoder::new(1).unwrap();
        let mut samples = Vec::new();
        for packet in &packets {
            let part = decoder.decode(Some(packet)).unwrap();
            assert_eq!(part.len(), opus::FRAME_SAMPLES);
            samples.extend(part);
        }
        let found = beeps(&samples, opus::SAMPLE_RATE);
        assert_eq!(found.len(), 5, "{config:?}: {found:?}");
        for (second, at) in found.into_iter().enumerate() {
            let late = at.abs_diff(second * 48_000);
            assert!(late <= 960, "{config:?}: {late} samples off");
        }
    }
}

#[test]
fn g711_keeps_the_beep_in_place() {
    for (law, decode) in
        [(Law::Mu, g711::decode_mu_law as fn(u8) -> i16), (Law::A, g711::decode_a_law)]
    {
        let packets = encoded(&mut G711::new(law), 3);
        assert_eq!(packets.len(), 150);
        let samples: Vec<i16> = packets.iter().flatten().map(|byte| decode(*byte)).collect();
        for (second, at) in beeps(&samples, 8000).into_iter().enumerate() {
            assert!(at.abs_diff(second * 8000) <= 32);
        }
    }
}

#[test]
fn a_lost_packet_is_concealed_and_garbage_refused() {
    let mut encoder = opus::Encoder::new(opus::Config::default()).unwrap();
    let packets = encoded(&mut encoder, 1);
    let mut decoder = opus::Decoder::new(2).unwrap();
    let first = decoder.decode(Some(&packets[0])).unwrap();
    assert_eq!(first.len(), 2 * opus::FRAME_SAMPLES);
    assert_eq!(decoder.decode(None).unwrap().len(), 2 * opus::FRAME_SAMPLES);
    assert!(decoder.decode(Some(&[])).is_err());
    // Several frames without a count, and more than 120 ms (RFC 6716 3.2.5).
    assert!(decoder.decode(Some(&[0xFF])).is_err());
    assert!(decoder.decode(Some(&[0xFF, 0x3F])).is_err());
    for end in 1..packets[1].len() {
        let _ = decoder.decode(Some(&packets[1][..end]));
    }
    assert!(decoder.decode(Some(&packets[2])).is_ok());
}

#[test]
fn lengths_and_settings_are_checked() {
    let mut encoder = opus::Encoder::new(opus::Config::default()).unwrap();
    assert!(encoder.encode(&[0; 959]).is_err());
    assert!(G711::new(Law::A).encode(&[0; 161]).is_err());
    let refused = |config| opus::Encoder::new(config).err().unwrap().to_string();
    let config = opus::Config::default();
    assert_eq!(
        refused(opus::Config { channels: 3, ..config }),
        "OPUS: channels is 3, allowed is 1 or 2"
    );
    assert!(refused(opus::Config { bitrate: 1, ..config }).contains("6000"));
    assert!(refused(opus::Config { complexity: 11, ..config }).contains("0 to 10"));
    assert!(opus::Decoder::new(0).is_err());
}

#[test]
fn the_same_tone_gives_the_same_packets() {
    let packets = || {
        let mut encoder = opus::Encoder::new(opus::Config::default()).unwrap();
        encoded(&mut encoder, 2)
    };
    assert_eq!(packets(), packets());
}
