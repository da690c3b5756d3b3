//! HTTP/1 shaped messages, as HTTP itself, RTSP, WebSocket upgrades and some
//! camera protocols use them: head parsing and authentication.

pub mod auth;
mod head;

pub use head::{
    Head, HeadError, Headers, MAX_HEAD, MAX_HEADERS, RequestLine, StatusLine, find_head_end,
};
