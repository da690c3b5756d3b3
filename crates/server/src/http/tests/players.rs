//! What a player and its server say to each other beside the media: `hello`,
//! goodbyes, superseding, hiding; and WHEP in its own words.

use std::future::Future;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Server, frame, open_socket_to, read_text};

const CID: &str = "000102030405060708090a0b0c0d0e0f";
const DEMO: &str = "streams:\n  demo: 'demo:'\n";

/// An offer of a viewer of H.264 that never connects.
pub(super) fn offer() -> String {
    let fingerprint = vec!["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=rtcp-mux\r\na=ice-ufrag:abcd\r\n\
         a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\n\
         a=mid:0\r\na=recvonly\r\na=rtpmap:96 H264/90000\r\na=rtcp-fb:96 nack pli\r\n\
         a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"
    )
}

/// Nothing here takes longer.
pub(super) async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// A player's socket.
pub(super) struct Player {
    socket: TcpStream,
    pub(super) bye: String,
}

impl Player {
    pub(super) async fn open(server: &Server, src: &str, cid: &str) -> Self {
        let (status, socket) = open_socket_to(server, src, "").await;
        assert_eq!(status, 101);
        let mut player = Self { socket, bye: String::new() };
        player.say(&json!({ "type": "hello", "value": { "v": 1, "cid": cid } })).await;
        let session = player.hear("session").await;
        let bye = session["bye"].as_str().unwrap();
        assert_eq!(bye.strip_prefix("api/rs/bye/").unwrap().len(), 32);
        assert_eq!(session["caps"], json!(["park", "bye", "released", "stop", "talk", "why"]));
        assert_eq!(session["boot"].as_str().unwrap().len(), 16);
        player.bye = format!("/{bye}");
        player
    }

    pub(super) async fn say(&mut self, message: &Value) {
        self.socket.write_all(&frame(&message.to_string())).await.unwrap();
    }

    /// The value of the next message of a type; others are passed over.
    pub(super) async fn hear(&mut self, kind: &str) -> Value {
        let hear = async {
            loop {
                let text = read_text(&mut self.socket).await;
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["type"] == kind {
                    return message["value"].clone();
                }
                assert_ne!(message["type"], "error", "{text}");
            }
        };
        soon(kind, hear).await
    }

    async fn play(&mut self) {
        self.say(&json!({ "type": "webrtc/offer", "value": offer() })).await;
        self.hear("webrtc/answer").await;
    }

    /// The server closes the socket.
    pub(super) async fn ends(mut self) {
        let mut rest = Vec::new();
        let _ = soon("the end of the socket", self.socket.read_to_end(&mut rest)).await;
    }
}

