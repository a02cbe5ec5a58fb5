//! The online counts that a reader was sent last, so that it is sent only changes.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{ChannelName, OnlineChange};

#[derive(Debug, Default)]
pub(crate) struct OnlineWatch {
    /// Versions of the counts that were sent.
    sent_versions: BTreeMap<ChannelName, u64>,
    last_sent: Option<Instant>,
}

impl OnlineWatch {
    /// Returns those of `counts` whose version has changed since they were sent, if the last change
    /// was sent at least `interval` ago; otherwise the time to check again.
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
