//! A publishing RTSP client as a producer.

use std::sync::Arc;
use std::time::Instant;

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::Media;
use rs2rtc_rtsp::server::{CloseReason, Event};
use rs2rtc_streams::{BoxFuture, CancellationToken, Connection, Ended, Producer, Tracks};

use super::wire::Wire;
use crate::io::rtp::Receiver;
use crate::io::tcp::TcpEnd;

/// A connection that was told to RECORD.
pub(super) struct Publisher {
    pub(super) wire: Wire,
    pub(super) medias: Vec<Media>,
    pub(super) connection: Arc<Connection>,
}

impl Producer for Publisher {
    fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    fn medias(&self) -> &[Media] {
        &self.medias
    }

    fn run(mut self: Box<Self>, mut tracks: Tracks, cancel: CancellationToken) -> BoxFuture<Ended> {
        Box::pin(async move {
            let (ended, broke_off) = if cancel.is_cancelled() {
                (Ended::Cancelled, None)
            } else {
                self.receive(&mut tracks, &cancel).await
            };
            // Who is gone is not waited for: its place becomes free at once.
            match broke_off {
                None => self.wire.finish().await,
                Some(how) => self.wire.abandon(how),
            }
            ended
        })
    }
}

impl Publisher {
    /// Takes packets until the end. Says how the connection broke off, if it did.
    async fn receive(
        &mut self,
        tracks: &mut Tracks,
        cancel: &CancellationToken,
    ) -> (Ended, Option<TcpEnd>) {
        let mut receiver = Receiver::new(Arc::clone(&self.connection));
        for (index, media) in self.medias.iter().enumerate() {
            // Medias without codecs keep their index; their packets are dropped.
            let codec = media.codecs.first().cloned();
            receiver.add(
                index,
                codec.unwrap_or_else(|| rs2rtc_media::Codec::new(rs2rtc_media::CodecId::Any)),
            );
        }
        receiver.refresh(tracks);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return (Ended::Cancelled, None),
                event = self.wire.event() => match event {
                    Ok(Some(Event::Packet { track, rtcp: false, payload })) => {
                        receiver.rtp(track, &payload, Instant::now());
                    }
                    Ok(Some(Event::Packet { track, rtcp: true, payload })) => receiver.rtcp(track, &payload),
                    Ok(Some(Event::Closed { reason: CloseReason::Teardown | CloseReason::Disconnected })) => {
                        return (Ended::Finished, None);
                    }
                    Ok(Some(Event::Closed { reason })) => {
                        let error = Error::new(ErrorKind::Ended, format!("rtsp: {reason}"));
                        return (Ended::Failed(error), None);
                    }
                    Ok(_) => {}
                    Err(end) if end.how == TcpEnd::Fin => return (Ended::Finished, Some(end.how)),
                    Err(end) => {
                        let error = Error::new(ErrorKind::Ended, format!("rtsp: {end}"));
                        return (Ended::Failed(error), Some(end.how));
                    }
                },
                () = tracks.changed() => {
                    tracks.wanted();
                    receiver.refresh(tracks);
                }
            }
        }
    }
}
