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
pub(crate) mod beginning;
mod below;
pub(crate) mod change;
pub(crate) mod channel;
pub(crate) mod channel_cursor;
pub(crate) mod checkpoint;
pub(crate) mod counts;
pub(crate) mod cursor;
pub(crate) mod delivery;
pub(crate) mod earlier_rules;
pub(crate) mod erasure;
pub(crate) mod error;
pub(crate) mod extent;
mod folding;
mod hidden;
pub(crate) mod history;
pub(crate) mod history_page;
pub(crate) mod history_read;
pub(crate) mod idle;
pub(crate) mod join;
pub(crate) mod locate;
pub(crate) mod member;
pub(crate) mod merge;
pub(crate) mod portion;
pub(crate) mod portion_source;
pub(crate) mod query;
pub(crate) mod read;
pub(crate) mod reservation;
pub(crate) mod retention;
pub(crate) mod ring;
mod slots;
pub(crate) mod start;
pub(crate) mod stats;
pub(crate) mod table;
pub(crate) mod tombstones;

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use arc_swap::ArcSwap;

use crate::{
    Accepted, Batch, Beginning, ChangeError, ChannelName, ChannelRules, ChannelSummary, Draft,
    Epoch, Extent, FoldKind, Gap, Identity, Join, JoinInfo, Locate, LogStats, MessageId,
    Namespaces, NotAccepted, OccupancyObserver, OnlineChange, OnlineCounts, OnlineHidden,
    OnlineReport, Placed, PresenceOff, PresencePage, ReadLimit, ReadRequest, Reservation, Seq,
    ShardId, ShardWaker, Start, Stored, SubscribeError, Subscribed, UserId, clock,
    limits::Limits,
    log::{
        change::{Addition, ChangeLimits},
        cursor::Cursor,
        history_read::HistoryRead,
        member::Member,
        portion_source::Older,
        read::{Item, Progress},
        start::LocatedChannels,
        table::Table,
    },
    message::memory::MemoryBudget,
    presence::{
        DirtyUser, Presence, PresenceChange, PresenceCheckpoint, PresenceKey, PresenceUpdate,
    },
    sync::Mutex,
};

/// The log of one gateway: all its messages, in one order.
#[derive(Debug)]
pub struct Log {
    /// The table's epoch, to be read without its lock.
    epoch: ArcSwap<Epoch>,
    memory: Arc<MemoryBudget>,
    /// The table's rules, to be read without its lock.
    rules: ArcSwap<Namespaces<Arc<ChannelRules>>>,
    /// The rules at the start: which channels have a presence channel does not change.
    first_rules: Namespaces<Arc<ChannelRules>>,
    table: Mutex<Table>,
    /// How messages fold, to be read without the lock.
    folds: OnceLock<Arc<dyn FoldKind>>,
}

/// Rules of channels.
impl Log {
    /// Makes an empty log.
    pub fn new(epoch: Epoch, limits: Limits) -> Self {
        let memory = Arc::new(MemoryBudget::new(limits.memory_bytes));
        let first_rules = limits.rules.clone();
        let rules = ArcSwap::from_pointee(limits.rules.clone());
        let table = Mutex::new(Table::new(epoch, limits, memory.clone()));
        let epoch = ArcSwap::from_pointee(epoch);
        Self { epoch, memory, rules, first_rules, table, folds: OnceLock::new() }
    }

    /// Replaces the rules, also for existing channels. Presence stays as it was at the start.
    pub fn set_rules(&self, rules: Namespaces<Arc<ChannelRules>>) {
        self.table.lock().set_rules(rules.clone());
        self.rules.store(Arc::new(rules));
    }

    /// Returns the rules of `channel`, whether it exists or not.
    pub fn rules_for(&self, channel: &ChannelName) -> Arc<ChannelRules> {
        self.rules.load().rules_fixed_by(&self.first_rules, channel)
    }

