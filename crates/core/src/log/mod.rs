//! The log: one order for all messages, a ring buffer for each channel, and cursors that read them.
//!
//! Everything that decides what a reader sees happens under one lock, held briefly: a message gets
//! its seq and becomes visible, a reader joins, a reader reads. So no message can be lost between
//! catch-up and live delivery, and no reader sees 7 before 6.
//!
//! `impl Log` below is the table of contents: each method takes the lock and calls the file that
//! does the work.

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
    Accepted, Batch, ChangeError, ChannelName, ChannelRules, ChannelSummary, Epoch, Gap, History,
    HistorySelection, Identity, Join, JoinInfo, LogStats, Message, MessageId, Namespaces,
    NotAccepted, OccupancyObserver, OnlineChange, OnlineCounts, OnlineHidden, OnlineReport,
    PresenceOff, PresencePage, ReadLimit, Seq, ShardId, ShardWaker, Start, Stored, SubscribeError,
    Subscribed, TooManyChannels, UserId,
    limits::Limits,
    log::{
        change::ChangeLimits,
        cursor::Cursor,
        history_page::HISTORY_PAGE,
        member::Member,
        read::{Item, Progress},
        table::Table,
    },
    message::memory::MemoryBudget,
    presence::{DirtyUser, Presence, PresenceChange, PresenceKey, PresenceUpdate},
    sync::Mutex,
};

/// The log of one gateway: all its messages, in one order.
#[derive(Debug)]
pub struct Log {
    epoch: Epoch,
    memory: Arc<MemoryBudget>,
    /// The table's rules, to be read without its lock.
    rules: ArcSwap<Namespaces<Arc<ChannelRules>>>,
    /// The rules at the start: which channels have a presence channel does not change.
    first_rules: Namespaces<Arc<ChannelRules>>,
    table: Mutex<Table>,
}

/// Rules of channels.
impl Log {
    /// Makes an empty log.
    pub fn new(epoch: Epoch, limits: Limits) -> Self {
        let memory = Arc::new(MemoryBudget::new(limits.memory_bytes));
        let first_rules = limits.rules.clone();
        let rules = ArcSwap::from_pointee(limits.rules.clone());
        let table = Mutex::new(Table::new(epoch, limits, memory.clone()));
        Self { epoch, memory, rules, first_rules, table }
    }

    /// Replaces the rules, also for existing channels. Presence stays as it was at the start.
    pub fn set_rules(&self, rules: Namespaces<Arc<ChannelRules>>) {
        self.table.lock().set_rules(rules.clone());
        self.rules.store(Arc::new(rules));
    }

    /// Returns the rules of `channel`, whether it exists or not.
    pub fn rules_for(&self, channel: &ChannelName) -> Arc<ChannelRules> {
        self.rules.load().rules_with_presence_from(&self.first_rules, channel)
    }

    /// Whether `channel` has a presence channel.
    pub fn has_presence_channel(&self, channel: &ChannelName) -> bool {
        self.first_rules.has_presence_channel(channel)
    }

    /// Sets the observer of channel occupancy.
    pub fn set_observer(&self, observer: Arc<dyn OccupancyObserver>) {
        self.table.lock().observer = Some(observer);
    }
}

/// Publishing, for engines.
impl Log {
    /// Returns the epoch of this log.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Returns the head: the newest position that is visible to readers.
    pub fn head(&self) -> MessageId {
        self.table.lock().head()
    }

    /// Makes a message visible and raises the watermark to it. An engine calls this in order of
    /// seq, and only when no lower seq can still appear.
    ///
    /// # Errors
    /// When the limit of channels is reached, or the channel has too few subscribers; the message
    /// is not accepted then.
    pub fn accept(&self, stored: Stored) -> Result<Accepted, NotAccepted> {
        // Parsed before the lock is taken.
        let update = PresenceUpdate::from_draft(&stored.draft)
            .filter(|update| self.has_presence_channel(&update.channel));
        accept::accept(&mut self.table.lock(), stored, update)
    }

    /// Raises the watermark over seqs that have no message for this node.
    pub fn advance(&self, watermark: Seq) {
        let mut table = self.table.lock();
        table.watermark = table.watermark.max(watermark);
    }

    /// Returns the floor of a channel: the highest seq that has left its ring.
    pub fn floor(&self, channel: &ChannelName) -> Seq {
        self.table.lock().floor(channel).seq
    }

    /// Empties a channel's ring up to `floor`, the seq of the channel's last message. An engine
    /// calls this if it has missed messages of the channel, so that the ring has holes.
    ///
    /// # Errors
    /// When the channel is new and the limit of channels is reached.
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

    /// Prepends older messages from an engine's store to a channel's ring. They have to be in order
    /// and complete above `floor`.
    ///
    /// # Errors
    /// When the channel is new and the limit of channels is reached.
    pub fn backfill(
        &self,
        channel: &ChannelName,
        older: Vec<Stored>,
        floor: Seq,
    ) -> Result<(), TooManyChannels> {
        // Made before the lock is taken.
        let older = accept::older_messages(older, self.epoch, &self.memory);
        accept::backfill(&mut self.table.lock(), channel, older, floor)
    }
}

/// Joining, reading and leaving, for subscriptions.
impl Log {
    pub(crate) fn id(&self, seq: Seq) -> MessageId {
        MessageId { epoch: self.epoch, seq }
    }

    /// Adds a reader to its channels: from here on it is counted, woken, and misses nothing.
    pub(crate) fn join(
        &self,
        join: &Join,
        member: &Member,
    ) -> Result<(Cursor, JoinInfo), SubscribeError> {
        join::join(&self.table, join, member)
    }

