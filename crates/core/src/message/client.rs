//! Client ids.

use std::{fmt, str::FromStr};

use compact_str::CompactString;

use crate::{Kind, Problem};

/// The id of a client: one page, tab or process. It is stable across reconnects and wires. Issued
/// ids are stored inline, because most connections have one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(CompactString);

impl ClientId {
    /// Makes a new id, of 120 random bits, for a client that has sent none.
    pub fn issue() -> Self {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut random = [0; 24];
        // Anyone who guesses a client id can impersonate the client, so the system's generator is
        // used.
        if let Err(error) = getrandom::fill(&mut random) {
            panic!("the system's random number generator failed: {error}");
        }
        let letter = |byte: u8| char::from(ALPHABET[usize::from(byte % 32)]);
        Self(random.into_iter().map(letter).collect())
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The error for a text that is no valid client id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a client id is 16 to 64 characters of A-Z a-z 0-9 _ -")]
pub struct BadClientId;

impl Problem for BadClientId {
    fn kind(&self) -> Kind {
        Kind::BadClient
    }
}

impl FromStr for ClientId {
    type Err = BadClientId;

    fn from_str(text: &str) -> Result<Self, BadClientId> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let fits = (16..=64).contains(&text.len()) && text.bytes().all(plain);
        if fits { Ok(Self(text.into())) } else { Err(BadClientId) }
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issued_ids_fit_their_own_grammar() {
        assert!(ClientId::issue().as_str().parse::<ClientId>().is_ok());
        assert_ne!(ClientId::issue(), ClientId::issue());
    }
}
