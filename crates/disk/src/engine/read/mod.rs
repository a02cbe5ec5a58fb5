//! Reading below the rings: threads that may wait for the disk, so that no shard ever does.
//!
//! A reader gets one portion at a time, and then goes to the end of its line. A portion is lent: it
//! is in memory until its reader is done with it, but for a second at most.

mod desk;
pub(super) mod fair_queue;
mod party;
mod portion;
mod shelf;
#[cfg(test)]
pub(super) mod tests;

use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use tricast_core::{
    EngineError, EngineFuture, Lease, Loan, Locate, Located, Log, Portion, ReadMemory, ReadRequest,
    Tagger,
};

use self::desk::{Asked, Desk, Reading, Served, Task};
pub(crate) use self::portion::Source;
use crate::{Reader, engine::meters::DiskMeters, planted::inherited};

/// How often readers that wait for memory look again: what finished pages of history held comes
/// back without a notice.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

type Answer<T> = oneshot::Sender<Result<T, EngineError>>;

/// The reading side of an engine. Its threads end once it is dropped.
pub(super) struct Reads {
    shared: Arc<Shared>,
}

struct Shared {
    log: Arc<Log>,
    source: Source,
    memory: ReadMemory,
    meters: DiskMeters,
    state: Mutex<State>,
    /// Says that there may be something to do.
    work: Condvar,
}

struct State {
    desk: Desk<Answer<Lease>>,
    questions: VecDeque<(Vec<Locate>, Answer<Vec<Located>>)>,
    /// Questions and portions take turns.
    is_turn_of_portions: bool,
    is_closed: bool,
}

impl State {
    /// Takes the next thing to do.
    fn next(&mut self, now: Instant) -> Option<Work> {
        self.is_turn_of_portions = !self.is_turn_of_portions;
        match self.is_turn_of_portions {
            true => self.next_portion(now).or_else(|| self.next_question()),
            false => self.next_question().or_else(|| self.next_portion(now)),
        }
    }

    fn next_portion(&mut self, now: Instant) -> Option<Work> {
        self.desk.next(now, Answer::is_closed).map(Work::Desk)
    }

    fn next_question(&mut self) -> Option<Work> {
        while let Some((questions, answer)) = self.questions.pop_front() {
            if !answer.is_closed() {
                return Some(Work::Locate(questions, answer));
            }
        }
        None
    }
}

/// One task of a thread.
enum Work {
    Locate(Vec<Locate>, Answer<Vec<Located>>),
    Desk(Task<Answer<Lease>>),
}

impl Reads {
    /// Starts the threads. Portions may have `memory` bytes together.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(
        log: Arc<Log>,
        reader: Reader,
        tagger: Arc<dyn Tagger>,
        memory: usize,
        meters: DiskMeters,
    ) -> io::Result<Self> {
        let source = Source { reader, tagger };
        let memory = ReadMemory::new(memory);
        let desk = Desk::new(memory.clone());
        let (questions, is_turn_of_portions, is_closed) = Default::default();
        let state = State { desk, questions, is_turn_of_portions, is_closed };
        let (state, work) = (Mutex::new(state), Condvar::new());
        // Dropping it ends the threads that were started.
        let reads = Self { shared: Arc::new(Shared { log, source, memory, meters, state, work }) };
        let threads = thread::available_parallelism().map_or(2, |all| all.get().clamp(2, 4));
        for _ in 0..threads {
            let shared = reads.shared.clone();
            let run = inherited(move || shared.run());
            thread::Builder::new().name("log-read".to_owned()).spawn(run)?;
        }
        Ok(reads)
    }

    /// Reads a portion.
    pub(super) fn read(&self, request: ReadRequest) -> EngineFuture<Lease> {
        let (answer, answered) = oneshot::channel();
        let now = Instant::now();
        let asked = Asked::new(request, now, answer);
        let served = self.shared.lock().desk.ask(asked, now);
        match served {
            Some(served) => self.shared.serve(served),
            None => self.shared.work.notify_one(),
        }
        Box::pin(await_answer(answered))
    }

    /// Answers questions about channels.
    pub(super) fn locate(&self, questions: Vec<Locate>) -> EngineFuture<Vec<Located>> {
        let (answer, answered) = oneshot::channel();
        self.shared.lock().questions.push_back((questions, answer));
        self.shared.work.notify_one();
        Box::pin(await_answer(answered))
    }

    /// The bytes of all portions in memory.
    pub(super) fn bytes(&self) -> usize {
        self.shared.memory.bytes()
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.work.notify_all();
    }
}

