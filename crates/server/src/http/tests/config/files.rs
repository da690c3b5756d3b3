//! Files of the configuration: several of them, times that do not change, and
//! what is told of what stands in them.

use super::*;

const SECOND: &str = "streams:\n  yard: rtsp://127.0.0.1:1/y\n";

/// A server with a second file.
fn start(name: &str) -> (Server, PathBuf) {
    let dir = std::env::temp_dir().join(format!("rs2rtc-http-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let second = dir.join("second.yaml");
    std::fs::write(dir.join("go2rtc.yaml"), FILE).unwrap();
    std::fs::write(&second, SECOND).unwrap();
    let items = [
        "go2rtc.yaml",
        "second.yaml",
        "api.listen=127.0.0.1:0",
        "webrtc.listen=127.0.0.1:0",
        "rtsp.listen=\"\"",
        "log.output=\"\"",
    ];
    (Server::run(dir, items.map(str::to_owned).to_vec()), second)
}

impl Server {
    async fn log(&self) -> String {
        self.call("GET", "/api/log").await.body
    }
}

#[tokio::test]
async fn any_file_that_goes_leaves_its_cameras() {
    let (server, second) = start("second");
    std::fs::remove_file(&second).unwrap();
    server.until("/api/log", |log| log.body.contains("second.yaml does not exist any more")).await;
    assert_eq!(server.call("GET", "/api/streams?src=yard").await.status, 200);
    let base = server.version().await;
    let path = format!("/api/rs/config/apply?base={base}");
    let refused = server.send("POST", &path, "", "streams:\n").await;
    assert_eq!(refused.status, 500, "{}", refused.body);
    assert!(refused.body.contains("second.yaml does not exist any more"), "{}", refused.body);
    assert_eq!(server.file(), FILE);
    std::fs::write(&second, SECOND.replace("yard", "gate")).unwrap();
    server.until("/api/streams?src=gate", |answer| answer.status == 200).await;
    assert_eq!(server.call("GET", "/api/streams?src=yard").await.status, 404);
    server.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_change_that_keeps_length_and_time_is_seen() {
    let (server, second) = start("times");
    // What was read at the start is read once more, and known from then on.
    std::fs::write(&second, SECOND.replace("yard", "gate")).unwrap();
    server.until("/api/streams?src=gate", |answer| answer.status == 200).await;
    let file = std::fs::OpenOptions::new().write(true).open(&second).unwrap();
    let time = file.metadata().unwrap().modified().unwrap();
    std::io::Write::write_all(&mut &file, SECOND.as_bytes()).unwrap();
    file.set_modified(time).unwrap();
    server.until("/api/streams?src=yard", |answer| answer.status == 200).await;
    server.stop().await;
}

#[tokio::test]
async fn a_mistake_is_told_when_it_comes_and_once() {
    let server = Server::start("told", FILE);
    let wrong = "api:\n  lisen: :1\n";
    let told = |log: &str| log.matches("api.lisen: unknown key").count();
    server.send("PATCH", "/api/config", "", wrong).await.is(200, "");
    assert_eq!(told(&server.log().await), 1, "though nothing else is new");
    server.call("PUT", "/api/streams?name=more&src=rtsp://127.0.0.1:1/m").await.is(200, "");
    server.call("DELETE", "/api/streams?src=more").await.is(200, "");
    assert_eq!(told(&server.log().await), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_refused_file_tells_no_secret() {
    let server = Server::start("secret", FILE);
    let text = "env:\n  WHERE: geheim77\napi:\n  listen: ${WHERE}\n";
    std::fs::write(server.dir.join("go2rtc.yaml"), text).unwrap();
    server.until("/api/log", |log| log.body.contains(":4:11: api.listen")).await;
    let log = server.log().await;
    assert!(!log.contains("geheim77") && log.contains("***"), "{log}");
    server.stop().await;
}
