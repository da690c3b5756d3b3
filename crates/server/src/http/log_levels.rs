//! `api/rs/log/levels`: another log level for one module, for a while and without
//! touching the configuration (`docs/api-rs.md`).

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::Duration;

use super::Api;
use super::call::{Call, Reply, error, json as reply_json, not_allowed};
use crate::logging::levels;
use crate::modules;

/// How long a level holds if the caller does not say, and at most, in minutes.
const MINUTES: u64 = 10;
const MOST_MINUTES: u64 = 60;

/// What our own records that belong to no module of the contract are from.
const OTHERS: [&str; 3] = ["app", "config", "streams"];

pub(crate) async fn handle(api: Arc<Api>, call: Call) -> Reply {
    let changed = match *call.method() {
        Method::GET | Method::HEAD => Ok(()),
        Method::POST => set(&api, &call),
        Method::DELETE => end(&api, &call),
        _ => return not_allowed("GET, HEAD, POST, DELETE"),
    };
    match changed {
        Ok(()) => reply_json(&report(&api)),
        Err((status, text)) => error(status, &text),
    }
}

fn set(api: &Api, call: &Call) -> Result<(), (StatusCode, String)> {
    let wrong = |text: String| (StatusCode::BAD_REQUEST, text);
    let (module, text) = (call.query.get("module"), call.query.get("level"));
    let level = levels::parse(text).filter(|_| !text.is_empty());
    let level = level.ok_or_else(|| wrong(format!("level must be one of {}", levels::NAMES)))?;
    let minutes = match call.query.get("minutes") {
        "" => Some(MINUTES),
        text => text.parse().ok().filter(|minutes| (1..=MOST_MINUTES).contains(minutes)),
    };
    let minutes = minutes
        .ok_or_else(|| wrong(format!("minutes must be a number from 1 to {MOST_MINUTES}")))?;
    let span = Duration::from_secs(60 * minutes);
    api.log.set_level(module, level, span).map_err(|problem| wrong(problem.to_string()))?;
    let (of, level) = (levels::whose(module), levels::name(level));
    tracing::info!(target: "api", of, level, minutes, peer = %call.peer, "log level for a while");
    Ok(())
}

fn end(api: &Api, call: &Call) -> Result<(), (StatusCode, String)> {
    let module = call.query.get("module");
    if api.log.end_level(module) {
        let of = levels::whose(module);
        tracing::info!(target: "api", of, peer = %call.peer, "log level for a while was ended");
        return Ok(());
    }
    Err((StatusCode::NOT_FOUND, "this module has no level for a while".to_owned()))
}

fn report(api: &Api) -> Value {
    let report = api.log.levels();
    let modules = report.modules.into_iter();
    let modules: Map<_, _> = modules.map(|(m, l)| (m, levels::name(l).into())).collect();
    let settings = api.settings();
    let on = modules::ALL.iter().filter(|name| modules::exists(name) && settings.has_module(name));
    let mut known: Vec<&str> = OTHERS.iter().chain(on).copied().collect();
    known.sort_unstable();
    let temporary = report.temporary.into_iter().map(|(module, level, left)| {
        let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        json!({ "module": module, "level": levels::name(level), "left_ms": left })
    });
    json!({
        "level": levels::name(report.general),
        "modules": modules,
        "known": known,
        "temporary": temporary.collect::<Vec<_>>(),
    })
}
