//! The table of sources keeps its promises.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::ErrorKind;
use rs2rtc_endpoints::Context;
use rs2rtc_endpoints::modules::Modules;
use rs2rtc_endpoints::table::{OUTLETS, SOURCES, Table, entry};
use rs2rtc_streams::{CancellationToken, OpenRequest, Opener as _, Origin, Settings, Streams};

#[test]
fn schemes_are_unique_and_documented() {
    let mut seen = HashSet::new();
    for source in SOURCES {
        for scheme in source.schemes {
            assert!(seen.insert(*scheme), "{scheme} is there twice");
        }
        let page =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sources").join(source.docs);
        assert!(page.exists(), "{} has no page {}", source.title, page.display());
        assert!(std::ptr::eq(entry(source.example).unwrap(), source), "{}", source.example);
        (source.check)(source.example).unwrap();
    }
}

#[test]
fn outlets_are_unique_documented_and_found() {
    let table = Table::new(Context::new(Default::default(), Default::default(), "rs2rtc/test"));
    let mut seen = HashSet::new();
    for outlet in OUTLETS {
        let page =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/outputs").join(outlet.docs);
        assert!(page.exists(), "{} has no page {}", outlet.title, page.display());
        for scheme in outlet.schemes {
            assert!(seen.insert(*scheme), "{scheme} is there twice");
            let url = format!("{scheme}://h/x");
            (outlet.check)(&url).unwrap();
            assert!(table.destination(&url, Origin::Stranger).unwrap().is_some(), "{scheme}");
            let wrong = table.destination(&format!("{scheme}:///x"), Origin::Config);
            assert_eq!(wrong.err().map(|e| e.kind()), Some(ErrorKind::Config), "{scheme}");
        }
    }
    for none in ["http://127.0.0.1:1/x", "exec:cat", "x", ""] {
        assert!(table.destination(none, Origin::Config).unwrap().is_none(), "{none}");
    }
}

#[test]
fn the_network_names_no_program_and_no_file() {
    let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
    let table = Table::new(context);
    for bad in [
        "exec:reboot",
        "echo:x",
        "expr:x",
        "ffmpeg:/etc/passwd",
        "ffmpeg:device?video=/dev/video0",
        "ffmpeg:rtsp://h/x#raw=-f null",
        "ffmpeg:rtsp://h/x#input=-i /etc/passwd",
        "ffmpeg:rtsp://192.168.1.10/x#raw=-vf hflip -y /etc/passwd",
        "ffmpeg:media/a b.mp4",
        "rtsp://192.168.1.10/a b",
        "nonsense:x",
        "",
    ] {
        assert!(table.check(bad, Origin::Api).is_err(), "{bad}");
    }
    for good in [
        "rtsp://192.168.1.10/x",
        "ffmpeg:rtsp://192.168.1.10/x#video=h264",
        "ffmpeg:camera.door#audio=opus#query=log_level=debug",
        "ffmpeg:rtsp://192.168.1.10/x#video=h264#audio=copy#raw=-vf hflip",
        "demo:",
    ] {
        table.check(good, Origin::Api).unwrap_or_else(|e| panic!("{good}: {e}"));
    }
    assert!(table.check("exec:reboot", Origin::Config).is_ok());
}

#[test]
fn an_existing_stream_may_be_named_whatever_its_name() {
    let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
    let table = Arc::new(Table::new(Arc::clone(&context)));
    let streams = Streams::new(Arc::clone(&table) as _, Settings::default());
    context.set_streams(streams.clone());
    let source = "ffmpeg:cam.front#audio=opus";
    assert!(table.check(source, Origin::Api).is_err(), "it is a file");
    streams.create("cam.front", &["demo:".to_owned()], Origin::Config).unwrap();
    table.check(source, Origin::Api).unwrap();
    table.check("ffmpeg:./cam.front#audio=opus", Origin::Api).unwrap_err();
}

#[tokio::test]
async fn a_stream_that_went_leaves_no_file_to_be_read() {
    let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
    let table = Arc::new(Table::new(Arc::clone(&context)));
    let streams = Streams::new(Arc::clone(&table) as _, Settings::default());
    context.set_streams(streams.clone());
    let name = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    streams.create(name, &["demo:".to_owned()], Origin::Config).unwrap();
    let source = format!("ffmpeg:{name}#video=copy");
    table.check(&source, Origin::Api).unwrap();
    streams.delete(name);
    let request = OpenRequest {
        source,
        stream: "x".into(),
        origin: Origin::Api,
        cancel: CancellationToken::new(),
    };
    let error = table.open(request).await.err().unwrap();
    let text = error.to_string();
    assert!(text.starts_with("streams: source from insecure producer: this input "), "{text}");
}

/// Each page tells of the parameters that there are, and of no others.
#[test]
fn parameters_are_documented() {
    for source in SOURCES.iter().filter(|source| !source.parameters.is_empty()) {
        let page =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sources").join(source.docs);
        let page = std::fs::read_to_string(page).unwrap();
        for parameter in source.parameters {
            let rows = page.lines().filter(|line| line.starts_with("| `"));
            let cells = rows.filter_map(|row| row.split('|').nth(1));
            let told = |cell: &str| {
                cell.split('`').any(|word| {
                    let name = word.trim_start_matches('#');
                    name.split('=').next() == Some(parameter.name)
                })
            };
            assert!(cells.into_iter().any(told), "{}: {}", source.docs, parameter.name);
        }
    }
}

#[tokio::test]
async fn sources_of_modules_that_are_off_are_refused() {
    let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
    let only = |names: &[&str]| Modules::new(Some(names.iter().map(|n| (*n).into()).collect()));
    let table = Table::with_modules(Arc::clone(&context), only(&["api", "rtsp"]));
    for source in SOURCES.iter().filter(|source| source.module != "rtsp") {
        let (module, example) = (source.module, source.example);
        let off = format!("module {module:?} is off, add it to app.modules");
        let error = table.check(example, Origin::Config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert_eq!(error.to_string(), format!("streams: source not supported: {off}"));
        let request = OpenRequest {
            source: example.to_owned(),
            stream: "x".into(),
            origin: Origin::Config,
            cancel: CancellationToken::new(),
        };
        let error = table.open(request).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with("streams: unsupported scheme: ") && text.ends_with(&off),
            "{text}"
        );
    }
    table.check("rtsp://192.168.1.10/x", Origin::Api).unwrap();
    let table = Table::with_modules(context, only(&["http", "demo"]));
    for good in ["http://192.168.1.10/x", "tcp://192.168.1.10:1", "demo:"] {
        table.check(good, Origin::Api).unwrap();
    }
}

#[tokio::test]
async fn a_closed_port_is_unreachable_within_the_time_limit() {
    let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
    let table = Table::new(Arc::clone(&context));
    for scheme in ["rtsp", "rtsps", "rtspx"] {
        let request = OpenRequest {
            source: format!("{scheme}://127.0.0.1:1/x"),
            stream: "x".into(),
            origin: Origin::Config,
            cancel: CancellationToken::new(),
        };
        let opening = tokio::time::timeout(Duration::from_secs(6), table.open(request));
        let error = opening.await.unwrap().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    }
}
