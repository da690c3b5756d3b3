//! Time stamps of log records: Unix time in JSON, local time of day for people.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use serde_json::Value;

/// The zone of the people who read the log.
#[derive(Clone, Debug)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// The zone of `TZ`, else of the system, else UTC.
    pub(crate) fn local() -> Self {
        Self(TimeZone::try_system().unwrap_or(TimeZone::UTC))
    }
}

/// A moment as the zone sees it.
#[derive(Clone, Debug)]
pub(crate) struct Stamp(ZonedDateTime);

impl Stamp {
    /// `moment` in the zone.
    pub(crate) fn new(moment: Timestamp, zone: &Zone) -> Self {
        Self(moment.to_zoned_datetime(zone.0.clone()))
    }

    /// Now.
    pub(crate) fn now(zone: &Zone) -> Self {
        Self::new(Timestamp::now(), zone)
    }

    /// Nanoseconds since 1970.
    fn nanos(&self) -> i128 {
        self.0.timestamp().as_nanosecond()
    }

    /// `HH:MM:SS.mmm`, local.
    pub(crate) fn clock(&self) -> String {
        let (hour, minute, second) = (self.0.hour(), self.0.minute(), self.0.second());
        let milli = self.0.subsec_nanosecond() / 1_000_000;
        format!("{hour:02}:{minute:02}:{second:02}.{milli:03}")
    }
}

/// How the `time` field of JSON records looks (`log.time`).
#[derive(Clone, Debug)]
pub(crate) enum Style {
    /// Records carry no time.
    None,
    /// Unix time in units of so many nanoseconds.
    Unix(i128),
    /// Text.
    Layout(Vec<Piece>),
}

impl Style {
    /// Empty, `UNIXMS`, `UNIXMICRO`, `UNIXNANO`, or a layout written with the
    /// reference time `Mon Jan 2 15:04:05 MST 2006`.
    pub(crate) fn new(text: &str) -> Self {
        match text {
            "" => Self::None,
            "UNIXMS" => Self::Unix(1_000_000),
            "UNIXMICRO" => Self::Unix(1000),
            "UNIXNANO" => Self::Unix(1),
            layout => Self::Layout(pieces(layout)),
        }
    }

