//! All shards of a gateway: starts them, hands connections over to them, ends them.

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

/// The settings of all shards.
#[derive(Clone)]
pub struct ShardConfig {
    /// A connection whose socket takes nothing for so long is closed: its peer is stalled.
    pub stall_timeout: Duration,
    /// Counts the connections that were closed because of that.
    pub stalled: Counter,
}

impl std::fmt::Debug for ShardConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardConfig")
            .field("stall_timeout", &self.stall_timeout)
            .finish_non_exhaustive()
    }
}

/// Hands connections over to the shards.
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

/// Ends the shards, and every connection that they still have, when dropped.
#[derive(Debug)]
pub struct ShardsGuard {
    shards: Shards,
    threads: Vec<JoinHandle<()>>,
}

impl Shards {
    /// Starts `count` shards, each on a thread of its own. Commands of peers that have to wait run
    /// on `runtime`.
    ///
    /// # Errors
    /// If the system refuses a thread or an epoll instance.
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

    /// Hands a connection over to one of the shards, which take turns. If none runs any more, the
    /// connection is dropped.
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
            // An inbox that refuses the event belongs to a shard that has ended already.
            let _ = inbox.post(ShardEvent::Close);
        }
        for thread in self.threads.drain(..) {
            // A shard that panics aborts the process, so there is no error to report here.
            let _ = thread.join();
        }
    }
}
