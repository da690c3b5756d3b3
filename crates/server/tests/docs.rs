//! Every example in the documents is a configuration that we accept.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use rs2rtc_endpoints::table;
use rs2rtc_server::config::Config;
use rs2rtc_server::config::key::Kind;
use rs2rtc_server::config::node::Node;
use rs2rtc_server::config::schema::schema;
use rs2rtc_server::config::sources::alone;
use serde_json::Value;

fn markdown(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            markdown(&path, found);
        } else if path.extension().is_some_and(|e| e == "md") {
            found.push(path);
        }
    }
}

/// The texts of the ```yaml blocks.
fn examples(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("```yaml\n") {
        let (block, tail) = after.split_once("```").unwrap();
        blocks.push(block.to_owned());
        rest = tail;
    }
    blocks
}

#[test]
fn every_example_is_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("README.md"), root.join("README.zh-CN.md")];
    markdown(&root.join("docs"), &mut files);
    let schema = schema();
    let mut count = 0;
    for file in files {
        for example in examples(&std::fs::read_to_string(&file).unwrap()) {
            // Files that an example names are not on this machine.
            let config = Config::from_sources(&alone("example.yaml", &example));
            assert!(
                config.problems.is_empty(),
                "{}: {:?}\n{example}",
                file.display(),
                config.problems
            );
            let mut wrong = Vec::new();
            validate(&schema, &Node::parse(&example).unwrap().to_json(), "", &mut wrong);
            assert!(wrong.is_empty(), "{}: {wrong:?}\n{example}", file.display());
            for stream in config.streams.iter() {
                for source in &stream.sources {
                    if let Some(entry) = table::entry(source) {
                        (entry.check)(source)
                            .unwrap_or_else(|e| panic!("{}: {source}: {e}", file.display()));
                    }
                }
            }
            count += 1;
        }
    }
    assert!(count >= 5, "only {count} examples found");
}

#[test]
fn the_page_of_keys_has_every_key() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = std::fs::read_to_string(docs.join("configuration.md")).unwrap();
    let liveness = std::fs::read_to_string(docs.join("configuration-liveness.md")).unwrap();
    for key in Config::default().keys() {
        let (page, name) = match key.path.split_once(".liveness.") {
            Some((_, timer)) => (&liveness, timer),
            None => (&page, key.path.as_str()),
        };
        let listed = page.lines().find(|l| l.starts_with('|') && l.contains(&format!("`{name}`")));
        if matches!(key.kind, Kind::Section | Kind::NotYet)
            || name == "profile"
            || key.path == "streams.*"
        {
            continue;
        }
        let line = listed.unwrap_or_else(|| panic!("{} is not documented", key.path));
        assert_eq!(line.contains("**restart**"), key.restart, "{line}");
        assert!(!key.about.is_empty() || key.path.contains("liveness"), "{}", key.path);
    }
}

#[test]
fn the_schema_accepts_what_is_read_and_nothing_else() {
    let schema = schema();
    let run = |text: &str| {
        let mut wrong = Vec::new();
        validate(&schema, &Node::parse(text).unwrap().to_json(), "", &mut wrong);
        let read = Config::parse("f", text).problems.iter().all(|p| p.path.is_empty());
        assert_eq!(wrong.is_empty(), read, "{text}: {wrong:?}");
        wrong.is_empty()
    };
    for good in [
        "",
        "streams: {a: , b: 'demo:', c: ['demo:', b], d: {url: 'demo:', linger: 1s, wake: viewer, liveness: fast, clip: 10s}}",
        "streams:\n  a:\n    - demo:\n",
        "webrtc: {listen: , liveness: {profile: fast, parked: 20s}, filters: {udp_ports: [1, 2]}}",
        "log: {level: debug, rtsp: trace}\napi: {username: 7, password: 12, local_auth: yes}",
        "defaults: {stall: 0, liveness: tolerant}\ncompat: go2rtc",
    ] {
        assert!(run(good), "{good}");
    }
    for bad in [
        "streams: {a: 5}",
        "streams: {a: {url: 'demo:', lingre: 1s}}",
        "defaults: {linger: 7200}",
        "defaults: {linger: soon}",
        "defaults: {clip: 600}",
        "webrtc: {liveness: quick}",
        "rtsp: {pkt_size: 70000}",
        "rtsp: {listen: [a]}",
        "api: {lisen: ':1'}",
        "log: {level: loud}",
        "stremas: {}",
        "app: {modules: [apo]}",
        "webrtc: {ice_servers: [{urls: 'stun:a:1', user: b}]}",
    ] {
        assert!(!run(bad), "{bad}");
    }
}

