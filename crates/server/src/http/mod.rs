//! The HTTP API and the web interface (`spec/api.md`).
//!
//! Every call goes the same way: login and class ([`access::decide`]), then the
//! route table [`ROUTES`], then its handler. A new module adds a line there.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use rs2rtc_base::url::percent_decode;
use rs2rtc_base::{Current, ErrorKind, Secret};
use rs2rtc_endpoints::io::logins::TooMany;
use rs2rtc_endpoints::outputs::webrtc::Gateway;
use rs2rtc_endpoints::table::Table;
use rs2rtc_streams::{CancellationToken, Streams, Tasks};
use tokio::sync::{Semaphore, SetOnce, mpsc};

use crate::boot::Boot;
use crate::config::ConfigFile;
use crate::ledger::Ledger;
use crate::live::Live;
use crate::logging::Log;
use crate::metrics::kind_name;
use crate::secrets::{Secrets, mask_ids};

pub mod access;
pub mod addresses;
pub(crate) mod advice;
mod assets;
mod bye;
pub mod call;
mod clip;
mod config_api;
mod config_confirm;
mod config_rs;
mod containers;
pub mod doctor;
mod dot;
mod events;
mod ffmpeg_api;
mod hls;
mod ingest;
mod latest;
pub mod listener;
mod log_levels;
mod login;
mod metrics;
mod mp4;
mod numbers;
mod picture_streams;
mod pictures;
pub mod players;
mod preload_api;
mod release;
mod rtsp_to_web;
mod sessions;
mod settings;
mod source_api;
mod stream_json;
mod streamed;
mod streams_api;
mod system;
mod test_api;
pub mod tls;
mod webrtc;
mod ws;

pub use access::{Class, Peer, Policy};
pub use call::{Call, Reply};
pub use events::MAX_READERS;
pub use settings::{RtspInfo, Settings};
pub use test_api::MAX_TRIALS;

/// What the API asks of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// End with this code.
    Exit(u8),
    /// Start the same binary again, in this process.
    Restart,
}

/// What all calls share.
#[derive(Debug)]
pub struct Api {
    /// What may change while the program runs; see [`Self::settings`].
    pub current: Arc<Current<Settings>>,
    /// The admin token, if there is one.
    pub token: Option<Secret>,
    /// The configuration file.
    pub file: Arc<ConfigFile>,
    /// The configuration in force.
    pub live: Live,
    /// The streams.
    pub streams: Streams,
    /// The log.
    pub log: Log,
    /// Texts to mask.
    pub secrets: Secrets,
    /// The WebRTC gateway; set once it has started, `None` if it could not.
    pub webrtc: SetOnce<Option<Gateway>>,
    /// Where wishes about the program go.
    pub control: mpsc::Sender<Control>,
    /// Tasks of connections.
    pub tasks: Tasks,
    /// Fires at shutdown.
    pub cancel: CancellationToken,
    /// Names this run of the program; numbers of events begin there.
    pub boot: Boot,
    /// The players' sockets.
    pub players: players::Players,
    /// Viewers that poll.
    pub hls: rs2rtc_endpoints::outputs::hls::Hls,
    /// Who watches, who left, and how long that took.
    pub ledger: Arc<Ledger>,
    /// Tasks of sources and outputs.
    pub context: Arc<rs2rtc_endpoints::Context>,
    /// Knows the schemes of sources.
    pub opener: Arc<Table>,
    /// The list of all streams.
    pub lists: latest::Latest,
    /// Turns of those who have a configuration checked.
    pub checks: Arc<Semaphore>,
    /// Places for readers of `api/rs/events`.
    pub readers: Arc<Semaphore>,
    /// Places for trials of sources, `api/rs/test`.
    pub trials: Arc<Semaphore>,
    /// Where the pages are served; set once the ports are bound.
    pub served: OnceLock<Vec<addresses::Served>>,
    /// What was told at the start, for `api/rs/doctor`.
    pub facts: doctor::Facts,
}

