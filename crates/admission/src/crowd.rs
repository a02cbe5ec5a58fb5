//! How many connections one address, and one user, may have.

use std::{
    any::Any,
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tricast_core::{Denied, Kind, UserId, network_of};

/// After so long somebody may have left.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);

/// The connections of each address and of each user.
#[derive(Debug)]
pub struct Crowds {
    sockets: Crowd<IpAddr>,
    addresses: Crowd<IpAddr>,
    users: Crowd<UserId>,
}

/// The places of one connection, and what else ends with it, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    _address: Option<Seat<IpAddr>>,
    _user: Option<Seat<UserId>>,
    _kept: Option<Box<dyn Any + Send + Sync>>,
}

impl Seats {
    pub(crate) fn keep(&mut self, thing: Box<dyn Any + Send + Sync>) {
        self._kept = Some(thing);
    }
}

impl Crowds {
    /// At most so many connections for each address, and each user; 0 is any number.
    pub fn new(per_address: usize, per_user: usize) -> Self {
        Self {
            sockets: Crowd::new(per_address),
            addresses: Crowd::new(per_address),
            users: Crowd::new(per_user),
        }
    }

    /// Other limits for those who come. Who came while there was none is not counted.
    pub fn set(&self, per_address: usize, per_user: usize) {
        self.sockets.most.store(per_address, Ordering::Relaxed);
        self.addresses.most.store(per_address, Ordering::Relaxed);
        self.users.most.store(per_user, Ordering::Relaxed);
    }

    /// A place for a connection that comes straight from `address`, before it has said anything.
    ///
    /// # Errors
    /// When it has as many as it may.
    pub fn sit_at_door(&self, address: IpAddr) -> Result<Option<AddressSeat>, Denied> {
        let seat = self.sockets.sit(network_of(address));
        Ok(seat.map_err(|Full| address_is_full())?.map(|seat| AddressSeat { _seat: seat }))
    }

    pub(crate) fn sit(
        &self,
        address: Option<IpAddr>,
        user: Option<&UserId>,
    ) -> Result<Option<Seats>, Denied> {
        let address = address.map(|address| self.addresses.sit(network_of(address)));
        let address = address.transpose().map_err(|Full| address_is_full())?;
        let user = user.map(|user| self.users.sit(user.clone())).transpose().map_err(|Full| {
            let detail = "this user has as many connections as it may; close one";
            Denied::new(Kind::TooManyOfUser, detail).until(RETRY)
        })?;
        Ok(match (address.flatten(), user.flatten()) {
            // Nothing is kept where nothing is counted.
            (None, None) => None,
            (_address, _user) => Some(Seats { _address, _user, _kept: None }),
        })
    }
}

fn address_is_full() -> Denied {
    let detail = "this address has as many connections as it may; close one";
    Denied::new(Kind::TooManyFromAddress, detail).until(RETRY)
}

/// A place among the connections of an address, until it is dropped.
#[derive(Debug)]
pub struct AddressSeat {
    _seat: Seat<IpAddr>,
}

#[derive(Debug)]
struct Crowd<K: Hash + Eq> {
    sitting: Arc<Mutex<HashMap<K, usize>>>,
    most: AtomicUsize,
}

struct Full;

impl<K: Hash + Eq + Clone> Crowd<K> {
    fn new(most: usize) -> Self {
        Self { sitting: Arc::default(), most: most.into() }
    }

    /// A seat; none is needed where there is no limit.
    fn sit(&self, key: K) -> Result<Option<Seat<K>>, Full> {
        let most = self.most.load(Ordering::Relaxed);
        if most == 0 {
            return Ok(None);
        }
        let mut sitting = self.sitting.lock();
        let count = sitting.entry(key.clone()).or_default();
        if *count >= most {
            return Err(Full);
        }
        *count += 1;
        Ok(Some(Seat { sitting: self.sitting.clone(), key }))
    }
}

#[derive(Debug)]
struct Seat<K: Hash + Eq> {
    sitting: Arc<Mutex<HashMap<K, usize>>>,
    key: K,
}

impl<K: Hash + Eq> Drop for Seat<K> {
    fn drop(&mut self) {
        let mut sitting = self.sitting.lock();
        if let Some(count) = sitting.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                sitting.remove(&self.key);
            }
        }
        if sitting.len() * 4 < sitting.capacity() {
            sitting.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_leaves_makes_room() {
        let crowds = Crowds::new(2, 1);
        let address = |text: &str| Some(text.parse().expect("an address"));
        let alice: UserId = "alice".parse().expect("fits");
        let sit = |from: &str, user| crowds.sit(address(from), user);
        let first = sit("2001:db8::1", None).expect("room");
        let second = sit("2001:db8::2", Some(&alice)).expect("room");
        let full = sit("2001:db8::3", None).expect_err("the same network");
        assert_eq!((full.kind, full.retry_after), (Kind::TooManyFromAddress, Some(RETRY)));
        assert_eq!(sit("192.0.2.1", Some(&alice)).expect_err("alice").kind, Kind::TooManyOfUser);
        sit("::ffff:192.0.2.1", None).expect("what a refusal took was given back");
        drop((first, second));
        sit("2001:db8::4", Some(&alice)).expect("room again");
        assert!(
            crowds.addresses.sitting.lock().is_empty() && crowds.users.sitting.lock().is_empty()
        );
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let crowds = Crowds::new(0, 0);
        let _seats = crowds.sit(Some([192, 0, 2, 1].into()), None).expect("room");
        assert!(crowds.addresses.sitting.lock().is_empty());
    }
}
