//! The log: one order for all messages, a ring buffer for each channel, and cursors that read them.
//!
//! Everything that decides what a reader sees happens under one short lock: a message gets
//! its place and becomes visible, a reader joins, a reader reads. So nothing can fall between
//! catch-up and live, and nobody sees 7 before 6.
//!
//! `impl Log` below is the table of contents: each method takes the lock and hands on to the file
//! that does the work.

pub(crate) mod accept;
pub(crate) mod batch;
pub(crate) mod change;
pub(crate) mod channel;
pub(crate) mod channel_cursor;
pub(crate) mod counts;
pub(crate) mod cursor;
pub(crate) mod delivery;
pub(crate) mod error;
pub(crate) mod history;
pub(crate) mod history_page;
pub(crate) mod idle;
pub(crate) mod join;
pub(crate) mod member;
pub(crate) mod query;
pub(crate) mod read;
pub(crate) mod retention;
pub(crate) mod ring;
pub(crate) mod start;
pub(crate) mod stats;
pub(crate) mod table;
pub(crate) mod tombstones;

use std::{
    ops::Range,
    sync::Arc,
    task::{Context, Poll},
};

use arc_swap::ArcSwap;

use crate::{
    Accepted, AheadOfLog, Batch, ChangeError, ChannelName, ChannelRules, ChannelSummary, Epoch,
    Gap, History, HistorySelection, Identity, Join, JoinInfo, LogStats, Message, MessageId,
    Namespaces, NotAccepted, OccupancyObserver, OnlineChange, OnlineCounts, OnlineHidden,
    OnlineReport, PresenceOff, PresencePage, ReadLimit, Seq, ShardId, ShardWaker, Start, Stored,
    SubscribeError, Subscribed, TooManyChannels, UserId,
    limits::Limits,
    log::{
        change::ChangeLimits,
        cursor::Cursor,
        history_page::HISTORY_PAGE,
        member::Member,
        read::{Item, Progress},
        ring::Floor,
        table::Table,
    },
    message::memory::MemoryBudget,
    presence::{DirtyUser, Presence, PresenceChange, PresenceKey, PresenceUpdate},
    sync::Mutex,
};

/// The log.
#[derive(Debug)]
pub struct Log {
    epoch: Epoch,
    memory: Arc<MemoryBudget>,
    /// The table's rules, for readers that do not hold its lock.
    rules: ArcSwap<Namespaces<Arc<ChannelRules>>>,
    /// The rules at the start: which channels have a presence channel does not change.
    first_rules: Namespaces<Arc<ChannelRules>>,
    table: Mutex<Table>,
}

/// Rules of channels.
impl Log {
    /// An empty log.
    pub fn new(epoch: Epoch, limits: Limits) -> Self {
        let memory = Arc::new(MemoryBudget::new(limits.memory_bytes));
        let first_rules = limits.rules.clone();
        let rules = ArcSwap::from_pointee(limits.rules.clone());
        let table = Mutex::new(Table::new(epoch, limits, memory.clone()));
        Self { epoch, memory, rules, first_rules, table }
    }

    /// Replaces the rules, also for the channels that are held. Presence stays as it was at the
    /// start.
    pub fn set_rules(&self, rules: Namespaces<Arc<ChannelRules>>) {
        self.table.lock().set_rules(rules.clone());
        self.rules.store(Arc::new(rules));
    }

    /// The rules of `channel`, held or not.
    pub fn rules_for(&self, channel: &ChannelName) -> Arc<ChannelRules> {
        self.rules.load().rules_with_presence_from(&self.first_rules, channel)
    }

    /// Whether `channel` has a presence channel.
    pub fn has_presence_channel(&self, channel: &ChannelName) -> bool {
        self.first_rules.has_presence_channel(channel)
    }

    /// Reports to `observer` from now on which channels have subscribers.
    pub fn set_observer(&self, observer: Arc<dyn OccupancyObserver>) {
        self.table.lock().observer = Some(observer);
    }
}

/// Publishing, for engines.
impl Log {
    /// The epoch: which life of the log this is.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The newest position that readers have been shown.
    pub fn head(&self) -> MessageId {
        self.table.lock().head()
    }

    /// Makes a message visible and raises the watermark to it. An engine calls this in order of
    /// seq, and only when nothing below can still appear.
    ///
    /// # Errors
    /// When its channel is new and cannot be kept, or too few listen; it is not accepted then.
    pub fn accept(&self, stored: Stored) -> Result<Accepted, NotAccepted> {
        // Parsed before the lock is taken.
        let update = PresenceUpdate::from_draft(&stored.draft)
            .filter(|update| self.has_presence_channel(&update.channel));
        accept::accept(&mut self.table.lock(), stored, update)
    }

    /// Raises the watermark over positions that hold no message for this node.
    pub fn advance(&self, watermark: Seq) {
        let mut table = self.table.lock();
        table.watermark = table.watermark.max(watermark);
    }

    /// The highest seq of a channel that its ring does not hold.
    pub fn floor(&self, channel: &ChannelName) -> Seq {
        self.table.lock().floor(channel).seq
    }

