//! Which sources a peer may name: only this machine sends the program to itself, to
//! link-local addresses or to metadata services (`design.md` 7).

use std::net::IpAddr;
use std::time::Duration;

use rs2rtc_base::{Redacted, Url, is_inside};
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::{Peer, Place, peer_place};

/// How long a name is looked up. One that takes longer is found out by its dial.
const LOOKUP: Duration = Duration::from_secs(2);

/// Whether a peer may name this source, by what stands in it and by where its name
/// leads now.
///
/// # Errors
/// The text for the caller, without secrets.
pub async fn check_source(source: &str, peer: Peer, compat: bool) -> Result<(), String> {
    check(source, peer, compat, async |name| {
        let found = timeout(LOOKUP, lookup_host((name, 0))).await;
        found.map_or_else(
            |_| Vec::new(),
            |found| found.into_iter().flatten().map(|address| address.ip()).collect(),
        )
    })
    .await
}

async fn check(
    source: &str,
    peer: Peer,
    compat: bool,
    addresses: impl AsyncFnOnce(&str) -> Vec<IpAddr>,
) -> Result<(), String> {
    if compat || peer_place(peer) == Place::Here {
        return Ok(());
    }
    let Some(name) = outside_host(source)? else { return Ok(()) };
    match addresses(&name).await.into_iter().any(is_inside) {
        true => Err(refusal(&name)),
        false => Ok(()),
    }
}

/// The name of the host, if it is none that leads inside by itself; `None` for
/// addresses outside and sources without a host.
fn outside_host(source: &str) -> Result<Option<String>, String> {
    // Nested sources (`ffmpeg:rtsp://…`) are judged by the address inside.
    let Some(at) = source.find("://") else { return Ok(None) };
    let scheme = source.get(..at).unwrap_or_default();
    let start = scheme.rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |i| i + 1);
    let host = match Url::parse(source.get(start..).unwrap_or_default()) {
        Ok(url) => url.host,
        Err(_) => return Err(format!("streams: source is no address: {}", Redacted(source))),
    };
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>();
    let inside = match address {
        Ok(address) => is_inside(address),
        Err(_) => {
            bare == "localhost"
                || bare.ends_with(".localhost")
                || bare.starts_with("metadata")
                || is_odd_v4(bare)
        }
    };
    if inside {
        return Err(refusal(&host));
    }
    Ok(address.is_err().then(|| bare.to_owned()))
}

fn refusal(host: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn named(source: &str, by: &str, leads_to: &[&str]) -> bool {
        let peer = Peer::Ip((by.parse::<IpAddr>().unwrap(), 5000).into());
        let found = leads_to.iter().map(|ip| ip.parse().unwrap()).collect();
        let check = check(source, peer, false, async |_: &str| found);
        futures(check).is_ok()
    }

    /// Nothing here waits.
    fn futures<T>(future: impl Future<Output = T>) -> T {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(future).poll(&mut context) {
            std::task::Poll::Ready(value) => value,
            std::task::Poll::Pending => unreachable!("nothing waits"),
        }
    }

    #[test]
    fn private_peers_name_network_sources_only() {
        let ok = |source| named(source, "192.168.1.5", &["192.168.1.10"]);
        assert!(ok("rtsp://user:pw@192.168.1.10/stream1#timeout=5"));
        assert!(ok("rtsp://camera.lan/stream1"));
        assert!(ok("ffmpeg:rtsp://10.0.0.3/x#video=copy"));
        assert!(ok("demo:"));
        for bad in [
            "rtsp://127.0.0.1:8554/cam",
            "ffmpeg:http://localhost/x",
            "http://169.254.169.254/latest",
            "rtsp://[::1]/x",
            "rtsp://[::ffff:127.0.0.1]/x",
            "http://metadata.google.internal/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0.0.0.0:1984/api/exit",
        ] {
            assert!(!ok(bad), "{bad}");
            assert!(named(bad, "127.0.0.1", &["127.0.0.1"]));
        }
    }

    #[test]
    fn a_name_counts_as_what_it_leads_to() {
        let source = "tcp://innocent.example:1984";
        for inside in ["127.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1"] {
            assert!(!named(source, "192.168.1.5", &["192.168.1.10", inside]), "{inside}");
            assert!(named(source, "127.0.0.1", &[inside]));
        }
        assert!(named(source, "192.168.1.5", &[]), "its dial will tell");
    }
}
