//! The server machine: input, time, answers of the driver. What requests mean
//! is in `requests`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rs2rtc_base::{Error, ErrorKind};

use super::presence::Presence;
use super::tracks::{self, Track};
use super::{CloseReason, Config, Event, Output};
use crate::decoder::{Decoder, Skipped};
use crate::message::{
    Interleaved, Message, Method, Request, Response, interleaved_header, write_interleaved,
};

/// Most requests that wait for an answer of the driver.
const MAX_DEFERRED: usize = 16;
/// No track on this channel.
const NO_TRACK: u8 = u8::MAX;

/// A server session on one connection.
#[derive(Debug)]
pub struct Session {
    pub(super) config: Config,
    pub(super) state: State,
    /// A publisher.
    pub(super) record: bool,
    /// Media rests until the next PLAY or RECORD.
    pub(super) paused: bool,
    presence: Presence,
    /// Requests without credentials so far.
    pub(super) unauthorized: u32,
    /// It has shown the right login once.
    pub(super) has_logged_in: bool,
    /// The request that came with a wrong one: nothing but its answer is still due.
    pub(super) refused: Option<Request>,
    /// The request the driver has to answer.
    pub(super) asked: Option<Request>,
    deferred: VecDeque<Request>,
    pub(super) tracks: Vec<Track>,
    /// Track of each channel.
    channels: Box<[u8; 256]>,
    /// URL of the first request.
    pub(super) url: Option<String>,
    pub(super) user_agent: Option<String>,
    decoder: Decoder,
    /// Since when the client owes something.
    last_input: Instant,
    /// The same for the packets of a publisher.
    last_packet: Instant,
    pub(super) outputs: VecDeque<Output>,
}

/// In the order of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Before DESCRIBE or ANNOUNCE.
    Init,
    /// The driver has to answer.
    Asked,
    /// Described or announced; tracks are set up.
    Ready,
    /// Media flows, or is paused.
    Running,
    /// Nothing more is done.
    Closed,
}

