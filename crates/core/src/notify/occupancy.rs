//! The observer of channel occupancy: the first subscriber of a channel, and the end of its last.

use crate::ChannelName;

/// Receives occupancy changes in the order in which they happen.
///
/// It is called under the log's lock: it must return quickly, and must not call the log.
pub trait OccupancyObserver: std::fmt::Debug + Send + Sync {
    /// Receives the name of a channel that has its first subscriber.
    fn occupied(&self, channel: &ChannelName);

    /// Receives the name of a channel whose last subscriber has left.
    fn vacated(&self, channel: &ChannelName);
}
