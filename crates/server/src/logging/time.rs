//! Time stamps of log records: Unix time in JSON, local time of day for people.
//!
//! The zone is read from the system's zone file (TZif, RFC 8536) once; after its
//! last transition the offset of the last one counts.

use std::fmt::Write as _;

use serde_json::Value;

/// Offsets of the local time from UTC.
#[derive(Clone, Debug, Default)]
pub(crate) struct Zone {
    /// (Unix seconds from which it counts, offset in seconds), ascending.
    transitions: Vec<(i64, i64)>,
    first: i64,
}

impl Zone {
    /// UTC.
    pub(crate) fn utc() -> Self {
        Self::default()
    }

    /// The zone of `TZ`, else of `/etc/localtime`, else UTC.
    pub(crate) fn local() -> Self {
        let path = match std::env::var("TZ") {
            Ok(name) if name.is_empty() => return Self::utc(),
            Ok(name) => {
                let name = name.trim_start_matches(':');
                if name.starts_with('/') {
                    name.to_owned()
                } else if name.contains("..") {
                    return Self::utc();
                } else {
                    format!("/usr/share/zoneinfo/{name}")
                }
            }
            Err(_) => "/etc/localtime".to_owned(),
        };
        std::fs::read(path).ok().and_then(|bytes| Self::parse(&bytes)).unwrap_or_default()
    }

    /// Reads a TZif file; `None` if it is none.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let first = Header::parse(bytes)?;
        // Version 2 files repeat everything with 64 bit times.
        if first.version >= b'2' {
            let rest = bytes.get(44 + first.body_len(4)?..)?;
            let header = Header::parse(rest)?;
            return header.zone(rest.get(44..)?, 8);
        }
        first.zone(bytes.get(44..)?, 4)
    }

    fn offset(&self, seconds: i64) -> i64 {
        let after = self.transitions.partition_point(|(from, _)| *from <= seconds);
        let last = after.checked_sub(1).and_then(|i| self.transitions.get(i));
        last.map_or(self.first, |(_, offset)| *offset)
    }
}

struct Header {
    version: u8,
    utc_flags: usize,
    std_flags: usize,
    leaps: usize,
    times: usize,
    types: usize,
    chars: usize,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.get(..4)? != b"TZif" {
            return None;
        }
        let count = |at: usize| -> Option<usize> {
            let raw: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_be_bytes(raw)).ok().filter(|n| *n < 100_000)
        };
        Some(Self {
            version: *bytes.get(4)?,
            utc_flags: count(20)?,
            std_flags: count(24)?,
            leaps: count(28)?,
            times: count(32)?,
            types: count(36)?,
            chars: count(40)?,
        })
    }

    fn body_len(&self, size: usize) -> Option<usize> {
        let times = self.times.checked_mul(size + 1)?;
        let leaps = self.leaps.checked_mul(size + 4)?;
        Some(times + self.types * 6 + self.chars + leaps + self.std_flags + self.utc_flags)
    }

    fn zone(&self, body: &[u8], size: usize) -> Option<Zone> {
        let indexes = body.get(self.times * size..)?;
        let types = indexes.get(self.times..)?;
        let offset = |kind: usize| -> Option<i64> {
            let raw: [u8; 4] = types.get(kind * 6..kind * 6 + 4)?.try_into().ok()?;
            Some(i64::from(i32::from_be_bytes(raw)))
        };
        let mut transitions = Vec::with_capacity(self.times);
        for n in 0..self.times {
            let raw = body.get(n * size..(n + 1) * size)?;
            let negative = raw.first()? & 0x80 != 0;
            let start = if negative { -1i64 } else { 0 };
            let time = raw.iter().fold(start, |t, b| (t << 8) | i64::from(*b));
            transitions.push((time, offset(usize::from(*indexes.get(n)?))?));
        }
        Some(Zone { transitions, first: offset(0)? })
    }
}

/// A moment, split for printing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    nanos: i128,
    seconds: i64,
    offset: i64,
}

impl Stamp {
    /// Nanoseconds since 1970.
    pub(crate) fn new(nanos: i128, zone: &Zone) -> Self {
        let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(0);
        Self { nanos, seconds, offset: zone.offset(seconds) }
    }

    /// Now.
    pub(crate) fn now(zone: &Zone) -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self::new(since.map_or(0, |d| i128::try_from(d.as_nanos()).unwrap_or(0)), zone)
    }

    /// `HH:MM:SS.mmm`, local.
    pub(crate) fn clock(&self) -> String {
        let day = (self.seconds + self.offset).rem_euclid(86_400);
        let milli = self.nanos.rem_euclid(1_000_000_000) / 1_000_000;
        format!("{:02}:{:02}:{:02}.{milli:03}", day / 3600, day / 60 % 60, day % 60)
    }

    /// Year, month, day, local; proleptic Gregorian.
    fn date(&self) -> (i64, i64, i64) {
        let days = (self.seconds + self.offset).div_euclid(86_400) + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        (year + era * 400 + i64::from(month <= 2), month, day)
    }
}

