//! Batched receiving: several datagrams per call (recvmmsg), several of one
//! sender in one buffer (GRO).

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;

use quinn_udp::{RecvMeta, UdpSockRef};
use tracing::trace;

use super::{Udp, UdpPort};

/// Buffers per receive call, each large enough for a coalesced batch.
const RECEIVE_BATCH: usize = 8;
const RECEIVE_SIZE: usize = 65_535;

/// Buffers to receive into: about half a megabyte of address space, touched as needed.
#[derive(Debug)]
pub struct Receiver {
    buffers: [Vec<u8>; RECEIVE_BATCH],
    meta: [RecvMeta; RECEIVE_BATCH],
}

impl Receiver {
    /// Buffers for one thread.
    #[allow(clippy::new_without_default)] // not a value that one makes by the way
    pub fn new() -> Self {
        Self {
            buffers: std::array::from_fn(|_| vec![0; RECEIVE_SIZE]),
            meta: [RecvMeta::default(); RECEIVE_BATCH],
        }
    }

    /// Takes what has arrived at the main sockets of a port, at most `calls`
    /// receive calls per socket, and hands every datagram over with its source
    /// and destination.
    pub fn receive(
        &mut self,
        port: &UdpPort,
        calls: usize,
        mut take: impl FnMut(SocketAddr, SocketAddr, &[u8]),
    ) {
        for udp in &port.sockets {
            self.drain(udp, calls, &mut take);
        }
    }

    /// The same for one socket.
    pub(super) fn drain(
        &mut self,
        udp: &Udp,
        calls: usize,
        mut take: impl FnMut(SocketAddr, SocketAddr, &[u8]),
    ) {
        for _ in 0..calls {
            let mut slices = self.buffers.each_mut().map(|b| IoSliceMut::new(b));
            let socket = UdpSockRef::from(&udp.socket);
            let count = match udp.state.recv(socket, &mut slices, &mut self.meta) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    // An ICMP error shows up here once, before what has arrived.
                    trace!(%error, "receive");
                    continue;
                }
            };
            for (meta, buffer) in self.meta.iter().zip(&self.buffers).take(count) {
                let ip = meta.dst_ip.unwrap_or_else(|| udp.local.ip());
                let destination = SocketAddr::new(ip, udp.local.port());
                let bytes = buffer.get(..meta.len).unwrap_or_default();
                for datagram in bytes.chunks(meta.stride.max(1)) {
                    take(meta.addr, destination, datagram);
                }
            }
            if count < RECEIVE_BATCH {
                break;
            }
        }
    }
}
