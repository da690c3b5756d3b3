//! The server machine: what requests mean.

use std::time::{Duration, Instant};

use rs2rtc_base::http::auth::{basic_challenge, check_basic, check_digest, digest_challenge};
use rs2rtc_base::url::{percent_decode, query_pairs};
use rs2rtc_base::{Redacted, Url};

use super::session::{Session, State};
use super::{CloseReason, Event, tracks};
use crate::header::Transport;
use crate::message::{Method, Request, Response};

/// Every method that is answered, in the order clients have always seen.
const PUBLIC: &str = "OPTIONS, SETUP, TEARDOWN, DESCRIBE, PLAY, PAUSE, ANNOUNCE, RECORD, GET_PARAMETER, SET_PARAMETER";
/// So many requests without credentials are answered; a client needs one or two.
const MAX_UNAUTHORIZED: u32 = 10;
/// Limit of `timeout=` of a publisher: a day.
const MAX_TIMEOUT: u64 = 86_400;

impl Session {
    pub(super) fn handle_request(&mut self, now: Instant, request: Request) {
        tracing::trace!(method = %request.method, url = %Redacted(&request.url), "RTSP request");
        if self.url.is_none() {
            self.url = Some(request.url.clone());
        }
        if self.user_agent.is_none() {
            self.user_agent = request.headers.get("User-Agent").map(str::to_owned);
        }
        if !self.is_allowed(&request) {
            return;
        }
        match request.method {
            Method::Options => self.answer(&request, Response::new(200).with("Public", PUBLIC)),
            Method::Describe => self.describe(request),
            Method::Announce => self.announce(request),
            Method::Setup => self.setup(&request),
            Method::Play => self.play(now, &request),
            Method::Record => self.record(now, &request),
            Method::Pause => self.pause(&request),
            Method::GetParameter | Method::SetParameter => self.ok(&request),
            Method::Teardown => {
                self.ok(&request);
                self.close(CloseReason::Teardown);
            }
            Method::Redirect => {
                self.answer(&request, Response::new(405).with("Allow", PUBLIC));
            }
            Method::Other(_) => self.answer(&request, Response::new(501).with("Public", PUBLIC)),
        }
    }

    /// Answers a request that is not. One without credentials may be repeated,
    /// wrong ones end the session, when the driver says so.
    fn is_allowed(&mut self, request: &Request) -> bool {
        let Some((user, password)) = &self.config.auth else { return true };
        if self.config.peer_is_loopback {
            return true;
        }
        let (realm, nonce) = (&self.config.realm, &self.config.nonce);
        let given = request.headers.get("Authorization");
        let method = request.method.as_str();
        if given.is_some_and(|given| {
            check_basic(given, user, password.expose())
                || check_digest(given, method, realm, nonce, user, password.expose())
        }) {
            self.has_logged_in = true;
            return true;
        }
        if given.is_some() && !self.has_logged_in {
            self.event(Event::WrongLogin);
            self.refused = Some(request.clone());
            self.state = State::Asked;
            return false;
        }
        let response = self.challenge();
        self.unauthorized += 1;
        let wrong = given.is_some() || self.unauthorized > MAX_UNAUTHORIZED;
        self.answer(request, response);
        if wrong {
            self.close(CloseReason::Auth);
        }
        false
    }

    /// Who has no right login is asked for one.
    pub(super) fn challenge(&self) -> Response {
        let (realm, nonce) = (&self.config.realm, &self.config.nonce);
        // The better one first: many clients take the first they know.
        Response::new(401)
            .with("WWW-Authenticate", digest_challenge(realm, nonce))
            .with("WWW-Authenticate", basic_challenge(realm))
    }

    fn describe(&mut self, request: Request) {
        if self.record || self.state == State::Running {
            self.wrong_state(&request);
            return;
        }
        let (path, query) = path_and_query(&request.url);
        self.event(Event::Describe { path, query });
        self.ask(request);
    }

