//! The recordings: what was asked, and what the reference answered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::harness::Ports;

/// One recording.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Name of the file without its end.
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Http(Box<Http>),
    /// The lines of a conversation.
    Ws(Vec<Value>),
}

/// A request and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) expected: Expected,
    /// The configuration file afterwards, if recorded.
    pub(crate) file_after: Option<String>,
    /// Lines that went and came in the configuration file.
    pub(crate) file_diff: Option<Vec<String>>,
}

/// An answer as it is written down; texts may hold placeholders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    /// `None`: the connection ends without an answer.
    pub(crate) status: Option<u16>,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) json: Option<Value>,
    /// Only the beginning of the body is recorded.
    pub(crate) cut: bool,
    /// Only this last line of the body is recorded.
    pub(crate) last_line: Option<String>,
    /// The body is media, of which only the beginning was recorded.
    pub(crate) binary: bool,
}

impl Expected {
    pub(crate) fn parse(response: &Value) -> Self {
        let headers = response["headers"].as_object().into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            status: response["status"].as_u64().and_then(|s| u16::try_from(s).ok()),
            headers: headers.map(|(k, v)| (k.to_ascii_lowercase(), text(v))).collect(),
            body: text(&response["body"]),
            json: response.get("body_json").cloned(),
            cut: text(&response["note"]).contains("cut"),
            last_line: response["body_last_line"].as_str().map(str::to_owned),
            binary: !response["body_binary"].is_null(),
        }
    }
}

/// The folder of the recordings.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The recorded ports become those of this run.
pub(crate) fn on_ports(text: &str, ports: Ports) -> String {
    text.replace("21984", &ports.api.to_string())
        .replace("28554", &ports.rtsp.to_string())
        .replace("28555", &ports.webrtc.to_string())
        .replace("21935", "1")
}

/// All names of a folder (`http`, `ws`) in the order in which they were recorded.
pub(crate) fn names(kind: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder().join(kind))
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let stem = name.rsplit_once('.')?.0;
            Some(stem.to_owned())
        })
        .collect();
    names.sort_by_key(|name| {
        let digits = name.chars().take_while(char::is_ascii_digit).count();
        (name[..digits].parse::<u32>().unwrap(), name[digits..].to_owned())
    });
    names
}

/// The number a name begins with.
pub(crate) fn number(name: &str) -> u32 {
    let digits = name.chars().take_while(char::is_ascii_digit).count();
    name[..digits].parse().unwrap()
}

/// Loads a case by the name that its group gives it.
pub(crate) fn load(name: &str, ports: Ports) -> Case {
    match name.strip_prefix("ws/") {
        Some(ws_name) => ws(ws_name, ports),
        None => http(name, ports),
    }
}

fn http(name: &str, ports: Ports) -> Case {
    let text = std::fs::read_to_string(folder().join(format!("http/{name}.json"))).unwrap();
    let value: Value = serde_json::from_str(&on_ports(&text, ports)).unwrap();
    let request = &value["request"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let headers = request["headers"].as_object().into_iter().flatten();
    let mut headers: Vec<(String, String)> =
        headers.map(|(name, value)| (name.clone(), text(value))).collect();
    if text(&value["description"]).contains("Host: cam.lan") {
        headers.push(("Host".into(), "cam.lan".into()));
    }
    let diff = value["config_file_diff"].as_array();
    Case {
        name: name.to_owned(),
        kind: Kind::Http(Box::new(Http {
            method: text(&request["method"]),
            url: text(&request["url"]),
            headers,
            body: text(&request["body"]),
            expected: Expected::parse(&value["response"]),
            file_after: value["config_file_after"].as_str().map(str::to_owned),
            file_diff: diff.map(|lines| lines.iter().map(text).collect()),
        })),
    }
}

fn ws(name: &str, ports: Ports) -> Case {
    let text = std::fs::read_to_string(folder().join(format!("ws/{name}.jsonl"))).unwrap();
    let text = on_ports(&text, ports);
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Case { name: format!("ws/{name}"), kind: Kind::Ws(lines) }
}

/// The offer of a recording in `webrtc/`, made whole.
pub(crate) fn offer(name: &str) -> String {
    let text = std::fs::read_to_string(folder().join(format!("webrtc/{name}.json"))).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let lines = value["offer"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    filled(&lines.map(|line| format!("{line}\r\n")).collect::<String>())
}

/// Placeholders of a text that a client sends become values.
pub(crate) fn filled(text: &str) -> String {
    let mut text = text.to_owned();
    for (placeholder, value) in [
        ("<sess>", "4611731400430051336"),
        ("<ver>", "2"),
        ("<ufrag>", "Qx7z"),
        ("<pwd>", "q5Zb2cXk8mN4vP1rT6wY9sLd"),
        (
            "<fingerprint>",
            "6B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08",
        ),
        ("<ssrc>", "1001"),
        ("<foundation>", "842163049"),
        ("<priority>", "2122260223"),
        // Nobody is there: these sessions never connect.
        ("<port>", "9"),
        ("<ip4>", "192.0.2.1"),
        ("<ip6>", "2001:db8::1"),
        ("<n>", "1"),
        ("<track>", "b2a7f5c6-26d4-4f4e-9e0f-0f1f2f3f4f5f"),
    ] {
        text = text.replace(placeholder, value);
    }
    text
}
