//! Compares an answer with a recording: placeholders, ids that only have to be
//! consistent, SDP by what it means.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::case::Expected;
use super::client::Answer;
use super::sdp;

/// What differs, and which known improvements were seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    /// Differences; none: it is the same.
    pub(crate) different: Vec<String>,
    /// Rows of `docs/compatibility.md` that explain what was accepted.
    pub(crate) better: BTreeSet<&'static str>,
}

impl Findings {
    fn differs(&mut self, at: &str, expected: &str, actual: &str) {
        let short = |text: &str| text.chars().take(300).collect::<String>();
        self.different.push(format!(
            "{at}: expected {:?}, got {:?}",
            short(expected),
            short(actual)
        ));
    }
}

/// The rows of `docs/compatibility.md` that rules of this file refer to.
pub(crate) const ROWS: [&str; 11] = [
    "last-error",
    "producer-url",
    "own-version",
    "bytes-send",
    "cors",
    "schemes",
    "unconnected-viewer",
    "unread-receivers",
    "user-agent",
    "webrtc-codecs",
    "webrtc-json",
];

/// How a case may be compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Way {
    /// The order of video and audio is left open.
    pub(crate) unordered: bool,
    /// Counters may be absent: media has only begun to flow.
    pub(crate) young: bool,
}

/// Headers that we may send beyond the recording: they change nothing for a
/// client that does not know them. The policies come with our own pages only.
const EXTRA: [&str; 16] = [
    "accept-ranges",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "age",
    "allow",
    "cache-control",
    "content-length",
    "content-security-policy",
    "cross-origin-resource-policy",
    "date",
    "etag",
    "permissions-policy",
    "referrer-policy",
    "server-timing",
    "transfer-encoding",
    "vary",
];

/// Headers that depend on the moment or on the size.
const VOLATILE: [&str; 3] = ["date", "content-length", "transfer-encoding"];

pub(crate) fn answer(expected: &Expected, actual: &Answer, way: Way) -> Findings {
    let mut found = Findings::default();
    if expected.status != actual.status {
        found.differs("status", &format!("{:?}", expected.status), &format!("{:?}", actual.status));
        if actual.status.is_some() {
            found.differs("body", &expected.body, &actual.text());
        }
        return found;
    }
    for (name, value) in &expected.headers {
        if VOLATILE.contains(&name.as_str()) {
            continue;
        }
        match actual.headers.get(name) {
            Some(ours) if header_matches(name, value, ours) => {}
            ours => found.differs(name, value, ours.map_or("", |v| v)),
        }
    }
    for (name, value) in &actual.headers {
        let known = expected.headers.contains_key(name) || EXTRA.contains(&name.as_str());
        let guard = name == "x-content-type-options";
        if !known && name.starts_with("access-control-") {
            found.better.insert("cors");
            continue;
        }
        if !known && !guard {
            found.differs(name, "", value);
        }
    }
    body(expected, actual, way, &mut found);
    found
}

/// A graph: which nodes there are and what leads where. Numbers, sizes and the
/// order of lines are left open, and so is the address of a viewer.
pub(crate) fn graph(expected: &Expected, actual: &Answer) -> Findings {
    let wanted = Expected { body: String::new(), ..expected.clone() };
    let mut found = answer(&wanted, &Answer { body: Vec::new(), ..actual.clone() }, Way::default());
    let wanted = edges(&expected.body.replace("<ip4>", "127.0.0.1"));
    let ours = edges(&actual.text());
    let same =
        wanted.len() == ours.len() && wanted.iter().zip(&ours).all(|(w, o)| text_matches(w, o));
    if !same {
        found.differs("graph", &wanted.join("\n"), &ours.join("\n"));
    }
    found.better.insert("producer-url");
    found
}

