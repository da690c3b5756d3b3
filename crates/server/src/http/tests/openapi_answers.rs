//! What a running server answers is what `openapi.yaml` says of it: nothing that is not
//! described, nothing missing, nothing of another type. The types of the pages come from
//! there (`tools/ui/api-types.mjs`).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use rs2rtc_base::ErrorKind;
use rs2rtc_base::url::percent_encode;
use rs2rtc_streams::events::{Event, Record};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::feed::Feed;
use super::openapi::{document, is_path, resolved};
use super::players::{Player, offer, soon, until};
use super::{Answer, Server, frame, json_of, open_socket_to, read_text, trial};
use crate::http::events;

const FILE: &str = "streams:\n  cam: demo:?width=320&height=180&gop=10\n  dead: rtsp://127.0.0.1:1/x\n  warm: 'demo:'\n  empty:\npreload:\n  warm: video\n";

/// What depends on the machine or on how it is reached, or is not to be seen in so short a time.
const RARE: [&str; 10] = [
    "Connection.source",
    "DoctorFfmpeg.path",
    "DoctorFfmpeg.version",
    "FoundSource.id",
    "FoundSource.info",
    "FoundSource.name",
    "FoundSource.url",
    "LoginKey.key",
    "RtspInfo.pkt_size",
    "Track.drops",
];

/// What a schema may say; all else would be said in vain.
const KEYWORDS: [&str; 12] = [
    "$ref",
    "type",
    "enum",
    "const",
    "oneOf",
    "anyOf",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "description",
    "contentEncoding",
];

/// The document, and which properties of its schemas were in an answer.
struct Held {
    document: Value,
    seen: RefCell<BTreeSet<String>>,
}

impl Held {
    fn new() -> Self {
        Self { document: document(), seen: RefCell::default() }
    }