/// How the `time` field of JSON records looks (`log.time`).
#[derive(Clone, Debug)]
pub(crate) struct Style(String);

impl Style {
    /// Empty, `UNIXMS`, `UNIXMICRO`, `UNIXNANO`, or a layout written with the
    /// reference time `2006-01-02 15:04:05`.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// False if records carry no time.
    pub(crate) const fn has_time(&self) -> bool {
        !self.0.is_empty()
    }

    /// The value of the `time` field.
    pub(crate) fn json(&self, stamp: &Stamp) -> Option<Value> {
        let whole = |nanos: i128| Value::from(i64::try_from(nanos).unwrap_or(i64::MAX));
        match self.0.as_str() {
            "" => None,
            "UNIXMS" => Some(whole(stamp.nanos / 1_000_000)),
            "UNIXMICRO" => Some(whole(stamp.nanos / 1000)),
            "UNIXNANO" => Some(whole(stamp.nanos)),
            layout => Some(Value::String(formatted(layout, stamp))),
        }
    }
}

fn formatted(layout: &str, stamp: &Stamp) -> String {
    let (year, month, day) = stamp.date();
    let of_day = (stamp.seconds + stamp.offset).rem_euclid(86_400);
    let nanos = stamp.nanos.rem_euclid(1_000_000_000);
    let zone = |colon: &str| {
        let sign = if stamp.offset < 0 { '-' } else { '+' };
        let minutes = stamp.offset.abs() / 60;
        format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
    };
    let tokens: [(&str, String); 13] = [
        ("2006", format!("{year:04}")),
        ("Z07:00", if stamp.offset == 0 { "Z".to_owned() } else { zone(":") }),
        ("-07:00", zone(":")),
        ("-0700", zone("")),
        ("01", format!("{month:02}")),
        ("02", format!("{day:02}")),
        ("15", format!("{:02}", of_day / 3600)),
        ("04", format!("{:02}", of_day / 60 % 60)),
        ("05", format!("{:02}", of_day % 60)),
        (".000000000", format!(".{nanos:09}")),
        (".999999999", format!(".{nanos:09}").trim_end_matches(['0', '.']).to_owned()),
        (".000000", format!(".{:06}", nanos / 1000)),
        (".000", format!(".{:03}", nanos / 1_000_000)),
    ];
    let mut out = String::new();
    let mut rest = layout;
    'next: while let Some(c) = rest.chars().next() {
        for (token, value) in &tokens {
            if let Some(tail) = rest.strip_prefix(token) {
                out.push_str(value);
                rest = tail;
                continue 'next;
            }
        }
        let _ = write!(out, "{c}");
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts() {
        let stamp = Stamp::new(1_766_841_087_331_000_000, &Zone::utc());
        let text = |layout: &str| Style::new(layout).json(&stamp).unwrap();
        assert_eq!(text("2006-01-02T15:04:05.000Z07:00"), "2025-12-27T13:11:27.331Z");
        assert_eq!(text("UNIXMICRO"), 1_766_841_087_331_000_i64);
        let east = Zone { transitions: vec![(0, 3600), (1_766_841_087, 7200)], first: 0 };
        let stamp = Stamp::new(1_766_841_087_331_000_000, &east);
        assert_eq!(stamp.clock(), "15:11:27.331");
        let text = Style::new("15:04 -0700").json(&stamp).unwrap();
        assert_eq!(text, "15:11 +0200");
    }

    #[test]
    fn zone_files_of_any_length() {
        // Version 1 with one transition to UTC+1 at 1000 s.
        let mut file = b"TZif\0".to_vec();
        file.extend([0; 15]);
        for count in [0u32, 0, 0, 1, 2, 4] {
            file.extend(count.to_be_bytes());
        }
        file.extend(1000u32.to_be_bytes());
        file.push(1);
        for (offset, flag) in [(0i32, 0u8), (3600, 1)] {
            file.extend(offset.to_be_bytes());
            file.extend([flag, 0]);
        }
        file.extend(b"ABC\0");
        let zone = Zone::parse(&file).unwrap();
        assert_eq!((zone.offset(999), zone.offset(1000)), (0, 3600));
        for end in 0..file.len() {
            let _ = Zone::parse(&file[..end]);
        }
    }
}
