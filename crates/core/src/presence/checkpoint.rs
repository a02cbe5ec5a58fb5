//! The checkpoint of presence: what one life of a log hands to the next about who is online.
//!
//! Presence channels are not stored. After a clean end the next life begins with the list as the
//! last one announced it, so a restart announces nobody who comes back.

use serde::{Deserialize, Serialize};

use super::PresentUser;
use crate::{ChannelName, Seq};

/// The presence of one channel, as one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PresenceCheckpoint {
    pub(crate) channel: ChannelName,
    /// The seq of the last message of the presence channel, if it is known for sure: a reader that
    /// has come so far misses nothing.
    pub(crate) newest: Option<Seq>,
    pub(crate) users: Vec<PresentUser>,
    /// Clients without a user.
    pub(crate) anonymous: u32,
}

impl PresenceCheckpoint {
    /// Appends the line of this channel.
    pub(crate) fn write(&self, lines: &mut Vec<u8>) {
        // Names, JSON and numbers always serialize, and a vector takes them all.
        if serde_json::to_writer(&mut *lines, self).is_ok() {
            lines.push(b'\n');
        }
    }

    /// Reads lines that [`write`](Self::write) has made. A line that a later version has changed is
    /// left out.
    pub(crate) fn read(lines: &[u8]) -> impl Iterator<Item = Self> {
        lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
    }
}
