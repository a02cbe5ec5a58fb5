//! What a message of a presence channel says: who has come, who has gone, how many are there then.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{ChannelName, Data, Draft, EventName, UserId};

/// A user, and what others are told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PresentUser {
    pub(crate) user: UserId,
    /// JSON, digits and key order as its token has it.
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
        // Whoever says who somebody is has said something else: shown as text, it harms nobody.
        Err(_) => to.serialize_str(text),
    }
}

fn read_json<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Arc<str>>, D::Error> {
    let raw = Option::<Box<RawValue>>::deserialize(from)?;
    Ok(raw.map(|raw| raw.get().into()))
}

/// What has changed. To take it twice does no harm: users are set and removed, and counts are totals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PresenceChange {
    /// Came, or are there with other info than before.
    pub(crate) joined: Vec<PresentUser>,
    pub(crate) left: Vec<UserId>,
    /// How many users are there after this.
    pub(crate) users: u32,
    /// How many clients without a user.
    pub(crate) anonymous: u32,
}

impl PresenceChange {
    /// As a message of `presence`, a presence channel.
    pub(crate) fn draft(&self, presence: ChannelName) -> Draft {
        // Names, JSON and numbers always serialize.
        let data = Data::Json(serde_json::to_string(self).unwrap_or_default());
        Draft::new(presence, data).with_event(EventName::presence())
    }

    /// Whom it is about, and whether they are gone.
    pub(crate) fn entries(self) -> impl Iterator<Item = (Option<UserId>, bool)> {
        let joined = self.joined.into_iter().map(|one| (Some(one.user), false));
        joined.chain(self.left.into_iter().map(|user| (Some(user), true))).chain([(None, true)])
    }
}

/// A change on its way to the channel that it is about.
#[derive(Debug)]
pub(crate) struct PresenceUpdate {
    pub(crate) channel: ChannelName,
    pub(crate) change: PresenceChange,
}

impl PresenceUpdate {
    /// Reads a message of a presence channel; `None` for one of any other.
    pub(crate) fn from_draft(draft: &Draft) -> Option<Self> {
        let channel = draft.channel.observed_channel()?;
        let change = serde_json::from_slice(draft.data.as_bytes()).ok()?;
        Some(Self { channel, change })
    }
}
