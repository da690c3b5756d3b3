//! A configuration on trial, and everything that may happen to it before it is
//! settled.

use super::*;
use crate::live::unconfirmed::AGAIN;

const MINUTE: Duration = Duration::from_secs(61);

impl Server {
    /// Puts a text in force for a minute; gives its version.
    async fn try_out(&self, text: &str) -> String {
        let path = format!("/api/rs/config/apply?base={}&confirm=60", self.version().await);
        let answer = self.send("POST", &path, "", text).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        json_of(&answer)["version"].as_str().unwrap().to_owned()
    }

    async fn is_on_trial(&self) -> bool {
        let list = json_of(&self.call("GET", "/api/rs/config/versions").await);
        !list["unconfirmed"].is_null()
    }
}

async fn jump(wait: Duration) {
    tokio::time::pause();
    tokio::time::advance(wait).await;
    tokio::time::resume();
}

/// Jumps over `wait` and waits until the file is `text`.
async fn gone_back(server: &Server, wait: Duration, text: &str) {
    jump(wait).await;
    let back = async {
        while server.file() != text {
            // The file is written off this thread; there is nothing else to wait for.
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), back).await.expect("it goes back");
}

#[tokio::test]
async fn what_nobody_confirms_goes_back() {
    let server = Server::start("confirm", FILE);
    let (first, base) = (server.file(), server.version().await);
    let second = first.replace("# tail", "  gate: rtsp://127.0.0.1:1/g\n# tail");
    let put = async |base: &str, seconds: &str, text: &str| {
        let path = format!("/api/rs/config/apply?base={base}&confirm={seconds}");
        server.send("POST", &path, "", text).await
    };
    for wrong in ["0", "x", "-1", "3601"] {
        put(&base, wrong, &second).await.is(400, "confirm: seconds, 1 to 3600\n");
    }
    let applied = json_of(&put(&base, "60", &second).await);
    let version = applied["version"].as_str().unwrap().to_owned();
    let left = applied["unconfirmed"]["left_ms"].as_u64().unwrap();
    assert!((1..=60_000).contains(&left), "{applied}");
    let listed = json_of(&server.call("GET", "/api/rs/config/versions").await);
    assert!(listed["unconfirmed"]["left_ms"].as_u64().unwrap() <= left);
    assert_eq!(server.call("GET", "/api/streams?src=gate").await.status, 200);

    // A trial on top of a trial goes back to what was before both.
    let third = second.replace("gate:", "yard:");
    let top = json_of(&put(&version, "60", &third).await)["version"].as_str().unwrap().to_owned();
    gone_back(&server, MINUTE, &first).await;
    let confirm = format!("/api/rs/config/confirm?version={top}");
    let late = server.call("POST", &confirm).await;
    assert_eq!((late.status, &json_of(&late)["version"]), (409, &json!(base)));
    let listed = json_of(&server.call("GET", "/api/rs/config/versions").await);
    assert_eq!((&listed["unconfirmed"], &listed["version"]), (&Value::Null, &json!(base)));
    for name in ["gate", "yard"] {
        // The file comes first.
        server.until(&format!("/api/streams?src={name}"), |answer| answer.status == 404).await;
    }

    // What is confirmed stays.
    assert_eq!(put(&base, "60", &third).await.status, 200);
    server.call("GET", &confirm).await.is(405, "use POST, DELETE\n");
    assert_eq!(server.call("POST", &confirm).await.status, 200);
    jump(MINUTE).await;
    assert_eq!(server.call("GET", "/api/streams?src=yard").await.status, 200);
    let all = server.file();
    assert_eq!(all, third);

    // At once, and at the end of the program.
    let base = server.version().await;
    let applied = json_of(&put(&base, "60", &first).await);
    let path = format!("/api/rs/config/confirm?version={}", applied["version"].as_str().unwrap());
    let back = server.call("DELETE", &path).await;
    assert_eq!((back.status, json_of(&back)["version"].as_str()), (200, Some(base.as_str())));
    assert_eq!(server.file(), all);
    assert_eq!(server.call("DELETE", &path).await.status, 409);
    assert_eq!(put(&base, "60", &first).await.status, 200);
    let Server { cancel, ended, dir, .. } = server;
    cancel.cancel();
    ended.await.unwrap();
    assert_eq!(std::fs::read_to_string(dir.join("go2rtc.yaml")).unwrap(), all);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test]
