//! Who is in a channel: as its seats have it, and as its presence channel has told it so far.

pub(crate) mod dirty;
pub(crate) mod tracker;
pub(crate) mod update;

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
};

pub(crate) use dirty::{Note, Notes};
pub use tracker::PresenceRules;
pub(crate) use update::{Person, PresenceChange, Told};

use crate::{ChannelName, Identity, UserId, log::Log};

/// What is said of a user: JSON.
type Info = Option<Arc<str>>;

/// Somebody in a channel: a user, or those without one taken together.
pub(crate) type Who = Option<UserId>;

/// Changes in one message, and bytes of them: no reader waits for a huge one to be spelled.
const CHANGES: usize = 256;
const BYTES: usize = 64 * 1024;

/// Users that are looked at under one lock.
const LOOKS: usize = 1024;

/// Who is in one channel.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// Users that listen, and what the one who came last says of the user.
    here: HashMap<UserId, Info>,
    /// Clients that listen without a user. Their ids are nobody's business: they are only counted.
    strangers: u32,
    /// Users that are there by what the presence channel has told. Only its messages change this.
    members: BTreeMap<UserId, Info>,
    /// How many are without a user, by the same.
    anonymous: u32,
}

impl Presence {
    /// Somebody has taken a seat, its persona's first or not; gives who is to be looked at. Each change of who is
    /// here gives that, and none is spared because it was told so: something else may be on its way.
    pub(crate) fn arrive(&mut self, identity: &Identity, first: bool) -> Option<Who> {
        let Some(user) = &identity.user else {
            self.strangers += u32::from(first);
            return first.then_some(None);
        };
        let before = self.here.insert(user.clone(), identity.info.clone());
        (before.as_ref() != Some(&identity.info)).then(|| Some(user.clone()))
    }

    /// Somebody has given up its persona's last seat; gives who is to be looked at.
    pub(crate) fn depart(&mut self, identity: &Identity) -> Who {
        match &identity.user {
            Some(user) => {
                self.here.remove(user);
                if self.here.len() * 4 < self.here.capacity() {
                    self.here.shrink_to_fit();
                }
            }
            None => self.strangers -= 1,
        }
        identity.user.clone()
    }

    /// Takes what was told; gives users that are here although another node has seen them go.
    pub(crate) fn apply(&mut self, change: PresenceChange) -> Vec<Who> {
        let PresenceChange { joined, left, anonymous, .. } = change;
        for Person { user, info } in joined {
            // What the connections hold is not held twice.
            let (user, info) = match self.here.get_key_value(&user) {
                Some((own, same)) if *same == info => (own.clone(), same.clone()),
                _ => (user, info),
            };
            self.members.insert(user, info);
        }
        left.iter().for_each(|user| drop(self.members.remove(user)));
        self.anonymous = anonymous;
        left.into_iter().filter(|user| self.here.contains_key(user)).map(Some).collect()
    }

    /// What is to be told of those in `looked`, which loses whom it has looked at. Whoever is not here has left only
    /// if `looked` says so; else there is more to come about it.
    pub(crate) fn difference(&self, looked: &mut Vec<(Who, bool)>) -> Option<PresenceChange> {
        let mut change = PresenceChange {
            anonymous: self.strangers.max(self.anonymous),
            ..PresenceChange::default()
        };
        let mut bytes = 0;
        for _ in 0..LOOKS {
            if change.joined.len() + change.left.len() >= CHANGES || bytes >= BYTES {
                break;
            }
            let Some((who, gone)) = looked.pop() else { break };
            let Some(user) = who else {
                change.anonymous = if gone { self.strangers } else { change.anonymous };
                continue;
            };
            match (self.here.get(&user), self.members.get(&user)) {
                (Some(info), told) if told != Some(info) => {
                    bytes += info.as_ref().map_or(0, |info| info.len());
                    change.joined.push(Person { user, info: info.clone() });
                }
                (None, Some(_)) if gone => change.left.push(user),
                _ => {}
            }
        }
        let new = |one: &&Person| !self.members.contains_key(&one.user);
        let users = self.members.len() + change.joined.iter().filter(new).count();
        change.users = (users - change.left.len()) as u32;
        let same = change.joined.is_empty() && change.left.is_empty();
        (!same || change.anonymous != self.anonymous).then_some(change)
    }

    /// How many are there, or were told to be.
    fn size(&self) -> usize {
        let here = self.here.len() + self.strangers as usize;
        here.max(self.members.len() + self.anonymous as usize)
    }

    /// Nobody listens.
    fn is_deserted(&self) -> bool {
        self.here.is_empty() && self.strangers == 0
    }

    /// Nobody is there by what was told.
    pub(crate) fn is_vacant(&self) -> bool {
        self.members.is_empty() && self.anonymous == 0
    }

    /// How many are without a user by what was told.
    pub(crate) fn anonymous(&self) -> u32 {
        self.anonymous
    }

    /// The members behind `after`, by name.
    pub(crate) fn members_after(&self, after: Option<&UserId>) -> impl Iterator<Item = Person> {
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let members = self.members.range::<UserId, _>((begin, Bound::Unbounded));
        members.map(|(user, info)| Person { user: user.clone(), info: info.clone() })
    }
}

impl Log {
    /// Looks at who is in `channel`, if that is told and the channel is here.
    fn presence_of<T>(
        &self,
        channel: &ChannelName,
        look: impl FnOnce(&Presence) -> T,
    ) -> Option<T> {
        let table = self.table.lock();
        let slot = table.find(channel)?;
        table.slots[slot].presence.as_deref().map(look)
    }

    /// What is to be told of those in `looked`, as [`Presence::difference`] has it.
    pub(crate) fn difference(
        &self,
        channel: &ChannelName,
        looked: &mut Vec<(Who, bool)>,
    ) -> Option<PresenceChange> {
        let difference = self.presence_of(channel, |presence| presence.difference(looked));
        difference.unwrap_or_else(|| {
            looked.clear();
            None
        })
    }

    /// How many are in `channel`, or were told to be.
    pub(crate) fn crowd(&self, channel: &ChannelName) -> usize {
        self.presence_of(channel, Presence::size).unwrap_or_default()
    }

    /// Whether nobody is in `channel`, told or not.
    pub(crate) fn is_deserted(&self, channel: &ChannelName) -> bool {
        self.presence_of(channel, |presence| presence.is_deserted()).unwrap_or(true)
    }
}

#[cfg(test)]
mod tests;
