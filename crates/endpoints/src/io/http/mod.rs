//! Requests to cameras over HTTP/1.1 (RFC 9110, RFC 9112), one at a time: GET
//! with Basic and Digest logins, redirects, and a connection that is kept for the
//! next request where the camera allows it.
//!
//! Cameras send HTTP that keeps to no text, so heads are read by the lenient
//! parser of `base`. No compression, no cookies, no proxies.

mod answer;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use rs2rtc_base::http::auth::Authenticator;
use rs2rtc_base::http::{Head, Headers, MAX_HEAD, StatusLine, find_head_end};
use rs2rtc_base::{Error, ErrorKind, Redacted, Url, is_inside};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

pub use answer::{Answer, Body};

use super::random::random_text;
use super::reach::Reach;
use super::tcp::{self, Security, Stream};

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 5;
/// Bytes that are read at once.
const READ: usize = 64 * 1024;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A connection with its TLS, and a head.
    pub head: Duration,
    /// The next bytes of a body.
    pub silence: Duration,
}

/// What is asked from whom.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address. Its credentials and the headers go to its host only.
    pub url: Url,
    /// Any certificate is good.
    pub unverified: bool,
    /// Fields of every request.
    pub headers: Vec<(String, String)>,
    /// `User-Agent`.
    pub user_agent: String,
    /// Time limits.
    pub limits: Limits,
    /// Where it may go, whatever names it.
    pub reach: Reach,
}

/// Asks a host, and others that it names.
#[derive(Debug)]
pub struct Client {
    config: Config,
    login: Option<Authenticator>,
    /// Where the first connection went.
    home: Option<IpAddr>,
    kept: Option<Kept>,
}

/// A connection between two requests.
#[derive(Debug)]
struct Kept {
    to: Target,
    stream: Stream,
    input: BytesMut,
}

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    host: String,
    port: u16,
    security: Security,
}

/// What a request is answered with, in the end.
enum Reply {
    Answer(Box<Answer>),
    Redirect(Box<Url>),
    /// The login was asked for; who answers it may try again.
    Login(Headers),
}

/// A part of a resource: where it begins, and its length in bytes.
pub type Range = (u64, u64);

impl Client {
    /// A client that has asked nothing.
    pub fn new(config: Config) -> Self {
        let url = &config.url;
        let login = url.user.as_ref().map(|user| {
            let mut login = Authenticator::new(user, url.password.clone().unwrap_or_default());
            // Hikvision's cameras lock out who guesses.
            if !url.path().starts_with("/ISAPI/") {
                login.start_with_basic();
            }
            login
        });
        Self { config, login, home: None, kept: None }
    }

    /// Another one with the same login, for connections of its own.
    pub fn another(&self) -> Self {
        Self { home: self.home, ..Self::new(self.config.clone()) }
    }

    /// Asks for an address. The answer is good: 200, or 206 for a range.
    ///
    /// # Errors
    /// `Unreachable`, `Auth`, `NotFound`, `Busy` or `Protocol`, naming what the
    /// host said.
    pub async fn get(&mut self, url: &Url, range: Option<Range>) -> Result<Answer, Error> {
        let mut url = url.clone();
        let mut asked = false;
        for _ in 0..=MAX_REDIRECTS + 1 {
            match self.ask(&url, range).await? {
                Reply::Answer(answer) => return Ok(*answer),
                Reply::Redirect(to) => {
                    url = *to;
                    asked = false;
                }
                Reply::Login(headers) => {
                    let stale = self.challenge(&headers, &url)?;
                    if asked && !stale {
                        return Err(Error::new(ErrorKind::Auth, "wrong user/pass"));
                    }
                    asked = true;
                }
            }
        }
        Err(Error::new(ErrorKind::Protocol, "the server redirects in circles"))
    }

    /// Keeps the connection of an answer that was read to its end.
    pub fn give_back(&mut self, body: Body) {
        self.kept = body.into_kept();
    }

