//! API keys, the credentials of backends. The settings contain only their hashes.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tricast_core::ChannelPattern;

use crate::ModelNames;

/// The prefix of every key, by which secret scanners find one that has leaked.
const PREFIX: &str = "tricast_key_";

/// Random bytes of a key. So many cannot be guessed, so a fast hash suffices.
const SECRET_BYTES: usize = 32;

/// The SHA-256 of a key, written as `sha256:` and 64 hex digits.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyHash([u8; 32]);

/// The text is not a hash of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a hash of a key; write sha256: and 64 hex digits, as `tricast key` prints them")]
pub struct BadKeyHash;

/// An API key of the settings, and its rights.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// The name of the key in the audit log.
    pub name: Arc<str>,
    /// The hash by which a key is recognised.
    pub hash: KeyHash,
    /// Channels that the backend may subscribe to and read.
    pub subscribe: Arc<[ChannelPattern]>,
    /// Channels that the backend may publish to.
    pub publish: Arc<[ChannelPattern]>,
    /// Channels in which the backend may prompt.
    pub prompt: Arc<[ChannelPattern]>,
    /// The models that the backend may ask; `None` means all.
    pub models: Option<ModelNames>,
}

/// A new key, in clear. Afterwards only its hash is kept.
#[derive(Clone)]
pub struct NewKey {
    /// The key, for the backend.
    pub key: String,
    /// The hash, for the settings.
    pub hash: KeyHash,
}

impl NewKey {
    /// Generates a key.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret)?;
        let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
        Ok(Self { hash: KeyHash::of(&key), key })
    }
}

impl KeyHash {
    /// Hashes a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Whether this is the hash of `key`, compared in constant time.
    pub fn matches(&self, key: &str) -> bool {
        self.0.ct_eq(&Self::of(key).0).into()
    }
}

/// Whether a credential is an API key rather than a token.
pub(crate) fn is_key(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Finds the one of `keys` that is `presented`, in a time that does not depend on which it is.
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
            prompt: Arc::from([]),
            models: None,
        };
        let (old, new) = (
            NewKey::generate().expect("random numbers"),
            NewKey::generate().expect("random numbers"),
        );
        let text = new.hash.to_string();
        let keys = [key("old", old.hash.clone()), key("new", text.parse().expect("a hash"))];
        assert_eq!(find(&keys, &new.key).map(|key| &*key.name), Some("new"));
        assert_eq!(find(&keys, &old.key).map(|key| &*key.name), Some("old"));
        assert!(find(&keys, &format!("{}x", new.key)).is_none());
        assert!(find(&keys, &text).is_none(), "the hash is not a key");
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
