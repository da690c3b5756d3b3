//! Durations as people write them: `10s`, `250ms`, `1m30s`; a bare number is
//! seconds.

use std::time::Duration;

/// Reads a duration. `None` if it is none, negative or longer than a year.
pub fn parse(text: &str) -> Option<Duration> {
    const LONGEST: f64 = 366.0 * 86_400.0;
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return bounded(seconds, LONGEST);
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|end| *end > 0)?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let scale = match unit.trim() {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    if text.is_empty() { None } else { bounded(total, LONGEST) }
}

/// A duration as people write it, to the millisecond.
pub fn show(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    match (seconds, millis) {
        (0, 0) => "0".to_owned(),
        (0, _) => format!("{millis}ms"),
        (_, 0) if seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
        (_, 0) if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        (_, 0) if seconds % 60 == 0 => format!("{}m", seconds / 60),
        (_, 0) => format!("{seconds}s"),
        _ => format!("{}s", duration.as_secs_f64()),
    }
}

fn bounded(seconds: f64, longest: f64) -> Option<Duration> {
    (seconds.is_finite() && (0.0..=longest).contains(&seconds))
        .then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let vectors = [
            ("10s", Some(10_000)),
            ("250ms", Some(250)),
            ("1m30s", Some(90_000)),
            ("1.5s", Some(1500)),
            ("3", Some(3000)),
            ("0", Some(0)),
            ("", None),
            ("ten", None),
            ("-1s", None),
            ("5 parsecs", None),
            ("s", None),
        ];
        for (text, millis) in vectors {
            assert_eq!(parse(text), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn shown_as_written() {
        for text in ["0", "250ms", "1.5s", "3s", "90s", "2m", "1h", "2d"] {
            assert_eq!(show(parse(text).unwrap()), text);
        }
    }
}
