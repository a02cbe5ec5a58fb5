//! The listener for operators: metrics, health checks and the list of connections.

use std::net::{IpAddr, SocketAddr};

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

/// Returns whether `text` is a name that the `Host` of a request may have. Addresses are admitted
/// without being listed, and do no harm.
fn is_host_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_name = !text.is_empty() && text.bytes().all(is_plain);
    is_name || text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

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
        for host in &self.hosts {
            anyhow::ensure!(
                is_host_name(host),
                "admin.hosts: {host:?} is not a host name, and no request would match it; write a \
                 name such as metrics.internal, without a port or a wildcard"
            );
        }
        Ok(())
    }
}