    /// Empties a channel's ring up to `floor`, the channel's last message: its engine has missed
    /// messages since an earlier one, and cannot vouch for what the ring still holds.
    ///
    /// # Errors
    /// When the channel is new and cannot be kept.
    pub fn invalidate_up_to(
        &self,
        channel: &ChannelName,
        floor: Seq,
    ) -> Result<(), TooManyChannels> {
        let mut table = self.table.lock();
        let slot = table.find_or_create(channel)?;
        table.evict_up_to(slot, floor);
        Ok(())
    }

    /// Puts older messages from an engine's store in front of a channel's ring. They are in order
    /// and complete above `floor`.
    ///
    /// # Errors
    /// When the channel is new and cannot be kept.
    pub fn backfill(
        &self,
        channel: &ChannelName,
        older: Vec<Stored>,
        floor: Seq,
    ) -> Result<(), TooManyChannels> {
        let seal = |stored: Stored| {
            let online = stored.online;
            Arc::new(Message::new(self.epoch, stored, online, &self.memory))
        };
        let older = older.into_iter().map(seal).collect();
        let mut table = self.table.lock();
        let slot = table.find_or_create(channel)?;
        table.backfill(slot, older, Floor { seq: floor, certain: true });
        Ok(())
    }
}

/// Joining, reading and leaving, for subscriptions.
impl Log {
    pub(crate) fn id(&self, seq: Seq) -> MessageId {
        MessageId { epoch: self.epoch, seq }
    }

    /// Puts a reader into the log: from here on it is counted, woken, and misses nothing.
    pub(crate) fn join(
        &self,
        join: &Join,
        member: &Member,
    ) -> Result<(Cursor, JoinInfo), SubscribeError> {
        join::join(&self.table, join, member)
    }

    /// Takes a reader out; gives its channels.
    pub(crate) fn leave(&self, cursor: &Cursor, member: &Member) -> Vec<ChannelName> {
        join::leave(&self.table, cursor, member)
    }

    /// Puts a reader into one more channel.
    pub(crate) fn add_channel(
        &self,
        cursor: &mut Cursor,
        member: &Member,
        wanted: (ChannelName, Start),
        limits: ChangeLimits,
    ) -> Result<(Subscribed, Option<Gap>), ChangeError> {
        change::add_channel(&self.table, cursor, member, wanted, limits)
    }

    /// Takes a reader out of one of the channels that it has asked for.
    pub(crate) fn remove_channel(
        &self,
        cursor: &mut Cursor,
        member: &Member,
        channel: &ChannelName,
    ) -> Result<(), ChangeError> {
        change::remove_channel(&self.table, cursor, member, channel)
    }

    /// Reads up to `limit` into `items`.
    pub(crate) fn read(
        &self,
        cursor: &mut Cursor,
        reader: &Identity,
        limit: ReadLimit,
        items: &mut Vec<Item>,
    ) -> Progress {
        cursor.read(&self.table.lock(), Some(reader), limit, items)
    }

    /// The names of the channels that a reader has asked for.
    pub(crate) fn channel_names(&self, cursor: &Cursor) -> Vec<ChannelName> {
        cursor.channel_names(&self.table.lock())
    }

    /// The online counts of the channels that a reader has asked for.
    pub(crate) fn online_counts(&self, cursor: &Cursor) -> Vec<(u64, OnlineChange)> {
        cursor.online_counts(&self.table.lock())
    }

    /// Has `shard` bring a reader's messages from now on.
    pub(crate) fn attach_to_shard(
        &self,
        cursor: &mut Cursor,
        member: &mut Member,
        shard: ShardId,
        online_updates: bool,
    ) {
        member.attach_to_shard(&mut self.table.lock(), cursor, shard, online_updates);
    }
}

/// Queries: reading without subscribing.
impl Log {
    /// What is held of `channel` from `start` on, at most `limit` of it.
    ///
    /// # Errors
    /// When `start` is a position that the log has not reached.
    pub fn history(
        &self,
        channel: &ChannelName,
        start: Start,
        limit: ReadLimit,
    ) -> Result<History, AheadOfLog> {
        History::read(&self.table.lock(), channel, start, limit)
    }

    /// Selects the messages of one page of `channel`'s history, from `start` on: at most 1,000, and
    /// at most 1 MiB of documents unless the first one is larger. A byte of data may take six bytes
    /// of its document. The page itself is written by [`HistorySelection::into_page`], once there
    /// is memory for it.
    ///
    /// # Errors
    /// When the log has not reached `start`.
    pub fn select_history(
        &self,
        channel: ChannelName,
        start: Start,
    ) -> Result<HistorySelection, AheadOfLog> {
        Ok(HistorySelection::new(self.history(&channel, start, HISTORY_PAGE)?, channel))
    }

    /// One message of `channel`, if it is held.
    pub fn find_message(&self, channel: &ChannelName, id: MessageId) -> Option<Arc<Message>> {
        let before = MessageId { seq: id.seq.checked_sub(1)?, ..id };
        let one = ReadLimit { messages: 1, ..HISTORY_PAGE };
        let history = self.history(channel, Start::After(before), one).ok()?;
        history.messages.into_iter().find(|message| message.id == id)
    }

