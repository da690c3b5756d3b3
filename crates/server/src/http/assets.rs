//! The web interface: files packed into the binary, or those of
//! `api.static_dir` (`spec/api.md` 1.3).

use std::io::Read as _;
use std::path::Path;

use axum::http::{HeaderValue, Method, StatusCode, header};
use bytes::Bytes;

use super::Api;
use super::call::{Call, Reply, no_page, status, typed};

/// A file of the web interface.
struct Asset {
    name: &'static str,
    etag: &'static str,
    size: usize,
    gzip: &'static [u8],
}

static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Largest file that is served from `api.static_dir`.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// We are told which page of ours asks ([`super::access`]); nobody else is.
const REFERRER: &str = "same-origin";

/// Serves a path relative to the base; an empty one is `index.html`.
pub(crate) async fn serve(api: &Api, call: &Call, path: &str) -> Reply {
    if path == "index.html" || path.ends_with("/index.html") {
        let mut reply = status(StatusCode::MOVED_PERMANENTLY);
        reply.headers_mut().insert(header::LOCATION, HeaderValue::from_static("./"));
        return reply;
    }
    if !matches!(*call.method(), Method::GET | Method::HEAD) {
        return no_page();
    }
    let name = rs2rtc_base::url::percent_decode(path);
    let name =
        if name.is_empty() || name.ends_with('/') { format!("{name}index.html") } else { name };
    match api.static_dir() {
        Some(dir) => from_dir(&dir, &name, call).await,
        None => match ASSETS.iter().find(|a| a.name == name) {
            Some(asset) => packed(api, asset, call),
            None => no_page(),
        },
    }
}

fn packed(api: &Api, asset: &Asset, call: &Call) -> Reply {
    let known = call.header("if-none-match");
    if known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == asset.etag) {
        let mut reply = status(StatusCode::NOT_MODIFIED);
        set(&mut reply, header::ETAG, asset.etag);
        set(&mut reply, header::CACHE_CONTROL, "no-cache");
        // Of an earlier version another one may be kept with the file.
        set(&mut reply, header::REFERRER_POLICY, REFERRER);
        if asset.name.ends_with(".html") {
            // So may what the configuration says.
            protect(&mut reply, asset.name, &api.settings().framed_by);
        }
        return reply;
    }
    let range = call.header("range");
    let takes_gzip = call.header("accept-encoding").split(',').any(|coding| {
        let mut parts = coding.split(';');
        let name = parts.next().unwrap_or_default().trim();
        let refused = parts.any(|p| matches!(p.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        matches!(name, "gzip" | "*") && !refused
    });
    let mut reply = if takes_gzip && range.is_empty() {
        let mut reply = typed(mime(asset.name), Bytes::from_static(asset.gzip));
        set(&mut reply, header::CONTENT_ENCODING, "gzip");
        reply
    } else {
        ranged(mime(asset.name), inflate(asset), range)
    };
    set(&mut reply, header::ETAG, asset.etag);
    set(&mut reply, header::VARY, "Accept-Encoding");
    decorate(&mut reply, asset.name);
    if asset.name.ends_with(".html") {
        protect(&mut reply, asset.name, &api.settings().framed_by);
    }
    reply
}

/// Pages that other sites may show in a frame: the bare players. They lead to no page
/// that changes anything.
const FRAMED: [&str; 4] = ["stream.html", "webrtc.html", "webrtc-sync.html", "hls.html"];

/// What a page of ours may load and do: nothing but what is packed. Pages of
/// `api.static_dir` are the user's own and get none of this.
/// The bare players may be shown in frames of `framed_by`.
fn protect(reply: &mut Reply, name: &str, framed_by: &str) {
    let ancestors = if FRAMED.contains(&name) { framed_by } else { "'self'" };
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
         media-src 'self' blob: data:; connect-src 'self'; manifest-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-src 'self'; frame-ancestors {ancestors}; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    );
    set(reply, header::CONTENT_SECURITY_POLICY, &policy);
    let permissions = header::HeaderName::from_static("permissions-policy");
    set(reply, permissions, "camera=(self), microphone=(self), display-capture=(self)");
}

