//! What clients of RTSP servers share: cameras are played from, other servers are
//! published to.

mod link;

use std::time::{Duration, Instant};

use rs2rtc_base::{Error, ErrorKind, Url};
use rs2rtc_rtsp::client::{Config, Session};

pub use link::{Link, Lost, Step};

use super::random::random_bytes;
use super::reach::Reach;
use super::tcp::{self, Security};
use crate::Context;
use crate::parameters::Parameter;

/// Schemes of addresses: plain, over TLS, over TLS with any certificate.
pub const SCHEMES: &[&str] = &["rtsp", "rtsps", "rtspx"];

/// Redirects that are followed.
pub const MAX_REDIRECTS: usize = 5;

/// Seconds for connecting and for every answer.
pub const TIMEOUT: Parameter = Parameter::new("timeout");
/// What carries the media.
pub const TRANSPORT: Parameter = Parameter::new("transport");
/// The kinds of media to take.
pub const MEDIA: Parameter = Parameter::of("media", &["video", "audio"]);

const DEFAULT_PORT: u16 = 554;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of a session description that are kept for lists. Those of cameras have a few
/// thousand; one may be as long as a message.
const SHOWN_SDP: usize = 64 * 1024;

/// What is kept of a session description for lists.
pub fn shown_sdp(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHOWN_SDP)]
}

/// The address of a server, with the parameters that all clients know.
#[derive(Clone, Debug)]
pub struct Address {
    /// With credentials and parameters.
    pub url: Url,
    /// For connecting and for every answer.
    pub timeout: Duration,
}

impl Address {
    /// Reads an address. `timeout` and `transport` may stand behind `#`.
    ///
    /// # Errors
    /// `Config`, naming what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let config = |text: String| Error::new(ErrorKind::Config, format!("rtsp: {text}"));
        let url = Url::parse(text).map_err(|e| config(e.to_string()))?;
        if url.host.is_empty() {
            return Err(config("the address has no host".to_owned()));
        }
        let timeout = match url.fragment.get(TIMEOUT.name) {
            None => DEFAULT_TIMEOUT,
            Some(text) => match text.parse::<u64>() {
                Ok(seconds @ 1..=600) => Duration::from_secs(seconds),
                _ => {
                    return Err(config(format!(
                        "#timeout={text} is not a number of seconds from 1 to 600"
                    )));
                }
            },
        };
        match url.fragment.get(TRANSPORT.name) {
            None | Some("" | "tcp") => {}
            Some(other) => {
                return Err(config(format!("#transport={other} is not available yet, use tcp")));
            }
        }
        Ok(Self { url, timeout })
    }

    fn security(&self) -> Security {
        match self.url.scheme.as_str() {
            "rtsps" => Security::Verified,
            "rtspx" => Security::Unverified,
            _ => Security::Plain,
        }
    }

    /// Connects. `backchannel`: a camera is asked for its loudspeaker.
    ///
    /// # Errors
    /// `Unreachable` with host, port and reason; `Config` if it may not be
    /// connected to.
    pub async fn connect(
        &self,
        context: &Context,
        reach: &Reach,
        backchannel: bool,
    ) -> Result<Link, Error> {
        let to = (self.url.host.as_str(), self.url.port_or(DEFAULT_PORT));
        let stream = tcp::connect(reach, to, self.security(), self.timeout)
            .await
            .map_err(|e| e.context("rtsp"))?;
        let session = Session::new(Config {
            url: self.url.clone(),
            user_agent: context.user_agent.clone(),
            backchannel,
            timeout: self.timeout,
            cnonce: random_bytes()?,
        });
        Ok(Link::new(stream, session, Instant::now()))
    }
}

/// Sleeps until a machine's deadline; for ever without one.
pub(crate) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
