//! An engine for tests that settles when the test says so, and in the way that it says.

use std::{
    collections::VecDeque,
    future::Future as _,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tricast_core::{
    ChannelName, Draft, Engine, EngineError, EngineFuture, Health, Lease, Locate, Located, Log,
    MemoryEngine, MessageId, ReadRequest, Receipt, Settlement, Ticket,
};

/// The fate of a message in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is published.
    Published,
    /// It is refused, because the log is full.
    Full,
    /// It is published, and its publisher learns only that this may be so.
    UnknownPublished,
    /// It is lost, and its publisher learns only that this may be so.
    UnknownLost,
}

/// A memory engine that keeps each message in flight until the test decides its fate.
#[derive(Clone, Debug)]
pub struct HeldEngine(Arc<Held>);

#[derive(Debug)]
struct Held {
    memory: MemoryEngine,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_flight: VecDeque<(Draft, Settlement)>,
    /// The data of every message that was sent to the engine.
    sent: Vec<String>,
    /// Messages settle at once in this way.
    at_once: Option<Fate>,
}

impl HeldEngine {
    pub(crate) fn new(log: Arc<Log>) -> Self {
        let memory = MemoryEngine::new(log, Duration::from_secs(60), 1000);
        Self(Arc::new(Held { memory, state: Mutex::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no test has panicked with it")
    }

    /// The number of messages in flight.
    pub fn in_flight(&self) -> usize {
        self.state().in_flight.len()
    }

    /// The data of every message that was sent to the engine, whatever became of it.
    pub fn sent(&self) -> Vec<String> {
        self.state().sent.clone()
    }

    /// Decides the fate of the oldest message in flight.
    pub fn settle(&self, fate: Fate) {
        let (draft, settlement) = self.state().in_flight.pop_front().expect("one is in flight");
        settlement.settle(self.carry_out(draft, fate));
    }

    /// Decides the fate of everything in flight and of every later message.
    pub fn settle_from_now_on(&self, fate: Fate) {
        self.state().at_once = Some(fate);
        while self.in_flight() > 0 {
            self.settle(fate);
        }
    }

    fn carry_out(&self, draft: Draft, fate: Fate) -> Result<Receipt, EngineError> {
        let publish = |draft| {
            let mut ticket = self.0.memory.append(draft);
            match Pin::new(&mut ticket).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(settled) => settled,
                Poll::Pending => unreachable!("the memory engine settles at once"),
            }
        };
        let unknown = || EngineError::Unknown("the test says so".to_owned());
        match fate {
            Fate::Published => publish(draft),
            Fate::Full => Err(EngineError::Full),
            Fate::UnknownPublished => publish(draft).and(Err(unknown())),
            Fate::UnknownLost => Err(unknown()),
        }
    }
}

impl Engine for HeldEngine {
    fn append(&self, draft: Draft) -> Ticket {
        let mut state = self.state();
        state.sent.push(String::from_utf8_lossy(draft.data.as_bytes()).into_owned());
        if let Some(fate) = state.at_once {
            drop(state);
            return Ticket::settled(self.carry_out(draft, fate));
        }
        let (settlement, ticket) = Ticket::open();
        state.in_flight.push_back((draft, settlement));
        ticket
    }

    fn read(&self, request: ReadRequest) -> EngineFuture<Lease> {
        self.0.memory.read(request)
    }

    fn locate(&self, questions: Vec<Locate>) -> EngineFuture<Vec<Located>> {
        self.0.memory.locate(questions)
    }

    fn erase(&self, channel: ChannelName) -> EngineFuture<MessageId> {
        self.0.memory.erase(channel)
    }

    fn health(&self) -> Health {
        self.0.memory.health()
    }

    fn close(&self) -> EngineFuture<()> {
        self.0.memory.close()
    }
}
