//! Our address as it is seen from outside, for `webrtc.candidates: stun:PORT`
//! (`spec/protocols-standard.md` 8.1).
//!
//! One task asks the STUN servers while such a candidate is configured, and asks
//! again now and then: an answer to a viewer takes what is known and waits for
//! nothing. Nobody is asked where nothing is configured.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::Current;
use rs2rtc_streams::CancellationToken;
use rs2rtc_webrtc::ConfiguredAddress;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::config::Config;
use crate::io::stun::Server;

/// How long an answer holds.
const HOLDS: Duration = Duration::from_secs(300);
/// When the servers are asked again after none answered.
const RETRY: Duration = Duration::from_secs(30);

/// What is known of our public address.
#[derive(Debug, Default)]
pub(super) struct PublicAddress {
    known: watch::Sender<Option<IpAddr>>,
    changed: Notify,
}

impl PublicAddress {
    /// The address, if a server has told it.
    pub(super) fn get(&self) -> Option<IpAddr> {
        *self.known.borrow()
    }

    /// Waits for it.
    #[cfg(test)]
    pub(super) async fn learnt(&self) {
        let _ = self.known.subscribe().wait_for(Option::is_some).await;
    }

    /// Says that there is another configuration.
    pub(super) fn reconsider(&self) {
        self.changed.notify_one();
    }

    /// Keeps the address known while it is wanted, until cancelled.
    pub(super) async fn follow(
        self: Arc<Self>,
        config: Arc<Current<Config>>,
        cancel: CancellationToken,
    ) {
        let mut asked: Option<Asked> = None;
        loop {
            let servers = wanted(&config.get());
            if asked.as_ref().map(|asked| &asked.servers) != servers.as_ref() {
                self.set(None);
                asked = None;
            }
            let due = asked.as_ref().map_or_else(Instant::now, |asked| asked.again);
            let ask = async {
                match servers {
                    Some(servers) => {
                        tokio::time::sleep_until(due).await;
                        let found = ask(&servers).await;
                        (servers, found)
                    }
                    None => std::future::pending().await,
                }
            };
            let (servers, found) = tokio::select! {
                () = cancel.cancelled() => return,
                () = self.changed.notified() => continue,
                done = ask => done,
            };
            let was_silent = asked.as_ref().is_some_and(|asked| asked.silent);
            let silent = found.is_err();
            match found {
                Ok(ip) => {
                    if self.set(Some(ip)) != Some(ip) || was_silent {
                        info!(target: "webrtc", %ip, "public address");
                    }
                }
                // What was known is still the best guess.
                Err(why) if was_silent => debug!(target: "webrtc", why, "public address"),
                Err(why) => warn!(
                    target: "webrtc",
                    "the public address for webrtc.candidates is not known: {why}"
                ),
            }
            let wait = if silent { RETRY } else { HOLDS };
            asked = Some(Asked { servers, again: Instant::now() + wait, silent });
        }
    }

    /// Gives what was known before.
    fn set(&self, ip: Option<IpAddr>) -> Option<IpAddr> {
        self.known.send_replace(ip)
    }
}

/// The last time that servers were asked.
struct Asked {
    servers: Vec<Server>,
    again: Instant,
    silent: bool,
}

/// The servers to ask; `None` if no candidate needs them.
fn wanted(config: &Config) -> Option<Vec<Server>> {
    let mut addresses = config.candidates.iter().filter_map(|text| ConfiguredAddress::parse(text));
    addresses.any(|address| address.is_public()).then(|| config.stun.clone())
}

/// The first answer of these servers, in their order.
async fn ask(servers: &[Server]) -> Result<IpAddr, String> {
    let mut reasons = Vec::new();
    for server in servers {
        match server.ask().await {
            Ok(ip) => return Ok(ip),
            Err(why) => reasons.push(why),
        }
    }
    if reasons.is_empty() {
        reasons.push("webrtc.ice_servers has no stun: server".to_owned());
    }
    Err(reasons.join("; "))
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::*;

    fn config(candidates: &[&str], server: &str) -> Config {
        Config {
            candidates: candidates.iter().map(|text| (*text).to_owned()).collect(),
            stun: Server::parse(server).into_iter().collect(),
            ..Config::default()
        }
    }

    /// Waits for a request and answers that 192.0.2.`last` is seen.
    async fn serve(socket: &UdpSocket, last: u8) {
        let mut buffer = [0; 64];
        let (_, from) = socket.recv_from(&mut buffer).await.unwrap();
        let mut answer = vec![1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
        answer.extend(&buffer[8..20]);
        answer.extend([0, 0x20, 0, 8, 0, 1, 0, 1, 192 ^ 0x21, 0x12, 2 ^ 0xa4, last ^ 0x42]);
        socket.send_to(&answer, from).await.unwrap();
    }

    async fn known(address: &PublicAddress, wanted: Option<&str>) {
        let wanted = wanted.map(|text| text.parse().unwrap());
        let reached = async {
            while address.get() != wanted {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reached).await.unwrap();
    }

    #[tokio::test]
    async fn the_servers_are_asked_only_while_somebody_wants_to_know() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = format!("stun:{}", socket.local_addr().unwrap());
        let current = Arc::new(Current::new(config(&["1.2.3.4:8555"], &server)));
        let (address, cancel) = (Arc::new(PublicAddress::default()), CancellationToken::new());
        let follow = Arc::clone(&address).follow(Arc::clone(&current), cancel.clone());
        let test = async {
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            let nothing = socket.try_recv_from(&mut [0; 64]).unwrap_err();
            assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
            current.set(config(&["stun:8555"], &server));
            address.reconsider();
            serve(&socket, 7).await;
            known(&address, Some("192.0.2.7")).await;
            // Another configuration that wants the same asks nobody again.
            current.set(config(&["stun:8555", "1.2.3.4:8555"], &server));
            address.reconsider();
            current.set(config(&[], &server));
            address.reconsider();
            known(&address, None).await;
            let nothing = socket.try_recv_from(&mut [0; 64]).unwrap_err();
            assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
            cancel.cancel();
        };
        tokio::join!(follow, test);
    }

    #[tokio::test]
    async fn what_is_known_is_asked_again_after_its_time() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = format!("stun:{}", socket.local_addr().unwrap());
        let current = Arc::new(Current::new(config(&["stun:8555"], &server)));
        let (address, cancel) = (Arc::new(PublicAddress::default()), CancellationToken::new());
        let follow = Arc::clone(&address).follow(current, cancel.clone());
        let test = async {
            serve(&socket, 7).await;
            known(&address, Some("192.0.2.7")).await;
            tokio::time::pause();
            tokio::time::advance(HOLDS).await;
            tokio::time::resume();
            serve(&socket, 8).await;
            known(&address, Some("192.0.2.8")).await;
            cancel.cancel();
        };
        tokio::join!(follow, test);
    }
}