    /// Removes a reader from its channels; returns their names.
    pub(crate) fn leave(&self, cursor: &Cursor, member: &Member) -> Vec<ChannelName> {
        join::leave(&self.table, cursor, member)
    }

    /// Adds a reader to one more channel.
    pub(crate) fn add_channel(
        &self,
        cursor: &mut Cursor,
        member: &Member,
        wanted: (ChannelName, Start),
        limits: ChangeLimits,
    ) -> Result<(Subscribed, Option<Gap>), ChangeError> {
        change::add_channel(&self.table, cursor, member, wanted, limits)
    }

    /// Removes a reader from one of the channels that it asked for.
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

    /// Returns the names of the channels that a reader asked for.
    pub(crate) fn channel_names(&self, cursor: &Cursor) -> Vec<ChannelName> {
        cursor.channel_names(&self.table.lock())
    }

    /// Returns the online counts of the channels that a reader asked for.
    pub(crate) fn online_counts(&self, cursor: &Cursor) -> Vec<(u64, OnlineChange)> {
        cursor.online_counts(&self.table.lock())
    }

    /// Attaches a reader to `shard`, which from now on is woken for its messages.
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
    /// Reads the history of `channel` from `start` on, up to `limit`.
    pub fn history(&self, channel: &ChannelName, start: Start, limit: ReadLimit) -> History {
        History::read(&self.table.lock(), channel, start, limit)
    }

    /// Selects the messages of one page of `channel`'s history, from `start` on: at most 1,000, and
    /// at most 1 MiB of documents unless the first one is larger. A byte of data may take six bytes
    /// of its document. The page itself is written by [`HistorySelection::into_page`], once there
    /// is memory for it.
    pub fn select_history(&self, channel: ChannelName, start: Start) -> HistorySelection {
        HistorySelection::new(self.history(&channel, start, HISTORY_PAGE), channel)
    }

    /// Finds a message of `channel`, if it is still in memory.
    pub fn find_message(&self, channel: &ChannelName, id: MessageId) -> Option<Arc<Message>> {
        let before = MessageId { seq: id.seq.checked_sub(1)?, ..id };
        let one = ReadLimit { messages: 1, ..HISTORY_PAGE };
        let history = self.history(channel, Start::After(before), one);
        history.messages.into_iter().find(|message| message.id == id)
    }

    /// Returns the online counts of `channel`.
    pub fn online(&self, channel: &ChannelName) -> OnlineCounts {
        self.table.lock().online(channel)
    }

    /// Returns the online counts of `channel`, as a document.
    ///
    /// # Errors
    /// When its namespace hides them.
    pub fn online_report(&self, channel: ChannelName) -> Result<OnlineReport, OnlineHidden> {
        if !self.rules_for(&channel).online {
            return Err(OnlineHidden(channel));
        }
        let online = self.online(&channel);
        Ok(OnlineReport::new(channel, online))
    }

    /// Returns the users present in `channel`, as a document: up to `limit` of them, after `after`,
    /// and the position from which to read the presence channel so that nothing is missed.
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

    /// Scans one page of the channel table from slot `from` on. Returns the `wanted` channels,
    /// unordered, and the slot to continue from. The page is bounded so that the lock, under which
    /// `wanted` is called, is held briefly.
    pub fn scan_channels(
        &self,
        from: usize,
        wanted: impl Fn(&ChannelName) -> bool,
    ) -> (Vec<ChannelSummary>, Option<usize>) {
        stats::scan_channels(&self.table.lock(), from, wanted)
    }

    /// Returns the size of the log.
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

    /// Returns when the oldest message was published that some shard has not taken yet
    /// (milliseconds since 1970). Samples the front of each shard's list, where the oldest are.
    pub fn oldest_pending(&self) -> Option<u64> {
        delivery::oldest_pending(&self.table.lock())
    }

    /// Appends to `batches` one batch for each dirty channel of a shard, each up to `limit`, all
    /// under one lock. Channels that are `busy`, because an earlier batch of theirs is still being
    /// sent, stay dirty, and so do those with more messages than `limit`. The shard is not woken
    /// again for these: it has to call this again after sending.
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
    /// Takes the users that joined or left since the last call.
    pub(crate) fn poll_dirty_users(&self, cx: &Context<'_>) -> Poll<Vec<DirtyUser>> {
        self.table.lock().dirty_users.poll_take(cx)
    }

    /// Computes the presence diff of `channel` for the entries in `dirty` ([`Presence::diff`]).
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

    /// Returns how many are connected to `channel`, or announced there, whichever is more.
    pub(crate) fn presence_size(&self, channel: &ChannelName) -> usize {
        self.table.lock().presence(channel).map_or(0, Presence::size)
    }

    /// Whether `channel` has no connection.
    pub(crate) fn has_no_subscribers(&self, channel: &ChannelName) -> bool {
        self.table.lock().presence(channel).is_none_or(Presence::has_no_subscribers)
    }
}

/// Periodic work.
impl Log {
    /// Evicts messages that have expired at `now` (milliseconds since 1970), and forgets channels
    /// that are empty. Also evicts messages if encodings have exceeded the memory budget.
    pub fn sweep(&self, now: u64) {
        let all = 0..self.table.lock().slots.capacity();
        self.sweep_slots(all, now);
    }

    /// Does the same for a part of the channels. Called once a second, it visits each channel well
    /// within the age limit of messages, and within a minute. Visiting all of them every second
    /// would cost more than their messages.
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
