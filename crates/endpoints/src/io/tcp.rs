//! Outgoing TCP and TLS connections with deadlines and clear errors; how
//! connections end, and what makes the system notice it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::reach::{self, Reach};

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Plain TCP.
    Plain,
    /// TLS; the certificate must be valid for the host, unless it is an address.
    Verified,
    /// TLS with any certificate.
    Unverified,
}

/// A plain or protected connection.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The connection below.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    /// The other side as `address:port`; empty if it is already gone.
    pub fn remote_addr(&self) -> String {
        self.tcp().peer_addr().map(|a| a.to_string()).unwrap_or_default()
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpEnd {
    /// The peer closed it.
    Fin,
    /// The peer reset it: its program died, or closed without reading all.
    Reset,
    /// The peer is there but takes nothing.
    Stalled,
    /// Nothing comes back from the peer, not even acknowledgements.
    Silent,
    /// We closed it.
    Local,
}

impl TcpEnd {
    /// The code of a departure for this reason.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Fin => "tcp_fin",
            Self::Reset => "tcp_rst",
            Self::Stalled => "write_stall",
            Self::Silent => "silence",
            Self::Local => "left",
        }
    }

    /// What an error on a connection means.
    pub fn of(error: &io::Error) -> Self {
        use io::ErrorKind as K;
        match error.kind() {
            K::UnexpectedEof => Self::Fin,
            K::TimedOut | K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown => {
                Self::Silent
            }
            _ => Self::Reset,
        }
    }

    /// What it means that no byte could be sent for `limit`.
    pub fn without_progress(connection: &TcpStream, limit: Duration) -> Self {
        // Probes of a closed window are spaced by doubling intervals, so the
        // last answer of a peer that is there may be half the time away.
        match Answers::of(connection) {
            Some(answers) if answers.since > limit * 3 / 4 => Self::Silent,
            _ => Self::Stalled,
        }
    }
}

/// What the peer's system, not its program, has answered.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    /// How long ago it acknowledged something last.
    pub since: Duration,
    /// It owes the acknowledgement of something that was sent.
    pub owed: bool,
    /// Nothing is under way, but something waits to be: the peer's window is closed, or our
    /// own link is down.
    pub unsent: bool,
}

impl Answers {
    /// So many times as long may nothing come back while nothing gets under way: a peer that
    /// is there answers the probes of its closed window, but at growing distances.
    const PATIENCE: u32 = 3;

    /// How long the peer's system has owed an answer, if that is `limit` or more; `waits`: for
    /// how long something waits to be acknowledged, as far as known. A connection that rested
    /// before owed nothing then.
    pub fn silence(self, waits: Duration, limit: Duration) -> Option<Duration> {
        let limit = if self.owed { limit } else { limit * Self::PATIENCE };
        let silent = self.since.min(waits);
        (self.waits() && silent >= limit).then_some(silent)
    }

    /// Whether something waits to be acknowledged.
    pub const fn waits(self) -> bool {
        self.owed || self.unsent
    }

    /// `None` where the system does not tell.
    pub fn of(connection: &TcpStream) -> Option<Self> {
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsFd as _;
            let info = super::sys::tcp::info(connection.as_fd()).ok()?;
            let owed = info.unacknowledged > 0;
            Some(Self { since: info.since_acknowledgement, owed, unsent: !owed && info.queued > 0 })
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = connection;
            None
        }
    }
}

/// Has the system end an idle connection (`TimedOut`) whose peer answers no
/// keep-alive probe for `limit` (RFC 1122 4.2.3.6).
///
/// At most `unsent` bytes wait in the system's queue behind those under way, so
/// that a peer which does not read is noticed by its writer, not hidden by
/// megabytes of buffer.
///
/// `TCP_USER_TIMEOUT` is not used: with it Linux also ends peers that read slowly
/// but steadily (measured: 20 kB/s, after just that time). Acknowledgements that
/// fail to come are seen in [`Answers`].
///
/// # Errors
/// What the system says: it does not watch the connection then.
pub fn watch(connection: &TcpStream, limit: Duration, unsent: u32) -> io::Result<()> {
    const PROBES: u32 = 5;
    let socket = socket2::SockRef::from(connection);
    let second = Duration::from_secs(1);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time((limit / 2).max(second))
        .with_interval((limit / 2 / PROBES).max(second))
        .with_retries(PROBES);
    let result = socket.set_tcp_keepalive(&keepalive);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let result = result.and_then(|()| socket.set_tcp_notsent_lowat(unsent));
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = unsent;
    result
}

