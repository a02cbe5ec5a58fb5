//! Reading a channel without subscribing to it: from the engine's store, then from the ring.

use std::sync::Arc;

use crate::{
    ChannelName, EngineError, History, HistorySelection, Hub, Identity, Lease, Message, MessageId,
    PublishError, ReadLimit, Start,
    log::{history_page::HISTORY_PAGE, history_read::HistoryRead},
};

impl Hub {
    /// Reads the history of `channel` from `start` on, up to `limit`. What has left the ring is
    /// read within the share of `reader`.
    ///
    /// # Errors
    /// When the engine fails to read what has left the ring.
    pub async fn history(
        &self,
        channel: &ChannelName,
        start: Start,
        limit: ReadLimit,
        reader: Option<&Identity>,
    ) -> Result<History, EngineError> {
        let located = self.locate(std::slice::from_ref(channel), start).await?;
        let mut reading = self.log.begin_history(channel, start, limit, &located, reader);
        while let Some(request) = self.log.continue_history(&mut reading) {
            let lease: Lease = self.engine.read(request).await?;
            // An engine may have taken the portion back by now; then it is asked again.
            if let Some(portion) = lease.portion() {
                reading.add(&portion, self.log.epoch(), self.log.folds());
            }
        }
        Ok(HistoryRead::into_history(reading))
    }

    /// Selects the messages of one page of `channel`'s history, from `start` on: at most 1,000, and
    /// at most 1 MiB of documents unless the first one is larger. A byte of data may take six bytes
    /// of its document. The page itself is written by [`HistorySelection::into_page`], once there
    /// is memory for it.
    ///
    /// # Errors
    /// Those of [`history`](Self::history).
    pub async fn select_history(
        &self,
        channel: ChannelName,
        start: Start,
        reader: &Identity,
    ) -> Result<HistorySelection, EngineError> {
        let history = self.history(&channel, start, HISTORY_PAGE, Some(reader)).await?;
        Ok(HistorySelection::new(history, channel))
    }

    /// Erases the history of `channel`: the messages that were published by now are in no response
    /// any more, and readers that resume below them are told a gap. Streams are not disturbed.
    /// Returns the position up to which they are erased.
    ///
    /// # Errors
    /// When the hub is draining, or the engine cannot say durably that they are erased.
    pub async fn erase_history(&self, channel: ChannelName) -> Result<MessageId, PublishError> {
        if self.is_draining() {
            return Err(PublishError::Draining);
        }
        Ok(self.engine.erase(channel).await?)
    }

    /// Finds a message of `channel`, if it is still there.
    ///
    /// # Errors
    /// Those of [`history`](Self::history).
    pub async fn find_message(
        &self,
        channel: &ChannelName,
        id: MessageId,
        reader: Option<&Identity>,
    ) -> Result<Option<Arc<Message>>, EngineError> {
        let Some(seq) = id.seq.checked_sub(1) else { return Ok(None) };
        let before = Start::After(MessageId { seq, ..id });
        let one = ReadLimit { messages: 1, ..HISTORY_PAGE };
        let history = self.history(channel, before, one, reader).await?;
        Ok(history.messages.into_iter().find(|message| message.id == id))
    }
}
