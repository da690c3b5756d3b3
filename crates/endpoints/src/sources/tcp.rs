//! `tcp://host:port`: a program or a camera that sends media to whoever connects
//! (`docs/sources/tcp.md`). Nothing is said to it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rs2rtc_base::{Error, ErrorKind, Url};
use rs2rtc_media::container::Demuxer;
use rs2rtc_streams::{Description, OpenRequest, Producer};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::Context;
use crate::io::intake::{BY_FFMPEG, Delivery, Input, Intake, Source};
use crate::io::reach::Reach;
use crate::io::tcp::{self, Security, Stream};
use crate::table::Opening;

const CONNECT: Duration = Duration::from_secs(5);
/// The longest silence.
const SILENCE: Duration = Duration::from_secs(15);
/// How long it may take until the tracks are known.
const TRACKS: Duration = Duration::from_secs(30);
const READ: usize = 64 * 1024;
/// What errors begin with.
const WHAT: &str = "tcp";

/// Checks an address.
///
/// # Errors
/// `Config`, naming what is wrong with it.
pub fn check(source: &str) -> Result<(), Error> {
    parse(source).map(|_| ())
}

fn parse(source: &str) -> Result<(Url, u16), Error> {
    let config = |text: &str| Error::new(ErrorKind::Config, format!("{WHAT}: {text}"));
    let url = Url::parse(source).map_err(|e| config(&e.to_string()))?;
    if url.host.is_empty() {
        return Err(config("the address has no host"));
    }
    let port = url.port.ok_or_else(|| config("the address has no port: tcp://host:port"))?;
    Ok((url, port))
}

/// Connects and waits until it is known what comes.
pub fn open(context: Arc<Context>, request: OpenRequest) -> Opening {
    Box::pin(async move {
        let (url, port) = parse(&request.source)?;
        let reach = context.reach(request.origin);
        tokio::select! {
            biased;
            () = request.cancel.cancelled() => {
                Err(Error::new(ErrorKind::Ended, "tcp: nobody waits for the camera any more"))
            }
            opened = timeout(TRACKS, dial(reach, url, port)) => opened.unwrap_or_else(|_| {
                let text = format!("tcp: no pictures and no sound within {} s", TRACKS.as_secs());
                Err(Error::new(ErrorKind::Unreachable, text))
            }),
        }
    })
}

async fn dial(reach: Reach, url: Url, port: u16) -> Result<Box<dyn Producer>, Error> {
    let stream = tcp::connect(&reach, (&url.host, port), Security::Plain, CONNECT).await;
    let stream = stream.map_err(|e| e.context(WHAT))?;
    let description = Description {
        protocol: WHAT.to_owned(),
        remote_addr: stream.remote_addr(),
        url: url.without_credentials(),
        ..Description::default()
    };
    let input = Connected { stream, buffer: BytesMut::new() };
    let intake = Intake::new(input, Demuxer::new(), WHAT).advising(BY_FFMPEG);
    Ok(Box::new(Source::open(intake, Delivery::AtOnce, "", description).await?))
}

/// What comes over a connection.
struct Connected {
    stream: Stream,
    buffer: BytesMut,
}

impl Input for Connected {
    async fn read(&mut self) -> Result<Option<Bytes>, Error> {
        self.buffer.reserve(READ);
        let read = timeout(SILENCE, self.stream.read_buf(&mut self.buffer)).await;
        let read = read.map_err(|_| {
            let text = format!("no data for {} s", SILENCE.as_secs());
            Error::new(ErrorKind::Ended, text)
        })?;
        let read = read.map_err(|e| Error::caused(ErrorKind::Ended, "connection lost", e))?;
        Ok((read > 0).then(|| self.buffer.split().freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(parse("tcp://h:9000").unwrap().1, 9000);
        for bad in ["tcp://h", "tcp://:9000", "tcp:h"] {
            assert_eq!(check(bad).unwrap_err().kind(), ErrorKind::Config, "{bad}");
        }
    }
}
