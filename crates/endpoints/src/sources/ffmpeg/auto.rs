//! `#audio=auto`: sound in whatever codec is asked for
//! (`spec/protocols-standard.md` 7.2).
//!
//! The source offers a list and starts nothing. Each codec that somebody takes is
//! a conversion of its own, which runs as long as the source is held. Its main
//! use is playing to a camera, whose loudspeaker takes one codec of many.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use rs2rtc_base::{Error, Fragment};
use rs2rtc_media::codec::aac::AudioSpecificConfig;
use rs2rtc_media::{Codec, CodecId, Direction, Kind, Media};
use rs2rtc_streams::{
    BoxFuture, CancellationToken, Connection, Description, Ended, Origin, Producer, Tracks,
};

use super::key;
use crate::Context;

/// What it offers, best first, and the template that makes it.
const OFFERS: [(CodecId, u32, &str); 10] = [
    (CodecId::Opus, 48_000, "opus/16000"),
    (CodecId::Pcml, 16_000, "pcml/16000"),
    (CodecId::L16, 16_000, "pcm/16000"),
    (CodecId::Pcma, 16_000, "pcma/16000"),
    (CodecId::Pcmu, 16_000, "pcmu/16000"),
    (CodecId::Pcml, 8000, "pcml/8000"),
    (CodecId::L16, 8000, "pcm/8000"),
    (CodecId::Pcma, 8000, "pcma/8000"),
    (CodecId::Pcmu, 8000, "pcmu/8000"),
    (CodecId::Aac, 16_000, "aac/16000"),
];

/// Whether a source is to be converted to what is asked for: `auto` is its only
/// sound, and it has no picture.
pub(super) fn is_asked(source: &str) -> bool {
    let (_, parameters) = Fragment::split(super::text(source));
    let mut sounds = parameters.get_all(key::AUDIO);
    !parameters.has(key::VIDEO) && sounds.next() == Some("auto") && sounds.next().is_none()
}

/// A producer that offers the list.
pub(super) fn producer(context: Arc<Context>, source: &str, origin: Origin) -> Box<dyn Producer> {
    let codecs = OFFERS.iter().map(|(id, rate, _)| codec(id, *rate)).collect();
    let media =
        Media { kind: Kind::Audio, direction: Direction::RecvOnly, codecs, id: String::new() };
    let connection = Arc::new(Connection::new(Description {
        format_name: "ffmpeg".to_owned(),
        medias: vec![media.clone()],
        ..Description::default()
    }));
    Box::new(Auto { context, source: source.to_owned(), origin, medias: vec![media], connection })
}

fn codec(id: &CodecId, rate: u32) -> Codec {
    let codec = Codec::new(id.clone()).clock(rate);
    match id {
        CodecId::Opus => codec.channels(2),
        CodecId::Aac => codec.fmtp(AudioSpecificConfig::lc(rate, 1).to_fmtp()),
        _ => codec,
    }
}

/// The parameter that makes a codec of the list.
fn template(wanted: &Codec) -> Option<&'static str> {
    let mut offers = OFFERS.iter();
    let offer = offers.find(|(id, rate, _)| wanted.id == *id && wanted.clock_rate == *rate)?;
    Some(offer.2)
}

struct Auto {
    context: Arc<Context>,
    source: String,
    origin: Origin,
    medias: Vec<Media>,
    connection: Arc<Connection>,
}

/// FFmpeg at work for one codec.
struct Conversion {
    codec: Codec,
    cancel: CancellationToken,
    running: BoxFuture<Ended>,
}

impl Producer for Auto {
    fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    fn medias(&self) -> &[Media] {
        &self.medias
    }

