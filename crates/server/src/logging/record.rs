//! One log record and its two forms, JSON and text (`spec/core.md` 5).

use std::fmt::{self, Write as _};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};

use super::time::{Stamp, Style};

/// A record: level, fields in the order they were given, message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// Fields in call order.
    pub(crate) fields: Vec<(String, Value)>,
    /// The text.
    pub(crate) message: String,
}

impl Record {
    /// Puts the module in front of the message, as in `[rtsp] listen`.
    pub(crate) fn prefix(&mut self, module: Option<&str>) {
        if let Some(module) = module.filter(|_| !self.message.starts_with('[')) {
            self.message = format!("[{module}] {}", self.message);
        }
    }

    /// Cuts texts until the JSON line has at most `longest` bytes, and gives that line.
    pub(crate) fn cut(
        &mut self,
        longest: usize,
        level: Level,
        stamp: &Stamp,
        style: &Style,
    ) -> String {
        let mut limit = longest;
        loop {
            let line = self.json(level, stamp, style);
            if line.len() <= longest || limit == 0 {
                return line;
            }
            // What is written as an escape is longer than it was, and there may be many texts.
            limit /= 2;
            shorten(&mut self.message, limit);
            for (_, value) in &mut self.fields {
                if let Value::String(text) = value {
                    shorten(text, limit);
                }
            }
        }
    }

    /// The JSON line with a newline at its end.
    pub(crate) fn json(&self, level: Level, stamp: &Stamp, style: &Style) -> String {
        let mut map = Map::with_capacity(self.fields.len() + 3);
        map.insert("level".into(), level_name(level).into());
        for (key, value) in &self.fields {
            map.insert(key.clone(), value.clone());
        }
        if let Some(time) = style.json(stamp) {
            map.insert("time".into(), time);
        }
        map.insert("message".into(), self.message.clone().into());
        let mut line = Value::Object(map).to_string();
        line.push('\n');
        line
    }

    /// The line for people, with a newline at its end.
    pub(crate) fn text(&self, level: Level, stamp: &Stamp, style: &Style, color: bool) -> String {
        let mut line = String::new();
        let (dim, reset) = if color { ("\x1b[90m", "\x1b[0m") } else { ("", "") };
        if style.has_time() {
            let _ = write!(line, "{dim}{}{reset} ", stamp.clock());
        }
        let (short, paint) = level_text(level);
        if color {
            let _ = write!(line, "{paint}{short}\x1b[0m ");
        } else {
            let _ = write!(line, "{short} ");
        }
        line.push_str(&self.message.replace(['\n', '\r'], " "));
        for (key, value) in &self.fields {
            let key_paint = if color { "\x1b[36m" } else { "" };
            let _ = write!(line, " {key_paint}{key}={reset}");
            match value {
                Value::String(text) if needs_quotes(text) => {
                    let _ = write!(line, "{}", Value::String(text.clone()));
                }
                Value::String(text) => line.push_str(text),
                other => {
                    let _ = write!(line, "{other}");
                }
            }
        }
        line.push('\n');
        line
    }
}

/// Leaves at most `limit` bytes, and a sign that there was more.
fn shorten(text: &mut String, limit: usize) {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        text.push('\u{2026}');
    }
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty() || text.chars().any(|c| c <= ' ' || c == '"' || c == '\\' || c.is_control())
}

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::TRACE => "trace",
        Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warn",
        Level::ERROR => "error",
    }
}

const fn level_text(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::TRACE => ("TRC", "\x1b[34m"),
        Level::DEBUG => ("DBG", ""),
        Level::INFO => ("INF", "\x1b[32m"),
        Level::WARN => ("WRN", "\x1b[33m"),
        Level::ERROR => ("ERR", "\x1b[31m"),
    }
}

/// Which module the records of our own code belong to that name none, by the place in the code;
/// the first one that fits counts.
const PLACES: [(&str, &str); 12] = [
    // They wake sources that wait for a network or a device.
    ("rs2rtc_endpoints::io::changes", "streams"),
    ("rs2rtc_endpoints::io::process", "exec"),
    ("rs2rtc_endpoints::io::rtsp", "rtsp"),
    ("rs2rtc_endpoints::io::rtp", "rtsp"),
    ("rs2rtc_endpoints::io::http", "http"),
    ("rs2rtc_endpoints::io::wire", "api"),
    // The rest of it carries WebRTC.
    ("rs2rtc_endpoints::io", "webrtc"),
    ("rs2rtc_endpoints::outputs::webrtc", "webrtc"),
    ("rs2rtc_endpoints::outputs::picture", "mjpeg"),
    ("rs2rtc_rtsp", "rtsp"),
    ("rs2rtc_streams", "streams"),
    ("rs2rtc_webrtc", "webrtc"),
];

