//! Sealing full segments beside the writer, which must not wait for that.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use crate::{SealError, SealJob, engine::sequencer::Sequencer, planted::inherited};

/// When a segment is tried again for whose index there was no room.
const RETRY: Duration = Duration::from_secs(10);

/// A thread that seals segments. Dropping it waits for the segment under way.
pub(super) struct Sealer {
    /// `None` while it is dropped.
    jobs: Option<Sender<SealJob>>,
    thread: Option<JoinHandle<()>>,
}

impl Sealer {
    pub(super) fn start(sequencer: Arc<Sequencer>) -> std::io::Result<Self> {
        let (jobs, waiting) = channel();
        let named = Builder::new().name("log-seal".to_owned());
        let thread = named.spawn(inherited(move || run(&waiting, &sequencer)))?;
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

fn run(waiting: &Receiver<SealJob>, sequencer: &Sequencer) {
    let mut jobs: Vec<SealJob> = Vec::new();
    loop {
        match waiting.recv_timeout(RETRY) {
            Ok(job) => jobs.push(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
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