    fn run(self: Box<Self>, mut tracks: Tracks, cancel: CancellationToken) -> BoxFuture<Ended> {
        Box::pin(async move {
            let mut conversions: Vec<Conversion> = Vec::new();
            let ended = loop {
                if cancel.is_cancelled() {
                    break Ended::Cancelled;
                }
                self.follow(&mut tracks, &mut conversions, &cancel);
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => {}
                    (index, ended) = next_end(&mut conversions) => {
                        let over = conversions.swap_remove(index);
                        if !over.cancel.is_cancelled() {
                            break ended;
                        }
                    }
                    () = tracks.changed() => {}
                }
            };
            for conversion in &conversions {
                conversion.cancel.cancel();
            }
            while !conversions.is_empty() {
                let (index, _) = next_end(&mut conversions).await;
                conversions.swap_remove(index);
            }
            ended
        })
    }
}

impl Auto {
    /// Starts what is wanted and not there, ends what is not wanted any more.
    fn follow(
        &self,
        tracks: &mut Tracks,
        conversions: &mut Vec<Conversion>,
        cancel: &CancellationToken,
    ) {
        let wanted = tracks.wanted();
        for conversion in &*conversions {
            if !wanted.iter().any(|w| w.codec == conversion.codec) {
                conversion.cancel.cancel();
            }
        }
        for w in &*wanted {
            let known = |c: &Conversion| c.codec == w.codec && !c.cancel.is_cancelled();
            let Some(template) = template(&w.codec).filter(|_| !conversions.iter().any(known))
            else {
                continue;
            };
            let cancel = cancel.child_token();
            let connection = Arc::clone(&self.connection);
            let convert = convert(
                Arc::clone(&self.context),
                (self.source.clone(), self.origin),
                template,
                connection,
                tracks.only(&w.codec),
                cancel.clone(),
            );
            let running = Box::pin(convert);
            conversions.push(Conversion { codec: w.codec.clone(), cancel, running });
        }
    }
}

/// Opens and runs one conversion.
async fn convert(
    context: Arc<Context>,
    (source, origin): (String, Origin),
    template: &'static str,
    connection: Arc<Connection>,
    tracks: Tracks,
    cancel: CancellationToken,
) -> Ended {
    let opened: Result<_, Error> = async {
        let plan = tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(None),
            plan = super::plan(&context, &source, origin, Some(template)) => plan?,
        };
        plan.open(context, &cancel).await.map(Some)
    }
    .await;
    match opened {
        Ok(Some(producer)) => {
            connection.show(producer.connection());
            producer.run(tracks, cancel).await
        }
        Ok(None) => Ended::Cancelled,
        Err(_) if cancel.is_cancelled() => Ended::Cancelled,
        Err(error) => Ended::Failed(error),
    }
}

/// Waits until one of the conversions has ended; without any, for ever.
async fn next_end(conversions: &mut [Conversion]) -> (usize, Ended) {
    poll_fn(|cx| {
        for (index, conversion) in conversions.iter_mut().enumerate() {
            if let Poll::Ready(ended) = conversion.running.as_mut().poll(cx) {
                return Poll::Ready((index, ended));
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::ffmpeg::templates::built_in;

    #[test]
    fn only_a_single_sound_is_chosen_later() {
        assert!(is_asked("ffmpeg:clip.mp4#audio=auto#input=file"));
        assert!(is_asked("ffmpeg:tts?text=hello#audio=auto"));
        for other in ["x", "x#audio=opus", "x#audio=auto#audio=aac", "x#audio=auto#video=copy"] {
            assert!(!is_asked(&format!("ffmpeg:{other}")), "{other}");
        }
    }

    #[test]
    fn the_offer_is_that_of_the_contract() {
        let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
        let auto = producer(context, "ffmpeg:x#audio=auto", Origin::Config);
        assert_eq!(
            auto.medias()[0].to_string(),
            "audio, recvonly, OPUS/48000/2, PCML/16000, L16/16000, PCMA/16000, PCMU/16000, \
             PCML/8000, L16/8000, PCMA/8000, PCMU/8000, MPEG4-GENERIC/16000"
        );
        for codec in &auto.medias()[0].codecs {
            let text = built_in(template(codec).unwrap()).unwrap();
            assert!(text.starts_with("-c:a "), "{codec}: {text}");
        }
    }
}