    /// Takes a challenge; says whether only its number was too old.
    fn challenge(&mut self, headers: &Headers, url: &Url) -> Result<bool, Error> {
        let auth = |text: &str| Error::new(ErrorKind::Auth, text);
        if !self.is_home(url) {
            return Err(auth("another host asks for user/pass"));
        }
        let login = self.login.as_mut().ok_or_else(|| auth("user/pass not provided"))?;
        let before = login.challenge().cloned();
        let challenge = login.handle_challenges(headers.get_all("www-authenticate"));
        let challenge = challenge.map_err(|e| auth(&e.to_string()))?;
        let basic = |c: &rs2rtc_base::http::auth::Challenge| {
            matches!(c, rs2rtc_base::http::auth::Challenge::Basic { .. })
        };
        // It was answered before it was asked.
        if basic(challenge) && before.as_ref().is_some_and(basic) {
            return Err(auth("wrong user/pass"));
        }
        Ok(challenge.is_stale())
    }

    /// Whether an address is of the host that we were sent to, and no less safe.
    fn is_home(&self, url: &Url) -> bool {
        let home = &self.config.url;
        let weaker = home.scheme != "http" && url.scheme == "http";
        home.host.eq_ignore_ascii_case(&url.host) && !weaker
    }

    fn target(&self, url: &Url) -> Result<Target, Error> {
        let (security, port) = match url.scheme.as_str() {
            "http" => (Security::Plain, 80),
            "https" if self.config.unverified && self.is_home(url) => (Security::Unverified, 443),
            "https" => (Security::Verified, 443),
            _ => {
                let text = format!("the server redirects to {url}: name that as the source");
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
        };
        if url.host.is_empty() {
            return Err(Error::new(ErrorKind::Protocol, "the server redirects to no host"));
        }
        Ok(Target { host: url.host.clone(), port: url.port_or(port), security })
    }

    /// One request and the head of its answer.
    async fn ask(&mut self, url: &Url, range: Option<Range>) -> Result<Reply, Error> {
        let to = self.target(url)?;
        let request = self.request(url, range)?;
        if let Some(Kept { stream, input, .. }) = self.kept.take().filter(|kept| kept.to == to) {
            match self.exchange(&to, url, stream, input, &request).await {
                // It was closed meanwhile.
                Err(error) if error.kind() == ErrorKind::Ended => {}
                reply => return reply,
            }
        }
        let limit = self.config.limits.head;
        let stream =
            tcp::connect(&self.config.reach, (&to.host, to.port), to.security, limit).await?;
        self.check_place(&stream, url)?;
        self.exchange(&to, url, stream, BytesMut::new(), &request).await
    }

    /// No server leads us to where only this machine may go, unless it is there itself.
    fn check_place(&mut self, stream: &Stream, url: &Url) -> Result<(), Error> {
        let address = stream.remote_addr().parse::<SocketAddr>();
        let Ok(address) = address.map(|address| address.ip().to_canonical()) else { return Ok(()) };
        let home = *self.home.get_or_insert(address);
        if is_inside(address) && !is_inside(home) {
            let text = format!("the server leads to this machine: {}", url.authority());
            return Err(Error::new(ErrorKind::Protocol, text));
        }
        Ok(())
    }

    fn request(&mut self, url: &Url, range: Option<Range>) -> Result<Vec<u8>, Error> {
        let home = self.is_home(url);
        let path = target(&url.path_and_query);
        let mut headers = Headers::new();
        headers.push("Host", url.authority());
        headers.push("User-Agent", self.config.user_agent.as_str());
        headers.push("Accept", "*/*");
        if let Some((from, length)) = range {
            let last = from.saturating_add(length.saturating_sub(1));
            headers.push("Range", format!("bytes={from}-{last}"));
        }
        if home {
            if let Some(login) = &mut self.login
                && let Some(value) = login.authorization("GET", &path, &random_text()?)
            {
                headers.push("Authorization", value);
            }
            for (name, value) in &self.config.headers {
                headers.set(name.as_str(), value.as_str());
            }
        }
        let mut request = format!("GET {path} HTTP/1.1\r\n").into_bytes();
        headers.write(&mut request);
        request.extend_from_slice(b"\r\n");
        Ok(request)
    }

    async fn exchange(
        &self,
        to: &Target,
        url: &Url,
        mut stream: Stream,
        mut input: BytesMut,
        request: &[u8],
    ) -> Result<Reply, Error> {
        let limit = self.config.limits.head;
        let head = timeout(limit, async {
            stream.write_all(request).await.map_err(lost)?;
            read_head(&mut stream, &mut input).await
        });
        let late = |_| {
            let text = format!("no answer within {} s", limit.as_secs());
            Error::new(ErrorKind::Unreachable, text)
        };
        let head = head.await.map_err(late)??;
        let status = StatusLine::parse(&head.start).map_err(|e| protocol(&e.to_string()))?;
        match status.code {
            200 | 206 => {
                let silence = self.config.limits.silence;
                let url = url.clone();
                let kept = Kept { to: to.clone(), stream, input };
                let answer = Answer::new(status.code, head.headers, url, kept, silence)?;
                Ok(Reply::Answer(Box::new(answer)))
            }
            301 | 302 | 303 | 307 | 308 => {
                let location = head.headers.get("location").unwrap_or_default();
                let to = if location.is_empty() { None } else { url.join(location).ok() };
                let to = to.ok_or_else(|| protocol("the server redirects to nowhere"))?;
                Ok(Reply::Redirect(Box::new(to)))
            }
            401 => Ok(Reply::Login(head.headers)),
            code => {
                let kind = match code {
                    403 => ErrorKind::Auth,
                    404 | 410 => ErrorKind::NotFound,
                    429 | 503 => ErrorKind::Busy,
                    _ => ErrorKind::Protocol,
                };
                let reason: String = status.reason.chars().take(100).collect();
                let text = format!("the server answered {code} {reason}");
                Err(Error::new(kind, Redacted(text.trim_end()).to_string()))
            }
        }
    }
}

/// The head of an answer, without those that only announce one.
async fn read_head(stream: &mut Stream, input: &mut BytesMut) -> Result<Head, Error> {
    let mut searched = 0;
    loop {
        if let Some(end) = find_head_end(input, searched) {
            let head = input.split_to(end);
            searched = 0;
            let head = Head::parse_complete(&head).map_err(|e| protocol(&e.to_string()))?;
            if !head.start.split(' ').nth(1).is_some_and(|code| code.starts_with('1')) {
                return Ok(head);
            }
            continue;
        }
        searched = input.len();
        if searched > MAX_HEAD {
            return Err(protocol("message head too long"));
        }
        input.reserve(READ);
        if stream.read_buf(input).await.map_err(lost)? == 0 {
            let text = "the server closed the connection without an answer";
            return Err(Error::new(ErrorKind::Ended, text));
        }
    }
}

/// What goes into the request line: what may not stand there is encoded.
fn target(path_and_query: &str) -> String {
    use std::fmt::Write as _;
    let mut target = String::with_capacity(path_and_query.len() + 1);
    if !path_and_query.starts_with('/') {
        target.push('/');
    }
    for byte in path_and_query.bytes() {
        if byte.is_ascii_graphic() {
            target.push(char::from(byte));
        } else {
            let _ = write!(target, "%{byte:02X}");
        }
    }
    target
}

fn protocol(text: &str) -> Error {
    Error::new(ErrorKind::Protocol, text)
}

fn lost(error: std::io::Error) -> Error {
    Error::caused(ErrorKind::Ended, "connection lost", error)
}

#[cfg(test)]
mod tests;
