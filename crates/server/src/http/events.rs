//! `api/rs/events`: what happens, as it happens, as server-sent events
//! (`docs/api-rs.md` has the schema).
//!
//! A reader is a task that waits for news, and a bounded queue to its
//! connection. One that does not keep up loses the connection and comes back
//! with `Last-Event-ID`. The end of a connection is noticed at once: while an
//! answer is written, its read side is watched.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use bytes::Bytes;
use rs2rtc_streams::CancellationToken;
use rs2rtc_streams::events::{Event, Record};
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use super::Api;
use super::call::{Call, Reply, error, not_allowed};
use super::streamed::{streamed, too_many};
use crate::ledger::millis;
use crate::metrics::kind_name;

/// Readers at the same time.
pub const MAX_READERS: usize = 64;
/// Distance of pings: proxies do not cut the connection, and a page that hears none knows that
/// it is cut.
const PING_EVERY: Duration = Duration::from_secs(15);
/// Pieces that wait for a slow reader.
const QUEUE: usize = 8;
/// Longest piece, but for a single longer record.
const PIECE: usize = 32 * 1024;
/// How long a reader may take nothing.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// Readers that are connected.
pub(crate) fn readers(api: &Api) -> usize {
    MAX_READERS.saturating_sub(api.readers.available_permits())
}

pub(crate) async fn handle(api: Arc<Api>, call: Call) -> Reply {
    if !matches!(call.method().as_str(), "GET" | "HEAD") {
        return not_allowed("GET, HEAD");
    }
    let topics = match Topics::parse(call.query.get("topics")) {
        Ok(topics) => topics,
        Err(text) => return error(StatusCode::BAD_REQUEST, &text),
    };
    let Ok(place) = Arc::clone(&api.readers).try_acquire_owned() else {
        return too_many("too many readers of events");
    };
    let last = match call.header("last-event-id") {
        "" => call.query.get("last"),
        last => last,
    };
    let (give, take) = mpsc::channel(QUEUE);
    let reader = Reader::new(Arc::clone(&api), topics, last, give, call.connection.clone(), place);
    if call.method() != "HEAD" {
        api.tasks.spawn("event reader", reader.run());
    }
    streamed("text/event-stream", take, call.line.stream(), Some)
}

/// What a reader wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Topics {
    streams: bool,
    sessions: bool,
    log: bool,
}

impl Topics {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self { streams: true, sessions: true, log: true });
        }
        let mut topics = Self { streams: false, sessions: false, log: false };
        for name in text.split(',') {
            match name.trim() {
                "streams" => topics.streams = true,
                "sessions" => topics.sessions = true,
                "log" => topics.log = true,
                _ => return Err("topics are streams, sessions and log".to_owned()),
            }
        }
        Ok(topics)
    }

    const fn wants(self, event: &Event) -> bool {
        if is_about_stream(event) { self.streams } else { self.sessions }
    }
}

struct Reader {
    api: Arc<Api>,
    topics: Topics,
    /// The last event that was sent or passed over.
    seq: u64,
    /// How far the log was sent.
    position: u64,
    give: mpsc::Sender<Bytes>,
    connection: CancellationToken,
    text: String,
    is_continued: bool,
    was_reset: bool,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    fn new(
        api: Arc<Api>,
        topics: Topics,
        last: &str,
        give: mpsc::Sender<Bytes>,
        connection: CancellationToken,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let mut reader = Self {
            seq: api.streams.events().last(),
            position: api.log.ring().end(),
            api,
            topics,
            give,
            connection,
            text: String::new(),
            is_continued: false,
            was_reset: false,
            _place: place,
        };
        if !last.is_empty() {
            match reader.known(last) {
                Some((seq, position)) => {
                    reader.seq = seq;
                    reader.position = position;
                    reader.is_continued = true;
                }
                None => reader.was_reset = true,
            }
        }
        reader
    }

