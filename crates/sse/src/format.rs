//! The two formats of the SSE wire: the JSON document as data, or the data alone.

use bytes::Bytes;
use tricast_core::{
    Control, EventName, Format, Framing, Message, MessageId, Variant, Wire, text_of, write_document,
};

use crate::block::Block;

/// The format with the JSON document as `data:`.
pub static JSON: Sse = Sse { raw: false };

/// The format with the data alone as `data:`, and native `id:` and `event:`.
pub static RAW: Sse = Sse { raw: true };

/// A format of the SSE wire.
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
        // The id comes last. Some clients store it at once, and one whose connection breaks between
        // an id and its data would resume after a message that it did not receive.
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

    /// Encodes a comment without a blank line after it. Many decoders make an event of each blank
    /// line, and an empty event of a block without data.
    fn heartbeat(&self, _: MessageId) -> Option<Bytes> {
        Some(Bytes::from_static(b":\n"))
    }

    fn reports_gaps(&self) -> bool {
        true
    }
}