    /// What of a value is not as a schema says.
    fn wrong(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        for key in schema.as_object().expect(at).keys() {
            assert!(KEYWORDS.contains(&key.as_str()), "{at}: {key} is not checked");
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let to = resolved(&self.document, schema);
            let name = reference.rsplit('/').next().unwrap_or_default();
            for key in value.as_object().into_iter().flat_map(|map| map.keys()) {
                self.seen.borrow_mut().insert(format!("{name}.{key}"));
            }
            return self.wrong(to, value, at);
        }
        let fitting = |all: &Vec<Value>| {
            all.iter().filter(|one| self.wrong(one, value, at).is_empty()).count()
        };
        let mut wrong = Vec::new();
        if schema["oneOf"].as_array().is_some_and(|all| fitting(all) != 1) {
            wrong.push(format!("{at}: not one of them: {value}"));
        }
        if schema["anyOf"].as_array().is_some_and(|all| fitting(all) == 0) {
            wrong.push(format!("{at}: none of them: {value}"));
        }
        if schema["enum"].as_array().is_some_and(|all| !all.contains(value))
            || schema.get("const").is_some_and(|one| one != value)
        {
            wrong.push(format!("{at}: {value} is not listed"));
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        if !kinds.is_empty() && !kinds.iter().any(|kind| is_a(kind, value)) {
            wrong.push(format!("{at}: {value} is no {}", kinds.join(" or ")));
            return wrong;
        }
        match value {
            Value::Array(list) => {
                for (i, one) in list.iter().enumerate() {
                    wrong.extend(self.wrong(&schema["items"], one, &format!("{at}[{i}]")));
                }
            }
            Value::Object(map) if kinds.contains(&"object") => {
                let required = schema["required"].as_array().into_iter().flatten();
                for key in required.filter_map(Value::as_str).filter(|key| !map.contains_key(*key))
                {
                    wrong.push(format!("{at}: no {key}"));
                }
                for (key, one) in map {
                    let inner = format!("{at}.{key}");
                    match (&schema["properties"][key], &schema["additionalProperties"]) {
                        (property @ Value::Object(_), _) => {
                            wrong.extend(self.wrong(property, one, &inner));
                        }
                        (_, Value::Bool(true)) => {}
                        (_, all @ Value::Object(_)) => wrong.extend(self.wrong(all, one, &inner)),
                        _ => wrong.push(format!("{inner}: not described: {one}")),
                    }
                }
            }
            _ => {}
        }
        wrong
    }

    fn hold(&self, schema: &Value, value: &Value, at: &str) {
        let wrong = self.wrong(schema, value, at);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Holds an answer to what the document says of its call; its JSON, if it is that.
    fn answer(&self, method: &str, call: &str, answer: &Answer) -> Value {
        let at = format!("{method} {call}: {}", answer.status);
        let path = call.split('?').next().unwrap_or_default();
        let paths = self.document["paths"].as_object().expect("paths");
        let found = paths.iter().find(|(pattern, _)| is_path(pattern, path));
        let (_, item) = found.unwrap_or_else(|| panic!("{at}: no such path"));
        let responses = &item[method.to_lowercase()]["responses"];
        let response = resolved(&self.document, &responses[answer.status.to_string()]);
        let kind = answer.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default();
        let schema = &response["content"][kind]["schema"];
        assert!(schema.is_object(), "{at}: {kind} is not described: {}", answer.body);
        if schema["contentSchema"].is_object() {
            // Between them are the lengths of chunks.
            let lines = answer.body.lines().filter(|line| line.starts_with('{'));
            let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
            for line in &lines {
                self.hold(&schema["contentSchema"], line, &at);
            }
            return lines.into();
        }
        let value =
            if kind == "application/json" { json_of(answer) } else { answer.body.clone().into() };
        self.hold(schema, &value, &at);
        value
    }

    async fn send(&self, server: &Server, method: &str, call: &str, body: &str) -> Value {
        self.answer(method, call, &server.send(method, call, "", body).await)
    }

    async fn get(&self, server: &Server, call: &str) -> Value {
        self.send(server, "GET", call, "").await
    }

    /// Every list and every figure that the server tells without changing anything.
    async fn all(&self, server: &Server, src: &str) {
        let mut count = 0;
        for (path, item) in self.document["paths"].as_object().expect("paths") {
            let get = &item["get"];
            let answer = resolved(&self.document, &get["responses"]["200"]);
            // Those that look for devices take a while.
            let is_slow = path.starts_with("/api/ffmpeg/");
            if !answer["content"]["application/json"].is_object() || is_slow {
                continue;
            }
            let mut asked = get["parameters"].as_array().into_iter().flatten();
            let has_source = asked.any(|one| one["name"] == "src" && one["required"] == true);
            let question = if has_source { format!("?src={src}") } else { String::new() };
            self.get(server, &format!("{path}{question}")).await;
            count += 1;
        }
        assert!(count > 12, "{count}");
    }

    /// Properties that no answer had.
    fn unseen(&self) -> Vec<String> {
        let schemas = self.document["components"]["schemas"].as_object().expect("schemas");
        // The names of events, and what sockets say.
        let is_answer =
            |name: &str| name != "Events" && name != "WhyCandidate" && !name.starts_with("Socket");
        let schemas = schemas.iter().filter(|(name, _)| is_answer(name));
        let all = schemas.flat_map(|(name, schema)| {
            let properties = schema["properties"].as_object().into_iter().flatten();
            properties.map(move |(key, _)| format!("{name}.{key}"))
        });
        let seen = self.seen.borrow();
        all.filter(|one| !seen.contains(one) && !RARE.contains(&one.as_str())).collect()
    }
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}

#[test]
fn what_is_not_as_described_is_found() {
    let held = Held::new();
    let schema = json!({
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": { "type": "integer" },
            "kind": { "$ref": "#/components/schemas/ErrorKind" },
            "list": { "type": ["array", "null"], "items": { "oneOf": [{ "type": "string" }, { "const": 1 }] } },
            "names": { "type": "object", "additionalProperties": { "anyOf": [{ "type": "number" }, { "type": "integer" }] } }
        }
    });
    for good in [
        json!({ "id": 1 }),
        json!({ "id": -1, "kind": "busy", "list": null, "names": {} }),
        json!({ "id": 1, "list": ["a", 1], "names": { "a": 0.5, "b": 2 } }),
    ] {
        held.hold(&schema, &good, "good");
    }
    for (bad, words) in [
        (json!({}), "no id"),
        (json!({ "id": 1.5 }), "is no integer"),
        (json!({ "id": 1, "more": 2 }), "not described"),
        (json!({ "id": 1, "kind": "other" }), "is not listed"),
        (json!({ "id": 1, "list": 5 }), "is no array or null"),
        (json!({ "id": 1, "list": ["a", 2] }), "not one of them"),
        (json!({ "id": 1, "names": { "a": "b" } }), "none of them"),
        (json!([]), "is no object"),
    ] {
        let wrong = held.wrong(&schema, &bad, "bad");
        assert!(wrong.len() == 1 && wrong[0].contains(words), "{bad}: {wrong:?}");
    }
}

#[tokio::test]
async fn answers_are_as_they_are_described() {
    let held = Held::new();
    let server = Server::start("openapi-answers", FILE);
    // It has a protocol, with a description of its own.
    let (camera, answers) = trial::camera("200 OK").await;
    tokio::select! {
        () = ask_all(&held, &server, &camera) => {}
        () = answers => panic!("the camera listens no more"),
    }
    every_event(&held);
    assert_eq!(held.unseen(), Vec::<String>::new(), "no answer has these");
    server.stop().await;
}

async fn ask_all(held: &Held, server: &Server, camera: &str) {
    let mut feed = Feed::open(server, "", "").await;
    feed.until("hello").await;
    let begin = feed.last.clone();
    drop(feed);
    for list in ["devices", "hardware"] {
        held.get(server, &format!("/api/ffmpeg/{list}?empty=1")).await;
    }
    watched(held, server, camera).await;
    tested(held, server, camera).await;
    held.all(server, "cam").await;
    // Everybody leaves.
    for id in ids(server).await {
        server.call("DELETE", &format!("/api/rs/sessions?id={id}")).await;
    }
    until(server, "they have left", |all| {
        let watching = all["sessions"].as_array().unwrap();
        watching.iter().all(|one| one["format"] == "preload")
            && all["ended"].as_array().unwrap().iter().any(|one| one["format"] == "webrtc/json")
    })
    .await;
    held.all(server, "cam").await;
    program(held, server).await;
    configuration(held, server).await;

    // All that has happened.
    let put = "/api/streams?name=the_last_one&src=demo:";
    assert_eq!(server.call("PUT", put).await.status, 200);
    let mut feed = Feed::open(server, &format!("?last={begin}"), "").await;
    let described = &held.document["components"]["schemas"]["Events"]["properties"];
    // Those of the log come after the others.
    let (mut is_last, mut is_logged) = (false, false);
    while !(is_last && is_logged) {
        let (name, data) = feed.next().await.expect("an event");
        assert!(described[&name].is_object(), "{name} is not described");
        assert_ne!(name, "reset");
        held.hold(&described[&name], &data, &name);
        is_last |= data["stream"] == "the_last_one";
        is_logged |= name == "log";
    }
    let mut strange = Feed::open(server, "?last=17", "").await;
    for expected in ["hello", "reset"] {
        let (name, data) = strange.next().await.expect("an event");
        assert_eq!(name, expected);
        held.hold(&described[&name], &data, &name);
    }
}

/// A player's socket, whose every word is held.
struct Socket<'h> {
    held: &'h Held,
    socket: TcpStream,
}

