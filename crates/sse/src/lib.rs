//! Server-Sent Events (WHATWG HTML §9.2): how messages and control frames are spelled on this wire.

mod block;
mod format;

pub use format::{JSON, RAW};

/// The `Content-Type` of a stream.
pub const CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";
