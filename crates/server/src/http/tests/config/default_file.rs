//! Without a file on the command line: which one is read and written, and what
//! happens when the other one comes or this one goes.

use super::*;

const QUIET: &str = "api:\n  listen: 127.0.0.1:0\nrtsp:\n  listen: \"\"\nwebrtc:\n  listen: 127.0.0.1:0\nlog:\n  output: \"\"\n";

/// A folder with these files, each with one stream of its own.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("rs2rtc-http-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    for (file, stream) in files {
        let text = format!("{QUIET}streams:\n  {stream}: rtsp://127.0.0.1:1/x\n");
        std::fs::write(dir.join(file), text).unwrap();
    }
    dir
}

impl Server {
    async fn streams(&self) -> Vec<String> {
        let all = json_of(&self.call("GET", "/api/streams").await);
        let mut names: Vec<_> = all.as_object().unwrap().keys().cloned().collect();
        names.sort_unstable();
        names
    }
}

#[tokio::test]
async fn a_file_that_comes_later_waits_for_the_next_start() {
    let server = Server::run(folder("comes", &[("go2rtc.yaml", "old")]), Vec::new());
    folder("comes", &[("rs2rtc.yaml", "new")]);
    server
        .until("/api/log", |log| log.body.contains("rs2rtc.yaml is not read before the next start"))
        .await;
    assert_eq!(server.streams().await, ["old"]);
    server.call("PUT", "/api/streams?name=more&src=rtsp://127.0.0.1:1/m").await.is(200, "");
    assert_eq!(server.streams().await, ["more", "old"]);
    assert!(server.file().contains("  more:"), "{}", server.file());
    server.stop().await;
}

#[tokio::test]
async fn a_file_that_goes_leaves_its_place_to_no_other() {
    let both = [("rs2rtc.yaml", "mine"), ("go2rtc.yaml", "old")];
    let server = Server::run(folder("goes", &both), Vec::new());
    let own = server.dir.join("rs2rtc.yaml");
    std::fs::remove_file(&own).unwrap();
    server.until("/api/log", |log| log.body.contains("rs2rtc.yaml does not exist any more")).await;
    assert_eq!(server.streams().await, ["mine"]);
    server.call("PUT", "/api/streams?name=more&src=rtsp://127.0.0.1:1/m").await.is(200, "");
    let text = std::fs::read_to_string(&own).unwrap();
    assert!(text.contains("  mine:") && text.contains("  more:"), "{text}");
    server.stop().await;
}
