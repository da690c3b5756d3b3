//! Numbers in the query of an output. What is none, or out of its range, is refused with the
//! name of the parameter, its value and what may stand there; a parameter without a value
//! is one that is not there.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::call::Query;
use crate::config::duration;

/// Letters of a value that are repeated in the refusal.
const SHOWN: usize = 40;

impl Query {
    /// A whole number.
    ///
    /// # Errors
    /// The text of a 400.
    pub(crate) fn number(
        &self,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, String> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(None);
        }
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.map(Some).ok_or_else(|| match (*range.start(), *range.end()) {
            (0, u64::MAX) => refusal(name, text, "a whole number"),
            (least, most) => refusal(name, text, &format!("a whole number from {least} to {most}")),
        })
    }

    /// One of some numbers.
    ///
    /// # Errors
    /// As [`Query::number`].
    pub(crate) fn one_of(&self, name: &str, all: &[i32]) -> Result<Option<i32>, String> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(None);
        }
        let number = text.parse().ok().filter(|number| all.contains(number));
        number.map(Some).ok_or_else(|| {
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            refusal(name, text, &format!("one of {}", all.join(", ")))
        })
    }

    /// Two whole numbers of at least 1 with a colon between them.
    ///
    /// # Errors
    /// As [`Query::number`].
    pub(crate) fn ratio(&self, name: &str) -> Result<Option<(u32, u32)>, String> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(None);
        }
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
        let pair = text.split_once(':').and_then(|(a, b)| Some((number(a)?, number(b)?)));
        let what = format!("a ratio such as 4:3, of whole numbers from 1 to {}", u32::MAX);
        pair.map(Some).ok_or_else(|| refusal(name, text, &what))
    }

    /// A duration.
    ///
    /// # Errors
    /// As [`Query::number`].
    pub(crate) fn duration(&self, name: &str, most: Duration) -> Result<Option<Duration>, String> {
        match self.get(name) {
            "" => Ok(None),
            text => duration_of(name, text, most).map(Some),
        }
    }

    /// Yes or no. Without a value it is yes.
    ///
    /// # Errors
    /// As [`Query::number`].
    pub(crate) fn flag(&self, name: &str) -> Result<bool, String> {
        match self.get(name) {
            "" => Ok(self.has(name)),
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" => Ok(false),
            text => Err(refusal(name, text, "1 or 0")),
        }
    }
}

/// Reads a value that must be a duration.
///
/// # Errors
/// As [`Query::number`].
pub(crate) fn duration_of(name: &str, text: &str, most: Duration) -> Result<Duration, String> {
    let parsed = duration::parse(text).filter(|value| *value <= most);
    let what = format!("a duration such as 10s or 500ms, at most {}", duration::show(most));
    parsed.ok_or_else(|| refusal(name, text, &what))
}

/// `name: "value" is not what it must be`.
fn refusal(name: &str, value: &str, what: &str) -> String {
    let shown: String = value.chars().take(SHOWN).collect();
    let more = if shown.len() < value.len() { "…" } else { "" };
    format!("{name}: {:?} is not {what}", shown + more)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn numbers_and_what_is_none() {
        let of = |text: &str| Query::parse(text);
        assert_eq!(of("").number("w", 1..=9), Ok(None));
        assert_eq!(of("w").number("w", 1..=9), Ok(None));
        assert_eq!(of("w=9").number("w", 1..=9), Ok(Some(9)));
        for wrong in ["0", "10", "-1", "1.5", "x", "NaN", "1e3", "٣", "99999999999999999999999"] {
            let text = of(&format!("w={wrong}")).number("w", 1..=9).unwrap_err();
            assert_eq!(text, format!("w: {wrong:?} is not a whole number from 1 to 9"));
        }
        let any = of("n=-1").number("n", 0..=u64::MAX).unwrap_err();
        assert_eq!(any, "n: \"-1\" is not a whole number");
        assert_eq!(of("r=-90").one_of("r", &[90, -90]), Ok(Some(-90)));
        let text = of("r=45").one_of("r", &[0, 90]).unwrap_err();
        assert_eq!(text, "r: \"45\" is not one of 0, 90");
        assert_eq!(of("s=4:3").ratio("s"), Ok(Some((4, 3))));
        for wrong in ["4", "0:0", "4:0", "-4:3", "4:3:2", "4:NaN", "4:4294967296", ":"] {
            let text = of(&format!("s={wrong}")).ratio("s").unwrap_err();
            assert!(
                text.starts_with(&format!("s: {wrong:?} is not a ratio such as 4:3")),
                "{text}"
            );
        }
        assert_eq!(of("c=5s").duration("c", DAY), Ok(Some(Duration::from_secs(5))));
        for wrong in ["-1", "1e999", "NaN", "inf", "x", "2d", "1e-", "5 parsecs"] {
            let text = of(&format!("c={wrong}")).duration("c", DAY).unwrap_err();
            let what = "a duration such as 10s or 500ms, at most 1d";
            assert_eq!(text, format!("c: {wrong:?} is not {what}"));
        }
    }

    #[test]
    fn yes_and_no() {
        let of = |text: &str| Query::parse(text).flag("wake");
        for yes in ["wake", "wake=", "wake=1", "wake=true"] {
            assert_eq!(of(yes), Ok(true), "{yes}");
        }
        for no in ["", "wake=0", "wake=off"] {
            assert_eq!(of(no), Ok(false), "{no}");
        }
        assert_eq!(of("wake=2").unwrap_err(), "wake: \"2\" is not 1 or 0");
    }

    #[test]
    fn long_and_strange_values_are_cut_and_quoted() {
        let query = Query::parse(&format!("w={}%0d%0a", "é".repeat(100_000)));
        let text = query.number("w", 1..=9).unwrap_err();
        assert!(text.chars().count() < 100 && text.contains("…\""), "{text}");
        let text = Query::parse("w=1%0d%0aX:").number("w", 1..=9).unwrap_err();
        assert_eq!(text, "w: \"1\\r\\nX:\" is not a whole number from 1 to 9");
    }
}
