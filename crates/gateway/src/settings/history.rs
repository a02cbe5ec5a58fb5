//! The ring buffers of channels.

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use tricast_core::{Bounds, Visible};

use crate::settings::{
    Log,
    log::HistoryAge,
    range::{DAY, SECOND, check_size, check_time},
};

/// `[history]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct History {
    pub messages: usize,
    pub bytes: ByteSize,
    pub age: HistoryAge,
    pub memory: ByteSize,
    pub tombstones: usize,
}

classify!(History {
    live: messages, bytes, age;
    // Allocated once.
    restart: memory, tombstones;
});

impl History {
    pub(super) fn check(&self, message_bytes: ByteSize) -> anyhow::Result<()> {
        let message = message_bytes.as_u64();
        let why = " (limits.message_bytes, because a larger message would be evicted at once)";
        check_size("history.bytes", self.bytes, message..=u64::MAX, why)?;
        let why = " (four times limits.message_bytes, for a message and its encodings)";
        check_size("history.memory", self.memory, 4 * message..=u64::MAX, why)?;
        anyhow::ensure!(
            self.messages >= 1,
            "history.messages: at least 1, because live readers read from the history too"
        );
        match self.age {
            HistoryAge::Time(age) => check_time("history.age", age, SECOND..=3650 * DAY),
            HistoryAge::Auto => Ok(()),
        }
    }

    /// Returns the limits of what readers may see where a namespace sets none: with a log on disk,
    /// an age that is set.
    pub(super) fn visible(&self, log: &Log) -> Visible {
        match self.age {
            HistoryAge::Time(age) if log.is_on_disk() => Visible { age, ..Visible::default() },
            _ => Visible::default(),
        }
    }

    /// Returns the bounds of a channel whose namespace sets none.
    pub(super) fn bounds(&self, log: &Log) -> Bounds {
        Bounds::default()
            .with_messages(self.messages)
            .with_bytes(self.bytes.as_u64() as usize)
            .with_age(self.age.or_auto(log))
    }
}
