//! Where connections may go, by who named the source (`design.md` 7).
//!
//! The configuration may name anything. What somebody else on the network names
//! must not make this machine talk to itself, to its links or to a metadata
//! service: it would be trusted there. A name may lead elsewhere the next time it is
//! looked up, and a server may redirect, so the rule is asked for the very address
//! that a connection goes to ([`Reach::connect`]); [`Reach::check`] only tells earlier.

mod named;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind, is_inside};
use rs2rtc_streams::{BoxFuture, Origin};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::sys;
use named::Host;

/// How long a name is looked up before its dial. One that takes longer is found
/// out by the dial.
const LOOKUP: Duration = Duration::from_secs(2);

/// Names and connections of a network.
pub trait Net: fmt::Debug + Send + Sync {
    /// The addresses of a name or an address.
    fn resolve(&self, host: String, port: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>>;

    /// Connects to an address.
    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpStream>>;
}

/// The network that the system knows.
#[derive(Debug)]
struct System;

impl Net for System {
    fn resolve(&self, host: String, port: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(lookup_host((host.as_str(), port)).await?.collect()) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(address))
    }
}

/// A network, and the ports of it that are ours.
#[derive(Debug)]
pub struct Network {
    net: Box<dyn Net>,
    own_ports: Mutex<BTreeSet<u16>>,
}

impl Default for Network {
    fn default() -> Self {
        Self::new(System)
    }
}

impl Network {
    /// A network without ports of ours.
    pub fn new(net: impl Net + 'static) -> Self {
        Self { net: Box::new(net), own_ports: Mutex::default() }
    }

    /// Tells that this program listens on a TCP port.
    pub fn serve(&self, port: u16) {
        self.own_ports.lock().unwrap_or_else(PoisonError::into_inner).insert(port);
    }

    fn is_served(&self, port: u16) -> bool {
        self.own_ports.lock().unwrap_or_else(PoisonError::into_inner).contains(&port)
    }
}

/// Where the connections of one source may go.
#[derive(Clone, Debug)]
pub struct Reach {
    network: Arc<Network>,
    /// Whoever named it may not use this machine's place in the network.
    limited: bool,
}

impl Default for Reach {
    /// Anywhere, in the system's network.
    fn default() -> Self {
        Self { network: Arc::default(), limited: false }
    }
}

impl Reach {
    /// What a source may connect to that was named by `origin`.
    pub fn of(network: Arc<Network>, origin: Origin) -> Self {
        Self { network, limited: origin == Origin::Stranger }
    }

    /// Whether a source may be named at all, by where its name leads now.
    ///
    /// # Errors
    /// `Config`: a text for the caller, without secrets.
    pub async fn check(&self, source: &str) -> Result<(), Error> {
        if !self.limited {
            return Ok(());
        }
        let config = |text| Error::new(ErrorKind::Config, text);
        let Some(Host { name, port }) = named::host(source).map_err(config)? else {
            return Ok(());
        };
        let found = timeout(LOOKUP, self.network.net.resolve(name.clone(), port)).await;
        match found.into_iter().flatten().flatten().any(|address| self.refuses(address)) {
            true => Err(config(named::refusal(&name))),
            false => Ok(()),
        }
    }

    /// Connects to the first address of a host that answers. If one of them may not
    /// be connected to, none is.
    ///
    /// # Errors
    /// `PermissionDenied` for an address that may not be connected to; what the
    /// system says.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let found = self.network.net.resolve(host.to_owned(), port).await?;
        if let Some(address) = found.iter().find(|address| self.limited && self.refuses(**address))
        {
            let text = format!("{address} may only be named on this machine");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, Refused(text)));
        }
        let mut failure = None;
        for address in found {
            match self.network.net.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = Some(error),
            }
        }
        let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        Err(failure.unwrap_or_else(none))
    }

    fn refuses(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        is_inside(ip)
            || named::is_metadata(ip)
            || (self.network.is_served(address.port()) && is_ours(ip))
    }
}

/// Whether an address is one of this machine.
fn is_ours(ip: IpAddr) -> bool {
    // Unknown is taken for ours: it is asked for our ports only.
    sys::interface_addresses().map_or(true, |own| own.iter().any(|own| own.ip == ip))
}

/// The rule forbids an address; unlike what the system forbids.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

/// Whether an error of [`Reach::connect`] is that of the rule.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Refused>())
}

#[cfg(test)]
mod tests;
