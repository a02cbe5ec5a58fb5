//! Takes connections over from the front of the gateway.

use tricast_core::{StreamEnd, WarningLimit};

use crate::{
    conn::{ColdState, Conn, ConnState},
    handoff::Handoff,
    shard::Shard,
};

impl Shard {
    /// Adds a connection, and sends the head of its answer and the begin of its stream.
    pub(crate) fn add_conn(&mut self, handoff: Handoff) {
        let Handoff { socket, head, mut session, inbound, read_ahead, permit, handshake_permit } =
            handoff;
        let mut socket = mio::net::TcpStream::from_std(socket);
        let added = self.conns.insert_with(|key| {
            if let Err(error) = self.io.watch(&mut socket, key) {
                session.record_end(StreamEnd::Cut);
                return Err(error);
            }
            session.attach_to_shard(self.id);
            session.register_shard(&self.io.waker, key.index());
            let indices = self.subscribers.add(key, session.slots());
            let (multi_channel, seq) = (indices.len() > 1, session.seq());
            let format = self.formats.index_of(session.format());
            let mut cold = ColdState::new(session, inbound, indices, permit);
            cold.write_queue.push(head);
            if let Some(inbound) = &mut cold.inbound {
                inbound.push(&read_ahead);
            }
            Ok(Conn {
                socket,
                generation: key.generation(),
                state: ConnState::CatchingUp,
                format,
                multi_channel,
                turn_queued: false,
                sent_at: 0,
                seq,
                cold: Box::new(cold),
            })
        });
        let key = match added {
            Ok(key) => key,
            Err(error) => {
                static LIMIT: WarningLimit = WarningLimit::new();
                if let Some(suppressed) = LIMIT.pass() {
                    tracing::warn!(%error, suppressed, "cannot watch a connection; it is closed");
                }
                return;
            }
        };
        // The head and the hello frame leave in one write.
        if self.collect_next(key).is_ok() {
            self.drive_writes(key);
        }
        self.drive_reads(key);
        drop(handshake_permit);
    }
}
