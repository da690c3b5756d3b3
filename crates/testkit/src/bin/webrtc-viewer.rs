//! `webrtc-viewer --server HOST:PORT --src NAME [--for TIME] [--leave WAY] [--ask later]`
//!
//! A WebRTC viewer without a browser (WHEP). WAY is how it leaves: `close`
//! (DTLS close_notify, the default), `delete`, `kill` (its port closes without a
//! word) or a time such as `4s` (it is silent for so long, then its port closes).
//!
//! It writes lines of JSON, each with `event` and `at` (Unix time in ms):
//! `answered` with the viewer's address and the server's and its own ICE user name,
//! `connected`, `first` (the first packet with media), `left` (just before it
//! leaves) and `end` with what was received. Lines on standard input while it
//! runs: `stats`, answered with a line, and `leave`. Without `--for` the end of
//! input makes it leave, too. With `--ask later` it does nothing before the
//! first line, whatever that is.
//!
//! It fails if it was not connected or got no media before it left.

use std::io::{BufRead as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use rs2rtc_testkit::netem;
use rs2rtc_testkit::viewer::{Error, Leave, Received, Viewer};

/// Longest time until it is connected and sees something.
const PATIENCE: Duration = Duration::from_secs(20);

struct Options {
    server: SocketAddr,
    stream: String,
    time: Option<Duration>,
    leave: Leave,
    later: bool,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "webrtc-viewer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, Error> {
    let mut options = Options {
        server: SocketAddr::from(([127, 0, 0, 1], 1984)),
        stream: String::new(),
        time: None,
        leave: Leave::Close,
        later: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word}: a value is missing"))?;
        match word.as_str() {
            "--server" => options.server = value.parse()?,
            "--src" => options.stream = value,
            "--for" => options.time = Some(netem::time(&value)?),
            "--leave" => {
                options.leave = match value.as_str() {
                    "close" => Leave::Close,
                    "delete" => Leave::Delete,
                    "kill" => Leave::Kill,
                    time => Leave::Silence(netem::time(time)?),
                }
            }
            "--ask" => options.later = value == "later",
            _ => return Err(format!("{word}: unknown").into()),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<(), Error> {
    let commands = commands();
    if options.later {
        commands.recv()?;
    }
    let mut viewer = Viewer::start(options.server, &options.stream)?;
    let (address, ufrag, own) = (viewer.address(), &viewer.ufrag, &viewer.own_ufrag);
    let names = format!(",\"address\":\"{address}\",\"ufrag\":\"{ufrag}\",\"own\":\"{own}\"");
    say("answered", &names)?;
    let begin = Instant::now();
    let (mut connected, mut first) = (false, None);
    let mut open = true;
    loop {
        viewer.turn()?;
        if !connected && viewer.is_connected() {
            connected = true;
            say("connected", "")?;
        }
        if first.is_none() && viewer.received.packets > 0 {
            first = Some(Instant::now());
            say("first", "")?;
        }
        if first.is_none() && begin.elapsed() > PATIENCE {
            return Err(format!("connected: {connected}, and no media").into());
        }
        if viewer.is_closed() {
            return Err("the server closed the session".into());
        }
        // The time that it watches begins with the first picture.
        if first.zip(options.time).is_some_and(|(first, time)| first.elapsed() >= time) {
            break;
        }
        match if open { commands.try_recv() } else { Err(TryRecvError::Empty) } {
            Ok(line) if line == "leave" => break,
            Ok(_) => say("stats", &numbers(viewer.received))?,
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) if options.time.is_none() => break,
            Err(TryRecvError::Disconnected) => open = false,
        }
    }
    let received = viewer.received;
    say("left", "")?;
    viewer.leave(options.leave)?;
    say("end", &numbers(received))?;
    if first.is_none() { Err("it left before it saw anything".into()) } else { Ok(()) }
}

fn commands() -> Receiver<String> {
    let (lines, commands) = sync_channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.send(line.trim().to_owned()).is_err() {
                return;
            }
        }
    });
    commands
}

fn numbers(received: Received) -> String {
    let Received { packets, frames, gaps, late, .. } = received;
    format!(",\"packets\":{packets},\"frames\":{frames},\"gaps\":{gaps},\"late\":{late}")
}

fn say(event: &str, more: &str) -> std::io::Result<()> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{{\"event\":\"{event}\",\"at\":{:.3}{more}}}", now.as_secs_f64() * 1000.0)?;
    out.flush()
}
