//! The configuration of `tricast-net`, from the settings and from admission.

use std::sync::Arc;

use axum::http::HeaderMap;
use tricast_admission::ConnectionLimits;
use tricast_net::{
    AddressLimitReached, AddressLimiter, AddressPermit, ConnConfig, Peer, SocketLimit,
};

use crate::{
    http::forwarded,
    settings::{Proxy, Settings},
};

/// Returns the limits of connections, of which `sockets` may be open at once.
pub(crate) fn conn_config(settings: &Settings, sockets: usize) -> ConnConfig {
    ConnConfig {
        head_bytes: settings.limits.head_bytes.as_u64() as usize,
        head_timeout: settings.limits.head_timeout,
        stall_timeout: settings.stream.stall_timeout,
        sockets: SocketLimit::new(sockets),
    }
}

/// Counts the connections of clients that connect directly. A trusted proxy's connections carry
/// many clients, and are not counted.
pub(crate) struct DirectClients {
    pub(crate) limits: Arc<ConnectionLimits>,
    pub(crate) proxy: Arc<Proxy>,
}

impl AddressLimiter for DirectClients {
    fn acquire(&self, peer: Peer) -> Result<Option<AddressPermit>, AddressLimitReached> {
        let address = forwarded::client_address(peer, &HeaderMap::new(), &self.proxy);
        let Some(address) = address else { return Ok(None) };
        match self.limits.accept_from(address) {
            Ok(permit) => Ok(permit.map(|permit| Box::new(permit) as AddressPermit)),
            Err(_) => Err(AddressLimitReached),
        }
    }
}