type Handling = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// An entry of the route table.
pub struct Route {
    /// Relative to `base_path`, or from the root with a leading slash. One that
    /// ends with a slash stands for everything below it.
    pub pattern: &'static str,
    /// The pattern that `api.allow_paths` has to list: its own, or that of the
    /// call it belongs to.
    pub listed: &'static str,
    /// The module that must be on.
    pub module: &'static str,
    /// What a call of it may change.
    pub class: fn(&Api, &Call) -> Class,
    /// Answers it.
    pub handle: fn(Arc<Api>, Call) -> Handling,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route").field("pattern", &self.pattern).finish_non_exhaustive()
    }
}

macro_rules! route {
    ($pattern:literal, $module:literal, $class:expr, $handler:expr) => {
        route!($pattern in $pattern, $module, $class, $handler)
    };
    ($pattern:literal in $listed:literal, $module:literal, $class:expr, $handler:expr) => {
        Route {
            pattern: $pattern,
            listed: $listed,
            module: $module,
            class: $class,
            handle: |api, call| Box::pin($handler(api, call)),
        }
    };
}

/// All paths but those of the web interface.
pub static ROUTES: &[Route] = &[
    route!("api", "api", |_, _| Class::View, system::info),
    route!("api/exit", "api", |_, _| Class::Admin, system::exit),
    route!("api/restart", "api", |_, _| Class::Admin, system::restart),
    route!("api/log", "api", system::log_class, system::log),
    route!("api/rs/log/levels" in "api/log", "api", system::log_class, log_levels::handle),
    route!("api/schemes", "api", |_, _| Class::View, system::schemes),
    route!("api/stack", "debug", |_, _| Class::View, system::stack),
    route!("api/openapi.yaml", "api", |_, _| Class::View, system::openapi),
    route!("api/config", "api", config_api::class, config_api::handle),
    route!("api/rs/config/check" in "api/config", "api", |_, _| Class::View, config_rs::check),
    route!("api/rs/config/apply" in "api/config", "api", |_, _| Class::Admin, config_rs::apply),
    route!("api/rs/config/versions" in "api/config", "api", |_, _| Class::Admin, config_rs::list),
    route!("api/rs/config/versions/" in "api/config", "api", |_, _| Class::Admin, config_rs::list),
    route!("api/rs/config/confirm" in "api/config", "api", |_, _| Class::Admin, config_confirm::handle),
    route!("api/rs/config/rollback" in "api/config", "api", |_, _| Class::Admin, config_rs::rollback),
    route!("schema.json" in "", "api", |_, _| Class::View, config_rs::schema),
    route!("api/ffmpeg", "ffmpeg", |_, _| Class::Stream, ffmpeg_api::play),
    route!("api/ffmpeg/devices", "ffmpeg", |_, _| Class::View, ffmpeg_api::devices),
    route!("api/ffmpeg/hardware", "ffmpeg", |_, _| Class::View, ffmpeg_api::hardware),
    route!("api/streams", "api", streams_api::class, streams_api::handle),
    route!("api/streams.dot", "api", |_, _| Class::View, dot::handle),
    route!("api/preload", "api", preload_api::class, preload_api::handle),
    route!("api/stream", "api", |_, _| Class::Stream, ingest::any),
    route!("api/stream.ts", "api", containers::class, containers::ts),
    route!("api/stream.flv", "api", containers::class, containers::flv),
    route!("api/stream.aac", "api", containers::class, containers::aac),
    route!("api/stream.wav", "api", containers::class, containers::wav),
    route!("api/stream.h264", "api", containers::class, containers::h264),
    route!("api/stream.hevc", "api", containers::class, containers::hevc),
    route!("api/stream.mp4", "api", mp4::class, mp4::stream),
    route!("api/stream.mjpeg", "mjpeg", picture_streams::class, picture_streams::mjpeg),
    route!("api/stream.ascii", "mjpeg", |_, _| Class::View, picture_streams::ascii),
    route!("api/stream.y4m", "mjpeg", |_, _| Class::View, picture_streams::y4m),
    route!("api/frame.jpeg", "mjpeg", ws::class_of_source, pictures::frame),
    route!("api/rs/poster" in "api/frame.jpeg", "mjpeg", |_, _| Class::View, pictures::poster),
    route!("api/stream.m3u8", "hls", hls::class, hls::master),
    route!("api/hls/playlist.m3u8", "hls", |_, _| Class::View, hls::playlist),
    route!("api/hls/init.mp4", "hls", |_, _| Class::View, hls::init),
    route!("api/hls/segment.ts", "hls", |_, _| Class::View, hls::segment_ts),
    route!("api/hls/segment.m4s", "hls", |_, _| Class::View, hls::segment_mp4),
    route!("api/ws", "ws", ws::class, ws::handle),
    route!("api/frame.mp4", "mp4", |_, _| Class::View, mp4::frame),
    route!("api/rs/clip.mp4", "mp4", |_, _| Class::View, clip::handle),
    route!("api/webrtc", "webrtc", webrtc::class, webrtc::handle),
    route!("api/webrtc/bye", "webrtc", |_, _| Class::Own, webrtc::bye),
    route!("api/rs/bye/" in "api/ws", "ws", |_, _| Class::Own, bye::handle),
    route!("api/rs/events", "api", |_, _| Class::View, events::handle),
    route!("api/rs/sessions", "api", sessions::class, sessions::handle),
    route!("api/rs/release", "api", |_, _| Class::View, release::handle),
    route!("api/rs/test", "api", |_, _| Class::Stream, test_api::handle),
    route!("api/rs/login" in "", "api", |_, _| Class::View, login::handle),
    route!("api/rs/streams" in "api/streams", "api", |_, _| Class::View, source_api::streams),
    route!("api/rs/sources" in "api/streams", "api", |_, _| Class::View, source_api::handle),
    route!("api/rs/doctor", "api", |_, _| Class::View, doctor::handle),
    route!("api/rs/doctor/path" in "api/rs/doctor", "webrtc", |_, _| Class::View, doctor::path),
    route!("api/rs/metrics", "api", |_, _| Class::View, metrics::handle),
    route!("metrics" in "api/rs/metrics", "api", |_, _| Class::View, metrics::handle),
    route!("/static", "api", |_, _| Class::View, system::ok_payload),
    route!("/streams", "api", |_, _| Class::View, system::ok_payload),
    route!("/stream/", "webrtc", rtsp_to_web::class, rtsp_to_web::handle),
];