/// The lines of a graph with the labels of nodes in the place of their numbers.
fn edges(text: &str) -> Vec<String> {
    let label = |line: &str| Some(line.split_once("label=\"")?.1.split_once('"')?.0.to_owned());
    let lines = || text.lines().map(|line| line.trim_end_matches(';'));
    let nodes: Vec<(&str, String)> = lines()
        .filter(|line| !line.contains(" -> "))
        .filter_map(|line| Some((line.split_once(' ')?.0, label(line)?)))
        .collect();
    let named = |word: &str| {
        let node = nodes.iter().find(|(number, _)| *number == word);
        node.map_or_else(|| word.to_owned(), |(_, label)| label.clone())
    };
    let mut all: Vec<String> = lines()
        .map(|line| {
            if let Some((from, to)) = line.split_once(" -> ") {
                let to = to.split(' ').next().unwrap_or_default();
                return format!("{} -> {}", named(from), named(to));
            }
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            // Ours tells the address of every producer.
            let url = rest.find("\\nurl=").map_or(rest.len(), |at| at);
            let after = rest.get(url + 2..).and_then(|r| r.find("\\n").or_else(|| r.find('"')));
            let end = after.map_or(rest.len(), |at| url + 2 + at);
            format!("{} {}{}", named(word), &rest[..url], &rest[end..])
        })
        .collect();
    all.sort();
    all
}

fn header_matches(name: &str, expected: &str, actual: &str) -> bool {
    match name {
        // The lists of the reference are part of ours.
        "access-control-allow-methods" | "access-control-allow-headers" => {
            let ours: Vec<String> =
                actual.split(',').map(|v| v.trim().to_ascii_lowercase()).collect();
            expected.split(',').all(|v| ours.contains(&v.trim().to_ascii_lowercase()))
        }
        "connection" | "upgrade" => expected.eq_ignore_ascii_case(actual),
        _ => text_matches(expected, actual),
    }
}

/// The width of a picture in letters, with the codes that clear the terminal before it.
fn drawn(text: &str) -> Option<usize> {
    text.strip_prefix("\u{1b}[2J\u{1b}[H")?.lines().next().map(str::len)
}

fn body(expected: &Expected, actual: &Answer, way: Way, found: &mut Findings) {
    if expected.binary {
        // Other tests look into media; here it is there.
        if actual.body.is_empty() {
            found.differs("body", "media", "nothing");
        }
        return;
    }
    let text = actual.text();
    if let (Some(wanted), Some(ours)) = (drawn(&expected.body), drawn(&text)) {
        // The picture moves: its form is what can be compared.
        if wanted != ours {
            found.differs("width of the picture", &wanted.to_string(), &ours.to_string());
        }
        return;
    }
    if let Some(last) = &expected.last_line {
        let ours = text.trim_end().lines().next_back().unwrap_or_default();
        if !text_matches(last, ours) {
            found.differs("last line", last, ours);
        }
        return;
    }
    if let Some(json) = &expected.json {
        match serde_json::from_str::<Value>(&text) {
            Ok(ours) => {
                let pretty = |text: &str| text.starts_with("{\n");
                if pretty(&expected.body) != pretty(&text) {
                    found.differs("form", &expected.body, &text);
                }
                values(json, &ours, way, found);
            }
            Err(_) => found.differs("body", &expected.body, &text),
        }
        return;
    }
    if expected.body.starts_with("v=0\r\n") {
        sdp::answers(&expected.body, &text, &mut found.different);
        return;
    }
    if expected.body.starts_with("<base64 of the SDP answer") {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(&text).unwrap_or_default();
        if !bytes.starts_with(b"v=0\r\n") {
            found.differs("body", &expected.body, &text);
        }
        return;
    }
    let lines = |text: &str| text.lines().count() > 1 && text.lines().all(|l| l.starts_with('{'));
    if lines(&expected.body) {
        return json_lines(&expected.body, &text, found);
    }
    let matches = match expected.cut {
        true => text.starts_with(&expected.body),
        false => text_matches(&expected.body, &text),
    };
    if !matches {
        found.differs("body", &expected.body, &text);
    }
}

