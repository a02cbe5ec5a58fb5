//! Memory for answers that are made whole: what all of them together may take until their clients have taken them. A client that does
//! not read costs as much as it has asked for, and there may be any number of such clients.

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

use crate::{network_of, sync::Mutex};

/// The part of all that one client's address may have.
const PART: usize = 8;

/// The memory of all answers. Without a limit until it is told one.
#[derive(Debug)]
pub struct Answers {
    most: AtomicUsize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

/// What one answer has of it, until it is dropped.
#[derive(Debug)]
pub struct AnswerShare {
    answers: Arc<Answers>,
    network: Option<IpAddr>,
    bytes: usize,
}

/// Answers that nobody reads take all the memory that there is for answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "answers that their clients have not read yet take as much memory as limits.answer_memory allows, for all or for this address; \
     read what was asked for, and ask again in a moment"
)]
pub struct AnswersFull;

impl Default for Answers {
    fn default() -> Self {
        Self { most: usize::MAX.into(), held: Mutex::default() }
    }
}

impl Answers {
    /// So many bytes for all of them, from now on.
    pub fn set_most(&self, bytes: usize) {
        self.most.store(bytes, Relaxed);
    }

    /// How many bytes they take.
    pub fn held(&self) -> usize {
        self.held.lock().all
    }

    /// A share for an answer of so many bytes to the client at `address`, where that is known. Who has nothing may have one of any
    /// size, or what is larger than a share could never be asked for.
    ///
    /// # Errors
    /// When there is no room for so much.
    pub fn share(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        bytes: usize,
    ) -> Result<AnswerShare, AnswersFull> {
        let most = self.most.load(Relaxed);
        let fits = |held: usize, most: usize| held == 0 || held.saturating_add(bytes) <= most;
        let network = address.map(network_of);
        let mut held = self.held.lock();
        let own = network.and_then(|network| held.of.get(&network)).copied().unwrap_or_default();
        if !fits(held.all, most) || !fits(own, most / PART) {
            return Err(AnswersFull);
        }
        held.all += bytes;
        network.into_iter().for_each(|network| *held.of.entry(network).or_default() += bytes);
        drop(held);
        Ok(AnswerShare { answers: self.clone(), network, bytes })
    }
}

impl AnswerShare {
    /// `bytes`, which keep this share until the last part of them is dropped.
    pub fn tie(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(Tied { bytes, _share: self })
    }
}

impl Drop for AnswerShare {
    fn drop(&mut self) {
        let mut held = self.answers.held.lock();
        held.all -= self.bytes;
        let Some(network) = self.network else { return };
        if let Some(own) = held.of.get_mut(&network) {
            *own -= self.bytes;
            if *own == 0 {
                held.of.remove(&network);
            }
        }
        if held.of.len() * 4 < held.of.capacity() {
            held.of.shrink_to_fit();
        }
    }
}

/// Bytes with their share.
struct Tied<B> {
    bytes: B,
    _share: AnswerShare,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Tied<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// How many bytes `document` has in JSON, without making them.
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
    // Documents have string keys and finite numbers: they always serialize.
    let _ = serde_json::to_writer(&mut length, document);
    length.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: usize) -> Arc<Answers> {
        let answers = Arc::new(Answers::default());
        answers.set_most(bytes);
        answers
    }

    #[test]
    fn what_is_given_back_can_be_had_again() {
        let answers = of(100);
        let one = answers.share(None, 60).expect("room");
        assert_eq!(answers.share(None, 41).map(|_| ()), Err(AnswersFull));
        let two = answers.share(None, 40).expect("the rest");
        assert_eq!(answers.held(), 100);
        drop(one);
        assert_eq!(answers.held(), 40);
        drop(two);
        let huge = answers.share(None, 1000).expect("nobody else has any");
        assert!(answers.share(None, 1).is_err());
        drop(huge);
        assert_eq!(answers.held(), 0);
    }

    #[test]
    fn one_address_gets_a_part() {
        let answers = of(800);
        let address = |text: &str| Some(text.parse().expect("an address"));
        let first = answers.share(address("2001:db8::1"), 60).expect("room");
        assert!(answers.share(address("2001:db8::2"), 41).is_err(), "the same network");
        let second = answers.share(address("2001:db8::2"), 40).expect("room");
        let other = answers.share(address("192.0.2.1"), 300).expect("its first");
        assert!(answers.share(address("192.0.2.1"), 1).is_err());
        drop((first, second, other));
        assert!(answers.held.lock().of.is_empty());
    }

    #[test]
    fn a_share_lasts_as_long_as_the_last_part_of_its_bytes() {
        let answers = of(100);
        let mut bytes = answers.share(None, 60).expect("room").tie(vec![1; 60]);
        let part = bytes.split_to(10);
        drop(bytes);
        assert_eq!((answers.held(), &part[..]), (60, &[1; 10][..]));
        drop(part);
        assert_eq!(answers.held(), 0);
    }

    #[test]
    fn the_length_is_that_of_the_text() {
        let document = serde_json::json!({"a": [1, "\u{1}ä\""], "b": null});
        assert_eq!(json_length(&document), document.to_string().len());
    }
}
