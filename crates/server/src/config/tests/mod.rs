//! What documents say, and what is told of the mistakes in them.

use rs2rtc_endpoints::outputs::webrtc::liveness::{Profile, Timers};
use rs2rtc_streams::Wake;

use super::*;

mod random_texts;

fn problems(config: &Config) -> Vec<String> {
    config.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_complete_file_gives_no_problem() {
    let text = r#"
app:
  modules: [api, rtsp, webrtc, exec, ffmpeg, mp4, hls, mjpeg, mpegts, http, ws, debug]
log:
  level: debug
  rtsp: trace
  format: text
api:
  listen: "127.0.0.1:21984"
  username: admin
  password: 0123
  local_auth: yes
  base_path: /rtc/
  origin: "*"
  allow_paths: [/rtc/, /rtc/api]
  hosts: cams.example.com
rtsp:
  listen: ""
  pkt_size: 1200
webrtc:
  listen: ":8555/tcp"
  candidates: [1.2.3.4:8555, stun:8555]
  ice_servers:
    - urls: [stun:stun.example.com:3478]
    - {urls: [stun:t.example.com], username: u, credential: c}
  filters:
    loopback: true
    networks: [udp4]
    udp_ports: [50000, 50100]
ffmpeg:
  bin: /usr/bin/ffmpeg
exec:
  allow_paths: [ffmpeg]
streams:
  one: rtsp://1.2.3.4/a
  two:
    - rtsp://1.2.3.4/a
    - ffmpeg:two#audio=opus
  three:
    url: rtsp://1.2.3.4/b
    linger: 1s
    exclusive: hub1
  empty:
"#;
    let config = Config::parse("f.yaml", text);
    assert_eq!(problems(&config), Vec::<String>::new());
    assert_eq!(config.api.password.expose(), "0123");
    assert!(config.api.local_auth);
    assert_eq!(config.api.base_path, "/rtc");
    assert_eq!(config.rtsp.listen, "");
    assert_eq!(config.webrtc.ice_servers.as_ref().unwrap().len(), 2);
    assert_eq!(config.webrtc.filters.udp_ports, Some((50000, 50100)));
    assert_eq!(config.log.modules["rtsp"], "trace");
    let names: Vec<&str> = config.streams.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["one", "two", "three", "empty"]);
    let three = config.streams.iter().nth(2).unwrap();
    assert_eq!(three.options.linger, Some(std::time::Duration::from_secs(1)));
    assert!(config.has_module("rtsp") && !config.has_module("demo"));
}

