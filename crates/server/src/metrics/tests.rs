//! The text forms, read by a small parser of OpenMetrics.

use std::collections::{BTreeMap, BTreeSet};

use rs2rtc_base::ErrorKind;

use super::*;

/// A family as the text describes it.
#[derive(Debug, Default)]
struct Described {
    help: String,
    kind: String,
    unit: String,
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

fn labels(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split(',').filter(|p| !p.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            let value = value.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

/// Fails on everything that the format does not allow and we could get wrong.
fn parse(text: &str) -> BTreeMap<String, Described> {
    let mut all = BTreeMap::<String, Described>::new();
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    let mut current = String::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let (what, rest) = rest.split_once(' ').unwrap();
            let (name, value) = rest.split_once(' ').unwrap();
            if name != current {
                assert!(!all.contains_key(name), "{name} comes twice");
                name.clone_into(&mut current);
            }
            let family = all.entry(name.to_owned()).or_default();
            assert!(family.samples.is_empty(), "{name} is described after its samples");
            match what {
                "HELP" => value.clone_into(&mut family.help),
                "TYPE" => value.clone_into(&mut family.kind),
                "UNIT" => value.clone_into(&mut family.unit),
                _ => panic!("unknown comment {line}"),
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        let (name, inside) = match name.split_once('{') {
            Some((name, inside)) => (name, inside.strip_suffix('}').unwrap()),
            None => (name, ""),
        };
        let family = all.get_mut(&current).expect("described before");
        let rest = name.strip_prefix(&current).unwrap_or_else(|| panic!("{name} in {current}"));
        let allowed: &[&str] = match family.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            kind => panic!("type {kind} of {current}"),
        };
        assert!(allowed.contains(&rest), "{name} in {current}");
        family.samples.push((rest.to_owned(), labels(inside), value.parse().unwrap()));
    }
    all
}

fn released(reason: &'static str, detect: Option<u64>, release: u64) -> Event {
    Event::SourceReleased {
        stream: "cam".into(),
        source: "exec:x".into(),
        viewer: 1,
        reason: reason.into(),
        profile: "default",
        detect: detect.map(Duration::from_millis),
        release: Duration::from_millis(release),
    }
}

fn filled() -> (Metrics, Reading) {
    let metrics = Metrics::default();
    metrics.event(&released("close_notify", Some(6), 32));
    metrics.event(&released("close_notify", Some(4), 400_000));
    metrics.event(&released("some text of a \"stranger\"", None, 3));
    metrics.event(&Event::ViewerResumed {
        stream: "cam".into(),
        viewer: 1,
        parked: Duration::from_secs(1),
    });
    metrics.event(&Event::TalkEnded {
        stream: "cam".into(),
        number: 1,
        by: "a stranger".into(),
        reason: "limit",
        took: Duration::from_secs(120),
    });
    metrics.event(&Event::ViewerParked {
        stream: "cam".into(),
        viewer: 1,
        reason: "silence".into(),
        detect: None,
        profile: "fast",
    });
    metrics.event(&Event::ViewerLeft {
        stream: "cam".into(),
        viewer: 1,
        format: "webrtc".into(),
        reason: "silence".into(),
        detect: None,
        profile: "fast",
    });
    metrics.event(&Event::SourceFailed {
        stream: "cam".into(),
        source: "x".into(),
        error: "no".into(),
        kind: ErrorKind::NotFound,
        retry: None,
    });
    let reading = Reading {
        sessions: vec![("alive", 2), ("parked", 1)],
        links: vec![Link {
            stream: "cam".into(),
            viewer: 1,
            limit: 3.0,
            loss: 0.0,
            rtt: Some(0.001),
        }],
        hints: vec![("icmp", 3, 1)],
        probes_sent: 10,
        open_fds: 17,
        ..Reading::default()
    };
    (metrics, reading)
}

#[test]
fn every_metric_is_described_and_has_its_form() {
    let (metrics, reading) = filled();
    let text = metrics.text(&reading, Form::OpenMetrics);
    let all = parse(&text);
    for (name, family) in &all {
        assert!(name.starts_with("rs2rtc_"), "{name}");
        assert!(family.help.len() > 8 && family.help.ends_with('.'), "{name}: {}", family.help);
        assert!(!family.kind.is_empty(), "{name}");
        assert_eq!(family.unit == "seconds", name.ends_with("_seconds"), "{name}");
        assert!(family.kind != "histogram" || family.unit == "seconds", "{name}");
    }
    let value = |name: &str, rest: &str, wanted: &[(&str, &str)]| {
        let fits = |labels: &BTreeMap<String, String>| {
            wanted.iter().all(|(k, v)| labels.get(*k).is_some_and(|l| l == v))
        };
        let samples = &all[&format!("rs2rtc_{name}")].samples;
        samples.iter().find(|(r, labels, _)| r == rest && fits(labels)).map(|(.., v)| *v)
    };
    let close = [("reason", "close_notify"), ("profile", "default")];
    assert_eq!(value("release_detect_seconds", "_count", &close), Some(2.0));
    assert_eq!(value("release_detect_seconds", "_sum", &close), Some(0.01));
    assert_eq!(value("release_release_seconds", "_count", &close), Some(2.0));
    let bucket = |le| [("reason", "close_notify"), ("profile", "default"), ("le", le)];
    assert_eq!(value("release_total_seconds", "_bucket", &bucket("0.02")), Some(0.0));
    assert_eq!(value("release_total_seconds", "_bucket", &bucket("0.05")), Some(1.0));
    assert_eq!(value("release_total_seconds", "_bucket", &bucket("30.0")), Some(1.0));
    assert_eq!(value("release_total_seconds", "_bucket", &bucket("+Inf")), Some(2.0));
    assert_eq!(value("release_detect_seconds", "_count", &[("reason", "other")]), None);
    assert_eq!(value("release_total_seconds", "_count", &[("reason", "other")]), Some(1.0));
    assert_eq!(value("sessions", "", &[("state", "parked")]), Some(1.0));
    let pardoned = [("source", "icmp"), ("outcome", "pardoned")];
    assert_eq!(value("hints", "_total", &pardoned), Some(1.0));
    assert_eq!(value("resumes", "_total", &[]), Some(1.0));
    assert_eq!(value("source_failures", "_total", &[("kind", "not_found")]), Some(1.0));
    assert_eq!(value("talks", "_total", &[("reason", "limit")]), Some(1.0));
    assert_eq!(value("probes_sent", "_total", &[]), Some(10.0));
    assert_eq!(value("open_fds", "", &[]), Some(17.0));
    assert!(!text.contains("stranger"));
}

#[test]
fn the_older_form_names_counters_as_their_samples() {
    let (metrics, reading) = filled();
    let text = metrics.text(&reading, Form::Plain);
    assert!(
        text.contains("# TYPE rs2rtc_resumes_total counter\nrs2rtc_resumes_total 1\n"),
        "{text}"
    );
    assert!(text.contains("# HELP rs2rtc_resumes_total "));
    assert!(!text.contains("# UNIT") && !text.contains("# EOF"));
    assert!(text.contains("# TYPE rs2rtc_release_total_seconds histogram\n"));
    assert_eq!(Form::of("application/openmetrics-text;version=1.0.0,*/*;q=0.1"), Form::OpenMetrics);
    assert_eq!(Form::of("*/*"), Form::Plain);
}

#[test]
fn every_metric_is_in_the_documents() {
    let (metrics, reading) = filled();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api-rs.md");
    let page = std::fs::read_to_string(root).unwrap();
    let all = parse(&metrics.text(&reading, Form::OpenMetrics));
    let listed = |line: &str| -> Option<String> {
        let name = line.strip_prefix("| `rs2rtc_")?.split('`').next()?;
        Some(format!("rs2rtc_{}", name.trim_end_matches("_total")))
    };
    let documented: BTreeSet<String> = page.lines().filter_map(listed).collect();
    let real: BTreeSet<String> = all.into_keys().collect();
    assert_eq!(documented, real);
}

#[test]
fn sessions_tell_what_they_know_of_their_network() {
    let link = |rtt| Link { stream: "a \"b\"\\\nc".into(), viewer: 7, limit: 3.0, loss: 0.25, rtt };
    let reading = Reading { links: vec![link(None)], ..Reading::default() };
    let text = filled().0.text(&reading, Form::Plain);
    let labels = r#"{stream="a \"b\"\\\nc",viewer="7"}"#;
    assert!(
        text.contains(&format!("rs2rtc_session_silence_limit_seconds{labels} 3.0\n")),
        "{text}"
    );
    assert!(text.contains(&format!("rs2rtc_session_probe_loss{labels} 0.25\n")), "{text}");
    assert!(!text.contains("rs2rtc_session_rtt_seconds{"), "{text}");
    let reading = Reading { links: vec![link(Some(0.5))], ..Reading::default() };
    let text = filled().0.text(&reading, Form::Plain);
    assert!(text.contains(&format!("rs2rtc_session_rtt_seconds{labels} 0.5\n")), "{text}");
}
