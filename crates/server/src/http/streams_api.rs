//! `/api/streams` (`spec/api.md` 3.2): list, probe, create, change, delete.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use rs2rtc_base::{Error, ErrorKind, holds_mask};
use rs2rtc_media::filter;
use rs2rtc_streams::{Connection, Description, Origin, Request, Stream};
use serde_json::{Map, Value};

use super::call::{Call, Reply, empty, error, json, pretty, text_of, to_file, typed};
use super::{Api, Class, stream_json};
use crate::config::streams::wrong_name;
use crate::config::{Edit, WriteError};

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
        return list(&api).await;
    }
    match *call.method() {
        Method::GET => get(&api, &call, src).await,
        Method::PUT => put(&api, &call, src).await,
        Method::PATCH => patch(&api, &call, src).await,
        Method::POST => post(&api, &call, src).await,
        Method::DELETE if call.query.has("dst") => withdraw(&api, src, call.query.get("dst")),
        Method::DELETE => delete(&api, src).await,
        _ => empty(),
    }
}

async fn list(api: &Api) -> Reply {
    let text = api.lists.get(|| text_of(&all(api)).into()).await;
    typed("application/json", text)
}

fn all(api: &Api) -> Value {
    let streams = api.streams.list();
    let all: Map<String, Value> = streams
        .iter()
        .map(|(name, s)| (name.clone(), stream_json::stream(&s.snapshot())))
        .collect();
    let mut all = Value::Object(all);
    api.secrets.mask_json(&mut all);
    all
}

fn shown(api: &Api, stream: &Stream) -> Value {
    let mut value = stream_json::stream(&stream.snapshot());
    api.secrets.mask_json(&mut value);
    value
}

/// One stream; with codec filters it is opened for the time of the answer.
async fn get(api: &Api, call: &Call, src: &str) -> Reply {
    let Some(stream) = api.streams.get(src) else { return error(StatusCode::NOT_FOUND, "") };
    let medias = filter::medias(call.query.pairs());
    if medias.is_empty() {
        return pretty(&shown(api, &stream));
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
    // Ends the dial with its client.
    let _streaming = call.line.stream();
    match stream.attach(Request { medias, connection, source_tag: None, may_sleep: false }).await {
        Ok(attached) => {
            let reply = pretty(&shown(api, &stream));
            drop(attached);
            reply
        }
        Err(problem) => failed(api, StatusCode::INTERNAL_SERVER_ERROR, &problem),
    }
}

async fn put(api: &Arc<Api>, call: &Call, src: &str) -> Reply {
    let name = match call.query.get("name") {
        "" => src,
        name => name,
    };
    if let Err(text) = check_name(api, name) {
        return error(StatusCode::BAD_REQUEST, &text);
    }
    let sources = match meant(api, name, call.query.all("src")) {
        Ok(sources) => sources,
        Err(text) => return error(StatusCode::BAD_REQUEST, &text),
    };
    if let Err(text) = may_name(api, call, &sources).await {
        return error(StatusCode::BAD_REQUEST, &text);
    }
    // A name is no source here, although sources from the configuration may be names.
    if let Some(source) = sources.iter().find(|s| !s.contains(':')) {
        tracing::debug!(target: "streams", source, "refused");
        return error(StatusCode::BAD_REQUEST, "streams: source not supported");
    }
    if let Err(text) = may_save(call, sources.iter().map(String::as_str).chain([name])) {
        return error(StatusCode::BAD_REQUEST, text);
    }
    let (name, origin) = (name.to_owned(), call.origin());
    let change = move |api: &Arc<Api>| {
        let put = || put_checked(api, &name, sources, origin);
        api.live.edit_stream(api, &name, origin, put)
    };
    to_file(api, change).await
}

/// Whether texts of this caller may stand in the configuration file: there `${NAME}` stands
/// for a password, a file or a variable of this machine, which then goes where the text says.
///
/// # Errors
/// What to answer.
pub(crate) fn may_save<'t>(
    call: &Call,
    mut texts: impl Iterator<Item = &'t str>,
) -> Result<(), &'static str> {
    if call.admin || !texts.any(|text| text.contains("${")) {
        return Ok(());
    }
    Err("streams: ${...} stands for a value of the configuration: only who may change that can \
         write it there, see docs/access.md")
}

/// Whether a stream may have this name that is not there yet.
///
/// # Errors
/// What to answer.
pub(crate) fn check_name(api: &Api, name: &str) -> Result<(), String> {
    if api.streams.get(name).is_some() {
        return Ok(());
    }
    wrong_name(name).map_or(Ok(()), |why| Err(format!("streams: {why}")))
}

/// The sources with the masks that our lists show replaced by what they hide: a script that
/// sends back what it read changes nothing.
///
/// # Errors
/// The answer to a mask that hides nothing of this stream; no password is replaced by it.
fn meant(api: &Api, name: &str, sources: Vec<String>) -> Result<Vec<String>, String> {
    let mut known = api.streams.get(name).map(|stream| stream.sources()).unwrap_or_default();
    let reveal = |source: String| {
        if !source.contains("***") {
            return Ok(source);
        }
        match known.iter().position(|k| *k == source || api.secrets.mask(k) == source) {
            Some(at) => Ok(known.remove(at)),
            None if holds_mask(&source) => {
                Err(format!("streams: *** stands for no password of {name}: write the password"))
            }
            None => Ok(source),
        }
    };
    sources.into_iter().map(reveal).collect()
}