async fn await_answer<T>(
    answered: oneshot::Receiver<Result<T, EngineError>>,
) -> Result<T, EngineError> {
    let gone = || EngineError::Unavailable("it does not read any more".to_owned());
    answered.await.map_err(|_| gone())?
}

fn unreadable(error: &io::Error) -> EngineError {
    EngineError::Unavailable(format!("the log cannot be read: {error}; check its disk"))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until the engine is dropped.
    fn run(self: &Arc<Self>) {
        while let Some(work) = self.wait() {
            match work {
                Work::Locate(questions, answer) => self.locate(&questions, answer),
                Work::Desk(Task::Serve(served)) => self.serve(served),
                Work::Desk(Task::Read(reading)) => self.read(reading),
            }
        }
    }

    /// Waits for something to do; `None` at the end.
    fn wait(&self) -> Option<Work> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            let now = Instant::now();
            let expired = state.desk.expire(now);
            if !expired.is_empty() {
                drop(state);
                drop(expired);
                state = self.lock();
                continue;
            }
            let work = state.next(now);
            if work.is_some() {
                return work;
            }
            let deadline = state.desk.next_deadline().map(|at| at.saturating_duration_since(now));
            let look_again = state.desk.has_waiting().then_some(LOOK_AGAIN);
            state = match deadline.into_iter().chain(look_again).min() {
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(time) => {
                    let waited = self.work.wait_timeout(state, time);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn locate(&self, questions: &[Locate], answer: Answer<Vec<Located>>) {
        let located: io::Result<Vec<Located>> =
            questions.iter().map(|question| self.source.locate(question)).collect();
        // A reader that has left needs no answer.
        let _ = answer.send(located.map_err(|error| unreadable(&error)));
    }

    fn read(self: &Arc<Self>, reading: Reading<Answer<Lease>>) {
        let request = &reading.asked.request;
        let read = || self.source.read(request, self.log.epoch(), &self.memory);
        // A panic costs those who wait for this portion, and not the thread.
        let read = catch_unwind(AssertUnwindSafe(read));
        let read = read.unwrap_or_else(|_| Err(io::Error::other("a read has panicked")));
        match read {
            Ok(portion) => self.finish(reading, portion),
            Err(error) => {
                let waiting = self.lock().desk.end(reading);
                for asked in waiting {
                    let _ = asked.answer.send(Err(unreadable(&error)));
                }
            }
        }
        self.work.notify_one();
    }

    fn finish(self: &Arc<Self>, reading: Reading<Answer<Lease>>, portion: Portion) {
        let data = portion.messages().iter().map(|message| message.draft.data.as_bytes().len());
        self.meters.read(data.sum());
        let served = self.lock().desk.finish(reading, Arc::new(portion), Instant::now());
        served.into_iter().for_each(|served| self.serve(served));
    }

    /// Answers a reader. One that has left drops its loan, which takes the lock.
    fn serve(self: &Arc<Self>, served: Served<Answer<Lease>>) {
        let Served { asked, portion, id } = served;
        self.meters.served(asked.at.elapsed());
        let lease = match id {
            None => Lease::Owned(portion),
            Some(id) => {
                let (shared, parties) = (Arc::downgrade(self), asked.parties);
                Lease::Lent(Loan::new(&portion, move || give_back(&shared, id, &parties)))
            }
        };
        let _ = asked.answer.send(Ok(lease));
    }
}

fn give_back(shared: &Weak<Shared>, id: shelf::PortionId, parties: &[party::Party]) {
    let Some(shared) = shared.upgrade() else { return };
    let mut state = shared.lock();
    state.desk.give_back(id, parties);
    let has_waiting = state.desk.has_waiting();
    drop(state);
    if has_waiting {
        shared.work.notify_one();
    }
}
