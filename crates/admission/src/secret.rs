//! Text that is shown to nobody: not in a log, an error, or a dump of the settings.

use std::fmt;

/// A secret in the settings.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

/// An error shows nothing of the value, whatever type it is of.
impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        /// Text, or something else that is not looked at.
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Value {
            Text(String),
            Other(serde::de::IgnoredAny),
        }

        match Value::deserialize(from)? {
            Value::Text(text) => Ok(Self(text)),
            Value::Other(_) => {
                Err(serde::de::Error::custom("a secret is text; write it in quotes"))
            }
        }
    }
}

impl Secret {
    /// What it is.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
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

/// An empty one as it is, so that the reference settings can be compared; never another.
impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(if self.is_empty() { "" } else { "(secret)" })
    }
}
