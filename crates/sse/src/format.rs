//! The two spellings of the SSE wire: the JSON document as data, or the data itself.

use bytes::Bytes;
use tricast_core::{
    Control, EventName, Format, Framing, Message, MessageId, Variant, Wire, text_of, write_document,
};

use crate::block::Block;

/// The document as `data:`.
pub static JSON: Sse = Sse { raw: false };

/// The data itself as `data:`, with native `id:` and `event:`.
pub static RAW: Sse = Sse { raw: true };

/// The SSE wire format.
#[derive(Debug)]
pub struct Sse {
    raw: bool,
}

impl Format for Sse {
    fn variant(&self) -> Variant {
        Variant { wire: Wire::Sse, raw: self.raw, framing: Framing::Plain }
    }

    fn message(&self, message: &Message, _: bool) -> Bytes {
        let mut block = Block::new();
        if message.event() != EventName::DEFAULT {
            block = block.field("event", message.event());
        }
        if self.raw {
            block = block.text(&text_of(&message.draft.data));
        } else {
            block = block.data(|line| write_document(message, line));
        }
        // The id comes last: some clients take it at once, and whoever is cut between an id and its
        // data would resume behind a message that it never had.
        block.field("id", message.id).finish()
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        let mut block = Block::new().field("event", control.event());
        if let Some(retry) = control.retry() {
            block = block.field("retry", retry);
        }
        block = block.data(|line| line.extend(control.document()));
        if let Some(id) = control.id() {
            block = block.field("id", id);
        }
        Some(block.finish())
    }

    /// A comment that no blank line follows. Many decoders make an event of each blank line, and an empty one of
    /// a block that has no data.
    fn heartbeat(&self, _: MessageId) -> Option<Bytes> {
        Some(Bytes::from_static(b":\n"))
    }

    fn reports_gaps(&self) -> bool {
        true
    }
}
