//! Who may call what: one function decides for every call (`design.md` 7).
//!
//! | class | without credentials in the configuration |
//! |---|---|
//! | view | loopback, unix socket, private peers |
//! | stream | the same; a private peer names network sources only |
//! | admin | loopback and unix socket; anybody else with the admin token |
//!
//! Everybody else is told how to open the door. With `api.username` everybody
//! but loopback logs in, and may then do everything. A page of another site
//! changes nothing, whoever's browser shows it.
//!
//! The steps are apart so that users, roles and signed links can join: who is it
//! ([`Who`]), may a page like this make the call at all, what may he do.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderValue};
use rs2rtc_base::Secret;
use rs2rtc_base::http::auth;
use rs2rtc_base::throttle::Source;

pub mod cookie;
pub mod forwarded;
pub mod token;

pub use forwarded::Forwarded;

/// What a call may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Pictures, sound, lists, log and configuration with secrets masked.
    View,
    /// A viewer's own session, named by an address that only he knows.
    Own,
    /// Streams and their sources.
    Stream,
    /// The program and its configuration.
    Admin,
}

impl Class {
    /// As the API names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Own => "own",
            Self::Stream => "stream",
            Self::Admin => "admin",
        }
    }
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Over the unix socket.
    Unix,
    /// Over TCP.
    Ip(SocketAddr),
}

impl Peer {
    /// What its wrong logins are counted as. A proxy is one peer: whom it forwards for is only its
    /// word, or that of who sends the header through it.
    pub fn source(self) -> Source {
        match self {
            Self::Unix => Source::UNIX,
            Self::Ip(address) => Source::ip(address.ip()),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix => f.write_str("@"),
            Self::Ip(address) => {
                write!(f, "{}", SocketAddr::new(address.ip().to_canonical(), address.port()))
            }
        }
    }
}

/// Where a peer is, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// This machine.
    Here,
    /// The same private network.
    Private,
    /// Anywhere else.
    Outside,
}

/// What the configuration allows.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Login name; empty: no login.
    pub username: String,
    /// Password that goes with it.
    pub password: Secret,
    /// Loopback and unix clients log in too.
    pub local_auth: bool,
    /// `compat: go2rtc`: no classes without a login.
    pub compat: bool,
    /// `api.origin`.
    pub origin: String,
    /// `api.hosts`.
    pub hosts: Vec<String>,
}

/// What a request says about itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'r> {
    /// `Authorization`.
    pub authorization: &'r str,
    /// It brings the admin token, see [`brings_token`].
    pub token: bool,
    /// It brings what the admin token was exchanged for, see [`cookie::is_brought`].
    pub cookie: bool,
    /// `Origin`.
    pub origin: &'r str,
    /// `Sec-Fetch-Site`.
    pub fetch_site: &'r str,
    /// `Host`.
    pub host: &'r str,
    /// It only reads (`GET`, `HEAD`). Browsers send neither `Origin` nor `Sec-Fetch-Site` with
    /// what a page reads from its own host over plain HTTP.
    pub reads: bool,
    /// `Referer`.
    pub referer: &'r str,
    /// It is a browser by its own account (`User-Agent`).
    pub browser: bool,
    /// It wants to talk, which cards of Home Assistant do from pages of another origin.
    pub talks: bool,
    /// Whom a proxy says that it forwards for.
    pub forwarded: Option<Forwarded>,
}

impl Facts<'_> {
    /// Whether a browser reads without a word about the page that made it: over plain HTTP
    /// it says so in `Referer` alone, which any page can leave out.
    const fn is_silent_browser(&self) -> bool {
        self.reads && self.browser && !self.token && self.says_no_page()
    }

    /// Whether no page can have made the call, of another site or of ours with parameters
    /// that somebody else has put into a link.
    pub const fn is_program(&self) -> bool {
        self.token || !self.browser && self.says_no_page()
    }

    const fn says_no_page(&self) -> bool {
        self.origin.is_empty() && self.fetch_site.is_empty()
    }
}

