//! The program itself: `/api`, log, schemes, exit and restart (`spec/api.md` 2).

use std::fmt::Write as _;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use rs2rtc_endpoints::table::SOURCES;
use serde_json::{Map, Value, json};

use super::call::{Call, Reply, empty, error, json as reply_json, not_allowed, typed};
use super::{Api, Class, Control, addresses, highest};
use crate::version;

/// The description of the API.
pub(crate) const OPENAPI: &str = include_str!("openapi.yaml");

pub(crate) async fn info(api: Arc<Api>, call: Call) -> Reply {
    let mut map = Map::new();
    if let Some(path) = api.file.path() {
        map.insert("config_path".into(), path.display().to_string().into());
    }
    map.insert("host".into(), call.header("host").into());
    map.insert("revision".into(), version::REVISION.into());
    map.insert(
        "rs2rtc".into(),
        json!({
            "version": version::OWN,
            "addresses": addresses::of_pages(&api, &call),
            "may": highest(&api.settings().policy, api.token.as_ref(), &call).name(),
        }),
    );
    if let Some(rtsp) = &api.settings().rtsp {
        let mut about = Map::new();
        about.insert("listen".into(), rtsp.listen.clone().into());
        about.insert("default_query".into(), rtsp.default_query.clone().into());
        if rtsp.pkt_size != 0 {
            about.insert("pkt_size".into(), rtsp.pkt_size.into());
        }
        map.insert("rtsp".into(), Value::Object(about));
    }
    map.insert("version".into(), version::COMPATIBLE.into());
    reply_json(&Value::Object(map))
}

pub(crate) fn log_class(_: &Api, call: &Call) -> Class {
    match *call.method() {
        Method::GET | Method::HEAD => Class::View,
        _ => Class::Admin,
    }
}

pub(crate) async fn log(api: Arc<Api>, call: Call) -> Reply {
    match *call.method() {
        Method::GET | Method::HEAD => typed("application/jsonlines", api.log.ring().read()),
        Method::DELETE => {
            api.log.ring().clear();
            typed("text/plain", "OK")
        }
        _ => error(StatusCode::BAD_REQUEST, "Method not allowed"),
    }
}

/// The schemes of modules that are on.
pub(crate) async fn schemes(api: Arc<Api>, _: Call) -> Reply {
    let settings = api.settings();
    let on = SOURCES.iter().filter(|entry| settings.has_module(entry.module));
    let schemes: Vec<&str> = on.flat_map(|entry| entry.schemes.iter().copied()).collect();
    reply_json(&json!(schemes))
}

/// What runs: every group of tasks by name, and how many of each.
pub(crate) async fn stack(api: Arc<Api>, _: Call) -> Reply {
    let mut text = String::new();
    let mut total = 0;
    let groups = [
        ("api", &api.tasks),
        ("sources and outputs", &api.context.tasks),
        ("streams", api.streams.tasks()),
    ];
    for (group, tasks) in groups {
        for (name, count) in tasks.names() {
            let _ = writeln!(text, "{group}: {name}: {count}");
            total += count;
        }
    }
    let _ = write!(text, "\nTotal: {total}, Skipped: 0");
    typed("text/plain", text)
}

/// The description of this API for tools (OpenAPI 3.1).
pub(crate) async fn openapi(_: Arc<Api>, call: Call) -> Reply {
    match *call.method() {
        Method::GET | Method::HEAD => typed("application/yaml", OPENAPI),
        _ => not_allowed("GET, HEAD"),
    }
}

/// Ends the program; there is no answer.
pub(crate) async fn exit(api: Arc<Api>, call: Call) -> Reply {
    if call.method() != Method::POST {
        return error(StatusCode::BAD_REQUEST, "");
    }
    let Some(code) = call.query.get("code").parse().ok().filter(|code| *code <= 125) else {
        return error(StatusCode::BAD_REQUEST, "Code must be in the range [0, 125]");
    };
    tracing::info!(target: "api", code, "exit was asked for");
    let _ = api.control.try_send(Control::Exit(code));
    std::future::pending().await
}

pub(crate) async fn restart(api: Arc<Api>, call: Call) -> Reply {
    if call.method() != Method::POST {
        return error(StatusCode::BAD_REQUEST, "");
    }
    tracing::info!(target: "api", "restart was asked for");
    let _ = api.control.try_send(Control::Restart);
    empty()
}

/// What RTSPtoWebRTC clients look for.
pub(crate) async fn ok_payload(_: Arc<Api>, _: Call) -> Reply {
    done()
}

/// The answer of RTSPtoWebRTC to what worked.
pub(crate) fn done() -> Reply {
    typed("application/json", "{\"status\":1,\"payload\":{}}")
}
