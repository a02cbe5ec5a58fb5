//! Limits on open connections: sockets in all, and connections of one address.

use std::{any::Any, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{metrics::OpenGauge, peer::Peer};

/// The most sockets that may be open at once. Clones share it.
#[derive(Clone, Debug)]
pub struct SocketLimit(Arc<Semaphore>);

/// Limits the connections of each address.
pub trait AddressLimiter: Send + Sync {
    /// Takes a permit for one more connection of `peer`; `None` if `peer` is not counted.
    ///
    /// # Errors
    /// When the address of `peer` has reached its limit.
    fn acquire(&self, peer: Peer) -> Result<Option<AddressPermit>, AddressLimitReached>;
}

/// A permit that an [`AddressLimiter`] gave, and gets back when it is dropped.
pub type AddressPermit = Box<dyn Any + Send + Sync>;

/// An address has as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressLimitReached;

impl SocketLimit {
    /// Allows `max` sockets.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))))
    }

    pub(crate) fn has_capacity(&self) -> bool {
        self.0.available_permits() > 0
    }

    pub(crate) fn try_acquire(&self) -> Option<OwnedSemaphorePermit> {
        self.0.clone().try_acquire_owned().ok()
    }
}

/// Everything that a connection gives back when its socket is closed.
#[derive(Debug)]
pub(crate) struct ConnPermit {
    pub(crate) _socket_permit: OwnedSemaphorePermit,
    pub(crate) _open: OpenGauge,
    pub(crate) _address_permit: Option<AddressPermit>,
}