impl<'h> Socket<'h> {
    async fn open(held: &'h Held, server: &Server, src: &str) -> Self {
        let (status, socket) = open_socket_to(server, src, "").await;
        assert_eq!(status, 101);
        Self { held, socket }
    }

    async fn say(&mut self, kind: &str, value: Value) {
        let text = json!({ "type": kind, "value": value }).to_string();
        self.socket.write_all(&frame(&text)).await.unwrap();
    }

    /// Listens until a message of a type is as wanted.
    async fn until(&mut self, wanted: &str, fits: impl Fn(&Value) -> bool) {
        let described =
            &self.held.document["components"]["schemas"]["SocketMessages"]["properties"];
        let listen = async {
            loop {
                let message: Value =
                    serde_json::from_str(&read_text(&mut self.socket).await).unwrap();
                let (kind, value) = (message["type"].as_str().unwrap(), &message["value"]);
                assert!(described[kind].is_object(), "not described: {message}");
                self.held.hold(&described[kind], value, kind);
                if kind == wanted && fits(value) {
                    return;
                }
            }
        };
        soon(wanted, listen).await;
    }
}

#[tokio::test]
async fn what_a_socket_says_is_as_it_is_described() {
    let held = Held::new();
    let file = "streams:\n  demo: {url: 'demo:', hidden_linger: 0s}\n";
    let server = Server::start("openapi-socket", file);
    let mut none = Socket::open(&held, &server, "nosuch").await;
    none.say("webrtc/offer", json!("v=0")).await;
    none.until("error", |_| true).await;
    let mut one = Socket::open(&held, &server, "demo").await;
    let mut two = Socket::open(&held, &server, "demo").await;
    for (socket, cid) in [(&mut one, "player-number-one"), (&mut two, "player-number-two")] {
        socket.say("hello", json!({ "v": 1, "cid": cid })).await;
        socket.until("session", |_| true).await;
    }
    one.say("mse", json!("avc1.640029,opus")).await;
    one.until("mse", |_| true).await;
    one.say("webrtc/offer", json!(offer())).await;
    one.until("webrtc/answer", |_| true).await;
    let is_chosen = |one: &Value| one["mode"] == "webrtc" && one["verdict"] == "chosen";
    one.until("why", |why| why["candidates"].as_array().unwrap().iter().any(is_chosen)).await;
    one.say("talk/request", json!({ "name": "hall" })).await;
    one.until("talk/granted", |_| true).await;
    two.until("talk", |talk| talk["by"] == "hall").await;
    two.say("talk/request", json!({ "name": "kitchen" })).await;
    two.until("talk/busy", |_| true).await;
    one.say("talk/release", Value::Null).await;
    two.until("talk", |talk| talk["by"].is_null()).await;
    for (word, state) in [("park", "parked"), ("resume", "alive")] {
        one.say(word, Value::Null).await;
        one.until("state", |now| now["state"] == state).await;
    }
    for id in ids(&server).await {
        server.call("DELETE", &format!("/api/rs/sessions?id={id}")).await;
    }
    one.until("released", |_| true).await;
    server.stop().await;
}