    /// False if records carry no time.
    pub(crate) const fn has_time(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The value of the `time` field.
    pub(crate) fn json(&self, stamp: &Stamp) -> Option<Value> {
        match self {
            Self::None => None,
            Self::Unix(unit) => {
                Some(Value::from(i64::try_from(stamp.nanos() / unit).unwrap_or(i64::MAX)))
            }
            Self::Layout(pieces) => {
                let mut text = String::new();
                pieces.iter().for_each(|piece| piece.write(&mut text, stamp));
                Some(Value::String(text))
            }
        }
    }
}

/// A part of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// As it stands.
    Text(char),
    /// What `strftime` writes for it.
    Field(&'static str),
    /// The offset from UTC as `strftime` writes it; `Z` for none.
    OffsetOrZ(&'static str),
    /// A point or a comma and so many digits of the second.
    Fraction {
        separator: char,
        digits: usize,
        /// Without the zeros at its end, and nothing if only zeros are left.
        trimmed: bool,
    },
}

impl Piece {
    fn write(&self, out: &mut String, stamp: &Stamp) {
        match *self {
            Self::Text(c) => out.push(c),
            Self::OffsetOrZ(_) if stamp.0.offset().seconds() == 0 => out.push('Z'),
            Self::Field(field) | Self::OffsetOrZ(field) => {
                let _ = write!(out, "{}", stamp.0.strftime(field));
            }
            Self::Fraction { separator, digits, trimmed } => {
                let nanos = format!("{:09}", stamp.0.subsec_nanosecond());
                let shown = nanos.get(..digits).unwrap_or(&nanos);
                let shown = if trimmed { shown.trim_end_matches('0') } else { shown };
                if !(trimmed && shown.is_empty()) {
                    let _ = write!(out, "{separator}{shown}");
                }
            }
        }
    }
}

/// What the parts of the reference time stand for, a longer one before what it
/// begins with (documentation of Go's package `time`, constants of layouts).
const FIELDS: &[(&str, Piece)] = &[
    ("January", Piece::Field("%B")),
    ("Jan", Piece::Field("%b")),
    ("Monday", Piece::Field("%A")),
    ("Mon", Piece::Field("%a")),
    ("MST", Piece::Field("%Z")),
    ("2006", Piece::Field("%Y")),
    ("__2", Piece::Field("%_3j")),
    ("_2", Piece::Field("%e")),
    ("002", Piece::Field("%j")),
    ("01", Piece::Field("%m")),
    ("02", Piece::Field("%d")),
    ("03", Piece::Field("%I")),
    ("04", Piece::Field("%M")),
    ("05", Piece::Field("%S")),
    ("06", Piece::Field("%y")),
    ("15", Piece::Field("%H")),
    ("1", Piece::Field("%-m")),
    ("2", Piece::Field("%-d")),
    ("3", Piece::Field("%-I")),
    ("4", Piece::Field("%-M")),
    ("5", Piece::Field("%-S")),
    ("PM", Piece::Field("%p")),
    ("pm", Piece::Field("%P")),
    ("-07:00:00", Piece::Field("%::z")),
    ("-07:00", Piece::Field("%:z")),
    ("-070000", Piece::Field("%z00")),
    ("-0700", Piece::Field("%z")),
    ("-07", Piece::Field("%:::z")),
    ("Z07:00:00", Piece::OffsetOrZ("%::z")),
    ("Z07:00", Piece::OffsetOrZ("%:z")),
    ("Z070000", Piece::OffsetOrZ("%z00")),
    ("Z0700", Piece::OffsetOrZ("%z")),
    ("Z07", Piece::OffsetOrZ("%:::z")),
];

/// Splits a layout. A name that goes on with a small letter is a word (`Janet`),
/// `_2006` is a year, and zeros or nines behind a point or comma are a fraction
/// unless more digits follow.
fn pieces(layout: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = layout;
    while let Some(c) = rest.chars().next() {
        let text = || (Piece::Text(c), c.len_utf8());
        let (piece, len) = field(rest).or_else(|| fraction(rest)).unwrap_or_else(text);
        pieces.push(piece);
        rest = rest.get(len..).unwrap_or_default();
    }
    pieces
}

/// The field that a text begins with, and how long its name is.
fn field(text: &str) -> Option<(Piece, usize)> {
    let (name, piece) = FIELDS.iter().find(|(name, _)| {
        text.strip_prefix(name).is_some_and(|after| match *name {
            "Jan" | "Mon" => !after.starts_with(|c: char| c.is_ascii_lowercase()),
            "_2" => !after.starts_with("006"),
            _ => true,
        })
    })?;
    Some((piece.clone(), name.len()))
}

/// The fraction of a second that a text begins with, and how long that is.
fn fraction(text: &str) -> Option<(Piece, usize)> {
    let separator = text.chars().next().filter(|c| matches!(c, '.' | ','))?;
    let after = text.get(1..)?;
    let digit = after.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let digits = after.chars().take_while(|c| *c == digit).count();
    if digits > 9 || after.get(digits..)?.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some((Piece::Fraction { separator, digits, trimmed: digit == '9' }, digits + 1))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Saturday, 27 December 2025, 13:11:27.331 UTC.
    pub(crate) fn moment(zone: &str) -> Stamp {
        let zone = Zone(TimeZone::posix(zone).unwrap());
        Stamp::new(Timestamp::from_nanosecond(1_766_841_087_331_000_000).unwrap(), &zone)
    }

    #[test]
    fn layouts() {
        let stamp = moment("UTC0");
        let text = |layout: &str| Style::new(layout).json(&stamp).unwrap();
        assert_eq!(text("UNIXMS"), 1_766_841_087_331_i64);
        assert_eq!(text("UNIXMICRO"), 1_766_841_087_331_000_i64);
        assert_eq!(text("UNIXNANO"), 1_766_841_087_331_000_000_i64);
        for (layout, shown) in [
            ("2006-01-02T15:04:05.000Z07:00", "2025-12-27T13:11:27.331Z"),
            ("2006-01-02T15:04:05.999999999Z07:00", "2025-12-27T13:11:27.331Z"),
            ("Mon Jan _2 15:04:05 2006", "Sat Dec 27 13:11:27 2025"),
            ("Monday, 02-Jan-06 15:04:05 MST", "Saturday, 27-Dec-25 13:11:27 UTC"),
            ("Mon, 02 Jan 2006 15:04:05 -0700", "Sat, 27 Dec 2025 13:11:27 +0000"),
            ("3:04PM", "1:11PM"),
            ("January 2, 03.4.5 pm", "December 27, 01.11.27 pm"),
            ("1/2/06 002 __2", "12/27/25 361 361"),
            ("05,000000 05.00 05.9", "27,331000 27.33 27.3"),
            ("Janet Monk _2006 05.0001", "Janet Monk _2025 27.0012"),
            ("-07:00:00 Z0700 \u{65f6}", "+00:00:00 Z \u{65f6}"),
        ] {
            assert_eq!(text(layout), shown, "{layout}");
        }
        assert!(Style::new("").json(&stamp).is_none() && !Style::new("").has_time());
    }

    #[test]
    fn the_zone_has_summer_and_winter() {
        let stamp = moment("AEST-10AEDT,M10.1.0,M4.1.0/3");
        assert_eq!(stamp.clock(), "00:11:27.331");
        let text = |layout: &str| Style::new(layout).json(&stamp).unwrap();
        assert_eq!(text("15:04 -0700 Z07:00 -07 MST"), "00:11 +1100 +11:00 +11 AEDT");
        assert_eq!(text("Mon 2"), "Sun 28");
    }

    #[test]
    fn fractions_leave_no_point_behind() {
        let zone = Zone(TimeZone::UTC);
        let stamp = Stamp::new(Timestamp::from_second(1).unwrap(), &zone);
        let text = Style::new("05.999 05.000").json(&stamp).unwrap();
        assert_eq!(text, "01 01.000");
    }
}
