//! A batch of messages on its way to the readers of one channel: the fast path of delivery.

use std::{collections::VecDeque, io, os::fd::AsFd as _};

use bytes::Bytes;
use tricast_core::{Alignment, Batch};

use crate::{
    conn::{Conn, ConnState},
    conns::ConnKey,
    formats::PerFormat,
    send::{SendOp, Sender},
    shard::Shard,
    subscribers::Slot,
};

/// Sockets that one channel gets in a round. A slice takes about a millisecond, so that a huge
/// channel does not keep small ones waiting.
pub(crate) const SLICE: usize = 256;

/// The broadcasts of a shard.
#[derive(Default)]
pub(crate) struct Broadcasts {
    /// Broadcasts to more readers than one slice has.
    pub(crate) pending: VecDeque<Broadcast>,
    /// Channels whose batch has been sent to every reader.
    pub(crate) done: Vec<Slot>,
    send_results: Vec<io::Result<usize>>,
}

impl Broadcasts {
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.done.is_empty()
    }
}

/// A batch, and how far it has come.
#[derive(Debug)]
pub(crate) struct Broadcast {
    batch: Batch,
    /// The number of subscribers, from the first of the list, that are still to be served.
    remaining: usize,
    encoded: PerFormat<EncodedBatch>,
}

/// The batch in one format.
#[derive(Debug)]
struct EncodedBatch {
    bytes: Bytes,
    /// Sockets that it was sent to and that are not counted in the metrics yet.
    sent: u64,
}

/// The state of a broadcast after a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Done,
    Pending,
}

/// The next readers of a broadcast.
#[derive(Debug, Default)]
struct Slice {
    /// They read exactly this batch next.
    aligned: Vec<ConnKey>,
    /// They need the slow path.
    diverged: Vec<ConnKey>,
}

impl Broadcast {
    pub(crate) fn new(batch: Batch, remaining: usize) -> Self {
        Self { batch, remaining, encoded: PerFormat::default() }
    }

    pub(crate) fn slot(&self) -> Slot {
        self.batch.slot.into()
    }
}

impl Shard {
    /// Sends a batch to the next slice of its readers.
    pub(crate) fn advance_broadcast(
        &mut self,
        broadcast: &mut Broadcast,
        sender: &mut dyn Sender,
    ) -> Progress {
        let slice = self.next_slice(broadcast);
        if !slice.aligned.is_empty() {
            self.send_slice(broadcast, &slice.aligned, sender);
            self.record_slice(broadcast, &slice.aligned);
        }
        for key in slice.diverged {
            self.drive_writes(key);
        }
        if broadcast.remaining == 0 { Progress::Done } else { Progress::Pending }
    }

    fn next_slice(&self, broadcast: &mut Broadcast) -> Slice {
        let mut slice = Slice::default();
        let Some(keys) = self.subscribers.get(broadcast.slot()) else {
            broadcast.remaining = 0;
            return slice;
        };
        broadcast.remaining = broadcast.remaining.min(keys.len());
        while broadcast.remaining > 0 && slice.aligned.len() + slice.diverged.len() < SLICE {
            broadcast.remaining -= 1;
            let key = keys[broadcast.remaining];
            let Some(conn) = self.conns.get(key) else { continue };
            match self.alignment(conn, &broadcast.batch) {
                Alignment::Aligned => slice.aligned.push(key),
                Alignment::Diverged => slice.diverged.push(key),
                Alignment::Ahead => {}
            }
        }
        slice
    }

    fn alignment(&self, conn: &Conn, batch: &Batch) -> Alignment {
        match conn.state {
            ConnState::FastPath => {}
            ConnState::SlowPath => return Alignment::Diverged,
            // It reads the log when its socket takes more, or the engine has answered.
            ConnState::CatchingUp | ConnState::Fetching | ConnState::Closing => {
                return Alignment::Ahead;
            }
        }
        let alignment = batch.alignment(conn.seq);
        let hidden = || {
            let reader = conn.cold.session.as_ref();
            reader.is_some_and(|reader| batch.is_hidden_from(reader.identity()))
        };
        let other_busy = || {
            conn.multi_channel
                && self.subscribers.is_other_busy(batch.slot.into(), &conn.cold.indices)
        };
        let diverged =
            alignment == Alignment::Aligned && (other_busy() || batch.has_skip_self() && hidden());
        if diverged { Alignment::Diverged } else { alignment }
    }

    /// Sends the batch once to each socket; the results are left in `send_results`.
    fn send_slice(&mut self, broadcast: &mut Broadcast, keys: &[ConnKey], sender: &mut dyn Sender) {
        let Broadcast { batch, encoded, .. } = broadcast;
        for key in keys {
            let format = self.conns[*key].format;
            let encode = || batch.encoded(self.formats.get(format));
            encoded.ensure_with(format, || EncodedBatch { bytes: encode(), sent: 0 });
        }
        let send_op = |key: &ConnKey| {
            let conn = &self.conns[*key];
            let bytes = encoded.get(conn.format).map_or(&[][..], |encoded| &encoded.bytes[..]);
            SendOp { socket: conn.socket.as_fd(), bytes }
        };
        let ops: Vec<SendOp<'_>> = keys.iter().map(send_op).collect();
        self.broadcasts.send_results.clear();
        sender.send(&ops, &mut self.broadcasts.send_results);
    }

    /// Moves the connections of a slice to their new positions, and counts what was delivered.
    fn record_slice(&mut self, broadcast: &mut Broadcast, keys: &[ConnKey]) {
        let Broadcast { batch, encoded, .. } = broadcast;
        let now = self.timers.millis(self.now);
        let mut failed = Vec::new();
        let mut partial = Vec::new();
        for (key, result) in keys.iter().zip(&self.broadcasts.send_results) {
            let conn = &mut self.conns[*key];
            let Some(encoded) = encoded.get_mut(conn.format) else { continue };
            let taken = match result {
                Ok(taken) => *taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => {
                    failed.push((*key, error.kind()));
                    continue;
                }
            };
            conn.seq = batch.last_seq();
            conn.sent_at = now as u32;
            encoded.sent += 1;
            if taken < encoded.bytes.len() {
                conn.cold.write_queue.push(encoded.bytes.slice(taken..));
                partial.push(*key);
            }
        }
        self.count_delivered(batch, encoded);
        failed.into_iter().for_each(|(key, kind)| self.on_io_error(key, &kind.into()));
        partial.into_iter().for_each(|key| self.on_partial_send(key));
    }

    fn count_delivered(&self, batch: &Batch, encoded: &mut PerFormat<EncodedBatch>) {
        for (format, encoded) in encoded.iter_mut() {
            let sent = std::mem::take(&mut encoded.sent);
            if sent > 0 {
                let wire = self.formats.get(format).variant().wire;
                let meters = self.hub.meters().for_wire(wire);
                meters.delivered.increment(sent * batch.messages().len() as u64);
                meters.sent_bytes.increment(sent * encoded.bytes.len() as u64);
                meters.record_latency(batch.messages()[0].time);
            }
        }
    }
}
