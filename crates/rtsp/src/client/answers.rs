//! The client machine: what answers mean.

use std::time::Instant;

use rs2rtc_base::url::repair_rtsp;
use rs2rtc_base::{Error, ErrorKind};

use super::session::{NO_TRACK, Pending, Session, State, origin};
use super::{Event, Track};
use crate::header::{RtpInfo, Transport, parse_rtp_info, parse_session};
use crate::message::{Method, Request, Response};

/// These cameras want every URL to name this host.
const TP_LINK: &str = "TP-LINK Streaming Media";
const TP_LINK_HOST: &str = "127.0.0.1";

impl Session {
    pub(super) fn handle_response(&mut self, now: Instant, response: &Response) {
        tracing::trace!(code = response.code, "RTSP response");
        if let Some(public) = response.headers.get("Public") {
            self.get_parameter = public.split(',').any(|m| m.trim() == "GET_PARAMETER");
        }
        let cseq = response.headers.get("CSeq").and_then(|c| c.trim().parse::<u32>().ok());
        if let Some(keep_alive) = self.keep_alive.take_if(|k| cseq == Some(k.cseq)) {
            self.keep_alive_answered(now, keep_alive, response);
            return;
        }
        // An answer without a number, or with a wrong one above it, is for what is asked.
        let Some(pending) = self.pending.take_if(|p| cseq.is_none_or(|c| c >= p.cseq)) else {
            return;
        };
        match response.code {
            100..=199 => self.pending = Some(pending),
            _ if self.state == State::Leaving => self.leaving(now, pending, response),
            200..=299 => self.succeeded(now, &pending, response),
            301 | 302 | 303 | 307 | 308 => match response.headers.get("Location") {
                Some(location) => self.redirect(location),
                None => self.refused(&pending.request.method, response),
            },
            401 => self.unauthorized(now, pending, response),
            // Only what is announced counts.
            _ if self.state == State::Opening && pending.request.method == Method::Options => {
                self.send_announce(now);
            }
            _ if pending.request.method == Method::Play && self.packets_before_answer => {
                self.run(now, Vec::new());
            }
            _ => self.refused(&pending.request.method, response),
        }
    }

    /// An answer after `teardown`. One on SETUP tells which session is to be ended.
    fn leaving(&mut self, now: Instant, pending: Pending, response: &Response) {
        match (response.code, &pending.request.method) {
            (200..=299, Method::Setup) => {
                if let Some(value) = response.headers.get("Session") {
                    self.session = Some(parse_session(value).0.to_owned());
                }
                self.send_teardown(now);
            }
            (401, Method::Teardown) => self.unauthorized(now, pending, response),
            _ => self.torn_down(),
        }
    }

    fn succeeded(&mut self, now: Instant, pending: &Pending, response: &Response) {
        self.accepted(pending, now);
        if let Some(value) = response.headers.get("Session") {
            let (id, timeout) = parse_session(value);
            if !id.is_empty() {
                self.session = Some(id.to_owned());
            }
            self.session_timeout = timeout.or(self.session_timeout);
        }
        match (self.state, &pending.request.method) {
            (State::Opening, Method::Describe) => {
                self.base = self.find_base(response);
                self.state = State::Opened;
                let sdp = response.body.clone();
                self.event(Event::Described { sdp, base: self.base.clone() });
            }
            (State::Opening, Method::Options) => self.send_announce(now),
            (State::Opening, _) => {
                self.state = State::Opened;
                self.event(Event::Announced);
            }
            (State::SettingUp(index), _) => self.set_up(now, index, response),
            (State::Starting, _) => {
                let value = response.headers.get("RTP-Info").unwrap_or_default();
                self.assign_rtp_info(parse_rtp_info(value));
                self.run(now, self.tracks.clone());
            }
            _ => {}
        }
    }

    /// RFC 2326 C.1.1, with what cameras report repaired.
    fn find_base(&self, response: &Response) -> String {
        let fields = ["Content-Base", "Content-Location"];
        let mut given = fields.iter().filter_map(|f| response.headers.get(f)).map(str::trim);
        let Some(given) = given.find(|base| !base.is_empty()) else { return self.url.clone() };
        if let Some(path) = given.strip_prefix('/') {
            return format!("{}/{path}", origin(&self.url));
        }
        repair_rtsp(given).unwrap_or_else(|_| self.url.clone())
    }

