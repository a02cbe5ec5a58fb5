//! Who is in a channel: as its seats have it, and as its presence channel has told it so far.

pub(crate) mod dirty;
pub(crate) mod tracker;
pub(crate) mod update;

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
};

pub(crate) use dirty::{DirtyUser, DirtyUsers};
pub use tracker::PresenceConfig;
pub(crate) use update::{PresenceChange, PresenceUpdate, PresentUser};

use crate::{Identity, UserId, log::counts::Joined};

/// What is said of a user: JSON.
type UserInfo = Option<Arc<str>>;

/// Somebody in a channel: a user, or those without one taken together.
pub(crate) type PresenceKey = Option<UserId>;

/// Changes in one message, and bytes of them: no reader waits for a huge one to be spelled.
const MAX_CHANGES: usize = 256;
const MAX_BYTES: usize = 64 * 1024;

/// Users that are looked at under one lock.
const MAX_CHECKS: usize = 1024;

/// Who is in one channel.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// Users that listen, and what the one who came last says of the user.
    connected: HashMap<UserId, UserInfo>,
    /// Clients that listen without a user. Their ids are nobody's business: they are only counted.
    anonymous_connected: u32,
    /// Users that are there by what the presence channel has told. Only its messages change this.
    announced: BTreeMap<UserId, UserInfo>,
    /// How many are without a user, by the same.
    anonymous_announced: u32,
}

impl Presence {
    /// Somebody has taken a seat, its persona's first or not; gives who is to be looked at. Each change of who is
    /// here gives that, and none is spared because it was told so: something else may be on its way.
    pub(crate) fn connect(&mut self, identity: &Identity, joined: Joined) -> Option<PresenceKey> {
        let Some(user) = &identity.user else {
            let is_first = joined == Joined::First;
            self.anonymous_connected += u32::from(is_first);
            return is_first.then_some(None);
        };
        let before = self.connected.insert(user.clone(), identity.info.clone());
        (before.as_ref() != Some(&identity.info)).then(|| Some(user.clone()))
    }

    /// Somebody has given up its persona's last seat; gives who is to be looked at.
    pub(crate) fn disconnect(&mut self, identity: &Identity) -> PresenceKey {
        match &identity.user {
            Some(user) => {
                self.connected.remove(user);
                if self.connected.len() * 4 < self.connected.capacity() {
                    self.connected.shrink_to_fit();
                }
            }
            None => self.anonymous_connected -= 1,
        }
        identity.user.clone()
    }

    /// Takes what was told; gives users that are here although another node has seen them go.
    pub(crate) fn apply(&mut self, change: PresenceChange) -> Vec<PresenceKey> {
        let PresenceChange { joined, left, anonymous, .. } = change;
        for PresentUser { user, info } in joined {
            // What the connections hold is not held twice.
            let (user, info) = match self.connected.get_key_value(&user) {
                Some((own, same)) if *same == info => (own.clone(), same.clone()),
                _ => (user, info),
            };
            self.announced.insert(user, info);
        }
        left.iter().for_each(|user| drop(self.announced.remove(user)));
        self.anonymous_announced = anonymous;
        left.into_iter().filter(|user| self.connected.contains_key(user)).map(Some).collect()
    }

    /// What is to be told of those in `looked`, which loses whom it has looked at. Whoever is not here has left only
    /// if `looked` says so; else there is more to come about it.
    pub(crate) fn diff(&self, dirty: &mut Vec<(PresenceKey, bool)>) -> Option<PresenceChange> {
        let mut change = PresenceChange {
            anonymous: self.anonymous_connected.max(self.anonymous_announced),
            ..PresenceChange::default()
        };
        let mut bytes = 0;
        for _ in 0..MAX_CHECKS {
            if change.joined.len() + change.left.len() >= MAX_CHANGES || bytes >= MAX_BYTES {
                break;
            }
            let Some((key, gone)) = dirty.pop() else { break };
            let Some(user) = key else {
                change.anonymous = if gone { self.anonymous_connected } else { change.anonymous };
                continue;
            };
            match (self.connected.get(&user), self.announced.get(&user)) {
                (Some(info), announced) if announced != Some(info) => {
                    bytes += info.as_ref().map_or(0, |info| info.len());
                    change.joined.push(PresentUser { user, info: info.clone() });
                }
                (None, Some(_)) if gone => change.left.push(user),
                _ => {}
            }
        }
        let new = |one: &&PresentUser| !self.announced.contains_key(&one.user);
        let users = self.announced.len() + change.joined.iter().filter(new).count();
        change.users = (users - change.left.len()) as u32;
        let same = change.joined.is_empty() && change.left.is_empty();
        (!same || change.anonymous != self.anonymous_announced).then_some(change)
    }

    /// How many are there, or were told to be.
    pub(crate) fn size(&self) -> usize {
        let here = self.connected.len() + self.anonymous_connected as usize;
        here.max(self.announced.len() + self.anonymous_announced as usize)
    }

    /// Nobody listens.
    pub(crate) fn has_no_subscribers(&self) -> bool {
        self.connected.is_empty() && self.anonymous_connected == 0
    }

    /// Nobody is there by what was told.
    pub(crate) fn has_nobody_announced(&self) -> bool {
        self.announced.is_empty() && self.anonymous_announced == 0
    }

    /// How many are without a user by what was told.
    pub(crate) fn anonymous_announced(&self) -> u32 {
        self.anonymous_announced
    }

    /// The members behind `after`, by name.
    pub(crate) fn announced_after(
        &self,
        after: Option<&UserId>,
    ) -> impl Iterator<Item = PresentUser> {
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let members = self.announced.range::<UserId, _>((begin, Bound::Unbounded));
        members.map(|(user, info)| PresentUser { user: user.clone(), info: info.clone() })
    }
}

#[cfg(test)]
mod tests;