#[test]
fn every_key_of_the_contract_is_known() {
    let text = r#"
app: {modules: [api, rtsp, webrtc, mpeg, mpegts, multitrans, wyze]}
env: {NAME: value}
log: {level: info, format: json, output: stderr, time: UNIXNANO, api: warn, ffmpeg: trace}
api:
  listen: ":1984"
  username: u
  password: p
  local_auth: true
  base_path: /rtc
  static_dir: /
  origin: "*"
  tls_listen: ":443"
  tls_cert: /cert.pem
  tls_key: /key.pem
  unix_listen: /run/x.sock
  allow_paths: [/rtc/api]
rtsp: {listen: ":8554", username: u, password: p, default_query: video, pkt_size: 1200}
webrtc:
  listen: ":8555"
  candidates: [1.2.3.4:8555, stun:8555]
  ice_servers: [{urls: [stun:x:1], username: u, credential: c}]
  filters: {candidates: [1.2.3.4], loopback: true, interfaces: [eth0], ips: [1.2.3.4], networks: [udp4], udp_ports: [1, 2]}
streams: {a: rtsp://h/1, b: [rtsp://h/1], c: {url: rtsp://h/1}, d: {url: [rtsp://h/1]}, e: }
preload: {a: video&audio, b: }
ffmpeg: {bin: ffmpeg, h264: -c:v x}
exec: {allow_paths: [ffmpeg]}
"#;
    let config = Config::parse("f.yaml", text);
    let modules = ["multitrans", "wyze"].map(|m| {
        format!("f.yaml:2:16: app.modules: module {m:?} is not available in this version")
    });
    let (found, files) = (problems(&config), "f.yaml:14:13: api.tls_cert: /cert.pem: ");
    assert_eq!(found[..2], modules);
    assert!(found.len() == 3 && found[2].starts_with(files), "{found:?}");
    assert_eq!(
        (config.api.tls_listen.as_str(), config.api.tls_cert.as_str()),
        (":443", "/cert.pem")
    );
    assert_eq!(config.api.tls_key.expose(), "/key.pem");
    let absent = r#"
rtmp: {listen: ":1935"}
srtp: {listen: ":8443"}
publish: {a: rtmp://h/1, b: [rtmp://h/1]}
echo: {allow_paths: [x]}
hass: {config: /config}
homekit: {a: {pin: 1, name: n, device_id: d, device_private: p, category_id: c, pairings: [x]}}
ngrok: {command: x}
pinggy: {tunnel: x}
webtorrent: {trackers: [x], shares: {x: {pwd: p, src: s}}}
wyoming: {a: {listen: x, name: n, mode: m, event: {a: b}, wake_uri: w, vad_threshold: 1.5}}
wyze: {a@b: {api_key: k, api_id: i, password: p}}
xiaomi: {"1": token}
"#;
    let config = Config::parse("f.yaml", absent);
    let problems = problems(&config);
    assert_eq!(problems.len(), 13, "{problems:#?}");
    assert!(problems.iter().all(|p| p.contains("not available in this version")), "{problems:#?}");
}

#[test]
fn half_a_login_is_told_where_it_stands() {
    let told = |text: &str| problems(&Config::parse("f.yaml", text));
    let name = |section: &str| format!("without {section}.username: set both for a login");
    for section in ["api", "rtsp"] {
        let password = told(&format!("{section}:\n  listen: ''\n  password: geheim\n"));
        let place =
            format!("f.yaml:3:13: {section}.password: is asked of nobody {}", name(section));
        assert_eq!(password, [place]);
        let user = told(&format!("{section}: {{username: ada}}"));
        assert_eq!(user.len(), 1, "{user:?}");
        assert!(user[0].ends_with(&format!("no password: set {section}.password")), "{user:?}");
        assert_eq!(told(&format!("{section}: {{username: ada, password: geheim}}")), [""; 0]);
        assert_eq!(told(&format!("{section}: {{username: '', password: ''}}")), [""; 0]);
    }
    // What stands in another document counts.
    let texts = ["{api: {password: geheim}}", "{api: {username: ada}}"];
    let documents = texts.map(|text| sources::Document { name: "-c".into(), text: text.into() });
    let both = Sources { documents: documents.to_vec(), ..Sources::default() };
    assert_eq!(problems(&Config::from_sources(&both)), [""; 0]);
}

#[test]
fn origins_queries_names_and_codecs_that_mean_nothing_are_told() {
    let told = |text: &str| problems(&Config::parse("f.yaml", text));
    let origin = |origin: &str| told(&format!("api: {{origin: '{origin}'}}"));
    for good in ["*", "https://a.b", "http://192.168.1.5:8123", "http://[::1]:80", "app://x", ""] {
        assert_eq!(origin(good), [""; 0], "{good}");
    }
    for bad in ["a.b", "https://a.b/", "**", "http://a, http://b", "https://", "http://a:b", "null"]
    {
        let told = origin(bad);
        assert_eq!(told.len(), 1, "{bad}: {told:?}");
        assert!(told[0].starts_with("f.yaml:1:15: api.origin: must be * or an origin"), "{told:?}");
    }
    assert!(!origin("http://u:geheim@h")[0].contains("geheim"));
    let query = |query: &str| told(&format!("rtsp: {{default_query: '{query}'}}"));
    for good in ["video&audio", "mp4", "video=h264,h265&audio=aac"] {
        assert_eq!(query(good), [""; 0], "{good}");
    }
    let place = "f.yaml:1:23: rtsp.default_query:";
    assert_eq!(query("foo"), [format!("{place} \"foo\" asks for nothing, use video and audio")]);
    assert!(query("video=h999")[0].contains("unknown codec \"h999\""));
    let nameless = told("streams:\n  '': 'demo:'\n  a: 'demo:'\n");
    let text = "f.yaml:2:7: streams.: the stream has no name, so nobody can ask for it";
    assert_eq!(nameless, [text]);
    let long = "n".repeat(1001);
    let shown =
        format!("streams.{}…: a name is at most 1000 bytes: rename this stream", &long[..192]);
    for text in
        [format!("streams: {{{long}: 'demo:'}}"), format!("streams:\n  ? {long}\n  : 'demo:'\n")]
    {
        let told = told(&text);
        assert!(told.len() == 1 && told[0].contains(&shown), "{told:?}");
    }
    assert_eq!(told(&format!("streams: {{{}: 'demo:'}}", &long[1..])), [""; 0]);
    let lines = told("streams: {\"a\\nb\": 'demo:'}");
    let place = "f.yaml:1:19: streams.a\u{FFFD}b:";
    assert!(
        lines[0].starts_with(&format!("{place} a name is one line of UTF-8 text:")),
        "{lines:?}"
    );
    let source = |parameters: &str, more: &str| {
        told(&format!("streams:\n  a: 'ffmpeg:rtsp://h/1{parameters}'\n{more}"))
    };
    for good in ["#video=h264#audio=auto", "#video=copy#audio", "#video=-c:v libx264 -g 5"] {
        assert_eq!(source(good, ""), [""; 0], "{good}");
    }
    assert_eq!(source("#video=mine", "ffmpeg: {mine: -c:v libx264}\n"), [""; 0]);
    let near = "f.yaml:2:6: streams.a: #video=h265x is no codec that is known here, did you mean \"h265\"?";
    assert_eq!(source("#video=h265x", ""), [near]);
    assert!(source("#audio=quiet", "")[0].contains("use copy, aac, opus"));
    let strange = source("#video=pa ss:w@rd", "");
    assert!(strange[0].contains("the value of #video") && !strange[0].contains("w@rd"));
}

#[test]
fn texts_say_what_to_write_instead() {
    for (text, told) in [
        (
            "rtsp: {pkt_size: big}",
            "rtsp.pkt_size: must be a whole number from 0 to 65535, not \"big\"",
        ),
        (
            "webrtc: {filters: {udp_ports: [9000, 5]}}",
            "webrtc.filters.udp_ports: the first port comes before the last: [5, 9000]",
        ),
        (
            "webrtc: {filters: {udp_ports: [1]}}",
            "webrtc.filters.udp_ports: must be two ports from 0 to 65535, first and last, such as [50000, 50100]",
        ),
        (
            "streams: {a: 'rtsp:host/x'}",
            "streams.a: rtsp: wrong url: scheme and host are joined by ://, as in rtsp://192.168.1.10",
        ),
        (
            "streams: {a: /media/clip.mp4}",
            "streams.a: \"/media/clip.mp4\" is neither a source nor the name of a stream: a file is played by ffmpeg:/media/clip.mp4",
        ),
        (
            "streams: {a: 'exec:'}",
            "streams.a: exec: there is no command: write exec:PROGRAM ARGUMENTS",
        ),
        (
            "streams: {a: 'exec: #killsignal=15'}",
            "streams.a: exec: there is no command: write exec:PROGRAM ARGUMENTS",
        ),
    ] {
        let problems = problems(&Config::parse("f.yaml", text));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].ends_with(told), "{problems:?}");
    }
}