/// Whether a `User-Agent` is one that browsers have.
pub fn is_browser(user_agent: Option<&HeaderValue>) -> bool {
    user_agent.is_some_and(|name| name.as_bytes().starts_with(b"Mozilla/"))
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// 401, with a challenge.
    Login,
    /// 401, with what to do.
    Peer(String),
    /// 403: a page of another site.
    Site(String),
}

impl Denied {
    /// Whether the caller has tried a login, by what he sent as `Authorization`: without one he
    /// is only asked for it.
    pub const fn is_wrong_login(&self, authorization: &str) -> bool {
        matches!(self, Self::Login) && !authorization.is_empty()
    }
}

/// Who a caller is taken for. Users and their roles join here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Who {
    /// Nobody in particular, from this place.
    Anonymous(Place),
    /// Knows `api.username` and its password.
    Login,
    /// Knows the admin token.
    Token,
    /// A page whose user has given it.
    Cookie,
}

impl Who {
    /// The highest class that is allowed; `None`: nothing is.
    const fn rights(self, policy: &Policy) -> Option<Class> {
        match self {
            Self::Login | Self::Token | Self::Cookie | Self::Anonymous(Place::Here) => {
                Some(Class::Admin)
            }
            Self::Anonymous(_) if policy.compat => Some(Class::Admin),
            Self::Anonymous(Place::Private) => Some(Class::Stream),
            Self::Anonymous(Place::Outside) => None,
        }
    }

    /// Has shown a secret that a page of another site does not know.
    const fn is_known(self) -> bool {
        matches!(self, Self::Login | Self::Token | Self::Cookie)
    }
}

/// A call that is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Who makes it.
    pub who: Who,
    /// The caller may also do what admins do.
    pub admin: bool,
}

/// Decides about one call.
///
/// # Errors
/// Why not; texts are for people.
pub fn decide(
    policy: &Policy,
    class: Class,
    peer: Peer,
    facts: &Facts<'_>,
) -> Result<Granted, Denied> {
    let who = identify(policy, class, peer, facts)?;
    check_site(policy, class, facts, !who.is_known())?;
    match who.rights(policy) {
        Some(highest) if class <= highest => Ok(Granted { who, admin: highest >= Class::Admin }),
        Some(_) => Err(Denied::Peer(ADMIN.to_owned())),
        None => Err(Denied::Peer(outside(peer, facts))),
    }
}

/// Who it is. With a login everybody has to log in but this machine, and that
/// too with `api.local_auth`.
fn identify(policy: &Policy, class: Class, peer: Peer, facts: &Facts<'_>) -> Result<Who, Denied> {
    if facts.token {
        return Ok(Who::Token);
    }
    if facts.cookie {
        return Ok(Who::Cookie);
    }
    let place = place_of(peer, class, facts);
    if policy.username.is_empty() {
        return Ok(Who::Anonymous(place));
    }
    let (user, password) = (&policy.username, policy.password.expose());
    if auth::check_basic(facts.authorization, user, password) {
        return Ok(Who::Login);
    }
    match place {
        Place::Here if !policy.local_auth => Ok(Who::Anonymous(place)),
        _ => Err(Denied::Login),
    }
}

/// Whether `Authorization` brings the admin token.
pub fn brings_token(authorization: &str, token: Option<&Secret>) -> bool {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return false };
    let Some((scheme, given)) = authorization.trim().split_once(' ') else { return false };
    scheme.eq_ignore_ascii_case("bearer")
        && auth::constant_time_eq(given.trim().as_bytes(), token.expose().as_bytes())
}

const ADMIN: &str = "Only this machine may do this while no login is configured.\n\
    Either: set api.username and api.password in the configuration and log in,\n\
    or: do it on the machine itself (127.0.0.1 or api.unix_listen), or send the admin token (docs/access.md),\n\
    or: set compat: go2rtc to let every private address do everything.";

