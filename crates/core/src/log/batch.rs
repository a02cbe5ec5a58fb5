//! A batch: the new messages of one channel for all readers of a shard. It is the fast path, for
//! readers that are exactly aligned with it. All others take the slow path,
//! [`Session::collect`](crate::Session::collect), which is the oracle for the fast path.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::{Format, Identity, Message, ReadLimit, Seq, log::ring::Ring};

/// A batch: the messages of one channel that a shard has not taken yet, in order.
#[derive(Debug)]
pub struct Batch {
    /// The channel's slot, as in [`Session::slots`](crate::Session::slots).
    pub slot: usize,
    messages: Vec<Arc<Message>>,
    /// Everything up to here was in earlier batches.
    after: Seq,
    /// The seq of the last message, or the watermark if there is none. With this batch a reader has
    /// everything of the channel up to here.
    last_seq: Seq,
    /// Whether each reader has to read the log itself (the slow path), because messages are lost or
    /// the channel ends.
    slow_path: bool,
    /// Whether some message skips its own publisher.
    has_skip_self: bool,
}

/// The alignment of a reader with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// The reader needs exactly these messages next: the fast path.
    Aligned,
    /// The reader has read these messages already.
    Ahead,
    /// The reader has to read the log itself: the slow path.
    Diverged,
}

impl Batch {
    /// Makes a batch of the messages in `ring` after `after`, up to `limit`.
    pub(super) fn take(
        ring: &Ring,
        slot: usize,
        after: Seq,
        watermark: Seq,
        limit: ReadLimit,
    ) -> Self {
        let slow_path = ring.complete_after() > after;
        let mut batch = Self {
            slot,
            messages: Vec::new(),
            after,
            last_seq: watermark,
            slow_path,
            has_skip_self: false,
        };
        if slow_path {
            return batch;
        }
        let mut bytes = 0;
        for message in ring.iter_after(after) {
            let size = message.draft.data.as_bytes().len();
            let full = batch.messages.len() == limit.messages || bytes + size > limit.bytes;
            if full && !batch.messages.is_empty() {
                break;
            }
            batch.last_seq = message.id.seq;
            bytes += size;
            batch.slow_path |= message.draft.end;
            batch.has_skip_self |= message.draft.skip_self;
            batch.messages.push(message.clone());
        }
        batch
    }

    /// Returns the alignment of a reader that has read everything up to `position`.
    pub fn alignment(&self, position: Seq) -> Alignment {
        let (Some(first), Some(last)) = (self.messages.first(), self.messages.last()) else {
            return Alignment::Diverged;
        };
        if self.slow_path {
            Alignment::Diverged
        } else if self.after <= position && position < first.id.seq {
            Alignment::Aligned
        } else if position >= last.id.seq {
            Alignment::Ahead
        } else {
            Alignment::Diverged
        }
    }

    /// Whether some message may be hidden from a reader.
    pub fn has_skip_self(&self) -> bool {
        self.has_skip_self
    }

    /// Whether some message is hidden from `reader`.
    pub fn is_hidden_from(&self, reader: &Identity) -> bool {
        self.messages.iter().any(|message| message.is_hidden_from(reader))
    }

    /// Returns the position of an aligned reader after this batch: that of the last message, whose
    /// id the reader was sent, and not the watermark, which it was not sent.
    pub fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// Returns the messages.
    pub fn messages(&self) -> &[Arc<Message>] {
        &self.messages
    }

    /// Encodes the whole batch in `format`, once for all readers of that format.
    pub fn encoded(&self, format: &dyn Format) -> Bytes {
        if let [message] = &self.messages[..] {
            return message.encoded(format);
        }
        let frames: Vec<Bytes> = self.messages.iter().map(|m| m.encoded(format)).collect();
        let mut joined = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
        frames.iter().for_each(|frame| joined.extend_from_slice(frame));
        joined.freeze()
    }
}