    fn announce(&mut self, request: Request) {
        if self.state != State::Init {
            self.wrong_state(&request);
            return;
        }
        let content_type = request.headers.get("Content-Type").unwrap_or_default();
        let (content_type, _) = content_type.split_once(';').unwrap_or((content_type, ""));
        if !content_type.trim().eq_ignore_ascii_case("application/sdp") {
            self.answer(&request, Response::new(415));
            self.protocol_error("RTSP ANNOUNCE without a session description");
            return;
        }
        let (path, query) = path_and_query(&request.url);
        let timeout = query_pairs(&query).find(|(name, _)| name == "timeout");
        if let Some(seconds) = timeout.and_then(|(_, value)| value.parse::<u64>().ok()) {
            self.config.record_timeout = Duration::from_secs(seconds.clamp(1, MAX_TIMEOUT));
        }
        let sdp = request.body.clone();
        self.event(Event::Announce { path, query, sdp });
        self.ask(request);
    }

    /// The driver has to answer.
    fn ask(&mut self, request: Request) {
        self.asked = Some(request);
        self.state = State::Asked;
    }

    fn setup(&mut self, request: &Request) {
        if self.state == State::Running {
            self.wrong_state(request);
            return;
        }
        let offered = request.headers.get("Transport").unwrap_or_default();
        let Some(offered) = Transport::parse_all(offered).into_iter().find(|t| t.tcp) else {
            self.answer(request, Response::new(461));
            return;
        };
        let session = format!("{};timeout={}", self.config.session_id, self.session_timeout());
        let wanted = offered.interleaved.map(|(rtp, _)| rtp);
        if self.state == State::Init {
            // Tracks are not known yet; DESCRIBE may follow.
            let number = tracks::number(&request.url).and_then(|n| u8::try_from(n).ok());
            let own = number.and_then(|n| n.checked_mul(2)).unwrap_or_default();
            let transport = Transport::tcp(wanted.unwrap_or(own));
            let response = Response::new(200).with("Transport", transport.to_string());
            self.answer(request, response.with("Session", session));
            return;
        }
        let found = tracks::find(&self.tracks, &request.url).or_else(|| self.next_to_record());
        let found = found.filter(|index| *index < self.tracks.len());
        let Some((track, channel)) =
            found.and_then(|track| Some((track, self.assign_channel(track, wanted)?)))
        else {
            self.answer(request, Response::new(400).with("Session", session));
            return;
        };
        let mut transport = Transport::tcp(channel);
        transport.record = self.record;
        let response = Response::new(200).with("Transport", transport.to_string());
        self.answer(request, response.with("Session", session));
        self.event(Event::Setup { track, channel });
    }

    /// Publishers without usable controls set their tracks up in order.
    fn next_to_record(&self) -> Option<usize> {
        if !self.record {
            return None;
        }
        self.tracks.iter().position(|t| t.channel.is_none())
    }

    fn play(&mut self, now: Instant, request: &Request) {
        let tracks = self.set_up_tracks();
        match self.state {
            State::Init => {
                self.ok(request);
                self.protocol_error("RTSP PLAY without DESCRIBE");
            }
            State::Ready | State::Running if !self.record && !tracks.is_empty() => {
                self.ok(request);
                self.run(now, Event::Play { tracks });
            }
            _ => self.wrong_state(request),
        }
    }

    fn record(&mut self, now: Instant, request: &Request) {
        let tracks = self.set_up_tracks();
        match self.state {
            State::Ready if self.record && !tracks.is_empty() => {
                self.ok(request);
                self.run(now, Event::Record { tracks });
            }
            // Said again: after a pause, or for nothing.
            State::Running if self.record => {
                self.ok(request);
                self.go_on(now);
            }
            _ => self.wrong_state(request),
        }
    }

    fn pause(&mut self, request: &Request) {
        if self.state == State::Running {
            self.ok(request);
            self.paused = true;
            self.event(Event::Pause);
        } else {
            self.wrong_state(request);
        }
    }

    fn ok(&mut self, request: &Request) {
        let session = self.config.session_id.clone();
        self.answer(request, Response::new(200).with("Session", session));
    }

    fn wrong_state(&mut self, request: &Request) {
        self.answer(request, Response::new(455));
    }

    /// What the client is told, in seconds: it has to be heard of within this time.
    const fn session_timeout(&self) -> u64 {
        self.config.play_timeout.as_secs()
    }
}

/// Path without its first `/`, decoded, and query, of an absolute URL or a path.
fn path_and_query(url: &str) -> (String, String) {
    let rest = match Url::parse(url) {
        Ok(url) => url.path_and_query,
        Err(_) => url.to_owned(),
    };
    let (path, query) = rest.split_once('?').unwrap_or((&rest, ""));
    (percent_decode(path.strip_prefix('/').unwrap_or(path)), query.to_owned())
}
