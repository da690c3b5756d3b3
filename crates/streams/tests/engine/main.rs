//! The engine with scripted sources: who is dialled, who gets which track, and
//! when a source is let go.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod attaching;
mod ends;
mod lab;
mod sources;
