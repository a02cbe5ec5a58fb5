//! The reason of a denial by the rules, and its text.

use tricast_core::{Action, ChannelName, Denied, Identity, Kind, PresenceOff};

use crate::{AccessLevel, MisplacedCredential};

/// The reason of a denial. It becomes a text only when a client receives it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DenyReason {
    OtherUsersChannel,
    PresenceIsReadOnly,
    PresenceOff,
    ExcludedByHook,
    NotListedByHook,
    ClosedToAll,
    CredentialRequired(AccessLevel, Option<MisplacedCredential>),
    ApiKeyRequired,
    NotListed,
}

impl DenyReason {
    /// Returns the denial of an action on a channel to `identity`, with its text.
    pub(crate) fn explain(
        self,
        identity: &Identity,
        is_backend: bool,
        (act, channel): (Action, &ChannelName),
    ) -> Denied {
        let action = verb(act);
        let (kind, detail) = match self {
            DenyReason::OtherUsersChannel => {
                let own = identity.may_read(channel).map_err(|error| error.to_string());
                (Kind::Forbidden, own.err().unwrap_or_default())
            }
            DenyReason::PresenceIsReadOnly => {
                (Kind::Forbidden, format!("only the gateway publishes to {channel}"))
            }
            DenyReason::PresenceOff => {
                let of = channel.observed_channel().unwrap_or_else(|| channel.clone());
                (Kind::PresenceOff, PresenceOff(of).to_string())
            }
            DenyReason::ExcludedByHook => {
                let text = "the service behind this gateway does not let you";
                (Kind::Forbidden, format!("{text} {action} {channel}"))
            }
            DenyReason::NotListedByHook => {
                let text = "the service behind this gateway has not granted you";
                (Kind::Forbidden, format!("{text} {channel}"))
            }
            DenyReason::ClosedToAll => {
                let hint = match act {
                    Action::Prompt => " (prompt in the settings says who may)",
                    _ => "",
                };
                (Kind::Forbidden, format!("nobody may {action} {channel}{hint}"))
            }
            DenyReason::CredentialRequired(level, misplaced) => {
                let what = if level == AccessLevel::Backend { "an API key" } else { "a token" };
                let hint = misplaced.map_or("", MisplacedCredential::hint);
                (Kind::TokenMissing, format!("you need {what} to {action} {channel}{hint}"))
            }
            DenyReason::ApiKeyRequired => {
                (Kind::Forbidden, format!("only a backend with an API key may {action} {channel}"))
            }
            DenyReason::NotListed => {
                let list = match act {
                    Action::Publish | Action::Erase => "publish",
                    Action::Subscribe | Action::Read => "subscribe",
                    Action::Prompt => "prompt",
                };
                let what = if is_backend { "key" } else { "token" };
                (Kind::Forbidden, format!("the {what}'s {list} list does not name {channel}"))
            }
        };
        Denied::new(kind, detail)
    }
}

/// Returns an action as a verb, for texts.
pub(crate) fn verb(act: Action) -> &'static str {
    match act {
        Action::Subscribe => "subscribe to",
        Action::Read => "read",
        Action::Publish => "publish to",
        Action::Erase => "erase the history of",
        Action::Prompt => "prompt in",
    }
}