/// The numbers of those who watch.
async fn ids(server: &Server) -> Vec<u64> {
    let all = json_of(&server.call("GET", "/api/rs/sessions?ended=0").await);
    let watching = all["sessions"].as_array().unwrap().iter();
    let watching = watching.filter(|one| one["format"] != "preload");
    watching.map(|one| one["id"].as_u64().unwrap()).collect()
}

/// Before anybody watches, with one dead source, and with viewers of three kinds.
async fn watched(held: &Held, server: &Server, camera: &str) {
    for src in ["cam", "dead", "warm", "empty"] {
        held.all(server, src).await;
    }
    held.get(server, "/api/rs/sources?src=nosuch").await;
    held.get(server, "/api/streams?src=dead&video=all").await;
    held.all(server, "dead").await;
    let mut player = Player::open(server, "cam", "000102030405060708090a0b0c0d0e0f").await;
    player.say(&json!({ "type": "mse", "value": "avc1.640029,opus" })).await;
    player.hear("mse").await;
    let wish = json!({ "type": "offer", "sdp": offer() }).to_string();
    let json = "Content-Type: application/json\r\n";
    let call = "/api/webrtc?src=cam";
    let answer = held.answer("POST", call, &server.send("POST", call, json, &wish).await);
    assert_eq!(answer["type"], "answer");
    let put = format!("/api/streams?name=real&src={}", percent_encode(camera));
    assert_eq!(server.call("PUT", &put).await.status, 200);
    for call in ["/api/streams?src=real&video=all", "/api/streams?src=cam&video=all&audio=all"] {
        let agent = "User-Agent: a browser\r\n";
        let answer = server.send("GET", call, agent, "").await;
        assert!(held.answer("GET", call, &answer)["consumers"].is_array());
    }
    held.all(server, "cam").await;
    // What plays is counted, and may be tested.
    let lines = held.send(server, "POST", "/api/rs/test", "{\"stream\": \"cam\"}").await;
    assert_eq!(lines[1]["running"], true, "{lines}");
    held.all(server, "cam").await;
    player.say(&json!({ "type": "talk/request", "value": { "name": "hall" } })).await;
    player.hear("talk/granted").await;
    player.say(&json!({ "type": "talk/release" })).await;
}

