//! The table of source schemes: everything that knows which schemes exist
//! walks it (opening, the API's list, the documentation check).

use std::fmt;
use std::sync::Arc;

use rs2rtc_base::{Error, ErrorKind, Redacted};
use rs2rtc_streams::{BoxFuture, Destination, OpenRequest, Opener, Origin, Producer};

use crate::Context;
use crate::io::rtsp::SCHEMES as RTSP;
use crate::modules::Modules;
use crate::outputs::publish;
use crate::parameters::Parameter;
use crate::sources::{demo, exec, ffmpeg, http, rtsp, tcp};

/// What opening a source gives.
pub type Opening = BoxFuture<Result<Box<dyn Producer>, Error>>;

/// Whether a stream of this name exists.
pub type IsStream<'a> = &'a dyn Fn(&str) -> bool;

/// What a source of some scheme can do to this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    /// Talks to the network or to nothing.
    None,
    /// Reads a file: only the configuration and administrators may name it.
    File,
    /// Runs a program, or one knows not what: only the configuration may name it.
    Local,
}

impl Risk {
    /// Whether who named the source may run this risk.
    pub(crate) const fn is_allowed(self, origin: Origin) -> bool {
        match self {
            Self::None => true,
            Self::File => matches!(origin, Origin::Config | Origin::Admin),
            Self::Local => matches!(origin, Origin::Config),
        }
    }
}

/// A kind of source.
pub struct Entry {
    /// Schemes without the colon; the first one is canonical.
    pub schemes: &'static [&'static str],
    /// The module that must be on, by its name in `app.modules`.
    pub module: &'static str,
    /// For people.
    pub title: &'static str,
    /// Page under `docs/sources/`.
    pub docs: &'static str,
    /// An example that parses.
    pub example: &'static str,
    /// What may stand behind `#`.
    pub parameters: &'static [Parameter],
    /// What one text of this kind may do, while these streams exist.
    pub risk: fn(source: &str, is_stream: IsStream<'_>) -> Risk,
    /// What to say to who may not name it.
    pub refused: fn(source: &str) -> Error,
    /// Checks the text without dialling.
    pub check: fn(source: &str) -> Result<(), Error>,
    /// Opens it.
    pub open: fn(context: Arc<Context>, request: OpenRequest) -> Opening,
}

/// All kinds of sources.
pub static SOURCES: &[Entry] = &[
    Entry {
        schemes: &["demo"],
        module: "demo",
        title: "Built-in demo camera",
        docs: "demo.md",
        example: "demo:?width=1280&height=720",
        parameters: &[],
        risk: |_, _| Risk::None,
        refused: insecure,
        check: demo::check,
        open: demo::open,
    },
    Entry {
        schemes: RTSP,
        module: "rtsp",
        title: "RTSP camera",
        docs: "rtsp.md",
        example: "rtsp://user:pass@192.168.1.10/stream1#timeout=10",
        parameters: rtsp::PARAMETERS,
        risk: |_, _| Risk::None,
        refused: insecure,
        check: rtsp::check,
        open: rtsp::open,
    },
    Entry {
        schemes: &["http", "https", "httpx"],
        module: "http",
        title: "HTTP camera",
        docs: "http.md",
        example: "http://user:pass@192.168.1.10/video.mjpg#timeout=10",
        parameters: http::PARAMETERS,
        risk: |_, _| Risk::None,
        refused: insecure,
        check: http::check,
        open: http::open,
    },
    Entry {
        schemes: &["tcp"],
        module: "http",
        title: "Media over TCP",
        docs: "tcp.md",
        example: "tcp://192.168.1.10:9000",
        parameters: &[],
        risk: |_, _| Risk::None,
        refused: insecure,
        check: tcp::check,
        open: tcp::open,
    },
    Entry {
        schemes: &["exec"],
        module: "exec",
        title: "Output of a program",
        docs: "exec.md",
        example: "exec:ffmpeg -re -i /media/clip.mp4 -c copy -rtsp_transport tcp -f rtsp {output}",
        parameters: exec::PARAMETERS,
        risk: |_, _| Risk::Local,
        refused: insecure,
        check: exec::check,
        open: exec::open,
    },
    Entry {
        schemes: &["ffmpeg"],
        module: "ffmpeg",
        title: "FFmpeg",
        docs: "ffmpeg.md",
        example: "ffmpeg:http://192.168.1.10/video.mjpg#video=h264",
        parameters: ffmpeg::PARAMETERS,
        risk: ffmpeg::risk,
        refused: ffmpeg::refused,
        check: ffmpeg::check,
        open: ffmpeg::open,
    },
];

/// The contract's error of a source that the network may not name.
fn insecure(_: &str) -> Error {
    Error::new(ErrorKind::Config, "streams: source from insecure producer")
}

