//! WebRTC viewers and publishers: from an offer to a running session.
//!
//! [`Gateway::answer`] reads the offer (refusing it before anything is dialled
//! if it is of no use), attaches to the stream, makes the session and gives the
//! answer. From then on the session lives in a media shard; when it ends, for
//! whatever reason, the stream is let go at once. [`Gateway::publish`] does the
//! same for who brings a picture (`publish`).
//!
//! Flow and texts: `spec/api.md` 6 and 7, `spec/protocols-standard.md` 8.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rs2rtc_base::{Current, Error, ErrorKind};
use rs2rtc_media::{Direction, Media};
use rs2rtc_streams::{
    Attached, AttachedTrack, CancellationToken, Connection, Description, Request, Stream, Tasks,
};
use rs2rtc_webrtc::liveness::Timers;
use rs2rtc_webrtc::{
    Accept, Accepted, Certificate, LocalCandidate, Protocol, Selected, Session,
    configured_candidates,
};
use tokio::sync::{Semaphore, watch};
use tracing::{Instrument as _, debug, info_span, warn};

use crate::io::ice_tcp::TcpPort;
use crate::io::random::random_bytes;
use crate::io::shard::{self, Departed, Hold, NewSession, Shards};
use crate::io::sys;
use crate::io::udp::UdpPort;

mod addresses;
mod config;
mod path;
mod public_address;
mod publish;
mod session;

use addresses::Port;
use public_address::PublicAddress;

pub use config::{Config, Filters, Listen};
pub use path::PathTest;
pub use session::{Goodbye, SessionHandle, SignallingEnd};

pub use crate::io::shard::{Counters, SessionReport};
pub use crate::io::stun::Server as StunServer;
pub use rs2rtc_webrtc::liveness;
pub use rs2rtc_webrtc::{ConfiguredAddress, Offer, Role};

/// Ended sessions that are remembered.
const ENDED: usize = 100;

/// How an offer came, for the API and for the choice of addresses.
#[derive(Clone, Debug, Default)]
pub struct Signalling {
    /// `webrtc/json`, `webrtc/whep`, `webrtc/post` or `webrtc`.
    pub format_name: String,
    /// `ws` or `http`.
    pub protocol: String,
    /// Address of the other side, with the forms of `spec/api.md` 3.1.
    pub remote_addr: String,
    /// User-Agent of the other side.
    pub user_agent: String,
    /// The offer came over the loopback interface.
    pub loopback: bool,
    /// Its microphone may be heard; else the offer is taken for one without.
    pub may_talk: bool,
}

impl Signalling {
    /// What the API shows of whoever offered these medias.
    fn connection(&self, medias: Vec<Media>) -> Arc<Connection> {
        Arc::new(Connection::new(Description {
            format_name: self.format_name.clone(),
            protocol: self.protocol.clone(),
            remote_addr: self.remote_addr.clone(),
            user_agent: self.user_agent.clone(),
            medias,
            ..Description::default()
        }))
    }
}

/// An answered offer.
#[derive(Debug)]
pub struct Answer {
    /// The answer's SDP.
    pub sdp: String,
    /// Candidate lines (`candidate:...`) to signal after an answer that was not
    /// asked to be complete.
    pub candidates: Vec<String>,
    /// The running session.
    pub session: SessionHandle,
}

/// How a session begins.
#[derive(Clone, Copy, Debug)]
struct Terms {
    /// The zero of its tracks' timelines.
    epoch: Instant,
    timers: Timers,
    /// The camera is held already.
    held: bool,
    /// The offer came over the loopback interface.
    loopback: bool,
    /// The answer contains all candidates.
    complete: bool,
}

impl Terms {
    fn of(inner: &Inner, stream: &Stream, held: bool, loopback: bool, complete: bool) -> Self {
        let (epoch, timers) = (stream.epoch().0, inner.timers(stream.name()));
        Self { epoch, timers, held, loopback, complete }
    }
}

