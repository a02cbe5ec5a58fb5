//! Erased history: messages that no new reader gets any more, although they are there until their
//! bytes leave.

use std::collections::HashMap;

use crate::{ChannelName, Seq};

/// Up to where the messages of each channel are erased that the engine stores. An entry leaves with
/// the messages.
#[derive(Debug, Default)]
pub(crate) struct Erasures(HashMap<ChannelName, Seq>);

impl Erasures {
    pub(super) fn new(erased: Vec<(ChannelName, Seq)>) -> Self {
        Self(erased.into_iter().collect())
    }

    pub(super) fn get(&self, name: &ChannelName) -> Seq {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Raises the position up to which a channel is erased.
    pub(super) fn raise(&mut self, name: &ChannelName, upto: Seq) {
        let erased = self.0.entry(name.clone()).or_default();
        *erased = upto.max(*erased);
    }

    /// Forgets what ends at or below `after`, where nothing is stored any more.
    pub(super) fn forget_up_to(&mut self, after: Seq) {
        self.0.retain(|_, upto| *upto > after);
    }
}
