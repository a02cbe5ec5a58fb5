//! Event names, and the prefix that is reserved for the gateway's own events.

use std::{str::FromStr, sync::Arc};

use crate::{Kind, Problem};

/// The prefix of the gateway's control frames; publishers may not use it.
const RESERVED: &str = "tricast.";

/// The events that an `EventSource` fires itself. A page could not tell a message from a broken
/// connection, and would close the stream.
const OF_EVENT_SOURCE: [&str; 2] = ["error", "open"];

/// The longest event name in bytes.
const EVENT_MAX: usize = 128;

/// An event name: a publisher's name for a kind of message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName(Arc<str>);

impl EventName {
    /// The event of a message whose publisher gave none.
    pub const DEFAULT: &'static str = "message";

    /// The event of messages of presence channels.
    pub(crate) fn presence() -> Self {
        Self::internal("presence")
    }

    /// Makes a name that only the gateway publishes: `tricast.` and `name`. Publishers cannot use
    /// it, so a reader can believe such a message.
    pub fn internal(name: &str) -> Self {
        Self(format!("{RESERVED}{name}").into())
    }

    /// Reads a name that a log has kept, which may be one of the gateway's own.
    ///
    /// # Errors
    /// When it is no event name.
    pub fn from_log(text: &str) -> Result<Self, BadEventName> {
        match text.strip_prefix(RESERVED) {
            Some(name) if is_name(name) => Ok(Self(text.into())),
            Some(_) => Err(BadEventName::Grammar),
            None => text.parse(),
        }
    }

    /// Whether this is a name of the gateway's own.
    pub fn is_internal(&self) -> bool {
        self.0.starts_with(RESERVED)
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The error for a text that is no valid event name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadEventName {
    /// The name is empty, too long, or has control characters: a line break would forge SSE fields.
    #[error("an event name is 1 to {EVENT_MAX} bytes without control characters")]
    Grammar,
    /// The name has the reserved prefix.
    #[error("event names that begin with \"{RESERVED}\" are reserved; choose another name")]
    Reserved,
    /// A browser fires events of this name itself.
    #[error(
        "the event names \"error\" and \"open\" are reserved, because an EventSource fires them \
         itself; choose another name"
    )]
    OfEventSource,
}

impl Problem for BadEventName {
    fn kind(&self) -> Kind {
        match self {
            BadEventName::Grammar => Kind::BadEvent,
            BadEventName::Reserved | BadEventName::OfEventSource => Kind::ReservedEvent,
        }
    }
}

impl FromStr for EventName {
    type Err = BadEventName;

    fn from_str(text: &str) -> Result<Self, BadEventName> {
        if text.starts_with(RESERVED) {
            return Err(BadEventName::Reserved);
        }
        if OF_EVENT_SOURCE.contains(&text) {
            return Err(BadEventName::OfEventSource);
        }
        match is_name(text) {
            true => Ok(Self(text.into())),
            false => Err(BadEventName::Grammar),
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= EVENT_MAX && !text.chars().any(char::is_control)
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
        for text in ["error", "open"] {
            assert_eq!(text.parse::<EventName>(), Err(BadEventName::OfEventSource), "{text}");
        }
        for text in ["end", "close", "message", "Error", "errors"] {
            assert!(text.parse::<EventName>().is_ok(), "{text}");
        }
        let internal = EventName::internal("llm.start");
        assert_eq!(internal.as_str().parse::<EventName>(), Err(BadEventName::Reserved));
        assert!("preis.ä".parse::<EventName>().is_ok());
        let kept = |text: &str| EventName::from_log(text).map(|name| name.as_str().to_owned());
        assert_eq!(kept("tricast.llm.delta").as_deref(), Ok("tricast.llm.delta"));
        assert_eq!(kept("news").as_deref(), Ok("news"));
        for text in ["tricast.", "tricast.\n", "a\n", ""] {
            assert_eq!(kept(text), Err(BadEventName::Grammar), "{text:?}");
        }
    }
}