/// The class of what an error says, for pages of ours.
const ERROR_KIND: HeaderName = HeaderName::from_static("x-rs-error");

/// The modules that answer calls.
pub fn modules() -> impl Iterator<Item = &'static str> {
    ROUTES.iter().map(|route| route.module).chain(containers::MODULES.iter().copied())
}

impl Api {
    /// The settings in force. A call takes them once and keeps them.
    pub fn settings(&self) -> Arc<Settings> {
        self.current.get()
    }

    /// Answers one call, whatever it is.
    pub async fn answer(self: Arc<Self>, mut call: Call) -> Reply {
        if tracing::enabled!(target: "api", tracing::Level::TRACE) {
            // Secrets are recognised as they are written, not as they are encoded.
            let uri = percent_decode(&call.parts.uri.to_string());
            let uri = mask_ids(&self.secrets.mask(&uri));
            tracing::trace!(target: "api", "[api] {} {uri} {}", call.method(), call.peer);
        }
        let settings = self.settings();
        let cross_origin = cross_origin(&settings, &call);
        let is_our_page = call.parts.headers.contains_key(access::cookie::MARK);
        if let Some(origin) = cross_origin.as_ref().filter(|_| is_preflight(&call)) {
            let mut reply = call::status(StatusCode::NO_CONTENT);
            allow_origin(reply.headers_mut(), origin);
            return reply;
        }
        let found = find(&settings, call.parts.uri.path());
        let class = match &found {
            Found::Route(route) => (route.class)(&self, &call),
            _ => Class::View,
        };
        let verdict = judge(&settings.policy, self.token.as_ref(), &call, class);
        let mut reply = match verdict.decision {
            Ok(_) => {
                (call.class, call.admin) = (class, verdict.admin);
                (call.talk, call.program) = (verdict.talk, verdict.program);
                match found {
                    Found::Route(route) => (route.handle)(Arc::clone(&self), call).await,
                    Found::Asset(path) => assets::serve(&self, &call, &path).await,
                    Found::Redirect(to) => redirect(&to, &call),
                    Found::Nothing => call::no_page(),
                }
            }
            Err(denied) => self.refuse(&denied, &call).await,
        };
        if let Some(origin) = &cross_origin {
            allow_origin(reply.headers_mut(), origin);
        }
        // Whoever knows go2rtc gets what that sends, and no more.
        if let Some(kind) = reply.extensions().get::<ErrorKind>().copied().filter(|_| is_our_page) {
            let name = HeaderValue::from_static(kind_name(kind));
            reply.headers_mut().insert(ERROR_KIND, name);
        }
        reply
    }

