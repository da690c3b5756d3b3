//! Logging: every record goes to the memory log as JSON and to one output as
//! text or JSON, with secrets masked (`spec/core.md` 4 and 5).
//!
//! A record's target is its module (`target: "rtsp"`); levels are set per module ([`levels`]).

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use tokio::sync::Notify;
use tokio::time::{Duration, Instant, sleep_until};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::config;
use crate::secrets::Secrets;

pub(crate) mod levels;
mod record;
mod ring;
mod time;

pub use ring::Ring;

use levels::Levels;
use record::{Record, module_of};
use time::{Stamp, Style, Zone};

/// The log of this program. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ring: Ring,
    secrets: Secrets,
    settings: RwLock<Settings>,
    /// A level was set for a while: [`Log::keep_levels`] looks when it ends.
    levels_set: Notify,
    zone: Zone,
    output: Mutex<Output>,
}

#[derive(Debug)]
struct Settings {
    levels: Levels,
    style: Style,
    json: bool,
    color: bool,
}

#[derive(Debug)]
enum Output {
    Memory,
    Stdout,
    Stderr,
    File(File),
}

/// The one log: the subscriber of a process can be set only once.
static LOG: OnceLock<Log> = OnceLock::new();

impl Log {
    /// Sets up logging for the process, or changes its settings if it is set up.
    /// The list of secrets is the first caller's. Gives what is wrong in the settings.
    pub fn install(settings: &config::Log, secrets: &Secrets) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let log = LOG.get_or_init(|| {
            let log = Self::new(secrets.clone());
            let subscriber = tracing_subscriber::registry().with(log.clone());
            // Somebody else's subscriber (a test's) stays.
            let _ = tracing::subscriber::set_global_default(subscriber);
            log
        });
        log.configure(settings, &mut problems);
        (log.clone(), problems)
    }

    /// Puts other settings in force. Gives what is wrong in them.
    pub fn reconfigure(&self, settings: &config::Log) -> Vec<String> {
        let mut problems = Vec::new();
        self.configure(settings, &mut problems);
        problems
    }

    fn new(secrets: Secrets) -> Self {
        let settings = Settings {
            levels: Levels::default(),
            style: Style::new("UNIXMS"),
            json: false,
            color: false,
        };
        let shared = Shared {
            ring: Ring::default(),
            secrets,
            settings: RwLock::new(settings),
            levels_set: Notify::new(),
            zone: Zone::local(),
            output: Mutex::new(Output::Memory),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The memory log.
    pub fn ring(&self) -> &Ring {
        &self.shared.ring
    }

    /// The texts that are hidden in it.
    pub fn secrets(&self) -> &Secrets {
        &self.shared.secrets
    }

    /// The levels in force.
    pub fn levels(&self) -> levels::Report {
        let settings = self.shared.settings.read().unwrap_or_else(PoisonError::into_inner);
        settings.levels.report(Instant::now())
    }

    /// Gives a module (with an empty name: all that have none such) another level for a while,
    /// whatever the configuration says; it ends while [`Self::keep_levels`] runs.
    pub fn set_level(
        &self,
        module: &str,
        level: LevelFilter,
        span: Duration,
    ) -> Result<(), levels::SetError> {
        self.change(|settings| settings.levels.set(module, level, Instant::now() + span))?;
        self.shared.levels_set.notify_one();
        Ok(())
    }

    /// Ends such a level before its time. Whether there was one.
    pub fn end_level(&self, module: &str) -> bool {
        self.change(|settings| settings.levels.end(module))
    }

    /// Ends levels when their time is over. It never returns; one task does this.
    pub async fn keep_levels(&self) {
        loop {
            let next = {
                let settings = self.shared.settings.read().unwrap_or_else(PoisonError::into_inner);
                settings.levels.next_end()
            };
            let over = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.shared.levels_set.notified() => continue,
                () = over => {}
            }
            for module in self.change(|settings| settings.levels.expire(Instant::now())) {
                let of = levels::whose(&module);
                tracing::info!(target: "app", of, "the log level is the configuration's again");
            }
        }
    }

    fn configure(&self, config: &config::Log, problems: &mut Vec<String>) {
        let mut level = |key: &str, text: &str| {
            levels::parse(text).unwrap_or_else(|| {
                let allowed = levels::NAMES;
                problems.push(format!("log.{key}: unknown level {text:?}, use one of {allowed}"));
                LevelFilter::TRACE
            })
        };
        let modules =
            config.modules.iter().map(|(name, text)| (name.clone(), level(name, text))).collect();
        let general = level("level", &config.level);
        let (output, terminal) = Output::open(config, problems);
        let color = match config.format.as_str() {
            "color" => true,
            "" => terminal,
            _ => false,
        };
        let (style, json) = (Style::new(&config.time), config.format == "json");
        self.change(|settings| {
            (settings.levels.general, settings.levels.modules) = (general, modules);
            (settings.style, settings.json, settings.color) = (style, json, color);
        });
        *self.shared.output.lock().unwrap_or_else(PoisonError::into_inner) = output;
    }

    /// Changes the settings. The level of a place in the code is remembered there, so all are told.
    fn change<T>(&self, change: impl FnOnce(&mut Settings) -> T) -> T {
        let result =
            change(&mut self.shared.settings.write().unwrap_or_else(PoisonError::into_inner));
        tracing::callsite::rebuild_interest_cache();
        result
    }

    fn write(&self, level: tracing::Level, mut record: Record) {
        let shared = &self.shared;
        record.message = shared.secrets.mask(&record.message);
        for (_, value) in &mut record.fields {
            shared.secrets.mask_json(value);
        }
        let stamp = Stamp::now(&shared.zone);
        let settings = shared.settings.read().unwrap_or_else(PoisonError::into_inner);
        let json = record.cut(ring::LONGEST, level, &stamp, &settings.style);
        shared.ring.push(json.as_bytes());
        let mut output = shared.output.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*output, Output::Memory) {
            return;
        }
        let line = if settings.json {
            json
        } else {
            record.text(level, &stamp, &settings.style, settings.color)
        };
        output.write(line.as_bytes());
    }
}

