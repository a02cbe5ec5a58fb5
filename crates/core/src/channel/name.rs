//! Channel names and their grammar (PROTOCOL.md §1).

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use crate::{Kind, Problem, UserId};

/// The longest channel name in bytes, without the `~` of a presence channel.
pub const CHANNEL_MAX: usize = 128;

/// The beginning of the names of channels of answers.
const OF_ANSWER: &str = "~llm:";

/// A channel's name: dotted words, `@user` for that user's own channel, or `~` and dotted words for
/// the presence channel of the channel with that name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(Arc<str>);

impl ChannelName {
    /// Returns the user's own channel, which every connection of `user` reads.
    pub fn of_user(user: &UserId) -> Self {
        Self(format!("@{}", user.as_str()).into())
    }

    /// Returns the channel of an answer that has neither a channel nor a user of its own. No client
    /// can name it: of the names of channels, it alone has a colon. It counts nobody, and is
    /// neither listed nor logged, as a presence channel.
    pub fn of_answer(id: &str) -> Self {
        Self(format!("{OF_ANSWER}{id}").into())
    }

    /// Whether this is the channel of one answer.
    pub fn is_of_answer(&self) -> bool {
        self.0.starts_with(OF_ANSWER)
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the user whose own channel this is, without the `@`.
    pub fn owner(&self) -> Option<&str> {
        self.0.strip_prefix('@')
    }

    /// Returns this channel's presence channel; a user's own channel has none.
    pub fn presence_channel(&self) -> Option<Self> {
        let plain = !self.0.starts_with(['@', '~']);
        plain.then(|| Self(format!("~{}", self.0).into()))
    }

    /// Returns the channel whose presence channel this is.
    pub fn observed_channel(&self) -> Option<Self> {
        let observed = self.0.strip_prefix('~').filter(|_| !self.is_of_answer());
        observed.map(|of| Self(of.into()))
    }

    /// Whether this is a presence channel.
    pub fn is_presence(&self) -> bool {
        self.0.starts_with('~')
    }
}

/// The error for a text that is no valid channel name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadChannelName {
    /// The first character that no channel name has.
    unexpected: Option<char>,
}

impl fmt::Display for BadChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unexpected {
            Some(unexpected) => write!(f, "a channel name cannot contain {unexpected:?}; it is")?,
            None => f.write_str("a channel name is")?,
        }
        write!(
            f,
            " words of A-Z a-z 0-9 _ - joined by single dots, as in orders.42, or @ and a user; at \
             most {CHANNEL_MAX} bytes; ~ and a channel name is that channel's presence channel"
        )
    }
}

impl std::error::Error for BadChannelName {}

impl Problem for BadChannelName {
    fn kind(&self) -> Kind {
        Kind::BadChannel
    }
}

impl FromStr for ChannelName {
    type Err = BadChannelName;

    fn from_str(text: &str) -> Result<Self, BadChannelName> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let dotted = |text: &str| text.split('.').all(|w| !w.is_empty() && w.bytes().all(word));
        let named = text.strip_prefix('~').unwrap_or(text);
        let fits = named.len() <= CHANNEL_MAX
            && match text.strip_prefix('@') {
                Some(user) => user.parse::<UserId>().is_ok(),
                None => dotted(named),
            };
        let may_contain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        // The grammar of users has other characters.
        let unexpected = || named.chars().find(|c| !may_contain(*c) && !text.starts_with('@'));
        if fits { Ok(Self(text.into())) } else { Err(BadChannelName { unexpected: unexpected() }) }
    }
}

impl Borrow<str> for ChannelName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for ChannelName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for ChannelName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar() {
        let longest = "x".repeat(128);
        for good in [
            "a",
            "orders.42",
            "A-b_c.d",
            "@alice",
            "@auth0|7",
            &longest,
            "~a",
            "~orders.42",
            &format!("~{longest}"),
        ] {
            assert!(good.parse::<ChannelName>().is_ok(), "{good:?}");
        }
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a b",
            "a/b",
            "a,b",
            "é",
            "@",
            "@a/b",
            "a@b",
            "a*",
            &"x".repeat(129),
            "~",
            "~~a",
            "~@alice",
            "@~a",
            "a~b",
            "~a..b",
            &format!("~{longest}x"),
        ] {
            assert!(bad.parse::<ChannelName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_channel_and_its_presence_name_each_other() {
        let name = |text: &str| text.parse::<ChannelName>().expect("a channel");
        assert_eq!(name("a.b").presence_channel(), Some(name("~a.b")));
        assert_eq!(name("~a.b").observed_channel(), Some(name("a.b")));
        let answer = ChannelName::of_answer("x7");
        assert!(answer.is_of_answer() && answer.is_presence(), "{answer}");
        assert_eq!(answer.observed_channel(), None);
        assert!(answer.as_str().parse::<ChannelName>().is_err(), "nobody can name it");
        for none in ["@alice", "~a"] {
            assert_eq!(name(none).presence_channel(), None);
        }
        assert_eq!(name("a").observed_channel(), None);
    }
}
