//! `api/rs/sessions`: who watches, how sure we are of that, and who has left
//! (`docs/api-rs.md`).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{Method, StatusCode};
use rs2rtc_endpoints::outputs::webrtc::SessionReport;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::call::{Call, Reply, empty, error, json as reply_json, not_allowed};
use super::{Api, Class};
use crate::ledger::{Viewer, millis};

/// How long the media threads may take to tell their state.
const LIMIT: Duration = Duration::from_secs(1);

pub(crate) fn class(_: &Api, call: &Call) -> Class {
    match *call.method() {
        Method::GET | Method::HEAD => Class::View,
        _ => Class::Stream,
    }
}

pub(crate) async fn handle(api: Arc<Api>, call: Call) -> Reply {
    match *call.method() {
        Method::GET | Method::HEAD => list(&api, &call).await,
        Method::DELETE => kick(&api, &call),
        _ => not_allowed("GET, HEAD, DELETE"),
    }
}

fn kick(api: &Api, call: &Call) -> Reply {
    let Ok(id) = call.query.get("id").parse::<u64>() else {
        return error(StatusCode::BAD_REQUEST, "id must be the number of a session");
    };
    let is_session = api.webrtc.get().and_then(Option::as_ref).is_some_and(|g| g.kick(id));
    let kick = |reason: &str| api.streams.list().iter().any(|(_, s)| s.kick(id, reason));
    if is_session || kick("ended by an administrator") {
        tracing::info!(target: "api", id, peer = %call.peer, "viewer was ended");
        empty()
    } else {
        error(StatusCode::NOT_FOUND, "no such session")
    }
}

async fn list(api: &Api, call: &Call) -> Reply {
    let wanted = call.query.get("stream");
    let is_wanted = |stream: &str| wanted.is_empty() || stream == wanted;
    let gateway = api.webrtc.get().and_then(Option::as_ref);
    let reports = match gateway {
        Some(gateway) => timeout(LIMIT, gateway.reports()).await.unwrap_or_default(),
        None => Vec::new(),
    };
    // One that says its goodbye has left.
    let reports = reports.into_iter().filter(|report| report.state != "gone");
    let now = SystemTime::now();
    let mut sessions: Vec<(u64, Value)> = Vec::new();
    let mut seen: HashSet<u64> = HashSet::new();
    for report in reports {
        seen.insert(report.viewer);
        if is_wanted(&report.stream) {
            let viewer = api.ledger.viewer(&api.streams, report.viewer);
            let value = session(Some(&report), viewer.as_ref(), report.viewer, &report.stream, now);
            sessions.push((report.viewer, value));
        }
    }
    for (_, stream) in api.streams.list() {
        if !is_wanted(stream.name()) {
            continue;
        }
        for consumer in stream.snapshot().consumers.unwrap_or_default() {
            if !seen.insert(consumer.id) {
                continue;
            }
            let about = consumer.description;
            let joined = api.ledger.viewer(&api.streams, consumer.id).map_or(now, |v| v.joined);
            let viewer = Viewer {
                id: consumer.id,
                stream: stream.name().to_owned(),
                format: about.format_name,
                remote: about.remote_addr,
                user_agent: about.user_agent,
                joined,
                left: None,
                is_parked: false,
                reason: String::new(),
                profile: "",
                detect: None,
                release: None,
            };
            sessions
                .push((consumer.id, session(None, Some(&viewer), consumer.id, stream.name(), now)));
        }
    }
    // Who has let go for a while is no consumer meanwhile.
    for viewer in api.ledger.parked(&api.streams) {
        if is_wanted(&viewer.stream) && seen.insert(viewer.id) {
            let value = session(None, Some(&viewer), viewer.id, &viewer.stream, now);
            sessions.push((viewer.id, value));
        }
    }
    sessions.sort_by_key(|(id, _)| *id);
    let sessions: Vec<Value> = sessions.into_iter().map(|(_, value)| value).collect();
    let mut all = Map::new();
    all.insert("sessions".into(), sessions.into());
    if matches!(call.query.get("ended"), "" | "1") {
        let reports = gateway.map(|g| g.ended()).unwrap_or_default();
        let known = api.ledger.ended(&api.streams);
        let viewers = known.iter().filter(|v| is_wanted(&v.stream)).map(|viewer| {
            let report = reports.iter().find(|r| r.viewer == viewer.id);
            session(report, Some(viewer), viewer.id, &viewer.stream, now)
        });
        // Publishers are no viewers of a stream.
        let others = reports.iter().filter(|r| is_wanted(&r.stream));
        let others = others.filter(|r| known.iter().all(|viewer| viewer.id != r.viewer));
        let others = others.map(|r| session(Some(r), None, r.viewer, &r.stream, now));
        all.insert("ended".into(), others.chain(viewers).collect());
    }
    let mut all = Value::Object(all);
    api.secrets.mask_json(&mut all);
    reply_json(&all)
}

