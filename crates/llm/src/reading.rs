//! Reading one answer: from the bytes of the upstream's response to deltas and an outcome. No I/O.

use std::sync::Arc;

use crate::{
    Answer, BadChunk, BodyEnd, Chunk, EventStream, Evidence, Failure, Item, KeyGuard, Outcome,
    Planted, Rest, answer::Offsets,
};

/// The bounds of one answer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes of one event.
    pub event_bytes: usize,
    /// The most bytes of the whole answer, as JSON.
    pub answer_bytes: usize,
}

/// What some bytes have brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Whether the upstream has given a sign of life.
    pub is_alive: bool,
    /// Whether nothing that follows counts: the response need not be read any further.
    pub is_over: bool,
}

/// An answer that is being read.
#[derive(Debug)]
pub struct Reading {
    limits: Limits,
    guard: Arc<KeyGuard>,
    stream: EventStream,
    answer: Answer,
    /// What was read and not taken as a delta yet.
    pending: Answer,
    offsets: Offsets,
    /// Chunks with content: about as many tokens.
    chunks: u64,
    evidence: Evidence,
    has_ended: bool,
    items: Vec<Item>,
}

impl Reading {
    /// Begins an answer with so many choices, in which no key of `guard` may be.
    pub(crate) fn new(choices: u32, limits: Limits, guard: Arc<KeyGuard>) -> Self {
        Self {
            limits,
            guard,
            stream: EventStream::new(limits.event_bytes),
            answer: Answer::default(),
            pending: Answer::default(),
            offsets: Offsets::new(),
            chunks: 0,
            evidence: Evidence::new(choices),
            has_ended: false,
            items: Vec::new(),
        }
    }

    /// Reads the next bytes of an event stream.
    pub fn read(&mut self, bytes: &[u8]) -> Read {
        let mut items = std::mem::take(&mut self.items);
        let read = self.stream.read(bytes, &mut items);
        let is_life = |item: &Item| *item != Item::Comment || !Planted::CommentsIgnored.is_on();
        let is_alive = items.iter().any(is_life);
        for item in items.drain(..) {
            if let Item::Event(event) = item {
                self.take_event(&event.name, &event.data);
            }
        }
        self.items = items;
        if let Err(error) = read {
            self.evidence.fail(Failure::Malformed(error.to_string()));
        }
        Read { is_alive, is_over: self.evidence.is_over() }
    }

    /// Reads a response that is one JSON document, although a stream was asked for.
    pub fn read_whole(&mut self, body: &[u8]) -> Read {
        self.take_event(b"", body);
        Read { is_alive: true, is_over: true }
    }

    /// Ends the answer, once the body has ended or nothing more is to be read. An event may still
    /// add to the answer that only lacked its end.
    pub fn end(&mut self, end: BodyEnd) -> Outcome {
        self.has_ended = true;
        let stream = std::mem::replace(&mut self.stream, EventStream::new(0));
        let Rest { event, stray } = stream.end();
        // Behind a cut nobody knows whether it is whole.
        if let Some(event) =
            event.filter(|_| end == BodyEnd::Clean || Planted::TornEventRead.is_on())
        {
            self.take_event(&event.name, &event.data);
        }
        self.evidence.clone().outcome(end, &stray)
    }

    /// Takes what has come since the last delta, however many events brought it, in JSON: a list
    /// of choices, each with its `index`, the bytes of its text before (`at`), and its `delta`.
    ///
    /// What may be the beginning of a key waits for what follows, until the end.
    pub fn take_delta(&mut self) -> Option<String> {
        if self.has_ended || Planted::KeyPassed.is_on() {
            return self.pending.take_delta(&mut self.offsets);
        }
        let held = self.pending.take_open_ends(&self.answer, &self.guard);
        let delta = self.pending.take_delta(&mut self.offsets);
        self.pending.append(held);
        delta
    }

    /// Returns the answer so far.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Returns how many chunks had content.
    pub(crate) fn chunks(&self) -> u64 {
        self.chunks
    }

    fn take_event(&mut self, name: &[u8], data: &[u8]) {
        if self.evidence.expects_chunk(data)
            && let Err(error) = self.take_chunk(name, data)
        {
            self.evidence.fail(Failure::Malformed(error.to_string()));
        }
    }

    fn take_chunk(&mut self, name: &[u8], data: &[u8]) -> Result<(), BadChunk> {
        let chunk = Chunk::parse(data)?;
        self.evidence.see(name, &chunk);
        let before = self.answer.length();
        if before + data.len() > self.limits.answer_bytes {
            // Only what it adds counts, and not what surrounds that in a chunk.
            let mut alone = Answer::default();
            alone.add(&chunk)?;
            if before + alone.length() > self.limits.answer_bytes {
                self.evidence.fail(Failure::TooLong);
                return Ok(());
            }
        }
        self.answer.add(&chunk)?;
        let has_key = self.guard.finds_in(data) || self.answer.has_key(&self.guard);
        if has_key && !Planted::KeyPassed.is_on() {
            // A part of the key may be in what was read before: none of it goes on.
            (self.answer, self.pending) = Default::default();
            self.evidence.fail(Failure::Key);
            return Ok(());
        }
        self.chunks += u64::from(chunk.adds() && self.answer.has_content());
        self.pending.add(&chunk)
    }
}

#[cfg(test)]
#[path = "tests/reading.rs"]
mod tests;
