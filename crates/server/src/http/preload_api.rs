//! `/api/preload` (`spec/api.md` 3.4): sources that run before somebody asks.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use rs2rtc_base::url::percent_encode;
use serde_json::{Map, Value, json};

use super::call::{Call, Reply, empty, error, json, to_file};
use super::streams_api::{failed, may_save};
use super::{Api, Class, stream_json};
use crate::config::{Edit, WriteError};

/// Keys of a preload's query, in the order they are written.
const KEYS: [&str; 3] = ["audio", "microphone", "video"];

/// Looking is for everybody, changing is not.
pub(crate) fn class(_: &Api, call: &Call) -> Class {
    match *call.method() {
        Method::PUT | Method::DELETE => Class::Stream,
        _ => Class::View,
    }
}

pub(crate) async fn handle(api: Arc<Api>, call: Call) -> Reply {
    match *call.method() {
        Method::GET => list(&api),
        Method::PUT => put(&api, &call).await,
        Method::DELETE => delete(&api, &call).await,
        _ => error(StatusCode::METHOD_NOT_ALLOWED, ""),
    }
}

fn list(api: &Api) -> Reply {
    let entries = api.streams.preloads().into_iter().map(|(name, preload)| {
        let consumer = stream_json::consumer(&preload.consumer);
        (name, json!({ "consumer": consumer, "query": preload.query }))
    });
    let mut all = Value::Object(entries.collect::<Map<_, _>>());
    api.secrets.mask_json(&mut all);
    json(&all)
}

async fn put(api: &Arc<Api>, call: &Call) -> Reply {
    let (src, query) = (call.query.get("src").to_owned(), query(call));
    if let Err(text) = may_save(call, [src.as_str(), query.as_str()].into_iter()) {
        return error(StatusCode::BAD_REQUEST, text);
    }
    let tried = match api.streams.try_preload(&src, &query).await {
        Ok(tried) => tried,
        Err(problem) => return failed(api, StatusCode::INTERNAL_SERVER_ERROR, &problem),
    };
    let change = move |api: &Arc<Api>| {
        api.live.edit_preload(api, &src, || {
            let written = api.file.set_preload(&src, &Edit::Text(query));
            // What cannot be written changes none that is there.
            if !(api.streams.has_preload(&src)
                && written.as_ref().is_err_and(WriteError::keeps_old))
            {
                tried.keep();
            }
            saved(api, written)
        })
    };
    to_file(api, change).await
}

async fn delete(api: &Arc<Api>, call: &Call) -> Reply {
    let src = call.query.get("src").to_owned();
    let change = move |api: &Arc<Api>| {
        api.live.edit_preload(api, &src, || {
            if !api.streams.has_preload(&src) {
                let text = format!("streams: preload not found: {src}");
                return error(StatusCode::INTERNAL_SERVER_ERROR, &api.secrets.mask(&text));
            }
            let written = api.file.set_preload(&src, &Edit::Remove);
            if !written.as_ref().is_err_and(WriteError::keeps_old) {
                api.streams.unload(&src);
            }
            saved(api, written)
        })
    };
    to_file(api, change).await
}

fn saved(api: &Api, written: Result<(), WriteError>) -> Reply {
    match written {
        Ok(()) => empty(),
        Err(problem) => {
            let text = api.secrets.mask(&problem.to_string());
            error(StatusCode::INTERNAL_SERVER_ERROR, &text)
        }
    }
}

/// The filters of a call as they are kept: names sorted, always with `=`.
fn query(call: &Call) -> String {
    let values = |key: &'static str| {
        call.query.all(key).into_iter().map(move |value| {
            let value = percent_encode(&value);
            format!("{key}={}", value.replace("%20", "+"))
        })
    };
    KEYS.into_iter().flat_map(values).collect::<Vec<_>>().join("&")
}