/// One session; what is not known is `null`.
fn session(
    report: Option<&SessionReport>,
    viewer: Option<&Viewer>,
    id: u64,
    stream: &str,
    now: SystemTime,
) -> Value {
    // A publisher is in no ledger: its report says what is known.
    let left = viewer.and_then(|v| v.left).or_else(|| report?.left);
    let state = match (left, report) {
        (Some(_), _) => "gone",
        (None, Some(report)) => report.state,
        (None, None) if viewer.is_some_and(|v| v.is_parked) => "parked",
        (None, None) => "alive",
    };
    let text = |get: fn(&Viewer) -> &str| viewer.map(get).filter(|t| !t.is_empty());
    let said = |get: fn(&SessionReport) -> &str| report.map(get).filter(|t| !t.is_empty());
    let age = report.map(|r| r.age).or_else(|| {
        let end = left.unwrap_or(now);
        end.duration_since(viewer?.joined).ok()
    });
    let profile = report.map(|r| r.profile).or_else(|| text(|v| v.profile));
    let reason = report.and_then(|r| r.reason).map(|r| r.code()).or_else(|| text(|v| &v.reason));
    let live = report.filter(|_| left.is_none());
    let timeline: Vec<Value> = report
        .iter()
        .flat_map(|r| &r.timeline)
        .map(|mark| json!({ "ms": millis(mark.at), "event": mark.name, "detail": mark.detail }))
        .collect();
    json!({
        "id": id,
        "stream": stream,
        "format": text(|v| &v.format).or_else(|| report.map(|_| "webrtc")),
        "publishes": report.is_some_and(|r| r.publishes),
        "state": state,
        "profile": profile,
        "remote": text(|v| &v.remote).or_else(|| said(|r| &r.remote)),
        "user_agent": text(|v| &v.user_agent).or_else(|| said(|r| &r.user_agent)),
        "age_ms": age.map(millis),
        "left_at": left.and_then(|l| l.duration_since(UNIX_EPOCH).ok()).map(millis),
        "heard_ms_ago": live.map(|r| millis(r.silent)),
        "sent_ms_ago": live.and_then(|r| r.sent).map(millis),
        "limit_ms": report.map(|r| millis(r.limit)),
        "loss": report.map(|r| round(r.loss)),
        "rtt_ms": report.and_then(|r| r.rtt).map(millis),
        "wrong_parks_per_hour": report.map(|r| round(r.expected_wrong_parks)),
        "reason": reason,
        "detect_ms": viewer.and_then(|v| v.detect).or_else(|| report?.detect).map(millis),
        "release_ms": viewer.and_then(|v| v.release).map(millis),
        "timeline": timeline,
    })
}

/// Three decimals.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No ledger knows one, so that only its report can tell.
    #[test]
    fn of_a_publisher_that_left_it_is_known_when_and_who_it_was() {
        let at = UNIX_EPOCH + Duration::from_millis(1_766_841_087_331);
        let report = SessionReport {
            viewer: 7,
            publishes: true,
            stream: "cam".into(),
            remote: "10.0.0.9:5000".into(),
            user_agent: "phone".into(),
            state: "gone",
            profile: "default",
            age: Duration::from_secs(9),
            silent: Duration::ZERO,
            sent: None,
            limit: Duration::from_secs(3),
            loss: 0.0,
            rtt: None,
            expected_wrong_parks: 0.0,
            reason: None,
            left: Some(at),
            detect: Some(Duration::from_millis(5)),
            timeline: Vec::new(),
        };
        let shown = session(Some(&report), None, 7, "cam", SystemTime::now());
        assert_eq!(shown["left_at"], 1_766_841_087_331.0);
        assert_eq!((&shown["state"], &shown["publishes"]), (&json!("gone"), &json!(true)));
        assert_eq!(
            (&shown["remote"], &shown["user_agent"]),
            (&json!("10.0.0.9:5000"), &json!("phone"))
        );
        assert_eq!((&shown["age_ms"], &shown["heard_ms_ago"]), (&json!(9000.0), &Value::Null));
        let live = SessionReport { left: None, state: "alive", ..report };
        let shown = session(Some(&live), None, 7, "cam", SystemTime::now());
        assert_eq!((&shown["left_at"], &shown["heard_ms_ago"]), (&Value::Null, &json!(0.0)));
    }
}
