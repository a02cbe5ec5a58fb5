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
    /// How many of the newest messages readers may see; `usize::MAX` is no limit.
    pub visible: usize,
    /// Readers may not see what was published before this, in milliseconds since 1970; 0 is no
    /// limit.
    pub since: u64,
}

/// The answer to a [`Locate`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// The position after which the channel has exactly as many messages as were wanted, or all
    /// that are left if they are fewer.
    pub after: Seq,
    /// The seq of the channel's last message, if that message ended the channel.
    pub ended: Option<Seq>,
    /// Messages up to here are hidden from readers by the limits of the question. If nothing is
    /// hidden, this is any position without messages of the channel up to it.
    pub hidden: Seq,
}
