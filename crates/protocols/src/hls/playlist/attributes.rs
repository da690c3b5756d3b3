//! Values of tags: attribute lists and what stands in them (RFC 8216 4.2).

use std::time::Duration;

/// Longest segment that is believed.
const MAX_DURATION: f64 = 3600.0;

/// A number of seconds; 0 for what is none.
pub(super) fn seconds(text: &str) -> Duration {
    let number = text.trim().parse::<f64>().ok().filter(|n| (0.0..=MAX_DURATION).contains(n));
    number.map(Duration::from_secs_f64).unwrap_or_default()
}

/// 128 bits as `0x` and hexadecimal digits, leading zeros left out or not.
pub(super) fn hexadecimal(text: &str) -> Option<[u8; 16]> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let is_plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u128::from_str_radix(digits, 16).ok().filter(|_| is_plain).map(u128::to_be_bytes)
}

/// `length[@from]`.
pub(super) fn byte_range(text: &str) -> Option<(Option<u64>, u64)> {
    let text = text.trim();
    let (length, from) = text.split_once('@').unwrap_or((text, ""));
    let from = if from.is_empty() { None } else { Some(from.parse().ok()?) };
    Some((from, length.parse().ok()?))
}

/// A value of an attribute list (4.2), without its quotes.
pub(super) fn attribute<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = list;
    loop {
        let (key, tail) = rest.split_once('=')?;
        let (value, after) = match tail.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => tail.split_at(tail.find(',').unwrap_or(tail.len())),
        };
        if key.trim() == name {
            return Some(value.trim());
        }
        rest = after.split_once(',').map(|(_, rest)| rest)?;
    }
}
