//! Places for connections that have spoken and have no answer yet. A crowd comes in so many at a time, which
//! bounds the memory that handshakes take.

use std::{sync::Arc, time::Duration};

use parking_lot::{Condvar, Mutex};

/// Some places.
#[derive(Debug)]
pub(crate) struct Places {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A place; dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Places {
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { free: Mutex::new(count), freed: Condvar::new() })
    }

    /// Takes a place, if need be waiting for one for as long as `patience`.
    pub(crate) fn take(self: &Arc<Self>, patience: Duration) -> Option<Place> {
        let mut free = self.free.lock();
        self.freed.wait_while_for(&mut free, |free| *free == 0, patience);
        *free = free.checked_sub(1)?;
        Some(Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.free.lock() += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_gets_the_place_that_is_given_up() {
        let places = Places::new(1);
        let place = places.take(Duration::ZERO).expect("a free place");
        assert!(places.take(Duration::from_millis(1)).is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| places.take(Duration::from_secs(60)).is_some());
            drop(place);
            assert!(waiting.join().expect("no panic"));
        });
        assert!(places.take(Duration::ZERO).is_some(), "given up by the other thread");
    }
}
