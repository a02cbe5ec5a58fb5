//! Sealing full segments and letting go of the oldest, beside the writer, which must not wait for
//! that.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    SealError, SealJob,
    engine::{sequencer::Sequencer, upkeep::Upkeep},
    planted::inherited,
};

/// When a segment is tried again for whose index there was no room.
const RETRY: Duration = Duration::from_secs(10);
/// How often the past is looked at, also when no segment is full.
const UPKEEP: Duration = Duration::from_secs(60);

/// A thread that seals segments and lets go of them. Dropping it waits for what is under way.
pub(super) struct Sealer {
    /// `None` while it is dropped.
    jobs: Option<Sender<SealJob>>,
    thread: Option<JoinHandle<()>>,
}

impl Sealer {
    pub(super) fn start(sequencer: Arc<Sequencer>, upkeep: Arc<Upkeep>) -> std::io::Result<Self> {
        let (jobs, waiting) = channel();
        let named = Builder::new().name("log-seal".to_owned());
        let thread = named.spawn(inherited(move || run(&waiting, &sequencer, &upkeep)))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    pub(super) fn seal(&self, job: SealJob) {
        if let Some(jobs) = &self.jobs {
            // A thread that is gone has failed the log.
            let _ = jobs.send(job);
        }
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(waiting: &Receiver<SealJob>, sequencer: &Sequencer, upkeep: &Upkeep) {
    let mut jobs: Vec<SealJob> = Vec::new();
    // What came while nothing ran is looked at first.
    let mut next_upkeep = Instant::now();
    loop {
        let until_upkeep = next_upkeep.saturating_duration_since(Instant::now());
        match waiting.recv_timeout(RETRY.min(until_upkeep)) {
            Ok(job) => {
                jobs.push(job);
                next_upkeep = Instant::now();
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // This first: it may make the room that an index needs.
        if Instant::now() >= next_upkeep {
            upkeep.run();
            next_upkeep = Instant::now() + UPKEEP;
        }
        jobs.retain(|job| match job.run() {
            Ok(()) => false,
            // The segment is durable and can be read; only its index is missing.
            Err(SealError::Full) => true,
            Err(SealError::Failed(failed)) => {
                sequencer.fail(&failed.to_string(), Vec::new());
                false
            }
        });
    }
}
