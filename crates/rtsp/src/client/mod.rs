//! The client machine: plays from a camera, or publishes to a server.
//!
//! Flow of playing (RFC 2326 section 10, `spec/protocols-standard.md` 1.2):
//! 1. DESCRIBE; after a 401 once more with Basic or Digest. [`Event::Described`].
//! 2. The caller answers with [`Session::play`]: one SETUP per track, in order.
//! 3. PLAY. [`Event::Playing`], then [`Event::Packet`] until the end.
//! 4. Keep-alive before the session times out; [`Session::teardown`] at the end.
//!
//! Publishing: [`Session::announce`], SETUP with `mode=record`, RECORD,
//! [`Event::Recording`].
//!
//! OPTIONS is not asked first: cameras answer DESCRIBE without it, and it would
//! cost a round trip before the first picture.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rs2rtc_base::http::auth::{Authenticator, parse_challenges};
use rs2rtc_base::{Error, ErrorKind, Url};

use crate::message::{Data, Decoder, Headers, Message, Request, Response};
use crate::transport::Transport;

/// Session time-out that counts when the server names none (RFC 2326 12.37).
const DEFAULT_SESSION_TIMEOUT: u64 = 60;
/// Keep-alive of sessions with a time-out too short to subtract from.
const SHORT_KEEP_ALIVE: Duration = Duration::from_secs(25);

/// What a session is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The camera's address, credentials included.
    pub url: Url,
    /// `User-Agent`.
    pub user_agent: String,
    /// Ask for the loudspeaker (ONVIF streaming specification 5.3).
    pub backchannel: bool,
    /// How long to wait for an answer, and for data while playing.
    pub timeout: Duration,
    /// Random text for Digest, without quotes.
    pub cnonce: String,
}

/// What the driver is to do next.
#[derive(Debug)]
pub enum Output {
    /// Send these bytes.
    Transmit(Bytes),
    /// Something happened.
    Event(Event),
    /// Nothing until then; call [`Session::handle_timeout`].
    Timeout(Instant),
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The camera described itself. Answer with [`Session::play`].
    Described {
        /// The session description.
        sdp: Bytes,
    },
    /// PLAY was sent; packets follow.
    Playing,
    /// RECORD was accepted; packets may be sent.
    Recording,
    /// An RTP or RTCP packet of a track that was set up.
    Packet {
        /// Index in the list given to [`Session::play`].
        track: usize,
        /// RTCP instead of RTP.
        rtcp: bool,
        /// The packet.
        payload: Bytes,
    },
    /// The server sends us elsewhere; open a new session there.
    Redirect(String),
    /// It is over. With `Some` the backchannel request is to blame: try again without.
    Failed {
        /// Why.
        error: Error,
        /// The request asked for the backchannel, which may be why.
        backchannel: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Describing,
    /// The caller's turn.
    Described,
    Announcing,
    SettingUp(usize),
    Starting,
    Running,
    Ended,
}

#[derive(Debug)]
struct Track {
    control: String,
    channels: (u8, u8),
}

/// One RTSP client session.
#[derive(Debug)]
pub struct Session {
    config: Config,
    state: State,
    recording: bool,
    decoder: Decoder,
    outputs: VecDeque<Output>,
    base: String,
    session: Option<String>,
    keep_alive: Duration,
    get_parameter: bool,
    tracks: Vec<Track>,
    sdp: Bytes,
    cseq: u32,
    pending: Option<(u32, Request)>,
    auth: Option<Authenticator>,
    tried_auth: bool,
    answer_by: Option<Instant>,
    keep_alive_at: Option<Instant>,
    data_by: Option<Instant>,
}

impl Session {
    /// A session that plays: DESCRIBE is the first output.
    pub fn new(config: Config, now: Instant) -> Self {
        let mut session = Self::idle(config);
        let mut request = session.request("DESCRIBE", session.base.clone());
        request.headers.add("Accept", "application/sdp");
        if session.config.backchannel {
            request.headers.add("Require", "www.onvif.org/ver20/backchannel");
        }
        session.send(request, now);
        session
    }

    /// A session that publishes the description: ANNOUNCE is the first output.
    pub fn announce(config: Config, sdp: Bytes, tracks: &[String], now: Instant) -> Self {
        let mut session = Self::idle(config);
        session.recording = true;
        session.state = State::Announcing;
        session.set_tracks(tracks);
        let mut request = session.request("ANNOUNCE", session.base.clone());
        request.headers.add("Content-Type", "application/sdp");
        request.body = sdp;
        session.send(request, now);
        session
    }

