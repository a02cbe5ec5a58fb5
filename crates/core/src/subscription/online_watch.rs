//! What a reader was last told of the online counts, so that it hears of changes and of nothing else.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{ChannelName, OnlineChange};

#[derive(Debug, Default)]
pub(crate) struct OnlineWatch {
    /// The versions of the counts.
    sent_versions: BTreeMap<ChannelName, u64>,
    last_sent: Option<Instant>,
}

impl OnlineWatch {
    /// Those of the `counts`, with their versions, that have changed since they were told, if that was at least
    /// `interval` ago; else when to look again.
    pub(crate) fn take_changes(
        &mut self,
        counts: Vec<(u64, OnlineChange)>,
        interval: Duration,
        now: Instant,
    ) -> Result<Vec<OnlineChange>, Instant> {
        let is_new = |(version, count): &(u64, OnlineChange)| {
            self.sent_versions.get(&count.channel) != Some(version)
        };
        let changed: Vec<OnlineChange> =
            counts.iter().filter(|count| is_new(count)).map(|(_, count)| count.clone()).collect();
        if changed.is_empty() {
            return Ok(changed);
        }
        if let Some(due) = self.last_sent.map(|at| at + interval).filter(|due| now < *due) {
            return Err(due);
        }
        self.last_sent = Some(now);
        self.sent_versions =
            counts.into_iter().map(|(version, count)| (count.channel, version)).collect();
        Ok(changed)
    }
}
