//! Whoever wants to know when a channel gets its first listener, and when its last has left.

use crate::ChannelName;

/// Is told, in the order in which it happens. Called under the log's lock: it must be quick, and never ask the log.
pub trait Attendance: std::fmt::Debug + Send + Sync {
    /// Somebody listens where nobody did.
    fn online(&self, channel: &ChannelName);

    /// Nobody listens any more.
    fn gone(&self, channel: &ChannelName);
}
