//! The bodies of the fuzz targets: arbitrary bytes into a parser or a machine.
//!
//! They stand here and not under `fuzz/` so that their corpora run as plain
//! tests with the product's own toolchain.

pub mod av1;
pub mod container;
pub mod decode;
pub mod depay_aac;
pub mod depay_h264;
pub mod depay_h265;
pub mod depay_jpeg;
pub mod depay_other;
pub mod fmp4;
pub mod hls_playlist;
pub mod http_body;
pub mod jpeg;
pub mod mux;
mod packets;
pub mod parameters;
pub mod rtnetlink;
pub mod rtp_rtcp;
pub mod rtsp_client;
pub mod rtsp_message;
pub mod rtsp_server;
pub mod sdp;
pub mod stun_binding;
pub mod url;
pub mod webrtc_datagram;
pub mod webrtc_offer;

/// A body of a fuzz target.
pub type Body = fn(&[u8]);

/// Every target by the name of its corpus.
pub static TARGETS: &[(&str, Body)] = &[
    ("av1", av1::run),
    ("container", container::run),
    ("decode_h264", decode::h264),
    ("decode_jpeg", decode::jpeg),
    ("depay_aac", depay_aac::run),
    ("depay_av1", av1::depay),
    ("depay_h264", depay_h264::run),
    ("depay_h265", depay_h265::run),
    ("depay_jpeg", depay_jpeg::run),
    ("depay_other", depay_other::run),
    ("demux_adts", container::adts),
    ("demux_annexb", container::annexb),
    ("demux_flv", container::flv),
    ("demux_mjpeg", container::mjpeg),
    ("demux_mp4", container::mp4),
    ("demux_mpegts", container::mpegts),
    ("demux_mpjpeg", container::mpjpeg),
    ("demux_packed", container::packed),
    ("demux_wav", container::wav),
    ("demux_y4m", container::y4m),
    ("fmp4", fmp4::run),
    ("hls_playlist", hls_playlist::run),
    ("http_body", http_body::run),
    ("jpeg", jpeg::run),
    ("mux", mux::run),
    ("parameters", parameters::run),
    ("rtnetlink", rtnetlink::run),
    ("rtp_rtcp", rtp_rtcp::run),
    ("rtsp_client", rtsp_client::run),
    ("rtsp_message", rtsp_message::run),
    ("rtsp_server", rtsp_server::run),
    ("sdp", sdp::run),
    ("stun_binding", stun_binding::run),
    ("url", url::run),
    ("webrtc_datagram", webrtc_datagram::run),
    ("webrtc_offer", webrtc_offer::run),
];
