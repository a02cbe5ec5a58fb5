//! Statistics of the log for operators.

use crate::{
    ChannelName, Count, PerWire,
    log::{channel::Channel, table::Table},
};

/// Slots that are scanned while the lock is held once.
const SCAN_STEP: usize = 1000;

/// A channel in the list of channels.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ChannelSummary {
    /// The name.
    pub channel: ChannelName,
    /// The online counts, unless its namespace hides them.
    #[serde(flatten)]
    pub online: Option<Count>,
    /// Messages in memory.
    pub messages: usize,
}

/// The size of the log.
#[derive(Clone, Debug)]
pub struct LogStats {
    /// Channels.
    pub channels: usize,
    /// Messages in memory.
    pub messages: usize,
    /// Bytes that they occupy, encodings included.
    pub bytes: usize,
    /// Messages evicted since the start, by count, bytes, age or memory.
    pub evicted: u64,
    /// Messages since the start that came from the engine when no channel could make room.
    pub skipped: u64,
    /// Subscriptions of each namespace, of channels without one last, on each wire. A reader of
    /// several channels has several.
    pub subscriptions: Vec<PerWire<u32>>,
}

/// Returns the `wanted` channels of one page of slots from `from` on, and the slot to continue
/// from.
pub(super) fn scan_channels(
    table: &Table,
    from: usize,
    wanted: impl Fn(&ChannelName) -> bool,
) -> (Vec<ChannelSummary>, Option<usize>) {
    let end = (from + SCAN_STEP).min(table.slots.capacity());
    let channels = (from..end).filter_map(|slot| table.slots.get(slot));
    let summary = |channel: &Channel| ChannelSummary {
        channel: channel.name.clone(),
        online: channel.rules.online.then(|| channel.roster.online().total),
        messages: channel.ring.len(),
    };
    let page = channels.filter(|channel| wanted(&channel.name)).map(summary).collect();
    (page, (end < table.slots.capacity()).then_some(end))
}
