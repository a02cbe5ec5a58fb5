//! The peers, as `bench/peers` starts them.

use crate::target::Target;

/// All of them; one that is not installed fails when it is started, and that is reported.
pub(crate) fn all() -> Vec<Target> {
    Vec::new()
}
