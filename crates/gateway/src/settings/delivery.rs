//! How streams are written to their sockets.

use serde::{Deserialize, Serialize};

/// `delivery`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Delivery {
    Auto,
    IoUring,
    Epoll,
    Generic,
}

impl Delivery {
    /// Returns the name that it has in gateway.toml.
    pub fn name(self) -> &'static str {
        match self {
            Delivery::Auto => "auto",
            Delivery::IoUring => "io_uring",
            Delivery::Epoll => "epoll",
            Delivery::Generic => "generic",
        }
    }
}
