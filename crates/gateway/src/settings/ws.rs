//! WebSockets.

use serde::{Deserialize, Serialize};

/// `[ws]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct WebSockets {
    pub compression: bool,
    pub rate: u32,
}

classify!(WebSockets {
    live: compression, rate;
});
