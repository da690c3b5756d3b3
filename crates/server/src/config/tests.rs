use super::*;

fn problems(config: &Config) -> Vec<String> {
    config.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_complete_file_gives_no_problem() {
    let text = r#"
app:
  modules: [api, rtsp, webrtc, exec, ffmpeg]
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
  allow_paths: [/, /api]
  hosts: cams.example.com
rtsp:
  listen: ""
  pkt_size: 1200
webrtc:
  listen: ":8555/tcp"
  candidates: [1.2.3.4:8555, stun:8555]
  ice_servers:
    - urls: [stun:stun.example.com:3478]
    - {urls: turn:t.example.com, username: u, credential: c}
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
fn mistakes_are_reported_with_place_and_nearest_key() {
    let text = "api:\n  lisen: :1\n  local_auth: maybe\nrtsp:\n  listen: [1]\n  pkt_size: 99999\nstremas:\n  a: b\nhomekit:\n  cam:\nstreams:\n  n: 5\n  t: true\n  l: [rtsp://a, {x: 1}]\n  m: {url: rtsp://b, lingre: 1s}\n  d: {url: rtsp://c, linger: soon}\n";
    let config = Config::parse("f.yaml", text);
    let expected = [
        "f.yaml:3:15: api.local_auth: must be true or false, not a text",
        "f.yaml:2:3: api.lisen: unknown key, did you mean \"listen\"?",
        "f.yaml:5:11: rtsp.listen: must be a text, not a list",
        "f.yaml:6:13: rtsp.pkt_size: must be a whole number in range, not a number",
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

#[test]
fn later_documents_override_as_the_contract_says() {
    let dir = std::env::temp_dir();
    let items = [
        "{api: {listen: \":1\", username: u}, streams: {a: rtsp://1, b: [rtsp://2]}, webrtc: {candidates: [a, b]}}",
        "{api: {listen: }, streams: {b: rtsp://3, c: }, webrtc: {candidates: [c]}}",
        "rtsp.listen=\"\"",
        "log.rtsp=debug",
    ]
    .map(str::to_owned);
    let (config, sources) = Config::load(&items, &dir, &sources::Process);
    assert_eq!(problems(&config), Vec::<String>::new());
    assert_eq!((config.api.listen.as_str(), config.api.username.as_str()), (":1", "u"));
    assert_eq!(config.rtsp.listen, "");
    assert_eq!(config.webrtc.candidates, ["c"]);
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