    /// How many are online in `channel`.
    pub fn online(&self, channel: &ChannelName) -> OnlineCounts {
        self.table.lock().online(channel)
    }

    /// How many are online in `channel`, as a document.
    ///
    /// # Errors
    /// When its namespace hides it.
    pub fn online_report(&self, channel: ChannelName) -> Result<OnlineReport, OnlineHidden> {
        if !self.rules_for(&channel).online {
            return Err(OnlineHidden(channel));
        }
        let online = self.online(&channel);
        Ok(OnlineReport::new(channel, online))
    }

    /// Who is in `channel`, as a document: up to `limit` users after `after`, and the position from
    /// which to read the presence channel, so that nothing is missed.
    ///
    /// # Errors
    /// When the channel has no presence.
    pub fn presence_page(
        &self,
        channel: ChannelName,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<PresencePage, PresenceOff> {
        match self.has_presence_channel(&channel) {
            true => Ok(PresencePage::read(&self.table.lock(), channel, after, limit)),
            false => Err(PresenceOff(channel)),
        }
    }

    /// Lists one page of the `wanted` channels, those in the slots from `from` on, unordered, and
    /// where to go on. The page is bounded so that the lock, under which `wanted` is called, is
    /// held briefly.
    pub fn scan_channels(
        &self,
        from: usize,
        wanted: impl Fn(&ChannelName) -> bool,
    ) -> (Vec<ChannelSummary>, Option<usize>) {
        stats::scan_channels(&self.table.lock(), from, wanted)
    }

    /// How full the log is.
    pub fn stats(&self) -> LogStats {
        self.table.lock().stats()
    }
}

/// Batches, for shards.
impl Log {
    /// Adds a shard that reads this log from now on.
    pub fn open_shard(&self, waker: Arc<dyn ShardWaker>) -> ShardId {
        self.table.lock().shards.open(waker)
    }

    /// Removes a shard.
    pub fn close_shard(&self, shard: ShardId) {
        self.table.lock().shards.close(shard);
    }

    /// When the oldest message was published that some shard has not taken yet (milliseconds since
    /// 1970). Looks at a part of each shard's list, whose oldest entries come first.
    pub fn oldest_pending(&self) -> Option<u64> {
        delivery::oldest_pending(&self.table.lock())
    }

    /// Appends to `batches` the new messages for a shard, of each channel at most `limit`, all
    /// under one lock. Messages of channels that are `busy`, because an earlier batch of theirs is
    /// still on its way, stay for the next time, as does what is beyond the limit. The shard is not
    /// woken for those: ask again when that is done.
    pub fn take_batches(
        &self,
        shard: ShardId,
        busy: impl Fn(usize) -> bool,
        limit: ReadLimit,
        batches: &mut Vec<Batch>,
    ) {
        delivery::take_batches(&mut self.table.lock(), shard, busy, limit, batches);
    }
}

/// Changes of presence, for its tracker.
impl Log {
    /// Takes who has come and gone since the last time.
    pub(crate) fn poll_dirty_users(&self, cx: &Context<'_>) -> Poll<Vec<DirtyUser>> {
        self.table.lock().dirty_users.poll_take(cx)
    }

    /// Computes what is to be announced of the users in `dirty`, as [`Presence::diff`] does.
    pub(crate) fn presence_diff(
        &self,
        channel: &ChannelName,
        dirty: &mut Vec<(PresenceKey, bool)>,
    ) -> Option<PresenceChange> {
        let diff = self.table.lock().presence(channel).map(|presence| presence.diff(dirty));
        diff.unwrap_or_else(|| {
            dirty.clear();
            None
        })
    }

    /// How many are in `channel`, or were announced.
    pub(crate) fn presence_size(&self, channel: &ChannelName) -> usize {
        self.table.lock().presence(channel).map_or(0, Presence::size)
    }

    /// Whether nobody is in `channel`, announced or not.
    pub(crate) fn has_no_subscribers(&self, channel: &ChannelName) -> bool {
        self.table.lock().presence(channel).is_none_or(Presence::has_no_subscribers)
    }
}

/// Periodic work.
impl Log {
    /// Lets go what has grown too old at `now` (milliseconds since 1970) and forgets idle
    /// channels. Also lets go what encodings have made too much since the last message.
    pub fn sweep(&self, now: u64) {
        let all = 0..self.table.lock().slots.capacity();
        self.sweep_slots(all, now);
    }

    /// The same for some of the channels. Called once a second it comes to each well within the age
    /// that messages may have, and within a minute. To look at all of them every second would cost
    /// more than their messages.
    pub fn sweep_next(&self, now: u64) {
        let some = self.table.lock().next_to_sweep();
        self.sweep_slots(some, now);
    }

    fn sweep_slots(&self, slots: Range<usize>, now: u64) {
        const STEP: usize = 1000;
        for from in slots.clone().step_by(STEP) {
            let mut table = self.table.lock();
            (from..slots.end.min(from + STEP)).for_each(|slot| table.sweep(slot, now));
        }
        if self.memory.excess() > 0 {
            self.table.lock().evict_to_fit();
        }
    }
}
