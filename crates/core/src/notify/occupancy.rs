//! Whoever wants to know when a channel gets its first listener, and when its last has left.

use crate::ChannelName;

/// Is told, in the order in which it happens. Called under the log's lock: it must be quick, and never ask the log.
pub trait OccupancyObserver: std::fmt::Debug + Send + Sync {
    /// Somebody listens where nobody did.
    fn occupied(&self, channel: &ChannelName);

    /// Nobody listens any more.
    fn vacated(&self, channel: &ChannelName);
}
