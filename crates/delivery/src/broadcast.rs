//! A run of messages on its way to the readers of one channel.

use bytes::Bytes;
use tricast_core::{Alignment, Batch};

use crate::{
    conn::{Conn, ConnState},
    send::{SendOp, Sender},
    shard::Shard,
};

/// Sockets that one channel gets in a round: about a millisecond, so that a huge channel does not keep small
/// ones waiting.
pub(crate) const SLICE: usize = 256;

/// A run, and how far it has come.
#[derive(Debug)]
pub(crate) struct Broadcast {
    batch: Batch,
    /// Members below this place are still to be served.
    remaining: usize,
    /// The run as it goes out, by the place of the format.
    encoded: Vec<Option<Bytes>>,
}

/// What a slice has found to do.
#[derive(Debug, Default)]
struct Slice {
    /// In step, with the place of their format.
    aligned: Vec<u32>,
    /// These have to look for themselves.
    diverged: Vec<u32>,
}

impl Broadcast {
    pub(crate) fn new(batch: Batch, remaining: usize) -> Self {
        Self { batch, remaining, encoded: Vec::new() }
    }

    pub(crate) fn slot(&self) -> usize {
        self.batch.slot
    }
}

impl Shard {
    /// Passes a job on to the next readers; whether it is done.
    pub(crate) fn advance_broadcast(
        &mut self,
        broadcast: &mut Broadcast,
        sender: &mut dyn Sender,
    ) -> bool {
        let slice = self.next_slice(broadcast);
        self.send_batch(broadcast, &slice.aligned, sender);
        for key in slice.diverged {
            self.drive_writes(key);
        }
        broadcast.remaining == 0
    }

    fn next_slice(&self, broadcast: &mut Broadcast) -> Slice {
        let mut slice = Slice::default();
        let Some(channel) = self.subscribers.get(broadcast.batch.slot) else {
            broadcast.remaining = 0;
            return slice;
        };
        broadcast.remaining = broadcast.remaining.min(channel.keys.len());
        while broadcast.remaining > 0 && slice.aligned.len() + slice.diverged.len() < SLICE {
            broadcast.remaining -= 1;
            let key = channel.keys[broadcast.remaining];
            let Some(conn) = self.conns.get(key as usize) else { continue };
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
            // It looks for itself when its socket takes more.
            ConnState::CatchingUp | ConnState::Closing => return Alignment::Ahead,
        }
        let alignment = batch.alignment(conn.seq);
        let hidden = || {
            let reader = conn.cold.session.as_ref();
            reader.is_some_and(|reader| batch.is_hidden_from(reader.identity()))
        };
        let diverged = alignment == Alignment::Aligned
            && (conn.multi_channel
                && self.subscribers.is_other_busy(batch.slot, &conn.cold.indices)
                || batch.has_skip_self() && hidden());
        if diverged { Alignment::Diverged } else { alignment }
    }

    fn send_batch(&mut self, broadcast: &mut Broadcast, keys: &[u32], sender: &mut dyn Sender) {
        if keys.is_empty() {
            return;
        }
        for key in keys {
            let format = usize::from(self.conns[*key as usize].format);
            if broadcast.encoded.len() <= format {
                broadcast.encoded.resize(format + 1, None);
            }
            broadcast.encoded[format]
                .get_or_insert_with(|| broadcast.batch.encoded(self.formats[format]));
        }
        let bytes_for = |conn: &Conn| broadcast.encoded[usize::from(conn.format)].as_ref();
        let send_op = |key: &u32| {
            let conn = &self.conns[*key as usize];
            let bytes = bytes_for(conn).map_or(&[][..], |bytes| &bytes[..]);
            SendOp { socket: std::os::fd::AsFd::as_fd(&conn.socket), bytes }
        };
        let ops: Vec<SendOp<'_>> = keys.iter().map(send_op).collect();
        self.send_results.clear();
        sender.send(&ops, &mut self.send_results);
        drop(ops);

        let now = self.timers.millis(self.now);
        let (upto, messages) = (broadcast.batch.last_seq(), broadcast.batch.messages());
        let mut tallies = vec![0_u64; broadcast.encoded.len()];
        let mut failed = Vec::new();
        let mut partial = Vec::new();
        for (key, sent) in keys.iter().zip(&self.send_results) {
            let conn = &mut self.conns[*key as usize];
            let format = usize::from(conn.format);
            let Some(bytes) = &broadcast.encoded[format] else { continue };
            let taken = match sent {
                Ok(taken) => *taken,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
                Err(error) => {
                    failed.push((*key, error.kind()));
                    continue;
                }
            };
            conn.seq = upto;
            conn.sent_at = now;
            tallies[format] += 1;
            if taken < bytes.len() {
                conn.cold.write_queue.push(bytes.slice(taken..));
                partial.push(*key);
            }
        }
        for (format, count) in tallies.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            let bytes = broadcast.encoded[format].as_ref().map_or(0, Bytes::len) as u64;
            let meters = self.hub.meters().for_wire(self.formats[format].variant().wire);
            meters.delivered.increment(count * messages.len() as u64);
            meters.sent_bytes.increment(count * bytes);
            meters.record_latency(messages[0].time);
        }
        failed.into_iter().for_each(|(key, kind)| self.on_io_error(key, &kind.into()));
        partial.into_iter().for_each(|key| self.on_partial_send(key));
    }
}
