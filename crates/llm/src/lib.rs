//! Answers of models: makes runs of prompts, reads what an OpenAI-compatible upstream streams, and
//! decides by evidence whether the answer is complete.
//!
//! ```text
//! Runs::start                       admits a prompt, or refuses it
//!   → Registry                      open runs by channel and user, repeated prompts, ended runs
//!   → Driver                        one task for each run, from its first message to its last
//!     → Attempts                    tries, retries and fallbacks, until content has come
//!       → Upstream                  the request, the circuit, the classes of responses
//!       → Reading                   what a run does with the bytes of the body, in one place
//!         → EventStream             events, comments, and what is neither
//!         → Chunk                   the choices, the usage and the error of one event
//!         → Answer                  what the chunks add up to
//!         → Evidence                what has been seen of an end
//!         → Outcome                 complete, or why not; never by the end of the body alone
//!     → RunLog                      the messages of the run, in the log of its channel
//! Answers                           how these messages fold: snapshots for late readers
//! ```

mod answer;
mod attempt;
mod bad_upstream;
mod chat_request;
mod chunk;
mod config;
mod demo;
mod driver;
mod event_stream;
mod evidence;
mod failed;
mod fold;
#[cfg(fuzzing)]
pub mod fuzzing;
mod key_guard;
mod lost;
mod merged;
mod meters;
mod observer;
pub mod openai;
mod planted;
mod probe;
mod prompt;
mod reading;
mod registry;
mod run;
mod run_end;
mod run_error;
mod run_id;
mod run_log;
mod run_reader;
mod runs;
mod starter;
mod text_offset;
mod upstream;
mod upstream_client;
mod upstreams;
#[cfg(test)]
#[path = "tests/world.rs"]
mod world;

pub use self::{
    answer::Answer,
    bad_upstream::BadUpstream,
    chat_request::{BadRequest, ChatRequest},
    config::{Busy, DEMO_MODEL, DEMO_URL, Face, Leave, Model, RelayConfig, UpstreamConfig},
    event_stream::{Event, EventStream, Item, Rest, TooLong},
    evidence::{BodyEnd, Failure, Outcome},
    fold::Answers,
    meters::FIRST_TOKEN,
    observer::RunObserver,
    probe::{ProbeError, Probed, probe},
    prompt::{Prompt, PromptError, PromptKey, PromptMark, Started},
    reading::{Limits, Read, Reading},
    run::Listening,
    run_end::{By, Phase, RunEnd, RunReport, Status, Times},
    run_error::{ErrorKind, RunError},
    run_id::{BadRunId, RunId},
    run_reader::{Piece, ReadEnd, ReadError, RunEvent, RunReader},
    runs::{Cancelled, Head, Runs},
    starter::Starter,
    upstreams::ModelInfo,
};
use self::{
    attempt::{Attempts, Target},
    chunk::{BadChunk, Chunk},
    driver::Driver,
    evidence::Evidence,
    key_guard::KeyGuard,
    meters::UpstreamMeters,
    planted::Planted,
    run::Run,
    run_error::UpstreamSays,
    text_offset::TextOffset,
    upstream::Upstream,
    upstreams::Upstreams,
};
