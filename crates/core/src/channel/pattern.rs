//! Channel patterns, by which tokens, keys and namespaces name channels (PROTOCOL.md §9).

use std::{fmt, str::FromStr};

use crate::{ChannelName, Kind, Problem};

/// A pattern of channel names: words joined by dots. `*` stands for exactly one word, `**` at the
/// end for one or more; `@*` matches every user's own channel. Nothing else is special. A pattern
/// without `@` never matches a user's own channel, and no pattern matches a presence channel: its
/// rules follow from the channel that it describes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChannelPattern(Box<str>);

/// The error for a text that is no valid channel pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a pattern is a channel name in which * stands for one word, and ** at the end for one or \
     more; or @*"
)]
pub struct BadChannelPattern;

impl Problem for BadChannelPattern {
    fn kind(&self) -> Kind {
        Kind::BadChannel
    }
}

impl ChannelPattern {
    /// Whether `channel` matches this pattern.
    pub fn matches(&self, channel: &ChannelName) -> bool {
        let name = channel.as_str();
        if &*self.0 == name {
            return true;
        }
        if name.starts_with('@') {
            return &*self.0 == "@*";
        }
        if channel.is_presence() {
            return false;
        }
        let mut words = name.split('.');
        let mut wanted = self.0.split('.').peekable();
        while let Some(want) = wanted.next() {
            let Some(word) = words.next() else { return false };
            match want {
                "**" if wanted.peek().is_none() => return true,
                "*" => {}
                literal if literal == word => {}
                _ => return false,
            }
        }
        words.next().is_none()
    }

    /// Returns the pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChannelPattern {
    type Err = BadChannelPattern;

    fn from_str(text: &str) -> Result<Self, BadChannelPattern> {
        // With each wildcard replaced by a word, the pattern has to be a channel name.
        let last = text.split('.').count() - 1;
        let plain = |(at, word)| match word {
            "*" => "x",
            "**" if at == last => "x",
            word => word,
        };
        let words: Vec<&str> = text.split('.').enumerate().map(plain).collect();
        let reads = words.join(".").parse().is_ok_and(|name: ChannelName| !name.is_presence());
        if text == "@*" || reads {
            return Ok(Self(text.into()));
        }
        Err(BadChannelPattern)
    }
}

impl fmt::Display for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for ChannelPattern {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for ChannelPattern {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let bad = |error| serde::de::Error::custom(format!("{text:?}: {error}"));
        text.parse().map_err(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        let pattern: ChannelPattern = pattern.parse().expect(pattern);
        pattern.matches(&name.parse().expect(name))
    }

    #[test]
    fn a_star_matches_one_word_and_two_stars_match_the_rest() {
        for (pattern, name) in [
            ("orders", "orders"),
            ("orders.*", "orders.42"),
            ("orders.*.items", "orders.42.items"),
            ("orders.**", "orders.42"),
            ("orders.**", "orders.42.items.7"),
            ("*", "chat"),
            ("**", "chat"),
            ("**", "a.b.c"),
            ("@*", "@alice"),
            ("@*", "@a.b|c"),
            ("@alice", "@alice"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn other_names_do_not_match() {
        for (pattern, name) in [
            ("orders", "Orders"),
            ("orders", "orders.42"),
            ("orders.*", "orders"),
            ("orders.*", "orders.42.items"),
            ("orders.*", "orders2.42"),
            ("orders.**", "orders"),
            ("*", "a.b"),
            ("*", "@alice"),
            ("**", "@alice"),
            ("**", "@a.b"),
            ("@alice", "@alice.b"),
            ("@*", "alice"),
            ("**", "~a.b"),
            ("*", "~a"),
            ("a", "~a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn any_other_wildcard_is_refused() {
        for bad in [
            "", ".", "a.", "a..b", "a*", "*a", "a.**.b", "**.a", "***", "a.>", "a/*", "@", "@a*",
            "@*.x", "@**", "a b", "[a]", "a?", ".*", "~*", "~a", "~**",
        ] {
            assert!(bad.parse::<ChannelPattern>().is_err(), "{bad:?}");
        }
    }
}
