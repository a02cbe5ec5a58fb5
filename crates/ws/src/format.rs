//! The two spellings of the WebSocket wire: documents in text frames, or the data itself.

use bytes::Bytes;
use tricast_core::{
    CloseReason, Control, Ending, Format, Framing, Message, MessageId, Variant, Wire,
    write_document,
};

use crate::{close::close_code, frame};

/// One document a text frame.
pub static JSON: Ws = Ws { raw: false };

/// The data itself: text and JSON in text frames, bytes in binary frames.
pub static RAW: Ws = Ws { raw: true };

/// The WebSocket wire format: whole frames.
#[derive(Debug)]
pub struct Ws {
    raw: bool,
}

impl Format for Ws {
    fn variant(&self) -> Variant {
        Variant { wire: Wire::Ws, raw: self.raw, framing: Framing::Plain }
    }

    fn message(&self, message: &Message) -> Bytes {
        let data = &message.draft.data;
        match self.raw {
            false => frame::text(|payload| write_document(message, payload)),
            true if data.is_binary() => frame::binary(data.as_bytes()),
            true => frame::text(|payload| payload.extend_from_slice(data.as_bytes())),
        }
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        (!self.raw).then(|| frame::text(|payload| payload.extend(control.document())))
    }

    /// A ping whose payload is the cursor (RFC 6455 §5.5.2).
    fn heartbeat(&self, cursor: MessageId) -> Option<Bytes> {
        Some(frame::ping(&cursor.to_string()))
    }

    fn tells_gaps(&self) -> bool {
        !self.raw
    }

    fn ending(&self, reason: CloseReason) -> Ending {
        Ending::Say(frame::close(close_code(reason), reason.name()))
    }
}
