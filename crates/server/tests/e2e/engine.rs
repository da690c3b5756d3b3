//! What the API makes of the streams engine: preloads, changed streams, playing
//! and publishing.

use serde_json::{Value, json};

use crate::harness::{Server, until};

/// A camera that everybody has, and one that is not there.
const DEMO: &str = "demo: demo:?width=320&height=240\nbroken: rtsp://127.0.0.1:1/none";

fn answers(server: &Server, method: &str, path: &str, status: u16, body: &str) {
    let answer = server.request(method, path);
    assert_eq!((answer.0, answer.1.as_str()), (status, body), "{method} {path}");
}

fn get(server: &Server, path: &str) -> Value {
    let (status, body) = server.request("GET", path);
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn preloads_are_tried_kept_listed_and_written_back() {
    let server = Server::with_streams(DEMO);
    answers(&server, "GET", "api/preload", 200, "{}\n");
    answers(&server, "POST", "api/preload?src=demo", 405, "\n");
    answers(&server, "PATCH", "api/preload?src=demo", 405, "\n");
    let unknown = "streams: stream not found: nosuch\n";
    answers(&server, "PUT", "api/preload?src=nosuch", 500, unknown);
    answers(&server, "PUT", "api/preload", 500, "streams: stream not found: \n");
    let wrong = "api/preload?src=demo&video=mjpeg";
    let unmatched = "streams: codecs not matched: video:H264, audio:OPUS => video:JPEG\n";
    answers(&server, "PUT", wrong, 500, unmatched);
    assert_eq!(server.request("PUT", "api/preload?src=broken").0, 500);
    assert!(!server.file().contains("preload"), "nothing of that is kept");

    let library = "api/preload?src=demo&video_codec_filter=h264&audio_codec_filter=pcma";
    answers(&server, "PUT", library, 200, "");
    assert!(server.file().ends_with("preload:\n  demo: \"\"\n"), "{}", server.file());
    let preload = &get(&server, "api/preload")["demo"];
    assert_eq!(preload["query"], "video&audio");
    let consumer = &preload["consumer"];
    assert_eq!(consumer["format_name"], "preload");
    assert_eq!(consumer["medias"], json!(["video, sendonly, ANY", "audio, sendonly, ANY"]));
    let stream = get(&server, "api/streams?src=demo");
    assert_eq!(stream["consumers"][0]["id"], consumer["id"]);
    assert_eq!(stream["producers"][0]["receivers"][0]["childs"][0], consumer["senders"][0]["id"]);
    until("what it received is counted", || {
        let counted = &get(&server, "api/preload")["demo"]["consumer"];
        counted["bytes_send"].as_u64() > Some(0)
            && counted["senders"][0]["bytes"].as_u64() > Some(0)
    });

    // A query that cannot work leaves the running one alone.
    answers(&server, "PUT", wrong, 500, unmatched);
    let same = &get(&server, "api/preload")["demo"]["consumer"];
    assert_eq!(same["id"], consumer["id"]);
    assert_eq!(same["senders"].as_array().unwrap().len(), 2);

    let filters = "api/preload?src=demo&video=h264,h265&foo=bar&microphone";
    answers(&server, "PUT", filters, 200, "");
    assert!(server.file().contains("demo: microphone=&video=h264%2Ch265\n"), "{}", server.file());
    let preload = &get(&server, "api/preload")["demo"];
    assert_eq!(preload["query"], "microphone=&video=h264%2Ch265");
    assert_eq!(preload["consumer"]["senders"].as_array().unwrap().len(), 1);

    answers(&server, "DELETE", "api/preload?src=demo", 200, "");
    assert!(!server.file().contains("microphone"));
    let gone = "streams: preload not found: demo\n";
    answers(&server, "DELETE", "api/preload?src=demo", 500, gone);
    answers(&server, "GET", "api/preload", 200, "{}\n");
}

#[test]
fn playing_and_publishing_answer_as_the_contract_says() {
    let server = Server::with_streams(DEMO);
    let idle =
        "{\"producers\":[{\"url\":\"demo:?width=320\\u0026height=240\"}],\"consumers\":null}\n";
    for (query, status, text) in [
        ("src=demo", 400, "\n"),
        ("src=nosuch&dst=nosuch2", 404, "\n"),
        ("src=&dst=demo", 200, idle),
        ("src=exec:date&dst=demo", 400, "streams: source from insecure producer\n"),
        ("src=foo:bar&dst=demo", 400, "streams: source not supported\n"),
        ("src=demo:&dst=demo", 500, "can't find consumer\n"),
        ("src=demo&dst=exec:cat", 500, "streams: unsupported scheme: exec:cat\n"),
        (
            "src=demo&dst=rtmp://u:p@127.0.0.1:1/x",
            500,
            "streams: unsupported scheme: rtmp://***@127.0.0.1:1/x\n",
        ),
    ] {
        answers(&server, "POST", &format!("api/streams?{query}"), status, text);
    }
}

#[test]
fn viewers_of_a_changed_stream_stay_and_see_the_new_source() {
    let server = Server::with_streams(DEMO);
    answers(&server, "PUT", "api/preload?src=demo&video", 200, "");
    let before = get(&server, "api/streams?src=demo");
    let viewer = &before["consumers"][0]["senders"][0]["id"];
    assert!(viewer.is_u64());
    assert_eq!(before["producers"][0]["url"], "demo:?width=320&height=240");
    let put = "api/streams?name=demo&src=demo:?width=640%26height=360";
    answers(&server, "PUT", put, 200, "");
    until("the new source gives its frames", || {
        let after = get(&server, "api/streams?src=demo");
        assert_eq!(&after["consumers"][0]["senders"][0]["id"], viewer, "it stays attached");
        assert_eq!(after["producers"].as_array().unwrap().len(), 1);
        assert_eq!(after["producers"][0]["url"], "demo:?width=640&height=360");
        &after["producers"][0]["receivers"][0]["childs"][0] == viewer
    });
    // The same once more: the producer is the same, too.
    let id = &get(&server, "api/streams?src=demo")["producers"][0]["id"];
    answers(&server, "PUT", put, 200, "");
    assert_eq!(&get(&server, "api/streams?src=demo")["producers"][0]["id"], id);
    assert!(server.file().contains("demo:?width=640&height=360"), "{}", server.file());
    answers(&server, "DELETE", "api/streams?src=demo", 200, "");
    answers(&server, "GET", "api/streams?src=demo", 404, "\n");
}

#[test]
fn a_program_hears_what_is_played() {
    let door = "door:\n  - demo:?width=320&height=240\n  - exec:dd of=heard bs=160#backchannel=1#audio=mulaw/8000";
    let server = Server::with_streams(door);
    let (status, body) = server.request("POST", "api/streams?src=demo:%3Faudio=pcmu&dst=door");
    assert_eq!(status, 200, "{body}");
    let shown: Value = serde_json::from_str(&body).unwrap();
    let producers = shown["producers"].as_array().unwrap();
    assert_eq!(producers.len(), 3);
    assert!(producers.iter().all(|p| p["url"].is_string()), "{body}");
    assert!(producers[0]["id"].is_null() && producers[1]["id"].is_null(), "{body}");
    let receiver = &producers[2]["receivers"][0];
    assert_eq!(receiver["codec"]["codec_name"], "pcm_mulaw");
    let camera = &shown["consumers"][0];
    assert_eq!((&camera["format_name"], &camera["protocol"]), (&json!("pcm"), &json!("pipe")));
    assert_eq!(receiver["childs"], json!([camera["senders"][0]["id"]]));
    assert_eq!(camera["senders"][0]["parent"], receiver["id"]);
    let heard = || server.in_folder("heard").metadata().map_or(0, |file| file.len());
    until("a second of sound", || heard() > 8000);
    let sent = &get(&server, "api/streams?src=door")["consumers"][0]["senders"][0]["bytes"];
    assert!(sent.as_u64() > Some(4000), "{sent}");
    let (status, body) = server.request("POST", "api/streams?src=&dst=door");
    assert_eq!(status, 200);
    assert!(body.ends_with("\"consumers\":[]}\n"), "{body}");
}
