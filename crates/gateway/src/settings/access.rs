//! Access to channels that match no namespace.

use serde::{Deserialize, Serialize};
use tricast_admission::AccessLevel;

/// `[access]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Access {
    pub subscribe: AccessRule,
    pub publish: AccessRule,
    pub online: bool,
    pub presence: bool,
    pub prompt: AccessRule,
}

/// An access level, or `auto`: the one that follows from the keys that are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum AccessRule {
    Auto,
    Anyone,
    Token,
    Backend,
    Nobody,
}

classify!(Access {
    live: subscribe, publish, online, prompt;
    // A channel that had no presence does not know its subscribers by name.
    restart: presence;
});

impl AccessRule {
    pub(super) fn or(self, auto: AccessLevel) -> AccessLevel {
        match self {
            AccessRule::Auto => auto,
            AccessRule::Anyone => AccessLevel::Anyone,
            AccessRule::Token => AccessLevel::Token,
            AccessRule::Backend => AccessLevel::Backend,
            AccessRule::Nobody => AccessLevel::Nobody,
        }
    }
}
