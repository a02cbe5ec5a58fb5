//! The admin listener: health, metrics, connections.

pub(crate) mod connections;
mod disk_gauges;
pub(crate) mod metrics;
pub(crate) mod routes;
