//! `/api/rs/config/confirm` (`docs/api-rs.md`): keeps a configuration that is on
//! trial, or goes back from it at once.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Api;
use super::call::{Call, NO_FILE, Reply, error, json as reply_json, not_allowed, off_thread};
use super::config_rs::{reply, with_status};
use crate::config::versions;
use crate::live::unconfirmed::LONGEST;

pub(crate) async fn handle(api: Arc<Api>, call: Call) -> Reply {
    if api.file.path().is_none() {
        return error(StatusCode::GONE, NO_FILE);
    }
    let version = call.query.get("version").to_owned();
    match *call.method() {
        Method::POST => {
            off_thread(move || {
                if api.live.confirm(&api, &version) {
                    tracing::info!(target: "config", "confirmed");
                    return reply_json(&json!({ "version": version }));
                }
                not_waiting(&api)
            })
            .await
        }
        Method::DELETE => {
            off_thread(move || match api.live.go_back(&api, &version) {
                Some(done) => reply(&api, done),
                None => not_waiting(&api),
            })
            .await
        }
        _ => not_allowed("POST, DELETE"),
    }
}

/// It was confirmed, has gone back, or another one has taken its place.
fn not_waiting(api: &Api) -> Reply {
    let current = api.file.text().map_or(Value::Null, |text| versions::id(&text).into());
    with_status(StatusCode::CONFLICT, &json!({ "version": current }))
}

/// How long a call wants a configuration to be on trial: `confirm`, in seconds.
///
/// # Errors
/// What is wrong with the number.
pub(super) fn wait(call: &Call) -> Result<Option<Duration>, &'static str> {
    match call.query.get("confirm") {
        "" => Ok(None),
        text => match text.parse().map(Duration::from_secs) {
            Ok(wait) if !wait.is_zero() && wait <= LONGEST => Ok(Some(wait)),
            _ => Err("confirm: seconds, 1 to 3600"),
        },
    }
}
