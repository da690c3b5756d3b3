//! The client machine: what is sent and when. The answers are in `answers`.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rs2rtc_base::http::auth::Authenticator;
use rs2rtc_base::{Error, ErrorKind, Secret, Url};

use super::{Config, Event, Output, SetupTrack, Track};
use crate::decoder::{Decoder, Skipped};
use crate::header::Transport;
use crate::message::{
    Interleaved, Message, Method, Request, Response, interleaved_header, write_interleaved,
};

/// Interval of the keep-alive when the camera names no time-out of the session,
/// or one too short to subtract [`KEEP_ALIVE_MARGIN`] from.
const KEEP_ALIVE: Duration = Duration::from_secs(25);
/// So long before the session would end.
const KEEP_ALIVE_MARGIN: Duration = Duration::from_secs(5);
/// Least interval of the keep-alive where we publish.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Most tracks of a session: each takes two of the 256 channels.
const MAX_TRACKS: usize = 127;
/// No track on this channel.
pub(super) const NO_TRACK: u8 = u8::MAX;

/// A client session on one connection.
#[derive(Debug)]
pub struct Session {
    pub(super) config: Config,
    /// What is described or announced, without credentials.
    pub(super) url: String,
    /// What controls are relative to, and what is played.
    pub(super) base: String,
    pub(super) auth: Option<Authenticator>,
    pub(super) state: State,
    /// We publish.
    pub(super) record: bool,
    /// The session description to announce once OPTIONS is answered.
    announcement: Bytes,
    cseq: u32,
    /// The request whose answer the flow waits for.
    pub(super) pending: Option<Pending>,
    pub(super) session: Option<String>,
    pub(super) session_timeout: Option<Duration>,
    /// The camera lists GET_PARAMETER.
    pub(super) get_parameter: bool,
    keep_alive_at: Option<Instant>,
    pub(super) keep_alive: Option<Pending>,
    pub(super) setup: Vec<SetupTrack>,
    pub(super) tracks: Vec<Track>,
    /// Track of each channel.
    pub(super) channels: Box<[u8; 256]>,
    /// How long each of the flow took to be answered.
    answers: Vec<(Method, Duration)>,
    decoder: Decoder,
    last_input: Option<Instant>,
    /// Packets came before the answer on PLAY.
    pub(super) packets_before_answer: bool,
    outputs: VecDeque<Output>,
}

/// In the order of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    /// DESCRIBE, or OPTIONS and then ANNOUNCE, is sent.
    Opening,
    /// The caller chooses tracks.
    Opened,
    /// SETUP of this track is sent.
    SettingUp(usize),
    /// PLAY or RECORD is sent.
    Starting,
    /// Media flows.
    Running,
    /// The session is being given back: TEARDOWN is sent, or will be once the
    /// answer on SETUP tells the session's name.
    Leaving,
    /// Nothing more is done.
    Closed,
}

/// A request and what its answer is judged by.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) cseq: u32,
    /// Without the fields that are added on sending.
    pub(super) request: Request,
    /// It carried an answer to a challenge.
    pub(super) authorized: bool,
    /// It was repeated after 401.
    pub(super) repeated: bool,
    /// When it was sent first.
    pub(super) sent: Instant,
    pub(super) deadline: Instant,
}

impl Session {
    /// Does nothing until `describe` or `announce`.
    pub fn new(config: Config) -> Self {
        let mut url = config.url.clone();
        if url.scheme == "rtspx" {
            url.scheme = "rtsps".into();
        }
        let url = url.without_credentials();
        let auth = config.url.user.as_ref().map(|user| {
            Authenticator::new(user, config.url.password.clone().unwrap_or_else(|| Secret::new("")))
        });
        Self {
            base: url.clone(),
            url,
            auth,
            state: State::Idle,
            record: false,
            announcement: Bytes::new(),
            cseq: 0,
            pending: None,
            session: None,
            session_timeout: None,
            get_parameter: false,
            keep_alive_at: None,
            keep_alive: None,
            setup: Vec::new(),
            tracks: Vec::new(),
            channels: Box::new([NO_TRACK; 256]),
            answers: Vec::new(),
            decoder: Decoder::new(),
            last_input: None,
            packets_before_answer: false,
            outputs: VecDeque::new(),
            config,
        }
    }

    /// Asks for the session description. Ignored after the first call.
    pub fn describe(&mut self, now: Instant) {
        if self.state != State::Idle {
            return;
        }
        self.state = State::Opening;
        let mut request =
            Request::new(Method::Describe, self.url.clone()).with("Accept", "application/sdp");
        if self.config.backchannel {
            request = request.with("Require", "www.onvif.org/ver20/backchannel");
        }
        self.send(now, request);
    }

