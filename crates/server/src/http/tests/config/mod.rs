//! The configuration over the API: writing, checking, putting in force while
//! somebody watches, and going back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rs2rtc_media::frame::Payload;
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media, filter};
use rs2rtc_streams::{Attached, Connection, Description, Request, Sink, Streams};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;

mod default_file;
mod edits;
mod files;
mod unconfirmed;

const FILE: &str = "# comment\nstreams:\n  a: rtsp://127.0.0.1:1/x  # inline\n  b:\n    - rtsp://127.0.0.1:1/y\n# tail\n";

impl Server {
    async fn version(&self) -> String {
        let list = self.call("GET", "/api/rs/config/versions").await;
        json_of(&list)["version"].as_str().unwrap().to_owned()
    }

    async fn apply(&self, text: &str) -> Value {
        let path = format!("/api/rs/config/apply?base={}", self.version().await);
        let answer = self.send("POST", &path, "", text).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        json_of(&answer)
    }

    /// Waits for what a call answers in the end.
    async fn until(&self, path: &str, right: impl Fn(&Answer) -> bool) {
        let wait = async {
            while !right(&self.call("GET", path).await) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect(path);
    }
}

#[tokio::test]
async fn patch_merges_into_the_file() {
    let server = Server::start("patch", FILE);
    let patch = async |body: &str| server.send("PATCH", "/api/config", "", body).await;
    let head = server.file();
    let head = head.strip_suffix(FILE).unwrap().to_owned();
    patch("streams:\n  c: rtsp://127.0.0.1:1/z\nlog:\n  level: debug\n").await.is(200, "");
    let with_c = FILE.replace("# tail", "  c: rtsp://127.0.0.1:1/z\n# tail");
    let expected = head.replace("output: \"\"\n", "output: \"\"\n  level: debug\n") + &with_c;
    assert_eq!(server.file(), expected);
    assert_eq!(server.call("GET", "/api/streams?src=c").await.status, 200);
    patch("streams:\n  b:\n    - one:1\n    - two:2\n").await.is(200, "");
    patch("{\"log\":{\"api\":\"trace\"}}").await.is(200, "");
    patch("streams:\n  a:\n    - x:1\n").await.is(200, "");
    let file = server.file();
    assert!(file.contains("  level: debug\n  api: trace\n"), "{file}");
    assert!(file.contains("  a:\n    - x:1\n  b:\n    - one:1\n    - two:2\n  c: "), "{file}");
    for (body, text) in [
        ("log: 5\n", "yaml: log holds a mapping and cannot be replaced by a number\n"),
        ("streams:\n  b: why\n", "yaml: streams.b holds a list and cannot be replaced by a text\n"),
        ("hello", "yaml: must be a mapping of sections, not a text\n"),
    ] {
        patch(body).await.is(400, text);
    }
    let broken = patch("a: [1, 2\nb: }").await;
    assert_eq!(broken.status, 400);
    assert!(broken.body.starts_with("yaml: line "), "{}", broken.body);
    assert_eq!(server.file(), file);
    server.send("POST", "/api/config", "Content-Length: 0\r\n", "").await.is(200, "");
    patch("api: {origin: ''}\n").await.is(200, "");
    assert_eq!(server.file(), "api:\n  origin: \"\"\n");
    let path = server.dir.join("go2rtc.yaml");
    std::fs::remove_file(&path).unwrap();
    let text = format!("open {}: no such file or directory\n", path.display());
    patch("a: 1\n").await.is(400, &text);
    server.stop().await;
}

#[tokio::test]
async fn writes_at_once_lose_nothing() {
    let server = Server::start("parallel", FILE);
    let names: Vec<String> = (0..24)
        .map(|n| match n % 4 {
            0 => format!("cam{n}"),
            1 => format!("..%2F..%2Fetc%2F{n}"),
            2 => format!("K%20%C3%A4%20%22{n}%22"),
            _ => format!("a%3A%20b%23{n}"),
        })
        .collect();
    let writes = names.iter().enumerate().map(|(number, name)| {
        let path = format!("/api/streams?name={name}&src=rtsp://127.0.0.1:1/{number}");
        let server = &server;
        Box::pin(async move { server.call("PUT", &path).await.is(200, "") })
    });
    join_all(writes.collect()).await;
    let file = server.file();
    assert!(file.contains("  a: rtsp://127.0.0.1:1/x  # inline\n") && file.ends_with("# tail\n"));
    let config = crate::config::Config::parse("f", &file);
    assert_eq!(config.streams.len(), 26, "{file}");
    let listed = json_of(&server.call("GET", "/api/streams").await);
    for entry in config.streams.iter() {
        assert!(listed.get(&entry.name).is_some(), "{}", entry.name);
    }
    for name in &names {
        server.call("DELETE", &format!("/api/streams?src={name}")).await.is(200, "");
    }
    assert!(server.file().ends_with(FILE));
    server.stop().await;
}

/// Runs futures at once on this task.
async fn join_all<F: Future<Output = ()> + Unpin>(mut all: Vec<F>) {
    std::future::poll_fn(|context| {
        all.retain_mut(|f| std::pin::Pin::new(f).poll(context).is_pending());
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

/// A folder stands where the new text would be written first, so that no write succeeds:
/// as on a disk that is full or read-only.
#[tokio::test]
async fn what_cannot_be_written_changes_no_stream_that_is_there() {
    let server = Server::start("no-disk", &format!("{FILE}preload:\n  a: video\n"));
    let before = server.file();
    let block = server.dir.join(format!(".go2rtc.yaml.{}.tmp", std::process::id()));
    std::fs::create_dir(&block).unwrap();
    let url = |answer: Answer| json_of(&answer)["producers"][0]["url"].clone();
    let fails = async |method: &str, path: &str, status: u16| {
        let answer = server.call(method, path).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        let file = server.dir.join("go2rtc.yaml").display().to_string();
        assert!(answer.body.starts_with(&file), "{}", answer.body);
    };
    fails("DELETE", "/api/streams?src=a", 400).await;
    fails("PUT", "/api/streams?name=a&src=rtsp://127.0.0.1:1/z", 400).await;
    assert_eq!(url(server.call("GET", "/api/streams?src=a").await), "rtsp://127.0.0.1:1/x");
    fails("DELETE", "/api/preload?src=a", 500).await;
    assert_eq!(json_of(&server.call("GET", "/api/preload").await)["a"]["query"], "video");
    // A new one is there until the next start, and can be deleted: it stands in no file.
    fails("PUT", "/api/streams?name=new&src=rtsp://127.0.0.1:1/n", 400).await;
    assert_eq!(url(server.call("GET", "/api/streams?src=new").await), "rtsp://127.0.0.1:1/n");
    server.call("DELETE", "/api/streams?src=new").await.is(200, "");
    server.call("GET", "/api/streams?src=new").await.is(404, "\n");
    assert_eq!(server.file(), before);
    std::fs::remove_dir(&block).unwrap();
    server.call("DELETE", "/api/streams?src=a").await.is(200, "");
    server.call("GET", "/api/streams?src=a").await.is(404, "\n");
    server.call("DELETE", "/api/preload?src=a").await.is(200, "");
    server.stop().await;
}

#[tokio::test]
async fn a_name_that_the_file_cannot_hold_is_refused() {
    let server = Server::start("names", FILE);
    let before = server.file();
    let put = async |method: &str, name: &str| {
        let path = format!("/api/streams?name={name}&src=rtsp://127.0.0.1:1/n");
        server.call(method, &path).await
    };
    let long = |count: usize| "n".repeat(count);
    for method in ["PUT", "PATCH"] {
        put(method, &long(1001)).await.is(400, "streams: a name is at most 1000 bytes\n");
        for name in ["%00", "a%0Ab", "%ff"] {
            put(method, name).await.is(400, "streams: a name is one line of UTF-8 text\n");
        }
    }
    // The other ways to add one: by a source in place of a name, and as RTSPtoWebRTC does.
    for name in [&long(1001), "a%0Ab"] {
        let shown = server.call("GET", &format!("/api/frame.jpeg?src=demo:&name={name}")).await;
        assert_eq!(shown.status, 400);
        assert!(shown.body.starts_with("streams: a name is "), "{}", shown.body);
    }
    for (name, why) in [
        ("", "the stream needs a name"),
        ("a\\nb", "a name is one line of UTF-8 text"),
        (&long(1001), "a name is at most 1000 bytes"),
    ] {
        let body =
            format!(r#"{{"name":"{name}","channels":{{"0":{{"url":"rtsp://127.0.0.1:1/n"}}}}}}"#);
        let refused = format!("streams: {why}\n");
        server.send("POST", "/stream/x/add", "", &body).await.is(400, &refused);
    }
    assert_eq!((server.file(), server.streams.list().len()), (before, 2));
    // Whatever the longest one is made of, it is read again.
    let names =
        [long(1000), "%C3%A4".repeat(500), format!("%23{}", "'".repeat(499)), "K%22".into()];
    for name in &names {
        put("PUT", name).await.is(200, "");
    }
    let config = crate::config::Config::parse("f", &server.file());
    assert_eq!((config.streams.len(), config.problems), (6, Vec::new()));
    server.stop().await;
}

#[tokio::test]
async fn checked_applied_and_rolled_back() {
    let server = Server::start("apply", FILE);
    let first = server.file();
    let text = "api:\n  lisen: :1\n  username: [a]\nstreams:\n  gate: rtps://127.0.0.1:1/x\n  b: rtsp://127.0.0.1:1/y\n";
    let check = json_of(&server.send("POST", "/api/rs/config/check", "", text).await);
    let problem = |index: usize| {
        let p = &check["problems"][index];
        (p["line"].as_u64().unwrap(), p["path"].as_str().unwrap().to_owned(), p["severity"].clone())
    };
    assert_eq!(problem(0), (3, "api.username".into(), json!("error")));
    assert_eq!(problem(1), (2, "api.lisen".into(), json!("warning")));
    assert_eq!(problem(2), (5, "streams.gate".into(), json!("warning")));
    assert_eq!(check["problems"][2]["text"], "no source accepts \"rtps\", did you mean \"rtsp\"?");
    let code = |index: usize| {
        let problem = &check["problems"][index];
        (problem["code"].clone(), problem["values"].clone())
    };
    assert_eq!(code(0), (json!("wrong_value"), json!(["a text", "a list"])));
    assert_eq!(code(1), (json!("unknown_key"), json!(["listen"])));
    assert_eq!(code(2), (json!("unknown_scheme"), json!(["rtps", "rtsp"])));
    let odd = "webrtc:\n  timeouts: {failed: 99h}\nlog:\n  level: loud\n  level: info\n";
    let odd = json_of(&server.send("POST", "/api/rs/config/check", "", odd).await);
    let codes: Vec<&str> =
        odd["problems"].as_array().unwrap().iter().filter_map(|p| p["code"].as_str()).collect();
    assert_eq!(codes, ["repeated", "out_of_range"], "{odd}");
    let broken = json_of(&server.send("POST", "/api/rs/config/check", "", "api: [\n").await);
    assert_eq!(broken["problems"][0]["code"], "syntax", "{broken}");
    let plain =
        json_of(&server.send("POST", "/api/rs/config/check", "", "preload: {no: }\n").await);
    assert_eq!(plain["problems"][0]["code"], json!(null), "{plain}");
    assert_eq!(check["valid"], false);
    assert!(
        check["changes"]
            .as_array()
            .unwrap()
            .contains(&json!({"path": "streams.gate", "change": "added"}))
    );
    let base = server.version().await;
    let apply = format!("/api/rs/config/apply?base={base}");
    let refused = server.send("POST", &apply, "", text).await;
    assert_eq!(refused.status, 400);
    assert_eq!(json_of(&refused)["problems"][0]["line"], 3);
    assert_eq!(
        (server.file(), server.call("GET", "/api/streams?src=gate").await.status),
        (first.clone(), 404)
    );

    let second = first.replace("  a: ", "  gate: rtsp://127.0.0.1:1/g\n  a: ")
        + "api:\n  listen: 127.0.0.1:1\n  origin: http://x\n";
    let applied = server.send("POST", &apply, "", &second).await;
    assert_eq!(applied.status, 200, "{}", applied.body);
    let applied = json_of(&applied);
    assert_eq!(
        applied["changes"],
        json!([{"path": "api.origin", "change": "changed"}, {"path": "streams.gate", "change": "added"}])
    );
    assert_eq!(server.call("GET", "/api/streams?src=gate").await.status, 200);
    let origin = server.send("GET", "/api", "Origin: http://x\r\n", "").await;
    assert_eq!(origin.header("access-control-allow-origin"), Some("http://x"));
    let late = server.send("POST", &apply, "", &first).await;
    assert_eq!((late.status, json_of(&late)["version"].clone()), (409, applied["version"].clone()));
    assert_eq!(server.send("POST", "/api/rs/config/apply", "", &first).await.status, 400);

    let list = json_of(&server.call("GET", "/api/rs/config/versions").await);
    assert!(list["saved"].as_u64() >= list["versions"][0]["saved"].as_u64(), "{list}");
    assert!(list["saved"].is_u64());
    assert_eq!(
        (&list["unavailable"], &list["versions"][0]["version"]),
        (&Value::Null, &json!(base))
    );
    let number = list["versions"][0]["number"].as_u64().unwrap();
    server.call("GET", &format!("/api/rs/config/versions/{number}")).await.is(200, &first);
    server.call("GET", "/api/rs/config/versions/99").await.is(404, "no such version\n");
    let back = server.call("POST", &format!("/api/rs/config/rollback?number={number}")).await;
    assert_eq!(back.status, 200, "{}", back.body);
    assert_eq!((server.file(), server.version().await), (first, base));
    assert_eq!(server.call("GET", "/api/streams?src=gate").await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn masks_that_come_back_keep_the_values() {
    let file = "streams:\n  a: rtsp://user:geheim@127.0.0.1:1/x\nrtsp:\n  listen: \"\"\n  password: sesam\nlog:\n  output: \"\"\n";
    let server = Server::start("masks", "");
    server.apply(file).await;
    let masked = file.replace("user:geheim@", "***@").replace("sesam", "***");
    let applied = server.apply(&masked).await;
    assert_eq!(applied["changes"], json!([]));
    assert_eq!(server.file(), file);
    let moved = masked.replace("  a: ", "  z: ");
    let path = format!("/api/rs/config/apply?base={}", server.version().await);
    let refused = server.send("POST", &path, "", &moved).await;
    refused.is(400, "yaml: line 2: a mask (***) stands for no value that was there before\n");
    // What the lists show may come back too.
    let put = |src: &'static str| server.call("PUT", src);
    put("/api/streams?name=a&src=rtsp://***@127.0.0.1:1/x").await.is(200, "");
    let file = server.file();
    assert!(file.contains("rtsp://user:geheim@127.0.0.1:1/x") && !file.contains("***"), "{file}");
    let refused = put("/api/streams?name=a&src=rtsp://***@127.0.0.2:1/x").await;
    refused.is(400, "streams: *** stands for no password of a: write the password\n");
    let refused = put("/api/streams?name=z&src=rtsp://***@127.0.0.1:1/x").await;
    refused.is(400, "streams: *** stands for no password of z: write the password\n");
    // A mask that somebody wrote into the file stops nobody from editing the rest.
    let written = file.replace("user:geheim@", "***@");
    std::fs::write(server.dir.join("go2rtc.yaml"), &written).unwrap();
    let more = written.replace("sesam", "***") + "webrtc:\n  listen: \"\"\n";
    server.send("POST", "/api/config", "", &more).await.is(200, "");
    assert_eq!(server.file(), written.clone() + "webrtc:\n  listen: \"\"\n");
    // Nobody learns by checking whether a guess is right, nor what a variable holds.
    let text = "env:\n  X: abcdef\nlog:\n  level: ${X}\n";
    let check = server.send("POST", "/api/rs/config/check", "", text).await;
    assert!(
        check.body.contains("unknown level") && !check.body.contains("abcdef"),
        "{}",
        check.body
    );
    server.stop().await;
}

/// Who may not read the configuration learns nothing of this machine by having one checked.
#[tokio::test]
async fn a_stranger_checks_a_text_and_nothing_else() {
    let server = Server::start("check-alone", FILE);
    let stranger = "X-Forwarded-For: 192.168.1.5\r\n";
    let folder = server.dir.join("nosuch").join("x.log");
    let output = format!("log:\n  output: \"file:{}\"\n", folder.display());
    let variable = "streams:\n  a: rtsp://${HOME}/x\nlog:\n  level: ${HOME}\n  format: ${X:json}\n";
    let texts = |answer: &Answer| json_of(answer)["problems"].to_string();
    let path = "/api/rs/config/check";
    assert!(texts(&server.send("POST", path, "", &output).await).contains("x.log"));
    let alone = server.send("POST", path, stranger, &output).await;
    assert_eq!(json_of(&alone)["problems"], json!([]));
    let alone = texts(&server.send("POST", path, stranger, variable).await);
    assert!(
        alone.contains("unknown level \\\"${home}\\\"") || alone.contains("${HOME}"),
        "{alone}"
    );
    assert!(!alone.contains("log.format"), "its default holds: {alone}");
    let home = std::env::var("HOME").unwrap();
    assert!(!alone.contains(&home), "{alone}");
    server.stop().await;
}

/// Tells the first byte of every frame.
struct Numbers(mpsc::Sender<u8>);

impl Sink for Numbers {
    fn push(&self, frame: &Arc<Frame>) {
        if let Payload::Data(data) = &frame.payload {
            let _ = self.0.try_send(data[0]);
        }
    }

    fn end(&self) {}
}

/// Tells that there was a frame.
struct Frames(mpsc::Sender<()>);

impl Sink for Frames {
    fn push(&self, _: &Arc<Frame>) {
        let _ = self.0.try_send(());
    }

    fn end(&self) {}
}

async fn watch(streams: &Streams, name: &str) -> Attached {
    let medias = filter::medias([("video", "")]);
    let connection = Arc::new(Connection::new(Description {
        format_name: "test".into(),
        medias: medias.clone(),
        ..Description::default()
    }));
    let request = Request { medias, connection, source_tag: None, may_sleep: false };
    streams.get(name).unwrap().attach(request).await.unwrap()
}

#[tokio::test]
async fn viewers_of_unchanged_streams_lose_no_frame() {
    let start = "streams:\n  pushed:\n  demo: demo:?width=160&height=120&fps=10\n  other: rtsp://127.0.0.1:1/x\n";
    let server = Server::start("gapless", start);
    // One whose frames are numbered by hand, so that not even a busy machine loses one.
    let media = Media::new(Kind::Video, Direction::RecvOnly, Codec::new(CodecId::H264));
    let pushed = server.streams.get("pushed").unwrap();
    let connection = Arc::new(Connection::new(Description::default()));
    let publication = pushed.publish(vec![media], connection);
    let mut tracks = publication.tracks();
    let viewer = watch(&server.streams, "pushed").await;
    let (tell, mut numbers) = mpsc::channel(64);
    let _numbered = viewer.tracks[0].track.subscribe(Arc::new(Numbers(tell)));
    // And a camera.
    let camera = watch(&server.streams, "demo").await;
    let (tell, mut frames) = mpsc::channel(64);
    let _shown = camera.tracks[0].track.subscribe(Arc::new(Frames(tell)));
    let producer = || server.streams.get("demo").unwrap().snapshot().producers.unwrap()[0].clone();
    let before = producer().connection.map(|c| c.id);
    assert!(before.is_some());
    let base = server.file();
    let mut number = 0;
    let mut push = |count: u8| {
        for _ in 0..count {
            let payload = Payload::Data(vec![number].into());
            let frame =
                Frame::new(CodecId::H264, true, i64::from(number) * 3000, Instant::now(), payload);
            tracks.writer(0).unwrap().write(frame);
            number += 1;
        }
    };
    for round in 0..10 {
        let text = base
            .replace("127.0.0.1:1/x", &format!("127.0.0.1:1/{round}"))
            .replace("  other", &format!("  new{round}: demo:?width=160&height=120\n  other"));
        let text =
            format!("{text}api:\n  origin: http://host{round}\nexec:\n  allow_paths: [a{round}]\n");
        push(2);
        let applied = server.apply(&text).await;
        push(2);
        assert!(applied["changes"].as_array().unwrap().len() >= 4, "{applied}");
        while frames.try_recv().is_ok() {}
        frames.recv().await.unwrap();
    }
    for expected in 0..40 {
        assert_eq!(numbers.try_recv(), Ok(expected));
    }
    assert!(!viewer.kicked().is_cancelled() && !camera.kicked().is_cancelled());
    assert_eq!(producer().connection.map(|c| c.id), before, "it was not opened again");
    drop((viewer, camera));
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_goes_tells_its_viewers() {
    let server = Server::start("goes", "streams:\n  watched: 'demo:'\n  other: 'demo:'\n");
    let attached = watch(&server.streams, "watched").await;
    let kicked = attached.kicked();
    let text = server.file().replace("  watched: 'demo:'\n", "");
    let applied = server.apply(&text).await;
    assert_eq!(applied["changes"], json!([{"path": "streams.watched", "change": "removed"}]));
    kicked.cancelled().await;
    drop(attached);
    server.stop().await;
}

#[tokio::test]
async fn a_changed_file_is_read_and_a_broken_one_is_not() {
    let server = Server::start("watch", FILE);
    let path = server.dir.join("go2rtc.yaml");
    let good = server.file();
    std::fs::write(&path, good.replace("  a: ", "  c: rtsp://127.0.0.1:1/c\n  a: ")).unwrap();
    while server.call("GET", "/api/streams?src=c").await.status != 200 {
        tokio::task::yield_now().await;
    }
    std::fs::write(&path, "streams:\n  a: [\napi:\n  listen: nowhere\n").unwrap();
    let refused =
        |log: &str| log.contains("go2rtc.yaml:2:") && log.contains("go2rtc.yaml:4:11: api.listen");
    while !refused(&server.call("GET", "/api/log").await.body) {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.call("GET", "/api/streams?src=c").await.status, 200);
    std::fs::remove_file(&path).unwrap();
    while !server.call("GET", "/api/log").await.body.contains("does not exist any more") {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.call("GET", "/api/streams?src=c").await.status, 200);
    // A change is one to what runs, not to the nothing that is there.
    let put = "/api/streams?name=d&src=rtsp%3A%2F%2F127.0.0.1%3A1%2Fd";
    assert_eq!(server.call("PUT", put).await.status, 200);
    for name in ["a", "c", "d"] {
        let path = format!("/api/streams?src={name}");
        assert_eq!(server.call("GET", &path).await.status, 200, "{name}");
        assert!(server.file().contains(&format!("\n  {name}:")), "{}", server.file());
    }
    std::fs::write(&path, good).unwrap();
    while server.call("GET", "/api/streams?src=c").await.status != 404 {
        tokio::task::yield_now().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn logins_and_paths_take_effect_at_once() {
    let server = Server::start("live", "");
    let login =
        "api:\n  username: admin\n  password: pass\n  local_auth: true\n  base_path: /rtc\n";
    server.apply(&format!("{}{login}", server.file())).await;
    server.call("GET", "/rtc/api").await.is(401, "Unauthorized\n");
    let known = "Authorization: Basic YWRtaW46cGFzcw==\r\n";
    assert_eq!(server.send("GET", "/rtc/api", known, "").await.status, 200);
    assert_eq!(server.send("GET", "/api", known, "").await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn the_schema_is_served() {
    let server = Server::start("schema", "");
    let schema = server.call("GET", "/schema.json").await;
    assert_eq!((schema.status, schema.header("content-type")), (200, Some("application/json")));
    let schema = json_of(&schema);
    assert_eq!(schema["properties"]["api"]["properties"]["listen"]["default"], ":1984");
    // Each section leads to its place in the documentation.
    let docs = include_str!("../../../../../../docs/configuration.md");
    let headings = docs.lines().filter_map(|line| line.strip_prefix("### "));
    let anchors: Vec<String> =
        headings.map(|text| text.replace(',', "").replace(' ', "-").to_lowercase()).collect();
    for (name, section) in schema["properties"].as_object().unwrap() {
        let not_yet = section.as_object().unwrap().keys().all(|key| key == "description");
        assert_eq!(section["x-docs"].is_null(), not_yet, "{name}");
        let Some((page, anchor)) = section["x-docs"].as_str().and_then(|to| to.split_once('#'))
        else {
            continue;
        };
        assert!(page.ends_with("/docs/configuration.md"), "{page}");
        assert!(anchors.iter().any(|one| one == anchor), "{name}: {anchor} of {anchors:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_the_api_changes_is_not_undone_by_reading_the_file() {
    let server = Server::start("edit", "streams:\n  cam: 'demo:'\n");
    for n in 0..10 {
        for (kind, other) in [("video", "audio"), ("audio", "video")] {
            let put = format!("/api/preload?src=cam&{kind}");
            server.call("PUT", &put).await.is(200, "");
            let source = format!("rtsp://127.0.0.1:1/{kind}{n}");
            let put = format!("/api/streams?name=other&src={source}");
            server.call("PUT", &put).await.is(200, "");
            let preloads = json_of(&server.call("GET", "/api/preload").await);
            let senders = preloads["cam"]["consumer"]["senders"].as_array().unwrap();
            assert_eq!(senders.len(), 1, "{preloads}");
            assert_eq!(senders[0]["codec"]["codec_type"], kind, "not {other}: {preloads}");
            let other = json_of(&server.call("GET", "/api/streams?src=other").await);
            assert_eq!(other["producers"][0]["url"], source);
        }
    }
    let applied = server.apply(&server.file()).await;
    assert_eq!(applied["changes"], json!([]), "the file says what is in force");
    server.stop().await;
}

#[tokio::test]
async fn misspelt_parameters_are_told_with_their_place() {
    let text = "streams:\n  a: rtsp://127.0.0.1:1/x#tiemout=5\n  b:\n    - rtsp://127.0.0.1:1/x#foo=bar\n    - ffmpeg:a#vdeo=h264\n  c:\n    url: rtsp://127.0.0.1:1/x#media=foo\n  d: tcp://127.0.0.1:1#timeout=5\npublish:\n  a: rtsp://127.0.0.1:1/x#timout=5\n";
    let server = Server::start("parameters", "");
    let check = json_of(&server.send("POST", "/api/rs/config/check", "", text).await);
    assert_eq!(check["valid"], true);
    let problems = check["problems"].as_array().unwrap().iter().map(|p| {
        let text = |key: &str| p[key].as_str().unwrap().to_owned();
        assert_eq!(p["severity"], "warning");
        (p["line"].as_u64().unwrap(), p["column"].as_u64().unwrap(), text("path"), text("text"))
    });
    let problems: Vec<_> = problems.collect();
    let wanted = [
        (2, 6, "streams.a", "unknown parameter \"tiemout\", did you mean \"timeout\"?"),
        (
            4,
            7,
            "streams.b",
            "unknown parameter \"foo\", there are timeout, media, backchannel, transport",
        ),
        (5, 7, "streams.b", "unknown parameter \"vdeo\", did you mean \"video\"?"),
        (7, 10, "streams.c", "#media=foo means nothing, use video, audio"),
        (8, 6, "streams.d", "unknown parameter \"timeout\", there are none here"),
        (10, 6, "publish.a", "unknown parameter \"timout\", did you mean \"timeout\"?"),
    ];
    let wanted = wanted.map(|(line, column, path, text)| (line, column, path.into(), text.into()));
    assert_eq!(problems, wanted);
    // Put in force, each is told once in the log.
    server.apply(text).await;
    let log = server.call("GET", "/api/log").await.body;
    assert_eq!(log.matches("unknown parameter \\\"vdeo\\\"").count(), 1, "{log}");
    server.stop().await;
}
