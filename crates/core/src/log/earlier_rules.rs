//! Which namespaces were logged in an earlier part of the log. A channel that was not logged there
//! may have had messages that nobody has, although the seqs of all records are explained.

use crate::{
    ChannelName, Namespaces, Seq,
    log::{start::LocatedChannels, table::Table},
};

/// A part of the log in which other namespaces were logged than now.
#[derive(Clone, Debug)]
pub struct EarlierRules {
    /// The last seq of the part.
    pub upto: Seq,
    /// Whether the messages of each namespace were logged.
    pub is_logged: Namespaces<bool>,
}

impl Table {
    /// Returns the last seq at which a channel that is logged now was not; 0 if it always was.
    pub(crate) fn unlogged_up_to(&self, name: &ChannelName) -> Seq {
        if self.earlier.is_empty() || !self.stores(name) {
            return 0;
        }
        let unlogged = self.earlier.iter().filter(|part| !part.is_logged.for_channel(name));
        unlogged.map(|part| part.upto).max().unwrap_or(0)
    }

    /// Whether a message that the engine has stored is one of those that readers get: what a
    /// channel has from before it was logged without a break is not.
    pub(crate) fn is_in_reach(&self, name: &ChannelName, seq: Seq) -> bool {
        let after = match &self.extent {
            None => 0,
            Some(_) if self.stores(name) => self.unlogged_up_to(name),
            Some(_) => self.unlogged_floor,
        };
        seq > after
    }

    /// Returns the seq at which a channel has ended, as the engine says. If it was not logged
    /// after that, it may have gone on.
    pub(crate) fn located_end(&self, name: &ChannelName, located: &LocatedChannels) -> Option<Seq> {
        let ended = located.get(name)?.ended?;
        (ended > self.unlogged_up_to(name)).then_some(ended)
    }
}
