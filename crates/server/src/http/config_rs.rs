//! `/api/rs/config/…` and `/schema.json` (`docs/api-rs.md`): checking a
//! configuration, putting it in force, and going back to an earlier one.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::call::{
    Call, NO_FILE, Reply, error, json as reply_json, not_allowed, off_thread, to_file, typed,
};
use super::config_api::text_of;
use super::{Api, config_confirm};
use crate::config::versions::{self, Versions};
use crate::config::{Code, Problem, Severity, WriteError, schema};
use crate::live::{Applied, Refused};
use crate::secrets::Secrets;

/// Longest wait for the checks before.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn schema(_: Arc<Api>, _: Call) -> Reply {
    let text = serde_json::to_string_pretty(&schema::schema()).unwrap_or_default();
    typed("application/json", text + "\n")
}

/// What is wrong in a text, and for admins what it would change.
pub(crate) async fn check(api: Arc<Api>, mut call: Call) -> Reply {
    if call.method() != Method::POST {
        return not_allowed("POST");
    }
    let body = match call.body().await {
        Ok(body) => body,
        Err(reply) => return *reply,
    };
    let admin = call.admin;
    // What a check needs of memory is bounded, and so is how many there are at once.
    let turn = timeout(PATIENCE, Arc::clone(&api.checks).acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        return error(StatusCode::SERVICE_UNAVAILABLE, "other texts are being checked: ask again");
    };
    off_thread(move || {
        let reply = checked(&api, &body, admin);
        drop(turn);
        reply
    })
    .await
}

fn checked(api: &Api, body: &[u8], admin: bool) -> Reply {
    let text = match (admin, std::str::from_utf8(body)) {
        (_, Err(_)) => return error(StatusCode::BAD_REQUEST, "yaml: text is not UTF-8"),
        // To others a mask is a value like any other: they learn nothing by it.
        (false, Ok(text)) => text.to_owned(),
        (true, Ok(_)) => match text_of(api, body) {
            Ok(text) => text,
            Err(problem) => return error(StatusCode::BAD_REQUEST, &problem),
        },
    };
    let checked = if admin { api.live.check(&text) } else { api.live.check_alone(&text) };
    let hidden = Secrets::default();
    hidden.add(checked.secrets.iter().cloned());
    let hide = |text: &str| api.secrets.mask(&hidden.mask(text));
    let mut reply = Map::new();
    reply.insert("problems".into(), problems(&checked.config.problems, &hide));
    reply.insert("valid".into(), api.live.new_errors(&checked).is_empty().into());
    if admin {
        let preview = api.live.preview(&checked);
        reply.insert("changes".into(), changes(&preview));
        reply.insert("restart_required".into(), json!(preview.restart_required));
    }
    reply_json(&Value::Object(reply))
}

/// Writes a text and puts it in force.
pub(crate) async fn apply(api: Arc<Api>, mut call: Call) -> Reply {
    if call.method() != Method::POST {
        return not_allowed("POST");
    }
    if api.file.path().is_none() {
        return error(StatusCode::GONE, NO_FILE);
    }
    let body = match call.body().await {
        Ok(body) => body,
        Err(reply) => return *reply,
    };
    let base = call.query.get("base");
    if base.is_empty() {
        return error(StatusCode::BAD_REQUEST, "base: name the version that was edited");
    }
    let wait = match config_confirm::wait(&call) {
        Ok(wait) => wait,
        Err(text) => return error(StatusCode::BAD_REQUEST, text),
    };
    let base = base.to_owned();
    let change = move |api: &Arc<Api>| match text_of(api, &body) {
        Ok(text) => put(api, &base, &text, wait),
        Err(problem) => error(StatusCode::BAD_REQUEST, &problem),
    };
    to_file(&api, change).await
}

/// All versions, or the text of one.
pub(crate) async fn list(api: Arc<Api>, call: Call) -> Reply {
    off_thread(move || {
        let Some(kept) = api.file.versions() else { return error(StatusCode::GONE, NO_FILE) };
        match call.parts.uri.path().rsplit('/').next().unwrap_or_default() {
            "versions" => all(&api, &kept),
            number => match number.parse().ok().and_then(|number| kept.get(number).ok()) {
                Some(version) => typed("application/yaml", version.text),
                None => error(StatusCode::NOT_FOUND, "no such version"),
            },
        }
    })
    .await
}