    /// Offers a session description to publish. Ignored after the first call.
    pub fn announce(&mut self, now: Instant, sdp: Bytes) {
        if self.state != State::Idle {
            return;
        }
        self.state = State::Opening;
        self.record = true;
        self.announcement = sdp;
        self.send(now, Request::new(Method::Options, self.url.clone()));
    }

    pub(super) fn send_announce(&mut self, now: Instant) {
        let mut request = Request::new(Method::Announce, self.url.clone())
            .with("Content-Type", "application/sdp");
        request.body = std::mem::take(&mut self.announcement);
        self.send(now, request);
    }

    /// Sets up tracks and plays them. After [`Event::Described`], once.
    pub fn play(&mut self, now: Instant, tracks: &[SetupTrack]) {
        self.start(now, tracks, false);
    }

    /// Sets up tracks and records them. After [`Event::Announced`], once.
    pub fn record(&mut self, now: Instant, tracks: &[SetupTrack]) {
        self.start(now, tracks, true);
    }

    fn start(&mut self, now: Instant, tracks: &[SetupTrack], record: bool) {
        if self.state != State::Opened || self.record != record {
            return;
        }
        if tracks.is_empty() || tracks.len() > MAX_TRACKS {
            self.fail(Error::new(ErrorKind::Unsupported, "RTSP no tracks to set up"));
            return;
        }
        self.setup = tracks.to_vec();
        self.send_setup(now, 0);
    }

    /// Says goodbye if there is a session, or may be one. [`Event::TornDown`]
    /// follows once the other side has answered; who cannot wait sends the bytes
    /// and closes the connection.
    pub fn teardown(&mut self, now: Instant) {
        match self.state {
            State::Leaving | State::Closed => {}
            State::SettingUp(_) if self.session.is_none() => {
                self.rest();
                self.state = State::Leaving;
            }
            State::SettingUp(_) | State::Starting | State::Running => self.send_teardown(now),
            _ if self.session.is_some() => self.send_teardown(now),
            _ => self.torn_down(),
        }
    }

    pub(super) fn send_teardown(&mut self, now: Instant) {
        self.rest();
        self.state = State::Leaving;
        self.send(now, Request::new(Method::Teardown, self.base.clone()));
    }

    pub(super) fn torn_down(&mut self) {
        self.close();
        self.event(Event::TornDown);
    }

    /// Takes all complete messages off the buffer; what is left belongs to the next one.
    pub fn handle_input(&mut self, now: Instant, buffer: &mut BytesMut) {
        while self.state != State::Closed {
            match self.decoder.decode(buffer) {
                Ok(Some(message)) => {
                    self.last_input = Some(now);
                    match message {
                        Message::Interleaved(packet) => self.handle_packet(packet),
                        Message::Response(response) => self.handle_response(now, &response),
                        Message::Request(request) => self.handle_request(&request),
                    }
                }
                Ok(None) => return,
                Err(error) => self.fail(error.into()),
            }
        }
    }

    /// The other side has closed the connection.
    pub fn handle_eof(&mut self) {
        // Nobody to say goodbye to.
        self.session = None;
        let text = match &self.pending {
            Some(p) => {
                format!("RTSP connection closed instead of an answer on {}", p.request.method)
            }
            None => "RTSP connection closed by the other side".to_owned(),
        };
        self.fail(Error::new(ErrorKind::Ended, text));
    }

