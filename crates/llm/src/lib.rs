//! Answers of models: reads what an OpenAI-compatible upstream streams, and decides by evidence
//! whether the answer is complete.
//!
//! ```text
//! bytes of the body → Reading       what a run does with them, in one place
//!   → EventStream                   events, comments, and what is neither
//!   → Chunk                         the choices, the usage and the error of one event
//!   → Answer                        what the chunks add up to
//!   → Evidence                      what has been seen of an end
//!   → Outcome                       complete, or why not; never by the end of the body alone
//! ```

mod answer;
mod chunk;
mod event_stream;
mod evidence;
mod merged;
mod reading;

pub use self::{
    answer::Answer,
    event_stream::{Event, EventStream, Item, Rest, TooLong},
    evidence::{BodyEnd, Failure, Outcome},
    reading::{Limits, Read, Reading},
};
use self::{
    chunk::{BadChunk, Chunk},
    evidence::Evidence,
};