impl Output {
    /// The output and whether it is a terminal.
    fn open(config: &config::Log, problems: &mut Vec<String>) -> (Self, bool) {
        match (config.output.as_str(), config.file()) {
            ("stdout", _) => (Self::Stdout, io::stdout().is_terminal()),
            ("stderr", _) => (Self::Stderr, io::stderr().is_terminal()),
            (_, None) => (Self::Memory, false),
            (_, Some(path)) => match OpenOptions::new().create(true).append(true).open(path) {
                Ok(file) => (Self::File(file), false),
                Err(error) => {
                    problems.push(format!("log.output: {}: {error}", path.display()));
                    (Self::Memory, false)
                }
            },
        }
    }

    fn write(&mut self, line: &[u8]) {
        // A closed pipe must not end the program.
        let _ = match self {
            Self::Memory => Ok(()),
            Self::Stdout => io::stdout().lock().write_all(line).and_then(|()| io::stdout().flush()),
            Self::Stderr => io::stderr().lock().write_all(line),
            Self::File(file) => file.write_all(line),
        };
    }
}

/// Fields of a span, as its records show them.
struct SpanFields(Vec<(String, serde_json::Value)>);

impl<S> Layer<S> for Log
where
    S: Subscriber + for<'l> LookupSpan<'l>,
{
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        if metadata.is_span() {
            return true;
        }
        let settings = self.shared.settings.read().unwrap_or_else(PoisonError::into_inner);
        *metadata.level() <= settings.levels.of(metadata)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut record = Record::default();
        attributes.record(&mut record);
        let Some(span) = context.span(id) else { return };
        let name = span.metadata().name();
        for (key, _) in &mut record.fields {
            // `stream{name=cam}` reads as `stream=cam`.
            if key == "name" {
                name.clone_into(key);
            }
        }
        span.extensions_mut().insert(SpanFields(record.fields));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut record = Record::default();
        event.record(&mut record);
        record.prefix(module_of(event.metadata()));
        if let Some(scope) = context.event_scope(event) {
            for span in scope.from_root() {
                if let Some(SpanFields(fields)) = span.extensions().get::<SpanFields>() {
                    for (key, value) in fields {
                        if !record.fields.iter().any(|(k, _)| k == key) {
                            record.fields.push((key.clone(), value.clone()));
                        }
                    }
                }
            }
        }
        self.write(*event.metadata().level(), record);
    }
}