/// The log: our records are our own, their form is not.
fn json_lines(expected: &str, actual: &str, found: &mut Findings) {
    let keys = |line: &str| -> Vec<String> {
        let value: Map<String, Value> = serde_json::from_str(line).unwrap_or_default();
        value.keys().cloned().collect()
    };
    for line in actual.lines() {
        let ours = keys(line);
        for key in ["level", "time", "message"] {
            if !ours.iter().any(|k| k == key) {
                found.differs("log record", key, line);
            }
        }
    }
    for wanted in
        expected.lines().filter(|line| line.contains("listen\"") || line.contains("\"config\""))
    {
        let wanted: Value = serde_json::from_str(wanted).unwrap_or_default();
        let there = actual.lines().any(|line| {
            let ours: Value = serde_json::from_str(line).unwrap_or_default();
            ours["message"] == wanted["message"] && ours["level"] == wanted["level"]
        });
        if !there && wanted["message"] != "[rtmp] listen" {
            found.differs("log", &wanted.to_string(), "no such record");
        }
    }
}

/// Compares two JSON values after their ids were numbered anew.
pub(crate) fn values(expected: &Value, actual: &Value, way: Way, found: &mut Findings) {
    let (mut expected, mut actual) = (expected.clone(), actual.clone());
    if way.unordered {
        sort_tracks(&mut expected);
        sort_tracks(&mut actual);
    }
    renumber(&mut expected);
    renumber(&mut actual);
    value(&expected, &actual, "", way, found);
}

fn value(expected: &Value, actual: &Value, at: &str, way: Way, found: &mut Findings) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            object(expected, actual, at, way, found);
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                value(expected, actual, &format!("{at}[{index}]"), way, found);
            }
        }
        (Value::String(expected), Value::String(actual)) if at.ends_with(".sdp") => {
            if expected.contains("a=fingerprint") {
                sdp::answers(expected, actual, &mut found.different);
            } else {
                sdp::descriptions(expected, actual, at, way.unordered, &mut found.different);
            }
        }
        (Value::String(expected), Value::String(actual)) => {
            if at.ends_with(".user_agent")
                && expected.starts_with("go2rtc/")
                && actual.starts_with("rs2rtc/")
            {
                found.better.insert("user-agent");
            } else if !text_matches(expected, actual) {
                found.differs(at, expected, actual);
            }
        }
        (Value::String(expected), Value::Number(_)) if expected == "<n>" || expected == "<ms>" => {}
        _ if expected == actual => {}
        _ => found.differs(at, &expected.to_string(), &actual.to_string()),
    }
}

/// Whether a value names a source, and not the door with the key that we told a program.
fn is_source(url: &Value) -> bool {
    let is_key =
        |text: &str| text.len() >= 32 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    url.as_str().is_some_and(|url| {
        let last = url.rsplit('/').next().unwrap_or_default();
        (url.contains(':') || url == "external") && !is_key(last)
    })
}

fn object(
    expected: &Map<String, Value>,
    actual: &Map<String, Value>,
    at: &str,
    way: Way,
    found: &mut Findings,
) {
    const COUNTERS: [&str; 5] = ["bytes", "packets", "drops", "bytes_recv", "bytes_send"];
    for (key, wanted) in expected {
        match actual.get(key) {
            Some(ours) if key == "medias" && is_webrtc(expected) && have_less(wanted, ours) => {
                found.better.insert("webrtc-codecs");
            }
            Some(ours) => value(wanted, ours, &format!("{at}.{key}"), way, found),
            None if COUNTERS.contains(&key.as_str()) && way.young => {}
            None => found.differs(&format!("{at}.{key}"), &wanted.to_string(), "nothing"),
        }
    }
    for (key, ours) in actual.iter().filter(|(key, _)| !expected.contains_key(*key)) {
        match key.as_str() {
            "url" if at.contains(".producers[") && is_source(ours) => {
                found.better.insert("producer-url");
            }
            "error" | "error_kind" if at.contains(".producers[") && expected.len() == 1 => {
                found.better.insert("last-error");
            }
            "rs2rtc" if at.is_empty() => {
                found.better.insert("own-version");
            }
            "bytes_send" if at.contains("consumer") => {
                found.better.insert("bytes-send");
            }
            // Of WebRTC alone: what others say is compared.
            "remote_addr" if is_webrtc(expected) => {
                found.better.insert("webrtc-json");
            }
            "bytes_recv" if is_webrtc(expected) => {
                found.better.insert("webrtc-json");
            }
            "level" | "profile" if at.contains(".senders[") => {
                found.better.insert("webrtc-json");
            }
            "bytes" | "packets" | "bytes_recv" if way.young => {}
            _ => found.differs(&format!("{at}.{key}"), "nothing", &ours.to_string()),
        }
    }
}

