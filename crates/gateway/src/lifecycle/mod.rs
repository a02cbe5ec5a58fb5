//! The life of the process: how it is built, starts, is replaced, and stops.

pub(crate) mod awake_clock;
pub(crate) mod background;
pub(crate) mod build;
pub(crate) mod conn_servers;
pub(crate) mod gatekeeper;
pub(crate) mod gateway;
pub(crate) mod handover;
pub(crate) mod load;
pub(crate) mod log_folder;
pub(crate) mod net_config;
pub(crate) mod open_files;
pub(crate) mod reload;
pub(crate) mod service;
pub(crate) mod shutdown;
pub(crate) mod sockets;
pub mod telemetry;
