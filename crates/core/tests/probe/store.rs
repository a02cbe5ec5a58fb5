//! An engine with a store in memory, which loses what a test tells it to lose and answers when a
//! test lets it.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

#[cfg(not(feature = "shuttle"))]
use std::sync::Mutex;

#[cfg(feature = "shuttle")]
use shuttle::sync::Mutex;

use tokio::sync::oneshot;
use tricast_core::{
    Accepted, Beginning, ChannelName, Draft, Engine, EngineError, EngineFuture, Extent, Health,
    Hole, Lease, Loan, Locate, Located, Log, MessageId, Placed, Portion, ReadLimit, ReadMemory,
    ReadRequest, Receipt, Reservation, Seq, Settlement, Stored, Ticket, UserId,
};

/// Stores each message of a logged channel, and counts all of them.
pub struct StoreEngine {
    log: Arc<Log>,
    /// The most messages of one portion.
    portion: usize,
    memory: ReadMemory,
    /// Whether acknowledgements wait for [`settle`](Self::settle).
    deferred: AtomicBool,
    /// Whether answers wait for [`answer`](Self::answer).
    reads_deferred: AtomicBool,
    /// How many portions readers have given back.
    given_back: Arc<AtomicUsize>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: Seq,
    messages: Vec<Stored>,
    extent: Extent,
    damage: Vec<Hole>,
    reads: Vec<(ReadRequest, oneshot::Sender<Lease>)>,
    placed: Vec<(Stored, Reservation, Settlement)>,
    lent: Vec<Arc<Portion>>,
}

impl StoreEngine {
    pub fn new(log: Arc<Log>, portion: usize) -> Arc<Self> {
        let extent = Extent::default();
        log.begin(Beginning {
            epoch: log.epoch(),
            lineage: Vec::new(),
            after: 0,
            head: 0,
            extent: Some(extent),
            earlier: Vec::new(),
            erased: Vec::new(),
        });
        let memory = ReadMemory::new(1 << 20);
        let (deferred, reads_deferred, given_back, state) = Default::default();
        Arc::new(Self { log, portion, memory, deferred, reads_deferred, given_back, state })
    }

    /// Makes readers and publishers wait.
    pub fn defer(&self) {
        self.defer_reads();
        self.deferred.store(true, Ordering::Relaxed);
    }

    /// Makes readers wait.
    pub fn defer_reads(&self) {
        self.reads_deferred.store(true, Ordering::Relaxed);
    }

    /// Answers the oldest read, and lends its portion until [`take_back`](Self::take_back).
    pub fn answer(&self) -> bool {
        let mut state = self.state.lock().expect("lock");
        if state.reads.is_empty() {
            return false;
        }
        let (request, sender) = state.reads.remove(0);
        let portion = Arc::new(self.portion_of(&state, &request));
        // A reader that has left needs no answer.
        let given_back = self.given_back.clone();
        let give_back = move || {
            given_back.fetch_add(1, Ordering::Relaxed);
        };
        let _ = sender.send(Lease::Lent(Loan::new(&portion, give_back)));
        state.lent.push(portion);
        true
    }

    /// How many portions readers have given back.
    pub fn given_back(&self) -> usize {
        self.given_back.load(Ordering::Relaxed)
    }

    /// Who asked for the oldest read that waits.
    pub fn asked_by(&self) -> Option<(Option<UserId>, Option<IpAddr>)> {
        let state = self.state.lock().expect("lock");
        state.reads.first().map(|(request, _)| (request.user.clone(), request.address))
    }

    /// The limit of the oldest read that waits.
    pub fn asked_limit(&self) -> Option<ReadLimit> {
        self.state.lock().expect("lock").reads.first().map(|(request, _)| request.limit)
    }

    /// Takes all portions back.
    pub fn take_back(&self) {
        self.state.lock().expect("lock").lent.clear();
    }

    /// Makes everything that is placed visible, and settles its tickets.
    pub fn settle(&self) {
        // The lock is held until all are visible: there may be two that settle.
        let mut state = self.state.lock().expect("lock");
        let placed = std::mem::take(&mut state.placed);
        let (mut batch, mut settlements) = (Vec::new(), Vec::new());
        for (stored, reservation, settlement) in placed {
            batch.push(Placed { stored, reservation: Some(reservation) });
            settlements.push(settlement);
        }
        let accepted = self.log.accept_all(batch);
        drop(state);
        for (settlement, accepted) in settlements.into_iter().zip(&accepted) {
            settlement.settle(Ok(receipt(accepted)));
        }
        Accepted::announce_all(accepted);
    }

    /// Loses what was placed and is not settled.
    pub fn lose_placed(&self) {
        drop(std::mem::take(&mut self.state.lock().expect("lock").placed));
    }

    /// Lets go of all messages up to `seq`.
    pub fn retire(&self, seq: Seq) {
        let mut state = self.state.lock().expect("lock");
        state.extent.after = state.extent.after.max(seq);
        state.messages.retain(|stored| stored.seq > seq);
        self.log.set_extent(state.extent.clone());
    }

    /// Makes the stored messages up to `seq` older.
    pub fn make_older(&self, seq: Seq, by: Duration) {
        let mut state = self.state.lock().expect("lock");
        for stored in state.messages.iter_mut().filter(|stored| stored.seq <= seq) {
            stored.time -= by.as_millis() as u64;
        }
    }

