//! Puts the differences of a configuration in force.

use std::net::IpAddr;
use std::sync::Arc;

use rs2rtc_base::{Current, Error};
use rs2rtc_endpoints::outputs::{rtsp, webrtc};
use rs2rtc_endpoints::sources::{exec, ffmpeg};
use rs2rtc_streams::{Origin, Streams};

use super::diff::{self, What};
use crate::config::streams::Entry;
use crate::config::{self, Config};
use crate::http::{Api, RtspInfo, Settings};

/// What a configuration is applied to.
pub(super) struct Parts<'a> {
    pub(super) api: &'a Api,
    pub(super) rtsp: Option<&'a Arc<Current<rtsp::Config>>>,
    /// The stream that was written by a call, and what its sources are taken for.
    pub(super) by: Option<(&'a str, Origin)>,
}

/// Streams and preloads are touched only where they differ; everything else is
/// put in place whole, for what begins from now on.
pub(super) fn apply(parts: &Parts<'_>, started: &Config, old: &Config, new: &Config) {
    let api = parts.api;
    if old.log != new.log {
        for complaint in api.log.reconfigure(&new.log) {
            tracing::warn!(target: "config", "{complaint}");
        }
    }
    let mut settings = Settings::new(new);
    settings.modules.clone_from(&started.modules);
    // Where it listens, and whether it does, is as at the start.
    settings.rtsp = match (settings.rtsp.take(), api.settings().rtsp.clone()) {
        (Some(rtsp), Some(now)) => Some(RtspInfo { listen: now.listen, ..rtsp }),
        (_, now) => now,
    };
    api.current.set(settings);
    api.context.exec.set(exec_config(new));
    api.context.ffmpeg.set(ffmpeg_config(new));
    if let Some(rtsp) = parts.rtsp {
        rtsp.set(rtsp_config(&new.rtsp));
    }
    if let (Some(Some(gateway)), Ok(config)) = (api.webrtc.get(), webrtc_config(new)) {
        gateway.reconfigure(config);
    }
    for (name, what) in diff::streams(old, new) {
        match (what, new.streams.get(name)) {
            (What::Removed, _) | (_, None) => {
                api.streams.delete(name);
            }
            (_, Some(entry)) => {
                let by = parts.by.filter(|(written, _)| *written == name);
                let origin = by.map_or(Origin::Config, |(_, origin)| origin);
                put_stream(new, entry, &api.streams, origin);
            }
        }
    }
    for name in old.preload.keys().filter(|name| !new.preload.contains_key(*name)) {
        api.streams.unload(name);
    }
    for (name, query) in
        new.preload.iter().filter(|(name, query)| old.preload.get(*name) != Some(*query))
    {
        preload(name, query, &api.streams);
    }
    republish(old, new, &api.streams);
}

fn republish(old: &Config, new: &Config, streams: &Streams) {
    let (ended, begun) = diff::destinations(old, new);
    for (name, url) in ended {
        streams.withdraw(name, url);
    }
    for (name, url) in begun {
        publish(name, url, streams);
    }
}

/// Settings of `exec:`.
pub(crate) fn exec_config(config: &Config) -> exec::Config {
    exec::Config { allow_paths: config.exec_allow_paths.clone() }
}

/// Settings of `ffmpeg:`.
pub(crate) fn ffmpeg_config(config: &Config) -> ffmpeg::Config {
    ffmpeg::Config {
        templates: config.ffmpeg.clone(),
        log_level: config.log.modules.get("ffmpeg").cloned(),
    }
}

/// Settings of the RTSP server.
pub(crate) fn rtsp_config(settings: &config::Rtsp) -> rtsp::Config {
    let login = (!settings.username.is_empty())
        .then(|| (settings.username.clone(), settings.password.clone()));
    rtsp::Config {
        listen: settings.listen.clone(),
        credentials: login,
        default_query: settings.default_query.clone(),
        pkt_size: settings.pkt_size,
        ..rtsp::Config::default()
    }
}

