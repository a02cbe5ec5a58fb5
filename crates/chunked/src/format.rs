//! The two formats of the chunked wire: JSON documents in lines, or the data alone in lines.

use bytes::Bytes;
use tricast_core::{Control, Format, Framing, Message, MessageId, Variant, Wire, write_document};

/// The format with one JSON document in each line.
pub static JSON: Chunked = Chunked { raw: false };

/// The format with the data alone in each line.
pub static RAW: Chunked = Chunked { raw: true };

/// A format of the chunked wire.
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

    /// Encodes a blank line, which readers of JSON lines skip.
    fn heartbeat(&self, _: MessageId) -> Option<Bytes> {
        (!self.raw).then(|| Bytes::from_static(b"\n"))
    }

    fn reports_gaps(&self) -> bool {
        !self.raw
    }
}
