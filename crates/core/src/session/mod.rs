//! The stream of one reader on any wire: hello, messages, gaps, online counts, heartbeats, goodbye.
//!
//! A session does no I/O and keeps no queue. The owner of the socket calls [`Session::collect`]
//! when the socket can take more, and waits when there is nothing: this is all the backpressure
//! there is, and a slow consumer costs no memory.

pub(crate) mod config;
mod encoder;
pub(crate) mod expiry;
mod fetch;
pub(crate) mod flow;
pub(crate) mod frames;
mod heartbeat;
pub(crate) mod inbound;
pub(crate) mod jitter;
mod read;
mod reply;
pub(crate) mod reply_queue;
pub(crate) mod step;

use std::{sync::Arc, task::Waker, time::Instant};

use bytes::Bytes;

use crate::{
    Access, Alive, ChannelName, CloseReason, Control, Format, Hello, Hub, Identity, JoinInfo,
    MessageId, Seq, SessionConfig, ShardId, ShardWaker, Step, StreamEnd, Subscription,
    metrics::WireMeters,
    session::{
        encoder::Encoder,
        expiry::{Due, Expiry},
        fetch::Fetch,
        heartbeat::{Heartbeat, HeartbeatDue},
        jitter::jittered_retry,
        read::{Reading, read},
    },
    subscription::online_watch::OnlineWatch,
};

/// The stream of one reader.
#[derive(Debug)]
pub struct Session {
    subscription: Subscription,
    encoder: Encoder,
    config: Arc<SessionConfig>,
    join_info: Option<Box<JoinInfo>>,
    heartbeat: Heartbeat,
    online_watch: Option<Box<OnlineWatch>>,
    access: Arc<dyn Access>,
    expiry: Option<Box<Expiry>>,
    /// Older messages that the engine was asked for.
    fetch: Option<Box<Fetch>>,
    /// The peer waits for replies; a drain lets them come first.
    awaits_replies: bool,
    /// The reason to end the stream, once everything published so far has been read.
    deferred_close: Option<CloseReason>,
    /// How the stream has ended; nothing follows.
    end: Option<StreamEnd>,
}

impl Session {
    /// Makes a stream in `format` from what [`Hub::join`] has returned. `access` decides what the
    /// reader may do on this stream, and for how long; [`AllowAll`](crate::AllowAll) allows
    /// everything.
    pub fn new(
        (mut subscription, join_info): (Subscription, JoinInfo),
        format: &'static dyn Format,
        access: Arc<dyn Access>,
        config: Arc<SessionConfig>,
    ) -> Self {
        subscription.open_stream(join_info.not_recovered);
        Self {
            subscription,
            encoder: Encoder::new(format),
            heartbeat: Heartbeat::default(),
            online_watch: join_info.online_updates.then(Box::default),
            join_info: Some(Box::new(join_info)),
            expiry: Expiry::of(&*access, &config),
            access,
            config,
            fetch: None,
            awaits_replies: false,
            deferred_close: None,
            end: None,
        }
    }

    /// Sets whether the reader is sent each heartbeat as an event.
    pub fn with_heartbeat_events(mut self, wanted: bool) -> Self {
        self.heartbeat.as_events = wanted;
        self
    }

    fn set_access(&mut self, access: Arc<dyn Access>) {
        self.expiry = Expiry::of(&*access, &self.config);
        self.access = access;
    }

    /// Returns the access rules of this stream.
    pub fn access(&self) -> &Arc<dyn Access> {
        &self.access
    }

    /// Returns the identity of the reader.
    pub fn identity(&self) -> &Arc<Identity> {
        self.subscription.identity()
    }

    /// Returns the channels that the reader asked for, in its order.
    pub fn channels(&self) -> Vec<ChannelName> {
        self.subscription.channels()
    }

    /// Returns the hub that this stream reads from.
    pub fn hub(&self) -> &Arc<Hub> {
        self.subscription.hub()
    }