/// Writes sources into the file and puts them in force. What cannot be written changes no
/// stream that is there; a new one is there until the next start, as the answer says.
fn put_checked(api: &Api, name: &str, sources: Vec<String>, origin: Origin) -> Reply {
    let old = api.streams.get(name);
    let unchanged = old.as_ref().is_some_and(|stream| stream.sources() == sources);
    let checked = sources.iter().try_for_each(|source| api.streams.check(source, origin));
    if let Err(problem) = checked
        && !unchanged
    {
        return failed(api, StatusCode::BAD_REQUEST, &problem);
    }
    let written = api.file.set_stream(name, &Edit::List(sources.clone()));
    let refused = old.is_some() && written.as_ref().is_err_and(WriteError::keeps_old);
    if !unchanged && !refused {
        let options = old.map_or_else(|| api.settings().defaults.clone(), |old| old.options());
        if let Err(problem) = api.streams.create_with(name, &sources, options, origin) {
            return failed(api, StatusCode::BAD_REQUEST, &problem);
        }
    }
    saved(api, written)
}

async fn patch(api: &Api, call: &Call, src: &str) -> Reply {
    let name = call.query.get("name");
    if name.is_empty() {
        return error(StatusCode::BAD_REQUEST, "");
    }
    if let Err(text) = check_name(api, name) {
        return error(StatusCode::BAD_REQUEST, &text);
    }
    let mut src = src.to_owned();
    if api.streams.get(&src).is_none() {
        let meant = meant(api, name, vec![src]).map(|sources| sources.concat());
        src = match meant {
            Ok(source) => source,
            Err(text) => return error(StatusCode::BAD_REQUEST, &text),
        };
        if let Err(text) = may_name(api, call, std::slice::from_ref(&src)).await {
            return error(StatusCode::BAD_REQUEST, &text);
        }
    }
    match api.streams.patch(name, &src, call.origin()) {
        Ok(_) => empty(),
        Err(problem) => failed(api, StatusCode::BAD_REQUEST, &problem),
    }
}

async fn delete(api: &Arc<Api>, src: &str) -> Reply {
    let src = src.to_owned();
    let change = move |api: &Arc<Api>| {
        api.live.edit_stream(api, &src, Origin::Config, || {
            // One that the next start would bring back is not gone, and neither are its viewers.
            let written = api.file.set_stream(&src, &Edit::Remove);
            if !written.as_ref().is_err_and(WriteError::keeps_old) {
                api.streams.delete(&src);
            }
            saved(api, written)
        })
    };
    to_file(api, change).await
}

/// Plays to a camera, or publishes to a server.
async fn post(api: &Api, call: &Call, src: &str) -> Reply {
    let dst = call.query.get("dst");
    if dst.is_empty() {
        return error(StatusCode::BAD_REQUEST, "");
    }
    if let Some(stream) = api.streams.get(dst) {
        return play(api, call, &stream, src).await;
    }
    if api.streams.get(src).is_none() {
        return error(StatusCode::NOT_FOUND, "");
    }
    if let Err(text) = may_name(api, call, &[dst.to_owned()]).await {
        return error(StatusCode::BAD_REQUEST, &text);
    }
    match api.streams.publish(src, dst, call.origin()).await {
        Ok(()) => empty(),
        Err(problem) if problem.kind() == ErrorKind::Config => {
            failed(api, StatusCode::BAD_REQUEST, &problem)
        }
        Err(problem) => failed(api, StatusCode::INTERNAL_SERVER_ERROR, &problem),
    }
}

/// Ends what is published to a server; the stream stays.
fn withdraw(api: &Api, src: &str, dst: &str) -> Reply {
    match api.streams.withdraw(src, dst) {
        true => empty(),
        false => error(StatusCode::NOT_FOUND, "streams: nothing is published there"),
    }
}

/// Plays a source to the stream's camera; an empty one ends what is played.
async fn play(api: &Api, call: &Call, stream: &Arc<Stream>, src: &str) -> Reply {
    if !src.is_empty()
        && let Err(refused) = may_play(api, call, src).await
    {
        return *refused;
    }
    match stream.play(src, player(call)).await {
        Ok(()) => json(&shown(api, stream)),
        Err(problem) => failed(api, StatusCode::INTERNAL_SERVER_ERROR, &problem),
    }
}

/// Who plays: administrators may play files, too.
pub(crate) const fn player(call: &Call) -> Origin {
    if call.admin { Origin::Admin } else { Origin::Stranger }
}

/// Whether a caller may have this source played.
///
/// # Errors
/// The answer to give instead.
pub(crate) async fn may_play(api: &Api, call: &Call, source: &str) -> Result<(), Box<Reply>> {
    let named = may_name(api, call, &[source.to_owned()]).await;
    named.map_err(|text| Box::new(error(StatusCode::BAD_REQUEST, &text)))?;
    let checked = api.streams.check(source, player(call));
    checked.map_err(|problem| Box::new(failed(api, StatusCode::BAD_REQUEST, &problem)))
}

/// Whether the caller may name these sources.
pub(crate) async fn may_name(api: &Api, call: &Call, sources: &[String]) -> Result<(), String> {
    let reach = api.context.reach(call.origin());
    for source in sources {
        reach.check(source).await.map_err(|problem| problem.to_string())?;
    }
    Ok(())
}

fn saved(api: &Api, result: Result<(), WriteError>) -> Reply {
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
    let mut reply = error(code, &api.secrets.mask(&problem.to_string()));
    // For pages that say it in another language.
    reply.extensions_mut().insert(problem.kind());
    reply
}
