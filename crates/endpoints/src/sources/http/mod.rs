//! `http://`, `https://` (TLS), `httpx://` (TLS, any certificate): cameras that
//! answer a request with media (`spec/protocols-standard.md` 4,
//! `docs/sources/http.md`).
//!
//! What comes is told by its media type where cameras can be believed, else by its
//! first bytes: one picture is asked for again and again ([`snapshots`]), a playlist
//! is followed ([`hls`]), everything else is read as it comes.

mod crypt;
mod hls;
mod snapshots;

use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind, Url};
use rs2rtc_media::container::Demuxer;
use rs2rtc_protocols::hls::Choice;
use rs2rtc_streams::{Description, OpenRequest, Producer};

use crate::Context;
use crate::io::http::{Answer, Client, Config, Limits};
use crate::io::intake::{BY_FFMPEG, Delivery, Intake, Source};
use crate::io::reach::Reach;
use crate::parameters::Parameter;
use crate::table::Opening;

/// For a connection with its TLS, and for the head of an answer.
const HEAD: Duration = Duration::from_secs(5);
/// The longest silence in a body.
const SILENCE: Duration = Duration::from_secs(15);
/// How long it may take until the tracks are known.
const TRACKS: Duration = Duration::from_secs(30);
/// What errors begin with.
const WHAT: &str = "http";

const HEADER: &str = "header";
const TIMEOUT: &str = "timeout";
const VARIANT: &str = "variant";

/// What may stand behind `#`.
pub const PARAMETERS: &[Parameter] =
    &[Parameter::new(HEADER), Parameter::new(TIMEOUT), Parameter::new(VARIANT)];

/// A parsed address.
#[derive(Debug)]
struct Address {
    url: Url,
    unverified: bool,
    headers: Vec<(String, String)>,
    limits: Limits,
    variant: Choice,
}

/// Checks an address.
///
/// # Errors
/// `Config`, naming what is wrong with it.
pub fn check(source: &str) -> Result<(), Error> {
    parse(source).map(|_| ())
}

/// Asks the camera and waits until it is known what it sends.
pub fn open(context: Arc<Context>, request: OpenRequest) -> Opening {
    Box::pin(async move {
        let address = parse(&request.source)?;
        let reach = context.reach(request.origin);
        tokio::select! {
            biased;
            () = request.cancel.cancelled() => {
                Err(Error::new(ErrorKind::Ended, "http: nobody waits for the camera any more"))
            }
            opened = tokio::time::timeout(TRACKS, dial(&context, address, reach)) => {
                opened.unwrap_or_else(|_| {
                    let limit = TRACKS.as_secs();
                    let text = format!("{WHAT}: no pictures and no sound within {limit} s");
                    Err(Error::new(ErrorKind::Unreachable, text))
                })
            }
        }
    })
}

fn parse(source: &str) -> Result<Address, Error> {
    let config = |text: String| Error::new(ErrorKind::Config, format!("{WHAT}: {text}"));
    let mut url = Url::parse(source).map_err(|e| config(e.to_string()))?;
    if url.host.is_empty() {
        return Err(config("the address has no host".to_owned()));
    }
    let unverified = url.scheme == "httpx";
    if unverified {
        "https".clone_into(&mut url.scheme);
    }
    let mut headers = Vec::new();
    for text in url.fragment.get_all(HEADER) {
        let field = text.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
        let is_token = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.!#$%&'*+^`|~".contains(&b))
        };
        let Some((name, value)) = field.filter(|(name, _)| is_token(name)) else {
            return Err(config("#header must be of the form Name: value".to_owned()));
        };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut limits = Limits { head: HEAD, silence: SILENCE };
    if let Some(text) = url.fragment.get(TIMEOUT) {
        let seconds = text.parse().ok().filter(|seconds| (1..=600).contains(seconds));
        let wrong = || config(format!("#timeout={text} is not a number of seconds from 1 to 600"));
        let given = Duration::from_secs(seconds.ok_or_else(wrong)?);
        limits = Limits { head: given, silence: given };
    }
    let variant = match url.fragment.get(VARIANT) {
        None | Some("first") => Choice::First,
        Some("best") => Choice::Best,
        Some("smallest") => Choice::Smallest,
        Some(other) => {
            return Err(config(format!("#variant={other} is not first, best or smallest")));
        }
    };
    Ok(Address { url, unverified, headers, limits, variant })
}

async fn dial(
    context: &Context,
    address: Address,
    reach: Reach,
) -> Result<Box<dyn Producer>, Error> {
    let mut client = Client::new(Config {
        url: address.url.clone(),
        unverified: address.unverified,
        headers: address.headers,
        user_agent: context.user_agent.clone(),
        limits: address.limits,
        reach,
    });
    let named = |error: Error| error.context(WHAT);
    let mut answer = client.get(&address.url, None).await.map_err(named)?;
    let description = Description {
        protocol: "http".to_owned(),
        remote_addr: address.url.authority(),
        url: address.url.without_credentials(),
        user_agent: context.user_agent.clone(),
        ..Description::default()
    };
    let media_type = answer.media_type();
    if is_playlist(&mut answer, &media_type).await.map_err(named)? {
        return hls::open(client, answer, address.variant, description).await;
    }
    let demuxer = match media_type.as_str() {
        "image/jpeg" | "image/jpg" => {
            return snapshots::open(client, answer, description).await.map_err(named);
        }
        "multipart/x-mixed-replace" => Demuxer::of_parts(),
        "audio/basic" => Demuxer::of_mulaw(),
        _ => Demuxer::new(),
    };
    // Who knows where it ends sends a recording.
    let length = answer.body.length();
    let delivery = if length.is_some() { Delivery::InTime } else { Delivery::AtOnce };
    let intake = Intake::new(answer.body, demuxer, WHAT).advising(BY_FFMPEG);
    let source = Source::open(intake, delivery, "", description).await?;
    Ok(Box::new(source))
}

/// Whether an answer is an HLS playlist: by its type, its name or its first bytes.
async fn is_playlist(answer: &mut Answer, media_type: &str) -> Result<bool, Error> {
    const TYPES: [&str; 4] = [
        "application/vnd.apple.mpegurl",
        "application/x-mpegurl",
        "audio/mpegurl",
        "audio/x-mpegurl",
    ];
    if TYPES.contains(&media_type) || answer.url.path().ends_with(".m3u8") {
        return Ok(true);
    }
    if media_type.starts_with("image/") || media_type.starts_with("multipart/") {
        return Ok(false);
    }
    let Some(first) = answer.body.read().await? else { return Ok(false) };
    let is_playlist = first.starts_with(b"#EXTM3U");
    answer.body.unread(first);
    Ok(is_playlist)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        let address = parse(
            "httpx://u:p@h/x#header=X-Key: a: b#header=Accept:image/jpeg#timeout=9#variant=best",
        )
        .unwrap();
        assert!(address.unverified && address.url.scheme == "https");
        let headers: Vec<_> =
            address.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(headers, [("X-Key", "a: b"), ("Accept", "image/jpeg")]);
        assert_eq!(address.limits.head, Duration::from_secs(9));
        assert_eq!(address.variant, Choice::Best);
        for bad in [
            "http:///x",
            "http:x",
            "http://h/#header=x",
            "http://h/#header=a b: c",
            "http://h/#timeout=0",
            "http://h/#variant=9",
            "http://h:99999/",
        ] {
            assert_eq!(check(bad).unwrap_err().kind(), ErrorKind::Config, "{bad}");
        }
    }
}
