//! The log on disk of Tricast: segments of checksummed records, an index beside each, and recovery
//! after any end of the process or the machine.

mod channel_hash;
mod config;
mod contents;
pub mod disk;
mod engine;
mod index;
mod locate;
mod meta;
pub mod planted;
mod portion;
mod postings;
mod reader;
mod record;
mod recovery;
mod room;
mod seal;
mod segment;
mod shared;
mod store;
mod sync;
#[cfg(test)]
mod tests;
mod walk;
mod window;

pub use config::{Config, Machine};
pub use contents::LoggedReceipt;
pub use engine::{
    APPEND_SECONDS, DiskEngine, DiskMeters, DiskStats, EngineConfig, FSYNC_SECONDS, Folder,
    FolderError, Fsync, StartError, look,
};
pub use portion::{Portion, PortionLimit};
pub use reader::Reader;
pub use record::{DataKind, Record};
pub use recovery::{OpenError, Opened};
pub use seal::{SealError, SealJob};
pub use store::{AppendError, Failed, Store};
pub use sync::Syncer;
