//! All shards of a gateway: starts them, hands connections over, ends them.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use metrics::Counter;
use tricast_core::Hub;

use crate::{
    critical::spawn_critical,
    handoff::Handoff,
    inbox::{Inbox, ShardEvent},
    send::SendMode,
    shard::Shard,
};

/// What holds for all connections of all shards.
#[derive(Clone)]
pub struct ShardConfig {
    /// A socket that takes nothing for so long is cut.
    pub stall_timeout: Duration,
    /// Counts those.
    pub stalled: Counter,
}

impl std::fmt::Debug for ShardConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardConfig")
            .field("stall_timeout", &self.stall_timeout)
            .finish_non_exhaustive()
    }
}

/// The way to the shards.
#[derive(Clone)]
pub struct Shards {
    inboxes: Arc<[Arc<Inbox>]>,
    next: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Shards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shards").field("count", &self.inboxes.len()).finish_non_exhaustive()
    }
}

/// Ends the shards, and every connection that they still have, when it is dropped.
#[derive(Debug)]
pub struct ShardsGuard {
    shards: Shards,
    threads: Vec<JoinHandle<()>>,
}

impl Shards {
    /// Starts so many threads. Work that peers ask for runs on `runtime`.
    ///
    /// # Errors
    /// When the system gives no thread or no epoll.
    pub fn start(
        count: usize,
        hub: &Arc<Hub>,
        config: &ShardConfig,
        send_mode: SendMode,
        runtime: &tokio::runtime::Handle,
    ) -> io::Result<(Self, ShardsGuard)> {
        let mut inboxes = Vec::with_capacity(count);
        let mut threads = Vec::with_capacity(count);
        for number in 0..count.max(1) {
            let shard = Shard::new(hub.clone(), config.clone(), runtime.clone())?;
            inboxes.push(shard.inbox().clone());
            threads.push(spawn_critical(format!("shard-{number}"), move || shard.run(send_mode))?);
        }
        let shards = Self { inboxes: inboxes.into(), next: Arc::default() };
        Ok((shards.clone(), ShardsGuard { shards, threads }))
    }

    /// Gives a connection to one of the shards. Without any that still runs it is dropped.
    pub fn assign(&self, handoff: Handoff) {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.inboxes.len();
        let mut event = ShardEvent::Handoff(Box::new(handoff));
        for step in 0..count {
            match self.inboxes[first.wrapping_add(step) % count].post(event) {
                Ok(()) => return,
                Err(refused) => event = refused,
            }
        }
    }
}

impl Drop for ShardsGuard {
    fn drop(&mut self) {
        for inbox in &*self.shards.inboxes {
            // One that is closed already needs no telling.
            let _ = inbox.post(ShardEvent::Close);
        }
        for thread in self.threads.drain(..) {
            // A shard that panics takes the program with it.
            let _ = thread.join();
        }
    }
}