struct Inner {
    /// Addresses and liveness; replaced while it runs.
    config: Arc<Current<Config>>,
    public: Arc<PublicAddress>,
    /// Where UDP is listened on as configured.
    udp: bool,
    session_config: rs2rtc_webrtc::Config,
    shards: Arc<Shards>,
    /// UDP, and TCP if it is listened on.
    ports: Vec<Port>,
    tasks: Tasks,
    cancel: CancellationToken,
    sessions: Mutex<HashMap<Arc<str>, SessionHandle>>,
    /// The sessions that ended last, newest first.
    ended: Mutex<VecDeque<SessionReport>>,
    /// Places for tests of the way to us.
    path_tests: Arc<Semaphore>,
    problems: Vec<String>,
}

/// The WebRTC output. Cloning shares it.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

impl Gateway {
    /// Binds the ports and starts the media threads. A port that cannot be
    /// bound is a problem that is told (see [`Self::problems`]), not an error:
    /// viewers are then served on a random UDP port.
    ///
    /// # Errors
    /// If no UDP port at all can be bound or no thread started.
    pub fn start(config: Config, tasks: &Tasks, cancel: &CancellationToken) -> Result<Self, Error> {
        let mut problems = Vec::new();
        sys::raise_descriptor_limit();
        let udp = bind_udp(&config, &mut problems)?;
        let tcp = config.listen.tcp.then(|| bind_tcp(&config.listen, &mut problems)).flatten();
        for problem in &problems {
            warn!("{problem}");
        }
        let count = config.shards.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2))
        });
        let start = |e| Error::caused(ErrorKind::Config, "webrtc: cannot start media threads", e);
        let shards = Arc::new(Shards::start(count, Arc::clone(&udp)).map_err(start)?);
        let certificate = Certificate::generate().map_err(refused)?;
        debug!(
            udp = udp.port(),
            tcp = tcp.as_ref().map(TcpPort::port),
            shards = shards.len(),
            "webrtc"
        );
        let bound = |addresses: &mut dyn Iterator<Item = SocketAddr>| {
            addresses.map(|address| address.ip()).collect()
        };
        let mut ports = vec![Port {
            protocol: Protocol::Udp,
            port: udp.port(),
            bound: bound(&mut udp.local_addresses()),
        }];
        ports.extend(tcp.as_ref().map(|tcp| Port {
            protocol: Protocol::Tcp,
            port: tcp.port(),
            bound: bound(&mut tcp.local_addresses()),
        }));
        if let Some(tcp) = tcp {
            tcp.serve(&shards, tasks, cancel);
        }
        let session_config = rs2rtc_webrtc::Config { certificate };
        let public = Arc::new(PublicAddress::default());
        let udp_wanted = config.listen.udp;
        let config = Arc::new(Current::new(config));
        let follow = Arc::clone(&public).follow(Arc::clone(&config), cancel.clone());
        tasks.spawn("webrtc public address", follow);
        let inner = Inner {
            udp: udp_wanted,
            config,
            public,
            session_config,
            shards,
            ports,
            tasks: tasks.clone(),
            cancel: cancel.clone(),
            sessions: Mutex::default(),
            ended: Mutex::default(),
            path_tests: Arc::new(Semaphore::new(path::MOST)),
            problems,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Puts other addresses and other liveness in force, for viewers that come
    /// from now on. The ports stay.
    pub fn reconfigure(&self, config: Config) {
        self.inner.config.set(config);
        self.inner.public.reconsider();
    }

    /// What could not be done as configured, in words for the log and the API.
    pub fn problems(&self) -> &[String] {
        &self.inner.problems
    }

    /// The UDP port in use.
    pub fn udp_port(&self) -> u16 {
        self.inner.port(Protocol::Udp).unwrap_or(0)
    }

    /// The TCP port in use.
    pub fn tcp_port(&self) -> Option<u16> {
        self.inner.port(Protocol::Tcp)
    }

    /// Sessions that run.
    pub fn sessions(&self) -> usize {
        self.inner.shards.sessions()
    }

    /// The state of all sessions, oldest first.
    pub async fn reports(&self) -> Vec<SessionReport> {
        let mut reports = self.inner.shards.reports().await;
        // Who tries the way to us watches nothing.
        reports.retain(|report| report.stream != path::NO_STREAM);
        reports
    }

    /// The addresses that a viewer is told, `udp 192.168.1.5:8555`, configured ones first.
    /// `loopback`: one on this machine.
    pub fn addresses(&self, loopback: bool) -> Vec<String> {
        let inner = &self.inner;
        let configured = inner.configured_candidates();
        let configured = configured.iter().filter_map(|line| path::place(line));
        let local = inner.local_candidates(loopback);
        let local = local.iter().map(|local| format!("{} {}", local.protocol, local.address));
        let mut all: Vec<String> = Vec::new();
        for address in configured.chain(local) {
            if !all.contains(&address) {
                all.push(address);
            }
        }
        all
    }

    /// The sessions that ended last, newest first, at most 100.
    pub fn ended(&self) -> Vec<SessionReport> {
        let ended = self.inner.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.iter().cloned().collect()
    }

    /// What was counted since the start.
    pub fn counters(&self) -> Counters {
        self.inner.shards.counters()
    }

    /// The times by which viewers of a stream are judged.
    pub fn timers(&self, stream: &str) -> Timers {
        self.inner.timers(stream)
    }

    /// Ends a session by the id of its consumer. Says whether it was there.
    pub fn kick(&self, viewer: u64) -> bool {
        let handle = self.inner.lock().values().find(|s| s.viewer() == viewer).cloned();
        handle.is_some_and(|session| {
            session.goodbye(Goodbye::Admin);
            true
        })
    }

    /// A session by its id, unless its end was asked for.
    pub fn session(&self, id: &str) -> Option<SessionHandle> {
        self.inner.lock().get(id).filter(|session| !session.is_closed()).cloned()
    }

    /// Answers a viewer's offer: attaches to the stream, which may dial its
    /// source, and starts a session. Dropping the future gives up.
    ///
    /// With `complete` the answer contains all candidates; else they are to be
    /// signalled after it.
    ///
    /// # Errors
    /// An offer that cannot be used (`Unsupported`, before anything is dialled),
    /// and those of [`Stream::attach`].
    pub async fn answer(
        &self,
        stream: &Arc<Stream>,
        offer: &str,
        signalling: Signalling,
        complete: bool,
    ) -> Result<Answer, Error> {
        let parsed = Offer::parse(offer).map_err(refused)?;
        let (medias, origins) = wanted(&parsed, signalling.may_talk);
        if medias.is_empty() {
            return Err(Error::new(ErrorKind::Unsupported, "webrtc: offer wants nothing"));
        }
        let shown = parsed.medias().iter().filter(|media| may_be(media, signalling.may_talk));
        let connection = signalling.connection(shown.cloned().collect());
        let request = Request {
            medias,
            connection: Arc::clone(&connection),
            source_tag: None,
            may_sleep: true,
        };
        let attached = stream.attach(request).await?;
        let inner = &self.inner;
        let selected = attached.tracks.iter().map(|t| selection(t, &origins)).collect();
        let held = !attached.is_parked();
        let (loopback, protocol) = (signalling.loopback, signalling.protocol);
        let terms = Terms::of(inner, stream, held, loopback, complete);
        let (shard, accepted) = inner.accept(parsed, selected, terms).await?;
        let session = inner.own(shard, accepted.session, protocol, attached)?;
        Ok(Answer { sdp: accepted.answer, candidates: accepted.candidates, session })
    }

    /// Ends all sessions with a goodbye and the media threads.
    pub async fn stop(&self) {
        let shards = Arc::clone(&self.inner.shards);
        let _ = tokio::task::spawn_blocking(move || shards.stop()).await;
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("udp", &self.udp_port()).finish_non_exhaustive()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, SessionHandle>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Addresses for a viewer, as they are now.
    fn local_candidates(&self, loopback: bool) -> Vec<LocalCandidate> {
        let interfaces = sys::interface_addresses().unwrap_or_else(|error| {
            warn!(%error, "cannot list network addresses");
            Vec::new()
        });
        let config = self.config.get();
        let addresses = addresses::select(&interfaces, &config.filters, loopback);
        addresses::candidates(&addresses, &config.filters, &self.ports)
    }

    /// Candidate lines of addresses that are configured, such as a public one.
    fn configured_candidates(&self) -> Vec<String> {
        let tcp = self.port(Protocol::Tcp).is_some();
        let config = self.config.get();
        let listed = config.candidates.iter().map(String::as_str);
        configured_candidates(listed, self.public.get(), tcp, self.udp)
    }

    /// Times of the liveness for a stream's viewers.
    fn timers(&self, stream: &str) -> Timers {
        let config = self.config.get();
        config.liveness_of.get(stream).copied().unwrap_or(config.liveness)
    }

    fn port(&self, protocol: Protocol) -> Option<u16> {
        self.ports.iter().find(|p| p.protocol == protocol).map(|p| p.port)
    }

    /// Makes the session and its answer, off the runtime's threads, for a shard.
    async fn accept(
        self: &Arc<Self>,
        offer: Offer,
        selected: Vec<Selected>,
        terms: Terms,
    ) -> Result<(usize, Accepted), Error> {
        let shard = self.shards.least_loaded();
        let inner = Arc::clone(self);
        let work = move || {
            let ufrag = format!("{}{}", shard::letter(shard), random_text::<11>()?);
            let password = random_text::<32>()?;
            let seed = random_bytes::<32>()?;
            let configured = inner.configured_candidates();
            let Terms { epoch, timers, held, loopback, complete } = terms;
            let request = Accept {
                offer: &offer,
                selected: &selected,
                ufrag: &ufrag,
                password: &password,
                local: &inner.local_candidates(loopback),
                configured: &configured,
                complete,
                epoch,
                timers,
                held,
                seed,
            };
            Session::accept(&inner.session_config, request, Instant::now()).map_err(refused)
        };
        let result = tokio::task::spawn_blocking(work).await;
        let failed = |e| Error::caused(ErrorKind::Protocol, "webrtc: answer", e);
        Ok((shard, result.map_err(failed)??))
    }

    /// Gives a session to its shard and keeps the stream for it until it ends.
    fn own(
        self: &Arc<Self>,
        shard: usize,
        session: Session,
        signalling: String,
        attached: Attached,
    ) -> Result<SessionHandle, Error> {
        let timers = self.timers(attached.stream().name());
        let asleep = attached.is_parked();
        let (hold, watcher) = watch::channel(Hold::Held);
        let new = NewSession {
            session,
            tracks: if asleep { Vec::new() } else { attached.tracks.clone() },
            connection: Arc::clone(attached.connection()),
            signalling,
            stream: attached.stream().name().to_owned(),
            hold,
            epoch: attached.stream().epoch().0,
            intake: None,
        };
        let handle = self.hand_over(shard, new, watcher)?;
        let (inner, keeper) = (Arc::clone(self), handle.clone());
        let span = info_span!(
            "consumer",
            stream = handle.stream(),
            id = handle.viewer(),
            format = "webrtc"
        );
        self.tasks.spawn(
            "webrtc viewer",
            async move {
                session::keep(&inner, &keeper, attached, asleep, timers).await;
            }
            .instrument(span),
        );
        Ok(handle)
    }

    /// Gives a session to its shard. Who keeps it takes it off the list at its end.
    fn hand_over(
        self: &Arc<Self>,
        shard: usize,
        new: NewSession,
        hold: watch::Receiver<Hold>,
    ) -> Result<SessionHandle, Error> {
        let stopped = || Error::new(ErrorKind::Ended, "webrtc: the server stops");
        let id: Arc<str> = random_hex()?.into();
        let (name, viewer) = (new.stream.clone(), new.connection.id);
        let key = self.shards.add(shard, new).ok_or_else(stopped)?;
        let gateway = Arc::downgrade(self);
        let handle =
            SessionHandle::new(Arc::clone(&id), gateway, (shard, key), &name, viewer, hold);
        self.lock().insert(id, handle.clone());
        Ok(handle)
    }

    /// The session has ended.
    fn forget(&self, session: &SessionHandle, departed: Option<Departed>) {
        if let Some(report) = departed.and_then(|departed| departed.report) {
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            ended.truncate(ENDED - 1);
            ended.push_front(*report);
        }
        self.lock().remove(&session.id);
    }
}

/// What a viewer sends is heard only of who may talk.
fn may_be(media: &Media, may_talk: bool) -> bool {
    may_talk || media.direction != Direction::RecvOnly
}

/// What to ask of the stream, and the offer's media of each: everything but the
/// entries that need resampling, and a microphone that may not be heard.
fn wanted(offer: &Offer, may_talk: bool) -> (Vec<Media>, Vec<usize>) {
    let direct = |(index, media): (usize, &Media)| {
        if !may_be(media, may_talk) {
            return None;
        }
        let mut media = media.clone();
        media.codecs.retain(|codec| codec.clock_rate != 0);
        (!media.codecs.is_empty()).then_some((media, index))
    };
    offer.medias().iter().enumerate().filter_map(direct).unzip()
}

fn selection(track: &AttachedTrack, origins: &[usize]) -> Selected {
    let codec = match track.direction {
        Direction::SendOnly => track.codec.clone(),
        Direction::RecvOnly => track.wanted.clone(),
    };
    Selected { media: origins.get(track.media).copied().unwrap_or(usize::MAX), codec }
}

fn refused(error: rs2rtc_webrtc::Error) -> Error {
    Error::new(ErrorKind::Unsupported, error.to_string())
}

fn bind_udp(config: &Config, problems: &mut Vec<String>) -> Result<Arc<UdpPort>, Error> {
    let Listen { ip, port, udp, .. } = config.listen;
    if udp && port != 0 {
        match UdpPort::bind(ip, port) {
            Ok(bound) => return Ok(Arc::new(bound)),
            Err(error) => problems.push(port_problem("UDP", ip, port, &error)),
        }
    }
    let range = config.filters.udp_ports.filter(|_| port == 0);
    let in_range = range.and_then(|(from, to)| (from..=to).find_map(|p| UdpPort::bind(ip, p).ok()));
    let bound = match in_range {
        Some(bound) => Ok(bound),
        None => UdpPort::bind(None, 0),
    };
    bound
        .map(Arc::new)
        .map_err(|e| Error::caused(ErrorKind::Config, "webrtc: no UDP port can be bound", e))
}

fn bind_tcp(listen: &Listen, problems: &mut Vec<String>) -> Option<TcpPort> {
    match TcpPort::bind(listen.ip, listen.port) {
        Ok(bound) => Some(bound),
        Err(error) => {
            problems.push(port_problem("TCP", listen.ip, listen.port, &error));
            None
        }
    }
}

fn port_problem(
    network: &str,
    ip: Option<std::net::IpAddr>,
    port: u16,
    error: &std::io::Error,
) -> String {
    let place = ip.map_or_else(|| port.to_string(), |ip| SocketAddr::new(ip, port).to_string());
    let instead = match network {
        "UDP" => "viewers get a random UDP port instead, which a router does not forward",
        _ => "WebRTC over TCP is off",
    };
    if error.kind() == std::io::ErrorKind::AddrInUse {
        format!(
            "webrtc: {network} port {place} is used by another program; {instead}. \
             Stop that program or set webrtc.listen to a free port"
        )
    } else {
        format!("webrtc: cannot listen on {network} {place}: {error}; {instead}")
    }
}

/// `N` random letters and digits, 5 bits of randomness each.
fn random_text<const N: usize>() -> Result<String, Error> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let letter = |byte: &u8| char::from(LETTERS[usize::from(byte % 32)]);
    Ok(random_bytes::<N>()?.iter().map(letter).collect())
}

fn random_hex() -> Result<String, Error> {
    Ok(format!("{:032x}", u128::from_be_bytes(random_bytes::<16>()?)))
}

#[cfg(test)]
mod tests;
