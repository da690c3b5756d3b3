//! `/api/streams` (`spec/api.md` 3.2): list, probe, create, change, delete.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::filter;
use rs2rtc_streams::{Connection, Description, Origin, Request, Stream};
use serde_json::{Map, Value};

use super::call::{Call, Reply, empty, error, json, not_yet, pretty, status};
use super::{Api, Class, access, stream_json};
use crate::config::Edit;

/// Looking is for everybody, changing is not.
pub(crate) fn class(_: &Api, call: &Call) -> Class {
    let changes = match *call.method() {
        Method::PUT | Method::PATCH | Method::DELETE => !call.query.get("src").is_empty(),
        Method::POST => true,
        _ => false,
    };
    if changes { Class::Stream } else { Class::View }
}

pub(crate) async fn handle(api: Arc<Api>, call: Call) -> Reply {
    let src = call.query.get("src");
    if src.is_empty() && call.method() != Method::POST {
        return list(&api);
    }
    match *call.method() {
        Method::GET => get(&api, &call, src).await,
        Method::PUT => put(&api, &call, src),
        Method::PATCH => patch(&api, &call, src),
        Method::POST => post(&api, &call, src),
        Method::DELETE => delete(&api, src),
        _ => empty(),
    }
}

fn list(api: &Api) -> Reply {
    let streams = api.streams.list();
    let all: Map<String, Value> = streams
        .iter()
        .map(|(name, s)| (name.clone(), stream_json::stream(&s.snapshot())))
        .collect();
    let mut all = Value::Object(all);
    api.secrets.mask_json(&mut all);
    json(&all)
}

fn show(api: &Api, stream: &Stream) -> Reply {
    let mut value = stream_json::stream(&stream.snapshot());
    api.secrets.mask_json(&mut value);
    pretty(&value)
}

/// One stream; with codec filters it is opened for the time of the answer.
async fn get(api: &Api, call: &Call, src: &str) -> Reply {
    let Some(stream) = api.streams.get(src) else { return error(StatusCode::NOT_FOUND, "") };
    let medias = filter::medias(call.query.pairs());
    if medias.is_empty() {
        return show(api, &stream);
    }
    let description = Description {
        format_name: "probe".into(),
        protocol: "http".into(),
        remote_addr: call.remote_addr(),
        user_agent: call.header("user-agent").to_owned(),
        medias: medias.clone(),
        ..Description::default()
    };
    let connection = Arc::new(Connection::new(description));
    match stream.attach(Request { medias, connection, source_tag: None, may_sleep: false }).await {
        Ok(attached) => {
            let reply = show(api, &stream);
            drop(attached);
            reply
        }
        Err(problem) => failed(api, StatusCode::INTERNAL_SERVER_ERROR, &problem),
    }
}

fn put(api: &Api, call: &Call, src: &str) -> Reply {
    let sources = call.query.all("src");
    let name = match call.query.get("name") {
        "" => src,
        name => name,
    };
    if let Err(text) = may_name(api, call, &sources) {
        return error(StatusCode::BAD_REQUEST, &text);
    }
    // A name is no source here, although sources from the configuration may be names.
    if let Some(source) = sources.iter().find(|s| !s.contains(':')) {
        tracing::debug!(target: "streams", source, "refused");
        return error(StatusCode::BAD_REQUEST, "streams: source not supported");
    }
    let unchanged = api.streams.get(name).is_some_and(|s| sources_of(&s) == sources);
    let options =
        api.streams.get(name).map_or_else(|| api.settings().defaults.clone(), |s| s.options());
    if !unchanged
        && let Err(problem) = api.streams.create_with(name, &sources, options, Origin::Api)
    {
        return failed(api, StatusCode::BAD_REQUEST, &problem);
    }
    saved(api, api.file.set_stream(name, &Edit::List(sources)))
}

fn sources_of(stream: &Stream) -> Vec<String> {
    let producers = stream.snapshot().producers.unwrap_or_default();
    producers.into_iter().map(|p| p.source).collect()
}

fn patch(api: &Api, call: &Call, src: &str) -> Reply {
    let name = call.query.get("name");
    if name.is_empty() {
        return error(StatusCode::BAD_REQUEST, "");
    }
    if api.streams.get(src).is_none()
        && let Err(text) = may_name(api, call, &[src.to_owned()])
    {
        return error(StatusCode::BAD_REQUEST, &text);
    }
    match api.streams.patch(name, src, Origin::Api) {
        Ok(_) => empty(),
        Err(problem) => failed(api, StatusCode::BAD_REQUEST, &problem),
    }
}

fn delete(api: &Api, src: &str) -> Reply {
    api.streams.delete(src);
    saved(api, api.file.set_stream(src, &Edit::Remove))
}

/// Play to a camera, or publish to a server.
fn post(api: &Api, call: &Call, src: &str) -> Reply {
    let dst = call.query.get("dst");
    if dst.is_empty() {
        return error(StatusCode::BAD_REQUEST, "");
    }
    if let Some(stream) = api.streams.get(dst) {
        // Nothing plays, so there is nothing to stop.
        return if src.is_empty() {
            show(api, &stream)
        } else {
            not_yet("streams: playing to a camera")
        };
    }
    match api.streams.get(src) {
        Some(_) => not_yet("streams: publishing to a server"),
        None => status_text(StatusCode::NOT_FOUND),
    }
}

fn may_name(api: &Api, call: &Call, sources: &[String]) -> Result<(), String> {
    let policy = &api.settings().policy;
    let compat = policy.compat || !policy.username.is_empty();
    sources.iter().try_for_each(|source| access::check_source(source, call.peer, compat))
}

fn saved(api: &Api, result: Result<(), crate::config::WriteError>) -> Reply {
    match result {
        Ok(()) => empty(),
        Err(problem) => error(StatusCode::BAD_REQUEST, &api.secrets.mask(&problem.to_string())),
    }
}

/// The answer to an error of the streams engine.
pub(crate) fn failed(api: &Api, code: StatusCode, problem: &Error) -> Reply {
    let code = if problem.kind() == ErrorKind::Busy && code.is_server_error() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        code
    };
    error(code, &api.secrets.mask(&problem.to_string()))
}

fn status_text(code: StatusCode) -> Reply {
    if code == StatusCode::NOT_FOUND { error(code, "") } else { status(code) }
}