#[test]
fn certificates_that_cannot_be_used_are_told() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/tests/tls/");
    let (one, key) = (format!("{folder}one.pem"), format!("{folder}one.key"));
    let text = |certificate: &str, key: &str| {
        format!("api:\n  tls_listen: ':443'\n  tls_cert: {certificate}\n  tls_key: {key}\n")
    };
    let told =
        |certificate: &str, key: &str| problems(&Config::parse("f.yaml", &text(certificate, key)));
    assert_eq!(told(&one, &key), [""; 0]);
    let missing = told("/no/such.pem", &key);
    assert!(missing[0].starts_with("f.yaml:3:13: api.tls_cert: /no/such.pem: "), "{missing:?}");
    let other = told(&one, &format!("{folder}two.key"));
    assert!(other[0].starts_with("f.yaml:4:12: api.tls_key: ") && other[0].contains("belong"));
    let empty = told(&key, &key);
    assert!(empty[0].contains("no certificate in it"), "{empty:?}");
    // Who may not know what this machine holds learns of no file; texts speak for themselves.
    let alone = |text: &str| problems(&Config::from_sources(&sources::alone("f.yaml", text)));
    assert_eq!(alone(&text("/no/such.pem", &key)), [""; 0]);
    let texts = text("\"no\\nPEM\"", "\"no\\nkey\"");
    assert!(alone(&texts)[0].starts_with("f.yaml:3:13: api.tls_cert: no certificate in it"));
}

