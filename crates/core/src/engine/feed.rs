//! The feed of channels that a reader is about to join.

use std::sync::Arc;

use crate::{ChannelName, Engine, EngineError, Log, Start};

/// Keeps the feed of some channels open until a subscription takes it over, or the reader fails to
/// join.
pub(crate) struct FeedGuard {
    engine: Arc<dyn Engine>,
    channels: Vec<ChannelName>,
}

impl FeedGuard {
    /// Opens the feed, and fills the rings with the engine's messages after `start`.
    pub(crate) async fn open(
        log: &Log,
        engine: &Arc<dyn Engine>,
        channels: impl IntoIterator<Item = ChannelName>,
        start: Start,
    ) -> Result<Self, EngineError> {
        let mut feed = Self { engine: engine.clone(), channels: Vec::new() };
        for channel in channels {
            engine.open_feed(&channel).await?;
            feed.channels.push(channel.clone());
            if start == Start::Latest {
                continue;
            }
            let head = log.head();
            let resume = start.resume_seq(head.epoch, head.seq);
            let after = resume.and_then(Result::ok).unwrap_or(0);
            let floor = log.floor(&channel);
            if floor > after
                && let Some(older) = engine.history(&channel, after, floor).await?
            {
                log.backfill(&channel, older.messages, older.floor)?;
            }
        }
        Ok(feed)
    }

    /// Leaves the feed open: from here on a subscription closes it.
    pub(crate) fn disarm(mut self) {
        self.channels.clear();
    }
}

impl Drop for FeedGuard {
    fn drop(&mut self) {
        self.channels.iter().for_each(|channel| self.engine.close_feed(channel));
    }
}

impl std::fmt::Debug for FeedGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeedGuard").field("channels", &self.channels).finish_non_exhaustive()
    }
}
