//! What a reader was last told of the online counts, so that it hears of changes and of nothing else.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{ChannelName, OnlineChange};

#[derive(Debug, Default)]
pub(crate) struct OnlineWatch {
    /// The versions of the counts.
    told: BTreeMap<ChannelName, u64>,
    at: Option<Instant>,
}

impl OnlineWatch {
    /// Those of the `counts`, with their versions, that have changed since they were told, if that was at least
    /// `interval` ago; else when to look again.
    pub(crate) fn look(
        &mut self,
        counts: Vec<(u64, OnlineChange)>,
        interval: Duration,
        now: Instant,
    ) -> Result<Vec<OnlineChange>, Instant> {
        let is_new =
            |(version, count): &(u64, OnlineChange)| self.told.get(&count.channel) != Some(version);
        let news: Vec<OnlineChange> =
            counts.iter().filter(|count| is_new(count)).map(|(_, count)| count.clone()).collect();
        if news.is_empty() {
            return Ok(news);
        }
        if let Some(due) = self.at.map(|at| at + interval).filter(|due| now < *due) {
            return Err(due);
        }
        self.at = Some(now);
        self.told = counts.into_iter().map(|(version, count)| (count.channel, version)).collect();
        Ok(news)
    }
}
