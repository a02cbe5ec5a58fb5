//! Event names: what publishers may use, and the closed list of our own.

use std::{str::FromStr, sync::Arc};

use crate::{Kind, Problem};

/// The prefix of our own control frames; nobody may publish under it.
const RESERVED: &str = "tricast.";

/// The longest event name in bytes.
const EVENT_MAX: usize = 128;

/// A publisher's name for a kind of message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName(Arc<str>);

impl EventName {
    /// What a message is called when its publisher named nothing.
    pub const DEFAULT: &'static str = "message";

    /// What messages of presence channels are called.
    pub(crate) fn presence() -> Self {
        Self(format!("{RESERVED}presence").into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text cannot name an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadEventName {
    /// Line breaks would forge fields, and an empty name has no meaning.
    #[error("an event is 1 to {EVENT_MAX} bytes without control characters")]
    Grammar,
    /// The name is one of ours.
    #[error("events under \"{RESERVED}\" are the gateway's own; choose another name")]
    Reserved,
}

impl Problem for BadEventName {
    fn kind(&self) -> Kind {
        match self {
            BadEventName::Grammar => Kind::BadEvent,
            BadEventName::Reserved => Kind::ReservedEvent,
        }
    }
}

impl FromStr for EventName {
    type Err = BadEventName;

    fn from_str(text: &str) -> Result<Self, BadEventName> {
        if text.starts_with(RESERVED) {
            return Err(BadEventName::Reserved);
        }
        if text.is_empty() || text.len() > EVENT_MAX || text.chars().any(char::is_control) {
            return Err(BadEventName::Grammar);
        }
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_reserved_names_are_refused() {
        for text in ["a\nb", "a\rb", "a\0", "", "\u{85}", &"x".repeat(129)] {
            assert_eq!(text.parse::<EventName>(), Err(BadEventName::Grammar), "{text:?}");
        }
        assert_eq!("tricast.hello".parse::<EventName>(), Err(BadEventName::Reserved));
        assert!("preis.ä".parse::<EventName>().is_ok());
    }
}
