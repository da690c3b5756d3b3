//! Moving viewers when the sources of a stream change.
//!
//! Tracks are what viewers hold, so tracks move: a source that goes gives its
//! watched tracks up ([`crate::live::Live::uproot`]), it is released, and the
//! sources that there are now are opened in their order, as far as needed, until
//! each track has found one with its codec. Its viewers keep it; its frames go on
//! with a keyframe and with later times. A track that finds none ends, which its
//! viewers notice as the end of their picture.
//!
//! The old source is let go before the new one is dialled: both are often the
//! same camera, and many cameras have one place.

use std::sync::Arc;

use tokio::sync::watch;

use crate::consumer::Consumer;
use crate::stream::{Source, Stream};
use crate::track::Track;

/// Moves the viewers of a stream until each is where it belongs. One runs per
/// stream at a time; it sees changes that come while it works.
pub(crate) async fn settle(stream: Arc<Stream>) {
    let mut orphans = Vec::new();
    loop {
        let mut changed = stream.changed();
        let Some((consumers, sources)) = stream.next_move(&mut orphans) else { return };
        let found = place(&consumers, &sources, &mut orphans, &mut changed).await;
        for consumer in &consumers {
            consumer.tidy();
        }
        if found {
            leave_behind(&consumers, &sources, &mut orphans);
        }
    }
}

/// Finds sources for tracks and microphones that have none. False if the
/// sources changed meanwhile.
async fn place(
    consumers: &[Arc<Consumer>],
    sources: &[Source],
    orphans: &mut Vec<Arc<Track>>,
    changed: &mut watch::Receiver<u64>,
) -> bool {
    for source in sources {
        let slot = match source {
            Source::External(external) => {
                if *external.present() {
                    orphans.retain(|track| !external.live.adopt(track));
                }
                continue;
            }
            Source::Slot(slot) => slot,
        };
        // Who needs it holds it while it is dialled: when they leave, it ends.
        let wants = |c: &&Arc<Consumer>| reads(c, orphans) || c.is_unheard();
        let takers: Vec<&Arc<Consumer>> = consumers.iter().filter(wants).collect();
        let runs = takers.iter().filter_map(|consumer| consumer.take(slot));
        let Some(run) = runs.collect::<Vec<_>>().pop() else { continue };
        let opened = tokio::select! {
            biased;
            _ = changed.changed() => return false,
            opened = run.opened() => opened,
        };
        if opened.is_err() && slot.is_retired() {
            return false;
        }
        if opened.is_ok() {
            orphans.retain(|track| !slot.live.adopt(track));
            for consumer in takers {
                consumer.settle_in(slot);
            }
        }
    }
    true
}

/// Tracks that no source gives end; those whose viewers are all parked wait for
/// a source that nobody needs now.
fn leave_behind(consumers: &[Arc<Consumer>], sources: &[Source], orphans: &mut Vec<Arc<Track>>) {
    for track in orphans.drain(..).filter(|track| track.is_watched()) {
        let one = [Arc::clone(&track)];
        let readers: Vec<&Arc<Consumer>> = consumers.iter().filter(|c| reads(c, &one)).collect();
        let asleep = readers.iter().all(|consumer| consumer.is_parked());
        let waits_for = sources.iter().find_map(|source| match source {
            Source::Slot(slot) => (asleep && slot.live.expect(&track)).then_some(slot),
            Source::External(_) => None,
        });
        match waits_for {
            Some(slot) => readers.iter().for_each(|consumer| consumer.wait_for(slot)),
            None => track.end(),
        }
    }
}

/// Whether a consumer was given one of these tracks.
fn reads(consumer: &Consumer, tracks: &[Arc<Track>]) -> bool {
    consumer.tracks().iter().any(|t| tracks.iter().any(|track| track.is_or_leads(&t.track)))
}
