//! User ids.

use std::{str::FromStr, sync::Arc};

use crate::{Kind, Problem};

/// The id of a user: a person or a service, which may have many clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The error for a text that is no valid user id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user id is 1 to 127 characters of A-Z a-z 0-9 _ . @ | : + = -")]
pub struct BadUserId;

impl Problem for BadUserId {
    fn kind(&self) -> Kind {
        Kind::BadUser
    }
}

impl FromStr for UserId {
    type Err = BadUserId;

    fn from_str(text: &str) -> Result<Self, BadUserId> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.@|:+=-".contains(&b);
        let fits = (1..=127).contains(&text.len()) && text.bytes().all(plain);
        if fits { Ok(Self(text.into())) } else { Err(BadUserId) }
    }
}

impl serde::Serialize for UserId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for UserId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}
