//! A stream that is told of: when it opens, and when whoever holds its access drops that.

use std::sync::Arc;

use tricast_core::{Access, Act, Asked, ChannelName, Denied, Identity, Wire};

use super::{
    event::{Visitor, What},
    queue::Queue,
};
use crate::settings::EventKind;

/// Tells that a stream has ended.
#[derive(Debug)]
struct Visit {
    queue: Arc<Queue>,
    visitor: Arc<Visitor>,
}

/// What a stream may do, for as long as it lasts.
#[derive(Debug)]
struct Attended {
    access: Arc<dyn Access>,
    visit: Arc<Visit>,
}

impl Queue {
    /// Tells that a stream has opened, and that it has ended when the access is dropped.
    pub(crate) fn attend(
        self: &Arc<Self>,
        access: Arc<dyn Access>,
        (wire, channels): (Wire, Vec<ChannelName>),
        identity: Arc<Identity>,
    ) -> Arc<dyn Access> {
        if !self.wants(EventKind::Connected) && !self.wants(EventKind::Disconnected) {
            return access;
        }
        let connection = self.next_connection();
        let visitor = Arc::new(Visitor { connection, wire, channels, identity });
        self.note(What::Connected(visitor.clone()));
        let visit = Arc::new(Visit { queue: self.clone(), visitor });
        Arc::new(Attended { access, visit })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.queue.note(What::Disconnected(self.visitor.clone()));
    }
}

impl Access for Attended {
    fn permits(&self, act: Act, channel: &ChannelName) -> Result<(), Denied> {
        self.access.permits(act, channel)
    }

    fn spend(&self, channel: &ChannelName, bytes: usize) -> Result<(), Denied> {
        self.access.spend(channel, bytes)
    }

    fn ask<'a>(
        &'a self,
        act: Act,
        channel: &'a ChannelName,
        bytes: Option<usize>,
    ) -> Option<Asked<'a, ()>> {
        self.access.ask(act, channel, bytes)
    }

    fn renew(self: Arc<Self>, token: String) -> Asked<'static, Arc<dyn Access>> {
        Box::pin(async move {
            let access = self.access.clone().renew(token).await?;
            Ok(Arc::new(Self { access, visit: self.visit.clone() }) as Arc<dyn Access>)
        })
    }

    fn refused(&self, act: Act, channel: &ChannelName, denied: &Denied) {
        self.access.refused(act, channel, denied);
    }

    fn expires(&self) -> Option<u64> {
        self.access.expires()
    }
}
