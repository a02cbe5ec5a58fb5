//! What a log may hold: of each channel, and in all.

use std::sync::Arc;

use crate::{ChannelRules, Namespaces};

/// What a log may hold.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of each channel.
    pub rules: Namespaces<Arc<ChannelRules>>,
    /// Bytes that all messages together may occupy, encodings included.
    pub memory_bytes: usize,
    /// Channels.
    pub channels: usize,
    /// Forgotten channels that are remembered.
    pub tombstones: usize,
}
