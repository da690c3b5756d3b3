//! `/api/streams.dot`: the streams as a graph (`spec/api.md` 3.3).

use std::fmt::Write as _;
use std::sync::Arc;

use rs2rtc_streams::ConnectionSnapshot;
use serde_json::Value;

use super::Api;
use super::call::{Call, Reply, typed};
use super::stream_json;

pub(crate) async fn handle(api: Arc<Api>, call: Call) -> Reply {
    let wanted = call.query.all("src");
    let mut text = String::from("digraph {\n");
    for (name, stream) in api.streams.list() {
        if !wanted.is_empty() && !wanted.contains(&name) {
            continue;
        }
        let snapshot = stream.snapshot();
        for open in snapshot.producers.iter().flatten().filter_map(|p| p.connection.as_ref()) {
            producer(&mut text, open);
        }
        for viewer in snapshot.consumers.iter().flatten() {
            consumer(&mut text, viewer);
        }
    }
    text.push('}');
    typed("text/vnd.graphviz", api.secrets.mask(&text))
}

fn producer(out: &mut String, open: &ConnectionSnapshot) {
    let host = host(open);
    let id = open.id;
    node(out, &host, open, "producer");
    let _ = writeln!(out, "{host} -> {id} [label={}];", quoted(&human(open.bytes_recv)));
    for track in &open.receivers {
        let label = quoted(&human(track.bytes));
        let _ = writeln!(out, "{id} -> {} [label={label}];", track.id);
        let Value::Object(codec) = stream_json::codec(&track.codec) else { continue };
        let mut title = String::new();
        for key in ["codec_name", "sample_rate", "channels", "profile", "level"] {
            if let Some(value) = codec.get(key) {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let _ = write!(title, "{}{key}={text}", if title.is_empty() { "" } else { "\n" });
            }
        }
        let name = quoted(track.codec.id.ffmpeg_name());
        let title = quoted(&title);
        let _ = writeln!(out, "{} [group=node, label={name}, title={title}];", track.id);
    }
    for track in &open.senders {
        let label = quoted(&human(track.bytes));
        let _ = writeln!(out, "{} -> {id} [label={label}];", track.parent);
    }
}

fn consumer(out: &mut String, viewer: &ConnectionSnapshot) {
    let host = host(viewer);
    let id = viewer.id;
    node(out, &host, viewer, "consumer");
    let _ = writeln!(out, "{id} -> {host} [label={}];", quoted(&human(viewer.bytes_send)));
    for track in &viewer.senders {
        let label = quoted(&human(track.bytes));
        let _ = writeln!(out, "{} -> {id} [label={label}];", track.parent);
    }
    for track in &viewer.receivers {
        let label = quoted(&human(track.bytes));
        let _ = writeln!(out, "{id} -> {} [label={label}];", track.id);
    }
}

fn node(out: &mut String, host: &str, connection: &ConnectionSnapshot, group: &str) {
    let about = &connection.description;
    let lines = [
        ("format_name", &about.format_name),
        ("protocol", &about.protocol),
        ("source", &about.source),
        ("url", &about.url),
        ("user_agent", &about.user_agent),
    ];
    let used = lines.iter().filter(|(_, value)| !value.is_empty());
    let title: Vec<String> = used.map(|(key, value)| format!("{key}={value}")).collect();
    let title = quoted(&title.join("\n").replace('"', "'"));
    let label = quoted(&about.format_name);
    let _ = writeln!(out, "{host} [group=host];");
    let _ = writeln!(out, "{} [group={group}, label={label}, title={title}];", connection.id);
}

fn host(connection: &ConnectionSnapshot) -> String {
    let about = &connection.description;
    let remote = about.remote_addr.as_str();
    let host = if about.protocol == "pipe" {
        "127.0.0.1"
    } else if remote.is_empty() {
        "unknown"
    } else if let Some((_, forwarded)) = remote.split_once("forwarded ") {
        forwarded
    } else if let Some(inner) = remote.strip_prefix('[').and_then(|r| r.split(']').next()) {
        inner
    } else {
        remote.split([' ', ',', ':']).next().unwrap_or("unknown")
    };
    // As the reference writes it; only what would break the graph is quoted.
    let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    if plain { host.to_owned() } else { quoted(host) }
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    #[allow(clippy::cast_precision_loss)] // for people
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    format!("{value:.2} {unit}")
}

#[cfg(test)]
mod tests {
    use rs2rtc_streams::Description;

    use super::*;

    #[test]
    fn sizes_and_nodes() {
        assert_eq!(human(999), "999 B");
        assert_eq!(human(1000), "1.00 KB");
        assert_eq!(human(12_345_678), "12.35 MB");
        let connection = ConnectionSnapshot {
            id: 7,
            description: Description {
                format_name: "rtsp".into(),
                remote_addr: "[::1]:5000".into(),
                user_agent: "a \"b\"".into(),
                ..Description::default()
            },
            timings: Vec::new(),
            receivers: Vec::new(),
            senders: Vec::new(),
            bytes_recv: 0,
            bytes_send: 2048,
        };
        let mut out = String::new();
        consumer(&mut out, &connection);
        assert_eq!(
            out,
            "\"::1\" [group=host];\n7 [group=consumer, label=\"rtsp\", title=\"format_name=rtsp\\nuser_agent=a 'b'\"];\n7 -> \"::1\" [label=\"2.05 KB\"];\n"
        );
    }
}
