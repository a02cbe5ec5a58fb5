//! The two formats of the WebSocket wire: JSON documents in text frames, or the data alone.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;
use tricast_core::{
    CloseReason, Control, Ending, Format, Framing, Message, MessageId, Variant, Wire,
    write_document,
};

use crate::{close::close_code, deflate::Window, frame};

/// One JSON document in each text frame.
static JSON: FormatVariants = FormatVariants::new(false);

/// The data alone: text and JSON in text frames, bytes in binary frames.
static RAW: FormatVariants = FormatVariants::new(true);

/// A format, plain and compressed.
struct FormatVariants {
    plain: Ws,
    large: Ws,
    small: Ws,
}

impl FormatVariants {
    const fn new(raw: bool) -> Self {
        Self {
            plain: Ws { raw, window: None },
            large: Ws { raw, window: Some(Window::Large) },
            small: Ws { raw, window: Some(Window::Small) },
        }
    }
}

/// The WebSocket wire format: whole frames.
#[derive(Debug)]
pub struct Ws {
    raw: bool,
    /// The window of clients for which messages are compressed (RFC 7692).
    window: Option<Window>,
}

/// Returns the format for documents, or for the data alone if `raw`; compressed for clients that
/// have negotiated a window.
pub fn format(raw: bool, window: Option<Window>) -> &'static Ws {
    let variants = if raw { &RAW } else { &JSON };
    match window {
        None => &variants.plain,
        Some(Window::Large) => &variants.large,
        Some(Window::Small) => &variants.small,
    }
}

impl Ws {
    pub(crate) fn is_raw(&self) -> bool {
        self.raw
    }

    pub(crate) fn is_deflated(&self) -> bool {
        self.window.is_some()
    }

    fn frame(&self, opcode: Data, shared: bool, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        match self.window {
            Some(window) if shared => frame::deflated(opcode, window, write),
            _ => frame::data(opcode, write),
        }
    }
}

impl Format for Ws {
    fn variant(&self) -> Variant {
        let framing = match self.window {
            None => Framing::Plain,
            Some(window) => Framing::Deflated { window_bits: window.bits() },
        };
        Variant { wire: Wire::Ws, raw: self.raw, framing }
    }

    /// Compresses only messages that many readers share; RFC 7692 §6 leaves that to each message.
    fn message(&self, message: &Message, shared: bool) -> Bytes {
        let data = &message.draft.data;
        match self.raw {
            false => self.frame(Data::Text, shared, |payload| write_document(message, payload)),
            true => {
                let opcode = if data.is_binary() { Data::Binary } else { Data::Text };
                self.frame(opcode, shared, |payload| payload.extend_from_slice(data.as_bytes()))
            }
        }
    }

    fn control(&self, control: &Control) -> Option<Bytes> {
        (!self.raw).then(|| frame::data(Data::Text, |payload| payload.extend(control.document())))
    }

    /// Encodes a ping whose payload is the cursor (RFC 6455 §5.5.2).
    fn heartbeat(&self, cursor: MessageId) -> Option<Bytes> {
        Some(frame::ping(&cursor.to_string()))
    }

    /// Returns true: a client must answer a ping with a pong (RFC 6455 §5.5.3).
    fn expects_heartbeat_replies(&self) -> bool {
        true
    }

    fn reports_gaps(&self) -> bool {
        !self.raw
    }

    fn ending(&self, reason: CloseReason) -> Ending {
        Ending::Send(frame::close(close_code(reason), reason.name()))
    }
}