impl Session {
    /// For a connection accepted now.
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            presence: Presence::new((config.report_timeout, config.play_timeout), now),
            config,
            state: State::Init,
            record: false,
            paused: false,
            unauthorized: 0,
            has_logged_in: false,
            refused: None,
            asked: None,
            deferred: VecDeque::new(),
            tracks: Vec::new(),
            channels: Box::new([NO_TRACK; 256]),
            url: None,
            user_agent: None,
            decoder: Decoder::strict(),
            last_input: now,
            last_packet: now,
            outputs: VecDeque::new(),
        }
    }

    /// Takes all complete messages off the buffer; what is left belongs to the next one.
    pub fn handle_input(&mut self, now: Instant, buffer: &mut BytesMut) {
        while self.state != State::Closed {
            match self.decoder.decode(buffer) {
                Ok(Some(message)) => {
                    self.last_input = now;
                    match message {
                        Message::Interleaved(packet) => self.handle_packet(now, packet),
                        Message::Request(request) => self.take_request(now, request),
                        // Nothing is ever asked of the client.
                        Message::Response(_) => {}
                    }
                }
                Ok(None) => return,
                Err(error) => self.close(CloseReason::Protocol(error.into())),
            }
        }
    }

    /// The client has closed the connection.
    pub fn handle_eof(&mut self) {
        self.close(CloseReason::Disconnected);
    }

    /// Does what is due; any time is right to call it.
    pub fn handle_timeout(&mut self, now: Instant) {
        let limit = match self.owed() {
            Owed::Nothing => None,
            Owed::By(at, limit) => (at <= now).then_some(limit),
            Owed::Presence => self.presence.is_silent(now),
        };
        if let Some(limit) = limit {
            self.close(CloseReason::Silent(limit));
        }
    }

    /// Tells that packets were sent to a player: only then it can be expected to report.
    pub fn packets_sent(&mut self, now: Instant, bytes: usize) {
        self.presence.sent(now, bytes);
    }

    /// When the client was last heard of: a whole message of its.
    pub const fn last_heard(&self) -> Instant {
        self.last_input
    }

    /// What to do next; call it until it says `Timeout`.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(self.next_deadline()))
    }

    /// Answers [`Event::Describe`] with a session description. Its `a=control` values should
    /// be `trackID=<index>`.
    pub fn describe_ok(&mut self, now: Instant, sdp: Bytes) {
        let Some(request) = self.asked.take_if(|r| r.method == Method::Describe) else { return };
        let found = tracks::parse(&sdp);
        // Asked again while tracks are set up: their channels stay.
        let old = std::mem::replace(&mut self.tracks, found);
        for (track, old) in self.tracks.iter_mut().zip(old) {
            track.channel = old.channel;
        }
        let mut response = Response::new(200).with("Content-Type", "application/sdp");
        response.body = sdp;
        self.answer(&request, response);
        self.answered(now);
    }

    /// Answers [`Event::Describe`] with a status and ends the session.
    pub fn describe_fail(&mut self, code: u16, reason: &str) {
        if let Some(request) = self.asked.take_if(|r| r.method == Method::Describe) {
            self.refuse(&request, code, reason);
        }
    }

    /// Answers [`Event::Announce`]: the stream may be published.
    pub fn announce_ok(&mut self, now: Instant) {
        if let Some(request) = self.asked.take_if(|r| r.method == Method::Announce) {
            self.record = true;
            self.tracks = tracks::parse(&request.body);
            self.answer(&request, Response::new(200));
            self.answered(now);
        }
    }

    /// Answers [`Event::Announce`] with a status and ends the session.
    pub fn announce_fail(&mut self, code: u16, reason: &str) {
        if let Some(request) = self.asked.take_if(|r| r.method == Method::Announce) {
            self.refuse(&request, code, reason);
        }
    }

    /// Answers [`Event::WrongLogin`], and ends the session.
    pub fn login_fail(&mut self) {
        if let Some(request) = self.refused.take() {
            self.answer(&request, self.challenge());
            self.close(CloseReason::Auth);
        }
    }

    /// Answers [`Event::WrongLogin`] where there were too many, and ends the session. The client
    /// may come again after this time.
    pub fn login_too_many(&mut self, retry_after: Duration) {
        if let Some(request) = self.refused.take() {
            let response = Response::with_reason(503, "Too Many Wrong Logins")
                .with("Retry-After", retry_after.as_secs().to_string());
            self.answer(&request, response);
            self.close(CloseReason::TooManyLogins);
        }
    }

    /// An interleaved packet for a track, header included. `None` if it is not
    /// set up, or longer than 65535 bytes.
    pub fn write_interleaved(&self, track: usize, rtcp: bool, payload: &[u8]) -> Option<Bytes> {
        write_interleaved(self.channel(track, rtcp)?, payload)
    }

    /// The header alone, for writing header and payload in one call without copying.
    pub fn interleaved_header(&self, track: usize, rtcp: bool, length: usize) -> Option<[u8; 4]> {
        interleaved_header(self.channel(track, rtcp)?, length)
    }

    /// Channel of a track's RTP or RTCP packets, once it is set up.
    pub fn channel(&self, track: usize, rtcp: bool) -> Option<u8> {
        self.tracks.get(track)?.channel?.checked_add(u8::from(rtcp))
    }

    /// URL of the first request, as sent. May hold credentials.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// `User-Agent` of the client.
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    /// What of the input was passed over as garbage.
    pub const fn skipped(&self) -> Skipped {
        self.decoder.skipped()
    }

    /// True after [`Event::Closed`].
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    fn handle_packet(&mut self, now: Instant, packet: Interleaved) {
        let Interleaved { channel, payload } = packet;
        self.presence.heard(now);
        if self.state != State::Running || payload.is_empty() {
            return;
        }
        let track = self.channels.get(usize::from(channel)).copied().unwrap_or(NO_TRACK);
        if let Some(set_up) = self.tracks.get(usize::from(track)) {
            let rtcp = set_up.channel != Some(channel);
            self.last_packet = now;
            if rtcp {
                self.presence.sign(now);
            }
            self.event(Event::Packet { track: usize::from(track), rtcp, payload });
        }
    }

    fn take_request(&mut self, now: Instant, request: Request) {
        if self.state == State::Running {
            self.presence.sign(now);
        }
        let is_goodbye = request.method == Method::Teardown && self.refused.is_none();
        if self.state != State::Asked || is_goodbye {
            self.handle_request(now, request);
        } else if self.deferred.len() < MAX_DEFERRED {
            self.deferred.push_back(request);
        } else {
            self.protocol_error("RTSP too many requests at once");
        }
    }

    /// The driver has answered: what came since then is next.
    fn answered(&mut self, now: Instant) {
        self.state = State::Ready;
        self.last_input = now;
        while self.state != State::Asked
            && self.state != State::Closed
            && let Some(request) = self.deferred.pop_front()
        {
            self.handle_request(now, request);
        }
    }

    fn refuse(&mut self, request: &Request, code: u16, reason: &str) {
        self.answer(request, Response::with_reason(code, reason));
        self.close(CloseReason::Refused(code));
    }

    pub(super) fn answer(&mut self, request: &Request, mut response: Response) {
        tracing::trace!(method = %request.method, code = response.code, "RTSP response");
        if let Some(cseq) = request.headers.get("CSeq") {
            response.headers.push("CSeq", cseq);
        }
        self.outputs.push_back(Output::Transmit(response.write()));
    }

    /// Puts a track on a channel pair: the wanted one if it is free, else its
    /// own by custom, else the first free one.
    pub(super) fn assign_channel(&mut self, track: usize, wanted: Option<u8>) -> Option<u8> {
        let number = u8::try_from(track).ok().filter(|n| *n < NO_TRACK / 2)?;
        for entry in self.channels.iter_mut().filter(|entry| **entry == number) {
            *entry = NO_TRACK;
        }
        let free = |channel: &u8| {
            let at = usize::from(*channel);
            self.channels.get(at..at + 2).is_some_and(|pair| pair == [NO_TRACK; 2])
        };
        let own = number * 2;
        let channel = wanted.into_iter().chain([own]).chain((0..NO_TRACK).step_by(2)).find(free)?;
        let at = usize::from(channel);
        self.channels.get_mut(at..at + 2)?.fill(number);
        self.tracks.get_mut(track)?.channel = Some(channel);
        Some(channel)
    }

    pub(super) fn set_up_tracks(&self) -> Vec<usize> {
        let tracks = self.tracks.iter().enumerate();
        tracks.filter(|(_, t)| t.channel.is_some()).map(|(index, _)| index).collect()
    }

    /// Media flows: garbage between packets is passed over from now on.
    pub(super) fn run(&mut self, now: Instant, event: Event) {
        self.state = State::Running;
        self.go_on(now);
        self.decoder.set_strict(false);
        self.event(event);
    }

    /// Media flows (again).
    pub(super) const fn go_on(&mut self, now: Instant) {
        self.paused = false;
        self.presence.begin(now);
        self.last_packet = now;
    }

    pub(super) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(super) fn protocol_error(&mut self, text: &str) {
        self.close(CloseReason::Protocol(Error::new(ErrorKind::Protocol, text)));
    }

    pub(super) fn close(&mut self, reason: CloseReason) {
        if self.state != State::Closed {
            self.state = State::Closed;
            self.asked = None;
            self.refused = None;
            self.deferred.clear();
            self.event(Event::Closed { reason });
        }
    }

    fn owed(&self) -> Owed {
        let by = |since: Instant, limit| Owed::By(since + limit, limit);
        match (self.state, self.record) {
            (State::Asked | State::Closed, _) => Owed::Nothing,
            (State::Running, _) if self.paused => by(self.last_input, self.config.play_timeout),
            (State::Running, false) => Owed::Presence,
            (State::Running, true) => by(self.last_packet, self.config.record_timeout),
            _ => by(self.last_input, self.config.request_timeout),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        match self.owed() {
            Owed::Nothing => None,
            Owed::By(at, _) => Some(at),
            Owed::Presence => self.presence.deadline(),
        }
    }
}

/// What the client owes.
enum Owed {
    Nothing,
    /// To be heard of by this time, the limit after it was last.
    By(Instant, Duration),
    /// To report, if that is its custom.
    Presence,
}
