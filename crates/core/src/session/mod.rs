//! What flows to one reader, whatever the wire: hello, messages, gaps, online, heartbeats, goodbye.
//!
//! A session does no I/O and keeps no queue. Whoever owns the socket calls [`Session::collect`]
//! when the reader can take more, and sleeps when there is nothing: so a slow reader costs no memory.

pub(crate) mod config;
pub(crate) mod expiry;
pub(crate) mod flow;
pub(crate) mod frames;
pub(crate) mod inbound;

use std::{
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    Access, Alive, Change, Changed, ChannelName, CloseReason, Control, Format, Goodbye, Hello, Hub,
    Identity, JoinInfo, MessageId, Problem as _, Reply, Seq, SessionConfig, ShardId, ShardWaker,
    SlowReader, Subscription,
    log::{
        change::ChangeLimits,
        read::{Item, ItemKind, Progress},
    },
    metrics::WireMeters,
    session::{
        expiry::{Due, Expiry},
        inbound::EncodeChange,
    },
    subscription::online_watch::OnlineWatch,
};

/// What to do after [`Session::collect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write what was collected, then call again.
    More,
    /// The same, and nothing had been said for a whole period: a good time to look whether the
    /// reader is still there. There may be nothing to write.
    Heartbeat,
    /// Nothing to write; call again when woken, or at this time.
    Wait(Instant),
    /// Write what was collected, then end the stream.
    End(CloseReason),
}

/// A peer that answers nothing for so many heartbeats is gone.
const UNANSWERED_MAX: u8 = 2;

/// One reader's stream.
#[derive(Debug)]
pub struct Session {
    subscription: Subscription,
    format: FormatRef,
    config: Arc<SessionConfig>,
    join_info: Option<Box<JoinInfo>>,
    next_heartbeat: Option<Instant>,
    /// Heartbeats since the peer was last heard, on a wire whose heartbeats are answered.
    unanswered: u8,
    /// Each heartbeat is an event, and not only one that moves the cursor.
    heartbeat_events: bool,
    /// The last id that this stream was sent, by a message or a control frame: where its client would resume.
    sent_seq: Seq,
    online_watch: Option<Box<OnlineWatch>>,
    access: Arc<dyn Access>,
    expiry: Option<Box<Expiry>>,
    /// Ends when everything that was published has been read.
    deferred_close: Option<CloseReason>,
    /// The stream is over; nothing follows.
    closed: Option<CloseReason>,
}

#[derive(Clone, Copy)]
struct FormatRef(&'static dyn Format);

impl std::fmt::Debug for FormatRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0.variant())
    }
}

impl Session {
    /// The stream of what [`Hub::join`] has returned, in `format`. `access` decides what the reader
    /// may do on this stream, and for how long; [`AllowAll`](crate::AllowAll) allows everything.
    pub fn new(
        (subscription, join_info): (Subscription, JoinInfo),
        format: &'static dyn Format,
        access: Arc<dyn Access>,
        config: Arc<SessionConfig>,
    ) -> Self {
        Self {
            subscription,
            format: FormatRef(format),
            next_heartbeat: None,
            unanswered: 0,
            heartbeat_events: false,
            sent_seq: 0,
            online_watch: join_info.online_updates.then(Box::default),
            join_info: Some(Box::new(join_info)),
            expiry: Expiry::of(&*access, &config),
            access,
            config,
            deferred_close: None,
            closed: None,
        }
    }

    /// Sets whether the reader is sent each heartbeat as an event.
    pub fn with_heartbeat_events(mut self, wanted: bool) -> Self {
        self.heartbeat_events = wanted;
        self
    }

    fn set_access(&mut self, access: Arc<dyn Access>) {
        self.expiry = Expiry::of(&*access, &self.config);
        self.access = access;
    }

    /// What it may do.
    pub fn access(&self) -> &Arc<dyn Access> {
        &self.access
    }

    /// Who reads.
    pub fn identity(&self) -> &Arc<Identity> {
        self.subscription.identity()
    }

    /// The channels that the reader asked for, in its order.
    pub fn channels(&self) -> Vec<ChannelName> {
        self.subscription.channels()
    }

    /// Where it reads.
    pub fn hub(&self) -> &Arc<Hub> {
        self.subscription.hub()
    }

