//! What the player says over its socket, and what is begun for that.

use std::sync::Arc;

use axum::extract::ws::Message;
use rs2rtc_endpoints::outputs::webrtc::Goodbye;
use tokio::time::Instant;

use super::media::{self, Play};
use super::message::{self, Heard, failure};
use super::session::{Offer, View, follow};
use super::{Client, MAX_CANDIDATE, MAX_OFFERS, MAX_PLAYS, MAX_WAITING, why};
use crate::http::{access, webrtc};

impl Client {
    /// What to answer; `None` if the client speaks another protocol.
    pub(super) fn on_text(&mut self, bytes: &[u8]) -> Option<Vec<Message>> {
        let answer = match message::read(bytes)? {
            Heard::Refused(kind, text) => failure(&self.api, &kind, text),
            Heard::Offer(kind, None) => failure(&self.api, &kind, "offer has no sdp"),
            Heard::Offer(kind, Some(_)) if self.running >= MAX_OFFERS => {
                failure(&self.api, &kind, "too many offers at once")
            }
            Heard::Offer(kind, Some(sdp)) => {
                self.start(kind, sdp);
                return Some(Vec::new());
            }
            Heard::Candidate(candidate) => {
                self.on_candidate(candidate);
                return Some(Vec::new());
            }
            Heard::Hello(player, pinned) => {
                self.why.pin(why::way(&pinned));
                return Some(vec![self.on_hello(&player), self.why.message(&self.api)]);
            }
            Heard::Hidden(hidden) => {
                self.on_hidden(hidden);
                return Some(Vec::new());
            }
            // Nobody answers for a module that is off.
            Heard::Media(kind, _) if !self.api.settings().has_module(kind.module()) => {
                return Some(Vec::new());
            }
            Heard::Hls(_) if !self.api.settings().has_module("hls") => return Some(Vec::new()),
            Heard::Hls(codecs) => {
                let Ok(place) = Arc::clone(&self.openings).try_acquire_owned() else {
                    return Some(vec![failure(&self.api, "hls", "too many requests at once")]);
                };
                self.has_hls = true;
                let (api, socket) = (Arc::clone(&self.api), Arc::clone(&self.player));
                let (call, give) = (Arc::clone(&self.call), self.give.clone());
                let tell = self.tell.clone();
                self.api.tasks.spawn("hls opening", async move {
                    media::open_hls(&api, &socket, &call, &codecs, (give, tell)).await;
                    drop(place);
                });
                return Some(Vec::new());
            }
            Heard::Media(kind, codecs) => {
                self.plays.retain(Play::is_running);
                if self.plays.len() < MAX_PLAYS {
                    self.play(kind, &codecs);
                    return Some(Vec::new());
                }
                failure(&self.api, kind.name(), "too many streams on one socket")
            }
            Heard::Ask(name) => self.on_ask(&name),
            Heard::Release => {
                self.talk.release();
                return Some(Vec::new());
            }
            Heard::Stop(kind) => {
                // By the type of the message, or of its answer.
                let is_meant =
                    |play: &mut Play| play.kind.answer() == kind || play.kind.name() == kind;
                for stopped in self.plays.extract_if(.., is_meant) {
                    self.why.stopped(stopped.kind.name());
                }
                if kind == "webrtc" {
                    // One that has not connected would be waited for.
                    for view in std::mem::take(&mut self.views) {
                        view.session.goodbye(Goodbye::Delete);
                    }
                    self.why.stopped("webrtc");
                }
                return Some(self.explained());
            }
            Heard::Unknown => return Some(Vec::new()),
        };
        Some(vec![answer])
    }

    fn on_candidate(&mut self, candidate: String) {
        if candidate.len() > MAX_CANDIDATE {
            return;
        }
        if self.running > 0 && self.waiting.len() < MAX_WAITING {
            self.waiting.push(candidate);
        } else if let Some(view) = self.views.last() {
            view.session.add_remote_candidate(&candidate);
        }
    }

