//! Handshake permits: they limit the connections that have sent something and have no response yet,
//! and so the memory that handshakes take.

use std::{sync::Arc, time::Duration};

use parking_lot::{Condvar, Mutex};

/// A pool of permits.
#[derive(Debug)]
pub(crate) struct HandshakePermits {
    free: Mutex<usize>,
    released: Condvar,
}

/// A permit; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct HandshakePermit(Arc<HandshakePermits>);

impl HandshakePermits {
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { free: Mutex::new(count), released: Condvar::new() })
    }

    /// Takes a permit, and waits for one until `timeout` if need be.
    pub(crate) fn acquire(self: &Arc<Self>, timeout: Duration) -> Option<HandshakePermit> {
        let mut free = self.free.lock();
        self.released.wait_while_for(&mut free, |free| *free == 0, timeout);
        *free = free.checked_sub(1)?;
        Some(HandshakePermit(self.clone()))
    }
}

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        *self.0.free.lock() += 1;
        self.0.released.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_gets_the_permit_that_is_released() {
        let permits = HandshakePermits::new(1);
        let permit = permits.acquire(Duration::ZERO).expect("a free permit");
        assert!(permits.acquire(Duration::from_millis(1)).is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| permits.acquire(Duration::from_secs(60)).is_some());
            drop(permit);
            assert!(waiting.join().expect("no panic"));
        });
        assert!(permits.acquire(Duration::ZERO).is_some(), "given back by the other thread");
    }
}
