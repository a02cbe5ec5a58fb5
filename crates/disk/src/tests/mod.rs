//! The log on a disk that fails, from a seed.

mod crashes;
mod life;
mod real;
mod world;