    /// Answers who may not. A wrong login waits for that: who tries one password after another
    /// comes to few.
    async fn refuse(&self, denied: &access::Denied, call: &Call) -> Reply {
        if denied.is_wrong_login(call.header("authorization"))
            && let Some(too_many) = self.wrong_login(call).await
        {
            return too_many;
        }
        refuse(denied)
    }

    /// Counts a wrong login and waits the longer the more there were, as long as the client
    /// does. The answer to give to who has tried too often.
    async fn wrong_login(&self, call: &Call) -> Option<Reply> {
        let forwarded = match access::Forwarded::of(&call.parts.headers) {
            Some(access::Forwarded::For(ip)) => Some(ip),
            _ => None,
        };
        // The wait ends with the client.
        let _watched = call.line.stream();
        tokio::select! {
            biased;
            counted = self.context.logins.wrong(call.peer.source(), forwarded) => {
                counted.err().map(too_many_logins)
            }
            () = self.cancel.cancelled() => None,
        }
    }

    /// Folder that replaces the built-in web interface.
    fn static_dir(&self) -> Option<PathBuf> {
        let folder = &self.settings().api.static_dir;
        (!folder.is_empty()).then(|| PathBuf::from(folder))
    }
}

/// The value of `Access-Control-Allow-Origin`, if pages of the caller's origin
/// may use the API.
fn cross_origin(settings: &Settings, call: &Call) -> Option<HeaderValue> {
    let allowed = settings.api.origin.as_str();
    let origin = call.parts.headers.get(header::ORIGIN);
    match allowed {
        "" => None,
        "*" => Some(HeaderValue::from_static("*")),
        _ => origin.filter(|o| o.as_bytes().eq_ignore_ascii_case(allowed.as_bytes())).cloned(),
    }
}

fn find(settings: &Settings, path: &str) -> Found {
    if let Some(clean) = cleaned(path) {
        return Found::Redirect(clean);
    }
    let base = settings.api.base_path.as_str();
    if !base.is_empty() && path == base {
        return Found::Redirect(format!("{base}/"));
    }
    let under = path.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
    for route in ROUTES {
        let absolute = route.pattern.starts_with('/');
        let relative = if absolute { Some(path) } else { under };
        let hit = relative.is_some_and(|path| match route.pattern.ends_with('/') {
            true => path.len() > route.pattern.len() && path.starts_with(route.pattern),
            false => path == route.pattern,
        });
        if !hit {
            continue;
        }
        let full = match absolute {
            true => route.listed.to_owned(),
            false => format!("{base}/{}", route.listed),
        };
        if settings.allows(&full) && settings.has_module(route.module) {
            return Found::Route(route);
        }
    }
    match under {
        Some(rest) if settings.allows(&format!("{base}/")) => Found::Asset(rest.to_owned()),
        _ => Found::Nothing,
    }
}

/// What is decided about a call.
struct Verdict {
    decision: Result<access::Granted, access::Denied>,
    /// The caller may do what needs [`Class::Admin`] too.
    admin: bool,
    /// The caller may talk too.
    talk: bool,
    /// No page can have made it.
    program: bool,
}

/// The highest class of what the caller's page may do, or the caller if he is no page.
fn highest(policy: &Policy, token: Option<&Secret>, call: &Call) -> Class {
    let said = facts(token, call);
    // What changes something says where its page is from, which what is read may not.
    let is_silent = said.browser && said.fetch_site.is_empty() && said.origin.is_empty();
    let fetch_site = if is_silent { "same-origin" } else { said.fetch_site };
    let facts = access::Facts { reads: false, fetch_site, ..said };
    let may = |class: &Class| access::decide(policy, *class, call.peer, &facts).is_ok();
    [Class::Admin, Class::Stream].into_iter().find(may).unwrap_or(Class::View)
}

