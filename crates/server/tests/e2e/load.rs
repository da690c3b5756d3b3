//! Many at once: requests, streams, cameras that do not answer. The figures are
//! printed; what is asserted holds on any machine.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::harness::{LIMIT, Ports, Server, until};

/// How many answers are asked for at once.
const AT_ONCE: usize = 1000;
/// How many of them begin at the same moment: a connection has some seconds for its head.
const GROUP: usize = 250;

#[test]
fn a_thousand_lists_at_once_while_streams_and_viewers_come_and_go() {
    // A small picture: what is measured is the answers.
    let server = Server::with_streams("demo: 'demo:?width=160&height=120&fps=5'\nempty:");
    let (done, busy) = (AtomicBool::new(false), Barrier::new(3));
    let (changes, viewers, quiet, took) = std::thread::scope(|scope| {
        let baseline = at_once(server.ports.api, "/api", "\"version\"");
        let changes = scope.spawn(|| {
            let mut changes = 0;
            while !done.load(Ordering::Relaxed) {
                let name = changes % 10;
                let put = format!("api/streams?name=n{name}&src=rtsp://127.0.0.1:1/{changes}");
                assert_eq!(server.request("PUT", &put).0, 200);
                assert_eq!(server.request("DELETE", &format!("api/streams?src=n{name}")).0, 200);
                changes += 1;
                if changes == 1 {
                    busy.wait();
                }
            }
            changes
        });
        let viewers = scope.spawn(|| {
            let mut viewers = 0;
            while !done.load(Ordering::Relaxed) {
                // It joins, is listed and leaves.
                let (status, body) = server.request("GET", "api/streams?src=demo&video");
                assert!(status == 200 && body.contains("\"probe\""), "{body}");
                viewers += 1;
                if viewers == 1 {
                    busy.wait();
                }
            }
            viewers
        });
        busy.wait();
        let took = at_once(server.ports.api, "/api/streams", "\"demo\":{\"producers\"");
        done.store(true, Ordering::Relaxed);
        (changes.join().unwrap(), viewers.join().unwrap(), baseline, took)
    });
    println!(
        "{AT_ONCE} lists at once during {changes} added and deleted streams and {viewers} viewers: {}; \
         {AT_ONCE} times the version before that: {}; load {}",
        spread(took),
        spread(quiet),
        std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
    );
    assert!(changes > 0 && viewers > 0);
}

/// How answers are spread over time.
fn spread(mut took: Vec<Duration>) -> String {
    took.sort();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    format!(
        "p50 {:?}, p95 {:?}, p99 {:?}, from {:?} to {:?}",
        at(50),
        at(95),
        at(99),
        at(0),
        at(100)
    )
}

/// Asks for a path, all at once: every connection of a group is there before the
/// first request of it is sent. Gives how long each answer took.
fn at_once(port: u16, path: &str, part: &'static str) -> Vec<Duration> {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    let request: Arc<str> = request.into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut start = Arc::new(tokio::sync::Barrier::new(GROUP));
        let mut asked = JoinSet::new();
        for number in 0..AT_ONCE {
            if number % GROUP == 0 {
                start = Arc::new(tokio::sync::Barrier::new(GROUP));
            }
            let (start, request) = (Arc::clone(&start), Arc::clone(&request));
            asked.spawn(async move {
                let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                start.wait().await;
                let began = Instant::now();
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.unwrap();
                let took = began.elapsed();
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                assert!(answer.contains(part), "{answer}");
                took
            });
        }
        tokio::time::timeout(LIMIT, asked.join_all()).await.unwrap()
    })
}

/// A camera that takes connections and closes them, or never says anything.
struct Dead {
    port: u16,
    came: Arc<Mutex<Vec<Instant>>>,
    stop: Arc<AtomicBool>,
}

impl Dead {
    fn new(silent: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (came, stop) = (Arc::<Mutex<Vec<Instant>>>::default(), Arc::<AtomicBool>::default());
        let (seen, stopped) = (Arc::clone(&came), Arc::clone(&stop));
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                seen.lock().unwrap().push(Instant::now());
                held.extend(stream.ok().filter(|_| silent));
            }
        });
        Self { port, came, stop }
    }

    fn came(&self) -> usize {
        self.came.lock().unwrap().len()
    }
}

impl Drop for Dead {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

#[test]
fn five_hundred_preloads_of_which_four_hundred_are_dead() {
    let (closing, silent) = (Dead::new(false), Dead::new(true));
    let ports = Ports::free();
    let mut config = ports.config("127.0.0.1") + "log: {level: error}\nstreams:\n";
    for n in 0..500 {
        let source = match n % 5 {
            0 => "demo:?width=160&height=120&fps=1&audio=none".to_owned(),
            1 => format!("rtsp://127.0.0.1:{}/x", silent.port),
            2 => "rtsp://127.0.0.1:1/x".to_owned(),
            _ => format!("rtsp://127.0.0.1:{}/x", closing.port),
        };
        config += &format!("  cam{n}: {source}\n");
    }
    config += "preload:\n";
    for n in 0..500 {
        config += &format!("  cam{n}: video\n");
    }
    let began = Instant::now();
    let server = Server::spawn_config(&config, ports);
    until("an answer", || TcpStream::connect(("127.0.0.1", ports.api)).is_ok());
    let first = began.elapsed();
    let mut took = Vec::new();
    let mut working = 0;
    let mut all = None;
    while began.elapsed() < Duration::from_secs(20) || working < 100 {
        assert!(began.elapsed() < LIMIT * 2, "{working} of 100 run");
        let asked = Instant::now();
        let (status, body) = server.request("GET", "api/streams");
        took.push(asked.elapsed());
        assert_eq!(status, 200);
        working = body.matches("\"format_name\":\"demo\"").count();
        if working == 100 && all.is_none() {
            all = Some(began.elapsed());
        }
    }
    took.sort();
    let (elapsed, connections) = (began.elapsed(), closing.came() + silent.came());
    println!(
        "500 preloads, 400 dead: first answer after {first:?}; {} lists of all 500, p50 {:?}, p99 {:?}, longest {:?}; all 100 that work after {:?}; {connections} connections to the 300 dead that can count in {elapsed:?}, {:.1} per second",
        took.len(),
        took[took.len() / 2],
        took[took.len() * 99 / 100],
        took.last().unwrap(),
        all.unwrap(),
        connections as f64 / elapsed.as_secs_f64(),
    );
    // 20 at once, 20 per second, and what two clocks may differ. A camera that closes
    // the connection is asked once more within the same try, without a backchannel.
    let dials = closing.came().div_ceil(2) + silent.came();
    let most = 20.0 + 20.0 * elapsed.as_secs_f64() + 20.0;
    assert!((dials as f64) < most, "{dials} tries in {elapsed:?}");
    // A viewer does not queue with them.
    let asked = Instant::now();
    let (status, body) = server.request("GET", "api/streams?src=cam499&video");
    println!("a viewer of a dead one is told after {:?}: {}", asked.elapsed(), body.trim());
    assert_eq!(status, 500);
}
