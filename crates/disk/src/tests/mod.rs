//! The log on disks that fail: simulated from a seed, and real.

mod busy;
mod crashes;
mod forged;
mod full;
mod kills;
mod life;
mod literal;
mod real;
mod world;