    /// Where a reader with this last id goes on; `None` if what came after it is
    /// not there any more.
    fn known(&self, last: &str) -> Option<(u64, u64)> {
        let (number, position) = match last.split_once('.') {
            Some((number, position)) => (number, position.parse().ok()?),
            None => (last, self.position),
        };
        let seq = self.api.boot.seq(number.parse().ok()?)?;
        let is_gone = self.api.streams.events().since(seq).missed
            || self.topics.log && self.api.log.ring().since(position).missed;
        (!is_gone).then_some((seq, position))
    }

    async fn run(mut self) {
        let hello = json!({
            "boot": self.api.boot.to_string(),
            "seq": self.api.boot.number(self.seq),
        });
        self.put("hello", &hello);
        if self.was_reset {
            self.put("reset", &hello);
        }
        // With the first one a page knows that there will be others.
        let mut ping = Instant::now();
        loop {
            if !self.news() || !self.flush().await {
                // It comes back and gets what it missed.
                self.connection.cancel();
                return;
            }
            let api = Arc::clone(&self.api);
            tokio::select! {
                () = api.streams.events().changed(self.seq) => {}
                () = api.log.ring().changed(self.position), if self.topics.log => {}
                () = sleep_until(ping) => {
                    // Pages cannot hear comments.
                    self.text.push_str("event: ping\ndata: {}\n\n");
                    ping = Instant::now() + PING_EVERY;
                }
                () = self.give.closed() => return,
                () = api.cancel.cancelled() => return,
            }
        }
    }

    /// Takes what is new. False if some of it is gone already.
    fn news(&mut self) -> bool {
        let batch = self.api.streams.events().since(self.seq);
        if batch.missed {
            return false;
        }
        for record in batch.records {
            self.seq = record.seq;
            if self.topics.wants(&record.event) {
                let mut value = data(&record);
                self.api.secrets.mask_json(&mut value);
                self.put(name(&record.event), &value);
            }
        }
        if !self.topics.log {
            return true;
        }
        let lines = self.api.log.ring().since(self.position);
        for line in lines.bytes.split_inclusive(|b| *b == b'\n') {
            self.position += line.len() as u64;
            if let Ok(Value::Object(record)) = serde_json::from_slice(line) {
                self.put("log", &log_data(record));
            }
        }
        !lines.missed
    }

    fn put(&mut self, name: &str, data: &Value) {
        use std::fmt::Write as _;
        let number = self.api.boot.number(self.seq);
        // Writing to a text does not fail.
        let _ = match self.topics.log {
            true => writeln!(self.text, "id: {number}.{}", self.position),
            false => writeln!(self.text, "id: {number}"),
        };
        let _ = write!(self.text, "event: {name}\ndata: {data}\n\n");
    }

    /// False if the reader does not take it in time.
    async fn flush(&mut self) -> bool {
        let mut bytes = Bytes::from(std::mem::take(&mut self.text));
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            let sent = tokio::select! {
                sent = timeout(WRITE_LIMIT, self.give.send(piece)) => sent,
                () = self.api.cancel.cancelled() => return true,
            };
            match sent {
                Ok(Ok(())) => {}
                // The connection is gone already.
                Ok(Err(_)) => return true,
                Err(_) => return false,
            }
        }
        true
    }
}

const fn is_about_stream(event: &Event) -> bool {
    matches!(
        event,
        Event::StreamsChanged { .. }
            | Event::SourceOpening { .. }
            | Event::SourceOpened { .. }
            | Event::SourceFailed { .. }
            | Event::SourceWaiting { .. }
            | Event::SourceStalled { .. }
            | Event::SourceChanged { .. }
            | Event::SourceReleased { .. }
    )
}

