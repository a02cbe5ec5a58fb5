//! The memory engine: keeps messages in the ring buffers only, so they end with the process.

use std::{future::ready, sync::Arc, time::Duration};

use crate::{
    ChannelName, Draft, Engine, EngineError, EngineFuture, Log, Receipt, Seq, Stored, clock,
    engine::{OlderMessages, idempotency::Idempotency},
    sync::Mutex,
};

/// An engine that numbers messages one after the other and stores nothing itself.
#[derive(Debug)]
pub struct MemoryEngine {
    log: Arc<Log>,
    sequencer: Mutex<Sequencer>,
}

#[derive(Debug)]
struct Sequencer {
    last: Seq,
    receipts: Idempotency,
}

impl MemoryEngine {
    /// Makes an engine that feeds `log`. Idempotency ids are remembered for `window`, at most
    /// `entries` of them.
    pub fn new(log: Arc<Log>, window: Duration, entries: usize) -> Self {
        let receipts = Idempotency::new(window, entries);
        Self { log, sequencer: Mutex::new(Sequencer { last: 0, receipts }) }
    }

    fn append_now(&self, draft: Draft) -> Result<Receipt, EngineError> {
        let mut sequencer = self.sequencer.lock();
        let time = clock::unix_millis();
        let key = Idempotency::key(&draft);
        if let Some(first) = key.as_ref().and_then(|key| sequencer.receipts.find(key, time)) {
            return Ok(Receipt { duplicate: true, ..first });
        }
        let seq = sequencer.last + 1;
        // The lock is held during this call; otherwise a later seq could become visible first.
        let accepted = self.log.accept(Stored { seq, time, online: None, draft })?;
        sequencer.last = seq;
        let receipt =
            Receipt { id: accepted.id, subscribers: accepted.subscribers, duplicate: false };
        if let Some(key) = key {
            sequencer.receipts.insert(key, receipt, time);
        }
        drop(sequencer);
        accepted.announce();
        Ok(receipt)
    }
}

impl Engine for MemoryEngine {
    fn append(&self, draft: Draft) -> EngineFuture<'_, Receipt> {
        Box::pin(ready(self.append_now(draft)))
    }

    fn open_feed<'a>(&'a self, _: &'a ChannelName) -> EngineFuture<'a, ()> {
        Box::pin(ready(Ok(())))
    }

    fn close_feed(&self, _: &ChannelName) {}

    fn history<'a>(
        &'a self,
        _: &'a ChannelName,
        _: Seq,
        _: Seq,
    ) -> EngineFuture<'a, Option<OlderMessages>> {
        Box::pin(ready(Ok(None)))
    }
}
