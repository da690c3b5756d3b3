//! What the transport says of the connection, and what is learned from what it sends.

use rs2rtc_media::Direction;
use str0m::IceConnectionState;
use tracing::trace;

use super::{Event, MAX_CANDIDATES, Pair, Received, Route, Session, State, Transmit};
use crate::liveness::{Heard, Reason};
use crate::{CandidateKind, stun};

/// Content type of a DTLS alert (RFC 6347 section 4.1); aborts travel as data.
const ALERT: u8 = 21;
/// Longest message that goes back to who measures the way, in bytes.
const MAX_ECHO: usize = 1024;

impl Session {
    /// Learns from what the transport sends: a STUN success means that a check
    /// from there was authentic.
    ///
    /// Everything but STUN goes where the viewer's own packets come from, once
    /// that address is authentic. The transport keeps to the best nominated
    /// pair; a viewer that moves to another network has left it long before
    /// that pair fails.
    pub(super) fn observe(&mut self, transmit: &mut Transmit) {
        match stun::kind(&transmit.contents) {
            Some(stun::Kind::Success) => {
                self.liveness.heard(Heard::Check, self.now);
                let route = (transmit.protocol, transmit.source, transmit.destination);
                self.checked = Some((route, self.now));
                let peer = (transmit.protocol, transmit.destination);
                if !self.peers.contains(&peer) && self.peers.len() < MAX_CANDIDATES {
                    self.peers.push(peer);
                    self.events.push_back(Event::Peer(peer.0, peer.1));
                }
            }
            Some(_) => {}
            None => {
                let nominated = (transmit.protocol, transmit.source, transmit.destination);
                if self.nominated != Some(nominated) {
                    self.nominated = Some(nominated);
                    self.followed = None;
                }
                if self.prober.sent(&transmit.contents) {
                    self.media_sent = Some(self.now);
                }
                let route = self.followed.unwrap_or(nominated);
                (transmit.protocol, transmit.source, transmit.destination) = route;
                if self.pair.is_none_or(|p| (p.protocol, p.local, p.remote) != route) {
                    self.pair_changed(route);
                }
            }
        }
    }

    /// Whether this would only be refused: the viewer's host said that the port is
    /// closed, and says so of every datagram. It does that a few times a second at
    /// most, which other viewers on that host may need. Answers still go out: what
    /// they answer has just come from there.
    pub(super) fn is_refused(&self, transmit: &Transmit) -> bool {
        let there =
            |pair: Pair| (pair.protocol, pair.remote) == (transmit.protocol, transmit.destination);
        self.liveness.is_refused()
            && self.pair.is_some_and(there)
            && stun::kind(&transmit.contents) != Some(stun::Kind::Success)
    }

    fn pair_changed(&mut self, (protocol, local, remote): Route) {
        let mut known = self.known.iter();
        let kind = known
            .find(|(p, address, _)| (*p, *address) == (protocol, remote))
            .map_or(CandidateKind::PeerReflexive, |(.., kind)| *kind);
        let pair = Pair { protocol, local, remote, kind };
        self.pair = Some(pair);
        self.events.push_back(Event::PairChanged(pair));
    }

    pub(super) fn translate(&mut self, event: str0m::Event) {
        match event {
            str0m::Event::Connected => {
                if self.state == State::Connecting {
                    self.state = State::Connected;
                    let over = self.pair.map_or("", |pair| pair.protocol.name());
                    self.liveness.connected(over, self.now);
                    self.events.push_back(Event::Connected);
                }
            }
            str0m::Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                // It goes on sending, and the viewer's next check revives it.
                self.liveness.mark("ice_disconnected", "", self.now);
            }
            str0m::Event::Closed => {
                let alert = self.last_kind == ALERT;
                let reason = if alert { Reason::CloseNotify } else { Reason::SctpAbort };
                self.liveness.proof(reason, self.now);
            }
            str0m::Event::KeyframeRequest(request) => {
                let wanted = Some((request.mid, Direction::SendOnly));
                if let Some(track) = self.mids.iter().position(|mid| *mid == wanted) {
                    self.events.push_back(Event::KeyframeRequest(track));
                }
            }
            str0m::Event::RtpPacket(packet) => self.received(packet),
            str0m::Event::ChannelData(data) if self.echoes && data.data.len() <= MAX_ECHO => {
                if let Some(mut channel) = self.rtc.channel(data.id) {
                    // One whose buffer is full measures nothing.
                    let _ = channel.write(data.binary, &data.data);
                }
            }
            other => trace!(?other, "event"),
        }
    }

    fn received(&mut self, packet: str0m::rtp::RtpPacket) {
        let ssrc = packet.header.ssrc;
        let Some(mid) = self.rtc.direct_api().stream_rx(&ssrc).map(|stream| stream.mid()) else {
            return;
        };
        let wanted = Some((mid, Direction::RecvOnly));
        if let Some(track) = self.mids.iter().position(|mid| *mid == wanted) {
            let report = packet.last_sender_info;
            self.events.push_back(Event::Received(Received {
                track,
                ssrc: *ssrc,
                report: report.map(|r| (r.ntp_time, r.rtp_time.numer() as u32)),
                sequence: *packet.seq_no,
                timestamp: packet.header.timestamp,
                payload_type: *packet.header.payload_type,
                marker: packet.header.marker,
                payload: packet.payload,
            }));
        }
    }
}