fn all(api: &Api, kept: &Versions) -> Reply {
    let text = match api.file.text() {
        Ok(text) => text,
        Err(problem) => return error(StatusCode::INTERNAL_SERVER_ERROR, &problem.to_string()),
    };
    let (versions, unavailable) = match kept.list() {
        Ok(versions) => (versions, api.file.no_versions()),
        Err(problem) => (Vec::new(), Some(format!("{}: {problem}", kept.folder().display()))),
    };
    let list: Vec<Value> = versions
        .iter()
        .map(|v| {
            json!({
                "number": v.number,
                "version": versions::id(&v.text),
                "saved": millis(v.saved),
                "bytes": v.text.len(),
            })
        })
        .collect();
    let version = versions::id(&text);
    let left = api.live.left(api, &version);
    let about = api.file.path().and_then(|path| std::fs::metadata(path).ok());
    let saved = about.and_then(|about| about.modified().ok());
    reply_json(&json!({
        "version": version,
        "saved": saved.map(millis),
        "unconfirmed": left.map(|left| json!({ "left_ms": whole_millis(left) })),
        "path": api.file.path().map(|path| path.display().to_string()),
        "versions": list,
        "unavailable": unavailable,
    }))
}

/// Puts an earlier version in force. It becomes the newest one.
pub(crate) async fn rollback(api: Arc<Api>, call: Call) -> Reply {
    if call.method() != Method::POST {
        return not_allowed("POST");
    }
    if api.file.path().is_none() {
        return error(StatusCode::GONE, NO_FILE);
    }
    let Ok(number) = call.query.get("number").parse() else {
        return error(StatusCode::BAD_REQUEST, "number: which version?");
    };
    let base = call.query.get("base").to_owned();
    to_file(&api, move |api| put_earlier(api, number, &base)).await
}

fn put_earlier(api: &Arc<Api>, number: u64, base: &str) -> Reply {
    let Some(Ok(version)) = api.file.versions().map(|kept| kept.get(number)) else {
        return error(StatusCode::NOT_FOUND, "no such version");
    };
    if !base.is_empty() {
        return put(api, base, &version.text, None);
    }
    match api.file.text() {
        Ok(text) => put(api, &versions::id(&text), &version.text, None),
        Err(problem) => error(StatusCode::INTERNAL_SERVER_ERROR, &problem.to_string()),
    }
}

fn put(api: &Arc<Api>, base: &str, text: &str, wait: Option<Duration>) -> Reply {
    let applied = api.live.apply_for(api, base, text, wait);
    reply(api, applied.map(|applied| (versions::id(text), applied)))
}

/// What came of a change: its version and what it changed, or why it was refused.
pub(super) fn reply(api: &Api, done: Result<(String, Applied), Refused>) -> Reply {
    let hide = |text: &str| api.secrets.mask(text);
    match done {
        Ok((version, applied)) => reply_json(&json!({
            "unconfirmed": api.live.left(api, &version).map(|left| json!({ "left_ms": whole_millis(left) })),
            "version": version,
            "changes": changes(&applied),
            "restart_required": applied.restart_required,
            "problems": problems(&applied.problems, &hide),
        })),
        Err(Refused::Invalid(wrong)) => {
            with_status(StatusCode::BAD_REQUEST, &json!({ "problems": problems(&wrong, &hide) }))
        }
        Err(Refused::Write(WriteError::Conflict { current })) => {
            with_status(StatusCode::CONFLICT, &json!({ "version": current }))
        }
        Err(problem) => error(StatusCode::INTERNAL_SERVER_ERROR, &hide(&problem.to_string())),
    }
}

pub(super) fn with_status(code: StatusCode, value: &Value) -> Reply {
    let mut reply = reply_json(value);
    *reply.status_mut() = code;
    reply
}

fn problems(list: &[Problem], hide: &impl Fn(&str) -> String) -> Value {
    list.iter()
        .map(|problem| {
            let code = problem.code.as_ref();
            json!({
                "file": problem.file,
                "line": problem.at.line,
                "column": problem.at.column,
                "path": hide(&problem.path),
                "text": hide(&problem.text),
                "severity": match problem.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                },
                "code": code.map(Code::name),
                "values": code.map(|code| code.values().iter().map(|v| hide(v)).collect::<Vec<_>>()),
            })
        })
        .collect()
}

fn changes(applied: &Applied) -> Value {
    let all = applied.changes.iter();
    all.map(|change| json!({ "path": change.path, "change": change.what.name() })).collect()
}

fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    whole_millis(since)
}
