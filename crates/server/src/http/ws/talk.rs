//! The floor over the socket (`docs/api-rs.md`, "Talking"): a player asks for it, gets
//! it or learns who has it, and hears who speaks.

use std::future::pending;
use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::ws::Message;
use rs2rtc_streams::Stream;
use rs2rtc_streams::floor::{Ask, Standing, Talking};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::message::message;
use crate::ledger::millis;

/// What one socket has to do with the floor of its stream.
#[derive(Debug, Default)]
pub(super) struct Talk {
    floor: Option<Floor>,
    /// Who asks; there from the first time on.
    ask: Option<Ask>,
    /// It was given the floor and has not been told otherwise.
    has_it: bool,
    /// It wants to know who speaks.
    listens: bool,
    /// The number of who speaks, as it was told.
    told: Option<u64>,
}

#[derive(Debug)]
struct Floor {
    stream: Arc<Stream>,
    standing: watch::Receiver<Standing>,
}

impl Talk {
    /// The player wants to be told who speaks, from now on.
    pub(super) fn listen(&mut self, stream: Option<Arc<Stream>>) {
        self.listens = true;
        if let Some(stream) = stream {
            self.enter(&stream);
        }
    }

    /// The player asks.
    pub(super) fn request(&mut self, stream: &Arc<Stream>, name: &str, remote: &str) -> Message {
        self.enter(stream);
        let ask = self.ask.get_or_insert_with(|| stream.floor().asker(remote));
        match ask.request(name) {
            Ok(left) => {
                self.has_it = true;
                let ttl = millis(left);
                message("talk/granted", &json!({ "id": ask.number(), "ttl": ttl }))
            }
            Err(talking) => {
                self.has_it = false;
                message("talk/busy", &who(&talking))
            }
        }
    }

    /// The player gives it back.
    pub(super) fn release(&mut self) {
        self.has_it = false;
        if let Some(ask) = &self.ask {
            ask.release();
        }
    }

    /// The socket has ended.
    pub(super) fn leave(&mut self) {
        *self = Self::default();
    }

    /// A session of this socket: what it says is said by who asks here.
    pub(super) fn speaks_for(&self, viewer: u64) {
        if let (Some(floor), Some(ask)) = (&self.floor, &self.ask) {
            floor.stream.speaks_for(viewer, ask);
        }
    }

    /// Waits until there is something to tell, and gives it.
    pub(super) async fn news(&mut self) -> Vec<Message> {
        let Some(floor) = &mut self.floor else { return pending().await };
        if floor.standing.changed().await.is_err() {
            return pending().await;
        }
        let standing = floor.standing.borrow_and_update().clone();
        let mut messages = Vec::new();
        let number = standing.talking.as_ref().map(|talking| talking.number);
        let mine = self.ask.as_ref().map(Ask::number);
        if self.has_it && number != mine {
            self.has_it = false;
            let last = standing.last.filter(|(number, _)| Some(*number) == mine);
            let reason = last.map_or("left", |(_, lost)| lost.code());
            messages.push(message("talk/ended", &json!({ "reason": reason })));
        }
        if self.listens && self.told != number {
            self.told = number;
            let value = standing.talking.as_ref().map_or_else(|| json!({ "by": null }), who);
            messages.push(message("talk", &value));
        }
        messages
    }

    fn enter(&mut self, stream: &Arc<Stream>) {
        if self.floor.as_ref().is_some_and(|floor| Arc::ptr_eq(&floor.stream, stream)) {
            return;
        }
        // A stream of that name was made anew.
        (self.ask, self.has_it) = (None, false);
        let mut standing = stream.floor().watch();
        standing.mark_changed();
        self.floor = Some(Floor { stream: Arc::clone(stream), standing });
    }
}

/// Who speaks, for others.
fn who(talking: &Talking) -> Value {
    let since = SystemTime::now().checked_sub(talking.since.elapsed());
    let since = since.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    json!({
        "id": talking.number,
        "by": talking.by,
        "asked": talking.asked,
        "since": since.map(millis),
    })
}