    /// Damages the messages from `first` to `last`; that is noticed when they are read.
    pub fn damage(&self, first: Seq, last: Seq) {
        let mut state = self.state.lock().expect("lock");
        state.messages.retain(|stored| !(first..=last).contains(&stored.seq));
        state.damage.push(Hole { first, last });
        state.damage.sort_by_key(|hole| hole.first);
    }

    fn portion_of(&self, state: &State, request: &ReadRequest) -> Portion {
        let after = request.channels.iter().map(|(_, after)| *after).min().expect("a channel");
        let wanted = |stored: &&Stored| {
            let of = |(name, after): &(ChannelName, Seq)| {
                *name == stored.draft.channel && stored.seq > *after
            };
            stored.seq <= request.until && request.channels.iter().any(of)
        };
        let most = self.portion.min(request.limit.messages).max(1);
        let mut messages: Vec<Stored> =
            state.messages.iter().filter(wanted).take(most + 1).cloned().collect();
        let mut bytes = 0;
        let fits = |stored: &&Stored| {
            bytes += stored.draft.data.as_bytes().len();
            bytes <= request.limit.bytes
        };
        let most = most.min(messages.iter().take_while(fits).count().max(1));
        let more = messages.len() > most;
        messages.truncate(most);
        let last = messages.last().map(|stored| stored.seq);
        let upto = last.filter(|_| more).unwrap_or(request.until);
        let retired = Hole { first: 1, last: state.extent.after };
        let clip =
            |hole: &Hole| Hole { first: hole.first.max(after + 1), last: hole.last.min(upto) };
        let holes = std::iter::once(&retired).chain(&state.damage).map(clip);
        let mut joined: Vec<Hole> = Vec::new();
        for hole in holes.filter(|hole| hole.first <= hole.last) {
            match joined.last_mut() {
                Some(before) if hole.first <= before.last + 1 => {
                    before.last = before.last.max(hole.last);
                }
                _ => joined.push(hole),
            }
        }
        Portion::new(self.log.epoch(), messages, joined, upto, &self.memory)
    }

    fn place(&self, draft: Draft) -> Result<Ticket, EngineError> {
        let mut state = self.state.lock().expect("lock");
        let reservation = self.log.reserve(&draft)?;
        state.last += 1;
        let (seq, online) = (state.last, reservation.online);
        let stored = Stored { seq, time: tricast_core::unix_millis(), online, draft };
        if self.log.rules_for(&stored.draft.channel).log {
            state.messages.push(stored.clone());
        }
        if self.deferred.load(Ordering::Relaxed) {
            let (settlement, ticket) = Ticket::open();
            state.placed.push((stored, reservation, settlement));
            return Ok(ticket);
        }
        let accepted = self.log.accept_all(vec![Placed { stored, reservation: Some(reservation) }]);
        drop(state);
        let ticket = Ticket::settled(Ok(receipt(&accepted[0])));
        Accepted::announce_all(accepted);
        Ok(ticket)
    }
}

fn receipt(accepted: &Accepted) -> Receipt {
    Receipt { id: accepted.id, subscribers: accepted.subscribers, duplicate: false }
}

impl Engine for StoreEngine {
    fn append(&self, draft: Draft) -> Ticket {
        self.place(draft).unwrap_or_else(|error| Ticket::settled(Err(error)))
    }

    fn read(&self, request: ReadRequest) -> EngineFuture<Lease> {
        let (sender, receiver) = oneshot::channel();
        self.state.lock().expect("lock").reads.push((request, sender));
        if !self.reads_deferred.load(Ordering::Relaxed) {
            self.answer();
        }
        Box::pin(async move {
            receiver.await.map_err(|_| EngineError::Unavailable("the test is over".to_owned()))
        })
    }

    fn locate(&self, questions: Vec<Locate>) -> EngineFuture<Vec<Located>> {
        let state = self.state.lock().expect("lock");
        let locate = |question: Locate| {
            let of = |stored: &&Stored| {
                stored.draft.channel == question.channel && stored.seq <= question.until
            };
            let mut newest = state.messages.iter().rev().filter(of).peekable();
            let last = newest.peek().copied();
            let ended = last.filter(|stored| stored.draft.end).map(|stored| stored.seq);
            let mut after = question.until;
            for _ in 0..question.newest {
                after = newest.next().map_or(state.extent.after, |stored| stored.seq - 1);
            }
            let seen = |stored: &&Stored| of(stored) && stored.time >= question.since;
            let visible = state.messages.iter().rev().filter(seen).take(question.visible);
            let is_limited = question.visible != usize::MAX || question.since > 0;
            let first = visible.last().map(|stored| stored.seq);
            let hidden = match first {
                _ if !is_limited => 0,
                Some(first) => first - 1,
                None => question.until,
            };
            Located { after, ended, hidden }
        };
        Box::pin(std::future::ready(Ok(questions.into_iter().map(locate).collect())))
    }

    fn erase(&self, channel: ChannelName) -> EngineFuture<MessageId> {
        let state = self.state.lock().expect("lock");
        let mut newest =
            state.messages.iter().rev().map(|stored| (&stored.draft.channel, stored.seq));
        let upto = newest.find(|(of, _)| **of == channel).map_or(0, |(_, seq)| seq);
        self.log.erase(&channel, upto.max(self.log.newest_known(&channel)));
        Box::pin(std::future::ready(Ok(self.log.head())))
    }

    fn health(&self) -> Health {
        Health::Live { lag: self.state.lock().expect("lock").placed.len() as u64 }
    }

    fn close(&self) -> EngineFuture<()> {
        self.settle();
        Box::pin(std::future::ready(Ok(())))
    }
}
