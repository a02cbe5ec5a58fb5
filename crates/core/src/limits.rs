//! What a log may hold: of each channel, and in all.

use crate::ring::Bounds;

/// What a log may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of each channel.
    pub history: Bounds,
    /// Bytes that all messages together may occupy, encodings included.
    pub memory_bytes: usize,
    /// Channels.
    pub channels: usize,
    /// Forgotten channels that are remembered.
    pub tombstones: usize,
}
