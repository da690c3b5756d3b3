//! The server machine: one accepted connection that plays from us or
//! publishes to us (`spec/protocols-standard.md` 2, its quirks fixed).
//!
//! Flow of playing: OPTIONS, DESCRIBE ([`Event::Describe`], answered with
//! [`Session::describe_ok`]), SETUP per track, PLAY ([`Event::Play`]).
//! Flow of publishing: ANNOUNCE ([`Event::Announce`]), SETUP, RECORD
//! ([`Event::Record`]), [`Event::Packet`]. TEARDOWN, or the end of the
//! connection, ends both at once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rs2rtc_base::Secret;
use rs2rtc_base::http::auth::{basic_challenge, check_basic, check_digest, digest_challenge};
use rs2rtc_base::url::percent_decode;

use crate::message::{Data, Decoder, Message, Request, Response};
use crate::transport::Transport;

const PUBLIC: &str = "OPTIONS, SETUP, TEARDOWN, DESCRIBE, PLAY, PAUSE, ANNOUNCE, RECORD, GET_PARAMETER, SET_PARAMETER";
/// Realm of the login, as clients have it stored.
const REALM: &str = "go2rtc";
/// Announced time-out of a session in seconds.
const SESSION_TIMEOUT: u64 = 60;
/// Tracks of one session.
const MAX_TRACKS: usize = 32;

/// Who may log in.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// What a session is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Asked from the peer if set; leave it out for peers that need no login.
    pub credentials: Option<Credentials>,
    /// The session id, eight digits or more, random.
    pub session_id: String,
    /// Random text for Digest, different for every connection.
    pub nonce: String,
    /// `Server` header.
    pub server: String,
    /// Longest wait for the next request before playing.
    pub request_timeout: Duration,
    /// Longest silence of a player.
    pub play_timeout: Duration,
    /// Longest silence of a publisher.
    pub record_timeout: Duration,
}