async fn sessions(server: &Server) -> Value {
    let answer = server.call("GET", "/api/rs/sessions").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// Waits until the list of sessions is as wanted.
pub(super) async fn until(server: &Server, what: &str, is_true: impl Fn(&Value) -> bool) -> Value {
    let wait = async {
        loop {
            let all = sessions(server).await;
            if is_true(&all) {
                return all;
            }
            // There is no event to wait for that comes after all that is asked here.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(what, wait).await
}

fn left(all: &Value, count: usize) -> bool {
    all["sessions"] == json!([]) && all["ended"].as_array().unwrap().len() == count
}

#[tokio::test]
async fn the_secret_address_ends_the_sessions_of_its_socket() {
    let server = Server::start("bye", DEMO);
    let mut player = Player::open(&server, "demo", CID).await;
    let mut other = Player::open(&server, "demo", "another-player-00").await;
    player.play().await;
    other.play().await;
    let all = sessions(&server).await;
    assert_eq!(all["sessions"].as_array().unwrap().len(), 2);
    let first = &all["sessions"][0];
    assert_eq!((&first["stream"], &first["state"]), (&json!("demo"), &json!("connecting")));
    assert_eq!(first["format"], "webrtc");
    assert_eq!(first["profile"], "default");
    assert!(first["limit_ms"].as_f64().unwrap() >= 3000.0, "{first}");
    assert!(first["remote"].as_str().unwrap().starts_with("127.0.0.1:"), "{first}");
    let one = server.call("GET", "/api/rs/sessions?stream=nosuch&ended=0").await;
    one.is(200, "{\"sessions\":[]}\n");

    for method in ["GET", "PUT"] {
        assert_eq!(server.call(method, &player.bye).await.status, 405);
    }
    server.call("DELETE", "/api/rs/bye/ffffffffffffffffffffffffffffffff").await.is(204, "");
    server.call("DELETE", "/api/rs/bye/x").await.is(404, "\n");
    server.call("DELETE", &player.bye).await.is(204, "");
    let bye = player.bye.clone();
    player.ends().await;
    let all = until(&server, "one session less", |all| {
        all["sessions"].as_array().unwrap().len() == 1 && all["ended"] != json!([])
    })
    .await;
    assert_eq!(all["ended"][0]["reason"], "http_delete");
    assert_eq!(all["ended"][0]["state"], "gone");
    assert!(all["ended"][0]["left_at"].is_number());
    // The beacon that comes after the DELETE, and again.
    server.call("POST", &format!("{bye}/bye")).await.is(204, "");
    server.call("POST", &format!("{}/bye", other.bye)).await.is(204, "");
    let all = until(&server, "no session", |all| left(all, 2)).await;
    assert_eq!(all["ended"][0]["reason"], "pagehide");
    let streams = server.call("GET", "/api/streams?src=demo").await;
    assert!(streams.body.contains("\"consumers\": []"), "{}", streams.body);
    server.stop().await;
}

#[tokio::test]
async fn the_same_player_supersedes_itself_from_another_socket() {
    let server = Server::start("supersede", DEMO);
    let mut first = Player::open(&server, "demo", CID).await;
    first.play().await;
    let mut stranger = Player::open(&server, "demo", "another-player-00").await;
    stranger.play().await;
    let mut second = Player::open(&server, "demo", CID).await;
    let before = sessions(&server).await;
    assert_eq!(before["sessions"].as_array().unwrap().len(), 2, "nothing is answered yet");
    second.play().await;
    let all = until(&server, "two sessions", |all| {
        all["sessions"].as_array().unwrap().len() == 2 && all["ended"] != json!([])
    })
    .await;
    assert_eq!(all["ended"][0]["reason"], "superseded");
    assert_eq!(all["ended"][0]["id"], before["sessions"][0]["id"]);
    // The old page learns it, the new one does not care.
    assert_eq!(first.hear("released").await["reason"], "superseded");
    first.ends().await;
    // Has an answer, and opens nothing: there are no such pictures.
    second.say(&json!({ "type": "mjpeg" })).await;
    loop {
        let next = soon("an answer", read_text(&mut second.socket)).await;
        if next.contains("mjpeg") {
            break;
        }
        let is_other = next.contains("webrtc/candidate") || next.contains("\"why\"");
        assert!(is_other, "{next}");
    }
    server.call("DELETE", &second.bye).await.is(204, "");
    until(&server, "only the stranger", |all| all["sessions"].as_array().unwrap().len() == 1).await;
    second.ends().await;
    stranger.say(&json!({ "type": "park" })).await;
    server.stop().await;
}

#[tokio::test]
async fn a_socket_that_comes_again_takes_the_session_over() {
    let server = Server::start("again", DEMO);
    let mut first = Player::open(&server, "demo", CID).await;
    first.play().await;
    let mut second = Player::open(&server, "demo", CID).await;
    let id = sessions(&server).await["sessions"][0]["id"].clone();
    let kick = format!("/api/rs/sessions?id={id}");
    server.call("DELETE", &kick).await.is(200, "");
    let released = second.hear("released").await;
    assert_eq!(released["reason"], "admin");
    assert!(released["detectMs"].is_number(), "{released}");
    second.ends().await;
    server.call("DELETE", &kick).await.is(404, "no such session\n");
    server
        .call("DELETE", "/api/rs/sessions?id=x")
        .await
        .is(400, "id must be the number of a session\n");
    let evil = "Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\n";
    assert_eq!(server.send("DELETE", &kick, evil, "").await.status, 403);
    server.stop().await;
}

#[tokio::test]
async fn who_is_kicked_is_told_why() {
    let server = Server::start("kick", DEMO);
    let mut player = Player::open(&server, "demo", CID).await;
    player.play().await;
    let id = sessions(&server).await["sessions"][0]["id"].clone();
    server.call("DELETE", &format!("/api/rs/sessions?id={id}")).await.is(200, "");
    assert_eq!(player.hear("released").await["reason"], "admin");
    player.ends().await;
    let all = until(&server, "no session", |all| left(all, 1)).await;
    assert_eq!(all["ended"][0]["reason"], "admin");
    assert_eq!(all["ended"][0]["stream"], "demo");
    server.stop().await;
}

/// As players do that want the better of both: the other one goes on.
#[tokio::test]
async fn media_over_the_socket_outlives_a_session() {
    let server = Server::start("both", DEMO);
    let mut player = Player::open(&server, "demo", CID).await;
    player.say(&json!({ "type": "mse", "value": "avc1.640029,opus" })).await;
    assert!(player.hear("mse").await.as_str().unwrap().starts_with("video/mp4"));
    player.play().await;
    let all = sessions(&server).await["sessions"].as_array().unwrap().clone();
    let session = all.iter().find(|one| one["format"] == "webrtc").unwrap();
    server.call("DELETE", &format!("/api/rs/sessions?id={}", session["id"])).await.is(200, "");
    let is_there = |all: &Value| {
        all["ended"][0]["id"] == session["id"] && all["sessions"][0]["format"] == "mse/fmp4"
    };
    until(&server, "MSE alone", is_there).await;
    // The socket still answers, and has told of no end.
    player.say(&json!({ "type": "webrtc/offer" })).await;
    let text = loop {
        let text = soon("an answer", read_text(&mut player.socket)).await;
        assert!(!text.contains("released"), "{text}");
        if text.contains("error") {
            break text;
        }
    };
    assert!(text.contains("webrtc/offer: "), "{text}");
    assert!(is_there(&sessions(&server).await));
    server.stop().await;
}

/// What `why` says of a way of playing, once it says that of it.
async fn told(player: &mut Player, way: &str, verdict: &str) -> Vec<Value> {
    loop {
        let why = player.hear("why").await;
        let all = why["candidates"].as_array().unwrap().iter();
        let of_way: Vec<Value> = all.filter(|one| one["mode"] == way).cloned().collect();
        if of_way.iter().any(|one| one["verdict"] == verdict) {
            return of_way;
        }
    }
}

#[tokio::test]
async fn what_becomes_of_each_way_of_playing_is_told() {
    let file = "streams:\n  demo: 'demo:'\n  dead: rtsp://user:geheim77@127.0.0.1:1/x\n";
    let server = Server::start("why", file);
    let mut player = Player::open(&server, "demo", CID).await;
    assert_eq!(player.hear("why").await, json!({ "candidates": [] }));
    player.say(&json!({ "type": "mse", "value": "avc1.640029" })).await;
    let plays = told(&mut player, "mse", "chosen").await;
    let video = json!({ "mode": "mse", "kind": "video", "codec": "h264", "verdict": "chosen" });
    assert_eq!(plays[0], video);
    assert!(plays[1..].iter().all(|one| one["verdict"] == "codec_unsupported"), "{plays:?}");
    player.play().await;
    let plays = told(&mut player, "webrtc", "chosen").await;
    assert_eq!(plays[0]["codec"], "h264");
    player.say(&json!({ "type": "stop", "value": "mse" })).await;
    let stopped = told(&mut player, "mse", "slower").await;
    assert_eq!(stopped, [json!({ "mode": "mse", "verdict": "slower" })]);
    let hello = json!({ "type": "hello", "value": { "v": 1, "cid": CID, "pinned": "webrtc" } });
    player.say(&hello).await;
    told(&mut player, "hls", "pinned").await;
    player.say(&json!({ "type": "mse", "value": "avc1.640029" })).await;
    told(&mut player, "mse", "chosen").await;
    player.say(&json!({ "type": "stop", "value": "webrtc" })).await;
    told(&mut player, "webrtc", "slower").await;
    let only_mse = |all: &Value| {
        let there = all["sessions"].as_array().unwrap();
        there.len() == 1 && there[0]["format"] == "mse/fmp4"
    };
    let all = until(&server, "WebRTC is let go", only_mse).await;
    assert_eq!(all["ended"][0]["reason"], "http_delete");

    let mut player = Player::open(&server, "dead", "another-player-00").await;
    let offer = json!({ "type": "webrtc/offer", "value": offer() });
    player.say(&offer).await;
    let failed = told(&mut player, "webrtc", "failed").await;
    let text = failed[0]["text"].as_str().unwrap();
    assert!(text.contains("127.0.0.1:1") && !text.contains("geheim77"), "{text}");
    server.stop().await;
}

#[tokio::test]
async fn who_is_hidden_while_it_plays_over_the_socket_stays_in_the_list() {
    let server = Server::start("parked", "streams:\n  demo: {url: 'demo:', hidden_linger: 0s}\n");
    let mut player = Player::open(&server, "demo", CID).await;
    player.say(&json!({ "type": "mse", "value": "avc1.640029,opus" })).await;
    player.hear("mse").await;
    let id = sessions(&server).await["sessions"][0]["id"].clone();
    player.say(&json!({ "type": "park" })).await;
    let is = |state: &'static str| {
        let id = id.clone();
        move |all: &Value| {
            let one = &all["sessions"][0];
            one["id"] == id && one["state"] == state && one["format"] == "mse/fmp4"
        }
    };
    let all = until(&server, "it is parked", is("parked")).await;
    assert_eq!(all["sessions"][0]["reason"], "hidden");
    player.say(&json!({ "type": "resume" })).await;
    let all = until(&server, "it is back", is("alive")).await;
    assert_eq!(all["sessions"][0]["reason"], Value::Null);
    player.say(&json!({ "type": "park" })).await;
    until(&server, "it is parked again", is("parked")).await;
    drop(player);
    let all = until(&server, "it has left", |all| left(all, 1)).await;
    assert_eq!(all["ended"][0]["state"], "gone");
    server.stop().await;
}

/// A camera that takes the connection and says nothing.
async fn silent_camera() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, format!("streams:\n  cam: rtsp://127.0.0.1:{port}/x\n"))
}

