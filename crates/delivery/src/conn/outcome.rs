//! Applies the outcomes of a peer's commands: queues replies, and changes subscriptions.

use std::{
    sync::Arc,
    task::{Poll, Wake, Waker},
};

use tricast_core::{CommandOutcome, CommandResult, Reply};

use crate::{
    conn::{ConnState, replies::Replies},
    conns::ConnKey,
    inbox::{Inbox, ShardEvent},
    shard::Shard,
};

/// Posts to the shard that the next reply of a connection is there.
struct ReplyWaker {
    inbox: Arc<Inbox>,
    key: ConnKey,
}

impl Wake for ReplyWaker {
    fn wake(self: Arc<Self>) {
        // If the shard has closed, so has the connection.
        let _ = self.inbox.post(ShardEvent::ReplyReady(self.key));
    }
}

fn reply_waker(inbox: &Arc<Inbox>, key: ConnKey) -> Waker {
    Waker::from(Arc::new(ReplyWaker { inbox: inbox.clone(), key }))
}

impl Shard {
    /// Adds the outcome of a command to the replies, and applies those that are there.
    pub(crate) fn apply_outcome(&mut self, key: ConnKey, outcome: CommandOutcome) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        match (&mut conn.cold.replies, outcome) {
            (None, CommandOutcome::Done(result)) => self.apply_result(key, result),
            (replies, outcome) => {
                let new = || Box::new(Replies::new(reply_waker(&self.io.inbox, key)));
                replies.get_or_insert_with(new).push(outcome);
                if let Some(session) = &mut conn.cold.session {
                    session.set_awaits_replies(true);
                }
                self.apply_replies(key);
            }
        }
    }

    /// Handles a reply that has come.
    pub(crate) fn on_reply_ready(&mut self, key: ConnKey) {
        self.apply_replies(key);
        self.drive_writes(key);
        self.drive_reads(key);
    }

    /// Applies the replies that are there, in the order of their commands.
    fn apply_replies(&mut self, key: ConnKey) {
        loop {
            let Some(conn) = self.conns.get_mut(key) else { return };
            let Some(replies) = &mut conn.cold.replies else { return };
            match replies.next() {
                Poll::Pending => return,
                Poll::Ready(Some(result)) => self.apply_result(key, result),
                Poll::Ready(None) => {
                    let close = conn.cold.replies.take().and_then(|replies| replies.into_close());
                    if let Some(session) = &mut conn.cold.session {
                        session.set_awaits_replies(false);
                    }
                    if let Some(bytes) = close {
                        conn.cold.queue_reply(bytes);
                        self.on_peer_close(key);
                    }
                    return;
                }
            }
        }
    }

    /// Gives up the replies of a connection that ends; what was published is counted all the same.
    pub(crate) fn abandon_replies(&self, replies: Option<Box<Replies>>) {
        if let Some(replies) = replies {
            self.runtime.spawn(replies.settle());
        }
    }

    /// Queues a command's reply, and applies the change of subscriptions that it may be.
    fn apply_result(&mut self, key: ConnKey, result: CommandResult) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let Some(session) = &mut conn.cold.session else { return };
        let reply = match result {
            Ok(reply) => reply,
            Err(reason) => {
                // The connection has no way to answer but to end. No more is read from it, but it
                // still gets what was published before.
                session.close_after_delivery(reason);
                conn.cold.inbound = None;
                conn.state = ConnState::CatchingUp;
                return self.turns.push(key, conn);
            }
        };
        let changes = matches!(reply, Reply::Change(..));
        if changes && conn.seq > session.seq() {
            let sent_at = self.timers.instant_before(self.now, conn.sent_at);
            session.mark_delivered(conn.seq, sent_at);
        }
        session.apply_reply(reply).into_iter().for_each(|bytes| conn.cold.write_queue.push(bytes));
        if changes {
            self.update_subscriptions(key);
        }
    }

    /// Takes over the channels of a session that have changed. The connection catches up by itself.
    fn update_subscriptions(&mut self, key: ConnKey) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let before = std::mem::take(&mut conn.cold.indices);
        self.subscribers.remove(&before, &mut self.conns);
        let Some(conn) = self.conns.get_mut(key) else { return };
        let Some(session) = &conn.cold.session else { return };
        conn.cold.indices = self.subscribers.add(key, session.slots());
        conn.multi_channel = conn.cold.indices.len() > 1;
        conn.seq = session.seq();
        conn.state = ConnState::CatchingUp;
    }
}
