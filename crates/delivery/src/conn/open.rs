//! Takes connections in.

use mio::{Interest, Token};
use tricast_core::Format;

use crate::{
    conn::{ColdState, Conn, ConnState},
    handoff::Handoff,
    shard::Shard,
};

impl Shard {
    /// Takes a connection in.
    pub(crate) fn add_conn(&mut self, handoff: Handoff) {
        let Handoff {
            socket,
            head,
            mut session,
            inbound,
            read_ahead,
            permit,
            handshake_permit: _handshake_permit,
        } = handoff;
        let mut socket = mio::net::TcpStream::from_std(socket);
        let entry = self.conns.vacant_entry();
        let key = entry.key() as u32;
        let both = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut socket, Token(entry.key()), both) {
            tracing::warn!(%error, "a shard cannot watch a connection, and drops it");
            return;
        }
        session.attach_to_shard(self.id);
        session.register_shard(&self.waker, key);
        let indices = self.subscribers.add(key, session.slots());
        let (multi_channel, seq) = (indices.len() > 1, session.seq());
        let format = format_index(&mut self.formats, session.format());
        self.last_generation = self.last_generation.wrapping_add(1);
        let mut cold = ColdState::new(session, inbound, indices, self.last_generation, permit);
        cold.write_queue.push(head);
        if let Some(inbound) = &mut cold.inbound {
            inbound.push(&read_ahead);
        }
        let (state, sent_at, turn_queued) = (ConnState::CatchingUp, 0, false);
        let rest = Box::new(cold);
        entry.insert(Conn {
            socket,
            state,
            format,
            multi_channel,
            turn_queued,
            seq,
            sent_at,
            cold: rest,
        });
        // The head and hello leave together.
        if self.collect_next(key).is_ok() {
            self.drive_writes(key);
        }
        self.drive_reads(key);
    }
}

/// The place of `format` among those in use.
fn format_index(formats: &mut Vec<&'static dyn Format>, format: &'static dyn Format) -> u8 {
    let index = formats.iter().position(|known| known.variant() == format.variant());
    let index = index.unwrap_or_else(|| {
        formats.push(format);
        formats.len() - 1
    });
    index as u8
}
