//! The resume point of a request: the header wins over the query (PROTOCOL.md §5).

use axum::http::HeaderMap;
use tricast_core::{BadSince, Kind, MessageId, Problem as _, Start};

use crate::http::{problem::Problem, query::Query};

/// Returns the position from which a request reads. The first source that has a value wins.
pub(crate) fn start_of(headers: &HeaderMap, query: &Query) -> Result<Start, Problem> {
    if let Some(value) = headers.get("last-event-id") {
        let text = value.to_str().map_err(|_| not_ascii("Last-Event-ID"))?;
        // An EventSource that has received no id yet may send an empty one.
        if !text.is_empty() {
            return start_after(text, "Last-Event-ID");
        }
    }
    for name in ["last_event_id", "lastEventId"] {
        if let Some(text) = query.get(name).filter(|text| !text.is_empty()) {
            return start_after(text, name);
        }
    }
    query.get("since").map_or(Ok(Start::Latest), |text| {
        text.parse().map_err(|error: BadSince| {
            Problem::new(error.kind(), format!("{error}; not {text:?}")).for_parameter("since")
        })
    })
}

fn start_after(text: &str, source: &str) -> Result<Start, Problem> {
    text.parse::<MessageId>().map(Start::After).map_err(|error| {
        Problem::new(error.kind(), format!("{source}: {error}; start without it"))
            .for_parameter(source)
    })
}

fn not_ascii(source: &str) -> Problem {
    Problem::new(Kind::BadResume, format!("{source} is not ASCII; start without it"))
        .for_parameter(source)
}
