//! What the API changes of streams and preloads, whatever else is in the file.

use super::*;

const CAMERAS: &str =
    "streams:\n  a: 'demo:?width=160&height=120&fps=5'\n  b: 'demo:'\npreload:\n  a: video\n";

impl Server {
    /// Streams with their sources, and what is preloaded.
    async fn running(&self) -> (Vec<(String, Vec<String>)>, Vec<(String, String)>) {
        let streams = self.streams.list().into_iter();
        let preloads = json_of(&self.call("GET", "/api/preload").await);
        let preloads = preloads.as_object().unwrap().iter();
        let query = |value: &Value| value["query"].as_str().unwrap().to_owned();
        (
            streams.map(|(name, stream)| (name, stream.sources())).collect(),
            preloads.map(|(name, value)| (name.clone(), query(value))).collect(),
        )
    }

    /// Changes everything while something else in the file is wrong.
    async fn change_beside_a_mistake(&self, first: &str) {
        let wrong = first.replace("rtsp:\n", "rtsp:\n  pkt_size: nonsense\n");
        self.send("POST", "/api/config", "", &wrong).await.is(200, "");
        self.call("DELETE", "/api/streams?src=a").await.is(200, "");
        self.call("PUT", "/api/streams?name=b&src=demo:%3Ffps%3D3").await.is(200, "");
        self.call("PUT", "/api/streams?name=c&src=demo:").await.is(200, "");
        self.call("DELETE", "/api/preload?src=a").await.is(200, "");
        self.call("PUT", "/api/preload?src=c&video").await.is(200, "");
        let streams = [("b", "demo:?fps=3"), ("c", "demo:")];
        let streams = streams.map(|(name, source)| (name.to_owned(), vec![source.to_owned()]));
        let preloads = [("c".to_owned(), "video=".to_owned())];
        assert_eq!(self.running().await, (streams.to_vec(), preloads.to_vec()));
    }
}

#[tokio::test]
async fn what_runs_is_what_stands_in_the_file_after_a_mistake() {
    let server = Server::start("mistake-back", CAMERAS);
    let (first, before) = (server.file(), server.running().await);
    server.change_beside_a_mistake(&first).await;
    let list = json_of(&server.call("GET", "/api/rs/config/versions").await);
    let list = list["versions"].as_array().unwrap();
    let kept = list.iter().find(|kept| kept["bytes"] == first.len()).unwrap();
    let back = format!("/api/rs/config/rollback?number={}", kept["number"]);
    let back = json_of(&server.call("POST", &back).await);
    let changes = back["changes"].as_array().unwrap().iter();
    let changes: Vec<_> = changes.map(|c| format!("{} {}", c["change"], c["path"])).collect();
    let told = [
        "\"removed\" \"preload.c\"",
        "\"added\" \"preload.a\"",
        "\"removed\" \"streams.c\"",
        "\"added\" \"streams.a\"",
        "\"changed\" \"streams.b\"",
    ];
    assert_eq!(changes, told, "{back}");
    assert_eq!((server.file(), server.running().await), (first.clone(), before.clone()));

    // An editor that has the text from before saves it.
    server.change_beside_a_mistake(&first).await;
    std::fs::write(server.dir.join("go2rtc.yaml"), &first).unwrap();
    server.until("/api/streams?src=a", |answer| answer.status == 200).await;
    server.until("/api/preload", |answer| answer.body.contains("\"a\"")).await;
    assert_eq!(server.running().await, before);
    // What is right in the text with the mistake comes with it.
    server.change_beside_a_mistake(&first).await;
    let right = server.file().replace("  pkt_size: nonsense\n", "");
    let running = server.running().await;
    assert_eq!(server.apply(&right).await["changes"], json!([]));
    assert_eq!(server.running().await, running);
    server.stop().await;
}

#[tokio::test]
async fn a_call_waits_until_an_editor_has_written_the_file() {
    let server = Server::start("half", FILE);
    let debug = json!({ "log": { "config": "debug" } }).to_string();
    server.send("PATCH", "/api/config", "", &debug).await.is(200, "");
    let whole = server.file();
    // In place: what the editor holds back is nowhere yet.
    let mut editor = std::fs::File::create(server.dir.join("go2rtc.yaml")).unwrap();
    let mut write = |text: &str| std::io::Write::write_all(&mut editor, text.as_bytes()).unwrap();
    let waits = async || server.call("GET", "/api/log").await.body.matches("waits until").count();
    let mut put = Box::pin(server.call("PUT", "/api/streams?name=c&src=rtsp://127.0.0.1:1/c"));
    let half = async {
        while waits().await == 0 {
            write("#\n");
        }
    };
    tokio::select! {
        biased;
        answer = &mut put => panic!("{}: it has taken the half for all", answer.status),
        () = half => write(&format!("{whole}  d: rtsp://127.0.0.1:1/d\n")),
    }
    put.await.is(200, "");
    let mut names = vec!["a", "b", "c", "d"];
    for name in &names {
        assert!(server.file().contains(&format!("\n  {name}:")), "{}", server.file());
    }
    let (streams, _) = server.running().await;
    names.retain(|name| !streams.iter().any(|(known, _)| known == name));
    assert_eq!(names, Vec::<&str>::new(), "not there: {streams:?}");
    // What calls write is not waited for.
    let known = waits().await;
    for name in ["e", "f", "g"] {
        let path = format!("/api/streams?name={name}&src=rtsp://127.0.0.1:1/x");
        server.call("PUT", &path).await.is(200, "");
    }
    server.apply(&whole).await;
    server.call("DELETE", "/api/streams?src=a").await.is(200, "");
    assert_eq!(waits().await, known);
    server.stop().await;
}
