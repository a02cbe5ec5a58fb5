//! API keys: what a backend comes with. The settings hold only their hash.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tricast_core::ChannelPattern;

/// What every key begins with, so that scanners of repositories find one that has leaked.
const PREFIX: &str = "tricast_key_";

/// Bytes of chance. So much cannot be guessed, and needs no slow hash.
const SECRET_BYTES: usize = 32;

/// The hash of a key: `sha256:` and 64 hex digits.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyHash([u8; 32]);

/// The text is not the hash of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hash of a key is sha256: and 64 hex digits, as `tricast key` prints it")]
pub struct BadKeyHash;

/// A key, and what it opens.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// What it is called in the audit log.
    pub name: Arc<str>,
    /// What it is known by.
    pub hash: KeyHash,
    /// What it lets a backend listen to.
    pub subscribe: Arc<[ChannelPattern]>,
    /// Where it lets a backend speak.
    pub publish: Arc<[ChannelPattern]>,
}

/// A key that was just made: the only time that it is seen.
#[derive(Clone)]
pub struct NewKey {
    /// For the backend.
    pub key: String,
    /// For the settings.
    pub hash: KeyHash,
}

impl NewKey {
    /// Makes one.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret)?;
        let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
        Ok(Self { hash: KeyHash::of(&key), key })
    }
}

impl KeyHash {
    /// The hash of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Whether it is the hash of `key`. Takes the same time whichever it is.
    pub fn matches(&self, key: &str) -> bool {
        self.0.ct_eq(&Self::of(key).0).into()
    }
}

/// Whether a bearer's text is a key rather than a token.
pub(crate) fn is_key(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The one of `keys` that is `presented`. Takes the same time whichever it is, or none.
pub(crate) fn find<'a>(keys: &'a [ApiKey], presented: &str) -> Option<&'a ApiKey> {
    let hash = KeyHash::of(presented);
    let mut found = None;
    for key in keys {
        if bool::from(key.hash.0.ct_eq(&hash.0)) {
            found = Some(key);
        }
    }
    found
}

impl std::str::FromStr for KeyHash {
    type Err = BadKeyHash;

    fn from_str(text: &str) -> Result<Self, BadKeyHash> {
        let digits = text.strip_prefix("sha256:").filter(|digits| digits.len() == 64);
        let digits = digits.ok_or(BadKeyHash)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BadKeyHash);
        }
        let mut hash = [0; 32];
        for (at, byte) in hash.iter_mut().enumerate() {
            let pair = &digits[2 * at..2 * at + 2];
            *byte = u8::from_str_radix(pair, 16).map_err(|_| BadKeyHash)?;
        }
        Ok(Self(hash))
    }
}

impl std::fmt::Display for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHash")
    }
}

impl serde::Serialize for KeyHash {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for KeyHash {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_found_by_its_hash_and_no_other_is() {
        let key = |name: &str, hash: KeyHash| ApiKey {
            name: name.into(),
            hash,
            subscribe: Arc::from([]),
            publish: Arc::from([]),
        };
        let (old, new) = (NewKey::generate().expect("chance"), NewKey::generate().expect("chance"));
        let text = new.hash.to_string();
        let keys = [key("old", old.hash.clone()), key("new", text.parse().expect("a hash"))];
        assert_eq!(find(&keys, &new.key).map(|key| &*key.name), Some("new"));
        assert_eq!(find(&keys, &old.key).map(|key| &*key.name), Some("old"));
        assert!(find(&keys, &format!("{}x", new.key)).is_none());
        assert!(find(&keys, &text).is_none(), "the hash is no key");
        assert!(is_key(&new.key) && new.key.len() == PREFIX.len() + 43);
    }

    #[test]
    fn an_invalid_hash_is_refused() {
        let digits = "0".repeat(64);
        for bad in ["", &digits, "sha256:", &format!("sha256:{digits}0"), &format!("md5:{digits}")]
        {
            assert!(bad.parse::<KeyHash>().is_err(), "{bad}");
        }
        assert!(format!("sha256:{}g", "0".repeat(63)).parse::<KeyHash>().is_err());
        assert!(format!("sha256:{}é", "0".repeat(62)).parse::<KeyHash>().is_err());
    }
}
