//! The metrics of runs. Labels are names of the settings and of this program; never a user, a
//! channel, or a name that a client has chosen.

use std::{collections::HashMap, sync::Arc};

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use serde::Deserialize;

use crate::{By, ErrorKind, Face, RunEnd, Status};

/// The name of the histogram of the time until the first content, in seconds.
pub const FIRST_TOKEN: &str = "tricast_llm_first_token_seconds";

/// The metrics of all runs.
#[derive(Clone)]
pub(crate) struct RunMeters {
    pub(crate) active: Gauge,
    cancelled: Arc<HashMap<By, Counter>>,
}

/// The metrics of one upstream.
#[derive(Clone)]
pub(crate) struct UpstreamMeters {
    /// By the interface of the prompt and the end.
    runs: Arc<HashMap<(Face, Status), Counter>>,
    errors: Arc<HashMap<ErrorKind, Counter>>,
    first_token: Histogram,
    prompt_tokens: Counter,
    completion_tokens: Counter,
    pub(crate) retries: Counter,
    /// 1 while the upstream is not called.
    pub(crate) open: Gauge,
}

impl RunMeters {
    /// Registers the metrics with the recorder that is installed at this moment.
    pub(crate) fn new() -> Self {
        describe();
        let cancelled =
            By::ALL.map(|by| (by, counter!("tricast_llm_cancelled_total", "by" => by.name())));
        let cancelled = Arc::new(HashMap::from(cancelled));
        Self { active: gauge!("tricast_llm_runs_active"), cancelled }
    }

    pub(crate) fn count_cancelled(&self, by: By) {
        if let Some(counter) = self.cancelled.get(&by) {
            counter.increment(1);
        }
    }
}

impl UpstreamMeters {
    pub(crate) fn new(name: &str) -> Self {
        let label = || name.to_owned();
        let tokens =
            |kind| counter!("tricast_llm_tokens_total", "upstream" => label(), "kind" => kind);
        // All from the start: a counter that is registered later has another recorder.
        let ends = Face::ALL.into_iter().flat_map(|face| Status::ALL.map(|end| (face, end)));
        let runs = ends.map(|(face, end)| {
            let counter = counter!(
                "tricast_llm_runs_total",
                "upstream" => label(), "outcome" => end.name(), "face" => face.name()
            );
            ((face, end), counter)
        });
        let errors = ErrorKind::ALL.iter().map(|kind| {
            let name = kind.name();
            let counter =
                counter!("tricast_llm_errors_total", "upstream" => label(), "error" => name);
            (*kind, counter)
        });
        Self {
            runs: Arc::new(runs.collect()),
            errors: Arc::new(errors.collect()),
            first_token: histogram!(FIRST_TOKEN, "upstream" => label()),
            prompt_tokens: tokens("prompt"),
            completion_tokens: tokens("completion"),
            retries: counter!("tricast_llm_retries_total", "upstream" => label()),
            open: gauge!("tricast_llm_upstream_open", "upstream" => label()),
        }
    }

    /// Counts a run that has ended at this upstream.
    pub(crate) fn count_end(&self, face: Face, end: &RunEnd) {
        let error = end.error.as_ref().and_then(|error| self.errors.get(&error.kind));
        let counters = self.runs.get(&(face, end.status)).into_iter().chain(error);
        counters.for_each(|counter| counter.increment(1));
        if let Some(first) = end.first {
            self.first_token.record(first);
        }
        let Some(usage) = &end.usage else { return };
        let usage: Usage = serde_json::from_str(usage.get()).unwrap_or_default();
        self.prompt_tokens.increment(count(usage.prompt_tokens));
        self.completion_tokens.increment(count(usage.completion_tokens));
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Usage {
    prompt_tokens: f64,
    completion_tokens: f64,
}

/// Returns a number of tokens that can be: an upstream may tell anything.
fn count(told: f64) -> u64 {
    told.clamp(0.0, 1e9) as u64
}

fn describe() {
    describe_counter!(
        "tricast_llm_runs_total",
        "Runs that have ended, by the upstream, the outcome and the interface of the prompt."
    );
    describe_counter!("tricast_llm_errors_total", "Runs that have ended as an error, by its kind.");
    describe_gauge!("tricast_llm_runs_active", "Runs that have not ended.");
    describe_histogram!(
        FIRST_TOKEN,
        Unit::Seconds,
        "From the prompt to the first content of its answer."
    );
    describe_counter!(
        "tricast_llm_tokens_total",
        "Tokens of prompts and completions; estimated where the upstream does not tell them."
    );
    describe_counter!("tricast_llm_retries_total", "Calls of an upstream that were repeated.");
    describe_counter!("tricast_llm_cancelled_total", "Runs that were cancelled, by the reason.");
    describe_gauge!(
        "tricast_llm_upstream_open",
        "1 while an upstream has failed too often and is not called, else 0."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_of_any_shape_is_counted_or_passed_over() {
        for (json, expected) in [
            (r#"{"prompt_tokens":3,"completion_tokens":4.0}"#, (3.0, 4.0)),
            (r#"{"total_tokens":3}"#, (0.0, 0.0)),
            (r#"{"prompt_tokens":null}"#, (0.0, 0.0)),
        ] {
            let usage: Usage = serde_json::from_str(json).unwrap_or_default();
            assert_eq!((usage.prompt_tokens, usage.completion_tokens), expected, "{json}");
        }
    }
}
