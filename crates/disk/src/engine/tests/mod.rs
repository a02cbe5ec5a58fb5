//! An engine over a disk in memory that fails, and over a folder of this machine.

mod crashes;
mod erasures;
mod failures;
mod gated;
mod planted;
mod restarts;
mod world;