/// The part of JSON schema that ours uses.
fn validate(schema: &Value, value: &Value, path: &str, wrong: &mut Vec<String>) {
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = |schema: &Value| {
            let mut wrong = Vec::new();
            validate(schema, value, path, &mut wrong);
            wrong.is_empty()
        };
        if !any.iter().any(fits) {
            wrong.push(format!("{path}: fits nothing"));
        }
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if let Some(kinds) = schema["type"].as_array() {
        let number = kind == "integer" && kinds.contains(&Value::from("number"));
        if !number && !kinds.contains(&Value::from(kind)) {
            wrong.push(format!("{path}: is a {kind}"));
        }
    }
    if let Some(all) = schema["enum"].as_array()
        && !all.contains(value)
    {
        wrong.push(format!("{path}: {value} is not listed"));
    }
    if let Some(number) = value.as_f64() {
        let low = schema["minimum"].as_f64().is_some_and(|min| number < min);
        let high = schema["maximum"].as_f64().is_some_and(|max| number > max);
        if low || high {
            wrong.push(format!("{path}: {number} is out of range"));
        }
    }
    // The only pattern is that of durations.
    if let (Some(text), true) = (value.as_str(), schema["pattern"].is_string())
        && !text.starts_with(|c: char| c.is_ascii_digit())
    {
        wrong.push(format!("{path}: {text:?} is no duration"));
    }
    if let Some(list) = value.as_array() {
        for item in list {
            validate(&schema["items"], item, &format!("{path}[]"), wrong);
        }
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        match (&schema["properties"][key], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => wrong.push(format!("{path}: unknown")),
            (Value::Null, others) => validate(others, value, &path, wrong),
            (known, _) => validate(known, value, &path, wrong),
        }
    }
}

/// The targets of the links and pictures of a text, without those to other hosts.
fn links(text: &str) -> Vec<String> {
    let markdown = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let html = text.split("src=\"").skip(1).filter_map(|rest| rest.split_once('"'));
    let all = markdown.chain(html).map(|(target, _)| target.to_owned());
    all.filter(|target| !target.contains("://")).collect()
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere_and_every_page_is_linked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut pages = Vec::new();
    markdown(&root.join("docs"), &mut pages);
    let read_mes = ["README.md", "README.zh-CN.md"].map(|name| root.join(name));
    for file in pages.iter().chain(&read_mes) {
        let text = std::fs::read_to_string(file).unwrap();
        for link in links(&text) {
            let (path, place) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { file.clone() } else { file.with_file_name(path) };
            assert!(target.exists(), "{}: {link} leads nowhere", file.display());
            if !place.is_empty() {
                let there = std::fs::read_to_string(&target).unwrap();
                let found = there.lines().any(|l| l.starts_with('#') && anchor(l) == place);
                assert!(found, "{}: {link}: no such heading", file.display());
            }
        }
    }
    for read_me in &read_mes {
        let text = std::fs::read_to_string(read_me).unwrap();
        let linked = links(&text);
        for page in &pages {
            let name = page.strip_prefix(&root).unwrap().to_str().unwrap();
            let found = linked.iter().any(|link| link.split('#').next() == Some(name));
            assert!(found, "{} does not link {name}", read_me.display());
        }
    }
}
