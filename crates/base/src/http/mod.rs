//! HTTP/1 shaped messages, as HTTP itself, RTSP, WebSocket upgrades and some
//! camera protocols use them: heads, bodies and authentication.

pub mod auth;
mod body;
mod head;

pub use body::{BodyDecoder, BodyError};
pub use head::{
    Head, HeadError, Headers, MAX_HEAD, MAX_HEADERS, RequestLine, StatusLine, find_head_end,
};
