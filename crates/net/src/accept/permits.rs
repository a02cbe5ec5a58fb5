//! Places for connections that have spoken and have no answer yet. A crowd comes in so many at a time, which
//! bounds the memory that handshakes take.

use std::{sync::Arc, time::Duration};

use parking_lot::{Condvar, Mutex};

/// Some places.
#[derive(Debug)]
pub(crate) struct HandshakePermits {
    free: Mutex<usize>,
    released: Condvar,
}

/// A place; dropping it gives it up.
#[derive(Debug)]
pub(crate) struct HandshakePermit(Arc<HandshakePermits>);

impl HandshakePermits {
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { free: Mutex::new(count), released: Condvar::new() })
    }

    /// Takes a place, if need be waiting for one for as long as `patience`.
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
        let permit = permits.acquire(Duration::ZERO).expect("a free place");
        assert!(permits.acquire(Duration::from_millis(1)).is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| permits.acquire(Duration::from_secs(60)).is_some());
            drop(permit);
            assert!(waiting.join().expect("no panic"));
        });
        assert!(permits.acquire(Duration::ZERO).is_some(), "given up by the other thread");
    }
}