    /// Returns the format of this stream.
    pub fn format(&self) -> &'static dyn Format {
        self.encoder.format
    }

    /// Returns the cursor, from which the reader can resume.
    pub fn position(&self) -> MessageId {
        self.subscription.position()
    }

    /// Whether every channel has ended for this reader.
    pub fn has_ended(&self) -> bool {
        self.subscription.has_ended()
    }

    /// Attaches this stream to a shard, which is woken for new messages from here on. Call
    /// [`collect`](Self::collect) once after this, for the messages until now.
    pub fn attach_to_shard(&mut self, shard: ShardId) {
        self.subscription.attach_to_shard(shard, self.online_watch.is_some());
    }

    /// Returns the slots of its channels, as in [`Batch::slot`](crate::Batch::slot).
    pub fn slots(&self) -> impl ExactSizeIterator<Item = usize> {
        self.subscription.slots()
    }

    /// Whether a shard may send batches to it. It may not while some channel has ended, because
    /// the session has to notice a message that is published after the end.
    pub fn accepts_batches(&self) -> bool {
        !self.subscription.has_ended_channel()
    }

    /// Returns the seq of the cursor: everything up to it has been read.
    pub fn seq(&self) -> Seq {
        self.subscription.seq()
    }

    /// Records that its shard has sent batches up to the message at `seq`, the last of them at
    /// `now`.
    pub fn mark_delivered(&mut self, seq: Seq, now: Instant) {
        self.subscription.skip_to(seq);
        self.encoder.sent_seq = seq;
        self.postpone_heartbeat(now);
    }

    /// Ends the stream after everything that was published until now.
    pub fn close_after_delivery(&mut self, reason: CloseReason) {
        self.deferred_close = Some(reason);
    }

    /// Sets whether the peer waits for replies to its commands. While it does, the stream does not
    /// end because of a drain; collect again once it does not.
    pub fn set_awaits_replies(&mut self, awaits: bool) {
        self.awaits_replies = awaits;
    }

    /// Records how the stream has ended, for the metrics and the webhook. The first end stays.
    ///
    /// A session records by itself each end that [`collect`](Self::collect) returns. The owner of
    /// the socket records what it alone sees: that the client has left, or that the connection was
    /// given up or broke.
    pub fn record_end(&mut self, end: StreamEnd) {
        self.end.get_or_insert(end);
    }

    /// Records that the peer has sent something complete, which proves that it is alive.
    pub fn record_peer_activity(&mut self) {
        self.heartbeat.record_peer_activity();
    }

    /// Returns the metrics of its wire.
    pub fn meters(&self) -> &WireMeters {
        self.subscription.hub().meters().for_wire(self.subscription.wire())
    }

    /// Sets the shard to wake, and this reader's key there, when [`collect`](Self::collect) has
    /// something to send other than messages.
    pub fn register_shard(&self, waker: &Arc<dyn ShardWaker>, key: u32) {
        self.subscription.register_shard(waker, key);
    }

    /// Sets the task to wake when [`collect`](Self::collect) has something to send. Call this
    /// before collecting.
    pub fn register(&self, waker: &Waker) {
        self.subscription.register(waker);
    }

    /// Appends to `out` the next frames of this stream that are due at `now`.
    pub fn collect(&mut self, now: Instant, out: &mut Vec<Bytes>) -> Step {
        let (before, sent_seq) = (out.len(), self.encoder.sent_seq);
        let step = self.collect_frames(now, out);
        let sent: usize = out[before..].iter().map(Bytes::len).sum();
        if sent > 0 {
            self.meters().sent_bytes.increment(sent as u64);
            // Frames without an id, such as online counts, must not postpone the heartbeat that
            // reports a moved cursor.
            let now_sent = self.encoder.sent_seq;
            if now_sent != sent_seq || now_sent == self.subscription.seq() {
                self.postpone_heartbeat(now);
            }
        }
        if let Step::End(reason) = step {
            self.record_end(StreamEnd::Closed(reason));
        }
        step
    }

    fn collect_frames(&mut self, now: Instant, out: &mut Vec<Bytes>) -> Step {
        if let Some(StreamEnd::Closed(reason)) = self.end {
            return Step::End(reason);
        }
        if let Some(join_info) = self.join_info.take()
            && let Err(reason) = self.push_hello(*join_info, out)
        {
            return Step::End(reason);
        }
        let expiry = match self.expiry.as_mut().map(|expiry| expiry.check(now)) {
            None => None,
            Some(Due::Expired) => return self.push_goodbye(CloseReason::Expired, 0, out),
            Some(Due::Warn(expiring, at)) => {
                self.encoder.push_control(&Control::Expiring(expiring), out);
                Some(at)
            }
            Some(Due::CheckAt(at)) => Some(at),
        };
        let limit = self.config.read_limit;
        let Self { subscription, encoder, fetch, .. } = self;
        let reading = match read(subscription, encoder, fetch, limit, out) {
            Ok(reading) => reading,
            Err(reason) => return self.push_goodbye(reason, 0, out),
        };
        let caught_up = reading == Reading::CaughtUp;
        // While the gateway drains, nothing more is published; what was is still delivered, and
        // acknowledged.
        if let Some((reason, retry)) = self.subscription.close_request()
            && (caught_up && !self.awaits_replies || reason != CloseReason::Draining)
        {
            return self.push_goodbye(reason, retry, out);
        }
        if self.subscription.has_ended() {
            return self.push_goodbye(CloseReason::Ended, 0, out);
        }
        if let Some(reason) = self.deferred_close.filter(|_| caught_up) {
            return self.push_goodbye(reason, 0, out);
        }
        let next_online = self.push_online(now, out);
        if !out.is_empty() {
            return Step::More;
        }
        let needs_replies = self.encoder.format.expects_heartbeat_replies();
        match self.heartbeat.check(now, self.config.heartbeat, needs_replies) {
            HeartbeatDue::At(next) => {
                let until = [next_online, expiry].into_iter().flatten().fold(next, Instant::min);
                if reading == Reading::Fetching { Step::Fetch(until) } else { Step::Wait(until) }
            }
            HeartbeatDue::Now => {
                self.push_heartbeat(out);
                Step::Heartbeat
            }
            HeartbeatDue::Unresponsive => self.push_goodbye(CloseReason::Unresponsive, 0, out),
        }
    }

    /// Sends a heartbeat, after which the client has the cursor. Without the cursor a reader of a
    /// quiet channel, while others are busy, would resume from a point that the log has forgotten,
    /// and would get a gap although it has lost nothing.
    fn push_heartbeat(&mut self, out: &mut Vec<Bytes>) {
        let before = out.len();
        let position = self.position();
        if self.heartbeat.as_events || self.encoder.sent_seq != position.seq {
            self.encoder.push_control(&Control::Alive(Alive { id: position }), out);
        }
        // A peer that answers heartbeats is sent one in any case.
        let format = self.encoder.format;
        if out.len() == before || format.expects_heartbeat_replies() {
            out.extend(format.heartbeat(position));
        }
    }

    fn postpone_heartbeat(&mut self, now: Instant) {
        let needs_replies = self.encoder.format.expects_heartbeat_replies();
        self.heartbeat.postpone(now, self.config.heartbeat, needs_replies);
    }

    fn push_hello(&mut self, join_info: JoinInfo, out: &mut Vec<Bytes>) -> Result<(), CloseReason> {
        let identity = self.identity();
        let hello = Hello {
            id: self.position(),
            channels: join_info.channels,
            client: identity.client.to_string(),
            issued: identity.issued,
            user: identity.user.as_ref().map(|user| user.as_str().to_owned()),
            recovered: join_info.not_recovered.is_none(),
            reason: join_info.not_recovered,
            published: join_info.published,
            online: join_info.online,
            heartbeat: self.config.heartbeat.as_millis() as u64,
            retry: jittered_retry(self.config.retry).into(),
        };
        self.encoder.push_control(&Control::Hello(Box::new(hello)), out);
        for gap in join_info.gaps {
            self.meters().gaps.increment(1);
            if !self.encoder.format.reports_gaps() {
                return Err(CloseReason::Gap);
            }
            self.encoder.push_control(&Control::Gap(gap), out);
        }
        Ok(())
    }

    /// Sends the online counts if they have changed. If it is too early, returns when to check
    /// again.
    fn push_online(&mut self, now: Instant, out: &mut Vec<Bytes>) -> Option<Instant> {
        let watch = self.online_watch.as_mut()?;
        match watch.take_changes(
            self.subscription.online_counts(),
            self.config.online_interval,
            now,
        ) {
            Ok(changes) => {
                let encode = |change| self.encoder.format.control(&Control::Online(change));
                out.extend(changes.into_iter().filter_map(encode));
                None
            }
            Err(later) => Some(later),
        }
    }

    fn push_goodbye(&self, reason: CloseReason, retry: u32, out: &mut Vec<Bytes>) -> Step {
        self.encoder.push_goodbye(reason, retry, out);
        Step::End(reason)
    }
}

impl Drop for Session {
    /// A stream whose end nobody has recorded was given up with its server, which had asked it to
    /// close; or its client left, and the server learned that by dropping the stream.
    fn drop(&mut self) {
        let asked = || self.subscription.close_request();
        let end = self.end.or_else(|| asked().map(|(reason, _)| StreamEnd::Closed(reason)));
        let end = end.unwrap_or(StreamEnd::Left);
        self.subscription.set_stream_end(end);
        self.access.record_end(end);
    }
}
