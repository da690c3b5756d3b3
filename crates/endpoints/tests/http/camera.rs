//! A camera on loopback that answers requests as it is told.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What a camera does with a request.
pub(crate) enum Reply {
    /// Sends bytes and takes the next request.
    Send(Vec<u8>),
    /// Sends bytes and closes.
    Close(Vec<u8>),
    /// Sends bytes and nothing more, until the other side closes.
    Hang(Vec<u8>),
    /// Sends the first bytes, then the others one after another for ever, a tenth of a
    /// second apart or without a pause, until the other side closes.
    Drip(Vec<u8>, u8, bool),
}

type Answers = dyn Fn(&str) -> Reply + Send + Sync;

/// A running camera. Its task ends with the test's runtime.
pub(crate) struct Camera {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    ended: mpsc::Receiver<()>,
}

impl Camera {
    /// A camera whose answers depend on the whole head of a request.
    pub(crate) async fn new(answers: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (tell, ended) = mpsc::channel(100);
        let answers: Arc<Answers> = Arc::new(answers);
        let log = Arc::clone(&requests);
        #[allow(clippy::disallowed_methods)] // ends with the runtime
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answers, log, tell) = (Arc::clone(&answers), Arc::clone(&log), tell.clone());
                tokio::spawn(async move {
                    serve(stream, &*answers, &log).await;
                    let _ = tell.send(()).await;
                });
            }
        });
        Self { port, requests, ended }
    }

    /// Answers every request in the same way.
    pub(crate) async fn always(reply: fn() -> Reply) -> Self {
        Self::new(move |_| reply()).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The heads of the requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until a connection has ended.
    pub(crate) async fn connection_ended(&mut self) {
        let limit = std::time::Duration::from_secs(10);
        tokio::time::timeout(limit, self.ended.recv()).await.expect("in time").unwrap();
    }
}

/// Serves one connection.
pub(crate) async fn serve<S>(mut stream: S, answers: &Answers, log: &Mutex<Vec<String>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut input = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = input.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            match stream.read_buf(&mut input).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        };
        let head = String::from_utf8(input.drain(..end).collect()).unwrap();
        log.lock().unwrap().push(head.clone());
        match answers(&head) {
            Reply::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Reply::Close(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Reply::Drip(bytes, more, slowly) => {
                let _ = stream.write_all(&bytes).await;
                let more = vec![more; if slowly { 1 } else { 64 * 1024 }];
                while stream.write_all(&more).await.is_ok() {
                    if slowly {
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    } else {
                        tokio::task::yield_now().await;
                    }
                }
                return;
            }
            Reply::Hang(bytes) => {
                let _ = stream.write_all(&bytes).await;
                // A client that leaves closes, or resets.
                while matches!(stream.read_buf(&mut input).await, Ok(read) if read > 0) {}
                return;
            }
        }
    }
}

/// An answer with a length.
pub(crate) fn ok(media_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// An answer without an end.
pub(crate) fn endless(media_type: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.0 200 OK\r\nContent-Type: {media_type}\r\n\r\n").as_bytes(), body].concat()
}

/// The path of a request.
pub(crate) fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}
