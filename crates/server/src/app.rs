//! The program: load, then run. Tests and embedders start the same server.
//!
//! [`App::load`] reads the configuration, sets up the log and binds the HTTP and
//! RTSP ports; [`App::run`] serves until it is told to stop and says goodbye.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rs2rtc_base::{Current, Secret};
use rs2rtc_endpoints::Context;
use rs2rtc_endpoints::io::changes;
use rs2rtc_endpoints::outputs::hls::Hls;
use rs2rtc_endpoints::outputs::{rtsp, webrtc};
use rs2rtc_endpoints::table::Table;
use rs2rtc_streams::{CancellationToken, Streams, Tasks};
use tokio::sync::{Semaphore, SetOnce, mpsc};

use crate::boot::Boot;
use crate::config::sources::{self, Items, Process};
use crate::config::{Config, ConfigFile, Problem, Severity};
use crate::http::access::token;
use crate::http::listener::Listener;
use crate::http::players::Players;
use crate::http::tls::Identity;
use crate::http::{
    Api, Class, Control, MAX_READERS, MAX_TRIALS, Peer, Policy, Settings, access, advice,
};
use crate::live::{self, Live};
use crate::logging::Log;
use crate::process::{Came, Signals, complain};
use crate::secrets::Secrets;
use crate::version;

/// How long goodbyes may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Items of the command line, see [`Config::load`].
    pub config: Vec<String>,
    /// Where files are looked for; `None`: the current folder.
    pub dir: Option<PathBuf>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// End the process with this code.
    Exit(u8),
    /// Start the same binary again.
    Restart,
}

/// A loaded server.
#[derive(Debug)]
pub struct App {
    config: Config,
    api: Arc<Api>,
    context: Arc<Context>,
    listeners: Vec<Listener>,
    rtsp: Option<rtsp::Server>,
    identity: Option<Identity>,
    control: mpsc::Receiver<Control>,
    tried: usize,
    bound: usize,
}

impl App {
    /// Reads the configuration and binds the ports. What is wrong is in the log;
    /// the rest is used.
    pub fn load(options: &Options) -> Self {
        let dir = options.dir.clone().or_else(|| std::env::current_dir().ok()).unwrap_or_default();
        let items = Items::new(&options.config, &dir);
        let mut sources = sources::read(&items, &Process, None);
        let file = Arc::new(ConfigFile::new(sources.path.clone()));
        let rolled_back = file.roll_back();
        if rolled_back.as_ref().is_ok_and(|done| *done) {
            sources = sources::read(&items, &Process, None);
        }
        let config = Config::from_sources(&sources);
        let secrets = Secrets::default();
        let (log, complaints) = Log::install(&config.log, &secrets);
        let secrets = log.secrets().clone();
        secrets.add(sources.secrets.iter().cloned());
        secrets.add(live::passwords(&config));
        first_records(sources.path.as_deref());
        match rolled_back {
            Ok(false) => {}
            Ok(true) => tracing::warn!(
                target: "config",
                "a configuration on trial was not confirmed before the program ended: the one before holds again"
            ),
            Err(error) => {
                let error = error.to_string();
                tracing::error!(target: "config", error, "not confirmed, but going back failed");
            }
        }
        for text in &sources.unreadable {
            tracing::error!(target: "config", "{text}");
        }
        for problem in &config.problems {
            report(problem);
        }
        let is_told = |text: &str| {
            let mut paths = config.problems.iter().map(|problem| problem.path.as_str());
            paths.any(|path| !path.is_empty() && text.starts_with(path))
        };
        for complaint in complaints.iter().filter(|text| !is_told(text)) {
            tracing::warn!(target: "app", "{complaint}");
        }
        let context = Context::new(
            live::exec_config(&config),
            live::ffmpeg_config(&config),
            &format!("{}/{}", version::program(), version::COMPATIBLE),
        );
        let opener = Arc::new(Table::with_modules(Arc::clone(&context), config.modules.clone()));
        let streams = Streams::new(Arc::clone(&opener) as _, rs2rtc_streams::Settings::default());
        context.set_streams(streams.clone());
        live::create_streams(&config, &streams);
        let (control, receiver) = mpsc::channel(4);
        let boot = Boot::new().unwrap_or_else(|error| {
            tracing::error!(target: "app", %error, "this start has no name of its own");
            Boot::default()
        });
        let settings = Settings::new(&config);
        let token = admin_token(&config, sources.path.as_deref());
        secrets.add(token.iter().map(|token| token.expose().to_owned()));
        let (tasks, cancel) = (Tasks::new(), CancellationToken::new());
        let api = Arc::new(Api {
            hls: Hls::new(tasks.clone(), cancel.clone()),
            current: Arc::new(Current::new(settings)),
            token,
            file,
            live: Live::new(items, config.clone(), &sources),
            streams,
            log,
            secrets,
            webrtc: SetOnce::new(),
            control,
            tasks,
            cancel,
            boot,
            players: Players::default(),
            ledger: Arc::default(),
            context: Arc::clone(&context),
            opener,
            lists: Default::default(),
            checks: Arc::new(Semaphore::new(2)),
            readers: Arc::new(Semaphore::new(MAX_READERS)),
            trials: Arc::new(Semaphore::new(MAX_TRIALS)),
            served: OnceLock::new(),
            facts: Default::default(),
        });
        let mut app = Self {
            config,
            api,
            context,
            listeners: Vec::new(),
            rtsp: None,
            identity: None,
            control: receiver,
            tried: 0,
            bound: 0,
        };
        app.bind();
        app
    }