fn is_webrtc(connection: &Map<String, Value>) -> bool {
    connection.get("format_name").and_then(Value::as_str).is_some_and(|n| n.starts_with("webrtc"))
}

/// Whether medias are the expected ones, some with fewer codecs.
fn have_less(expected: &Value, actual: &Value) -> bool {
    let list = |value: &Value| -> Vec<String> {
        let texts = value.as_array().into_iter().flatten();
        texts.map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
    };
    let (wanted, ours) = (list(expected), list(actual));
    wanted != ours
        && wanted.len() == ours.len()
        && wanted.iter().zip(&ours).all(|(wanted, ours)| wanted == ours || is_part(wanted, ours))
}

/// Whether a media has some of the codecs of another one, and no other codec.
fn is_part(expected: &str, actual: &str) -> bool {
    let parts = |text: &str| -> Vec<String> { text.split(", ").map(str::to_owned).collect() };
    let (wanted, ours) = (parts(expected), parts(actual));
    wanted.len() > ours.len()
        && ours.len() > 2
        && wanted[..2] == ours[..2]
        // The viewer in the place of the recorded browser offers one codec more.
        && ours.iter().all(|codec| wanted.contains(codec) || codec == "H265")
}

/// Leaves out what nobody reads of what was recorded, if ours does so.
pub(crate) fn without_unread(expected: &Value, actual: &Value, found: &mut Findings) -> Value {
    let mut expected = expected.clone();
    let ours = actual["producers"].as_array().into_iter().flatten();
    let ours: usize = ours.filter_map(|p| p["receivers"].as_array()).map(Vec::len).sum();
    let theirs = expected.get_mut("producers").and_then(Value::as_array_mut).into_iter().flatten();
    let lists = theirs.filter_map(|p| p.get_mut("receivers").and_then(Value::as_array_mut));
    let lists: Vec<_> = lists.collect();
    if lists.iter().map(|list| list.len()).sum::<usize>() > ours {
        found.better.insert("unread-receivers");
        for list in lists {
            list.retain(|receiver| !receiver["childs"].is_null());
        }
    }
    expected
}

/// Ids in the order of their appearance; references follow.
fn renumber(value: &mut Value) {
    let mut known = Vec::new();
    collect(value, &mut known);
    rename(value, &known);
}

fn collect(value: &Value, known: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(id) = map.get("id") {
                known.push(id_text(id));
            }
            map.values().for_each(|value| collect(value, known));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, known)),
        _ => {}
    }
}

fn id_text(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

fn rename(value: &mut Value, known: &[String]) {
    let number = |id: &Value| match known.iter().position(|k| *k == id_text(id)) {
        Some(index) => Value::from(index + 1),
        None => Value::from("unknown"),
    };
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match key.as_str() {
                    "id" | "parent" => *value = number(value),
                    "childs" => {
                        let list = value.as_array().into_iter().flatten();
                        let mut list: Vec<Value> = list.map(number).collect();
                        list.sort_by_key(|id| id.as_u64());
                        *value = Value::Array(list);
                    }
                    _ => rename(value, known),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| rename(value, known)),
        _ => {}
    }
}

/// Tracks by codec, medias by text.
fn sort_tracks(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                sort_tracks(value);
                if let Value::Array(list) = value {
                    match key.as_str() {
                        "senders" | "receivers" => {
                            list.sort_by_key(|entry| {
                                let codec = &entry["codec"];
                                (codec["codec_type"].to_string(), codec["codec_name"].to_string())
                            });
                        }
                        "medias" => list.sort_by_key(Value::to_string),
                        _ => {}
                    }
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(sort_tracks),
        _ => {}
    }
}

