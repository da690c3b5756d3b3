//! `api/rs/metrics`, also at `/metrics`: the figures for Prometheus.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, header};
use rs2rtc_endpoints::outputs::webrtc::liveness::Hint;
use rs2rtc_streams::Stream;
use tokio::time::timeout;

use super::call::{Call, Reply, not_allowed, typed};
use super::{Api, events};
use crate::metrics::{Form, Link, Reading};

/// How long the media threads may take to tell their state.
const LIMIT: Duration = Duration::from_secs(1);

pub(crate) async fn handle(api: Arc<Api>, call: Call) -> Reply {
    if !matches!(call.method().as_str(), "GET" | "HEAD") {
        return not_allowed("GET, HEAD");
    }
    let form = Form::of(call.header("accept"));
    let reading = read(&api).await;
    // So that what has just happened is counted.
    api.ledger.ended(&api.streams);
    let mut reply = typed("", api.ledger.metrics.text(&reading, form));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

async fn read(api: &Api) -> Reading {
    let streams = api.streams.counters();
    let mut reading = Reading {
        busy_retries: streams.busy_retries,
        leases_held: streams.leases_held,
        leases_waiting: streams.leases_waiting,
        overdue_runs: streams.overdue_runs,
        tasks: streams.tasks + (api.tasks.len() + api.context.tasks.len()) as u64,
        open_fds: open_fds(),
        kills: rs2rtc_endpoints::io::process::kills(),
        sockets: api.players.len() as u64,
        event_readers: events::readers(api) as u64,
        mp4: api.context.mp4.figures(),
        ..Reading::default()
    };
    count_streams(api, &mut reading);
    let states = ["connecting", "alive", "suspect", "parked", "gone"];
    reading.sessions = states.iter().map(|state| (*state, 0)).collect();
    let Some(Some(gateway)) = api.webrtc.get() else { return reading };
    for report in timeout(LIMIT, gateway.reports()).await.unwrap_or_default() {
        if let Some((_, count)) = reading.sessions.iter_mut().find(|(s, _)| *s == report.state) {
            *count += 1;
        }
        if matches!(report.state, "alive" | "suspect" | "parked") {
            reading.links.push(Link {
                // One that was named by its address has its password in its name.
                stream: api.secrets.mask(&report.stream),
                viewer: report.viewer,
                limit: report.limit.as_secs_f64(),
                loss: report.loss,
                rtt: report.rtt.map(|rtt| rtt.as_secs_f64()),
            });
        }
    }
    let counters = gateway.counters();
    let load =
        |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
    reading.hints = Hint::ALL
        .iter()
        .map(|hint| {
            let at = |list: &[std::sync::atomic::AtomicU64]| list.get(hint.index()).map_or(0, load);
            (hint.name(), at(&counters.confirmed), at(&counters.pardoned))
        })
        .collect();
    reading.wrong_parks = load(&counters.resumes);
    reading.probes_sent = load(&counters.probes);
    reading.probes_answered = load(&counters.answers);
    reading.quotes_rejected = load(&counters.rejected_quotes);
    reading.late_ticks = load(&counters.late);
    reading
}

fn count_streams(api: &Api, reading: &mut Reading) {
    let mut streams: Vec<Arc<Stream>> = api.streams.list().into_iter().map(|(_, s)| s).collect();
    // A stream may have several names.
    streams.sort_by_key(Arc::as_ptr);
    streams.dedup_by(|a, b| Arc::ptr_eq(a, b));
    for stream in streams {
        reading.consumers += stream.viewers() as u64;
        let producers = stream.snapshot().producers.unwrap_or_default();
        reading.producers += producers.iter().filter(|p| p.connection.is_some()).count() as u64;
    }
}

/// Open file descriptors of this process; 0 where the system does not tell.
pub(crate) fn open_fds() -> u64 {
    let listed = std::fs::read_dir("/proc/self/fd").or_else(|_| std::fs::read_dir("/dev/fd"));
    // Without the one that reads the list.
    listed.map_or(0, |list| list.count().saturating_sub(1) as u64)
}