async fn tested(held: &Held, server: &Server, camera: &str) {
    let mut steps = BTreeSet::new();
    for wish in [
        json!({ "src": "demo:?width=320&height=180&gop=10", "still": true }),
        json!({ "src": camera }),
        json!({ "stream": "cam" }),
        json!({ "stream": "dead" }),
    ] {
        let lines = held.send(server, "POST", "/api/rs/test", &wish.to_string()).await;
        for line in lines.as_array().unwrap() {
            steps.insert(line["step"].to_string());
        }
    }
    let described = &held.document["components"]["schemas"]["TestStep"]["properties"]["step"];
    let all = described["enum"].as_array().unwrap().iter().map(Value::to_string);
    assert_eq!(steps, all.collect());
    for (wish, status) in [("{}", 400), ("{\"stream\": \"nosuch\"}", 404)] {
        let answer = server.send("POST", "/api/rs/test", "", wish).await;
        assert_eq!(answer.status, status);
        held.answer("POST", "/api/rs/test", &answer);
    }
}

/// Log, levels, login, and the doctor for who asks from outside.
async fn program(held: &Held, server: &Server) {
    const LEVELS: &str = "/api/rs/log/levels";
    const LOGIN: &str = "/api/rs/login";
    assert!(!held.get(server, "/api/log").await.as_array().unwrap().is_empty());
    let question = "?module=no_other_test_logs_here";
    let set = format!("{LEVELS}{question}&level=debug");
    assert_eq!(held.send(server, "POST", &set, "").await["temporary"][0]["level"], "debug");
    held.get(server, LEVELS).await;
    for call in [format!("{LEVELS}{question}"), format!("{LEVELS}{question}")] {
        held.send(server, "DELETE", &call, "").await;
    }
    held.send(server, "POST", &format!("{LEVELS}?level=loud"), "").await;
    // There is no token where only this machine comes.
    held.send(server, "POST", LOGIN, "").await;
    let outside = "X-Forwarded-For: 203.0.113.9\r\n";
    for call in ["/api", "/api/rs/doctor"] {
        held.answer("GET", call, &server.send("GET", call, outside, "").await);
    }
}

async fn configuration(held: &Held, server: &Server) {
    const CHECK: &str = "/api/rs/config/check";
    const VERSIONS: &str = "/api/rs/config/versions";
    let text = server.file();
    let mut codes = BTreeSet::new();
    for wrong in [
        "a: [",
        "api: {lisen: x}\napi: {}\n",
        "a: 1\na: 2\n",
        "streams: {a: 'foo://x'}",
        "webrtc: 5",
        "log: {level: loud}",
        "webrtc: {limits: {sessions: -1}}\nrtsp: {pkt_size: 1}\napi: {listen: ':99999999'}",
    ] {
        let told = held.send(server, "POST", CHECK, wrong).await;
        for problem in told["problems"].as_array().unwrap() {
            codes.extend(problem["code"].as_str().map(str::to_owned));
        }
    }
    assert!(codes.len() >= 4, "{codes:?}");
    let outside = "X-Forwarded-For: 203.0.113.9\r\n";
    held.answer("POST", CHECK, &server.send("POST", CHECK, outside, "a: 1").await);
    let version = async || held.get(server, VERSIONS).await["version"].as_str().unwrap().to_owned();
    let apply = |base: &str, more: &str| format!("/api/rs/config/apply?base={base}{more}");
    let confirm = |version: &Value| {
        format!("/api/rs/config/confirm?version={}", version.as_str().unwrap_or_default())
    };
    let next = text.replace("  empty:\n", "  empty:\n  more: 'demo:'\n");
    assert_ne!(next, text);
    // On trial, kept; on trial, not kept; an earlier one.
    let call = apply(&version().await, "&confirm=60");
    let applied = held.send(server, "POST", &call, &next).await;
    assert!(applied["unconfirmed"]["left_ms"].is_u64(), "{applied}");
    assert!(held.get(server, VERSIONS).await["unconfirmed"].is_object());
    for _ in ["kept", "kept already"] {
        held.send(server, "POST", &confirm(&applied["version"]), "").await;
    }
    let call = apply(&version().await, "&confirm=60");
    let applied = held.send(server, "POST", &call, &text).await;
    held.send(server, "DELETE", &confirm(&applied["version"]), "").await;
    let kept = held.get(server, VERSIONS).await["versions"][0]["number"].clone();
    held.get(server, &format!("{VERSIONS}/{kept}")).await;
    held.send(server, "POST", &format!("/api/rs/config/rollback?number={kept}"), "").await;
    // Refused.
    let refused = held.send(server, "POST", &apply(&version().await, ""), "webrtc: 5\n").await;
    assert!(refused["problems"].is_array(), "{refused}");
    let conflict = held.send(server, "POST", &apply("another", ""), &text).await;
    assert!(conflict["version"].is_string(), "{conflict}");
    held.send(server, "POST", &apply("", ""), &text).await;
}

