//! JSON lines in an HTTP body (RFC 9112 §7.1): how messages are spelled on this wire.
//!
//! A line is a document and LF. The chunks around it are the HTTP library's: a reader must
//! not take a chunk for a line.

use bytes::Bytes;
use tricast_core::{Control, Format, Framing, Message, MessageId, Variant, Wire, write_document};

/// The `Content-Type` of a stream of documents.
pub const CONTENT_TYPE: &str = "application/x-ndjson";

/// The `Content-Type` of a raw stream: nobody but the publisher knows what it is.
pub const RAW_CONTENT_TYPE: &str = "application/octet-stream";

/// One document a line.
pub static JSON: Chunked = Chunked { raw: false };

/// The data and LF; nothing else.
pub static RAW: Chunked = Chunked { raw: true };

/// The chunked wire format.
#[derive(Debug)]
pub struct Chunked {
    raw: bool,
}

impl Format for Chunked {
    fn variant(&self) -> Variant {
        Variant { wire: Wire::Chunked, raw: self.raw, framing: Framing::Plain }
    }

    fn message(&self, message: &Message, _: bool) -> Bytes {
        let mut line = Vec::new();
        if self.raw {
            line.extend_from_slice(message.draft.data.as_bytes());
        } else {
            write_document(message, &mut line);
        }
        line.push(b'\n');
        line.into()
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        if self.raw {
            return None;
        }
        let mut line = control.document();
        line.push(b'\n');
        Some(line.into())
    }

    /// A blank line, which readers of JSON lines pass over.
    fn heartbeat(&self, _: MessageId) -> Option<Bytes> {
        (!self.raw).then(|| Bytes::from_static(b"\n"))
    }

    fn reports_gaps(&self) -> bool {
        !self.raw
    }
}