    /// Does what is due; any time is right to call it.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(pending) = self.pending.take_if(|p| p.deadline <= now) {
            if self.state == State::Starting && self.packets_before_answer {
                // PLAY is not answered but packets come.
                self.run(now, Vec::new());
            } else {
                let seconds = self.config.timeout.as_secs();
                let text =
                    format!("RTSP no answer on {} within {seconds} s", pending.request.method);
                self.fail(Error::new(ErrorKind::Unreachable, text));
                return;
            }
        }
        if self.data_deadline().is_some_and(|at| at <= now) {
            let text = format!("RTSP no data for {} s", self.silence_limit().as_secs());
            self.fail(Error::new(ErrorKind::Ended, text));
            return;
        }
        if self.keep_alive_at.is_some_and(|at| at <= now) && self.state == State::Running {
            self.keep_alive_at = Some(now + self.keep_alive_interval());
            let method = if self.get_parameter { Method::GetParameter } else { Method::Options };
            let request = Request::new(method, self.base.clone());
            self.keep_alive = Some(self.transmit(now, request, false));
        }
    }

    /// What to do next; call it until it says `Timeout`.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(self.next_deadline()))
    }

    /// An interleaved packet for a track, header included. `None` before it is
    /// set up, over UDP, or if it is longer than 65535 bytes.
    pub fn write_interleaved(&self, track: usize, rtcp: bool, payload: &[u8]) -> Option<Bytes> {
        write_interleaved(self.channel(track, rtcp)?, payload)
    }

    /// The header alone, for writing header and payload in one call without copying.
    pub fn interleaved_header(&self, track: usize, rtcp: bool, length: usize) -> Option<[u8; 4]> {
        interleaved_header(self.channel(track, rtcp)?, length)
    }

    /// What of the input was passed over as garbage.
    pub const fn skipped(&self) -> Skipped {
        self.decoder.skipped()
    }

    /// How long the other side took to accept each request on the way to the media, in their
    /// order: all SETUPs as one, each with what its login took.
    pub fn answers(&self) -> &[(Method, Duration)] {
        &self.answers
    }

    /// When something complete came last; `None` if nothing did.
    pub const fn last_heard(&self) -> Option<Instant> {
        self.last_input
    }

    /// True after the end: `Failed`, `Redirect` or `TornDown`.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    fn channel(&self, track: usize, rtcp: bool) -> Option<u8> {
        self.tracks.get(track)?.channel?.checked_add(u8::from(rtcp))
    }

    fn handle_packet(&mut self, packet: Interleaved) {
        let Interleaved { channel, payload } = packet;
        if payload.is_empty() || !matches!(self.state, State::Starting | State::Running) {
            return;
        }
        let track = self.channels.get(usize::from(channel)).copied().unwrap_or(NO_TRACK);
        if let Some(set_up) = self.tracks.get(usize::from(track)) {
            let rtcp = set_up.channel != Some(channel);
            self.packets_before_answer = true;
            self.event(Event::Packet { track: usize::from(track), rtcp, payload });
        }
    }

    /// Cameras ask for OPTIONS and GET_PARAMETER to see whether we live.
    fn handle_request(&mut self, request: &Request) {
        let code = match request.method {
            Method::Options
            | Method::GetParameter
            | Method::SetParameter
            | Method::Announce
            | Method::Redirect
            | Method::Teardown => 200,
            _ => 501,
        };
        let mut response = Response::new(code);
        if let Some(cseq) = request.headers.get("CSeq") {
            response.headers.push("CSeq", cseq);
        }
        self.outputs.push_back(Output::Transmit(response.write()));
        match (&request.method, request.headers.get("Location")) {
            (Method::Redirect, Some(location)) => self.redirect(location),
            (Method::Redirect | Method::Teardown, _) => {
                self.fail(Error::new(ErrorKind::Ended, "RTSP session ended by the other side"));
            }
            _ => {}
        }
    }

    pub(super) fn send_setup(&mut self, now: Instant, index: usize) {
        let Some(track) = self.setup.get(index) else {
            self.state = State::Starting;
            let request = if self.record {
                Request::new(Method::Record, self.base.clone()).with("Range", "npt=0.000-")
            } else {
                Request::new(Method::Play, self.base.clone())
            };
            self.send(now, request);
            return;
        };
        let channel = u8::try_from(index * 2).unwrap_or_default();
        let mut transport = track.udp_port.map_or_else(|| Transport::tcp(channel), Transport::udp);
        transport.record = self.record;
        let url = track_url(&self.base, &track.control);
        let mut request = Request::new(Method::Setup, url).with("Transport", transport.to_string());
        if self.config.backchannel && track.send {
            request = request.with("Require", "www.onvif.org/ver20/backchannel");
        }
        self.state = State::SettingUp(index);
        self.send(now, request);
    }

    /// Sends a request whose answer the flow waits for.
    pub(super) fn send(&mut self, now: Instant, request: Request) {
        self.pending = Some(self.transmit(now, request, false));
    }

    pub(super) fn transmit(&mut self, now: Instant, request: Request, repeated: bool) -> Pending {
        let authorized = self.write(&request);
        let deadline = now + self.config.timeout;
        Pending { cseq: self.cseq, request, authorized, repeated, sent: now, deadline }
    }

    /// Sends one again, with what was learned from the answer.
    pub(super) fn repeat(&mut self, now: Instant, request: Request, sent: Instant) -> Pending {
        Pending { sent, ..self.transmit(now, request, true) }
    }

    /// Notes what was accepted, all SETUPs as one.
    pub(super) fn accepted(&mut self, pending: &Pending, now: Instant) {
        let took = now.saturating_duration_since(pending.sent);
        match self.answers.last_mut() {
            Some((method, all)) if *method == pending.request.method => *all += took,
            _ => self.answers.push((pending.request.method.clone(), took)),
        }
    }

    /// Sends a request. Says whether it carries an answer to a challenge.
    fn write(&mut self, request: &Request) -> bool {
        self.cseq = self.cseq.wrapping_add(1);
        tracing::trace!(method = %request.method, url = %request.url, "RTSP request");
        let mut sent = Request::new(request.method.clone(), request.url.clone())
            .with("CSeq", self.cseq.to_string());
        if !self.config.user_agent.is_empty() {
            sent.headers.push("User-Agent", self.config.user_agent.clone());
        }
        let cnonce = self.config.cnonce.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        let method = request.method.as_str();
        let authorization =
            self.auth.as_mut().and_then(|auth| auth.authorization(method, &request.url, &cnonce));
        let authorized = authorization.is_some();
        if let Some(value) = authorization {
            sent.headers.push("Authorization", value);
        }
        if let Some(session) = &self.session {
            sent.headers.push("Session", session.clone());
        }
        for (name, value) in request.headers.iter() {
            sent.headers.push(name, value);
        }
        sent.body = request.body.clone();
        self.outputs.push_back(Output::Transmit(sent.write()));
        authorized
    }

    /// Media flows from now on.
    pub(super) fn run(&mut self, now: Instant, mut tracks: Vec<Track>) {
        if tracks.is_empty() {
            tracks.clone_from(&self.tracks);
        }
        self.state = State::Running;
        self.last_input = Some(now);
        self.keep_alive_at = Some(now + self.keep_alive_interval());
        self.event(if self.record {
            Event::Recording { tracks }
        } else {
            Event::Playing { tracks }
        });
    }

    pub(super) fn redirect(&mut self, location: &str) {
        if self.state == State::Leaving {
            self.torn_down();
            return;
        }
        let location = location.trim();
        let absolute = match location.strip_prefix('/') {
            Some(path) => format!("{}/{path}", origin(&self.url)),
            None => location.to_owned(),
        };
        match Url::parse(&absolute) {
            Ok(mut url) => {
                if url.user.is_none() {
                    url.user = self.config.url.user.clone();
                    url.password = self.config.url.password.clone();
                }
                url.fragment = self.config.url.fragment.clone();
                if self.config.url.scheme == "rtspx" && url.scheme == "rtsps" {
                    url.scheme = "rtspx".into();
                }
                self.close();
                self.event(Event::Redirect(url));
            }
            Err(error) => {
                let error = Error::new(ErrorKind::Protocol, error.to_string());
                self.fail(error.context("RTSP wrong Location"));
            }
        }
    }

    pub(super) fn fail(&mut self, error: Error) {
        match self.state {
            State::Closed => return,
            State::Leaving => return self.torn_down(),
            _ => {}
        }
        if self.session.is_some() {
            // What was set up so far must not linger at the camera.
            self.write(&Request::new(Method::Teardown, self.base.clone()));
        }
        let before_media = self.state != State::Running;
        let without_backchannel =
            self.config.backchannel && before_media && error.kind() != ErrorKind::Auth;
        self.close();
        self.event(Event::Failed { error, without_backchannel });
    }

    pub(super) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.pending = None;
        self.rest();
    }

    /// No keep-alive any more.
    fn rest(&mut self) {
        self.keep_alive = None;
        self.keep_alive_at = None;
    }

    fn keep_alive_interval(&self) -> Duration {
        match self.session_timeout {
            Some(timeout) if timeout > KEEP_ALIVE_MARGIN => timeout - KEEP_ALIVE_MARGIN,
            // Cameras that name so little do not mean it; a server may.
            Some(timeout) if self.record && !timeout.is_zero() => {
                (timeout / 2).max(SHORTEST_KEEP_ALIVE)
            }
            _ => KEEP_ALIVE,
        }
    }

    /// How long the camera may be silent: where no packets are due over this
    /// connection, only answers to the keep-alive come.
    fn silence_limit(&self) -> Duration {
        let receives = !self.record && self.setup.iter().any(|t| !t.send && t.udp_port.is_none());
        if receives {
            self.config.timeout
        } else {
            self.config.timeout + self.keep_alive_interval()
        }
    }

    fn data_deadline(&self) -> Option<Instant> {
        (self.state == State::Running)
            .then(|| self.last_input.map(|at| at + self.silence_limit()))?
    }

    fn next_deadline(&self) -> Option<Instant> {
        let pending = self.pending.as_ref().map(|p| p.deadline);
        [pending, self.data_deadline(), self.keep_alive_at].into_iter().flatten().min()
    }
}

/// URL of a track (RFC 2326 C.1.1, as cameras understand it): absolute, or
/// appended to the base whatever that ends with.
fn track_url(base: &str, control: &str) -> String {
    let control = control.trim();
    if control.is_empty() || control == "*" {
        return base.to_owned();
    }
    if control.contains("://") {
        return Url::parse(control)
            .map_or_else(|_| control.to_owned(), |url| url.without_credentials());
    }
    let slash = if base.ends_with('/') || control.starts_with('/') { "" } else { "/" };
    format!("{base}{slash}{control}")
}

/// `scheme://host:port` of a URL.
pub(super) fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let path = url.get(start..).and_then(|rest| rest.find(['/', '?']));
    path.and_then(|at| url.get(..start + at)).unwrap_or(url)
}
