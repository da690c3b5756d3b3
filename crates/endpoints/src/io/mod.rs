//! What sources and outputs share: processes, sockets, media shards.

pub mod ice_tcp;
pub mod process;
pub mod rendezvous;
pub mod rtsp;
pub mod shard;
pub mod sys;
pub mod udp;