#[test]
fn what_is_published_is_checked_with_its_place() {
    let text = "streams: {a: 'demo:'}\npublish:\n  a:\n    - rtsp://u:pw@h/a\n    - rtsp://h/b#transport=udp\n    - rtmp://u:pw@h/c\n  b: rtsps://h/d#media=video\n  c: nowhere\n";
    let config = Config::parse("f.yaml", text);
    let expected = [
        "f.yaml:4:5: publish.a: rtsp: #transport=udp is not available yet, use tcp",
        "f.yaml:4:5: publish.a: publishing to \"rtmp\" is not available in this version, use rtsp, rtsps, rtspx",
        "f.yaml:7:6: publish.b: no stream of this name is configured",
        "f.yaml:8:6: publish.c: a publication needs the address of a server, use rtsp, rtsps, rtspx",
    ];
    assert_eq!(problems(&config), expected);
    assert_eq!(config.publish["a"].len(), 3, "the others are started");
}

#[test]
fn addresses_levels_and_sources_that_cannot_work_are_told() {
    let text = "api:\n  listen: 1984\n  tls_listen: :443\nlog:\n  level: loud\n  rtsp: debgu\nwebrtc:\n  listen: :8555/sctp\nstreams:\n  a: rtps://h/1\n  b: gate\n  c: demo:?widht=1\n  d: b\npreload:\n  z:\n";
    let config = Config::parse("f.yaml", text);
    let expected = [
        "f.yaml:5:10: log.level: unknown level \"loud\"",
        "f.yaml:6:9: log.rtsp: unknown level \"debgu\", did you mean \"debug\"?",
        "f.yaml:2:11: api.listen: must be host:port or :port, not \"1984\"",
        "f.yaml:3:15: api.tls_listen: HTTPS needs tls_cert and tls_key too",
        "f.yaml:8:11: webrtc.listen: must be host:port, host:port/tcp or host:port/udp, not \":8555/sctp\"",
        "f.yaml:10:6: streams.a: no source accepts \"rtps\", did you mean \"rtsp\"?",
        "f.yaml:11:6: streams.b: \"gate\" is neither a source nor the name of a stream",
    ];
    let found = problems(&config);
    assert_eq!(found[..7], expected);
    assert!(
        found[7].starts_with("f.yaml:12:6: streams.c: ") && found[7].contains("widht"),
        "{found:?}"
    );
    assert_eq!(found[8], "f.yaml:15:4: preload.z: no stream of this name is configured");
    assert_eq!(config.log.level, "info");
}

#[test]
fn mistakes_are_reported_with_place_and_nearest_key() {
    let text = "api:\n  lisen: :1\n  local_auth: maybe\nrtsp:\n  listen: [1]\n  pkt_size: 99999\nstremas:\n  a: b\nhomekit:\n  cam:\nstreams:\n  n: 5\n  t: true\n  l: [rtsp://a, {x: 1}]\n  m: {url: rtsp://b, lingre: 1s}\n  d: {url: rtsp://c, linger: soon}\n";
    let config = Config::parse("f.yaml", text);
    let expected = [
        "f.yaml:3:15: api.local_auth: must be true or false, not a text",
        "f.yaml:2:3: api.lisen: unknown key, did you mean \"listen\"?",
        "f.yaml:5:11: rtsp.listen: must be a text, not a list",
        "f.yaml:6:13: rtsp.pkt_size: must be a whole number from 0 to 65535, not 99999",
        "f.yaml:12:6: streams.n: must be a source, a list of sources or a mapping with url, not a number",
        "f.yaml:13:6: streams.t: must be a source, a list of sources or a mapping with url, not true or false",
        "f.yaml:14:17: streams.l: must be a text, not a mapping",
        "f.yaml:15:22: streams.m.lingre: unknown key, did you mean \"linger\"?",
        "f.yaml:16:30: streams.d.linger: must be a duration such as 10s or 250ms, not a text",
        "f.yaml:10:3: homekit: not available in this version, the section is ignored",
        "f.yaml:7:1: stremas: unknown key, did you mean \"streams\"?",
    ];
    assert_eq!(problems(&config), expected);
    let sources: Vec<usize> = config.streams.iter().map(|e| e.sources.len()).collect();
    assert_eq!(sources, [0, 0, 1, 1, 1]);
}