    fn idle(config: Config) -> Self {
        let mut base = config.url.without_credentials();
        if let Some(rest) = base.strip_prefix("rtspx://") {
            base = format!("rtsps://{rest}");
        }
        let auth = config.url.user.clone().map(|user| {
            Authenticator::new(user, config.url.password.clone().unwrap_or_default())
        });
        Self {
            base,
            config,
            state: State::Describing,
            recording: false,
            decoder: Decoder::new(),
            outputs: VecDeque::new(),
            session: None,
            keep_alive: SHORT_KEEP_ALIVE,
            get_parameter: false,
            tracks: Vec::new(),
            sdp: Bytes::new(),
            cseq: 0,
            pending: None,
            auth,
            tried_auth: false,
            answer_by: None,
            keep_alive_at: None,
            data_by: None,
        }
    }

    /// Sets up these tracks, by their `control` attributes, and plays them.
    /// An empty list ends the session with an error.
    pub fn play(&mut self, controls: &[String], now: Instant) {
        if self.state != State::Described {
            return;
        }
        self.set_tracks(controls);
        self.setup(0, now);
    }

    fn set_tracks(&mut self, controls: &[String]) {
        let tracks = controls.iter().take(120).enumerate().map(|(index, control)| {
            let first = u8::try_from(index * 2).unwrap_or(u8::MAX - 1);
            Track { control: control.clone(), channels: (first, first + 1) }
        });
        self.tracks = tracks.collect();
    }

    /// Takes received bytes off the buffer.
    pub fn handle_input(&mut self, buffer: &mut BytesMut, now: Instant) {
        while self.state != State::Ended {
            match self.decoder.decode(buffer) {
                Ok(Some(message)) => {
                    self.data_by = Some(now + self.config.timeout);
                    match message {
                        Message::Data(data) => self.on_data(data),
                        Message::Response(response) => self.on_response(response, now),
                        Message::Request(request) => self.on_request(&request),
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    return self.fail(Error::new(ErrorKind::Protocol, error.to_string()));
                }
            }
        }
    }

    /// Tells the time; due when [`Output::Timeout`] said.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.state == State::Ended {
            return;
        }
        let seconds = self.config.timeout.as_secs();
        if self.answer_by.is_some_and(|at| now >= at) {
            let method = self.pending.as_ref().map_or("request", |(_, r)| r.method.as_str());
            let text = format!("rtsp: no answer to {method} within {seconds} s");
            return self.fail(Error::new(ErrorKind::Unreachable, text));
        }
        if self.state == State::Running {
            if !self.recording && self.data_by.is_some_and(|at| now >= at) {
                let text = format!("rtsp: no data for {seconds} s");
                return self.fail(Error::new(ErrorKind::Ended, text));
            }
            if self.keep_alive_at.is_some_and(|at| now >= at) {
                let method = if self.get_parameter { "GET_PARAMETER" } else { "OPTIONS" };
                let request = self.request(method, self.base.clone());
                self.keep_alive_at = Some(now + self.keep_alive);
                // Not waited for: some cameras never answer it.
                self.transmit(&request);
            }
        }
    }