async fn a_mistake_from_before_keeps_nobody_locked_out() {
    let server = Server::start("mistake", &format!("{FILE}api:\n  username: [a]\n"));
    let first = server.file();
    let login = "username: admin\n  password: pass\n  local_auth: true";
    server.try_out(&first.replace("username: [a]", login)).await;
    assert_eq!(server.call("GET", "/api").await.status, 401);
    gone_back(&server, MINUTE, &first).await;
    server.until("/api", |answer| answer.status == 200).await;
    assert!(!server.is_on_trial().await);
    server.stop().await;
}

#[tokio::test]
async fn what_the_api_changes_during_a_trial_stays() {
    let server = Server::start("during", FILE);
    let first = server.file();
    let with = |text: &str, more: &str| text.replace("# tail", &format!("{more}# tail"));
    let gate = with(&first, "  gate: rtsp://127.0.0.1:1/g\n");
    let more = "  more:\n    - rtsp://127.0.0.1:1/m\n";
    let put = "/api/streams?name=more&src=rtsp://127.0.0.1:1/m";
    let origin = "api:\n  origin: http://x\n";

    let version = server.try_out(&gate).await;
    server.call("PUT", put).await.is(200, "");
    server.send("PATCH", "/api/config", "", origin).await.is(200, "");
    assert_eq!(server.file(), with(&gate, more) + origin);
    assert!(server.is_on_trial().await);
    gone_back(&server, MINUTE, &(with(&first, more) + origin)).await;
    server.until("/api/streams?src=gate", |answer| answer.status == 404).await;
    assert_eq!(server.call("GET", "/api/streams?src=more").await.status, 200);

    // Whoever applied it knows the version of then.
    server.call("DELETE", "/api/streams?src=more").await.is(200, "");
    server.send("PATCH", "/api/config", "", "api:\n  origin:\n").await.is(200, "");
    let base = server.file();
    let again = with(&base, "  gate: rtsp://127.0.0.1:1/g\n");
    let version_again = server.try_out(&again).await;
    assert_ne!(version, version_again);
    server.call("PUT", put).await.is(200, "");
    let confirm = format!("/api/rs/config/confirm?version={version_again}");
    assert_eq!(server.call("POST", &confirm).await.status, 200);
    assert!(!server.is_on_trial().await);
    jump(MINUTE).await;
    assert_eq!(server.file(), with(&again, more));
    server.stop().await;
}

#[tokio::test]
async fn going_back_is_tried_until_it_is_done() {
    let server = Server::start("again", FILE);
    let first = server.file();
    let version = server.try_out(&first.replace("  b:", "  gate: 'demo:'\n  b:")).await;
    // Where the new text would be written first.
    let way = server.dir.join(format!(".go2rtc.yaml.{}.tmp", std::process::id()));
    std::fs::create_dir(&way).unwrap();
    let confirm = format!("/api/rs/config/confirm?version={version}");
    assert_eq!(server.call("DELETE", &confirm).await.status, 500);
    jump(MINUTE).await;
    server.until("/api/log", |log| log.body.contains("but going back failed")).await;
    assert!(server.is_on_trial().await, "it may still be confirmed");
    assert_eq!(server.call("GET", "/api/streams?src=gate").await.status, 200);
    std::fs::remove_dir(&way).unwrap();
    gone_back(&server, AGAIN, &first).await;
    server.until("/api/streams?src=gate", |answer| answer.status == 404).await;
    assert!(!server.is_on_trial().await);
    server.stop().await;
}

