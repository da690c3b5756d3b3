//! `udp-relay --server HOST:PORT [--listen HOST:PORT] [--seed N] [NETWORK]
//! [--blackhole-after TIME] [--switch-port-after TIME] [--for TIME]`
//!
//! A network that loses, delays and stalls, between a browser and a server. The
//! first line of output is the address it listens on (by default a free port of
//! 127.0.0.1). NETWORK is the words of [`Profile::from_str`], each option with
//! two dashes, such as `--loss 0.3 --burst 200ms --jitter 500ms`; `--drop-alerts`
//! stands for `--drop alerts`.
//!
//! Lines on standard input change it while it runs: `profile NETWORK` for both
//! ways, `up NETWORK` (towards the server), `down NETWORK`, `clear`,
//! `blackhole`, `rebind`, `stats`, `quit`; each is answered with a line. The end
//! of input ends the relay, unless `--for` says when. The last line of output is
//! what became of the datagrams, as JSON.
//!
//! So that a browser knows no other way: signal the relay's address with
//! `webrtc.candidates` and none of the server's own with `webrtc.filters`, and
//! leave the browser's addresses hidden behind mDNS names.
//!
//! [`Profile::from_str`]: std::str::FromStr

use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rs2rtc_testkit::netem::{self, Profile, Stats};
use rs2rtc_testkit::relay::{Relay, Way};

struct Options {
    listen: SocketAddr,
    server: SocketAddr,
    seed: u64,
    profile: Profile,
    blackhole: Option<Duration>,
    rebind: Option<Duration>,
    end: Option<Duration>,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "udp-relay: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        server: SocketAddr::from(([127, 0, 0, 1], 8555)),
        seed: 1,
        profile: Profile::default(),
        blackhole: None,
        rebind: None,
        end: None,
    };
    let mut network = String::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word}: a value is missing"));
        match word.as_str() {
            "--listen" => options.listen = value()?.parse()?,
            "--server" => options.server = value()?.parse()?,
            "--seed" => options.seed = value()?.parse()?,
            "--blackhole-after" => options.blackhole = Some(netem::time(&value()?)?),
            "--switch-port-after" => options.rebind = Some(netem::time(&value()?)?),
            "--for" => options.end = Some(netem::time(&value()?)?),
            "--drop-alerts" => network.push_str(" drop alerts"),
            word => {
                network.push(' ');
                network.push_str(word.trim_start_matches("--"));
            }
        }
    }
    options.profile = network.parse()?;
    Ok(options)
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let relay = Relay::start(options.listen, options.server, options.seed)?;
    both(&relay, &options.profile);
    say(&relay.address().to_string())?;

    let (lines, commands) = sync_channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });

    let begin = Instant::now();
    let mut blackhole = options.blackhole.map(|after| begin + after);
    let mut rebind = options.rebind.map(|after| begin + after);
    let end = options.end.map(|after| begin + after);
    let mut open = true;
    while open || end.is_some() {
        let now = Instant::now();
        if blackhole.take_if(|at| *at <= now).is_some() {
            both(&relay, &"blackhole".parse()?);
        }
        if rebind.take_if(|at| *at <= now).is_some() {
            relay.rebind()?;
        }
        if end.is_some_and(|at| at <= now) {
            break;
        }
        let next = [blackhole, rebind, end].into_iter().flatten().min();
        let wait = next.map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(now));
        match commands.recv_timeout(wait) {
            Ok(line) if line.trim() == "quit" => break,
            Ok(line) => say(&obey(&relay, line.trim()).unwrap_or_else(|e| format!("error: {e}")))?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                open = false;
                if end.is_some() {
                    std::thread::park_timeout(wait);
                }
            }
        }
    }
    Ok(say(&stats(&relay))?)
}

fn obey(relay: &Relay, line: &str) -> Result<String, Box<dyn Error>> {
    let (command, network) = line.split_once(' ').unwrap_or((line, ""));
    match command {
        "profile" => both(relay, &network.parse()?),
        "up" => relay.set(Way::Up, network.parse()?),
        "down" => relay.set(Way::Down, network.parse()?),
        "clear" => both(relay, &Profile::default()),
        "blackhole" => both(relay, &"blackhole".parse()?),
        "rebind" => relay.rebind()?,
        "stats" => return Ok(stats(relay)),
        _ => return Err(format!("{command}: unknown").into()),
    }
    Ok(format!("ok {line}"))
}

fn both(relay: &Relay, profile: &Profile) {
    relay.set(Way::Up, profile.clone());
    relay.set(Way::Down, profile.clone());
}

fn stats(relay: &Relay) -> String {
    let way = |s: Stats| {
        let Stats { pushed, delivered, filtered, lost, burst, stalled, overflow } = s;
        format!(
            "{{\"pushed\":{pushed},\"delivered\":{delivered},\"filtered\":{filtered},\
             \"lost\":{lost},\"burst\":{burst},\"stalled\":{stalled},\"overflow\":{overflow}}}"
        )
    };
    let (clients, up, down) = relay.stats();
    format!("{{\"clients\":{clients},\"up\":{},\"down\":{}}}", way(up), way(down))
}

fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