    /// Where the HTTP API listens.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.listeners.iter().find_map(Listener::local_addr)
    }

    /// Where the RTSP server listens.
    pub fn rtsp_addr(&self) -> Option<SocketAddr> {
        self.rtsp.as_ref().and_then(rtsp::Server::local_addr)
    }

    /// The streams.
    pub fn streams(&self) -> &Streams {
        &self.api.streams
    }

    /// What the HTTP API works with.
    pub fn api(&self) -> &Arc<Api> {
        &self.api
    }

    /// What is wrong in the configuration.
    pub fn problems(&self) -> &[Problem] {
        &self.config.problems
    }

    /// Serves until `cancel` fires, the API says so, or nothing could start.
    pub async fn run(mut self, cancel: CancellationToken) -> Outcome {
        let mut outcome = Outcome::Exit(0);
        for listener in std::mem::take(&mut self.listeners) {
            self.api.tasks.spawn("http listener", listener.run(Arc::clone(&self.api)));
        }
        if let Some(identity) = self.identity.take() {
            self.api.tasks.spawn("tls certificate", identity.follow(self.api.cancel.clone()));
        }
        if let Some(server) = self.rtsp.take() {
            self.api.tasks.spawn("rtsp listener", server.run(self.api.cancel.clone()));
        }
        let ledger = Arc::clone(&self.api.ledger);
        let streams = self.api.streams.clone();
        self.api.tasks.spawn("ledger", ledger.follow(streams, self.api.cancel.clone()));
        let (logins, stop) = (Arc::clone(&self.context.logins), self.api.cancel.clone());
        self.api.tasks.spawn("wrong logins", async move { logins.report(stop).await });
        let (log, stop) = (self.api.log.clone(), self.api.cancel.clone());
        self.api.tasks.spawn("log levels", async move {
            stop.run_until_cancelled(log.keep_levels()).await;
        });
        self.api.tasks.spawn("liveness advice", advice::run(Arc::clone(&self.api)));
        let streams = self.api.streams.clone();
        let tell = move |change| streams.wake_sleeping(change);
        self.api.tasks.spawn("changes", changes::watch(tell, self.api.cancel.clone()));
        self.start_webrtc();
        live::start_preloads(&self.config, &self.api.streams);
        live::start_publishing(&self.config, &self.api.streams);
        self.api.tasks.spawn("configuration", live::watch::run(Arc::clone(&self.api)));
        if self.tried > 0 && self.bound == 0 {
            tracing::error!(target: "app", "nothing could be started, see the errors above");
            outcome = Outcome::Exit(1);
        } else {
            tokio::select! {
                () = cancel.cancelled() => {}
                wish = self.control.recv() => {
                    match wish {
                        Some(Control::Exit(code)) => outcome = Outcome::Exit(code),
                        Some(Control::Restart) => {
                            // The answer of the call that asked for it gets out first.
                            tokio::time::sleep(Duration::from_millis(50)).await;
                            outcome = Outcome::Restart;
                        }
                        None => {}
                    }
                }
            }
        }
        self.stop().await;
        outcome
    }

    /// Serves until a signal comes. A second one ends the process at once.
    pub async fn run_until_signal(self, signals: io::Result<Signals>) -> Outcome {
        let cancel = CancellationToken::new();
        let mut signals = match signals {
            Ok(signals) => signals,
            Err(error) => {
                tracing::error!(target: "app", %error, "signals");
                return self.run(cancel).await;
            }
        };
        let (api, identity) = (Arc::clone(&self.api), self.identity.clone());
        let mut run = std::pin::pin!(self.run(cancel.clone()));
        let mut ending = false;
        loop {
            tokio::select! {
                outcome = &mut run => return outcome,
                came = signals.next() => match came {
                    Came::Reload => {
                        let again = reload(Arc::clone(&api), identity.clone());
                        api.tasks.spawn("reload", again);
                    }
                    Came::End(_) if ending => std::process::exit(0),
                    Came::End(name) => {
                        complain(&format!("exit with signal: {name}"));
                        ending = true;
                        cancel.cancel();
                    }
                },
            }
        }
    }

    fn bind(&mut self) {
        if self.config.has_module("api") {
            self.bind_http();
        }
        if self.config.has_module("rtsp") && !self.config.rtsp.listen.is_empty() {
            self.bind_rtsp();
        }
    }

    fn bind_http(&mut self) {
        let listen = self.config.api.listen.clone();
        if !listen.is_empty() {
            self.tried += 1;
            match Listener::tcp(&listen) {
                Ok(listener) => {
                    let port = listener.local_addr().map_or(0, |a| a.port());
                    tracing::info!(target: "api", addr = shown(&listen, port), "listen");
                    self.context.network.serve(port);
                    let url = browser_url(&listen, port, &self.config.api.base_path);
                    tracing::info!(target: "api", "open {url}");
                    self.api.facts.port("api", "tcp", &shown(&listen, port), None);
                    self.listeners.push(listener);
                    self.bound += 1;
                }
                Err(error) => self.failed("api.listen", "tcp", &listen, &error),
            }
        }
        self.bind_tls();
        let served = self.listeners.iter().filter_map(Listener::served).collect();
        // Ports are bound once.
        let _ = self.api.served.set(served);
        let path = self.config.api.unix_listen.clone();
        if !path.is_empty() {
            self.tried += 1;
            match Listener::unix(&path) {
                Ok(listener) => {
                    tracing::info!(target: "api", addr = path, "listen unix");
                    self.api.facts.port("api", "unix", &path, None);
                    self.listeners.push(listener);
                    self.bound += 1;
                }
                Err(error) => self.failed("api.unix_listen", "unix", &path, &error),
            }
        }
    }

    /// HTTPS needs all three settings; one that is wrong costs this listener only.
    fn bind_tls(&mut self) {
        let settings = &self.config.api;
        let address = settings.tls_listen.clone();
        if address.is_empty() {
            return;
        }
        self.tried += 1;
        let bound = Identity::load(&settings.tls_cert, &settings.tls_key).and_then(|identity| {
            let listener = Listener::tls(&address, identity.server_config()?)?;
            Ok((identity, listener))
        });
        match bound {
            Ok((identity, listener)) => {
                let port = listener.local_addr().map_or(0, |a| a.port());
                tracing::info!(target: "api", addr = shown(&address, port), "listen tls");
                self.context.network.serve(port);
                self.api.facts.port("api", "tls", &shown(&address, port), None);
                self.listeners.push(listener);
                self.identity = Some(identity);
                self.bound += 1;
            }
            Err(error) => {
                tracing::error!(target: "api", addr = address, %error, "listen tls");
                self.api.facts.port("api", "tls", &address, Some(error.to_string()));
            }
        }
    }

    fn bind_rtsp(&mut self) {
        self.tried += 1;
        let settings = &self.config.rtsp;
        let config = live::rtsp_config(settings);
        let gate = rtsp_gate(Arc::clone(&self.api.current));
        let streams = self.api.streams.clone();
        match rtsp::Server::bind(config, Arc::clone(&self.context), streams, gate) {
            Ok(server) => {
                let port = server.local_addr().map_or(0, |a| a.port());
                tracing::info!(target: "rtsp", addr = shown(&settings.listen, port), "listen");
                self.api.facts.port("rtsp", "tcp", &shown(&settings.listen, port), None);
                self.api.live.set_rtsp(server.settings());
                self.rtsp = Some(server);
                self.bound += 1;
            }
            Err(error) => self.failed("rtsp.listen", "tcp", &settings.listen, &error),
        }
    }

    /// A port that cannot be bound costs what it is for, and nothing else.
    fn failed(
        &self,
        key: &'static str,
        network: &'static str,
        address: &str,
        error: &dyn std::fmt::Display,
    ) {
        listen_failed(key, address, error);
        let module = key.split('.').next().unwrap_or_default();
        self.api.facts.port(module, network, address, Some(error.to_string()));
    }

    fn start_webrtc(&mut self) {
        if !self.config.has_module("webrtc") {
            let _ = self.api.webrtc.set(None);
            return;
        }
        self.tried += 1;
        let listen = self.config.webrtc.listen.clone();
        let started = live::webrtc_config(&self.config)
            .and_then(|config| webrtc::Gateway::start(config, &self.api.tasks, &self.api.cancel));
        match started {
            Ok(gateway) => {
                self.bound += 1;
                let udp = gateway.udp_port();
                let tcp = gateway.tcp_port();
                let address = listen.split('/').next().unwrap_or_default();
                if !listen.is_empty() && !listen.ends_with("/tcp") {
                    tracing::info!(target: "webrtc", addr = shown(address, udp), "listen udp");
                }
                if let Some(port) = tcp {
                    tracing::info!(target: "webrtc", addr = shown(address, port), "listen tcp");
                    self.context.network.serve(port);
                }
                let _ = self.api.webrtc.set(Some(gateway));
            }
            Err(error) => {
                self.failed("webrtc.listen", "udp", &listen, &error);
                let _ = self.api.webrtc.set(None);
            }
        }
    }

    /// Viewers are told, cameras let go, children reaped; at most [`GOODBYE`].
    async fn stop(&self) {
        let api = &self.api;
        api.cancel.cancel();
        let gateway = async {
            if let Some(Some(gateway)) = api.webrtc.get() {
                gateway.stop().await;
            }
        };
        let all = async {
            tokio::join!(
                api.streams.shutdown(GOODBYE),
                gateway,
                api.tasks.join(GOODBYE),
                self.context.tasks.join(GOODBYE),
            )
        };
        if tokio::time::timeout(GOODBYE, all).await.is_err() {
            tracing::warn!(target: "app", "some connections did not end in time");
        }
    }
}