    /// What to do next; ask until it is a [`Output::Timeout`].
    pub fn poll_output(&mut self, now: Instant) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| {
            let keep_alive = self.keep_alive_at.filter(|_| self.state == State::Running);
            let data = self.data_by.filter(|_| self.state == State::Running && !self.recording);
            let next = [self.answer_by, keep_alive, data].into_iter().flatten().min();
            Output::Timeout(next.unwrap_or(now + Duration::from_secs(3600)))
        })
    }

    /// Queues TEARDOWN, if there is a session, and ends it. The answer is not waited for.
    pub fn teardown(&mut self) {
        if self.session.is_some() && self.state != State::Ended {
            let request = self.request("TEARDOWN", self.base.clone());
            self.transmit(&request);
        }
        self.end();
    }

    /// The four bytes that stand before an RTP (or RTCP) packet of a track.
    pub fn data_head(&self, track: usize, rtcp: bool, len: u16) -> Option<[u8; 4]> {
        let (rtp, control) = self.tracks.get(track)?.channels;
        Some(Data::head(if rtcp { control } else { rtp }, len))
    }

    /// Stray bytes that were skipped so far.
    pub const fn skipped(&self) -> u64 {
        self.decoder.skipped()
    }

    fn setup(&mut self, index: usize, now: Instant) {
        let Some(track) = self.tracks.get(index) else {
            let method = if self.recording { "RECORD" } else { "PLAY" };
            if self.tracks.is_empty() {
                let text = "rtsp: nothing to set up";
                return self.fail(Error::new(ErrorKind::Unsupported, text));
            }
            self.state = State::Starting;
            let mut request = self.request(method, self.base.clone());
            request.headers.add("Range", "npt=0.000-");
            self.send(request, now);
            if !self.recording {
                // Cameras begin to send before they answer: packets count from here.
                self.state = State::Running;
                self.keep_alive_at = Some(now + self.keep_alive);
                self.data_by = Some(now + self.config.timeout);
                self.outputs.push_back(Output::Event(Event::Playing));
            }
            return;
        };
        let url = track_url(&self.base, &track.control);
        let (a, b) = track.channels;
        let mode = if self.recording { ";mode=record" } else { "" };
        self.state = State::SettingUp(index);
        let mut request = self.request("SETUP", url);
        let transport = format!("RTP/AVP/TCP;unicast;interleaved={a}-{b}{mode}");
        request.headers.add("Transport", transport);
        self.send(request, now);
    }

    fn on_data(&mut self, data: Data) {
        let found = self.tracks.iter().enumerate().find_map(|(index, track)| {
            let (rtp, rtcp) = track.channels;
            (data.channel == rtp || data.channel == rtcp).then(|| (index, data.channel == rtcp && rtp != rtcp))
        });
        if let (Some((track, rtcp)), State::Running) = (found, self.state) {
            let event = Event::Packet { track, rtcp, payload: data.payload };
            self.outputs.push_back(Output::Event(event));
        }
    }

    /// A request of the server: OPTIONS and the like are answered, ANNOUNCE and
    /// others are refused politely.
    fn on_request(&mut self, request: &Request) {
        let known = matches!(request.method.as_str(), "OPTIONS" | "GET_PARAMETER" | "SET_PARAMETER");
        let (status, reason) = if known { (200, "OK") } else { (501, "Not Implemented") };
        let mut response = Response { status, reason: reason.to_owned(), ..Response::default() };
        if let Some(cseq) = request.headers.get("CSeq") {
            response.headers.add("CSeq", cseq);
        }
        self.outputs.push_back(Output::Transmit(response.write()));
    }

    fn on_response(&mut self, response: Response, now: Instant) {
        let cseq = response.headers.get("CSeq").and_then(|c| c.trim().parse::<u32>().ok());
        let Some((wanted, request)) = self.pending.take() else {
            return; // the answer to a keep-alive
        };
        // A camera without CSeq answers in order; an older number is a keep-alive's.
        if cseq.is_some_and(|c| c < wanted) {
            self.pending = Some((wanted, request));
            return;
        }
        self.answer_by = None;
        match response.status {
            200..=299 => self.on_success(&request, response, now),
            301 | 302 | 305 | 307 => match response.headers.get("Location") {
                Some(location) => {
                    let location = location.to_owned();
                    self.end();
                    self.outputs.push_back(Output::Event(Event::Redirect(location)));
                }
                None => self.fail(wrong_response(&request, &response)),
            },
            401 => self.on_unauthorized(request, &response, now),
            _ => self.fail(wrong_response(&request, &response)),
        }
    }

    fn on_unauthorized(&mut self, request: Request, response: &Response, now: Instant) {
        let values = || response.headers.get_all("WWW-Authenticate");
        let stale = values().flat_map(parse_challenges).any(|c| c.is_stale());
        let failure = if self.auth.is_none() {
            "rtsp: user/pass not provided: put them into the address, rtsp://user:pass@host/"
        } else if self.tried_auth && !stale {
            "rtsp: wrong user/pass"
        } else if self.auth.as_mut().is_none_or(|a| a.handle_challenges(values()).is_err()) {
            "rtsp: the camera asks for an unknown kind of authentication"
        } else {
            self.tried_auth = true;
            let mut again = self.request(&request.method, request.url);
            for name in ["Accept", "Require", "Content-Type", "Transport", "Range"] {
                if let Some(value) = request.headers.get(name) {
                    again.headers.add(name, value);
                }
            }
            again.body = request.body;
            return self.send(again, now);
        };
        self.fail(Error::new(ErrorKind::Auth, failure));
    }

    fn on_success(&mut self, request: &Request, response: Response, now: Instant) {
        self.tried_auth = false;
        if let Some(public) = response.headers.get("Public") {
            self.get_parameter = public.contains("GET_PARAMETER");
        }
        if let Some(session) = response.headers.get("Session") {
            self.on_session(session);
        }
        match (self.state, request.method.as_str()) {
            (State::Describing, "DESCRIBE") => {
                if let Some(base) = response.headers.get("Content-Base") {
                    self.base = repair_base(base, &self.base);
                }
                if response.body.is_empty() {
                    let text = "rtsp: the camera gave no description";
                    return self.fail(Error::new(ErrorKind::Protocol, text));
                }
                self.sdp = response.body.clone();
                self.state = State::Described;
                let event = Event::Described { sdp: response.body };
                self.outputs.push_back(Output::Event(event));
            }
            (State::Announcing, "ANNOUNCE") => self.setup(0, now),
            (State::SettingUp(index), "SETUP") => {
                let transport = response.headers.get("Transport").unwrap_or_default();
                let parsed = Transport::parse(transport);
                if !transport.is_empty() && !parsed.is_tcp() && parsed.interleaved.is_none() {
                    let text = format!("rtsp: wrong transport: {transport}");
                    return self.fail(Error::new(ErrorKind::Protocol, text));
                }
                if let (Some(channels), Some(track)) = (parsed.interleaved, self.tracks.get_mut(index)) {
                    track.channels = channels;
                }
                self.setup(index + 1, now);
            }
            (State::Starting, "RECORD") => {
                self.state = State::Running;
                self.keep_alive_at = Some(now + self.keep_alive);
                self.outputs.push_back(Output::Event(Event::Recording));
            }
            _ => {}
        }
    }

    fn on_session(&mut self, header: &str) {
        let (id, rest) = header.split_once(';').unwrap_or((header, ""));
        self.session = Some(id.trim().to_owned());
        let timeout = rest.split(';').find_map(|p| p.trim().strip_prefix("timeout="));
        let seconds = timeout.and_then(|t| t.trim().parse().ok()).unwrap_or(DEFAULT_SESSION_TIMEOUT);
        self.keep_alive = match seconds {
            0..=5 => SHORT_KEEP_ALIVE,
            // Never rarer than every 25 s: some cameras forget what they promised.
            seconds => Duration::from_secs(seconds - 5).min(SHORT_KEEP_ALIVE),
        };
    }

    fn request(&mut self, method: &str, url: String) -> Request {
        self.cseq += 1;
        let mut headers = Headers::default();
        headers.add("CSeq", self.cseq.to_string());
        headers.add("User-Agent", self.config.user_agent.clone());
        if let Some(session) = &self.session {
            headers.add("Session", session.clone());
        }
        let cnonce = &self.config.cnonce;
        let answer = self.auth.as_mut().and_then(|auth| auth.authorization(method, &url, cnonce));
        if let Some(answer) = answer {
            headers.add("Authorization", answer);
        }
        Request { method: method.to_owned(), url, headers, body: Bytes::new() }
    }

    fn send(&mut self, request: Request, now: Instant) {
        self.transmit(&request);
        self.answer_by = Some(now + self.config.timeout);
        self.pending = Some((self.cseq, request));
    }

    fn transmit(&mut self, request: &Request) {
        self.outputs.push_back(Output::Transmit(request.write()));
    }

    fn fail(&mut self, error: Error) {
        let early = matches!(self.state, State::Describing | State::SettingUp(_));
        let backchannel = self.config.backchannel && early && error.kind() != ErrorKind::Auth;
        self.end();
        self.outputs.push_back(Output::Event(Event::Failed { error, backchannel }));
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.pending = None;
        self.answer_by = None;
    }
}