fn inflate(asset: &Asset) -> Bytes {
    let mut text = Vec::with_capacity(asset.size);
    // Written by the build script: it is valid and as long as it says.
    let _ = flate2::read::GzDecoder::new(asset.gzip).read_to_end(&mut text);
    Bytes::from(text)
}

async fn from_dir(dir: &Path, name: &str, call: &Call) -> Reply {
    if name.split(['/', '\\']).any(|part| part == ".." || part.starts_with('.')) {
        return no_page();
    }
    let path = dir.join(name.trim_start_matches('/'));
    let Ok(about) = tokio::fs::metadata(&path).await else { return no_page() };
    if !about.is_file() || about.len() > MAX_FILE {
        return no_page();
    }
    let Ok(bytes) = tokio::fs::read(&path).await else { return no_page() };
    let mut reply = ranged(mime(name), Bytes::from(bytes), call.header("range"));
    decorate(&mut reply, name);
    reply
}

/// The whole, or the one range that was asked for.
fn ranged(mime: &'static str, bytes: Bytes, range: &str) -> Reply {
    let len = bytes.len();
    match parse_range(range, len) {
        Range::Whole => typed(mime, bytes),
        Range::Part(from, to) => {
            let mut reply = typed(mime, bytes.slice(from..to));
            *reply.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut reply, header::CONTENT_RANGE, &format!("bytes {from}-{}/{len}", to - 1));
            reply
        }
        Range::Bad => {
            let mut reply = status(StatusCode::RANGE_NOT_SATISFIABLE);
            set(&mut reply, header::CONTENT_RANGE, &format!("bytes */{len}"));
            reply
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    /// First byte and the one after the last.
    Part(usize, usize),
    Bad,
}

fn parse_range(text: &str, len: usize) -> Range {
    let Some(spec) = text.strip_prefix("bytes=").filter(|s| !s.contains(',')) else {
        return Range::Whole;
    };
    let Some((from, to)) = spec.trim().split_once('-') else { return Range::Whole };
    let (from, to) = match (from.parse::<usize>(), to.parse::<usize>()) {
        (Ok(from), Ok(to)) if from <= to => (from, to.saturating_add(1).min(len)),
        (Ok(from), Err(_)) if to.is_empty() => (from, len),
        (Err(_), Ok(last)) if from.is_empty() => (len.saturating_sub(last), len),
        _ => return Range::Whole,
    };
    if from < to { Range::Part(from, to) } else { Range::Bad }
}

fn decorate(reply: &mut Reply, name: &str) {
    set(reply, header::CACHE_CONTROL, "no-cache");
    set(reply, header::ACCEPT_RANGES, "bytes");
    set(reply, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(reply, header::REFERRER_POLICY, REFERRER);
    if matches!(name, "video-rtc.js" | "video-stream.js") {
        // Dashboards import the player from other origins.
        let policy = header::HeaderName::from_static("cross-origin-resource-policy");
        set(reply, policy, "cross-origin");
    }
}

fn set(reply: &mut Reply, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}

fn mime(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ext)| ext) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "mp4" => "video/mp4",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_files_are_what_they_say() {
        assert!(ASSETS.iter().any(|a| a.name == "video-rtc.js"));
        assert!(!ASSETS.iter().any(|a| a.name.ends_with(".d.ts")), "types are for people");
        for asset in ASSETS {
            assert_eq!(inflate(asset).len(), asset.size, "{}", asset.name);
        }
    }

    #[test]
    fn all_files_together_are_small() {
        let total: usize = ASSETS.iter().map(|asset| asset.gzip.len()).sum();
        assert!(total <= 320 * 1024, "all files: {total} bytes, gzip");
    }

    #[test]
    fn ranges() {
        assert_eq!(parse_range("bytes=0-9", 100), Range::Part(0, 10));
        assert_eq!(parse_range("bytes=90-", 100), Range::Part(90, 100));
        assert_eq!(parse_range("bytes=-5", 100), Range::Part(95, 100));
        assert_eq!(parse_range("bytes=5-500", 100), Range::Part(5, 100));
        assert_eq!(parse_range("bytes=100-", 100), Range::Bad);
        assert_eq!(parse_range("bytes=1-2,4-5", 100), Range::Whole);
        assert_eq!(parse_range("", 100), Range::Whole);
    }
}
