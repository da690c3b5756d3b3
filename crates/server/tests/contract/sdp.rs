//! Session descriptions by what they mean.

use std::collections::{BTreeMap, BTreeSet};

/// One media section.
#[derive(Debug, Default)]
struct Section {
    kind: String,
    mid: String,
    direction: String,
    setup: String,
    /// Payload type to codec name and clock.
    codecs: BTreeMap<String, String>,
    lines: Vec<String>,
}

fn sections(text: &str) -> Vec<Section> {
    let mut all: Vec<Section> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        if let Some(media) = line.strip_prefix("m=") {
            let kind = media.split(' ').next().unwrap_or_default().to_owned();
            all.push(Section { kind, ..Section::default() });
        }
        let Some(section) = all.last_mut() else { continue };
        section.lines.push(line.to_owned());
        if let Some(mid) = line.strip_prefix("a=mid:") {
            mid.clone_into(&mut section.mid);
        } else if let Some(setup) = line.strip_prefix("a=setup:") {
            setup.clone_into(&mut section.setup);
        } else if let Some(map) = line.strip_prefix("a=rtpmap:") {
            if let Some((pt, codec)) = map.split_once(' ') {
                section.codecs.insert(pt.to_owned(), codec.to_ascii_uppercase());
            }
        } else if matches!(line, "a=sendonly" | "a=recvonly" | "a=sendrecv" | "a=inactive") {
            line[2..].clone_into(&mut section.direction);
        }
    }
    all
}

/// WebRTC answers: the same sections in the same roles, and no codec that the
/// reference would not have taken. How a stack spells the rest is its own.
pub(crate) fn answers(expected: &str, actual: &str, different: &mut Vec<String>) {
    let (wanted, ours) = (sections(expected), sections(actual));
    if wanted.len() != ours.len() {
        different.push(format!("answer: {} sections instead of {}", ours.len(), wanted.len()));
        return;
    }
    for (wanted, ours) in wanted.iter().zip(&ours) {
        let is = |what: &str, a: &str, b: &str, different: &mut Vec<String>| {
            if a != b {
                different
                    .push(format!("answer, mid {}: {what} {b:?} instead of {a:?}", wanted.mid));
            }
        };
        is("kind", &wanted.kind, &ours.kind, different);
        is("mid", &wanted.mid, &ours.mid, different);
        is("direction", &wanted.direction, &ours.direction, different);
        is("setup", &wanted.setup, &ours.setup, different);
        for (pt, codec) in &ours.codecs {
            let known = wanted.codecs.get(pt).is_some_and(|c| c == codec);
            // Retransmission is what the reference does without.
            if !known && !codec.starts_with("RTX/") {
                different.push(format!("answer, mid {}: codec {pt} {codec}", wanted.mid));
            }
        }
        if ours.codecs.is_empty() && !wanted.codecs.is_empty() {
            different.push(format!("answer, mid {}: no codec", wanted.mid));
        }
    }
    let transports = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix("a=candidate:"));
        lines
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                let word = |index: usize| words.get(index).copied().unwrap_or_default();
                format!("{} {}:{}", word(2), word(4), word(5))
            })
            .collect()
    };
    let (wanted, ours) = (transports(expected), transports(actual));
    if wanted != ours {
        different.push(format!("answer: candidates {ours:?} instead of {wanted:?}"));
    }
}

/// Descriptions of RTSP: line by line, without what an encoder chose.
pub(crate) fn descriptions(
    expected: &str,
    actual: &str,
    at: &str,
    unordered: bool,
    different: &mut Vec<String>,
) {
    let plain = |text: &str| -> Vec<Vec<String>> {
        let mut all: Vec<Vec<String>> = sections(text)
            .into_iter()
            .map(|section| {
                section.lines.iter().filter_map(|line| line_without_choice(line)).collect()
            })
            .collect();
        if unordered {
            all.iter_mut().flatten().for_each(|line| *line = without_number(line));
            all.sort();
        }
        all
    };
    let (wanted, ours) = (plain(expected), plain(actual));
    if wanted != ours {
        different.push(format!("{at}: expected {wanted:?}, got {ours:?}"));
    }
}

/// Dynamic payload types count the sections.
fn without_number(line: &str) -> String {
    let places = ["m=audio 0 RTP/AVP ", "m=video 0 RTP/AVP ", "a=rtpmap:", "a=fmtp:"];
    let Some((place, rest)) = places.iter().find_map(|p| Some((p, line.strip_prefix(p)?))) else {
        return line.to_owned();
    };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(digits);
    match number.parse::<u8>() {
        Ok(96..) => format!("{place}dynamic{rest}"),
        _ => line.to_owned(),
    }
}

fn line_without_choice(line: &str) -> Option<String> {
    if line.starts_with("b=") || line.starts_with("a=control:") {
        return None;
    }
    let Some(format) = line.strip_prefix("a=fmtp:") else { return Some(line.to_owned()) };
    let (pt, parameters) = format.split_once(' ').unwrap_or((format, ""));
    let names: BTreeSet<&str> = parameters
        .split(';')
        .map(|parameter| parameter.trim().split('=').next().unwrap_or_default())
        .filter(|name| !name.is_empty())
        .collect();
    Some(format!("a=fmtp:{pt} {names:?}"))
}
