//! `/api/config` (`spec/api.md` 2): the raw file, replacing it, merging into it.

use std::io;
use std::sync::Arc;

use axum::http::{Method, StatusCode};

use super::call::{Call, Reply, empty, error, typed};
use super::{Api, Class};
use crate::config::WriteError;
use crate::config::node::{Node, Value};

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
        Method::GET | Method::HEAD => get(&api, &call),
        Method::POST => match call.body().await {
            Ok(body) => post(&api, &body),
            Err(reply) => *reply,
        },
        Method::PATCH => super::call::not_yet("config: merging into the file"),
        _ => empty(),
    }
}

/// The file as it is; for anybody but an admin with secrets masked.
fn get(api: &Api, call: &Call) -> Reply {
    match api.file.read() {
        Ok(bytes) if call.admin => typed("application/yaml", bytes),
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            typed("application/yaml", masked(&api.secrets.mask(&text)))
        }
        Err(WriteError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            error(StatusCode::NOT_FOUND, "")
        }
        Err(problem) => error(StatusCode::INTERNAL_SERVER_ERROR, &problem.to_string()),
    }
}

/// Values of keys that are secrets wherever they stand.
fn masked(text: &str) -> String {
    const KEYS: [&str; 6] = ["password", "credential", "pwd", "token", "secret", "device_private"];
    let mut in_env = false;
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let content = line.trim_start();
        let indented = content.len() != line.len();
        if !indented && !content.is_empty() && !content.starts_with('#') {
            in_env = content.starts_with("env:");
        }
        let key = content.split_once(':').map(|(key, _)| key.trim_matches(['"', '\'', ' ']));
        let secret = key.is_some_and(|key| {
            let lower = key.to_ascii_lowercase();
            KEYS.iter().any(|k| lower.ends_with(k)) || (in_env && indented)
        });
        match content.split_once(':') {
            Some((key, value)) if secret && !value.trim().is_empty() => {
                let pad = line.len() - content.len();
                out.push_str(line.get(..pad).unwrap_or_default());
                out.push_str(key);
                out.push_str(": ***");
                if line.ends_with('\n') {
                    out.push('\n');
                }
            }
            _ => out.push_str(line),
        }
    }
    out
}

fn post(api: &Api, body: &[u8]) -> Reply {
    let refuse = |text: &str| error(StatusCode::INTERNAL_SERVER_ERROR, text);
    let Ok(text) = std::str::from_utf8(body) else { return refuse("yaml: text is not UTF-8") };
    match Node::parse(text) {
        Ok(node) if matches!(node.value, Value::Map(_) | Value::Null) => {}
        Ok(node) => {
            let text = format!("yaml: line 1: must be a mapping of sections, not {}", node.kind());
            return refuse(&text);
        }
        Err(problem) => return refuse(&problem.to_string()),
    }
    match api.file.write(text) {
        Ok(()) => empty(),
        Err(problem) => refuse(&problem.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_file_are_masked() {
        let text = "env:\n  A: b c\napi:\n  username: u\n  password: x: y # z\n  listen: :1\nstreams:\n  password: \n";
        assert_eq!(
            masked(text),
            "env:\n  A: ***\napi:\n  username: u\n  password: ***\n  listen: :1\nstreams:\n  password: \n"
        );
    }
}