impl Config {
    /// Time-outs of the contract: 5 s, 60 s and 15 s.
    pub fn new(session_id: String, nonce: String, server: &str) -> Self {
        Self {
            credentials: None,
            session_id,
            nonce,
            server: server.to_owned(),
            request_timeout: Duration::from_secs(5),
            play_timeout: Duration::from_secs(60),
            record_timeout: Duration::from_secs(15),
        }
    }
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants to see a stream: answer with `describe_ok` or `refuse`.
    Describe {
        /// Path without the leading slash, percent-decoded.
        path: String,
        /// Query as written; may be empty.
        query: String,
        /// `User-Agent`; may be empty.
        user_agent: String,
        /// The URL as written, without credentials.
        url: String,
    },
    /// Somebody wants to publish: answer with `announce_ok` or `refuse`.
    Announce {
        /// Path without the leading slash, percent-decoded.
        path: String,
        /// Query as written.
        query: String,
        /// `User-Agent`; may be empty.
        user_agent: String,
        /// The session description.
        sdp: Bytes,
    },
    /// Send the tracks that were set up ([`Session::channels`]).
    Play,
    /// Packets of the publisher follow.
    Record,
    /// A packet from the peer: of a publisher, or a player's RTCP and talk.
    Packet {
        /// Index of the track.
        track: usize,
        /// RTCP instead of RTP.
        rtcp: bool,
        /// The packet.
        payload: Bytes,
    },
    /// It is over: close the connection once everything is sent.
    Closed {
        /// `teardown`, or what went wrong.
        reason: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Init,
    /// Waits for the driver's answer to DESCRIBE or ANNOUNCE.
    Asked,
    Ready,
    Playing,
    Recording,
    Closed,
}

/// One server session.
#[derive(Debug)]
pub struct Session {
    config: Config,
    state: State,
    recording: bool,
    tracks: usize,
    channels: Vec<Option<(u8, u8)>>,
    decoder: Decoder,
    outputs: VecDeque<Output>,
    waiting: VecDeque<Request>,
    asked: Option<Request>,
    deadline: Instant,
    refused_logins: u32,
}

impl Session {
    /// A session for a connection that was just accepted.
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            deadline: now + config.request_timeout,
            config,
            state: State::Init,
            recording: false,
            tracks: 0,
            channels: Vec::new(),
            decoder: Decoder::new(),
            outputs: VecDeque::new(),
            waiting: VecDeque::new(),
            asked: None,
            refused_logins: 0,
        }
    }

    /// Interleaved channels (RTP, RTCP) of each track; `None` if it was not set up.
    pub fn channels(&self) -> &[Option<(u8, u8)>] {
        &self.channels
    }

    /// Silence of the publisher that is tolerated from now on.
    pub const fn set_record_timeout(&mut self, timeout: Duration) {
        self.config.record_timeout = timeout;
    }

    /// Takes received bytes off the buffer.
    pub fn handle_input(&mut self, buffer: &mut BytesMut, now: Instant) {
        while self.state != State::Closed {
            match self.decoder.decode(buffer) {
                Ok(Some(message)) => {
                    self.heard(now);
                    match message {
                        Message::Data(data) => self.on_data(data),
                        Message::Request(request) => self.enqueue(request, now),
                        Message::Response(_) => {}
                    }
                }
                Ok(None) => return,
                Err(error) => return self.close(error.to_string()),
            }
        }
    }

    /// Tells the time; due when [`Output::Timeout`] said.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now >= self.deadline && !matches!(self.state, State::Closed | State::Asked) {
            self.close(match self.state {
                State::Playing => "no sign of life from the player".to_owned(),
                State::Recording => "no data from the publisher".to_owned(),
                _ => "no request in time".to_owned(),
            });
        }
    }

    /// What to do next; ask until it is a [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Timeout(self.deadline))
    }

    /// Answers DESCRIBE: a description whose medias have the controls
    /// `trackID=0`, `trackID=1`, … in order, so many of them.
    pub fn describe_ok(&mut self, sdp: &str, tracks: usize, now: Instant) {
        let Some(request) = self.asked.take() else { return };
        self.tracks = tracks.min(MAX_TRACKS);
        self.channels = vec![None; self.tracks];
        self.state = State::Ready;
        let mut response = self.response(&request, 200, "OK");
        response.headers.add("Content-Type", "application/sdp");
        let base = strip_query(&strip_credentials(&request.url));
        response.headers.add("Content-Base", format!("{}/", base.trim_end_matches('/')));
        response.body = Bytes::copy_from_slice(sdp.as_bytes());
        self.transmit(&response);
        self.go_on(now);
    }

    /// Answers ANNOUNCE: the description has so many medias.
    pub fn announce_ok(&mut self, tracks: usize, now: Instant) {
        let Some(request) = self.asked.take() else { return };
        self.tracks = tracks.min(MAX_TRACKS);
        self.channels = vec![None; self.tracks];
        self.recording = true;
        self.state = State::Ready;
        let response = self.response(&request, 200, "OK");
        self.transmit(&response);
        self.go_on(now);
    }

    /// Refuses DESCRIBE or ANNOUNCE and ends the session, e.g. with
    /// `404 Not Found`. The reason in words goes into the body.
    pub fn refuse(&mut self, status: u16, reason: &str, words: &str) {
        let Some(request) = self.asked.take() else { return };
        let mut response = self.response(&request, status, reason);
        if !words.is_empty() {
            response.headers.add("Content-Type", "text/plain; charset=utf-8");
            response.body = Bytes::copy_from_slice(words.as_bytes());
        }
        self.transmit(&response);
        self.close(words.to_owned());
    }

    fn heard(&mut self, now: Instant) {
        self.deadline = now
            + match self.state {
                State::Playing => self.config.play_timeout,
                State::Recording => self.config.record_timeout,
                _ => self.config.request_timeout,
            };
    }

    /// Requests that come while the driver thinks wait for its answer.
    fn enqueue(&mut self, request: Request, now: Instant) {
        if self.state == State::Asked {
            if self.waiting.len() >= 16 {
                return self.close("too many requests at once".to_owned());
            }
            self.waiting.push_back(request);
        } else {
            self.on_request(request, now);
        }
    }

    fn go_on(&mut self, now: Instant) {
        self.heard(now);
        while self.state != State::Asked && self.state != State::Closed {
            let Some(request) = self.waiting.pop_front() else { return };
            self.on_request(request, now);
        }
    }

    fn on_data(&mut self, data: Data) {
        let found = self.channels.iter().enumerate().find_map(|(index, channels)| {
            let (rtp, rtcp) = (*channels)?;
            (data.channel == rtp || data.channel == rtcp).then(|| (index, data.channel == rtcp && rtp != rtcp))
        });
        if let (Some((track, rtcp)), State::Playing | State::Recording) = (found, self.state) {
            self.event(Event::Packet { track, rtcp, payload: data.payload });
        }
    }

    fn on_request(&mut self, request: Request, now: Instant) {
        if !self.is_allowed(&request) {
            return;
        }
        match (request.method.as_str(), self.state) {
            ("OPTIONS", _) => {
                let mut response = self.response(&request, 200, "OK");
                response.headers.add("Public", PUBLIC);
                self.transmit(&response);
            }
            ("DESCRIBE", State::Init | State::Ready) => self.ask(request, false),
            ("ANNOUNCE", State::Init) => {
                let kind = request.headers.get("Content-Type").unwrap_or_default();
                if kind.to_ascii_lowercase().starts_with("application/sdp") {
                    self.ask(request, true);
                } else {
                    self.answer(&request, 415, "Unsupported Media Type");
                    self.close("ANNOUNCE without a session description".to_owned());
                }
            }
            ("SETUP", State::Init | State::Ready) => self.on_setup(&request),
            ("PLAY", State::Ready) if !self.recording && self.channels.iter().any(Option::is_some) => {
                let mut response = self.response(&request, 200, "OK");
                response.headers.add("Range", "npt=now-");
                self.transmit(&response);
                self.start(State::Playing, Event::Play, now);
            }
            ("PLAY", State::Playing) => self.answer(&request, 200, "OK"),
            ("RECORD", State::Ready) if self.recording && self.channels.iter().any(Option::is_some) => {
                self.answer(&request, 200, "OK");
                self.start(State::Recording, Event::Record, now);
            }
            ("TEARDOWN", _) => {
                self.answer(&request, 200, "OK");
                self.close("teardown".to_owned());
            }
            ("GET_PARAMETER" | "SET_PARAMETER" | "PAUSE", _) => self.answer(&request, 200, "OK"),
            ("DESCRIBE" | "ANNOUNCE" | "SETUP" | "PLAY" | "RECORD", _) => {
                self.answer(&request, 455, "Method Not Valid in This State");
            }
            _ => self.answer(&request, 501, "Not Implemented"),
        }
    }

    fn start(&mut self, state: State, event: Event, now: Instant) {
        self.state = state;
        self.heard(now);
        self.event(event);
    }

    /// Hands a request to the driver.
    fn ask(&mut self, request: Request, announce: bool) {
        let (path, query) = split_path(&request.url);
        let user_agent = request.headers.get("User-Agent").unwrap_or_default().to_owned();
        let event = if announce {
            Event::Announce { path, query, user_agent, sdp: request.body.clone() }
        } else {
            Event::Describe { path, query, user_agent, url: strip_credentials(&request.url) }
        };
        self.state = State::Asked;
        self.asked = Some(request);
        self.event(event);
    }

    fn on_setup(&mut self, request: &Request) {
        let transport = request.headers.get("Transport").unwrap_or_default();
        let parsed = Transport::parse(transport);
        if !parsed.is_tcp() {
            return self.answer(request, 461, "Unsupported transport");
        }
        let index = track_index(&request.url).or_else(|| self.next_unset());
        let Some(index) = index.filter(|i| *i < self.tracks) else {
            return self.answer(request, 400, "Bad Request");
        };
        let own = u8::try_from(index * 2).unwrap_or(0);
        let channels = match parsed.interleaved {
            Some(asked) if !self.is_taken(asked, index) => asked,
            _ => (own, own + 1),
        };
        if let Some(slot) = self.channels.get_mut(index) {
            *slot = Some(channels);
        }
        let mode = if self.recording { ";mode=record" } else { "" };
        let mut response = self.response(request, 200, "OK");
        let (a, b) = channels;
        response.headers.add("Transport", format!("RTP/AVP/TCP;unicast;interleaved={a}-{b}{mode}"));
        let id = &self.config.session_id;
        // Replaces the plain id of the response.
        response.headers = with_session(response.headers, format!("{id};timeout={SESSION_TIMEOUT}"));
        self.transmit(&response);
    }

    /// The next track that was not set up: publishers may use any control.
    fn next_unset(&self) -> Option<usize> {
        self.recording.then(|| self.channels.iter().position(Option::is_none)).flatten()
    }

    fn is_taken(&self, channels: (u8, u8), by_other_than: usize) -> bool {
        let mut others = self.channels.iter().enumerate().filter(|(i, _)| *i != by_other_than);
        others.any(|(_, c)| {
            c.is_some_and(|(a, b)| a == channels.0 || a == channels.1 || b == channels.0 || b == channels.1)
        })
    }

    /// Checks the login; answers 401 itself.
    fn is_allowed(&mut self, request: &Request) -> bool {
        let Some(expected) = &self.config.credentials else { return true };
        let given = request.headers.get("Authorization");
        let (user, password) = (expected.username.as_str(), expected.password.expose());
        let nonce = &self.config.nonce;
        if given.is_some_and(|header| {
            check_basic(header, user, password)
                || check_digest(header, &request.method, REALM, nonce, user, password)
        }) {
            return true;
        }
        let wrong = given.is_some();
        self.refused_logins += 1;
        let mut response = self.response(request, 401, "Unauthorized");
        response.headers.add("WWW-Authenticate", digest_challenge(REALM, &self.config.nonce));
        response.headers.add("WWW-Authenticate", basic_challenge(REALM));
        self.transmit(&response);
        if wrong || self.refused_logins > 4 {
            self.close("failed authentication".to_owned());
        }
        false
    }

    fn response(&self, request: &Request, status: u16, reason: &str) -> Response {
        let mut response = Response { status, reason: reason.to_owned(), ..Response::default() };
        response.headers.add("CSeq", request.headers.get("CSeq").unwrap_or("0"));
        response.headers.add("Server", self.config.server.clone());
        if self.state != State::Init && status != 401 {
            response.headers.add("Session", self.config.session_id.clone());
        }
        response
    }

    fn answer(&mut self, request: &Request, status: u16, reason: &str) {
        let response = self.response(request, status, reason);
        self.transmit(&response);
    }

    fn transmit(&mut self, response: &Response) {
        self.outputs.push_back(Output::Transmit(response.write()));
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn close(&mut self, reason: String) {
        self.state = State::Closed;
        self.event(Event::Closed { reason });
    }
}

fn with_session(headers: crate::message::Headers, session: String) -> crate::message::Headers {
    let mut out = crate::message::Headers::default();
    for name in ["CSeq", "Server", "Transport"] {
        if let Some(value) = headers.get(name) {
            out.add(name, value);
        }
    }
    out.add("Session", session);
    out
}

/// Path without the leading slash (percent-decoded) and query of a request URL.
fn split_path(url: &str) -> (String, String) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    (percent_decode(path.trim_end_matches('/')), query.to_owned())
}

fn strip_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

fn strip_query(url: &str) -> String {
    url.split_once('?').map_or(url, |(path, _)| path).to_owned()
}

/// The number after the last `=` of a track URL (`…/trackID=1`, `…/streamid=0`).
fn track_index(url: &str) -> Option<usize> {
    let (_, number) = url.trim_end_matches('/').rsplit_once('=')?;
    number.parse().ok()
}

#[cfg(test)]
mod tests;