/// Whether a text is what a pattern with placeholders says.
pub(crate) fn text_matches(pattern: &str, text: &str) -> bool {
    let Some((literal, kind, rest)) = next_placeholder(pattern) else { return pattern == text };
    let Some(text) = text.strip_prefix(literal) else { return false };
    let allowed = |c: char| match kind {
        "n" | "ms" | "port" | "priority" | "ssrc" => c.is_ascii_digit(),
        "hex" => c.is_ascii_hexdigit(),
        "hls_id" | "whip_id" | "ufrag" | "pwd" | "foundation" => {
            c.is_ascii_alphanumeric() || c == '_'
        }
        "version" | "revision" | "ver" => !c.is_whitespace() && c != '"',
        _ => c != '\n',
    };
    let longest = text.find(|c| !allowed(c)).unwrap_or(text.len());
    let least = if kind == "hex" { 32 } else { 1 };
    let ends = (least..=longest).rev().filter(|end| text.is_char_boundary(*end));
    ends.into_iter().any(|end| text_matches(rest, &text[end..]))
}

/// Text before the first placeholder, its kind, text after it. The names of
/// places where children deliver their media are placeholders too.
fn next_placeholder(pattern: &str) -> Option<(&str, &str, &str)> {
    const KINDS: [&str; 22] = [
        "n",
        "ms",
        "port",
        "priority",
        "ssrc",
        "hls_id",
        "whip_id",
        "ufrag",
        "pwd",
        "foundation",
        "version",
        "revision",
        "ver",
        "date",
        "config_path",
        "sess",
        "fingerprint",
        "ip4",
        "ip6",
        "track",
        "style",
        "go version",
    ];
    let hex = hex_name(pattern);
    let mut from = 0;
    while let Some(start) = pattern[from..].find('<').map(|at| at + from) {
        let inside = &pattern[start + 1..];
        if let Some((kind, rest)) = inside.split_once('>').filter(|(kind, _)| KINDS.contains(kind))
        {
            match hex {
                Some(at) if at < start => break,
                _ => return Some((&pattern[..start], kind, rest)),
            }
        }
        from = start + 1;
    }
    hex.map(|at| (&pattern[..at], "hex", &pattern[at + 32..]))
}

fn hex_name(pattern: &str) -> Option<usize> {
    let bytes = pattern.as_bytes();
    let is_hex = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    (0..bytes.len().saturating_sub(31)).find(|at| {
        bytes[*at..at + 32].iter().all(is_hex) && !bytes.get(at + 32).is_some_and(&is_hex)
    })
}

#[test]
fn patterns() {
    assert!(text_matches("a <n> b", "a 12 b"));
    assert!(!text_matches("a <n> b", "a x b"));
    assert!(text_matches("127.0.0.1:<port>", "127.0.0.1:5000"));
    assert!(!text_matches("127.0.0.1:<port>", "127.0.0.1:5000 forwarded x"));
    let name = "0123456789abcdef0123456789abcdef";
    assert!(text_matches(&format!("rtsp://h/{name}"), "rtsp://h/ffffffffffffffffffffffffffffffff"));
    assert!(!text_matches(&format!("rtsp://h/{name}"), "rtsp://h/short"));
    assert!(text_matches("<head> x", "<head> x"));
}

#[test]
fn ids_only_have_to_be_consistent() {
    let expected: Value = serde_json::from_str(
        r#"{"producers":[{"id":"<id:1>","receivers":[{"id":"<id:2>","childs":["<id:4>"]}]}],"consumers":[{"id":"<id:3>","senders":[{"id":"<id:4>","parent":"<id:2>"}]}]}"#,
    )
    .unwrap();
    let good: Value = serde_json::from_str(
        r#"{"producers":[{"id":7,"receivers":[{"id":9,"childs":[3]}]}],"consumers":[{"id":12,"senders":[{"id":3,"parent":9}]}]}"#,
    )
    .unwrap();
    let wrong: Value = serde_json::from_str(
        r#"{"producers":[{"id":7,"receivers":[{"id":9,"childs":[3]}]}],"consumers":[{"id":12,"senders":[{"id":3,"parent":7}]}]}"#,
    )
    .unwrap();
    let check = |actual: &Value| {
        let mut found = Findings::default();
        values(&expected, actual, Way::default(), &mut found);
        found.different.len()
    };
    assert_eq!(check(&good), 0);
    assert_eq!(check(&wrong), 1);
}