/// What is said to who asks to talk and may not.
pub const NO_TALK: &str = "who may not change streams may not talk: log in, and see docs/access.md \
    where this server has a name or a proxy";

fn outside(peer: Peer, facts: &Facts<'_>) -> String {
    let who = match facts.forwarded.filter(|_| peer_place(peer) != Place::Outside) {
        None => format!("Your address {peer} is not a private one"),
        Some(Forwarded::For(ip)) => {
            format!("Your address {} is not a private one", ip.to_canonical())
        }
        Some(Forwarded::Hidden) => {
            "The proxy that you come through does not say your address in a form that is known here"
                .to_owned()
        }
    };
    format!(
        "{who}, and no login is configured.\n\
         Either: set api.username and api.password in the configuration and log in,\n\
         or: use a VPN or an address of the same private network,\n\
         or: set compat: go2rtc to let everybody in."
    )
}

/// For stream and admin calls a proxy counts as the address it forwards for, if that
/// is farther away: what a request says of itself can only lose it trust.
fn place_of(peer: Peer, class: Class, facts: &Facts<'_>) -> Place {
    let place = peer_place(peer);
    match facts.forwarded {
        Some(forwarded) if class >= Class::Stream => place.max(forwarded.place()),
        _ => place,
    }
}

/// Whether a call comes from this machine or a private network of it, also by what a proxy says.
pub fn is_near(peer: Peer, headers: &HeaderMap) -> bool {
    let forwarded = Forwarded::of(headers).map_or(Place::Here, Forwarded::place);
    peer_place(peer).max(forwarded) != Place::Outside
}

fn peer_place(peer: Peer) -> Place {
    match peer {
        Peer::Unix => Place::Here,
        Peer::Ip(address) => place_of_ip(address.ip()),
    }
}

/// Where an address is. A global IPv6 address counts as private if it is a
/// neighbour on an interface that also has a private IPv4 address.
pub fn place_of_ip(ip: IpAddr) -> Place {
    match ip.to_canonical() {
        ip if ip.is_loopback() => Place::Here,
        IpAddr::V4(ip) if is_private_v4(ip) => Place::Private,
        IpAddr::V6(ip) if is_private_v6(ip) || is_neighbour(ip) => Place::Private,
        _ => Place::Outside,
    }
}

/// RFC 1918, RFC 6598 (shared by carriers and VPNs), link-local.
const fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    ip.is_private() || ip.is_link_local() || (a == 100 && b & 0xC0 == 64)
}

/// RFC 4193 and link-local.
const fn is_private_v6(ip: Ipv6Addr) -> bool {
    ip.is_unique_local() || ip.is_unicast_link_local()
}

fn is_neighbour(ip: Ipv6Addr) -> bool {
    let Ok(addresses) = rs2rtc_endpoints::io::sys::interface_addresses() else { return false };
    let prefix = |ip: Ipv6Addr| u128::from(ip) >> 64;
    addresses.iter().any(|own| match own.ip {
        IpAddr::V6(own_ip) if prefix(own_ip) == prefix(ip) => addresses.iter().any(|other| {
            other.interface == own.interface
                && matches!(other.ip, IpAddr::V4(v4) if is_private_v4(v4))
        }),
        _ => false,
    })
}

