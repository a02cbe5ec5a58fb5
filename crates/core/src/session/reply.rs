//! Replies to what a peer asks on its stream, and the changes of the stream that come with them.

use bytes::Bytes;

use crate::{
    Change, Changed, Control, Problem as _, Reply, Session, log::change::ChangeLimits,
    session::inbound::EncodeChange,
};

impl Session {
    /// Encodes a control frame that the stream does not produce by itself, such as a reply.
    pub fn encode_control(&self, control: &Control) -> Option<Bytes> {
        let bytes = self.encoder.format.control(control)?;
        self.meters().sent_bytes.increment(bytes.len() as u64);
        Some(bytes)
    }

    /// Returns the frames of a reply to the peer, and applies its change if it has one. Messages
    /// that follow from a change come with the next [`collect`](Self::collect).
    pub fn apply_reply(&mut self, reply: Reply) -> Vec<Bytes> {
        let frames = match reply {
            Reply::Empty => return Vec::new(),
            Reply::Frame(bytes) => vec![bytes],
            Reply::Refusal(kind, bytes) => {
                self.hub().meters().count_refusal(kind);
                vec![bytes]
            }
            Reply::Change(change, encode) => self.apply_change(*change, encode),
        };
        self.meters().sent_bytes.increment(frames.iter().map(Bytes::len).sum::<usize>() as u64);
        frames
    }

    fn apply_change(&mut self, change: Change, encode: EncodeChange) -> Vec<Bytes> {
        change.new_access().cloned().into_iter().for_each(|access| self.set_access(access));
        let limits = ChangeLimits {
            max_channels: self.config.max_channels,
            online_updates: self.online_watch.is_some(),
        };
        let (result, gap) = change.apply(&mut self.subscription, limits);
        // It was asked for the channels before the change.
        self.fetch = None;
        match &result {
            Ok(Changed::Subscribed(subscribed)) => self.encoder.sent_seq = subscribed.id.seq,
            Ok(Changed::Unsubscribed(_) | Changed::Renewed { .. }) => {}
            Err(error) => self.hub().meters().count_refusal(error.kind()),
        }
        let mut frames = vec![encode(result)];
        if let Some(gap) = gap {
            self.meters().gaps.increment(1);
            self.encoder.push_control(&Control::Gap(gap), &mut frames);
        }
        frames
    }
}
