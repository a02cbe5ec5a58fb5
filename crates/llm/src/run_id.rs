//! The ids of runs.

use std::{fmt, str::FromStr};

/// The characters of an id, after its `r`.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How many of them an id has: 131 random bits.
const LENGTH: usize = 22;

/// The id of a run: `r` and 22 letters and digits, which nobody can guess.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId([u8; LENGTH]);

/// The error for a text that is no valid run id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a run id is r and {LENGTH} letters and digits; take the one that the prompt was answered with"
)]
pub struct BadRunId;

impl RunId {
    /// Makes a new id.
    pub(crate) fn issue() -> Self {
        let mut id = [0; LENGTH];
        for place in &mut id {
            *place = ALPHABET[random_below(ALPHABET.len() as u8)];
        }
        Self(id)
    }
}

/// Returns a number below `end`, each with the same probability.
fn random_below(end: u8) -> usize {
    // The numbers above the last multiple of `end` would favour the small ones.
    let fair = u8::MAX - u8::MAX % end;
    loop {
        let mut byte = [0];
        // Anyone who guesses an id learns that the run exists, so the system's generator is used.
        if let Err(error) = getrandom::fill(&mut byte) {
            panic!("the system's random number generator failed: {error}");
        }
        if byte[0] < fair {
            return usize::from(byte[0] % end);
        }
    }
}

impl FromStr for RunId {
    type Err = BadRunId;

    fn from_str(text: &str) -> Result<Self, BadRunId> {
        let rest = text.strip_prefix('r').ok_or(BadRunId)?;
        let id: [u8; LENGTH] = rest.as_bytes().try_into().map_err(|_| BadRunId)?;
        if id.iter().all(u8::is_ascii_alphanumeric) { Ok(Self(id)) } else { Err(BadRunId) }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The characters are ASCII by construction.
        write!(f, "r{}", std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for RunId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issued_id_is_read_back_and_no_two_are_the_same() {
        let (id, other) = (RunId::issue(), RunId::issue());
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().len(), 23);
        assert_ne!(id, other);
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let id = RunId::issue().to_string();
        for text in ["", "r", &id[1..], &id[..22], &format!("{id}x"), &id.replace('r', "-"), "rä"]
        {
            assert_eq!(text.parse::<RunId>(), Err(BadRunId), "{text}");
        }
    }
}
