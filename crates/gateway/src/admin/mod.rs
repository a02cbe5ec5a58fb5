//! The admin listener: health, metrics, connections.

pub(crate) mod connections;
pub(crate) mod metrics;
pub(crate) mod routes;