fn wrong_response(request: &Request, response: &Response) -> Error {
    let kind = match response.status {
        403 => ErrorKind::Auth,
        404 | 410 => ErrorKind::NotFound,
        453 | 503 => ErrorKind::Busy,
        461 | 415 | 501 | 505 => ErrorKind::Unsupported,
        _ => ErrorKind::Protocol,
    };
    let Response { status, reason, .. } = response;
    Error::new(kind, format!("rtsp: wrong response on {}: {status} {reason}", request.method))
}

/// The URL of a track: its control if that is absolute, else below the base.
fn track_url(base: &str, control: &str) -> String {
    if control.is_empty() || control == "*" {
        return base.to_owned();
    }
    if control.contains("://") {
        return control.to_owned();
    }
    let slash = if base.ends_with('/') || control.starts_with('/') { "" } else { "/" };
    format!("{base}{slash}{control}")
}

/// A camera's `Content-Base`, repaired (`spec/protocols-standard.md` 1.2).
fn repair_base(base: &str, asked: &str) -> String {
    let base = base.trim();
    let scheme = asked.split_once("://").map_or("rtsp", |(s, _)| s);
    let mut rest = base;
    while let Some(inner) = rest.strip_prefix("rtsp://").or_else(|| rest.strip_prefix("rtsps://")) {
        rest = inner;
    }
    if rest.is_empty() {
        return asked.to_owned();
    }
    // Credentials never go into a request line.
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let bad_colons = host.matches(':').count() > 1 && !host.starts_with('[') && !host.ends_with(':');
    format!("{scheme}://{host}{}{path}", if bad_colons { ":" } else { "" })
}

#[cfg(test)]
mod tests;