/// Whoever may look may have a text checked.
#[test]
fn of_very_many_mistakes_the_first_ones_are_told_and_errors_before_warnings() {
    let keys: String = (0..3000).map(|n| format!("  lisen{n}: x\n")).collect();
    let config = Config::parse("f.yaml", &format!("api:\n{keys}rtsp:\n  listen: [a]\n"));
    let told = problems(&config);
    assert_eq!(told.len(), 1001);
    assert!(told.iter().any(|text| text.contains("rtsp.listen: must be a text")));
    assert!(told[1000].ends_with(": and 2001 more problems, which are not told"), "{}", told[1000]);
}

#[test]
fn later_documents_override_as_the_contract_says() {
    let dir = std::env::temp_dir();
    let items = [
        "{api: {listen: \":1\", username: u, password: p}, streams: {a: rtsp://1, b: [rtsp://2]}, webrtc: {candidates: [\"a:1\", \"b:1\"]}}",
        "{api: {listen: }, streams: {b: rtsp://3, c: }, webrtc: {candidates: [\"c:1\"]}}",
        "rtsp.listen=\"\"",
        "log.rtsp=debug",
    ]
    .map(str::to_owned);
    let (config, sources) = Config::load(&items, &dir, &sources::Process);
    assert_eq!(problems(&config), Vec::<String>::new());
    assert_eq!((config.api.listen.as_str(), config.api.username.as_str()), (":1", "u"));
    assert_eq!(config.rtsp.listen, "");
    assert_eq!(config.webrtc.candidates, ["c:1"]);
    let all: Vec<(&str, usize)> =
        config.streams.iter().map(|e| (e.name.as_str(), e.sources.len())).collect();
    assert_eq!(all, [("a", 1), ("b", 1), ("c", 0)]);
    assert!(sources.path.is_none() && !sources.is_empty);
    let cleared = ["{streams: {a: b}}", "{streams: }"].map(str::to_owned);
    let (config, _) = Config::load(&cleared, &dir, &sources::Process);
    assert!(config.streams.is_empty());
}

