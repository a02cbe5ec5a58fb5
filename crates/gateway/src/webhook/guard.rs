//! Reports the beginning and the end of a stream.

use std::sync::{Arc, OnceLock};

use tricast_admission::StreamGuard;
use tricast_core::{ChannelName, Identity, StreamEnd, Wire};

use crate::{
    settings::EventKind,
    webhook::{
        event::{ConnectionMeta, EventDetail},
        queue::EventQueue,
    },
};

/// Reports that a stream has ended when it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionGuard {
    queue: Arc<EventQueue>,
    meta: Arc<ConnectionMeta>,
    end: OnceLock<StreamEnd>,
}

impl EventQueue {
    /// Reports that a stream has opened. The guard reports its end when it is dropped.
    pub(crate) fn track(
        self: &Arc<Self>,
        (wire, channels): (Wire, Vec<ChannelName>),
        identity: Arc<Identity>,
    ) -> Option<ConnectionGuard> {
        if !self.wants(EventKind::Connected) && !self.wants(EventKind::Disconnected) {
            return None;
        }
        let connection = self.next_connection();
        let meta = Arc::new(ConnectionMeta { connection, wire, channels, identity });
        self.record(EventDetail::Connected(meta.clone()));
        Some(ConnectionGuard { queue: self.clone(), meta, end: OnceLock::new() })
    }
}

impl StreamGuard for ConnectionGuard {
    fn record_end(&self, end: StreamEnd) {
        self.end.get_or_init(|| end);
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        // A session records its end before it drops its rules.
        let end = self.end.get().copied().unwrap_or(StreamEnd::Left);
        self.queue.record(EventDetail::Disconnected(self.meta.clone(), end));
    }
}
