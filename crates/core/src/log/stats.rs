//! What an operator is shown of the log.

use crate::{
    ChannelName, Count, PerWire,
    log::{channel::Channel, table::Table},
};

/// Channels that are listed under one lock.
const SCAN_STEP: usize = 1000;

/// A line of the list of channels.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ChannelSummary {
    /// Its name.
    pub channel: ChannelName,
    /// Who listens, where that may be told.
    #[serde(flatten)]
    pub online: Option<Count>,
    /// Messages held.
    pub messages: usize,
}

/// How full the log is.
#[derive(Clone, Debug)]
pub struct LogStats {
    /// Channels.
    pub channels: usize,
    /// Messages held.
    pub messages: usize,
    /// Bytes they occupy, encodings included.
    pub bytes: usize,
    /// Messages that have left their ring by count, bytes, age or memory, ever.
    pub evicted: u64,
    /// Subscriptions of each namespace, of channels without one last, on each wire. A reader of
    /// several channels has several.
    pub subscriptions: Vec<PerWire<u32>>,
}

/// Lists the `wanted` channels in the slots from `from` on, and where to go on.
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
