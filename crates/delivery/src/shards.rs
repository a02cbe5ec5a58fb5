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
    conn::Newcomer,
    inbox::{Inbox, Note},
    send::Calls,
    shard::Shard,
    vital::spawn_vital,
};

/// What holds for all connections of all shards.
#[derive(Clone)]
pub struct Rules {
    /// A socket that takes nothing for so long is cut.
    pub patience: Duration,
    /// Counts those.
    pub stalled: Counter,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("patience", &self.patience).finish_non_exhaustive()
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
pub struct Owner {
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
        rules: &Rules,
        calls: Calls,
        runtime: &tokio::runtime::Handle,
    ) -> io::Result<(Self, Owner)> {
        let mut inboxes = Vec::with_capacity(count);
        let mut threads = Vec::with_capacity(count);
        for number in 0..count.max(1) {
            let shard = Shard::new(hub.clone(), rules.clone(), runtime.clone())?;
            inboxes.push(shard.inbox().clone());
            threads.push(spawn_vital(format!("shard-{number}"), move || shard.run(calls))?);
        }
        let shards = Self { inboxes: inboxes.into(), next: Arc::default() };
        Ok((shards.clone(), Owner { shards, threads }))
    }

    /// Gives a connection to one of the shards. Without any that still runs it is dropped.
    pub fn hand_over(&self, newcomer: Newcomer) {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.inboxes.len();
        let mut note = Note::Newcomer(Box::new(newcomer));
        for step in 0..count {
            match self.inboxes[first.wrapping_add(step) % count].post(note) {
                Ok(()) => return,
                Err(refused) => note = refused,
            }
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        for inbox in &*self.shards.inboxes {
            // One that is closed already needs no telling.
            let _ = inbox.post(Note::Close);
        }
        for thread in self.threads.drain(..) {
            // A shard that panics takes the program with it.
            let _ = thread.join();
        }
    }
}
