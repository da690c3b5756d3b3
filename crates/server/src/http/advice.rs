//! Tells who configured the server when the times of the liveness are too short
//! for the networks of its viewers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rs2rtc_endpoints::outputs::webrtc::SessionReport;
use rs2rtc_streams::events::Event;
use tokio::time::{Instant, timeout};

use super::Api;
use crate::config::duration::show;

/// Wrong releases an hour from which on it is told.
const TOO_MANY: f64 = 1.0;
/// How often it is told for a stream.
const QUIET: Duration = Duration::from_secs(600);
/// Streams that are remembered.
const MAX_STREAMS: usize = 1024;
/// How long the media threads may take to tell their state.
const LIMIT: Duration = Duration::from_secs(1);

/// Looks at every camera that was let go for silence, until the program stops.
pub(crate) async fn run(api: Arc<Api>) {
    let mut told: HashMap<String, Instant> = HashMap::new();
    let mut seq = api.streams.events().last();
    loop {
        tokio::select! {
            () = api.streams.events().changed(seq) => {}
            () = api.cancel.cancelled() => return,
        }
        let mut viewers = Vec::new();
        for record in api.streams.events().since(seq).records {
            seq = record.seq;
            match &record.event {
                Event::ViewerParked { viewer, reason, .. } if reason == "silence" => {
                    viewers.push(*viewer);
                }
                Event::ViewerResumed { viewer, .. } => viewers.push(*viewer),
                _ => {}
            }
        }
        if viewers.is_empty() {
            continue;
        }
        let Some(Some(gateway)) = api.webrtc.get() else { continue };
        for report in timeout(LIMIT, gateway.reports()).await.unwrap_or_default() {
            let quiet = told.get(&report.stream).is_some_and(|at| at.elapsed() < QUIET);
            if quiet || !viewers.contains(&report.viewer) {
                continue;
            }
            let Some(text) = advice(&report) else { continue };
            tracing::warn!(target: "webrtc", stream = report.stream, id = report.viewer, "{text}");
            if told.len() >= MAX_STREAMS {
                told.clear();
            }
            told.insert(report.stream, Instant::now());
        }
    }
}

/// What to do, if something should be done.
fn advice(report: &SessionReport) -> Option<String> {
    let rate = report.expected_wrong_parks;
    (rate >= TOO_MANY).then(|| {
        format!(
            "the camera is let go after {} of silence, which on this viewer's network happens \
             about {rate:.0} times an hour without it being gone; choose a slower liveness profile \
             than {}, or a longer webrtc.timeouts.disconnected",
            show(report.limit),
            report.profile
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bad_settings_are_told() {
        let mut report = SessionReport {
            viewer: 1,
            publishes: false,
            stream: "cam".into(),
            remote: String::new(),
            user_agent: String::new(),
            state: "parked",
            profile: "fast",
            age: Duration::ZERO,
            silent: Duration::ZERO,
            sent: None,
            limit: Duration::from_secs(1),
            loss: 0.3,
            rtt: None,
            expected_wrong_parks: 0.2,
            reason: None,
            left: None,
            detect: None,
            timeline: Vec::new(),
        };
        assert_eq!(advice(&report), None);
        report.expected_wrong_parks = 72.4;
        let text = advice(&report).unwrap();
        assert!(text.contains("after 1s of silence") && text.contains("about 72 times"), "{text}");
        assert!(text.contains("than fast"), "{text}");
    }
}