    fn set_up(&mut self, now: Instant, index: usize, response: &Response) {
        let value = response.headers.get("Transport").unwrap_or_default();
        let transport = Transport::parse_all(value).into_iter().next().unwrap_or_default();
        let udp = self.setup.get(index).is_some_and(|t| t.udp_port.is_some());
        let mut track = Track {
            channel: None,
            server_port: transport.server_port,
            ssrc: transport.ssrc,
            rtp_info: None,
        };
        if !udp {
            let Some((mut channel, _)) = transport.interleaved.filter(|(c, _)| *c < NO_TRACK)
            else {
                let text = format!("RTSP wrong transport: {value}");
                self.fail(Error::new(ErrorKind::Protocol, text));
                return;
            };
            if self.is_taken(channel) {
                // The same channels for every track: the camera means those it was asked for.
                channel = u8::try_from(index * 2).unwrap_or_default();
            }
            let number = u8::try_from(index).unwrap_or(NO_TRACK);
            for channel in [channel, channel.saturating_add(1)] {
                if let Some(entry) = self.channels.get_mut(usize::from(channel)) {
                    *entry = number;
                }
            }
            track.channel = Some(channel);
        }
        self.tracks.push(track);
        self.send_setup(now, index + 1);
    }

    fn is_taken(&self, channel: u8) -> bool {
        self.tracks.iter().any(|t| t.channel == Some(channel))
    }

    /// By the end of the URL, else by the order if there are as many.
    fn assign_rtp_info(&mut self, infos: Vec<RtpInfo>) {
        let same_number = infos.len() == self.tracks.len();
        for (index, info) in infos.into_iter().enumerate() {
            let ends = |control: &str| !control.is_empty() && info.url.ends_with(control);
            let named = self.setup.iter().position(|t| ends(t.control.trim()));
            let position = named.or_else(|| same_number.then_some(index));
            if let Some(track) = position.and_then(|p| self.tracks.get_mut(p)) {
                track.rtp_info = Some(info);
            }
        }
    }

    fn unauthorized(&mut self, now: Instant, pending: Pending, response: &Response) {
        let Pending { mut request, sent, authorized, repeated, .. } = pending;
        let challenges: Vec<&str> = response.headers.get_all("WWW-Authenticate").collect();
        let Some(auth) = &mut self.auth else {
            let tp_link = challenges.iter().any(|c| c.contains(TP_LINK));
            if tp_link && !repeated {
                self.use_tp_link_host(&mut request);
                self.pending = Some(self.repeat(now, request, sent));
            } else {
                self.fail(Error::new(ErrorKind::Auth, "RTSP user/pass not provided"));
            }
            return;
        };
        let stale = match auth.handle_challenges(challenges) {
            Ok(challenge) => challenge.is_stale(),
            Err(error) => {
                self.fail(Error::new(ErrorKind::Auth, format!("RTSP {error}")));
                return;
            }
        };
        // A nonce may have become too old since; the first answer to a challenge never is.
        let accepted_before = self.state != State::Opening || request.method == Method::Announce;
        let may_repeat = !repeated && (!authorized || stale || accepted_before);
        if may_repeat {
            self.pending = Some(self.repeat(now, request, sent));
        } else {
            self.fail(Error::new(ErrorKind::Auth, "RTSP wrong user/pass"));
        }
    }

    /// Only a new challenge is of interest; silence and other codes are the camera's custom.
    fn keep_alive_answered(&mut self, now: Instant, keep_alive: Pending, response: &Response) {
        match response.code {
            401 if !keep_alive.repeated => {
                let challenges = response.headers.get_all("WWW-Authenticate");
                let known =
                    self.auth.as_mut().is_some_and(|a| a.handle_challenges(challenges).is_ok());
                if known {
                    self.keep_alive = Some(self.repeat(now, keep_alive.request, keep_alive.sent));
                }
            }
            // Listed, but not there after all.
            405 | 501 => self.get_parameter = false,
            _ => {}
        }
    }

    fn refused(&mut self, method: &Method, response: &Response) {
        let kind = match response.code {
            403 => ErrorKind::Auth,
            404 => ErrorKind::NotFound,
            453 | 503 => ErrorKind::Busy,
            _ => ErrorKind::Protocol,
        };
        let text =
            format!("RTSP wrong response on {method}: {} {}", response.code, response.reason);
        self.fail(Error::new(kind, text.trim_end()));
    }

    fn use_tp_link_host(&mut self, request: &mut Request) {
        for url in [&mut self.url, &mut self.base, &mut request.url] {
            if let Ok(mut parsed) = rs2rtc_base::Url::parse(url) {
                parsed.host = TP_LINK_HOST.into();
                *url = parsed.without_credentials();
            }
        }
    }
}