/// SIGHUP: what stands in files is read again.
async fn reload(api: Arc<Api>, identity: Option<Identity>) {
    live::watch::reload(&api, "SIGHUP").await;
    if let Some(identity) = identity {
        identity.read_again();
    }
}

/// The admin token, where somebody may need it: other machines reach this one,
/// and there is no login.
fn admin_token(config: &Config, file: Option<&Path>) -> Option<Secret> {
    let settings = &config.api;
    let is_reached = |listen: &str| {
        let host = listen.rsplit_once(':').map_or("", |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_local = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        !listen.is_empty() && !is_local
    };
    let is_open = is_reached(&settings.listen) || is_reached(&settings.tls_listen);
    let wanted = is_open && settings.username.is_empty() && !config.compat;
    let file = file.filter(|file| wanted && file.exists())?;
    let path = token::path_of(file);
    match token::load_or_make(&path) {
        Ok((token, is_new)) => {
            if is_new {
                let text =
                    "made a token for administration from other machines, see docs/access.md";
                tracing::info!(target: "api", path = %path.display(), "{text}");
            }
            Some(token)
        }
        Err(error) => {
            tracing::warn!(target: "api", %error, "only this machine can administrate");
            None
        }
    }
}

/// Who may use RTSP: with a login the server asks for it, else by address.
fn rtsp_gate(current: Arc<Current<Settings>>) -> rtsp::Gate {
    Arc::new(move |asker: rtsp::Asker, wanted: rtsp::Access| {
        let settings = current.get();
        let ip = asker.ip;
        match (asker.logs_in, settings.rtsp_login) {
            (true, _) => return Ok(()),
            // It came when no login was needed. This machine never needs one.
            (false, true) if ip.to_canonical().is_loopback() => return Ok(()),
            (false, true) => return Err(format!("{ip} has to connect again and log in")),
            (false, false) => {}
        }
        let class = match wanted {
            rtsp::Access::View => Class::View,
            rtsp::Access::Publish => Class::Stream,
        };
        let peer = Peer::Ip(SocketAddr::new(ip, 0));
        // The login of the API is not that of RTSP.
        let policy = Policy { compat: settings.policy.compat, ..Policy::default() };
        match access::decide(&policy, class, peer, &access::Facts::default()) {
            Ok(_) => Ok(()),
            Err(_) => Err(format!(
                "{ip} is not a private address; set rtsp.username and rtsp.password to let it in"
            )),
        }
    })
}

fn first_records(path: Option<&Path>) {
    let program = version::program();
    let version = if program == "go2rtc" { version::COMPATIBLE } else { version::OWN };
    let (platform, revision) = (version::PLATFORM, version::REVISION);
    tracing::info!(target: "app", version, platform, revision, "{program}");
    tracing::debug!(target: "app", version = version::COMPILER, "build");
    if let Some(path) = path {
        tracing::info!(target: "app", path = %path.display(), "config");
    }
}

fn report(problem: &Problem) {
    match problem.severity {
        Severity::Warning => tracing::warn!(target: "config", "{problem}"),
        Severity::Error => tracing::error!(target: "config", "{problem}"),
    }
}

fn listen_failed(key: &str, address: &str, error: &dyn std::fmt::Display) {
    let hint = format!("set {key} to another address, or to \"\" to switch it off");
    match key.split('.').next().unwrap_or_default() {
        "api" => tracing::error!(target: "api", addr = address, %error, hint, "listen"),
        "rtsp" => tracing::error!(target: "rtsp", addr = address, %error, hint, "listen"),
        _ => tracing::error!(target: "webrtc", addr = address, %error, hint, "listen"),
    }
}

/// The configured address with the port that is really in use.
fn shown(listen: &str, port: u16) -> String {
    match listen.rsplit_once(':') {
        Some((host, _)) => format!("{host}:{port}"),
        None => listen.to_owned(),
    }
}

/// What to type into a browser on this machine.
fn browser_url(listen: &str, port: u16, base: &str) -> String {
    let host = match listen.rsplit_once(':').map_or("", |(host, _)| host) {
        "" | "0.0.0.0" | "[::]" => "localhost",
        host => host,
    };
    format!("http://{host}:{port}{base}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection from before the login was set is no way around it.
    #[test]
    fn who_came_before_the_login_comes_again() {
        use rtsp::{Access, Asker};
        let settings = |text: &str| Settings::new(&Config::parse("f", text));
        let current = Arc::new(Current::new(settings("")));
        let gate = rtsp_gate(Arc::clone(&current));
        let may = |ip: &str, logs_in| {
            gate(Asker { ip: ip.parse().unwrap(), logs_in }, Access::View).is_ok()
        };
        assert!(may("192.168.1.5", false) && !may("8.8.8.8", false));
        current.set(settings("rtsp: {username: a, password: b}"));
        assert!(!may("192.168.1.5", false) && !may("8.8.8.8", false));
        assert!(may("127.0.0.1", false) && may("::ffff:127.0.0.1", false));
        assert!(may("8.8.8.8", true));
        current.set(settings(""));
        assert!(may("8.8.8.8", true), "it has logged in");
    }

    #[test]
    fn addresses_for_people() {
        assert_eq!(shown(":0", 4711), ":4711");
        assert_eq!(shown("127.0.0.1:0", 4711), "127.0.0.1:4711");
        assert_eq!(browser_url(":1984", 1984, ""), "http://localhost:1984/");
        assert_eq!(browser_url("[::1]:1984", 1984, "/rtc"), "http://[::1]:1984/rtc/");
    }
}
