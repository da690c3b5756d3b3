//! Logging: every record goes to the memory log as JSON and to one output as
//! text or JSON, with secrets masked (`spec/core.md` 4 and 5).
//!
//! A record's target is its module (`target: "rtsp"`); levels are set per module.
//! Records of libraries are shown from `warn` on unless their own level is set.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::config;
use crate::secrets::Secrets;

mod record;
mod ring;
mod time;

pub use ring::Ring;

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
    zone: Zone,
    output: Mutex<Output>,
}

#[derive(Debug)]
struct Settings {
    level: LevelFilter,
    modules: BTreeMap<String, LevelFilter>,
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
            level: LevelFilter::INFO,
            modules: BTreeMap::new(),
            style: Style::new("UNIXMS"),
            json: false,
            color: false,
        };
        let shared = Shared {
            ring: Ring::default(),
            secrets,
            settings: RwLock::new(settings),
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

    fn configure(&self, config: &config::Log, problems: &mut Vec<String>) {
        let mut level = |key: &str, text: &str| {
            parse_level(text).unwrap_or_else(|| {
                let allowed = "trace, debug, info, warn, error, disabled";
                problems.push(format!("log.{key}: unknown level {text:?}, use one of {allowed}"));
                LevelFilter::TRACE
            })
        };
        let modules =
            config.modules.iter().map(|(name, text)| (name.clone(), level(name, text))).collect();
        let global = level("level", &config.level);
        let (output, terminal) = Output::open(config, problems);
        let color = match config.format.as_str() {
            "color" => true,
            "" => terminal,
            _ => false,
        };
        *self.shared.settings.write().unwrap_or_else(PoisonError::into_inner) = Settings {
            level: global,
            modules,
            style: Style::new(&config.time),
            json: config.format == "json",
            color,
        };
        *self.shared.output.lock().unwrap_or_else(PoisonError::into_inner) = output;
        tracing::callsite::rebuild_interest_cache();
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

/// `None` for an unknown name; an empty one shows everything.
fn parse_level(text: &str) -> Option<LevelFilter> {
    Some(match text.to_ascii_lowercase().as_str() {
        "" | "trace" => LevelFilter::TRACE,
        "debug" => LevelFilter::DEBUG,
        "info" => LevelFilter::INFO,
        "warn" | "warning" => LevelFilter::WARN,
        "error" | "fatal" | "panic" => LevelFilter::ERROR,
        "disabled" | "off" => LevelFilter::OFF,
        _ => return None,
    })
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

impl Settings {
    fn level_of(&self, metadata: &Metadata<'_>) -> LevelFilter {
        let target = metadata.target();
        let root = target.split("::").next().unwrap_or(target);
        let module = module_of(metadata);
        let named = [Some(target), Some(root), module];
        if let Some(level) = named.into_iter().flatten().find_map(|name| self.modules.get(name)) {
            return *level;
        }
        if module == Some("ws") {
            return self.modules.get("api").copied().unwrap_or(self.level);
        }
        let library = target.contains("::") && !root.starts_with("rs2rtc");
        if library { self.level.min(LevelFilter::WARN) } else { self.level }
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
        *metadata.level() <= settings.level_of(metadata)
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
}
