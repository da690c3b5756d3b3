//! The host that a source text names, and the forms of it that lead inside by
//! themselves.

use std::net::IpAddr;

use rs2rtc_base::{Redacted, Url, is_inside};

/// A host that has to be looked up, or an address that is not inside.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    /// Of the address, or of its scheme; 0 if neither is known.
    pub(super) port: u16,
}

/// The host of a source; `None` for one without a host.
///
/// # Errors
/// For one that leads inside by its name alone: a text for the caller.
pub(super) fn host(source: &str) -> Result<Option<Host>, String> {
    // Nested sources (`ffmpeg:rtsp://…`) are judged by the address inside.
    let Some(at) = source.find("://") else { return Ok(None) };
    let scheme = source.get(..at).unwrap_or_default();
    let start = scheme.rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |i| i + 1);
    let Ok(url) = Url::parse(source.get(start..).unwrap_or_default()) else {
        return Err(format!("streams: source is no address: {}", Redacted(source)));
    };
    let name = url.host.trim_end_matches('.').to_ascii_lowercase();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let inside = match bare.parse::<IpAddr>() {
        Ok(address) => is_inside(address) || is_metadata(address),
        Err(_) => {
            bare == "localhost"
                || bare.ends_with(".localhost")
                || bare.starts_with("metadata")
                || is_odd_v4(bare)
        }
    };
    if inside {
        return Err(refusal(&url.host));
    }
    let port = url.port_or(default_port(&url.scheme));
    Ok(Some(Host { name: bare.to_owned(), port }))
}

/// Where metadata services are that have no link-local address (AWS, Alibaba,
/// Oracle).
pub(super) fn is_metadata(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => matches!(ip.octets(), [100, 100, 100, 200] | [192, 0, 0, 192]),
        IpAddr::V6(ip) => ip.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254],
    }
}

fn default_port(scheme: &str) -> u16 {
    match scheme {
        "http" | "httpx" => 80,
        "https" => 443,
        "rtsp" | "rtsps" | "rtspx" => 554,
        "rtmp" => 1935,
        _ => 0,
    }
}

/// The text for who names a host that only this machine may name.
pub(super) fn refusal(host: &str) -> String {
    format!("streams: source at {host} may only be named on this machine")
}

/// Forms of IPv4 addresses that system resolvers accept and nobody writes:
/// `2130706433`, `0x7f.1`, `0177.0.0.1`.
fn is_odd_v4(host: &str) -> bool {
    let part = |p: &str| {
        !p.is_empty()
            && (p.bytes().all(|b| b.is_ascii_digit())
                || p.strip_prefix("0x").is_some_and(|h| h.bytes().all(|b| b.is_ascii_hexdigit())))
    };
    host.split('.').all(part)
}
