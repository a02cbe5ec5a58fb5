//! Portions of what an engine stores below the rings.

use std::{
    net::IpAddr,
    sync::{Arc, Weak},
};

use crate::{
    ChannelName, Epoch, Message, ReadLimit, Seq, Stored, UserId, message::memory::MemoryBudget,
};

/// A request for the next messages of some channels that the rings no longer hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// The channels, and the position in each: messages up to it are not wanted.
    pub channels: Vec<(ChannelName, Seq)>,
    /// Messages above this are not wanted: the rings hold them.
    pub until: Seq,
    /// The most to return; the first message is returned whatever its size.
    pub limit: ReadLimit,
    /// The user that reads, so that one user cannot take all memory for reads.
    pub user: Option<UserId>,
    /// The address that reads, for the same purpose.
    pub address: Option<IpAddr>,
}

/// Seqs whose messages are lost, from `first` to `last`. There may have been none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The first lost seq.
    pub first: Seq,
    /// The last lost seq.
    pub last: Seq,
}

/// Stored messages of some channels, in order of their seq.
#[derive(Debug)]
pub struct Portion {
    messages: Vec<Arc<Message>>,
    holes: Vec<Hole>,
    upto: Seq,
}

/// The memory that the messages of portions occupy, encodings included.
#[derive(Clone, Debug)]
pub struct ReadMemory(Arc<MemoryBudget>);

impl ReadMemory {
    /// Makes a budget of `limit` bytes. It only counts: the engine that reads keeps to it.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(MemoryBudget::new(limit)))
    }

    /// Returns the bytes in use.
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Returns the limit in bytes.
    pub fn limit(&self) -> usize {
        self.0.limit()
    }
}

impl Portion {
    /// Makes a portion that answers a request completely up to and including `upto`: whatever is
    /// neither in `messages` nor in `holes` never was in these channels. `messages` and `holes` are
    /// in order of seq, and none of them reaches above `upto`.
    pub fn new(
        epoch: Epoch,
        messages: Vec<Stored>,
        holes: Vec<Hole>,
        upto: Seq,
        memory: &ReadMemory,
    ) -> Self {
        let message = |stored: Stored| {
            let online = stored.online;
            Arc::new(Message::new(epoch, stored, online, &memory.0))
        };
        Self { messages: messages.into_iter().map(message).collect(), holes, upto }
    }

    /// Returns the messages.
    pub fn messages(&self) -> &[Arc<Message>] {
        &self.messages
    }

    /// Returns the holes.
    pub fn holes(&self) -> &[Hole] {
        &self.holes
    }

    /// Returns the position up to which the portion is complete.
    pub fn upto(&self) -> Seq {
        self.upto
    }

    /// Returns the bytes that its messages occupy now, encodings included.
    pub fn bytes(&self) -> usize {
        self.messages.iter().map(|message| message.memory_bytes()).sum()
    }
}

/// A portion in the hands of a reader.
#[derive(Debug)]
pub enum Lease {
    /// The reader keeps the portion.
    Owned(Arc<Portion>),
    /// The engine keeps the portion, and takes it back from a reader that does not read it in time.
    /// The reader then asks again.
    Lent(Loan),
}

/// A portion that the engine has lent. Dropping the loan tells the engine that the reader is done.
pub struct Loan {
    portion: Weak<Portion>,
    give_back: Option<Box<dyn FnOnce() + Send>>,
}

impl Loan {
    /// Lends `portion`, which the engine keeps. `give_back` is called once, on any thread.
    pub fn new(portion: &Arc<Portion>, give_back: impl FnOnce() + Send + 'static) -> Self {
        Self { portion: Arc::downgrade(portion), give_back: Some(Box::new(give_back)) }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(give_back) = self.give_back.take() {
            give_back();
        }
    }
}

impl std::fmt::Debug for Loan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Loan").field(&self.portion).finish()
    }
}

impl Lease {
    /// Returns the portion, unless the engine has taken it back.
    pub fn portion(&self) -> Option<Arc<Portion>> {
        match self {
            Lease::Owned(portion) => Some(portion.clone()),
            Lease::Lent(loan) => loan.portion.upgrade(),
        }
    }
}
