//! Reading below the rings.

use std::{
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    thread,
};

use tokio::sync::oneshot;
use tricast_core::{
    ChannelName, EngineError, EngineFuture, Hole, Lease, Locate, Located, Log, Portion, ReadMemory,
    ReadRequest, Seq, Tagger,
};

use crate::{PortionLimit, Reader, engine::convert::stored_of};

type Job = Box<dyn FnOnce(&Reading) + Send>;

/// The reading side of an engine: a thread that may wait for the disk.
pub(super) struct Reads {
    jobs: Sender<Job>,
}

struct Reading {
    log: Arc<Log>,
    reader: Reader,
    tagger: Arc<dyn Tagger>,
    memory: ReadMemory,
}

impl Reads {
    /// Starts the thread; it ends once this is dropped.
    pub(super) fn start(
        log: Arc<Log>,
        reader: Reader,
        tagger: Arc<dyn Tagger>,
        memory: usize,
    ) -> Self {
        let (jobs, waiting) = channel::<Job>();
        let reading = Reading { log, reader, tagger, memory: ReadMemory::new(memory) };
        thread::spawn(move || waiting.into_iter().for_each(|job| job(&reading)));
        Self { jobs }
    }

    pub(super) fn read(&self, request: ReadRequest) -> EngineFuture<Lease> {
        self.ask(move |reading| reading.read(&request))
    }

    pub(super) fn locate(&self, questions: Vec<Locate>) -> EngineFuture<Vec<Located>> {
        self.ask(move |reading| questions.iter().map(|question| reading.locate(question)).collect())
    }

    fn ask<T: Send + 'static>(
        &self,
        answer: impl FnOnce(&Reading) -> std::io::Result<T> + Send + 'static,
    ) -> EngineFuture<T> {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |reading| {
            // A reader that has left needs no answer.
            let _ = sender.send(answer(reading));
        });
        let sent = self.jobs.send(job);
        Box::pin(async move {
            let gone = || EngineError::Unavailable("it has stopped".to_owned());
            sent.map_err(|_| gone())?;
            let unreadable =
                |error: std::io::Error| EngineError::Unavailable(format!("cannot read: {error}"));
            receiver.await.map_err(|_| gone())?.map_err(unreadable)
        })
    }
}

impl Reading {
    fn read(&self, request: &ReadRequest) -> std::io::Result<Lease> {
        let after = request.channels.iter().map(|(_, after)| *after).min().unwrap_or(0);
        let names: Vec<ChannelName> =
            request.channels.iter().map(|(name, _)| name.clone()).collect();
        let limit = PortionLimit {
            messages: request.limit.messages.max(1),
            bytes: request.limit.bytes as u64,
        };
        let read = self.reader.read(&names, after, request.until, limit)?;
        // What is above the last record was given to messages that are not logged.
        let upto = if read.more { read.upto } else { request.until };
        let let_go = (after < read.floor).then(|| Hole { first: after + 1, last: read.floor });
        let holes = read.holes.iter().map(|(first, last)| Hole { first: *first, last: *last });
        let clip = |hole: Hole| Hole { last: hole.last.min(upto), ..hole };
        let holes = let_go.into_iter().chain(holes).map(clip).filter(|it| it.first <= it.last);
        let holes = holes.collect();
        let wanted = |name: &ChannelName, seq: Seq| {
            request.channels.iter().any(|(of, after)| of == name && seq > *after)
        };
        let records = read.records.into_iter().filter(|it| wanted(&it.channel, it.seq));
        let messages = records.filter_map(|record| stored_of(record, &self.tagger)).collect();
        let portion = Portion::new(self.log.epoch(), messages, holes, upto, &self.memory);
        Ok(Lease::Owned(Arc::new(portion)))
    }

    fn locate(&self, question: &Locate) -> std::io::Result<Located> {
        let limit = |messages| PortionLimit { messages, bytes: u64::MAX };
        let newest = self.reader.newest(&question.channel, question.until, limit(1))?;
        let ended = newest.records.first().filter(|it| it.end).map(|it| it.seq);
        let after = match question.newest {
            0 => question.until,
            wanted => self.reader.newest(&question.channel, question.until, limit(wanted))?.after,
        };
        Ok(Located { after, ended })
    }
}
