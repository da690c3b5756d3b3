//! A stream of bytes as a source.

use std::sync::Arc;

use rs2rtc_base::Error;
use rs2rtc_media::{Codec, Media};
use rs2rtc_streams::{
    BoxFuture, CancellationToken, Connection, Description, Ended, Producer, Tracks,
};

use super::{Delivery, Input, Intake, medias};

/// A source whose tracks are known. It ends when its input does; being let go, it
/// drops its input.
pub struct Source<I> {
    intake: Intake<I>,
    codecs: Vec<Codec>,
    medias: Vec<Media>,
    connection: Arc<Connection>,
    delivery: Delivery,
}

impl<I: Input> Source<I> {
    /// Of an intake whose tracks are known. `description` says what is known of the
    /// connection; format and medias are filled in, the format behind `family`, if
    /// there is one.
    pub fn new(
        intake: Intake<I>,
        codecs: Vec<Codec>,
        delivery: Delivery,
        family: &str,
        mut description: Description,
    ) -> Self {
        let medias = medias(&codecs);
        description.format_name = match family {
            "" => intake.format_name().to_owned(),
            family => format!("{family}/{}", intake.format_name()),
        };
        intake.description().clone_into(&mut description.sdp);
        description.medias.clone_from(&medias);
        let connection = Arc::new(Connection::new(description));
        Self { intake, codecs, medias, connection, delivery }
    }

    /// Reads until the tracks are known.
    ///
    /// # Errors
    /// As [`Intake::tracks`].
    pub async fn open(
        mut intake: Intake<I>,
        delivery: Delivery,
        family: &str,
        description: Description,
    ) -> Result<Self, Error> {
        let codecs = intake.tracks().await?;
        Ok(Self::new(intake, codecs, delivery, family, description))
    }
}

impl<I: Input + 'static> Producer for Source<I> {
    fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    fn medias(&self) -> &[Media] {
        &self.medias
    }

    fn run(self: Box<Self>, tracks: Tracks, cancel: CancellationToken) -> BoxFuture<Ended> {
        Box::pin(async move {
            let delivery = self.intake.deliver(self.codecs, self.connection, tracks, self.delivery);
            tokio::select! {
                biased;
                () = cancel.cancelled() => Ended::Cancelled,
                failure = delivery => failure.map_or(Ended::Finished, Ended::Failed),
            }
        })
    }
}
