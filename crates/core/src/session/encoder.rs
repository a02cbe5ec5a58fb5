//! The encoder of one stream, which also keeps the last id that was sent.

use bytes::Bytes;

use crate::{CloseReason, Control, Format, Goodbye, Message, Seq};

pub(super) struct Encoder {
    pub(super) format: &'static dyn Format,
    /// The last id that this stream was sent, by a message or a control frame: the point from which
    /// its client would resume.
    pub(super) sent_seq: Seq,
}

impl Encoder {
    pub(super) fn new(format: &'static dyn Format) -> Self {
        Self { format, sent_seq: 0 }
    }

    /// Appends a control frame, if the format has it.
    pub(super) fn push_control(&mut self, control: &Control, out: &mut Vec<Bytes>) {
        let Some(bytes) = self.format.control(control) else { return };
        out.push(bytes);
        self.sent_seq = control.id().map_or(self.sent_seq, |id| id.seq);
    }

    pub(super) fn push_message(&mut self, message: &Message, out: &mut Vec<Bytes>) {
        out.push(message.encoded(self.format));
        self.sent_seq = message.id.seq;
    }

    pub(super) fn push_goodbye(&self, reason: CloseReason, retry: u32, out: &mut Vec<Bytes>) {
        out.extend(self.format.control(&Control::Goodbye(Goodbye::new(reason, retry))));
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("format", &self.format.variant())
            .field("sent_seq", &self.sent_seq)
            .finish()
    }
}
