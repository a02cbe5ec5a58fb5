//! Presence updates: the messages of a presence channel, with the users who joined and left, and
//! the counts after that.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{ChannelName, Data, Draft, EventName, UserId};

/// A user, and the info about it that others may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PresentUser {
    pub(crate) user: UserId,
    /// JSON, with digits and key order as in the user's token.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_json",
        deserialize_with = "read_json"
    )]
    pub(crate) info: Option<Arc<str>>,
}

fn write_json<S: Serializer>(json: &Option<Arc<str>>, to: S) -> Result<S::Ok, S::Error> {
    let text = json.as_deref().unwrap_or("null");
    match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) => raw.serialize(to),
        // The issuer of the info sent something other than JSON; it is harmless as a string.
        Err(_) => to.serialize_str(text),
    }
}

fn read_json<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Arc<str>>, D::Error> {
    let raw = Option::<Box<RawValue>>::deserialize(from)?;
    Ok(raw.map(|raw| raw.get().into()))
}

/// A presence diff. Applying it twice is harmless: users are set and removed, counts are totals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PresenceChange {
    /// Users who joined, or whose info changed.
    pub(crate) joined: Vec<PresentUser>,
    pub(crate) left: Vec<UserId>,
    /// Users present after this change.
    pub(crate) users: u32,
    /// Clients without a user that are present after this change.
    pub(crate) anonymous: u32,
}

impl PresenceChange {
    /// Makes a message for `presence`, a presence channel.
    pub(crate) fn draft(&self, presence: ChannelName) -> Draft {
        // Names, JSON and numbers always serialize.
        let data = Data::Json(serde_json::to_string(self).unwrap_or_default());
        Draft::new(presence, data).with_event(EventName::presence())
    }

    /// Returns the entries that this change is about, and whether they are gone.
    pub(crate) fn entries(self) -> impl Iterator<Item = (Option<UserId>, bool)> {
        let joined = self.joined.into_iter().map(|one| (Some(one.user), false));
        joined.chain(self.left.into_iter().map(|user| (Some(user), true))).chain([(None, true)])
    }
}

/// A presence change, and the channel that it describes.
#[derive(Debug)]
pub(crate) struct PresenceUpdate {
    pub(crate) channel: ChannelName,
    pub(crate) change: PresenceChange,
}

impl PresenceUpdate {
    /// Reads a message of a presence channel; returns `None` for a message of any other channel.
    pub(crate) fn from_draft(draft: &Draft) -> Option<Self> {
        let channel = draft.channel.observed_channel()?;
        let change = serde_json::from_slice(draft.data.as_bytes()).ok()?;
        Some(Self { channel, change })
    }
}