    /// How this stream is spelled.
    pub fn format(&self) -> &'static dyn Format {
        self.format.0
    }

    /// Where the reader can resume from.
    pub fn position(&self) -> MessageId {
        self.subscription.position()
    }

    /// Whether every channel has ended for this reader before it came.
    pub fn has_ended(&self) -> bool {
        self.subscription.has_ended()
    }

    /// Moves it to a shard, which from here on calls [`collect`](Self::collect) when there is news;
    /// call that once first, for what has come until now.
    pub fn attach_to_shard(&mut self, shard: ShardId) {
        self.subscription.attach_to_shard(shard, self.online_watch.is_some());
    }

    /// The slots of its channels, as in [`Batch::slot`](crate::Batch::slot).
    pub fn slots(&self) -> impl ExactSizeIterator<Item = usize> {
        self.subscription.slots()
    }

    /// Whether a shard may pass runs on to it. Not while some channel has ended: it has to notice when
    /// somebody publishes behind the end.
    pub fn accepts_batches(&self) -> bool {
        !self.subscription.has_ended_channel()
    }

    /// Everything up to here has been read.
    pub fn seq(&self) -> Seq {
        self.subscription.seq()
    }

    /// Its shard has passed on everything up to the message at `seq`, last at `now`.
    pub fn mark_delivered(&mut self, seq: Seq, now: Instant) {
        self.subscription.skip_to(seq);
        self.sent_seq = seq;
        self.postpone_heartbeat(now);
    }

    /// Ends the stream, behind what was published until now.
    pub fn close_after_delivery(&mut self, reason: CloseReason) {
        self.deferred_close = Some(reason);
    }

    /// The peer has said something whole.
    pub fn record_peer_activity(&mut self) {
        self.unanswered = 0;
    }

    /// The meters of its wire.
    pub fn meters(&self) -> &WireMeters {
        self.subscription.hub().meters().for_wire(self.subscription.wire())
    }

    /// Sets which shard is told when [`collect`](Self::collect) has more than news, and by which key.
    pub fn register_shard(&self, waker: &Arc<dyn ShardWaker>, key: u32) {
        self.subscription.register_shard(waker, key);
    }

    /// Sets who is woken when [`collect`](Self::collect) has more; call it before collecting.
    pub fn register(&self, waker: &Waker) {
        self.subscription.register(waker);
    }

    /// Spells a control frame that is not part of the stream's own course, such as an answer.
    pub fn encode_control(&self, control: &Control) -> Option<Bytes> {
        let bytes = self.format.0.control(control)?;
        self.meters().sent_bytes.increment(bytes.len() as u64);
        Some(bytes)
    }

    /// Gives the frames that answer what the peer has asked for, and makes the change that it may
    /// be. What follows from a change comes with the next [`collect`](Self::collect).
    pub fn apply_reply(&mut self, reply: Reply) -> Vec<Bytes> {
        let frames = match reply {
            Reply::Empty => return Vec::new(),
            Reply::Frame(bytes) => vec![bytes],
            Reply::Refusal(kind, bytes) => {
                self.hub().meters().count_refusal(kind);
                vec![bytes]
            }
            Reply::Change(change, encode) => self.apply_change(*change, encode),
        };
        self.meters().sent_bytes.increment(frames.iter().map(Bytes::len).sum::<usize>() as u64);
        frames
    }

    fn apply_change(&mut self, change: Change, encode: EncodeChange) -> Vec<Bytes> {
        change.new_access().cloned().into_iter().for_each(|access| self.set_access(access));
        let limits = ChangeLimits {
            max_channels: self.config.max_channels,
            online_updates: self.online_watch.is_some(),
        };
        let (result, gap) = change.apply(&mut self.subscription, limits);
        match &result {
            Ok(Changed::Subscribed(subscribed)) => self.sent_seq = subscribed.id.seq,
            Ok(Changed::Unsubscribed(_) | Changed::Renewed { .. }) => {}
            Err(error) => self.hub().meters().count_refusal(error.kind()),
        }
        let mut frames = vec![encode(result)];
        if let Some(gap) = gap {
            self.meters().gaps.increment(1);
            self.push_control(&Control::Gap(gap), &mut frames);
        }
        frames
    }

    /// Appends to `out` the next frames of this stream that are due at `now`.
    pub fn collect(&mut self, now: Instant, out: &mut Vec<Bytes>) -> Step {
        let (before, id) = (out.len(), self.sent_seq);
        let step = self.collect_frames(now, out);
        let sent: usize = out[before..].iter().map(Bytes::len).sum();
        if sent > 0 {
            self.meters().sent_bytes.increment(sent as u64);
            // What brings no id, such as online counts, must not put off the heartbeat that tells a moved cursor.
            if self.sent_seq != id || self.sent_seq == self.subscription.seq() {
                self.postpone_heartbeat(now);
            }
        }
        if let Step::End(reason) = step {
            self.closed = Some(reason);
        }
        step
    }

    fn collect_frames(&mut self, now: Instant, out: &mut Vec<Bytes>) -> Step {
        if let Some(reason) = self.closed {
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
                self.push_control(&Control::Expiring(expiring), out);
                Some(at)
            }
            Some(Due::CheckAt(at)) => Some(at),
        };
        let caught_up = match self.read(out) {
            Ok(progress) => progress == Progress::CaughtUp,
            Err(reason) => return self.push_goodbye(reason, 0, out),
        };
        // Nothing is published any more when the gateway goes down: what was is still delivered.
        if let Some((reason, retry)) = self.subscription.close_request()
            && (caught_up || reason != CloseReason::Draining)
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
        let next_heartbeat =
            *self.next_heartbeat.get_or_insert_with(|| now + jittered(self.config.heartbeat));
        if now < next_heartbeat {
            return Step::Wait(
                [next_online, expiry].into_iter().flatten().fold(next_heartbeat, Instant::min),
            );
        }
        self.next_heartbeat = Some(now + jittered(self.config.heartbeat));
        if self.format.0.expects_heartbeat_replies() {
            if self.unanswered >= UNANSWERED_MAX {
                return self.push_goodbye(CloseReason::Unresponsive, 0, out);
            }
            self.unanswered += 1;
        }
        self.push_heartbeat(out);
        Step::Heartbeat
    }

    /// Says that the stream lives. After it the client has the cursor: a reader that hears nothing for long while
    /// others are busy would else resume from where the log has forgotten, and be told a false gap.
    fn push_heartbeat(&mut self, out: &mut Vec<Bytes>) {
        let silent = out.len();
        if self.heartbeat_events || self.sent_seq != self.subscription.seq() {
            self.push_control(&Control::Alive(Alive { id: self.position() }), out);
        }
        // A peer is asked whether it lives whatever else it is told.
        if out.len() == silent || self.format.0.expects_heartbeat_replies() {
            out.extend(self.format.0.heartbeat(self.position()));
        }
    }

    /// Says a control frame, where the format has them.
    fn push_control(&mut self, control: &Control, out: &mut Vec<Bytes>) {
        let Some(bytes) = self.format.0.control(control) else { return };
        out.push(bytes);
        self.sent_seq = control.id().map_or(self.sent_seq, |id| id.seq);
    }

    /// A stream that carries messages needs no other sign of life, unless it is the peer's that is wanted.
    fn postpone_heartbeat(&mut self, now: Instant) {
        if self.next_heartbeat.is_none() || !self.format.0.expects_heartbeat_replies() {
            self.next_heartbeat = Some(now + jittered(self.config.heartbeat));
        }
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
            online: join_info.online,
            heartbeat: self.config.heartbeat.as_millis() as u64,
            retry: jittered_retry(self.config.retry).into(),
        };
        self.push_control(&Control::Hello(Box::new(hello)), out);
        for gap in join_info.gaps {
            self.meters().gaps.increment(1);
            if !self.format.0.reports_gaps() {
                return Err(CloseReason::Gap);
            }
            self.push_control(&Control::Gap(gap), out);
        }
        Ok(())
    }

    /// Reads the log from the cursor on.
    fn read(&mut self, out: &mut Vec<Bytes>) -> Result<Progress, CloseReason> {
        let mut items: Vec<Item> = Vec::new();
        // A portion may be all hidden from this reader; nobody would wake it for what is behind.
        let progress = loop {
            let progress = self.subscription.read(self.config.read_limit, &mut items);
            if progress == Progress::CaughtUp || !items.is_empty() {
                break progress;
            }
        };
        let mut delivered = 0;
        let mut oldest_live = None;
        let mut result = Ok(progress);
        for Item { kind, live } in items {
            match kind {
                ItemKind::Message(message) => {
                    if live {
                        oldest_live.get_or_insert(message.time);
                    }
                    delivered += 1;
                    self.sent_seq = message.id.seq;
                    out.push(message.encoded(self.format.0));
                }
                ItemKind::Gap(gap, policy) => {
                    // A gap that was there when the reader came is none of its doing.
                    let meters = self.meters();
                    meters.gaps.increment(1);
                    let disconnect =
                        !self.format.0.reports_gaps() || live && policy == SlowReader::Disconnect;
                    if disconnect {
                        if live {
                            meters.slow_disconnected.increment(1);
                        }
                        result = Err(CloseReason::Gap);
                        break;
                    }
                    if live {
                        meters.slow_gaps.increment(1);
                    }
                    self.push_control(&Control::Gap(gap), out);
                }
            }
        }
        if delivered > 0 {
            self.meters().delivered.increment(delivered);
        }
        if let Some(published) = oldest_live {
            self.meters().record_latency(published);
        }
        result
    }

    /// Tells the online counts if they changed; returns when to look again if it is too early.
    fn push_online(&mut self, now: Instant, out: &mut Vec<Bytes>) -> Option<Instant> {
        let watch = self.online_watch.as_mut()?;
        match watch.take_changes(
            self.subscription.online_counts(),
            self.config.online_interval,
            now,
        ) {
            Ok(changes) => {
                let encode = |change| self.format.0.control(&Control::Online(change));
                out.extend(changes.into_iter().filter_map(encode));
                None
            }
            Err(later) => Some(later),
        }
    }

    fn push_goodbye(&self, reason: CloseReason, retry: u32, out: &mut Vec<Bytes>) -> Step {
        out.extend(self.format.0.control(&Control::Goodbye(Goodbye::new(reason, retry))));
        Step::End(reason)
    }
}

/// Between 80 and 100 % of `period`, so that readers that came together do not beat together.
fn jittered(period: Duration) -> Duration {
    period.mul_f64(0.8 + 0.2 * fastrand::f64())
}

/// Between 50 and 150 % of `retry` in milliseconds, so that readers cut together do not come back together.
pub fn jittered_retry(retry: Duration) -> u32 {
    retry.mul_f64(0.5 + fastrand::f64()).as_millis() as u32
}
