//! The list of open connections, to be closed and shown by operators.

use std::sync::Arc;

use slab::Slab;

use crate::{
    CloseReason, ConnectionFilter, ConnectionSummary, Identity, Wire,
    notify::{connection::ConnectionInfo, waker::ReaderWaker},
};

/// All open connections, up to a limit.
#[derive(Debug)]
pub(crate) struct Connections {
    wakers: Slab<Arc<ReaderWaker>>,
    limit: usize,
    /// The number of the newest connection.
    serial: u64,
}

/// A handle to close one connection.
#[derive(Debug)]
pub struct CloseHandle(Arc<ReaderWaker>);

impl CloseHandle {
    /// Ends the stream with a goodbye with `reason`; the client should reconnect after `retry`
    /// milliseconds.
    pub fn close(self, reason: CloseReason, retry: u32) {
        self.0.close(reason, retry);
    }
}

impl Connections {
    /// Sets the limit for further connections.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    pub(crate) fn new(limit: usize) -> Self {
        Self { wakers: Slab::new(), limit, serial: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.wakers.len()
    }

    /// Registers a connection, unless the limit is reached; returns its index and its waker.
    pub(crate) fn register(
        &mut self,
        identity: Arc<Identity>,
        wire: Wire,
    ) -> Option<(usize, Arc<ReaderWaker>)> {
        if self.wakers.len() >= self.limit {
            return None;
        }
        self.serial += 1;
        let waker = ReaderWaker::new(ConnectionInfo::new(self.serial, identity, wire));
        Some((self.wakers.insert(waker.clone()), waker))
    }

    pub(crate) fn unregister(&mut self, index: usize) {
        self.wakers.remove(index);
        if self.wakers.is_empty() {
            self.wakers.shrink_to_fit();
        }
    }

    pub(crate) fn all_close_handles(&self) -> Vec<CloseHandle> {
        self.wakers.iter().map(|(_, waker)| CloseHandle(waker.clone())).collect()
    }

    /// Returns handles to close the connections that match `filter`.
    pub(crate) fn close_handles(&self, filter: &ConnectionFilter) -> Vec<CloseHandle> {
        self.matching(filter).map(|waker| CloseHandle(waker.clone())).collect()
    }

    /// Returns the first `limit` connections that match `filter`, in order of their number and
    /// after `after`; and whether there are more.
    pub(crate) fn list(
        &self,
        filter: &ConnectionFilter,
        after: u64,
        limit: usize,
    ) -> (Vec<ConnectionSummary>, bool) {
        let infos = self.matching(filter).map(|waker| &waker.info);
        let mut infos: Vec<&ConnectionInfo> = infos.filter(|info| info.serial() > after).collect();
        infos.sort_unstable_by_key(|info| info.serial());
        let more = infos.len() > limit;
        (infos.into_iter().take(limit).map(ConnectionInfo::summary).collect(), more)
    }

    fn matching<'a>(
        &'a self,
        filter: &'a ConnectionFilter,
    ) -> impl Iterator<Item = &'a Arc<ReaderWaker>> {
        self.wakers.iter().map(|(_, waker)| waker).filter(|waker| waker.info.matches(filter))
    }
}