/// A page of another site, or one under a strange host name, changes nothing.
fn check_site(
    policy: &Policy,
    class: Class,
    facts: &Facts<'_>,
    is_nobody: bool,
) -> Result<(), Denied> {
    // Any page may look and talk then. What changes something asks for more than the address
    // of a browser, which every page on the internet can borrow.
    let is_open = policy.origin == "*" && (!is_nobody || policy.compat || facts.talks);
    if class < Class::Stream || is_open {
        return Ok(());
    }
    // Only a browser can be lured here. What says nothing of itself may be one if it reads, under
    // whatever name its page's owner has given this address.
    let browser = !facts.origin.is_empty() || !facts.fetch_site.is_empty() || facts.reads;
    if !browser {
        return Ok(());
    }
    let refuse = |text: String| Err(Denied::Site(text));
    if facts.is_silent_browser() && !is_trusted(policy, origin_of(facts.referer), facts.host) {
        return refuse(SILENT.to_owned());
    }
    let named =
        if facts.origin.is_empty() { String::new() } else { format!(" ({})", facts.origin) };
    let strange = match policy.origin.as_str() {
        "*" => format!("a page of another site{named} {STAR}"),
        _ => format!("a page of another site{named} may not do this"),
    };
    let trusted = is_trusted(policy, facts.origin, facts.host);
    match facts.fetch_site {
        "" | "same-origin" | "none" => {}
        _ if trusted && !facts.origin.is_empty() => {}
        _ => return refuse(strange),
    }
    if !facts.origin.is_empty() && !trusted {
        return refuse(strange);
    }
    if is_nobody
        && !facts.host.is_empty()
        && !is_local_name(facts.host)
        && !policy.hosts.iter().any(|h| is_host(h, facts.host))
    {
        let host = facts.host;
        return refuse(format!("host {host} is not known here; add it to api.hosts or log in"));
    }
    Ok(())
}

const STAR: &str = "may look and talk, by api.origin, but change something only with a login in the request: \
    set api.username and api.password, or that page's own origin in api.origin";

const SILENT: &str = "a browser that does not say which page asks (Referer) may not do this: \
    use the pages of this server, https, or a program";

/// Whether a page of this origin may show a stream: over a WebSocket (`spec/api.md` 7), or by
/// an offer.
pub fn allows_page(policy: &Policy, origin: &str, host: &str) -> bool {
    is_configured(policy, origin) || allows_socket(origin, &policy.origin, host)
}

fn allows_socket(origin: &str, allowed: &str, host: &str) -> bool {
    if allowed == "*" || origin.is_empty() {
        return true;
    }
    let Some(origin_host) = host_of_origin(origin) else { return false };
    if origin_host.eq_ignore_ascii_case(host) {
        return true;
    }
    let without_port = without_port(origin_host);
    allowed.is_empty() && without_port.eq_ignore_ascii_case(host)
}

fn is_trusted(policy: &Policy, origin: &str, host: &str) -> bool {
    same_origin(origin, host) || is_configured(policy, origin)
}

/// Scheme and host of an address.
fn origin_of(address: &str) -> &str {
    let Some(host) = address.find("://").map(|at| at + 3) else { return "" };
    let end = address[host..].find(['/', '?', '#']).map_or(address.len(), |at| host + at);
    &address[..end]
}

fn is_configured(policy: &Policy, origin: &str) -> bool {
    !policy.origin.is_empty() && policy.origin.eq_ignore_ascii_case(origin)
}

fn same_origin(origin: &str, host: &str) -> bool {
    host_of_origin(origin)
        .is_some_and(|o| o.eq_ignore_ascii_case(host) || without_port(o).eq_ignore_ascii_case(host))
}

fn host_of_origin(origin: &str) -> Option<&str> {
    let rest = origin.split_once("://")?.1;
    Some(rest.trim_end_matches('/')).filter(|host| !host.is_empty())
}

fn is_host(configured: &str, host: &str) -> bool {
    configured.eq_ignore_ascii_case(host) || configured.eq_ignore_ascii_case(without_port(host))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            name
        }
        _ => host,
    }
}

/// An address, a name without dots, or a name under a local domain: what no
/// stranger can register.
fn is_local_name(host: &str) -> bool {
    const DOMAINS: [&str; 7] =
        [".local", ".localhost", ".lan", ".home", ".internal", ".home.arpa", ".localdomain"];
    let name = without_port(host).trim_end_matches('.');
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let lower = name.to_ascii_lowercase();
    bare.parse::<IpAddr>().is_ok()
        || (!name.is_empty() && !name.contains('.'))
        || DOMAINS.iter().any(|domain| lower.ends_with(domain))
}

#[cfg(test)]
mod tests;
