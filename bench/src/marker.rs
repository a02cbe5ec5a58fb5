//! What a published message carries, so that it is known again on any wire and in any envelope.

use std::time::{Duration, Instant};

/// Three letters that nothing else begins with, a number, and the time of publishing.
const BEGIN: &[u8] = b"QZX";
const NUMBER: usize = 10;
const TIME: usize = 16;

/// The bytes of a marker; the least that data can be.
pub(crate) const LENGTH: usize = BEGIN.len() + NUMBER + TIME;

/// What a message carries unless something else is asked for.
pub(crate) const DEFAULT_SIZE: usize = 128;

/// The data of message `number`, `size` letters and digits, published at `at` after the beginning.
pub(crate) fn data(number: u64, at: Duration, size: usize) -> String {
    let marker = format!("QZX{number:0>NUMBER$}{:0>TIME$}", at.as_micros());
    format!("{marker:x<size$}")
}

/// A message that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) number: u64,
    pub(crate) published: Duration,
}

/// Finds markers in bytes that come in pieces.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// The beginning of a marker whose rest has yet to come.
    tail: Vec<u8>,
}

impl Scanner {
    /// Reports every marker that `bytes` completes.
    pub(crate) fn scan(&mut self, bytes: &[u8], mut found: impl FnMut(Marker)) {
        let joined;
        let bytes = if self.tail.is_empty() {
            bytes
        } else {
            joined = [&std::mem::take(&mut self.tail)[..], bytes].concat();
            &joined
        };
        let mut from = 0;
        while let Some(at) = memchr::memmem::find(&bytes[from..], BEGIN) {
            let begin = from + at;
            let Some(marker) = bytes.get(begin..begin + LENGTH) else {
                self.tail = bytes[begin..].to_vec();
                return;
            };
            found(read(marker));
            from = begin + LENGTH;
        }
        // The last two bytes may be the beginning of a beginning.
        let rest = &bytes[from..];
        let cut = (1..BEGIN.len()).rev().find(|n| rest.ends_with(&BEGIN[..*n]));
        if let Some(cut) = cut {
            self.tail = rest[rest.len() - cut..].to_vec();
        }
    }
}

fn read(marker: &[u8]) -> Marker {
    let digits = |bytes: &[u8]| bytes.iter().fold(0, |n, b| n * 10 + u64::from(b - b'0'));
    let (number, time) = marker[BEGIN.len()..].split_at(NUMBER);
    Marker { number: digits(number), published: Duration::from_micros(digits(time)) }
}

/// The clock that publisher and subscribers share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_marker_is_found_once_in_chunks_of_any_size() {
        let messages: Vec<String> =
            (1..=3).map(|n| data(n, Duration::from_micros(n * 1000), 60)).collect();
        let text = format!("QQZ{}QZ data: {}{}Q", messages[0], messages[1], messages[2]);
        for size in 1..text.len() {
            let mut scanner = Scanner::default();
            let mut numbers = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                scanner.scan(piece, |marker| {
                    assert_eq!(marker.published, Duration::from_millis(marker.number));
                    numbers.push(marker.number);
                });
            }
            assert_eq!(numbers, [1, 2, 3], "in pieces of {size}");
        }
        assert_eq!(messages[0].len(), 60);
    }
}
