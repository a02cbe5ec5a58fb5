//! Reading one answer: from the bytes of the upstream's response to deltas and an outcome. No I/O.

use crate::{
    Answer, BadChunk, BodyEnd, Chunk, EventStream, Evidence, Failure, Item, Outcome, Rest,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// What is added to the choices, as [`Answer::delta`] spells it; `None` if that is nothing.
    pub delta: Option<String>,
    /// Whether the upstream has given a sign of life.
    pub is_alive: bool,
    /// Whether nothing that follows counts: the response need not be read any further.
    pub is_over: bool,
}

/// An answer that is being read.
#[derive(Debug)]
pub struct Reading {
    limits: Limits,
    stream: EventStream,
    answer: Answer,
    evidence: Evidence,
    items: Vec<Item>,
}

impl Reading {
    /// Begins an answer with so many choices.
    pub fn new(choices: u32, limits: Limits) -> Self {
        let stream = EventStream::new(limits.event_bytes);
        let (answer, evidence) = (Answer::default(), Evidence::new(choices));
        Self { limits, stream, answer, evidence, items: Vec::new() }
    }

    /// Reads the next bytes of an event stream. What they bring becomes one delta, however many
    /// events they hold.
    pub fn read(&mut self, bytes: &[u8]) -> Read {
        let mut items = std::mem::take(&mut self.items);
        let read = self.stream.read(bytes, &mut items);
        let is_alive = !items.is_empty();
        let mut added = Answer::default();
        for item in items.drain(..) {
            if let Item::Event(event) = item {
                self.take_event(&event.name, &event.data, &mut added);
            }
        }
        self.items = items;
        if let Err(error) = read {
            self.evidence.fail(Failure::Malformed(error.to_string()));
        }
        Read { delta: added.delta(), is_alive, is_over: self.evidence.is_over() }
    }

    /// Reads a response that is one JSON document, although a stream was asked for.
    pub fn read_whole(&mut self, body: &[u8]) -> Read {
        let mut added = Answer::default();
        self.take_event(b"", body, &mut added);
        Read { delta: added.delta(), is_alive: true, is_over: true }
    }

    /// Ends the answer, once the body has ended or nothing more is to be read. Returns what the
    /// last event added if it lacked its end, the outcome, and the answer.
    pub fn end(mut self, end: BodyEnd) -> (Option<String>, Outcome, Answer) {
        let stream = std::mem::replace(&mut self.stream, EventStream::new(0));
        let Rest { event, stray } = stream.end();
        let mut added = Answer::default();
        // Behind a cut nobody knows whether it is whole.
        if let Some(event) = event.filter(|_| end == BodyEnd::Clean) {
            self.take_event(&event.name, &event.data, &mut added);
        }
        let outcome = self.evidence.outcome(end, &stray);
        (added.delta(), outcome, self.answer)
    }

    fn take_event(&mut self, name: &[u8], data: &[u8], added: &mut Answer) {
        if self.evidence.expects_chunk(data)
            && let Err(error) = self.take_chunk(name, data, added)
        {
            self.evidence.fail(Failure::Malformed(error.to_string()));
        }
    }

    fn take_chunk(&mut self, name: &[u8], data: &[u8], added: &mut Answer) -> Result<(), BadChunk> {
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
        added.add(&chunk)
    }
}

#[cfg(test)]
#[path = "tests/reading.rs"]
mod tests;
