//! Viewers in the place of the recorded browser: one over MSE, one over WebRTC
//! that connects and takes what comes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rs2rtc_testkit::viewer::{Leave, Viewer};
use serde_json::{Value, json};

use super::client::{Frame, Socket};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
/// What the recorded browser could play.
const CODECS: &str = "avc1.640029,avc1.64002A,avc1.640033,mp4a.40.2,mp4a.40.5,flac,opus";
/// How often the end is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// A viewer that stays until it is dropped.
pub(crate) struct Watching {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watching {
    /// A viewer over MSE.
    pub(crate) fn mse(api: SocketAddr, stream: &str) -> Self {
        let mut socket = open(api, stream);
        socket.text(&json!({ "type": "mse", "value": CODECS }).to_string());
        Self::run(
            move |stop| {
                while !stop.load(Ordering::Relaxed) && socket.next(LOOK) != Frame::End {}
            },
        )
    }

    /// A viewer over WebRTC that has pictures and sound.
    pub(crate) fn webrtc(api: SocketAddr, stream: &str) -> Self {
        let mut socket = open(api, stream);
        let exchange = |offer: &str| {
            socket.text(&json!({ "type": "webrtc/offer", "value": offer }).to_string());
            Ok((None, whole_answer(&mut socket)))
        };
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut viewer = Viewer::offer(api, here, true, exchange).unwrap();
        Self::run(move |stop| {
            while !stop.load(Ordering::Relaxed) {
                viewer.turn().unwrap();
            }
            viewer.leave(Leave::Close).unwrap();
            drop(socket);
        })
    }

    fn run(work: impl FnOnce(&AtomicBool) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || work(&stopped));
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn open(api: SocketAddr, stream: &str) -> Socket {
    let headers = [("User-Agent".to_owned(), BROWSER.to_owned())];
    let opened = Socket::open(api, &format!("/api/ws?src={stream}"), &headers);
    opened.unwrap_or_else(|answer| panic!("refused: {:?}", answer.status))
}

/// The answer with the candidates that follow it: one for UDP and one for TCP.
fn whole_answer(socket: &mut Socket) -> String {
    let (mut answer, mut candidates) = (String::new(), Vec::new());
    while answer.is_empty() || candidates.len() < 2 {
        let Frame::Text(text) = socket.next(Duration::from_secs(10)) else { panic!("no answer") };
        let message: Value = serde_json::from_str(&text).unwrap();
        let value = message["value"].as_str().unwrap_or_default().to_owned();
        match message["type"].as_str() {
            Some("webrtc/answer") => answer = value,
            Some("webrtc/candidate") => candidates.push(format!("a={value}\r\n")),
            _ => panic!("{text}"),
        }
    }
    answer.replacen("a=mid:", &format!("{}a=mid:", candidates.concat()), 1)
}