/// The module a record belongs to: its target if that is a plain name, else by its place.
pub(crate) fn module_of<'m>(metadata: &'m Metadata<'_>) -> Option<&'m str> {
    module_of_target(metadata.target())
}

fn module_of_target(target: &str) -> Option<&str> {
    let within = |path: &str| {
        target.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    if let Some((_, module)) = PLACES.iter().find(|(path, _)| within(path)) {
        return Some(module);
    }
    (!target.contains("::") && !target.starts_with("rs2rtc") && target != "app").then_some(target)
}

impl Visit for Record {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

impl Record {
    fn put(&mut self, field: &Field, value: Value) {
        if field.name() == "message" {
            self.message = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        } else {
            self.fields.push((field.name().to_owned(), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::time::tests::moment;
    use super::*;

    fn record() -> Record {
        let fields = vec![
            ("version".to_owned(), Value::from("1.9.14")),
            ("addr".to_owned(), Value::from(":1984")),
            ("n".to_owned(), Value::from(3)),
            ("err".to_owned(), Value::from("no way")),
        ];
        Record { fields, message: "listen".into() }
    }

    #[test]
    fn the_two_forms() {
        let stamp = moment("UTC0");
        let mut record = record();
        record.prefix(Some("api"));
        let style = Style::new("UNIXMS");
        assert_eq!(
            record.json(Level::INFO, &stamp, &style),
            "{\"level\":\"info\",\"version\":\"1.9.14\",\"addr\":\":1984\",\"n\":3,\"err\":\"no way\",\"time\":1766841087331,\"message\":\"[api] listen\"}\n"
        );
        assert_eq!(
            record.text(Level::INFO, &stamp, &style, false),
            "13:11:27.331 INF [api] listen version=1.9.14 addr=:1984 n=3 err=\"no way\"\n"
        );
        let none = Style::new("");
        assert!(record.text(Level::WARN, &stamp, &none, false).starts_with("WRN [api] listen "));
        assert!(!record.json(Level::WARN, &stamp, &none).contains("time"));
        record.message = "two\nlines".into();
        assert!(record.text(Level::ERROR, &stamp, &none, true).contains("two lines"));
    }

    #[test]
    fn a_long_record_is_cut_where_its_texts_are() {
        let stamp = moment("UTC0");
        let style = Style::new("UNIXMS");
        let mut short = record();
        let line = short.json(Level::INFO, &stamp, &style);
        assert_eq!(short.cut(line.len(), Level::INFO, &stamp, &style), line);
        for text in ["x".repeat(5000), "\u{20ac}".repeat(5000), "\0".repeat(5000)] {
            let mut long = record();
            long.fields.push(("first".to_owned(), text.clone().into()));
            long.fields.push(("second".to_owned(), text.clone().into()));
            long.message = text;
            let line = long.cut(2000, Level::INFO, &stamp, &style);
            assert!((600..=2000).contains(&line.len()), "{}", line.len());
            let json: Value = serde_json::from_str(line.strip_suffix('\n').unwrap()).unwrap();
            assert_eq!((&json["addr"], &json["n"]), (&":1984".into(), &3.into()));
            for key in ["first", "second", "message"] {
                let shown = json[key].as_str().unwrap();
                assert!(shown.ends_with('\u{2026}') && shown.len() > 20, "{shown}");
            }
        }
    }

    #[test]
    fn records_belong_to_the_module_of_their_place() {
        for (target, module) in [
            ("rs2rtc_endpoints::io::changes::linux", Some("streams")),
            ("rs2rtc_endpoints::io::shard::worker", Some("webrtc")),
            ("rs2rtc_endpoints::io::rtsp::link", Some("rtsp")),
            ("rs2rtc_streams", Some("streams")),
            ("rs2rtc_streamsets", None),
            ("hyper::proto", None),
            ("app", None),
            ("config", Some("config")),
        ] {
            assert_eq!(module_of_target(target), module, "{target}");
        }
    }
}