    /// Returns of each namespace whether its messages are logged. A change of the settings changes
    /// that at the next start.
    pub fn logged_namespaces(&self) -> Namespaces<bool> {
        self.first_rules.map(|rules| rules.log)
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
        **self.epoch.load()
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
    pub fn accept(&self, mut stored: Stored) -> Result<Accepted, NotAccepted> {
        // Parsed before the lock is taken.
        let update = self.presence_update(&stored.draft);
        self.note_part(&mut stored.draft);
        let mut table = self.table.lock();
        let accepted = accept::accept(&mut table, stored, update);
        let is_due = !table.due_folds.is_empty();
        drop(table);
        self.merge_folds(is_due);
        accepted
    }

    /// Holds a place for `draft`, which is about to get its seq: from then on nothing can refuse
    /// it.
    ///
    /// # Errors
    /// Those of [`accept`](Self::accept).
    pub fn reserve(self: &Arc<Self>, draft: &Draft) -> Result<Reservation, NotAccepted> {
        Reservation::new(self.clone(), draft)
    }

    /// Makes a batch of messages visible, all under one lock, and raises the watermark to the last
    /// of them. An engine calls this in order of seq, and only when no lower seq can still appear.
    /// Returns as many results, for [`Accepted::announce_all`].
    pub fn accept_all(&self, batch: Vec<Placed>) -> Vec<Accepted> {
        // Parsed before the lock is taken.
        let read = |mut placed: Placed| {
            self.note_part(&mut placed.stored.draft);
            (self.presence_update(&placed.stored.draft), placed)
        };
        let batch: Vec<_> = batch.into_iter().map(read).collect();
        let mut table = self.table.lock();
        let accept = |(update, placed)| accept::accept_placed(&mut table, placed, update);
        let accepted = batch.into_iter().map(accept).collect();
        let is_due = !table.due_folds.is_empty();
        drop(table);
        self.merge_folds(is_due);
        accepted
    }

    /// Reads the presence change that a message carries, if it is one of a presence channel.
    fn presence_update(&self, draft: &Draft) -> Option<PresenceUpdate> {
        PresenceUpdate::from_draft(draft)
            .filter(|update| self.has_presence_channel(&update.channel))
    }

    /// Begins the log, or another epoch of it: all messages are forgotten, and seqs continue after
    /// those of `beginning`. Readers of an earlier epoch have to be told; [`Hub::begin`] does that.
    ///
    /// [`Hub::begin`]: crate::Hub::begin
    pub fn begin(&self, beginning: Beginning) {
        let mut table = self.table.lock();
        self.epoch.store(Arc::new(beginning.epoch));
        table.begin(beginning);
    }

    /// Sets what the engine stores below the rings, after it has let go of its oldest messages.
    pub fn set_extent(&self, extent: Extent) {
        let mut table = self.table.lock();
        table.erasures.forget_up_to(extent.after);
        table.extent = Some(extent);
    }

    /// Returns who is online according to the presence channels, for the next life of the log. An
    /// engine keeps this at a clean end, once nothing is published any more.
    pub fn presence_checkpoint(&self) -> Vec<u8> {
        checkpoint::write(&self.table)
    }

    /// Begins with what [`presence_checkpoint`](Self::presence_checkpoint) of the last life has
    /// returned; returns the number of channels for which there is no room. An engine calls this
    /// after [`begin`](Self::begin), at the head, and before the first reader joins. Who does not
    /// come back has left.
    pub fn restore_presence(&self, checkpoint: &[u8]) -> usize {
        let all = PresenceCheckpoint::read(checkpoint);
        let with_presence: Vec<_> =
            all.filter(|one| self.has_presence_channel(&one.channel)).collect();
        checkpoint::restore(&mut self.table.lock(), with_presence.into_iter())
    }

    /// Erases the messages of a channel up to and including `upto`.
    pub fn erase(&self, channel: &ChannelName, upto: Seq) {
        self.table.lock().erase(channel, upto);
    }

    /// Returns the seq of the newest message of a channel that is in its ring, or has left it; 0 if
    /// there is none, or it is not known any more.
    pub fn newest_known(&self, channel: &ChannelName) -> Seq {
        self.table.lock().newest_known(channel)
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
}

/// Joining, reading and leaving, for subscriptions.
impl Log {
    pub(crate) fn id(&self, seq: Seq) -> MessageId {
        MessageId { epoch: self.epoch(), seq }
    }

    /// Adds a reader to its channels: from here on it is counted, woken, and misses nothing.
    pub(crate) fn join(
        &self,
        join: &Join,
        located: &LocatedChannels,
        member: &Member,
    ) -> Result<(Cursor, JoinInfo), SubscribeError> {
        join::join(&self.table, join, located, member)
    }

    /// Removes a reader from its channels.
    pub(crate) fn leave(&self, cursor: &Cursor, member: &Member) {
        join::leave(&self.table, cursor, member);
    }

    /// Adds a reader to one more channel.
    pub(crate) fn add_channel(
        &self,
        cursor: &mut Cursor,
        member: &Member,
        wanted: Addition,
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
        older: Option<Older<'_>>,
        items: &mut Vec<Item>,
    ) -> Progress {
        cursor.read(&self.table.lock(), Some(reader), limit, older, items)
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
    /// Begins to read the history of `channel` from `start` on, up to `limit`.
    pub(crate) fn begin_history(
        &self,
        channel: &ChannelName,
        start: Start,
        limit: ReadLimit,
        located: &LocatedChannels,
        reader: Option<&Identity>,
    ) -> HistoryRead {
        let now = clock::unix_millis();
        HistoryRead::begin(&self.table.lock(), channel, start, limit, located, now, reader)
    }

    /// Reads on; returns what the engine has to be asked for, if the read is not complete.
    pub(crate) fn continue_history(&self, reading: &mut HistoryRead) -> Option<ReadRequest> {
        reading.read_on(&self.table.lock())
    }

    /// Returns what the engine has to be asked about `channels` before a reader joins them.
    pub(crate) fn questions_about<'a>(
        &self,
        channels: impl IntoIterator<Item = &'a ChannelName>,
        start: Start,
    ) -> Vec<Locate> {
        let now = clock::unix_millis();
        let table = self.table.lock();
        let questions = channels.into_iter().map(|name| table.question_about(name, start, now));
        questions.flatten().collect()
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