/// Has the connection's end throw away what its peer has not taken.
pub fn reset_when_closed(connection: &TcpStream) {
    let _ = socket2::SockRef::from(connection).set_linger(Some(Duration::ZERO));
}

/// Connects within `limit`, TLS handshake included.
///
/// # Errors
/// `Unreachable` with host, port and the system's reason; `Config` if it may not be
/// connected to.
pub async fn connect(
    reach: &Reach,
    (host, port): (&str, u16),
    security: Security,
    limit: Duration,
) -> Result<Stream, Error> {
    let what =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    match tokio::time::timeout(limit, open(reach, host, port, security)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if reach::is_refusal(&error) => {
            Err(Error::caused(ErrorKind::Config, format!("can't connect to {what}"), error))
        }
        Ok(Err(error)) => {
            Err(Error::caused(ErrorKind::Unreachable, format!("can't connect to {what}"), error))
        }
        Err(_) => {
            let text = format!("can't connect to {what}: no answer within {} s", limit.as_secs());
            Err(Error::new(ErrorKind::Unreachable, text))
        }
    }
}

/// Listens on `address:port`, `[v6]:port` or `:port` (all addresses, IPv4 and IPv6).
///
/// # Errors
/// `Config` naming the address, and what to do if it is in use.
pub fn listen(address: &str) -> Result<TcpListener, Error> {
    let fault = |e: io::Error| {
        let hint = match e.kind() {
            io::ErrorKind::AddrInUse => {
                ": another program uses this port, stop it or choose another one"
            }
            io::ErrorKind::PermissionDenied => ": ports below 1024 need permission",
            _ => "",
        };
        Error::new(ErrorKind::Config, format!("can't listen on {address}: {e}{hint}"))
    };
    let all = |port: &str| {
        let port: u16 = port.parse().map_err(|_| {
            let text = format!("\"{address}\" is not of the form address:port");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
        bind((IpAddr::from([0_u16; 8]), port).into())
            .or_else(|_| bind((IpAddr::from([0_u8; 4]), port).into()))
    };
    let bound = match address.strip_prefix(':') {
        Some(port) => all(port),
        None => std::net::ToSocketAddrs::to_socket_addrs(address)
            .and_then(|mut found| {
                found.next().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
            })
            .and_then(bind),
    };
    bound.map_err(fault)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        Some(socket2::Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // Without it a restart fails while old connections linger; on Linux it
    // does not let two programs listen on one port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    TcpListener::from_std(socket.into())
}

async fn open(reach: &Reach, host: &str, port: u16, security: Security) -> io::Result<Stream> {
    let tcp = reach.connect(host, port).await?;
    tcp.set_nodelay(true)?;
    let is_address = host.parse::<IpAddr>().is_ok();
    let verified = match security {
        Security::Plain => return Ok(Stream::Plain(tcp)),
        Security::Verified => !is_address,
        Security::Unverified => false,
    };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "not a host name"))?;
    let tls = TlsConnector::from(tls_config(verified)?).connect(name, tcp).await?;
    Ok(Stream::Tls(Box::new(tls)))
}

/// The TLS settings of all outgoing connections, made once.
fn tls_config(verified: bool) -> io::Result<Arc<ClientConfig>> {
    static VERIFIED: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    static ANY: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let cell = if verified { &VERIFIED } else { &ANY };
    if let Some(config) = cell.get() {
        return Ok(Arc::clone(config));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let config = if verified {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        let verifier = Arc::new(AnyCertificate { provider });
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
    };
    Ok(Arc::clone(cell.get_or_init(|| Arc::new(config))))
}

/// Accepts any certificate: cameras have self-signed ones. The handshake's
/// signatures are still checked.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_port_is_named_in_the_error() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let limit = Duration::from_secs(5);
        let error = connect(&Reach::default(), ("127.0.0.1", port), Security::Plain, limit)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
    }
}
