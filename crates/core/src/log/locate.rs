//! Questions about a channel that an engine answers without reading its messages.

use crate::{ChannelName, Seq};

/// A question about the messages of one channel up to and including `until`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locate {
    /// The channel.
    pub channel: ChannelName,
    /// How many of the newest messages a reader wants.
    pub newest: usize,
    /// Messages above this do not count.
    pub until: Seq,
}

/// The answer to a [`Locate`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// The position after which the channel has exactly as many messages as were wanted, or all
    /// that are left if they are fewer.
    pub after: Seq,
    /// The seq of the channel's last message, if that message ended the channel.
    pub ended: Option<Seq>,
}