#[test]
fn the_demo_stream_exists_only_without_any_configuration() {
    let dir = std::env::temp_dir().join(format!("rs2rtc-config-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let names = |items: &[String]| {
        let (config, _) = Config::load(items, &dir, &sources::Process);
        config.streams.iter().map(|e| e.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["demo"]);
    assert!(names(&["log.level=info".to_owned()]).is_empty());
    std::fs::write(dir.join("go2rtc.yaml"), "").unwrap();
    assert!(names(&[]).is_empty());
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_text_that_ends_with_a_colon_may_stand_in_a_list() {
    let config = Config::parse("f.yaml", "streams:\n  a:\n    - demo:\n    - rtsp://x\n");
    assert_eq!(problems(&config), Vec::<String>::new());
    assert_eq!(config.streams.iter().next().unwrap().sources, ["demo:", "rtsp://x"]);
}

#[test]
fn a_broken_file_still_gives_its_good_parts() {
    let config = Config::parse("f.yaml", "streams:\n  a: rtsp://x\n  b: x: y\napi:\n\tlisten: x\n");
    assert_eq!(config.streams.len(), 1);
    assert_eq!(config.problems.len(), 2);
    assert!(problems(&config)[0].starts_with("f.yaml:3:"), "{:?}", problems(&config));
}

fn ms(millis: u64) -> std::time::Duration {
    std::time::Duration::from_millis(millis)
}

#[test]
fn liveness_goes_from_the_general_to_the_particular() {
    let text = r#"
webrtc:
  liveness: {profile: fast, silence_max: 7s}
  timeouts: {disconnected: 2, failed: 20s, keepalive: 100ms}
defaults:
  liveness: {parked: 40s}
  linger: 500ms
streams:
  plain: rtsp://h/1
  named: {url: rtsp://h/2, liveness: tolerant}
  single: {url: rtsp://h/3, liveness: {hint_window: 0.2}, linger: 0, wake: viewer, exclusive: hub1, hidden_linger: 1s, stall: 0, clip: 20s}
"#;
    let config = Config::parse("f.yaml", text);
    assert_eq!(problems(&config), Vec::<String>::new());
    let all = config.liveness.timers;
    assert_eq!(all.profile.name(), "fast");
    assert_eq!((all.silence_min, all.silence_max), (ms(2000), ms(7000)));
    assert_eq!((all.parked, all.probe_idle), (ms(40_000), ms(100)));
    assert_eq!(config.liveness.of_streams.len(), 2);
    let named = config.liveness.of_streams["named"];
    assert_eq!(named, Profile::Tolerant.into());
    let single = config.liveness.of_streams["single"];
    assert_eq!((single.hint_window, single.parked), (ms(200), ms(40_000)));
    let options = |name: &str| {
        let entry = config.streams.iter().find(|e| e.name == name).unwrap();
        entry.options.engine(&config.defaults)
    };
    assert_eq!(options("plain").linger, Some(ms(500)));
    let single = options("single");
    assert_eq!((single.linger, single.wake), (Some(ms(0)), Wake::Viewer));
    assert_eq!(single.exclusive.as_deref(), Some("hub1"));
    assert_eq!((single.hidden_linger, single.stall), (Some(ms(1000)), Some(ms(0))));
    assert_eq!((single.clip, options("plain").clip), (ms(20_000), ms(0)));
}

#[test]
fn the_command_line_overrides_liveness() {
    let items = ["{webrtc: {liveness: {profile: fast, parked: 5s}}}", "webrtc.liveness=tolerant"];
    let (config, _) =
        Config::load(&items.map(str::to_owned), &std::env::temp_dir(), &sources::Process);
    assert_eq!(problems(&config), Vec::<String>::new());
    assert_eq!(config.liveness.timers, Profile::Tolerant.into());
}

#[test]
fn bad_times_are_told_with_their_range_and_not_used() {
    let text = r#"
webrtc:
  liveness: quick
  timeouts: {disconnected: 1ms, failed: 2s, keepalive: ten}
defaults:
  liveness: {silence_min: 1h, suspekt: 1s}
streams:
  a: {url: rtsp://h/1, liveness: {suspect: 20s}}
  b: {url: rtsp://h/2, linger: 2h, wake: never, exclusive: [x], stall: 1ms, clip: 1h}
"#;
    let config = Config::parse("f.yaml", text);
    let expected = [
        "f.yaml:3:13: webrtc.liveness: must be fast or default or tolerant or a mapping of timers, not \"quick\"; it is not used",
        "f.yaml:4:28: webrtc.timeouts.disconnected: must be between 200ms and 2m, not 1ms; the default is used",
        "f.yaml:4:56: webrtc.timeouts.keepalive: must be a duration such as 10s or 250ms, not a text",
        "f.yaml:6:27: defaults.liveness.silence_min: must be between 200ms and 2m, not 1h; the default is used",
        "f.yaml:6:31: defaults.liveness.suspekt: unknown key, did you mean \"suspect\"?",
        "f.yaml:9:32: streams.b.linger: must be between 0 and 1h, not 2h; the default is used",
        "f.yaml:9:42: streams.b.wake: must be offer or viewer, not \"never\"; the default is used",
        "f.yaml:9:60: streams.b.exclusive: must be the name of a group, at most 64 bytes, not a list",
        "f.yaml:9:72: streams.b.stall: must be between 1s and 10m, not 1ms; the default is used",
        "f.yaml:9:83: streams.b.clip: must be between 0 and 5m, not 1h; the default is used",
        "f.yaml:4:41: webrtc.timeouts.failed: must be between 4s and 603s with the other timers, not 2s; the profile's value is used",
        "f.yaml:8:34: streams.a.liveness: suspect must be shorter than silence_min; these timers are not used",
    ];
    assert_eq!(problems(&config), expected);
    assert_eq!(config.liveness.timers, Profile::Default.into());
    assert_eq!(config.liveness.of_streams["a"], Profile::Default.into());
}

#[test]
fn the_page_about_liveness_lists_every_timer() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration-liveness.md");
    let page = std::fs::read_to_string(path).unwrap();
    let show = duration::show;
    for field in Timers::FIELDS {
        let start = format!("| `{}` | ", field.name);
        let line = page.lines().find(|l| l.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("{} is not documented", field.name));
        let of = |profile: Profile| show(field.get(&profile.into()));
        let expected = format!(
            "{start}{} - {} | {} | {} | {} | ",
            show(field.min),
            show(field.max),
            of(Profile::Fast),
            of(Profile::Default),
            of(Profile::Tolerant)
        );
        assert!(line.starts_with(&expected), "{line}\n{expected}");
    }
}

#[test]
fn the_modules_of_home_assistant_exist() {
    let text = r#"app: {modules: ["api","exec","ffmpeg","http","mjpeg","onvif","rtmp","rtsp","srtp","webrtc","ws","debug"]}"#;
    let missing = ["onvif", "srtp"].map(|module| {
        format!("f.yaml:1:16: app.modules: module {module:?} is not available in this version")
    });
    assert_eq!(problems(&Config::parse("f.yaml", text)), missing);
}

#[test]
fn a_source_whose_module_is_off_is_told() {
    let text = "app: {modules: [api, rtsp]}\nstreams:\n  a: http://1.2.3.4/x\n  b: [rtsp://1.2.3.4/x, a]\n  c: \"demo:\"\n  d: exec:cat\n";
    let off =
        [("a", 3, "http"), ("c", 5, "demo"), ("d", 6, "exec")].map(|(stream, line, module)| {
            format!(
                "f.yaml:{line}:6: streams.{stream}: module {module:?} is off, add it to app.modules"
            )
        });
    let config = Config::parse("f.yaml", text);
    assert_eq!(problems(&config), off);
    assert!(config.problems.iter().all(|p| p.severity == Severity::Warning));
}

/// Texts of the problems of a section, without their places; none is a mistake.
fn warnings(text: &str) -> Vec<String> {
    let config = Config::parse("f.yaml", text);
    for problem in &config.problems {
        assert_eq!(problem.severity, Severity::Warning, "go2rtc starts with it: {problem}");
        assert!(problem.at.line > 0, "{problem:?}");
    }
    config.problems.iter().map(|p| format!("{}: {}", p.path, p.text)).collect()
}

#[test]
fn addresses_that_mean_nothing_are_told() {
    let ip = "must be an IP address such as 192.168.1.10, not";
    assert_eq!(
        warnings("webrtc: {filters: {ips: [10.0.0.1, 300.1.1.1], candidates: cam}}"),
        [
            format!("webrtc.filters.candidates: {ip} \"cam\"; it is left out"),
            format!("webrtc.filters.ips: {ip} \"300.1.1.1\"; it is left out"),
        ]
    );
    assert_eq!(
        warnings("webrtc: {filters: {networks: [udp4, udp5]}}"),
        ["webrtc.filters.networks: must be udp4, udp6, tcp4, tcp6, not \"udp5\"; it is left out"]
    );
    let form = "webrtc.candidates: must be host:port or stun:port, not";
    assert_eq!(
        warnings("webrtc: {candidates: [1.2.3.4, stun, \"1.2.3.4:8555\", \"stun:8555\"]}"),
        [format!("{form} \"1.2.3.4\"; it is left out"), format!("{form} \"stun\"; it is left out")]
    );
    let config = Config::parse("f.yaml", "webrtc:\n  candidates:\n    - a:1\n    - b\n");
    assert_eq!(config.problems[0].at.line, 4);
}

#[test]
fn servers_that_are_not_asked_are_told() {
    let told = warnings(
        "webrtc: {ice_servers: [{urls: [stun:a:1, \"turn:b:3478?transport=tcp\"]}, {urls: c}]}",
    );
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].contains("turn: is not supported") && told[0].contains("turn:b:3478"),
        "{told:?}"
    );
    assert!(told[1].contains("must be stun:host:port, not \"c\""), "{told:?}");
}

#[test]
fn a_preload_of_no_codec_is_told() {
    let told = warnings("streams: {x: \"demo:\"}\npreload: {x: \"video=h264,h999&audio\"}");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("preload.x: unknown codec \"h999\", use h264, h265,"), "{told:?}");
    let told = warnings("streams: {x: \"demo:\"}\npreload: {x: vidoe}");
    assert_eq!(told, ["preload.x: \"vidoe\" asks for nothing, use video, audio and microphone"]);
    assert_eq!(
        warnings("streams: {x: \"demo:\"}\npreload: {x: \"video=copy&microphone\"}"),
        [""; 0]
    );
}

#[test]
fn a_profile_and_timeouts_are_judged_in_the_words_that_were_used() {
    let texts = |text: &str| problems(&Config::parse("f.yaml", text));
    let profile =
        "must be fast or default or tolerant or a mapping of timers, not \"super\"; it is not used";
    assert_eq!(
        texts("webrtc: {liveness: super}"),
        [format!("f.yaml:1:20: webrtc.liveness: {profile}")]
    );
    let told = texts("webrtc: {timeouts: {disconnected: 1s, keepalive: 2s}}").join("");
    let rule = "keepalive must be shorter than two thirds of disconnected (1s), not 2s";
    assert!(told.contains("webrtc.timeouts.keepalive") && told.contains(rule), "{told}");
    assert!(!told.contains("suspect") && !told.contains("silence_min"), "{told}");
}