    /// The player's running sessions of earlier sockets belong to this one now.
    fn on_hello(&mut self, player: &str) -> Message {
        let stream = self.api.streams.get(self.call.query.get("src"));
        self.has_greeted = true;
        self.talk.listen(stream.clone());
        let name = stream.as_ref().map_or("", |s| s.name());
        let player = match player {
            // One that does not say who it is: nobody else's.
            "" => format!("socket-{}", self.player.id),
            player => player.to_owned(),
        };
        for session in self.player.introduce(&player, name) {
            self.views.push(View::new(&self.api, session.clone(), stream.as_deref()));
            let (api, player) = (Arc::clone(&self.api), Arc::clone(&self.player));
            let (tell, offered) = (self.tell.clone(), self.offered.clone());
            self.api.tasks.spawn("webrtc session", async move {
                tokio::select! {
                    () = follow(&api, &player, session, "webrtc/offer", &tell) => {}
                    () = offered.cancelled() => {}
                }
            });
        }
        message::session(&self.api, self.player.id, &self.player.secret())
    }

    fn on_ask(&mut self, name: &str) -> Message {
        let Some(stream) = self.api.streams.get(self.call.query.get("src")) else {
            return failure(&self.api, "talk/request", "stream not found");
        };
        if !self.call.talk {
            return failure(&self.api, "talk/request", access::NO_TALK);
        }
        // Who has no session has no microphone that could be heard.
        if !self.has_greeted && self.views.is_empty() && self.running == 0 {
            let text = "there is no session here: say hello or send an offer first";
            return failure(&self.api, "talk/request", text);
        }
        let answer = self.talk.request(&stream, name, &self.call.remote_addr());
        for view in &self.views {
            self.talk.speaks_for(view.session.viewer());
        }
        answer
    }

    fn on_hidden(&mut self, hidden: bool) {
        if hidden {
            self.hidden = Some(self.player.hide());
            self.hide();
        } else {
            self.hidden = None;
            self.player.show();
            // Those of an earlier socket too; who is not hidden takes no notice.
            for view in &mut self.views {
                view.is_hidden = false;
                view.session.resume();
            }
        }
        self.plays.iter().for_each(|play| play.hide(self.hidden));
    }

    /// When the next session is to let go of its camera because the page is hidden.
    pub(super) fn next_hide(&self) -> Option<Instant> {
        let since = self.hidden?;
        let waiting = self.views.iter().filter(|v| v.is_to_hide()).map(|v| v.hidden_linger);
        waiting.min().map(|linger| since + linger)
    }

    pub(super) fn hide(&mut self) {
        let Some(since) = self.hidden else { return };
        let now = Instant::now();
        for view in self.views.iter_mut().filter(|v| v.is_to_hide()) {
            if since + view.hidden_linger <= now {
                view.is_hidden = true;
                view.session.park();
            }
        }
    }

    fn play(&mut self, kind: message::Kind, codecs: &str) {
        let (api, socket) = (Arc::clone(&self.api), Arc::clone(&self.player));
        let call = Arc::clone(&self.call);
        let to = (self.give.clone(), self.tell.clone());
        let play = Play::start(api, socket, call, kind, codecs, to);
        play.hide(self.hidden);
        self.plays.push(play);
    }

    fn start(&mut self, kind: String, sdp: String) {
        self.running += 1;
        if !self.offered.is_cancelled() {
            self.offered.cancel();
            self.views.clear();
        }
        let offer = Offer {
            api: Arc::clone(&self.api),
            socket: Arc::clone(&self.player),
            kind,
            sdp,
            call: Arc::clone(&self.call),
            publishes: !self.call.query.get("dst").is_empty(),
            signalling: webrtc::signalling(&self.call, "webrtc", "ws"),
            tell: self.tell.clone(),
        };
        self.api.tasks.spawn("webrtc session", offer.run());
    }
}
