//! A batch: the new messages of one channel for all readers of a shard. It is the fast path for
//! readers that are exactly in step; all others read by themselves, with
//! [`Session::collect`](crate::Session::collect), which is the oracle.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::{Format, Identity, Message, ReadLimit, Seq, log::ring::Ring};

/// The news of one channel for one shard: what came since the run before it, in order.
#[derive(Debug)]
pub struct Batch {
    /// The channel's slot, as in [`Session::slots`](crate::Session::slots).
    pub slot: usize,
    messages: Vec<Arc<Message>>,
    /// Everything up to here was in earlier runs.
    after: Seq,
    /// The last of them: with it a reader has everything of this channel up to here. Without one, the watermark.
    last_seq: Seq,
    /// Each reader has to look for itself: something is lost, or the channel ends.
    slow_path: bool,
    /// Some message is not for everybody.
    has_skip_self: bool,
}

/// Where a reader stands to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// It reads exactly these messages next.
    Aligned,
    /// It has read them.
    Ahead,
    /// It has to look for itself.
    Diverged,
}

impl Batch {
    /// Takes what `ring` holds after `after`, at most `limit` of it.
    pub(super) fn take(
        ring: &Ring,
        slot: usize,
        after: Seq,
        watermark: Seq,
        limit: ReadLimit,
    ) -> Self {
        let slow_path = ring.floor().seq > after;
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

    /// How a reader stands that has read everything up to `position`.
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

    /// Whether something in it may be hidden from somebody.
    pub fn has_skip_self(&self) -> bool {
        self.has_skip_self
    }

    /// Whether something in it is hidden from `reader`.
    pub fn is_hidden_from(&self, reader: &Identity) -> bool {
        self.messages.iter().any(|message| message.is_hidden_from(reader))
    }

    /// Where a reader stands that was in step and has read it: at the last message, whose id it was sent, and not at a
    /// watermark that it was not.
    pub fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// The messages.
    pub fn messages(&self) -> &[Arc<Message>] {
        &self.messages
    }

    /// All of it as it goes out in `format`, for all readers of that format.
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
