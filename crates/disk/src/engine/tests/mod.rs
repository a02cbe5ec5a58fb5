//! An engine over a disk that fails, and over a folder of this machine.
