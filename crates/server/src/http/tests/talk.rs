//! The floor over sockets: who gets it, who waits, and who is told of it.

use serde_json::{Value, json};

use super::Server;
use super::players::{Player, soon};

const DEMO: &str = "streams:\n  demo: 'demo:'\n  other: 'demo:'\n";

async fn ask(player: &mut Player, name: &str) {
    player.say(&json!({ "type": "talk/request", "value": { "name": name } })).await;
}

#[tokio::test]
async fn one_has_the_floor_and_the_others_are_told() {
    let server = Server::start("talk", DEMO);
    let mut one = Player::open(&server, "demo", "talker-number-one").await;
    let mut two = Player::open(&server, "demo", "talker-number-two").await;
    let mut elsewhere = Player::open(&server, "other", "talker-elsewhere").await;
    ask(&mut one, "kitchen <tablet>\n").await;
    let granted = one.hear("talk/granted").await;
    assert!((119_000.0..=120_000.0).contains(&granted["ttl"].as_f64().unwrap()), "{granted}");
    let mine = one.hear("talk").await;
    assert_eq!((&mine["id"], &mine["by"]), (&granted["id"], &json!("kitchen <tablet>")));
    let theirs = two.hear("talk").await;
    assert_eq!(theirs["by"], "kitchen <tablet>");
    assert_eq!(theirs["asked"], true);
    ask(&mut two, "hall").await;
    let busy = two.hear("talk/busy").await;
    assert_eq!(busy["by"], "kitchen <tablet>");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let age = now.as_secs_f64() * 1000.0 - busy["since"].as_f64().unwrap();
    assert!((-5.0..20_000.0).contains(&age), "{age}");
    // Each stream has a floor of its own.
    ask(&mut elsewhere, "").await;
    elsewhere.hear("talk/granted").await;
    assert_eq!(elsewhere.hear("talk").await["by"], "127.0.0.1", "without a name");
    // Who comes later is told too.
    let mut late = Player::open(&server, "demo", "talker-comes-late").await;
    assert_eq!(late.hear("talk").await["by"], "kitchen <tablet>");
    one.say(&json!({ "type": "talk/release" })).await;
    assert_eq!(two.hear("talk").await["by"], Value::Null);
    ask(&mut two, "hall").await;
    two.hear("talk/granted").await;
    assert_eq!(late.hear("talk").await["by"], Value::Null);
    assert_eq!(late.hear("talk").await["by"], "hall");
    // The tab is closed: nobody has to wait for anything.
    drop(two);
    assert_eq!(late.hear("talk").await["by"], Value::Null);
    ask(&mut late, "late").await;
    late.hear("talk/granted").await;
    server.stop().await;
}

#[tokio::test]
async fn the_end_of_the_session_that_talks_gives_the_floor_back() {
    let server = Server::start("talk-session", DEMO);
    let mut one = Player::open(&server, "demo", "talker-number-one").await;
    let mut two = Player::open(&server, "demo", "talker-number-two").await;
    ask(&mut one, "hall").await;
    one.hear("talk/granted").await;
    assert_eq!(two.hear("talk").await["by"], "hall");
    // Its goodbye, over another connection.
    let bye = server.call("DELETE", &one.bye.clone()).await;
    assert_eq!(bye.status, 204);
    soon("the end of the socket", one.ends()).await;
    assert_eq!(two.hear("talk").await["by"], Value::Null);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_not_there_has_no_floor() {
    let server = Server::start("talk-nowhere", DEMO);
    let (status, mut socket) = super::open_socket_to(&server, "nosuch", "").await;
    assert_eq!(status, 101);
    let text = json!({ "type": "talk/request" }).to_string();
    tokio::io::AsyncWriteExt::write_all(&mut socket, &super::frame(&text)).await.unwrap();
    let answer: Value = serde_json::from_str(&super::read_text(&mut socket).await).unwrap();
    assert_eq!(answer, json!({ "type": "error", "value": "talk/request: stream not found" }));
    server.stop().await;
}

#[tokio::test]
async fn who_has_no_session_gets_no_floor() {
    let server = Server::start("talk-alone", DEMO);
    let (status, mut socket) = super::open_socket_to(&server, "demo", "").await;
    assert_eq!(status, 101);
    let text = json!({ "type": "talk/request", "value": { "name": "x".repeat(9999) } }).to_string();
    tokio::io::AsyncWriteExt::write_all(&mut socket, &super::frame(&text)).await.unwrap();
    let answer: Value = serde_json::from_str(&super::read_text(&mut socket).await).unwrap();
    let text = "talk/request: there is no session here: say hello or send an offer first";
    assert_eq!(answer, json!({ "type": "error", "value": text }));
    // Of a long name everybody sees the beginning.
    let mut one = Player::open(&server, "demo", "talker-number-one").await;
    ask(&mut one, &"\u{53A8}".repeat(9999)).await;
    one.hear("talk/granted").await;
    assert_eq!(one.hear("talk").await["by"], "\u{53A8}".repeat(40));
    server.stop().await;
}
