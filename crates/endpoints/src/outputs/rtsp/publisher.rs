//! A publishing RTSP client as a producer.

use std::sync::Arc;
use std::time::Instant;

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::Media;
use rs2rtc_rtsp::server::{CloseReason, Event};
use rs2rtc_streams::{BoxFuture, CancellationToken, Connection, Ended, Producer, Tracks};

use super::connection::{End, Wire};
use crate::io::rtp::Receiver;

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
            let ended = if cancel.is_cancelled() {
                Ended::Cancelled
            } else {
                self.receive(&mut tracks, &cancel).await
            };
            self.wire.finish().await;
            ended
        })
    }
}

impl Publisher {
    async fn receive(&mut self, tracks: &mut Tracks, cancel: &CancellationToken) -> Ended {
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
                () = cancel.cancelled() => return Ended::Cancelled,
                event = self.wire.event() => match event {
                    Ok(Event::Packet { track, rtcp: false, payload }) => {
                        receiver.rtp(track, &payload, Instant::now());
                    }
                    Ok(Event::Packet { track, rtcp: true, payload }) => receiver.rtcp(track, &payload),
                    Ok(Event::Closed { reason: CloseReason::Teardown | CloseReason::Disconnected }) => {
                        return Ended::Finished;
                    }
                    Ok(Event::Closed { reason }) => {
                        return Ended::Failed(Error::new(ErrorKind::Ended, format!("rtsp: {reason}")));
                    }
                    Ok(_) => {}
                    Err(End::Closed) => return Ended::Finished,
                    Err(End::Stalled) => {
                        let text = "rtsp: the publisher does not read our answers";
                        return Ended::Failed(Error::new(ErrorKind::Ended, text));
                    }
                    Err(End::Broken(error)) => {
                        return Ended::Failed(Error::caused(ErrorKind::Ended, "rtsp", error));
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
