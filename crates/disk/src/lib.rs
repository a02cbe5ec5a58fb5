//! The log on disk of Tricast: segments of checksummed records, an index beside each, and recovery
//! after any end of the process or the machine.

mod backup;
mod channel_hash;
mod check;
mod config;
mod contents;
pub mod disk;
mod engine;
mod epoch_change;
mod error;
mod gathering;
mod head;
mod holder;
mod index;
mod ledger;
mod locate;
mod look;
mod mask;
mod meta;
pub mod planted;
mod portion;
mod postings;
mod presence;
mod reader;
mod record;
mod recovery;
mod retention;
mod room;
mod seal;
mod segment;
mod shared;
mod store;
mod survey;
mod sync;
#[cfg(test)]
mod tests;
mod walk;
mod window;

pub use backup::{Backup, BackupError, back_up};
pub use check::{Check, Damage};
pub use config::{Config, Machine};
pub use contents::LoggedReceipt;
pub use engine::{
    APPEND_SECONDS, DiskEngine, DiskMeters, DiskStats, EngineConfig, FSYNC_SECONDS, Folder,
    FolderError, Fsync, READ_WAIT_SECONDS, StartError, is_locked, look,
};
pub use epoch_change::{adopt, new_epoch};
pub use error::{AppendError, Failed};
pub use holder::holder;
pub use look::{Looked, Tally};
pub use portion::{Portion, PortionLimit};
pub use reader::Reader;
pub use record::{DataKind, Record};
pub use recovery::Opened;
pub use retention::{LetGo, Retention};
pub use seal::{SealError, SealJob};
pub use store::Store;
pub use survey::OpenError;
pub use sync::Syncer;
