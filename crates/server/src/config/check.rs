//! What can be said about values only when all is read: whether sources, and servers
//! that streams are sent to, are of a kind that exists, and their parameters. Such a stream is kept; opening
//! it tells its viewers why.

use std::collections::BTreeMap;

use rs2rtc_base::url::query_pairs;
use rs2rtc_base::{Redacted, nearest};
use rs2rtc_endpoints::modules::Modules;
use rs2rtc_endpoints::parameters::odd;
use rs2rtc_endpoints::sources::ffmpeg;
use rs2rtc_endpoints::table;
use rs2rtc_media::filter;

use super::Config;
use super::paths;
use super::problem::{Code, Place, Problem, Severity};
use super::streams::wrong_name;
use crate::http::tls::Identity;

/// Codecs that cameras have.
const EXAMPLES: [&str; 8] = ["h264", "h265", "av1", "mjpeg", "aac", "opus", "pcma", "pcmu"];

/// Reports what stands in a section and cannot work.
pub(super) fn check(config: &mut Config) {
    let mut problems = half_logins(config);
    problems.extend(wrong_default_query(config));
    problems.extend(wrong_origin(config));
    if is_text(&config.api.tls_cert) && is_text(config.api.tls_key.expose()) {
        problems.extend(wrong_certificate(config));
    }
    for entry in config.streams.iter() {
        let Some(place) = &entry.place else { continue };
        if entry.name.is_empty() {
            let text = "the stream has no name, so nobody can ask for it".to_owned();
            problems.push(place.problem(Severity::Warning, text));
        } else if let Some(why) = wrong_name(&entry.name) {
            problems.push(place.problem(Severity::Warning, format!("{why}: rename this stream")));
        }
        for (index, source) in entry.sources.iter().enumerate() {
            let named = |name: &str| config.streams.get(name).is_some();
            let at = entry.places.get(index).copied().unwrap_or(place.at);
            let place = Place { at, ..place.clone() };
            let warn = |text| place.problem(Severity::Warning, text);
            match wrong(source, &config.modules, named) {
                Some(text) => {
                    problems.push(Problem { code: unknown_scheme(source), ..warn(text) });
                }
                None if named(source) => {}
                None => {
                    let odd = odd_parameters(source, &config.ffmpeg);
                    problems.extend(odd.into_iter().map(warn));
                }
            }
        }
    }
    for (name, place) in &config.preload_places {
        if config.preload.contains_key(name) && config.streams.get(name).is_none() {
            let text = "no stream of this name is configured".to_owned();
            problems.push(place.problem(Severity::Warning, text));
        }
        for text in config
            .preload
            .get(name)
            .into_iter()
            .flat_map(|query| wrong_query(query, "video, audio and microphone"))
        {
            problems.push(place.problem(Severity::Warning, text));
        }
    }
    for (name, urls) in &config.publish {
        let Some(place) = config.publish_places.get(name) else { continue };
        let mut wrong: Vec<String> =
            urls.iter().filter_map(|url| wrong_outlet(url, &config.modules)).collect();
        let odd_ones = |url| table::outlet(url).map(|outlet| odd(outlet.parameters, url));
        let odd_ones: Vec<String> = urls.iter().filter_map(|url| odd_ones(url)).flatten().collect();
        if wrong.is_empty() && config.streams.get(name).is_none() {
            wrong.push("no stream of this name is configured".to_owned());
        }
        let all = wrong.into_iter().chain(odd_ones);
        problems.extend(all.map(|text| place.problem(Severity::Warning, text)));
    }
    config.problems.append(&mut problems);
    paths::check(config);
}

/// What of the parameters of a source means nothing.
fn odd_parameters(source: &str, templates: &BTreeMap<String, String>) -> Vec<String> {
    let Some(kind) = table::entry(source) else { return Vec::new() };
    let mut found = odd(kind.parameters, source);
    if kind.module == "ffmpeg" {
        found.extend(ffmpeg::odd_codecs(source, templates));
    }
    found
}

fn wrong_default_query(config: &Config) -> Vec<Problem> {
    let Some(place) = config.place("rtsp.default_query") else { return Vec::new() };
    let query = config.rtsp.default_query.as_str();
    let is_mp4 = query_pairs(query).any(|(name, _)| name == "mp4");
    let found = if is_mp4 { Vec::new() } else { wrong_query(query, "video and audio") };
    found.into_iter().map(|text| place.problem(Severity::Warning, text)).collect()
}

fn wrong_origin(config: &Config) -> Option<Problem> {
    let origin = config.api.origin.as_str();
    if origin.is_empty() || origin == "*" || is_origin(origin) {
        return None;
    }
    let text = format!(
        "must be * or an origin as browsers send it, such as https://home.example.com or \
         http://192.168.1.5:8123, not {:?}: no page gets in by it",
        Redacted(origin).to_string()
    );
    Some(config.place("api.origin")?.problem(Severity::Warning, text))
}

/// `scheme://host[:port]` (RFC 6454 6.1).
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let port = match host.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port,
        _ => "0",
    };
    let is_scheme = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    !scheme.is_empty()
        && scheme.bytes().all(is_scheme)
        && !host.is_empty()
        && host.bytes().all(is_host)
        && port.parse::<u16>().is_ok()
}

/// Whether a certificate or key is given as such, not by the name of its file.
fn is_text(value: &str) -> bool {
    value.contains('\n')
}

