//! Prompts over HTTP: `POST /llm`, `POST /llm/{channel}`, and `/llm/runs`.

pub(crate) mod prompt;
pub(crate) mod prompt_request;
pub(crate) mod run_stream;
pub(crate) mod runs;
