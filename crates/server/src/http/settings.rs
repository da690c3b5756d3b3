//! What calls read of the configuration. It is replaced whole when another
//! configuration comes into force; a call keeps what it began with.

use rs2rtc_endpoints::modules::Modules;

use crate::config::{self, Config};

use super::Policy;

/// The RTSP server as `/api` shows it.
#[derive(Clone, Debug)]
pub struct RtspInfo {
    /// `rtsp.listen`.
    pub listen: String,
    /// `rtsp.default_query`.
    pub default_query: String,
    /// `rtsp.pkt_size`.
    pub pkt_size: u16,
}

/// What calls read of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Section `api`.
    pub api: config::Api,
    /// `frame-ancestors` of the bare players, from section `ui`.
    pub framed_by: String,
    /// Who may call what.
    pub policy: Policy,
    /// The RTSP server, if the module is on.
    pub rtsp: Option<RtspInfo>,
    /// The RTSP server asks for a login.
    pub rtsp_login: bool,
    /// `app.modules`.
    pub modules: Modules,
    /// Settings of streams that name none, `defaults`.
    pub defaults: rs2rtc_streams::Options,
}

impl Settings {
    /// From a configuration.
    pub fn new(config: &Config) -> Self {
        let api = &config.api;
        Self {
            policy: Policy {
                username: api.username.clone(),
                password: api.password.clone(),
                local_auth: api.local_auth,
                compat: config.compat,
                origin: api.origin.clone(),
                hosts: api.hosts.clone(),
            },
            framed_by: std::iter::once("'self'")
                .chain(config.ui.embed.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join(" "),
            api: api.clone(),
            rtsp: config.has_module("rtsp").then(|| RtspInfo {
                listen: config.rtsp.listen.clone(),
                default_query: config.rtsp.default_query.clone(),
                pkt_size: config.rtsp.pkt_size,
            }),
            rtsp_login: !config.rtsp.username.is_empty(),
            modules: config.modules.clone(),
            defaults: config.defaults.engine(&config.defaults),
        }
    }

    /// Whether a module is switched on.
    pub fn has_module(&self, name: &str) -> bool {
        self.modules.has(name)
    }

    /// Whether `api.allow_paths` lets a pattern exist.
    pub fn allows(&self, pattern: &str) -> bool {
        self.api.allow_paths.as_ref().is_none_or(|list| list.iter().any(|p| p == pattern))
    }
}
