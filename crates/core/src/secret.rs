//! Secrets, which never appear in a log, an error or a dump of the settings.

use std::fmt;

/// A secret of the settings.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

/// An error shows nothing of the value, of whatever type it is.
impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        /// Text, or another type, whose value is ignored.
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Value {
            Text(String),
            Other(serde::de::IgnoredAny),
        }

        match Value::deserialize(from)? {
            Value::Text(text) => Ok(Self(text)),
            Value::Other(_) => {
                Err(serde::de::Error::custom("a secret is a string; write it in quotes"))
            }
        }
    }
}

impl Secret {
    /// Returns the text of the secret.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no secret.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "none" } else { "(secret)" })
    }
}

/// Shows whether the secret is empty, so that the settings can be compared with the reference.
impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(if self.is_empty() { "" } else { "(secret)" })
    }
}
