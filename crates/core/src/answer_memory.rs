//! A memory budget for response bodies that are built as a whole. A body stays in memory until its
//! client has read it, and any number of clients may ask for a large one and not read it.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use serde::Serialize;

use crate::{Kind, Problem, network_of, sync::Mutex};

/// One network may use the limit divided by this.
const NETWORK_SHARE: usize = 8;

/// The memory budget of all response bodies. It has no limit until one is set.
#[derive(Debug)]
pub struct AnswerMemory {
    limit: AtomicUsize,
    usage: Mutex<Usage>,
}

#[derive(Debug, Default)]
struct Usage {
    total: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// The share of one response body, returned to the budget when it is dropped.
#[derive(Debug)]
pub struct AnswerReservation {
    memory: Arc<AnswerMemory>,
    network: Option<IpAddr>,
    bytes: usize,
}

/// The error for a response body for which there is no memory left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "responses that clients have not read yet use all memory that limits.answer_memory allows, \
     in total or for this address; read the outstanding responses and retry"
)]
pub struct AnswerMemoryFull;

impl Problem for AnswerMemoryFull {
    fn kind(&self) -> Kind {
        Kind::Overloaded
    }
}

impl Default for AnswerMemory {
    fn default() -> Self {
        Self { limit: usize::MAX.into(), usage: Mutex::default() }
    }
}

impl AnswerMemory {
    /// Sets the limit for all bodies together.
    pub fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Relaxed);
    }

    /// Returns the bytes in use.
    pub fn used(&self) -> usize {
        self.usage.lock().total
    }

    /// Reserves `bytes` for a response to the client at `address`, where that is known. If nothing
    /// else is in use, any size is granted: otherwise a body above the share could never be sent.
    ///
    /// # Errors
    /// When the limit of all, or that of the client's network, would be exceeded.
    pub fn reserve(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        bytes: usize,
    ) -> Result<AnswerReservation, AnswerMemoryFull> {
        let limit = self.limit.load(Relaxed);
        let fits = |usage: usize, limit: usize| usage == 0 || usage.saturating_add(bytes) <= limit;
        let network = address.map(network_of);
        let mut usage = self.usage.lock();
        let own =
            network.and_then(|network| usage.by_network.get(&network)).copied().unwrap_or_default();
        if !fits(usage.total, limit) || !fits(own, limit / NETWORK_SHARE) {
            return Err(AnswerMemoryFull);
        }
        usage.total += bytes;
        network
            .into_iter()
            .for_each(|network| *usage.by_network.entry(network).or_default() += bytes);
        drop(usage);
        Ok(AnswerReservation { memory: self.clone(), network, bytes })
    }
}

impl AnswerReservation {
    /// Makes `bytes` hold this reservation until the last slice of them is dropped.
    pub fn attach_to(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(Reserved { bytes, _reservation: self })
    }
}

impl Drop for AnswerReservation {
    fn drop(&mut self) {
        let mut usage = self.memory.usage.lock();
        usage.total -= self.bytes;
        let Some(network) = self.network else { return };
        if let Some(own) = usage.by_network.get_mut(&network) {
            *own -= self.bytes;
            if *own == 0 {
                usage.by_network.remove(&network);
            }
        }
        if usage.by_network.len() * 4 < usage.by_network.capacity() {
            usage.by_network.shrink_to_fit();
        }
    }
}

/// Bytes and the reservation that they hold.
struct Reserved<B> {
    bytes: B,
    _reservation: AnswerReservation,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Reserved<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// Returns the length of `document` in JSON, without building the text.
pub fn json_length(document: &impl Serialize) -> usize {
    struct Length(usize);
    impl io::Write for Length {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut length = Length(0);
    // Documents have string keys and finite numbers, so serializing cannot fail.
    let _ = serde_json::to_writer(&mut length, document);
    length.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_limit(bytes: usize) -> Arc<AnswerMemory> {
        let memory = Arc::new(AnswerMemory::default());
        memory.set_limit(bytes);
        memory
    }

    #[test]
    fn released_memory_can_be_reserved_again() {
        let memory = with_limit(100);
        let one = memory.reserve(None, 60).expect("fits");
        assert_eq!(memory.reserve(None, 41).map(|_| ()), Err(AnswerMemoryFull));
        let two = memory.reserve(None, 40).expect("the rest");
        assert_eq!(memory.used(), 100);
        drop(one);
        assert_eq!(memory.used(), 40);
        drop(two);
        let huge = memory.reserve(None, 1000).expect("nothing else is in use");
        assert!(memory.reserve(None, 1).is_err());
        drop(huge);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn one_network_gets_at_most_its_share() {
        let memory = with_limit(800);
        let address = |text: &str| Some(text.parse().expect("an address"));
        let first = memory.reserve(address("2001:db8::1"), 60).expect("fits");
        assert!(memory.reserve(address("2001:db8::2"), 41).is_err(), "the same network");
        let second = memory.reserve(address("2001:db8::2"), 40).expect("fits");
        let other = memory.reserve(address("192.0.2.1"), 300).expect("the first of its network");
        assert!(memory.reserve(address("192.0.2.1"), 1).is_err());
        drop((first, second, other));
        assert!(memory.usage.lock().by_network.is_empty());
    }

    #[test]
    fn a_reservation_lasts_as_long_as_the_last_part_of_its_bytes() {
        let memory = with_limit(100);
        let mut bytes = memory.reserve(None, 60).expect("fits").attach_to(vec![1; 60]);
        let part = bytes.split_to(10);
        drop(bytes);
        assert_eq!((memory.used(), &part[..]), (60, &[1; 10][..]));
        drop(part);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn json_length_is_that_of_the_text() {
        let document = serde_json::json!({"a": [1, "\u{1}ä\""], "b": null});
        assert_eq!(json_length(&document), document.to_string().len());
    }
}
