//! The sections of the servers: `api` and `rtsp`.

use rs2rtc_base::Secret;

use super::problem::Severity;
use super::section::Section;

/// Section `api`.
#[derive(Clone, Debug)]
pub struct Api {
    /// TCP address; empty: none. Default `:1984`.
    pub listen: String,
    /// TCP address for HTTPS; empty: none.
    pub tls_listen: String,
    /// Certificate chain: path of a PEM file, or the PEM text itself.
    pub tls_cert: String,
    /// Its private key, the same way.
    pub tls_key: Secret,
    /// Path of a unix socket; empty: none.
    pub unix_listen: String,
    /// Login name; empty: no login.
    pub username: String,
    /// Password that goes with it; may be empty.
    pub password: Secret,
    /// Ask loopback and unix clients for the login too.
    pub local_auth: bool,
    /// Prefix of all paths, without a slash at its end; may be empty.
    pub base_path: String,
    /// Folder that replaces the built-in web interface; empty: none.
    pub static_dir: String,
    /// `*`: every web page may use the API; another value: this origin's host only.
    pub origin: String,
    /// Only these patterns exist; `None` means all.
    pub allow_paths: Option<Vec<String>>,
    /// Host names under which browsers may change things, beside local ones.
    pub hosts: Vec<String>,
}

/// Section `rtsp`.
#[derive(Clone, Debug)]
pub struct Rtsp {
    /// TCP address; empty: no server. Default `:8554`.
    pub listen: String,
    /// Login name; empty: no login.
    pub username: String,
    /// Password that goes with it.
    pub password: Secret,
    /// Codecs for clients that name none. Default `video&audio`.
    pub default_query: String,
    /// Largest RTP packet for H.264 and H.265 in bytes; 0: the default.
    pub pkt_size: u16,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: ":1984".into(),
            tls_listen: String::new(),
            tls_cert: String::new(),
            tls_key: Secret::default(),
            unix_listen: String::new(),
            username: String::new(),
            password: Secret::default(),
            local_auth: false,
            base_path: String::new(),
            static_dir: String::new(),
            origin: String::new(),
            allow_paths: None,
            hosts: Vec::new(),
        }
    }
}

impl Default for Rtsp {
    fn default() -> Self {
        Self {
            listen: ":8554".into(),
            username: String::new(),
            password: Secret::default(),
            default_query: "video&audio".into(),
            pkt_size: 0,
        }
    }
}

impl Api {
    pub(super) fn read(&mut self, section: &mut Section<'_>) {
        section.about("TCP address, `host:port` or `:port`; empty: none.").restart();
        address(section, "listen", &mut self.listen);
        section.about("Path of a unix socket; empty: none.").restart();
        section.text("unix_listen", &mut self.unix_listen);
        section.about("Login name; empty: no login.");
        section.text("username", &mut self.username);
        section.about("Password that goes with it.");
        section.secret("password", &mut self.password);
        section.remember(&["username", "password", "origin", "tls_cert", "tls_key"]);
        section.about("Ask programs on this machine for the login too.");
        section.flag("local_auth", &mut self.local_auth);
        section.about("Prefix of all paths, such as /rtc.");
        section.text("base_path", &mut self.base_path);
        let base = self.base_path.trim_matches('/');
        self.base_path = if base.is_empty() { String::new() } else { format!("/{base}") };
        section.about("Folder that replaces the built-in web interface.");
        section.text("static_dir", &mut self.static_dir);
        section.about("The one origin whose pages may use the API; `*`: every page may look and talk, and change something with a login in its request.");
        section.text("origin", &mut self.origin);
        section.about(
            "Only these paths exist, compared exactly, with base_path; without the key, all.",
        );
        section.list("allow_paths", &mut self.allow_paths);
        section.about("Host names under which browsers may change things, beside local ones.");
        section.plain_list("hosts", &mut self.hosts);
        section.remember(&["base_path", "static_dir", "allow_paths", "hosts"]);
        section.about("TCP address for HTTPS; needs tls_cert and tls_key.").restart();
        address(section, "tls_listen", &mut self.tls_listen);
        section.about("Certificate chain: a PEM file or the PEM text.").restart();
        section.text("tls_cert", &mut self.tls_cert);
        section.about("Private key of the certificate: a PEM file or the PEM text.").restart();
        section.secret("tls_key", &mut self.tls_key);
        let complete = !self.tls_cert.is_empty() && !self.tls_key.expose().is_empty();
        if let Some(node) = section.any("tls_listen").filter(|n| n.text() != Some("") && !complete)
        {
            let text = "HTTPS needs tls_cert and tls_key too".to_owned();
            section.report(Severity::Warning, node.at, "api.tls_listen", text);
        }
    }
}

impl Rtsp {
    pub(super) fn read(&mut self, section: &mut Section<'_>) {
        section.about("TCP address, `host:port` or `:port`; empty: no server.").restart();
        address(section, "listen", &mut self.listen);
        section.about("Login name, not asked from this machine; empty: no login.");
        section.text("username", &mut self.username);
        section.about("Password that goes with it.");
        section.secret("password", &mut self.password);
        section.remember(&["username", "password"]);
        section.about("Codecs for clients that name none.");
        section.text("default_query", &mut self.default_query);
        section.remember(&["default_query"]);
        section.about("Largest RTP packet in bytes; 0: 1472. Any smaller value gives packets of at most 1180 bytes.");
        section.number("pkt_size", &mut self.pkt_size);
    }
}

/// Asks for a TCP address.
fn address(section: &mut Section<'_>, key: &'static str, into: &mut String) {
    section.text(key, into);
    let Some(node) = section.any(key) else { return };
    let port = into.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    if port.is_none() && !into.is_empty() && node.text().is_some() {
        let path = section.child(key);
        let text = format!("must be host:port or :port, not {into:?}");
        section.report(Severity::Error, node.at, &path, text);
    }
}