pub(super) const fn name(event: &Event) -> &'static str {
    match event {
        Event::StreamsChanged { .. } => "streams_changed",
        Event::SourceOpening { .. } => "source_opening",
        Event::SourceOpened { .. } => "source_opened",
        Event::SourceFailed { .. } => "source_failed",
        Event::SourceWaiting { .. } => "source_waiting",
        Event::SourceStalled { .. } => "source_stalled",
        Event::SourceChanged { .. } => "source_changed",
        Event::SourceReleased { .. } => "source_released",
        Event::ViewerJoined { .. } => "viewer_joined",
        Event::ViewerParked { .. } => "viewer_parked",
        Event::ViewerResumed { .. } => "viewer_resumed",
        Event::ViewerLeft { .. } => "viewer_left",
        Event::TalkStarted { .. } => "talk_started",
        Event::TalkEnded { .. } => "talk_ended",
    }
}

/// A record as JSON, not yet masked.
pub(super) fn data(record: &Record) -> Value {
    let at = record.at.duration_since(UNIX_EPOCH).map_or(0.0, millis);
    let mut value = match &record.event {
        Event::StreamsChanged { stream } => json!({ "stream": stream }),
        Event::SourceOpening { stream, source } => json!({ "stream": stream, "source": source }),
        Event::SourceOpened { stream, source, took } => {
            json!({ "stream": stream, "source": source, "took_ms": millis(*took) })
        }
        Event::SourceFailed { stream, source, error, kind, retry } => json!({
            "stream": stream,
            "source": source,
            "error": error,
            "kind": kind_name(*kind),
            "retry_ms": retry.map(millis),
        }),
        Event::SourceWaiting { stream, source, group } => {
            json!({ "stream": stream, "source": source, "group": group })
        }
        Event::SourceStalled { stream, source, silent } => {
            json!({ "stream": stream, "source": source, "silent_ms": millis(*silent) })
        }
        Event::SourceChanged { stream, source, codec, size } => json!({
            "stream": stream,
            "source": source,
            "codec": codec,
            "width": size.map(|size| size.0),
            "height": size.map(|size| size.1),
        }),
        Event::SourceReleased { stream, source, viewer, reason, profile, detect, release } => {
            json!({
                "stream": stream,
                "source": source,
                "viewer": viewer,
                "reason": reason,
                "profile": profile,
                "detect_ms": detect.map(millis),
                "release_ms": millis(*release),
            })
        }
        Event::ViewerJoined { stream, viewer, format, remote } => {
            json!({ "stream": stream, "viewer": viewer, "format": format, "remote": remote })
        }
        Event::ViewerParked { stream, viewer, reason, detect, profile } => json!({
            "stream": stream,
            "viewer": viewer,
            "reason": reason,
            "detect_ms": detect.map(millis),
            "profile": profile,
        }),
        Event::ViewerResumed { stream, viewer, parked } => {
            json!({ "stream": stream, "viewer": viewer, "parked_ms": millis(*parked) })
        }
        Event::ViewerLeft { stream, viewer, format, reason, detect, profile } => json!({
            "stream": stream,
            "viewer": viewer,
            "format": format,
            "reason": reason,
            "detect_ms": detect.map(millis),
            "profile": profile,
        }),
        Event::TalkStarted { stream, number, by, asked } => {
            json!({ "stream": stream, "id": number, "by": by, "asked": asked })
        }
        Event::TalkEnded { stream, number, by, reason, took } => json!({
            "stream": stream,
            "id": number,
            "by": by,
            "reason": reason,
            "took_ms": millis(*took),
        }),
    };
    if let Value::Object(map) = &mut value {
        map.shift_insert(0, "at".into(), at.into());
    }
    value
}

/// A record of the log; its time is that of the record if it has one.
fn log_data(record: Map<String, Value>) -> Value {
    let own = record.get("time").and_then(Value::as_f64).filter(|t| *t > 1e11 && *t < 1e14);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, millis);
    let mut all = Map::new();
    all.insert("at".into(), own.unwrap_or_else(now).into());
    all.extend(record);
    Value::Object(all)
}
