//! What has been seen of the end of an answer. A stream that just stops proves nothing: proxies,
//! crashes and limits end streams as cleanly as a model does.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::{Chunk, Planted};

/// The data of the event that ends a stream of chunks.
const DONE: &[u8] = b"[DONE]";
/// The `finish_reason` by which some upstreams say that an error has ended the answer.
const ERROR: &str = "error";
/// The name of an event that carries an error.
const ERROR_EVENT: &[u8] = b"error";

/// How the body of the upstream's response has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// As HTTP says that a body ends.
    Clean,
    /// By a reset, without its last chunk, or without `close_notify` (RFC 9112 §8).
    Cut,
}

/// Why an answer is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The upstream has said so; this is its error, as JSON, if it gave one.
    Upstream(Option<String>),
    /// The stream has ended cleanly before the answer had.
    Truncated,
    /// The connection broke before the answer had ended.
    Cut,
    /// The upstream has sent something that is no stream of chunks.
    Malformed(String),
    /// The answer has more bytes than are allowed.
    TooLong,
    /// The upstream has sent a configured key.
    Key,
}

/// What became of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every choice has said why it ended.
    Complete,
    /// It is not complete.
    Failed(Failure),
}

/// What is known of the end of one answer.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    /// How many choices were asked for.
    choices: u32,
    /// Those that have said something, asked for or not.
    begun: BTreeSet<u32>,
    finished: BTreeSet<u32>,
    is_done: bool,
    failure: Option<Failure>,
}

impl Evidence {
    /// Begins an answer with so many choices.
    pub(crate) fn new(choices: u32) -> Self {
        let (begun, finished) = Default::default();
        Self { choices, begun, finished, is_done: false, failure: None }
    }

    /// Looks at an event before it is read as a chunk; returns whether it is one. The event that
    /// ends the stream is not, and neither is anything after it.
    pub(crate) fn expects_chunk(&mut self, data: &[u8]) -> bool {
        self.is_done |= data.trim_ascii() == DONE;
        !self.is_over()
    }

    /// Takes in a chunk. `name` is the name of its event.
    pub(crate) fn see(&mut self, name: &[u8], chunk: &Chunk<'_>) {
        if let Some(error) = chunk.error {
            self.fail(Failure::Upstream(Some(error.get().to_owned())));
        }
        if name == ERROR_EVENT {
            self.fail(Failure::Upstream(None));
        }
        for choice in &chunk.choices {
            self.begun.insert(choice.index);
            match choice.finish_reason.as_deref() {
                // Some upstreams send an empty text in place of null.
                None | Some("") => {}
                Some(ERROR) => self.fail(Failure::Upstream(None)),
                Some(_) => drop(self.finished.insert(choice.index)),
            }
        }
    }

    /// Notes why the answer cannot be complete; the first reason counts.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    /// Whether nothing that follows can change the outcome.
    pub(crate) fn is_over(&self) -> bool {
        self.is_done || self.failure.is_some()
    }

    /// Decides, once the body has ended or nothing more is read. `stray` is the text behind the
    /// last event: some upstreams put their error there as plain JSON.
    pub(crate) fn outcome(mut self, end: BodyEnd, stray: &[u8]) -> Outcome {
        let stray = stray.trim_ascii();
        // Behind `[DONE]` nothing counts, whether it was read or not.
        if !stray.is_empty()
            && !self.is_done
            && !Planted::StrayPassedOver.is_on()
            && let Some(error) = error_of(stray)
        {
            self.fail(Failure::Upstream(Some(error)));
        }
        if let Some(failure) = self.failure {
            return Outcome::Failed(failure);
        }
        let finished = self.finished.range(..self.choices).count();
        let is_believed = match end {
            BodyEnd::Clean if self.is_done => Planted::DoneBelieved.is_on(),
            BodyEnd::Clean => Planted::EndBelieved.is_on(),
            BodyEnd::Cut => Planted::CutBelieved.is_on(),
        };
        let is_enough = finished > 0 && Planted::OneChoiceEnough.is_on();
        match end {
            _ if finished >= self.choices as usize && self.begun == self.finished => {
                Outcome::Complete
            }
            _ if is_believed || is_enough => Outcome::Complete,
            BodyEnd::Clean => Outcome::Failed(Failure::Truncated),
            BodyEnd::Cut if self.is_done => Outcome::Failed(Failure::Truncated),
            BodyEnd::Cut => Outcome::Failed(Failure::Cut),
        }
    }
}

/// The error in a JSON text that is no event, or in a list of such.
fn error_of(text: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Stray {
        error: Box<RawValue>,
    }
    let stray: Stray = match text {
        [b'[', ..] => serde_json::from_slice::<Vec<_>>(text).ok()?.pop()?,
        _ => serde_json::from_slice(text).ok()?,
    };
    Some(stray.error.get().to_owned())
}

#[cfg(test)]
#[path = "tests/evidence.rs"]
mod tests;