/// Waits for the dial to be given up.
async fn hangs_up(mut camera: TcpStream) {
    let mut rest = Vec::new();
    let _ = soon("the camera is let go", camera.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn a_goodbye_ends_a_dial() {
    let (camera, file) = silent_camera().await;
    let server = Server::start("dial-bye", &file);
    let mut player = Player::open(&server, "cam", CID).await;
    player.say(&json!({ "type": "webrtc/offer", "value": offer() })).await;
    let (dialled, _) = soon("the dial", camera.accept()).await.unwrap();
    server.call("POST", &format!("{}/bye", player.bye)).await.is(204, "");
    hangs_up(dialled).await;
    player.ends().await;
    server.stop().await;
}

#[tokio::test]
async fn the_end_of_the_socket_ends_a_dial() {
    let (camera, file) = silent_camera().await;
    let server = Server::start("dial-fin", &file);
    for says_hello in [true, false] {
        let mut socket = if says_hello {
            Player::open(&server, "cam", CID).await.socket
        } else {
            open_socket_to(&server, "cam", "").await.1
        };
        let offer = json!({ "type": "webrtc/offer", "value": offer() });
        socket.write_all(&frame(&offer.to_string())).await.unwrap();
        let (dialled, _) = soon("the dial", camera.accept()).await.unwrap();
        drop(socket);
        hangs_up(dialled).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_viewer_that_never_came_goes_with_its_socket() {
    let server = Server::start("fin", DEMO);
    let mut player = Player::open(&server, "demo", CID).await;
    player.play().await;
    drop(player);
    // The camera is free while the session may still come until its deadline.
    let all = until(&server, "the camera is let go", |all| {
        all["sessions"][0]["reason"] == "signalling_lost"
    })
    .await;
    assert_eq!(all["sessions"][0]["state"], "connecting");
    let streams = server.call("GET", "/api/streams?src=demo").await;
    assert!(streams.body.contains("\"consumers\": []"), "parked is not listed: {}", streams.body);
    server.stop().await;
}

#[tokio::test]
async fn a_hidden_page_lets_go_though_its_socket_is_lost() {
    let server = Server::start("hidden", "streams:\n  demo: {url: 'demo:', hidden_linger: 2s}\n");
    let mut player = Player::open(&server, "demo", CID).await;
    player.play().await;
    player.say(&json!({ "type": "park" })).await;
    drop(player);
    until(&server, "the socket is lost", |all| all["sessions"][0]["reason"] == "signalling_lost")
        .await;
    until(&server, "the page is hidden", |all| all["sessions"][0]["reason"] == "hidden").await;
    server.stop().await;
}

#[tokio::test]
async fn odd_hellos_are_answered_too() {
    let server = Server::start("odd", DEMO);
    let mut one = Player::open(&server, "demo", "").await;
    let mut two = Player::open(&server, "nosuch", "<script>").await;
    one.play().await;
    for player in [&mut one, &mut two] {
        for kind in ["park", "resume", "resume", "park", "hello", "later"] {
            player.say(&json!({ "type": kind, "value": [1] })).await;
        }
        player.hear("session").await;
    }
    assert_eq!(sessions(&server).await["sessions"].as_array().unwrap().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn whep_in_its_own_words() {
    let file = format!("{DEMO}api:\n  listen: 127.0.0.1:0\n  origin: http://home.example\n");
    let server = Server::start("whep", &file);
    let page = "Origin: http://home.example\r\n";
    let preflight = format!("{page}Access-Control-Request-Method: DELETE\r\n");
    let allowed = server.send("OPTIONS", "/api/webrtc?id=x", &preflight, "").await;
    allowed.is(204, "");
    assert_eq!(allowed.header("access-control-allow-origin"), Some("http://home.example"));
    assert!(allowed.header("access-control-allow-methods").unwrap().contains("DELETE"));
    let headers = format!("{page}Content-Type: application/sdp\r\n");
    let created = server.send("POST", "/api/webrtc?src=demo", &headers, &offer()).await;
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(created.header("access-control-expose-headers"), Some("Location, ETag"));
    let location = format!("/api/{}", created.header("location").unwrap());
    assert_eq!(location.len(), "/api/webrtc?id=".len() + 32);
    let fragment =
        "a=candidate:1 1 UDP 2130706431 127.0.0.1 5000 typ host\r\na=end-of-candidates\r\n";
    let trickle = format!("{page}Content-Type: application/trickle-ice-sdpfrag\r\n");
    server.send("PATCH", &location, &trickle, fragment).await.is(204, "");
    assert_eq!(server.send("PATCH", &location, page, fragment).await.status, 415);
    server.send("PATCH", "/api/webrtc?id=none", &trickle, fragment).await.is(404, "\n");
    server.send("DELETE", &location, page, "").await.is(200, "");
    let all = until(&server, "no session", |all| left(all, 1)).await;
    assert_eq!(all["ended"][0]["reason"], "http_delete");
    let again = server.send("DELETE", &location, page, "").await;
    assert!(matches!(again.status, 200 | 404), "{}", again.status);
    let strange = server.send("GET", "/api", "Origin: http://other.example\r\n", "").await;
    assert_eq!(strange.header("access-control-allow-origin"), None);
    server.stop().await;
}

#[tokio::test]
async fn goodbyes_need_only_the_socket_in_the_list_of_paths() {
    let file = format!(
        "{DEMO}api:\n  listen: 127.0.0.1:0\n  base_path: /rtc\n  allow_paths: [/rtc/api/ws]\n"
    );
    let server = Server::start("paths-bye", &file);
    let missing = "/rtc/api/rs/bye/ffffffffffffffffffffffffffffffff";
    server.call("DELETE", missing).await.is(204, "");
    server.call("GET", "/rtc/api/rs/sessions").await.is(404, "404 page not found\n");
    server.call("DELETE", "/rtc/api/rs/bye/").await.is(404, "404 page not found\n");
    server.stop().await;
}