#[tokio::test]
async fn what_somebody_else_writes_during_a_trial_stays() {
    let server = Server::start("else", FILE);
    let first = server.file();
    server.try_out(&first.replace("  b:", "  gate: 'demo:'\n  b:")).await;
    let theirs = first.replace("  b:", "  yard: 'demo:'\n  b:");
    std::fs::write(server.dir.join("go2rtc.yaml"), &theirs).unwrap();
    server.until("/api/streams?src=yard", |answer| answer.status == 200).await;
    jump(MINUTE).await;
    server.until("/api/log", |log| log.body.contains("somebody else has written")).await;
    assert_eq!(server.file(), theirs);

    // All of it over the API.
    server.try_out(&first).await;
    server.send("POST", "/api/config", "", &theirs).await.is(200, "");
    assert!(!server.is_on_trial().await);
    jump(MINUTE).await;
    assert_eq!(server.call("GET", "/api/streams?src=yard").await.status, 200);
    assert_eq!(server.file(), theirs);
    server.stop().await;
}

#[tokio::test]
async fn a_refused_file_does_not_come_into_force_by_going_back() {
    let server = Server::start("refused", FILE);
    let first = server.file();
    std::fs::write(server.dir.join("go2rtc.yaml"), "streams:\n  a: [\n").unwrap();
    server.until("/api/log", |log| log.body.contains("go2rtc.yaml:2:")).await;
    server.try_out(&first.replace("  b:", "  gate: 'demo:'\n  b:")).await;
    gone_back(&server, MINUTE, &first).await;
    server.until("/api/streams?src=gate", |answer| answer.status == 404).await;
    assert_eq!(server.call("GET", "/api/streams?src=a").await.status, 200);
    server.stop().await;
}

/// What a killed program leaves behind is what stands in its folder at that moment.
#[tokio::test]
async fn a_trial_does_not_outlast_a_crash() {
    let server = Server::start("killed", FILE);
    let first = server.file();
    let second = first.replace("  b:", "  gate: 'demo:'\n  b:");
    server.try_out(&second).await;
    server.call("PUT", "/api/streams?name=more&src=rtsp://127.0.0.1:1/m").await.is(200, "");
    let crashed = |name: &str| {
        let copy = server.dir.with_file_name(format!("rs2rtc-http-{}-{name}", std::process::id()));
        let inner = std::path::Path::new(".rs2rtc/versions");
        std::fs::create_dir_all(copy.join(inner)).unwrap();
        for file in ["go2rtc.yaml", ".rs2rtc/versions/go2rtc.yaml.trial"] {
            std::fs::copy(server.dir.join(file), copy.join(file)).unwrap();
        }
        (copy.clone(), copy.join(inner).join("go2rtc.yaml.trial"))
    };
    let start = |dir: &PathBuf| {
        let config = ["go2rtc.yaml", "api.listen=127.0.0.1:0"].map(str::to_owned).to_vec();
        Server::run(dir.clone(), config)
    };
    let (dir, mark) = crashed("killed-copy");
    let again = start(&dir);
    let more = "  more:\n    - rtsp://127.0.0.1:1/m\n";
    assert_eq!(again.file(), first.replace("# tail", &format!("{more}# tail")));
    assert!(!mark.exists() && again.streams.get("gate").is_none());
    assert!(again.call("GET", "/api/log").await.body.contains("the one before holds again"));
    again.stop().await;
    // Somebody has written the file before the next start.
    let (dir, mark) = crashed("killed-and-written");
    std::fs::write(dir.join("go2rtc.yaml"), &second).unwrap();
    let again = start(&dir);
    assert_eq!((again.file(), mark.exists()), (second.clone(), false));
    again.stop().await;
    // A mark that was written in part says nothing.
    let (dir, mark) = crashed("killed-while-marking");
    let (half, file) = (std::fs::read(&mark).unwrap(), server.file());
    std::fs::write(&mark, &half[..half.len() - 9]).unwrap();
    let again = start(&dir);
    assert_eq!(again.file(), file);
    again.stop().await;
    // Settled: nothing is left to go back to.
    let mark = server.dir.join(".rs2rtc/versions/go2rtc.yaml.trial");
    assert!(mark.exists());
    let path = format!("/api/rs/config/confirm?version={}", server.version().await);
    assert_eq!(server.call("POST", &path).await.status, 200);
    assert!(!mark.exists());
    server.stop().await;
}
