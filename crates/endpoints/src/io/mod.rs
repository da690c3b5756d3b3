//! What sources and outputs share: processes, sockets, media shards.

pub mod changes;
pub mod http;
pub mod ice_tcp;
pub mod intake;
pub mod logins;
pub mod poller;
pub mod process;
pub mod progress;
pub(crate) mod random;
pub mod reach;
pub mod rendezvous;
pub mod rtp;
pub mod rtsp;
pub mod shard;
pub mod stun;
pub mod sys;
pub mod tcp;
pub mod udp;
pub mod wire;