/// Makes panics error records instead of text on stderr.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let text = payload
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "unknown".to_owned());
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("?").to_owned();
        tracing::error!(target: "app", panic = %text, place, thread, "panic");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_fields_spans_and_masks() {
        let secrets = Secrets::default();
        secrets.add(["geheim".to_owned()]);
        let log = Log::new(secrets);
        let mut problems = Vec::new();
        let config = config::Log {
            level: "info".into(),
            format: "text".into(),
            output: String::new(),
            time: String::new(),
            modules: [("rtsp".to_owned(), "debug".to_owned()), ("x".to_owned(), "loud".to_owned())]
                .into(),
        };
        log.configure(&config, &mut problems);
        assert_eq!(problems.len(), 1);
        let subscriber = tracing_subscriber::registry().with(log.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "api", addr = ":1984", "listen");
            tracing::debug!(target: "api", "hidden");
            tracing::debug!(target: "rtsp", port = 8554, "shown");
            tracing::info!(target: "some::library", "hidden");
            tracing::debug!(target: "rs2rtc_rtsp::server::session", "answer");
            tracing::debug!(target: "rs2rtc_webrtc::session", "hidden");
            tracing::info!(target: "rs2rtc_endpoints::io::shard", "viewer gone");
            let span = tracing::info_span!("stream", name = "cam");
            let _entered = span.enter();
            tracing::warn!(target: "streams", url = "rtsp://u:p@h/geheim", "lost");
            tracing::info!(target: "app", "rs2rtc");
        });
        let text = String::from_utf8(log.ring().read()).unwrap();
        let expected = [
            r#"{"level":"info","addr":":1984","message":"[api] listen"}"#,
            r#"{"level":"debug","port":8554,"message":"[rtsp] shown"}"#,
            r#"{"level":"debug","message":"[rtsp] answer"}"#,
            r#"{"level":"info","message":"[webrtc] viewer gone"}"#,
            r#"{"level":"warn","url":"rtsp://***@h/***","stream":"cam","message":"[streams] lost"}"#,
            r#"{"level":"info","stream":"cam","message":"rs2rtc"}"#,
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_level_for_a_while_ends_by_itself_and_outlives_a_reload() {
        let log = Log::new(Secrets::default());
        let mut problems = Vec::new();
        let config = config::Log {
            level: "warn".into(),
            format: "text".into(),
            output: String::new(),
            time: String::new(),
            modules: [("exec", "error"), ("loud", "info")]
                .map(|(module, level)| (module.to_owned(), level.to_owned()))
                .into(),
        };
        log.configure(&config, &mut problems);
        let subscriber = tracing_subscriber::registry().with(log.clone());
        let _default = tracing::subscriber::set_default(subscriber);
        let say = |text: &str| {
            log.ring().clear();
            tracing::debug!(target: "rtsp", text, "rtsp");
            tracing::debug!(target: "rs2rtc_rtsp::client", text, "client");
            tracing::debug!(target: "exec", text, "exec");
            tracing::info!(target: "ws", text, "ws");
            tracing::info!(target: "a::library", text, "library");
            tracing::info!(target: "loud::library", text, "loud");
            let text = String::from_utf8(log.ring().read()).unwrap();
            let message = |line: &str| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["message"].to_string()
            };
            text.lines().map(message).collect::<Vec<_>>().join(" ").replace('"', "")
        };
        assert_eq!(say("before"), "loud");
        let minute = Duration::from_secs(60);
        log.set_level("rtsp", LevelFilter::DEBUG, minute).unwrap();
        log.set_level("api", LevelFilter::INFO, 3 * minute).unwrap();
        assert_eq!(say("one module"), "[rtsp] rtsp [rtsp] client [ws] ws loud");
        log.reconfigure(&config);
        assert_eq!(say("reloaded"), "[rtsp] rtsp [rtsp] client [ws] ws loud");
        log.set_level("", LevelFilter::DEBUG, 2 * minute).unwrap();
        assert_eq!(say("all"), "[rtsp] rtsp [rtsp] client [exec] exec [ws] ws loud");
        let keep = log.keep_levels();
        tokio::pin!(keep);
        let mut wait = async |span| {
            tokio::select! {
                () = &mut keep => {}
                () = tokio::time::sleep(span) => {}
            }
        };
        wait(minute + Duration::from_secs(1)).await;
        assert_eq!(
            say("rtsp has all modules' level"),
            "[rtsp] rtsp [rtsp] client [exec] exec [ws] ws loud"
        );
        wait(minute).await;
        assert_eq!(say("all are over"), "[ws] ws loud");
        assert_eq!(
            log.levels().temporary,
            [("api".to_owned(), LevelFilter::INFO, minute - Duration::from_secs(1))]
        );
        assert!(log.end_level("api") && !log.end_level("api"));
        assert_eq!(say("ended"), "loud");
        log.set_level("exec", LevelFilter::DEBUG, minute).unwrap();
        assert_eq!(say("once more"), "[exec] exec loud");
        wait(minute).await;
        wait(Duration::from_secs(1)).await;
        assert_eq!(say("and over"), "loud");
    }
}