fn wrong_certificate(config: &Config) -> Option<Problem> {
    let api = &config.api;
    let keys = [api.tls_listen.as_str(), api.tls_cert.as_str(), api.tls_key.expose()];
    if keys.contains(&"") {
        return None;
    }
    let text = Identity::load(&api.tls_cert, &api.tls_key).err()?.to_string();
    let key = if text.starts_with("api.tls_key") { "api.tls_key" } else { "api.tls_cert" };
    let text = text.strip_prefix(key).map_or(text.as_str(), |rest| rest.trim_start_matches(": "));
    let text = format!("{text}; there is no HTTPS with it");
    Some(config.place(key)?.problem(Severity::Warning, text))
}

/// A password without a name protects nothing, and a name without a password hardly.
fn half_logins(config: &Config) -> Vec<Problem> {
    let (api, rtsp) = (&config.api, &config.rtsp);
    let logins = [("api", &api.username, &api.password), ("rtsp", &rtsp.username, &rtsp.password)];
    let found = logins.into_iter().filter_map(|(section, name, password)| {
        let (key, text) = match (name.is_empty(), password.is_empty()) {
            (true, false) => (
                "password",
                format!("is asked of nobody without {section}.username: set both for a login"),
            ),
            (false, true) => (
                "username",
                format!("lets in who gives this name and no password: set {section}.password"),
            ),
            _ => return None,
        };
        Some(config.place(&format!("{section}.{key}"))?.problem(Severity::Warning, text))
    });
    found.collect()
}

/// Reports files of this machine that cannot be used as they are named.
pub(super) fn check_files(config: &mut Config) {
    if let (Some(place), Some(text)) = (&config.log_place, config.log.unwritable()) {
        config.problems.push(place.problem(Severity::Warning, text));
    }
    paths::check_folder(config);
    if !(is_text(&config.api.tls_cert) && is_text(config.api.tls_key.expose())) {
        let wrong = wrong_certificate(config);
        config.problems.extend(wrong);
    }
}

/// What is wrong with the address of a server that a stream is sent to.
fn wrong_outlet(url: &str, modules: &Modules) -> Option<String> {
    if let Some(outlet) = table::outlet(url) {
        let wrong = || (outlet.check)(url).err().map(|e| Redacted(&e.to_string()).to_string());
        return modules.without(outlet.module).or_else(wrong);
    }
    let schemes = table::OUTLETS.iter().flat_map(|outlet| outlet.schemes.iter().copied());
    let schemes = schemes.collect::<Vec<_>>().join(", ");
    Some(match url.split_once(':') {
        Some((scheme, _)) => {
            format!("publishing to {scheme:?} is not available in this version, use {schemes}")
        }
        // It may be the key alone.
        None => format!("a publication needs the address of a server, use {schemes}"),
    })
}

fn wrong(source: &str, modules: &Modules, is_stream: impl Fn(&str) -> bool) -> Option<String> {
    if is_stream(source) {
        return None;
    }
    let Some((scheme, _)) = source.split_once(':') else {
        let hint = if is_file(source) { ": a file is played by ffmpeg:" } else { "" };
        let name = if hint.is_empty() { "" } else { source };
        return Some(format!(
            "{source:?} is neither a source nor the name of a stream{hint}{name}"
        ));
    };
    if let Some(off) = table::switched_off(source, modules) {
        return Some(off);
    }
    match table::entry(source) {
        Some(entry) => (entry.check)(source).err().map(|e| Redacted(&e.to_string()).to_string()),
        None => {
            let near = near_scheme(scheme).map(|near| format!(", did you mean {near:?}?"));
            let hint = near.unwrap_or_else(|| " in this version".to_owned());
            Some(format!("no source accepts {scheme:?}{hint}"))
        }
    }
}

fn near_scheme(scheme: &str) -> Option<&'static str> {
    nearest(scheme, table::SOURCES.iter().flat_map(|e| e.schemes.iter().copied()))
}

/// The kind of mistake that the scheme of a source is.
fn unknown_scheme(source: &str) -> Option<Code> {
    let (scheme, _) = source.split_once(':').filter(|_| table::entry(source).is_none())?;
    Some(Code::UnknownScheme(scheme.to_owned(), near_scheme(scheme).map(str::to_owned)))
}

/// Whether a text looks like a file of pictures or sound.
fn is_file(source: &str) -> bool {
    const ENDS: [&str; 8] = [".mp4", ".mkv", ".avi", ".mov", ".ts", ".flv", ".wav", ".mp3"];
    let lower = source.to_ascii_lowercase();
    source.starts_with(['/', '.', '~']) || ENDS.iter().any(|end| lower.ends_with(end))
}

/// What a query asks for that no source has.
fn wrong_query(query: &str, kinds: &str) -> Vec<String> {
    let pairs: Vec<(String, String)> = query_pairs(query).collect();
    let known = |name: &str| ["video", "audio", "microphone"].contains(&name);
    let medias = pairs.iter().filter(|(name, _)| known(name));
    if !query.is_empty() && medias.clone().next().is_none() {
        return vec![format!("{query:?} asks for nothing, use {kinds}")];
    }
    let wrong = medias.flat_map(|(_, codecs)| filter::unknown(codecs));
    wrong
        .map(|name| format!("unknown codec {name:?}, use {} or all", EXAMPLES.join(", ")))
        .collect()
}