fn facts<'c>(token: Option<&Secret>, call: &'c Call) -> access::Facts<'c> {
    access::Facts {
        authorization: call.header("authorization"),
        token: access::brings_token(call.header("authorization"), token),
        cookie: access::cookie::is_brought(&call.parts.headers, token),
        origin: call.header("origin"),
        fetch_site: call.header("sec-fetch-site"),
        host: call.header("host"),
        reads: matches!(*call.method(), Method::GET | Method::HEAD),
        referer: call.header("referer"),
        browser: access::is_browser(call.parts.headers.get(header::USER_AGENT)),
        talks: false,
        forwarded: access::Forwarded::of(&call.parts.headers),
    }
}

fn judge(policy: &Policy, token: Option<&Secret>, call: &Call, class: Class) -> Verdict {
    let facts = facts(token, call);
    let decision = access::decide(policy, class, call.peer, &facts);
    let also = |class, facts: &access::Facts<'_>| {
        decision.is_ok() && access::decide(policy, class, call.peer, facts).is_ok()
    };
    let admin = also(Class::Admin, &facts);
    let talk = also(Class::Stream, &access::Facts { talks: true, ..facts });
    Verdict { decision, admin, talk, program: facts.is_program() }
}

enum Found {
    Route(&'static Route),
    Asset(String),
    Redirect(String),
    Nothing,
}

/// The path without `//`, `.` and `..`; `None` if it has none of them.
fn cleaned(path: &str) -> Option<String> {
    let odd = path.contains("//") || path.split('/').any(|part| part == "." || part == "..");
    if !odd {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    Some(format!("/{}{end}", parts.join("/")))
}

fn redirect(to: &str, call: &Call) -> Reply {
    let query = call.parts.uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    let to = format!("{to}{query}");
    let mut reply = match *call.method() {
        Method::GET => {
            let link = to.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&#34;");
            let body = format!("<a href=\"{link}\">Temporary Redirect</a>.\n\n");
            call::typed("text/html; charset=utf-8", body)
        }
        Method::HEAD => call::typed("text/html; charset=utf-8", ""),
        _ => call::empty(),
    };
    *reply.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    if let Ok(value) = HeaderValue::from_str(&to) {
        reply.headers_mut().insert(header::LOCATION, value);
    }
    reply
}

fn refuse(denied: &access::Denied) -> Reply {
    match denied {
        access::Denied::Login => {
            let mut reply = call::error(StatusCode::UNAUTHORIZED, "Unauthorized");
            let challenge = HeaderValue::from_static("Basic realm=\"go2rtc\"");
            reply.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            reply
        }
        access::Denied::Peer(text) => call::error(StatusCode::UNAUTHORIZED, text),
        access::Denied::Site(text) => call::error(StatusCode::FORBIDDEN, text),
    }
}

fn too_many_logins(too_many: TooMany) -> Reply {
    let mut reply = call::error(StatusCode::TOO_MANY_REQUESTS, &too_many.to_string());
    let seconds = HeaderValue::from(too_many.retry_after.as_secs());
    reply.headers_mut().insert(header::RETRY_AFTER, seconds);
    reply
}

fn is_preflight(call: &Call) -> bool {
    call.method() == Method::OPTIONS
        && !call.header("origin").is_empty()
        && !call.header("access-control-request-method").is_empty()
}

fn allow_origin(headers: &mut HeaderMap, origin: &HeaderValue) {
    const ALLOWED: [(&str, &str); 3] = [
        ("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS"),
        ("access-control-allow-headers", "Authorization, Content-Type, If-Match, Last-Event-ID"),
        // Where a WHEP client finds its session.
        ("access-control-expose-headers", "Location, ETag"),
    ];
    for (name, value) in ALLOWED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if origin != "*" {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let yes = HeaderValue::from_static("true");
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
}

/// Names to values, for forms.
pub(crate) fn form(body: &str) -> HashMap<String, String> {
    rs2rtc_base::url::query_pairs(body).take(64).collect()
}

#[cfg(test)]
mod tests;
