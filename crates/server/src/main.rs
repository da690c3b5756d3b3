//! The binary: command line, runtime, exit code.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use rs2rtc_server::app::{App, Options, Outcome};
use rs2rtc_server::cli::Args;
use rs2rtc_server::config::{Config, sources};
use rs2rtc_server::{logging, process, version};

fn main() -> ExitCode {
    // Before anything else: children of sources are started through this binary.
    rs2rtc_endpoints::io::process::guard_main_if_asked();
    let args = Args::from_process();
    if args.version {
        process::say(&version::line());
        return ExitCode::SUCCESS;
    }
    if args.check_config {
        return check(&args.config);
    }
    if args.daemon
        && let Some(code) = process::daemonize()
    {
        return ExitCode::from(code);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            process::complain(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    logging::log_panics();
    let outcome = runtime.block_on(async {
        // Before anything listens: who sees a port may send a signal.
        let signals = process::Signals::new();
        let app = App::load(&Options { config: args.config, dir: None });
        app.run_until_signal(signals).await
    });
    // Nothing that still blocks may hold the process up.
    runtime.shutdown_background();
    match outcome {
        Outcome::Exit(code) => ExitCode::from(code),
        Outcome::Restart => {
            process::complain(&format!("cannot restart: {}", process::restart()));
            ExitCode::FAILURE
        }
    }
}

fn check(items: &[String]) -> ExitCode {
    let dir = std::env::current_dir().unwrap_or_default();
    let (config, sources) = Config::load(items, &dir, &sources::Process);
    let missing = sources.files.iter().filter(|file| !items.is_empty() && !file.exists());
    let missing = missing.map(|file| format!("{}: does not exist", file.display()));
    let problems = config.problems.iter().map(ToString::to_string);
    let all: Vec<String> = missing.chain(sources.unreadable).chain(problems).collect();
    all.iter().for_each(|text| process::say(text));
    if all.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
