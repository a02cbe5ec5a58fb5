//! The HTTP API: routes, layers, handlers, and the bodies of responses and streams.

pub(crate) mod admission;
pub(crate) mod body;
pub(crate) mod budget;
pub(crate) mod chunks;
pub(crate) mod codings;
pub(crate) mod document;
pub(crate) mod forwarded;
pub(crate) mod history;
pub(crate) mod host;
pub(crate) mod kinds;
pub(crate) mod layers;
pub(crate) mod ndjson;
pub(crate) mod origin;
pub(crate) mod presence;
pub(crate) mod problem;
pub(crate) mod publish;
pub(crate) mod publish_lines;
pub(crate) mod query;
pub(crate) mod response;
pub(crate) mod resume;
pub(crate) mod routes;
pub(crate) mod state;
pub(crate) mod stream;
pub(crate) mod stream_body;
pub(crate) mod subscribe;
pub(crate) mod subscribe_request;
