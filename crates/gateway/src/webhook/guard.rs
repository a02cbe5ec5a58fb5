//! A stream that is told of: when it opens, and when whoever keeps its visit drops that.

use std::sync::Arc;

use tricast_core::{ChannelName, Identity, Wire};

use crate::{
    settings::EventKind,
    webhook::{
        event::{Visitor, What},
        queue::Queue,
    },
};

/// Tells that a stream has ended.
#[derive(Debug)]
pub(crate) struct Visit {
    queue: Arc<Queue>,
    visitor: Arc<Visitor>,
}

impl Queue {
    /// Tells that a stream has opened, and that it has ended when what this gives is dropped.
    pub(crate) fn attend(
        self: &Arc<Self>,
        (wire, channels): (Wire, Vec<ChannelName>),
        identity: Arc<Identity>,
    ) -> Option<Visit> {
        if !self.wants(EventKind::Connected) && !self.wants(EventKind::Disconnected) {
            return None;
        }
        let connection = self.next_connection();
        let visitor = Arc::new(Visitor { connection, wire, channels, identity });
        self.note(What::Connected(visitor.clone()));
        Some(Visit { queue: self.clone(), visitor })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.queue.note(What::Disconnected(self.visitor.clone()));
    }
}
