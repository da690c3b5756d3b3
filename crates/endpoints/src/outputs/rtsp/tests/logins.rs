//! Wrong logins: their answers wait, nobody else does.

use rs2rtc_base::throttle::Source;

use super::super::connection::Connection;
use super::*;

const PEER: &str = "192.168.1.5:5000";

/// The server's side of connections that come from an address of the network.
struct Door {
    listener: TcpListener,
    shared: Arc<Shared>,
    tasks: rs2rtc_streams::Tasks,
    cancel: CancellationToken,
}

impl Door {
    async fn new() -> Self {
        let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
        let (sender, _) = mpsc::channel(SEEN);
        let streams = Streams::new(Arc::new(Sources(sender)), Settings::default());
        let credentials = Some(("user".to_owned(), Secret::new("pass")));
        let config = Config { credentials, timers: patient(), ..Config::default() };
        let config = Arc::new(Current::new(config));
        let shared = Arc::new(Shared::new(config, context, streams, Arc::new(|_, _| Ok(()))));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, shared, tasks: Default::default(), cancel: CancellationToken::new() }
    }

    async fn client(&self) -> TcpStream {
        let client = TcpStream::connect(self.listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = self.listener.accept().await.unwrap();
        let connection = Connection::new(stream, PEER.parse().unwrap(), Arc::clone(&self.shared));
        self.tasks.spawn("connection", connection.run(self.cancel.child_token()));
        client
    }

    /// Has so many wrong logins counted whose answers nobody waits for.
    fn count(&self, times: usize) {
        let ip = PEER.parse::<SocketAddr>().unwrap().ip();
        for _ in 0..times {
            let mut wrong = Box::pin(self.shared.context.logins.wrong(Source::ip(ip), None));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let _ = wrong.as_mut().poll(&mut context);
        }
    }

    fn waiting(&self) -> u32 {
        self.shared.context.logins.waiting()
    }
}

fn options(login: &str) -> String {
    let login = match login {
        "" => String::new(),
        login => format!("Authorization: Basic {login}\r\n"),
    };
    format!("OPTIONS rtsp://h/camera RTSP/1.0\r\nCSeq: 1\r\n{login}\r\n")
}

const GOOD: &str = "dXNlcjpwYXNz";
const WRONG: &str = "dXNlcjpub3Bl";

async fn answer(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(client.read_u8().await.unwrap());
    }
    String::from_utf8(answer).unwrap()
}

async fn said(door: &Door, login: &str) -> (TcpStream, String) {
    let mut client = door.client().await;
    client.write_all(options(login).as_bytes()).await.unwrap();
    let answer = answer(&mut client).await;
    (client, answer)
}

#[tokio::test]
async fn an_answer_to_a_wrong_login_waits_and_no_other_does() {
    let door = Door::new().await;
    let begin = Instant::now();
    for _ in 0..3 {
        let (mut client, answer) = said(&door, WRONG).await;
        assert!(answer.starts_with("RTSP/1.0 401 "), "{answer}");
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "and ends");
    }
    let (_, answer) = said(&door, WRONG).await;
    assert!(answer.starts_with("RTSP/1.0 401 "), "{answer}");
    assert!(begin.elapsed() >= Duration::from_millis(250));
    // Four seconds from here on: whoever is answered while one waits did not wait.
    door.count(5);
    let mut held = door.client().await;
    held.write_all(options(WRONG).as_bytes()).await.unwrap();
    until("it waits", || door.waiting() == 1).await;
    let (_asked, answer) = said(&door, "").await;
    assert!(answer.starts_with("RTSP/1.0 401 "), "{answer}");
    let (_known, answer) = said(&door, GOOD).await;
    assert!(answer.starts_with("RTSP/1.0 200 "), "{answer}");
    assert_eq!(door.waiting(), 1);
    drop(held);
    until("the client left", || door.waiting() == 0).await;
    door.cancel.cancel();
}

#[tokio::test]
async fn few_wait_at_the_same_time_and_none_for_a_server_that_stops() {
    let door = Door::new().await;
    door.count(10);
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut client = door.client().await;
        client.write_all(options(WRONG).as_bytes()).await.unwrap();
        held.push(client);
    }
    until("all wait", || door.waiting() == 8).await;
    let (mut client, answer) = said(&door, WRONG).await;
    assert!(
        answer.starts_with("RTSP/1.0 503 Too Many Wrong Logins\r\nRetry-After: 4\r\n"),
        "{answer}"
    );
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "and ends");
    let (_known, answer) = said(&door, GOOD).await;
    assert!(answer.starts_with("RTSP/1.0 200 "), "{answer}");
    door.cancel.cancel();
    assert!(door.tasks.join(LIMIT).await);
    // Whoever had waited to the end would have been answered.
    for mut client in held {
        let mut said = Vec::new();
        client.read_to_end(&mut said).await.unwrap();
        assert_eq!(String::from_utf8(said).unwrap(), "");
    }
}
