//! Connection limits of addresses and users.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tricast_core::{Denied, Kind, StreamEnd, UserId, network_of};

/// Retry delay for clients: by then a connection may have ended.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(5);

/// Counts the connections of each address and of each user.
#[derive(Debug)]
pub struct ConnectionLimits {
    sockets: KeyedLimit<IpAddr>,
    addresses: KeyedLimit<IpAddr>,
    users: KeyedLimit<UserId>,
}

/// The permits of one connection, and the guard of its stream.
#[derive(Debug, Default)]
pub(crate) struct ConnectionPermits {
    _address: Option<ConnectionPermit<IpAddr>>,
    _user: Option<ConnectionPermit<UserId>>,
    guard: Option<Box<dyn StreamGuard>>,
}

/// Lives as long as a stream, and learns how it ended.
pub trait StreamGuard: fmt::Debug + Send + Sync {
    /// Records how the stream has ended; the guard is dropped after that.
    fn record_end(&self, end: StreamEnd);
}

impl ConnectionPermits {
    pub(crate) fn set_guard(&mut self, guard: Box<dyn StreamGuard>) {
        self.guard = Some(guard);
    }

    pub(crate) fn record_end(&self, end: StreamEnd) {
        self.guard.iter().for_each(|guard| guard.record_end(end));
    }
}

impl ConnectionLimits {
    /// Sets the most connections of each address and of each user; 0 means no limit.
    pub fn new(per_address: usize, per_user: usize) -> Self {
        Self {
            sockets: KeyedLimit::new(per_address),
            addresses: KeyedLimit::new(per_address),
            users: KeyedLimit::new(per_user),
        }
    }

    /// Changes the limits for new connections. Those opened while there was no limit are not
    /// counted.
    pub fn set_limits(&self, per_address: usize, per_user: usize) {
        self.sockets.limit.store(per_address, Ordering::Relaxed);
        self.addresses.limit.store(per_address, Ordering::Relaxed);
        self.users.limit.store(per_user, Ordering::Relaxed);
    }

    /// Takes a permit for a connection that comes directly from `address`, before its first byte.
    ///
    /// # Errors
    /// When the address has reached its limit.
    pub fn accept_from(&self, address: IpAddr) -> Result<Option<AddressPermit>, Denied> {
        let permit = self.sockets.acquire(network_of(address));
        Ok(permit
            .map_err(|LimitReached| address_limit_reached())?
            .map(|permit| AddressPermit { _permit: permit }))
    }

    pub(crate) fn acquire(
        &self,
        address: Option<IpAddr>,
        user: Option<&UserId>,
    ) -> Result<Option<ConnectionPermits>, Denied> {
        let address = address.map(|address| self.addresses.acquire(network_of(address)));
        let address = address.transpose().map_err(|LimitReached| address_limit_reached())?;
        let user = user.map(|user| self.users.acquire(user.clone())).transpose().map_err(
            |LimitReached| {
                let detail = "this user has reached its connection limit; close a connection";
                Denied::new(Kind::TooManyOfUser, detail).with_retry_after(RETRY_AFTER)
            },
        )?;
        Ok(match (address.flatten(), user.flatten()) {
            // Without a limit there is nothing to give back.
            (None, None) => None,
            (_address, _user) => Some(ConnectionPermits { _address, _user, guard: None }),
        })
    }
}

fn address_limit_reached() -> Denied {
    let detail = "this address has reached its connection limit; close a connection";
    Denied::new(Kind::TooManyFromAddress, detail).with_retry_after(RETRY_AFTER)
}

/// A permit for one connection of an address; dropping it gives it back.
#[derive(Debug)]
pub struct AddressPermit {
    _permit: ConnectionPermit<IpAddr>,
}

#[derive(Debug)]
struct KeyedLimit<K: Hash + Eq> {
    counts: Arc<Mutex<HashMap<K, usize>>>,
    limit: AtomicUsize,
}

struct LimitReached;

impl<K: Hash + Eq + Clone> KeyedLimit<K> {
    fn new(limit: usize) -> Self {
        Self { counts: Arc::default(), limit: limit.into() }
    }

    /// Takes a permit; `None` where there is no limit.
    fn acquire(&self, key: K) -> Result<Option<ConnectionPermit<K>>, LimitReached> {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == 0 {
            return Ok(None);
        }
        let mut counts = self.counts.lock();
        let count = counts.entry(key.clone()).or_default();
        if *count >= limit {
            return Err(LimitReached);
        }
        *count += 1;
        Ok(Some(ConnectionPermit { counts: self.counts.clone(), key }))
    }
}

#[derive(Debug)]
struct ConnectionPermit<K: Hash + Eq> {
    counts: Arc<Mutex<HashMap<K, usize>>>,
    key: K,
}

impl<K: Hash + Eq> Drop for ConnectionPermit<K> {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
        if counts.len() * 4 < counts.capacity() {
            counts.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_permit_frees_its_slot() {
        let limits = ConnectionLimits::new(2, 1);
        let address = |text: &str| Some(text.parse().expect("an address"));
        let alice: UserId = "alice".parse().expect("fits");
        let acquire = |from: &str, user| limits.acquire(address(from), user);
        let first = acquire("2001:db8::1", None).expect("room");
        let second = acquire("2001:db8::2", Some(&alice)).expect("room");
        let full = acquire("2001:db8::3", None).expect_err("the same network");
        assert_eq!((full.kind, full.retry_after), (Kind::TooManyFromAddress, Some(RETRY_AFTER)));
        assert_eq!(
            acquire("192.0.2.1", Some(&alice)).expect_err("alice").kind,
            Kind::TooManyOfUser
        );
        acquire("::ffff:192.0.2.1", None).expect("what a refusal took was given back");
        drop((first, second));
        acquire("2001:db8::4", Some(&alice)).expect("room again");
        assert!(limits.addresses.counts.lock().is_empty() && limits.users.counts.lock().is_empty());
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let limits = ConnectionLimits::new(0, 0);
        let _permits = limits.acquire(Some([192, 0, 2, 1].into()), None).expect("room");
        assert!(limits.addresses.counts.lock().is_empty());
    }
}
