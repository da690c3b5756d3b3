//! What the sessions and the media of a socket tell it, and what its player is told of that.

use axum::extract::ws::Message;

use super::Client;
use super::session::{Became, Told};

impl Client {
    /// Whether what became of a way is still of interest: it is of the last session, or of media
    /// that goes over this socket, and was not stopped meanwhile.
    fn is_current(&self, way: &str, viewer: Option<u64>) -> bool {
        match way {
            "webrtc" => self.views.last().map(|view| view.session.viewer()) == viewer,
            "hls" => true,
            _ => self.plays.iter().any(|play| play.kind.name() == way),
        }
    }

    /// What is known of all ways of playing, for who has said hello.
    pub(super) fn explained(&self) -> Vec<Message> {
        if self.has_greeted { vec![self.why.message(&self.api)] } else { Vec::new() }
    }

    pub(super) fn on_told(&mut self, told: Told) -> Option<Vec<Message>> {
        match told {
            Told::Answered(messages, view) => {
                self.running = self.running.saturating_sub(1);
                for candidate in self.waiting.drain(..) {
                    view.session.add_remote_candidate(&candidate);
                }
                self.views.retain(|v| v.session.close_reason().is_none());
                self.talk.speaks_for(view.session.viewer());
                self.views.push(view);
                self.hide();
                Some(messages)
            }
            Told::Failed(problem) => {
                self.running = self.running.saturating_sub(1);
                Some(vec![problem])
            }
            Told::News(viewer, message) => {
                let is_current = self.views.last().is_some_and(|v| v.session.viewer() == viewer);
                Some(if is_current { vec![message] } else { Vec::new() })
            }
            Told::Way(way, viewer, became) => {
                if !self.is_current(way, viewer) {
                    return Some(Vec::new());
                }
                match became {
                    Became::Plays(candidates) => self.why.set(way, candidates),
                    Became::Failed(text) => self.why.fail(way, &text),
                    Became::NoNetwork => self.why.no_network(),
                }
                Some(self.explained())
            }
            Told::Ended(message, is_over) => {
                self.views.retain(|v| v.session.close_reason().is_none());
                if is_over && self.views.is_empty() {
                    self.why.ended("webrtc");
                }
                let is_alone = self.views.is_empty() && self.running == 0 && !self.has_media();
                Some(match (is_over, is_alone) {
                    (false, _) => vec![message],
                    (true, true) => vec![message, Message::Close(None)],
                    // Another session has taken its place, or the page has chosen to play
                    // what goes over this socket.
                    (true, false) => Vec::new(),
                })
            }
        }
    }
}
