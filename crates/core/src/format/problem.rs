//! Problems that are reported to clients: stable kinds, the same on all wires. A transport adds its
//! own.

use std::time::Duration;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal),* $(,)?) => {
        /// The stable kind of a problem. Its type is `urn:tricast:` and its name (PROTOCOL.md §8).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
            /// A kind that only one transport raises, by the name that the transport gives it.
            Transport(&'static str),
        }

        impl Kind {
            /// All kinds but those of transports.
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// Returns the name, without `urn:tricast:`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)*
                    Kind::Transport(name) => name,
                }
            }
        }
    };
}

kinds! {
    /// The text is no valid channel name.
    BadChannel = "bad-channel",
    /// The text is no valid client id.
    BadClient = "bad-client",
    /// The text is no valid user id.
    BadUser = "bad-user",
    /// The text is no valid event name.
    BadEvent = "bad-event",
    /// The text is no valid idempotency id.
    BadIdempotencyId = "bad-id",
    /// The text is no valid resume point.
    BadResume = "bad-resume",
    /// A parameter has an invalid value.
    BadParameter = "bad-parameter",
    /// The data is not JSON.
    BadJson = "bad-json",
    /// The data or a parameter is not UTF-8.
    BadUtf8 = "bad-utf8",
    /// The connection is subscribed to the channel already.
    AlreadySubscribed = "already-subscribed",
    /// The connection is not subscribed to the channel.
    NotSubscribed = "not-subscribed",
    /// The connection exceeds the rate limit of commands.
    TooFast = "too-fast",
    /// The event name belongs to the gateway or to browsers.
    ReservedEvent = "reserved-event",
    /// `skip_self` is set without a client id.
    NoIdentity = "no-identity",
    /// A token was sent, but the gateway has no key to verify tokens.
    TokenUnsupported = "token-unsupported",
    /// A token or an API key is required.
    TokenMissing = "token-missing",
    /// The token is not valid.
    BadToken = "bad-token",
    /// The token has expired.
    TokenExpired = "token-expired",
    /// The gateway cannot fetch the key that verifies the token.
    KeysUnavailable = "keys-unavailable",
    /// The API key is unknown.
    BadKey = "bad-key",
    /// The caller has no permission.
    Forbidden = "forbidden",
    /// The namespace hides its online counts.
    OnlineHidden = "online-hidden",
    /// The channel has no presence.
    PresenceOff = "presence-off",
    /// The channel has fewer subscribers than the publisher requires.
    NobodyOnline = "nobody-online",
    /// The data exceeds a size limit.
    TooLarge = "too-large",
    /// The limit of connections is reached.
    TooManyConnections = "too-many-connections",
    /// The limit of connections from one address is reached.
    TooManyFromAddress = "too-many-from-address",
    /// The limit of connections of one user is reached.
    TooManyOfUser = "too-many-of-user",
    /// The limit of subscribers of one channel is reached.
    TooManySubscribers = "too-many-subscribers",
    /// The gateway sheds load, or a rate limit or memory limit is reached.
    Overloaded = "overloaded",
    /// The limit of channels is reached.
    TooManyChannels = "too-many-channels",
    /// The gateway is shutting down.
    Draining = "draining",
    /// The engine is unavailable.
    Unavailable = "unavailable",
    /// The engine has no room for more messages.
    LogFull = "log-full",
    /// The message may or may not have been published.
    OutcomeUnknown = "outcome-unknown",
}

impl Kind {
    /// Returns the problem's type: a stable URI.
    pub fn urn(self) -> String {
        format!("urn:tricast:{}", self.name())
    }
}

/// An error that is reported to a client; its text says what the client can do.
pub trait Problem: std::error::Error {
    /// Returns the stable kind.
    fn kind(&self) -> Kind;

    /// Returns the time after which the client may retry, if that is known.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}
