//! What can go wrong for a client: stable kinds, the same on all wires. A transport adds its own.

use std::time::Duration;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal),* $(,)?) => {
        /// The stable kind of a problem; `urn:tricast:` and its name is its type (PROTOCOL.md §8).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
            /// A kind that only one transport raises, by the name that the transport gives it.
            Transport(&'static str),
        }

        impl Kind {
            /// All of them but those of transports.
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// The name, without the `urn:tricast:` before it.
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
    /// Not a channel name.
    BadChannel = "bad-channel",
    /// Not a client id.
    BadClient = "bad-client",
    /// Not a user.
    BadUser = "bad-user",
    /// Not an event name.
    BadEvent = "bad-event",
    /// Not an idempotency id.
    BadIdempotencyId = "bad-id",
    /// Not a resume point.
    BadResume = "bad-resume",
    /// A parameter's value does not fit.
    BadParameter = "bad-parameter",
    /// Data that is not JSON.
    BadJson = "bad-json",
    /// Data or a parameter that is not UTF-8.
    BadUtf8 = "bad-utf8",
    /// A channel that this connection listens to already.
    AlreadySubscribed = "already-subscribed",
    /// A channel that this connection does not listen to.
    NotSubscribed = "not-subscribed",
    /// More commands in a second than one connection may send.
    TooFast = "too-fast",
    /// An event under `tricast.`.
    ReservedEvent = "reserved-event",
    /// `skip_self` without a client.
    NoIdentity = "no-identity",
    /// A resume point that the log has not reached.
    AheadOfLog = "ahead-of-log",
    /// A token that nobody can check.
    TokenUnsupported = "token-unsupported",
    /// A token is needed, or an API key.
    TokenMissing = "token-missing",
    /// A token that does not hold.
    BadToken = "bad-token",
    /// A token that has ended.
    TokenExpired = "token-expired",
    /// A token whose key the gateway has to fetch, and cannot.
    KeysUnavailable = "keys-unavailable",
    /// An API key that is none.
    BadKey = "bad-key",
    /// Who this is may not do that.
    Forbidden = "forbidden",
    /// A namespace that tells nobody who is there.
    OnlineHidden = "online-hidden",
    /// A channel that does not tell who is there.
    PresenceOff = "presence-off",
    /// Nobody listens, and somebody should.
    NobodyOnline = "nobody-online",
    /// Too much data.
    TooLarge = "too-large",
    /// The limit of connections.
    TooManyConnections = "too-many-connections",
    /// The limit of connections from one address.
    TooManyFromAddress = "too-many-from-address",
    /// The limit of connections of one user.
    TooManyOfUser = "too-many-of-user",
    /// The limit of subscribers of one channel.
    TooManySubscribers = "too-many-subscribers",
    /// More work than the gateway can do at once.
    Overloaded = "overloaded",
    /// The limit of channels.
    TooManyChannels = "too-many-channels",
    /// The gateway is going down.
    Draining = "draining",
    /// The engine is away.
    Unavailable = "unavailable",
}

impl Kind {
    /// The problem's type: a stable URI.
    pub fn urn(self) -> String {
        format!("urn:tricast:{}", self.name())
    }
}

/// An error that a client caused or must cope with; its text says what to do.
pub trait Problem: std::error::Error {
    /// Its stable kind.
    fn kind(&self) -> Kind;

    /// When it may be tried again, if that is known.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}