/// Some happen only where a camera or a viewer does something strange.
fn every_event(held: &Held) {
    let (stream, source) = ("cam".to_owned(), "demo:".to_owned());
    let time = Duration::from_millis(5);
    let (reason, profile, viewer, detect) = ("silence".into(), "default", 7, Some(time));
    let by = "hall".to_owned();
    let both = |stream: &str, source: &str| (stream.to_owned(), source.to_owned());
    let mut all = vec![
        Event::StreamsChanged { stream: stream.clone() },
        Event::ViewerResumed { stream: stream.clone(), viewer, parked: time },
        Event::TalkStarted { stream: stream.clone(), number: 1, by: by.clone(), asked: true },
        Event::ViewerJoined {
            stream: stream.clone(),
            viewer,
            format: "webrtc".to_owned(),
            remote: "127.0.0.1:5".to_owned(),
        },
        Event::SourceReleased {
            stream: stream.clone(),
            source: source.clone(),
            viewer,
            reason,
            profile,
            detect,
            release: time,
        },
        Event::TalkEnded { stream: stream.clone(), number: 1, by, reason: "taken", took: time },
    ];
    for detect in [None, detect] {
        let (reason, format) = ("hidden".into(), "hls".to_owned());
        let stream = stream.clone();
        all.push(Event::ViewerLeft {
            stream: stream.clone(),
            viewer,
            format,
            reason,
            detect,
            profile,
        });
        let reason = "hidden".into();
        all.push(Event::ViewerParked { stream, viewer, reason, detect, profile });
    }
    for retry in [None, Some(time)] {
        let (stream, source) = both(&stream, &source);
        let (error, kind) = ("in use".to_owned(), ErrorKind::Busy);
        all.push(Event::SourceFailed { stream, source, error, kind, retry });
    }
    for size in [None, Some((320, 180))] {
        let (stream, source) = both(&stream, &source);
        all.push(Event::SourceChanged { stream, source, codec: "h264".to_owned(), size });
    }
    let (a, b) = both(&stream, &source);
    all.push(Event::SourceOpening { stream: a, source: b });
    let (a, b) = both(&stream, &source);
    all.push(Event::SourceOpened { stream: a, source: b, took: time });
    let (a, b) = both(&stream, &source);
    all.push(Event::SourceWaiting { stream: a, source: b, group: "hub".to_owned() });
    all.push(Event::SourceStalled { stream, source, silent: time });
    let described = held.document["components"]["schemas"]["Events"]["properties"].clone();
    let mut names: BTreeSet<&str> = ["ping", "hello", "reset", "log"].into();
    for event in all {
        let record = Record { seq: 1, at: SystemTime::now(), event };
        let name = events::name(&record.event);
        held.hold(&described[name], &events::data(&record), name);
        names.insert(name);
    }
    let described: BTreeSet<&str> =
        described.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, described);
}
