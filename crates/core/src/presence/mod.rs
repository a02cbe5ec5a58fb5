//! Presence: the users connected to a channel, and those that its presence channel has announced.

pub(crate) mod checkpoint;
pub(crate) mod dirty;
pub(crate) mod tracker;
pub(crate) mod update;

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
};

pub(crate) use checkpoint::PresenceCheckpoint;
pub(crate) use dirty::{DirtyChange, DirtyUser, DirtyUsers};
pub use tracker::PresenceConfig;
pub(crate) use update::{PresenceChange, PresenceUpdate, PresentUser};

use crate::{Identity, UserId, log::counts::Joined};

/// A user's info for others to read, as JSON.
type UserInfo = Option<Arc<str>>;

/// An entry of a channel's presence: one user, or (`None`) all clients without a user together.
pub(crate) type PresenceKey = Option<UserId>;

/// Limits of one presence message: a larger diff is split, so that no reader waits long for one.
const MAX_CHANGES: usize = 256;
const MAX_BYTES: usize = 64 * 1024;

/// Users that are compared while the lock is held once.
const MAX_CHECKS: usize = 1024;

/// Presence of one channel.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// Connected users, each with the info of its newest connection.
    connected: HashMap<UserId, UserInfo>,
    /// Connected clients without a user. Their ids are private: they are only counted.
    anonymous_connected: u32,
    /// Users present according to the presence channel. Only its messages change this.
    announced: BTreeMap<UserId, UserInfo>,
    /// Clients without a user, according to the presence channel.
    anonymous_announced: u32,
}

impl Presence {
    /// Adds a connection, which is the `first` of its online key or not, and returns the entry to
    /// check. Every change returns one, even if it is announced already, because an update that
    /// says otherwise may be on its way.
    pub(crate) fn connect(&mut self, identity: &Identity, joined: Joined) -> Option<PresenceKey> {
        let Some(user) = &identity.user else {
            let is_first = joined == Joined::First;
            self.anonymous_connected += u32::from(is_first);
            return is_first.then_some(None);
        };
        let before = self.connected.insert(user.clone(), identity.info.clone());
        (before.as_ref() != Some(&identity.info)).then(|| Some(user.clone()))
    }

    /// Removes the last connection of an online key, and returns the entry to check.
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

    /// Applies an update of the presence channel. Returns the users that are connected here
    /// although the update, from another node, says that they have left.
    pub(crate) fn apply(&mut self, change: PresenceChange) -> Vec<PresenceKey> {
        let PresenceChange { joined, left, anonymous, .. } = change;
        for PresentUser { user, info } in joined {
            // Shares the memory of what the connections hold.
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

    /// Begins with what an earlier life of the log has announced. Returns the entries to check:
    /// nobody of them is connected yet.
    pub(crate) fn restore(&mut self, users: Vec<PresentUser>, anonymous: u32) -> Vec<PresenceKey> {
        let keys = users.iter().map(|one| Some(one.user.clone()));
        let keys = keys.chain((anonymous > 0).then_some(None)).collect();
        self.announced.extend(users.into_iter().map(|one| (one.user, one.info)));
        self.anonymous_announced = anonymous;
        keys
    }

    /// Computes the presence diff for the entries in `dirty`, and removes the entries checked.
    /// A user that is not connected counts as gone only if its entry is marked as gone; otherwise
    /// its grace period still runs.
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

    /// Users and clients connected, or announced, whichever is more.
    pub(crate) fn size(&self) -> usize {
        let here = self.connected.len() + self.anonymous_connected as usize;
        here.max(self.announced.len() + self.anonymous_announced as usize)
    }

    /// Whether there is no connection.
    pub(crate) fn has_no_subscribers(&self) -> bool {
        self.connected.is_empty() && self.anonymous_connected == 0
    }

    /// Whether the presence channel has announced nobody.
    pub(crate) fn has_nobody_announced(&self) -> bool {
        self.announced.is_empty() && self.anonymous_announced == 0
    }

    /// Clients without a user, according to the presence channel.
    pub(crate) fn anonymous_announced(&self) -> u32 {
        self.anonymous_announced
    }

    /// Returns the announced users after `after`, in order of their names.
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