/// Settings of the WebRTC output.
pub(crate) fn webrtc_config(config: &Config) -> Result<webrtc::Config, Error> {
    let filters = &config.webrtc.filters;
    let ips = |list: &Option<Vec<String>>| {
        let texts = list.iter().flatten();
        texts.filter_map(|text| text.parse::<IpAddr>().ok()).collect::<Vec<_>>()
    };
    Ok(webrtc::Config {
        listen: webrtc::Listen::parse(&config.webrtc.listen)?,
        candidates: config.webrtc.candidates.clone(),
        stun: stun_servers(&config.webrtc),
        filters: webrtc::Filters {
            candidates: ips(&filters.candidates),
            interfaces: filters.interfaces.clone().unwrap_or_default(),
            ips: ips(&filters.ips),
            loopback: filters.loopback,
            networks: known_networks(filters.networks.as_deref().unwrap_or_default()),
            udp_ports: filters.udp_ports,
        },
        liveness: config.liveness.timers,
        liveness_of: config.liveness.of_streams.clone(),
        ..webrtc::Config::default()
    })
}

/// Servers that tell our public address, if a candidate asks for it.
fn stun_servers(config: &config::Webrtc) -> Vec<webrtc::StunServer> {
    let urls: Vec<&str> = match &config.ice_servers {
        None => config::STUN_SERVERS.to_vec(),
        Some(servers) => servers.iter().flat_map(|s| &s.urls).map(String::as_str).collect(),
    };
    urls.into_iter().filter_map(webrtc::StunServer::parse).collect()
}

/// A word that means nothing would leave no address at all.
fn known_networks(words: &[String]) -> Vec<String> {
    let known = words.iter().filter(|word| config::NETWORKS.contains(&word.as_str()));
    known.cloned().collect()
}

/// All streams of a configuration.
pub(crate) fn create_streams(config: &Config, streams: &Streams) {
    for entry in config.streams.iter() {
        put_stream(config, entry, streams, Origin::Config);
    }
}

/// A stream that is as wanted already (the API has changed it before it wrote
/// the file) is left alone.
fn put_stream(config: &Config, entry: &Entry, streams: &Streams, origin: Origin) {
    let name = entry.name.as_str();
    let options = entry.options.engine(&config.defaults);
    let same = streams
        .get(name)
        .is_some_and(|stream| stream.options() == options && stream.sources() == entry.sources);
    if same {
        return;
    }
    if let Err(error) = streams.create_with(name, &entry.sources, options, origin) {
        tracing::error!(target: "streams", stream = name, %error, "stream is left out");
    }
}

/// Sources that run before somebody asks.
pub(crate) fn start_preloads(config: &Config, streams: &Streams) {
    for (name, query) in &config.preload {
        preload(name, query, streams);
    }
}

/// Streams that are sent to servers.
pub(crate) fn start_publishing(config: &Config, streams: &Streams) {
    for (name, url) in diff::published(config) {
        publish(name, url, streams);
    }
}

/// A stream that is not there is not sent.
fn publish(name: &str, url: &str, streams: &Streams) {
    if streams.get(name).is_none() {
        return;
    }
    if let Err(error) = streams.publish_later(name, url) {
        tracing::error!(target: "streams", stream = name, %error, "publish");
    }
}

fn preload(name: &str, query: &str, streams: &Streams) {
    if let Err(error) = streams.preload(name, query) {
        tracing::error!(target: "streams", stream = name, %error, "preload");
        streams.unload(name);
    }
}

/// What must never be shown.
pub(crate) fn passwords(config: &Config) -> Vec<String> {
    let mut all =
        vec![config.api.password.expose().to_owned(), config.rtsp.password.expose().to_owned()];
    for server in config.webrtc.ice_servers.iter().flatten() {
        all.push(server.credential.expose().to_owned());
    }
    // The name of a file is no secret.
    all.extend(Some(config.api.tls_key.expose().to_owned()).filter(|key| key.contains('\n')));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_nothing_leaves_the_rest_in_force() {
        let text = "webrtc: {filters: {networks: [udp5]}, ice_servers: [{urls: [turn:a, stun:b]}]}";
        let config = webrtc_config(&Config::parse("f.yaml", text)).unwrap();
        assert!(config.filters.networks.is_empty(), "all networks");
        let servers: Vec<String> = config.stun.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["stun:b:3478"]);
        let default = webrtc_config(&Config::default()).unwrap();
        assert_eq!(default.stun.len(), 2);
        let none = webrtc_config(&Config::parse("f.yaml", "webrtc: {ice_servers: []}")).unwrap();
        assert!(none.stun.is_empty());
    }
}
