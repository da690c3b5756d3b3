//! `/api/config` (`spec/api.md` 2): the raw file, replacing it, merging into it.
//! What is written takes effect at once, as far as it is valid.

use std::sync::Arc;

use axum::http::{HeaderValue, Method, StatusCode, header};

use super::call::{Call, Reply, empty, error, off_thread, to_file, typed};
use super::{Api, Class};
use crate::config::node::{Node, Value};
use crate::config::{WriteError, mask, parse_text, versions};

pub(crate) fn class(_: &Api, call: &Call) -> Class {
    match *call.method() {
        Method::POST | Method::PATCH | Method::PUT | Method::DELETE => Class::Admin,
        _ => Class::View,
    }
}

pub(crate) async fn handle(api: Arc<Api>, mut call: Call) -> Reply {
    if api.file.path().is_none() {
        return error(StatusCode::GONE, "");
    }
    match *call.method() {
        Method::GET | Method::HEAD => off_thread(move || get(&api, call.admin)).await,
        Method::POST => match call.body().await {
            Ok(body) => to_file(&api, move |api| post(api, &body)).await,
            Err(reply) => *reply,
        },
        Method::PATCH => match call.body().await {
            Ok(body) => to_file(&api, move |api| patch(api, &body)).await,
            Err(reply) => *reply,
        },
        _ => empty(),
    }
}

/// The file as it is, with the name of its version; for anybody but an admin
/// with secrets masked, and without that name, which depends on them.
fn get(api: &Api, admin: bool) -> Reply {
    match api.file.read() {
        Ok(bytes) if admin => {
            let id = versions::id(&String::from_utf8_lossy(&bytes));
            let mut reply = typed("application/yaml", bytes);
            if let Ok(tag) = HeaderValue::from_str(&format!("\"{id}\"")) {
                reply.headers_mut().insert(header::ETAG, tag);
            }
            reply
        }
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            typed("application/yaml", mask::masked(&text, |line| api.secrets.mask(line)))
        }
        Err(problem) if problem.is_missing() => error(StatusCode::NOT_FOUND, ""),
        Err(problem) => error(StatusCode::INTERNAL_SERVER_ERROR, &problem.to_string()),
    }
}

fn post(api: &Api, body: &[u8]) -> Reply {
    let refuse = |text: &str| error(StatusCode::INTERNAL_SERVER_ERROR, text);
    let text = match text_of(api, body) {
        Ok(text) => text,
        Err(problem) => return refuse(&problem),
    };
    match parse_text(&text).1 {
        Ok(node) if matches!(node.value, Value::Map(_) | Value::Null) => {}
        Ok(node) => {
            let text = format!("yaml: line 1: must be a mapping of sections, not {}", node.kind());
            return refuse(&text);
        }
        Err(problem) => return refuse(&problem.to_string()),
    }
    match api.live.write(api, || api.file.write(&text)) {
        Ok(()) => empty(),
        Err(problem) => refuse(&problem.to_string()),
    }
}

fn patch(api: &Api, body: &[u8]) -> Reply {
    let refuse = |text: &str| error(StatusCode::BAD_REQUEST, text);
    let Ok(text) = std::str::from_utf8(body) else { return refuse("yaml: text is not UTF-8") };
    let document = match Node::parse(text) {
        Ok(document) => document,
        Err(problem) => return refuse(&problem.to_string()),
    };
    match api.live.write(api, || api.file.merge(&document)) {
        Ok(()) => empty(),
        Err(problem @ WriteError::Io { .. }) if problem.is_missing() => {
            let path = api.file.path().map(|p| p.display().to_string()).unwrap_or_default();
            refuse(&format!("open {path}: no such file or directory"))
        }
        Err(problem) => refuse(&problem.to_string()),
    }
}

/// A text that was sent, with masks replaced by what they stand for.
pub(super) fn text_of(api: &Api, body: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(body).map_err(|_| "yaml: text is not UTF-8".to_owned())?;
    let old = api.file.text().unwrap_or_default();
    mask::unmasked(text, &old, |line| api.secrets.mask(line)).map_err(|line| {
        format!("yaml: line {line}: a mask (***) stands for no value that was there before")
    })
}
