//! The chunked wire: JSON lines in an HTTP body.
//!
//! A line is a JSON document and LF. The chunks around the lines (RFC 9112 §7.1) are a matter of
//! HTTP: a reader must not take a chunk for a line. [`ChunkFramed`] writes them for bodies that are
//! sent without an HTTP library.

mod chunk_framed;
mod format;

pub use chunk_framed::ChunkFramed;
pub use format::{Chunked, JSON, RAW};

/// The `Content-Type` of a stream of documents.
pub const CONTENT_TYPE: &str = "application/x-ndjson";

/// The `Content-Type` of a raw stream, whose type only its publishers know.
pub const RAW_CONTENT_TYPE: &str = "application/octet-stream";
