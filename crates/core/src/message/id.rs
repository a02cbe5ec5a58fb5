//! Message ids: `<epoch>-<seq>`, short plain ASCII; all that a client has to keep to resume.

use std::{fmt, str::FromStr};

use crate::{Kind, Problem};

/// A message's offset in the log. It increases across all channels; the first message has 1.
pub type Seq = u64;

/// The longest epoch in bytes.
const EPOCH_MAX: usize = 16;

/// The epoch of a log. Seqs of two epochs cannot be compared.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch {
    bytes: [u8; EPOCH_MAX],
    len: u8,
}

impl Epoch {
    /// Makes an epoch that no earlier start of this program used, from the time and random digits.
    pub fn begin(unix_seconds: u64) -> Self {
        // Two starts in one second, or after the clock was set back, collide with a probability
        // of 1 in 60 million.
        let chance = fastrand::u64(0..36_u64.pow(5));
        let text = format!("{}{:0>5}", base36(unix_seconds), base36(chance));
        text.parse().unwrap_or_else(|_| unreachable!("base 36 fits the grammar"))
    }

    /// Returns the epoch as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

fn base36(mut n: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(n % 36) as usize]);
        n /= 36;
        if n == 0 {
            break;
        }
    }
    digits.iter().rev().map(|&d| char::from(d)).collect()
}

/// The error for a text that is not `<epoch>-<seq>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is <epoch>-<seq>, as in the \"id\" of a message")]
pub struct BadMessageId;

impl Problem for BadMessageId {
    fn kind(&self) -> Kind {
        Kind::BadResume
    }
}

impl FromStr for Epoch {
    type Err = BadMessageId;

    fn from_str(text: &str) -> Result<Self, BadMessageId> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if text.is_empty() || text.len() > EPOCH_MAX || !text.bytes().all(plain) {
            return Err(BadMessageId);
        }
        let mut bytes = [0; EPOCH_MAX];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { bytes, len: text.len() as u8 })
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A message's id. As a reader's position it means that everything up to it was sent or skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId {
    /// The epoch of the log.
    pub epoch: Epoch,
    /// The offset in the log.
    pub seq: Seq,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

impl serde::Serialize for MessageId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for MessageId {
    type Err = BadMessageId;

    fn from_str(text: &str) -> Result<Self, BadMessageId> {
        let (epoch, digits) = text.split_once('-').ok_or(BadMessageId)?;
        let canonical = digits == "0" || !digits.starts_with('0');
        if digits.is_empty() || !canonical || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadMessageId);
        }
        let seq: Seq = digits.parse().map_err(|_| BadMessageId)?;
        if seq > i64::MAX as u64 {
            return Err(BadMessageId);
        }
        Ok(Self { epoch: epoch.parse()?, seq })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let id = MessageId { epoch: Epoch::begin(1_760_000_000), seq: 42 };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().len() < 16, "{id}");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "-",
            "k7f2",
            "k7f2-",
            "-1",
            "K7-1",
            "k7-01",
            "k7-+1",
            "k7-1 ",
            "k 7-1",
            "k7-9223372036854775808",
            "12345678901234567-1",
            "k7-1-1",
            "k7-é",
        ] {
            assert_eq!(text.parse::<MessageId>(), Err(BadMessageId), "{text:?}");
        }
    }
}