/// A kind of server that streams can be published to.
pub struct Outlet {
    /// Schemes of its addresses, without the colon.
    pub schemes: &'static [&'static str],
    /// The module that must be on, by its name in `app.modules`.
    pub module: &'static str,
    /// For people.
    pub title: &'static str,
    /// Page under `docs/outputs/`.
    pub docs: &'static str,
    /// What may stand behind `#`.
    pub parameters: &'static [Parameter],
    /// Checks an address without dialling.
    pub check: fn(url: &str) -> Result<(), Error>,
    /// The server at an address that somebody has named.
    pub destination: fn(context: Arc<Context>, url: &str, origin: Origin) -> Reached,
}

/// What looking for a server gives.
pub type Reached = Result<Arc<dyn Destination>, Error>;

/// All kinds of servers that streams can be published to.
pub static OUTLETS: &[Outlet] = &[Outlet {
    schemes: RTSP,
    module: "rtsp",
    title: "RTSP server",
    docs: "publish.md",
    parameters: publish::rtsp::PARAMETERS,
    check: publish::rtsp::check,
    destination: publish::rtsp::destination,
}];

/// The entry of a source text by its scheme.
pub fn entry(source: &str) -> Option<&'static Entry> {
    let scheme = source.split_once(':')?.0;
    SOURCES.iter().find(|e| e.schemes.contains(&scheme))
}

/// The kind of server of an address by its scheme.
pub fn outlet(url: &str) -> Option<&'static Outlet> {
    let scheme = url.split_once(':')?.0;
    OUTLETS.iter().find(|outlet| outlet.schemes.contains(&scheme))
}

/// What is wrong with a source whose module does not run; `None`: it runs, or no
/// module knows the scheme.
pub fn switched_off(source: &str, modules: &Modules) -> Option<String> {
    modules.without(entry(source)?.module)
}

/// Opens sources by the table.
#[derive(Clone)]
pub struct Table {
    context: Arc<Context>,
    modules: Modules,
}

impl Table {
    /// Opens all kinds of sources with these settings.
    pub fn new(context: Arc<Context>) -> Self {
        Self::with_modules(context, Modules::default())
    }

    /// Opens sources of these modules only.
    pub const fn with_modules(context: Arc<Context>, modules: Modules) -> Self {
        Self { context, modules }
    }
}

impl Opener for Table {
    fn check(&self, source: &str, origin: Origin) -> Result<(), Error> {
        let is_stream = |name: &str| self.context.has_stream(name);
        let risk = |entry: &Entry| (entry.risk)(source, &is_stream);
        if origin != Origin::Config {
            let scheme = source.split_once(':').map_or("", |(scheme, _)| scheme);
            if matches!(scheme, "exec" | "echo" | "expr") {
                return Err(insecure(source));
            }
            let known = entry(source).is_some_and(|entry| risk(entry).is_allowed(origin));
            let spaces = source.chars().any(char::is_whitespace);
            // Who reads a space as the end of a word says itself which ones are harmless.
            if spaces && !(scheme == "ffmpeg" && known) {
                let text = "streams: source with spaces may be insecure";
                return Err(Error::new(ErrorKind::Config, text));
            }
        }
        let Some(entry) = entry(source) else {
            return Err(Error::new(ErrorKind::Unsupported, "streams: source not supported"));
        };
        if let Some(off) = switched_off(source, &self.modules) {
            let text = format!("streams: source not supported: {off}");
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        if !risk(entry).is_allowed(origin) {
            return Err((entry.refused)(source));
        }
        (entry.check)(source)
    }

    fn undoes(&self, source: &str) -> bool {
        matches!(source.split_once(':'), Some(("ffmpeg" | "exec", _)))
    }

    fn exclusive_group(&self, source: &str) -> Option<String> {
        match source.split_once(':')? {
            ("ffmpeg", text) => ffmpeg::device(text),
            ("exec", text) => exec::device(text),
            _ => None,
        }
    }

    fn destination(
        &self,
        url: &str,
        origin: Origin,
    ) -> Result<Option<Arc<dyn Destination>>, Error> {
        let reached =
            |outlet: &Outlet| (outlet.destination)(Arc::clone(&self.context), url, origin);
        let on = |outlet: &&Outlet| self.modules.has(outlet.module);
        outlet(url).filter(on).map(reached).transpose()
    }

    fn open(&self, request: OpenRequest) -> Opening {
        let off = switched_off(&request.source, &self.modules);
        match entry(&request.source).filter(|_| off.is_none()) {
            Some(entry) => (entry.open)(Arc::clone(&self.context), request),
            None => Box::pin(async move {
                let source = Redacted(&request.source);
                let why = off.map(|off| format!(": {off}")).unwrap_or_default();
                let text = format!("streams: unsupported scheme: {source}{why}");
                Err(Error::new(ErrorKind::Unsupported, text))
            }),
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").finish_non_exhaustive()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("schemes", &self.schemes).finish_non_exhaustive()
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("schemes", &self.schemes).finish_non_exhaustive()
    }
}
