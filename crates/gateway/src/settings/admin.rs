//! The listener for operators: metrics, health checks and the list of connections.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tricast_admission::Secret;

/// `[admin]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Admin {
    pub bind: SocketAddr,
    pub hosts: Vec<String>,
    pub token: Secret,
}

classify!(Admin {
    live: hosts, token;
    restart: bind;
});

impl Admin {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let token = self.token.expose();
        anyhow::ensure!(
            token.is_empty() || token.len() >= 16,
            "admin.token: at least 16 characters; create one with `openssl rand -hex 16`"
        );
        anyhow::ensure!(
            !token.chars().any(char::is_control),
            "admin.token: it contains a line feed or another control character, which no header \
             can carry; remove it"
        );
        Ok(())
    }
}
