//! The log: one order for all messages, a ring for each channel, and cursors that read them.
//!
//! Everything that decides what a reader sees happens under one short lock: a message gets
//! its place and becomes visible, a reader joins, a reader reads. So nothing can fall between
//! catch-up and live, and nobody sees 7 before 6.

pub(crate) mod channel;
pub(crate) mod cursor;
pub(crate) mod history_page;
pub(crate) mod query;
pub(crate) mod ring;
pub(crate) mod start;
pub(crate) mod table;
pub(crate) mod tombstones;

use std::{ops::Range, sync::Arc};

use arc_swap::ArcSwap;

use crate::{
    ChannelName, ChannelRules, Count, Epoch, Gap, Message, MessageId, Namespaces,
    OccupancyObserver, OnlineCounts, Seq, Stored, TooManyChannels,
    limits::Limits,
    log::{
        channel::Channel,
        cursor::{ChannelCursor, Cursor, ItemKind, ReadLimit},
        ring::Floor,
        start::{AheadOfLog, Start},
        table::Table,
    },
    message::draft::MemoryBudget,
    notify::{shard::ShardWaker, waker::WakerSet},
    presence::PresenceUpdate,
    sync::Mutex,
};

/// The log.
#[derive(Debug)]
pub struct Log {
    epoch: Epoch,
    memory: Arc<MemoryBudget>,
    /// As the table has them, for whoever does not hold its lock.
    rules: ArcSwap<Namespaces<Arc<ChannelRules>>>,
    /// As they were at the start: who has a presence channel does not change.
    first_rules: Namespaces<Arc<ChannelRules>>,
    pub(crate) table: Mutex<Table>,
}

/// The log did not take a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// Its channel is new and cannot be kept.
    #[error(transparent)]
    TooManyChannels(#[from] TooManyChannels),
    /// Fewer listen than the publisher requires.
    #[error("nobody listens on this channel; nothing was published")]
    NobodyOnline,
}

/// A message has become visible; its readers do not know yet.
#[must_use = "call announce() once no lock is held, or readers sleep on"]
pub struct Accepted {
    /// Its id.
    pub id: MessageId,
    /// Connections that listen.
    pub subscribers: u32,
    wakers: Option<Arc<WakerSet>>,
    shard_wakers: Vec<Arc<dyn ShardWaker>>,
}

impl Accepted {
    /// Wakes the readers.
    pub fn announce(self) {
        self.shard_wakers.iter().for_each(|waker| waker.wake());
        if let Some(wakers) = self.wakers {
            wakers.wake_message_readers();
        }
    }
}

impl std::fmt::Debug for Accepted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accepted").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What the log holds of one channel.
#[derive(Debug)]
pub struct History {
    /// Where to go on.
    pub id: MessageId,
    /// What is lost.
    pub gap: Option<Gap>,
    /// What is held, oldest first.
    pub messages: Vec<Arc<Message>>,
    /// There is more behind `id`.
    pub more: bool,
}

/// A line of the list of channels.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ChannelSummary {
    /// Its name.
    pub channel: ChannelName,
    /// Who listens, where that may be told.
    #[serde(flatten)]
    pub online: Option<Count>,
    /// Messages held.
    pub messages: usize,
}

/// How full the log is.
#[derive(Clone, Debug)]
pub struct LogStats {
    /// Channels.
    pub channels: usize,
    /// Messages held.
    pub messages: usize,
    /// Bytes they occupy, encodings included.
    pub bytes: usize,
    /// Messages that have left their ring by count, bytes, age or memory, ever.
    pub evicted: u64,
    /// Seats of readers for each namespace, those of none last, on each wire by [`Wire::index`](crate::Wire::index).
    /// Who reads several channels has several.
    pub subscriptions: Vec<[u32; 3]>,
}

impl Log {
    /// An empty log.
    pub fn new(epoch: Epoch, limits: Limits) -> Self {
        let memory = Arc::new(MemoryBudget::new(limits.memory_bytes));
        let first_rules = limits.rules.clone();
        let rules = ArcSwap::from_pointee(limits.rules.clone());
        let table = Mutex::new(Table::new(limits, memory.clone()));
        Self { epoch, memory, rules, first_rules, table }
    }

    /// Other rules from now on, for the channels that are held, too; but for presence, which stays as it was at the start.
    pub fn set_rules(&self, rules: Namespaces<Arc<ChannelRules>>) {
        self.table.lock().set_rules(rules.clone());
        self.rules.store(Arc::new(rules));
    }

    /// Which life of the log this is.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The newest place that readers have been shown.
    pub fn head(&self) -> MessageId {
        self.id(self.table.lock().watermark)
    }

    /// Tells `attendance` from now on which channels are listened to.
    pub fn set_observer(&self, observer: Arc<dyn OccupancyObserver>) {
        self.table.lock().observer = Some(observer);
    }

    pub(crate) fn id(&self, seq: Seq) -> MessageId {
        MessageId { epoch: self.epoch, seq }
    }

    /// Makes a message visible and raises the watermark to it. An engine calls this in order of
    /// seq, and only when nothing below can still appear.
    ///
    /// # Errors
    /// When its channel is new and cannot be kept, or too few listen; it is not accepted then.
    pub fn accept(&self, stored: Stored) -> Result<Accepted, NotAccepted> {
        let update = PresenceUpdate::from_draft(&stored.draft)
            .filter(|update| self.first_rules.has_presence_channel(&update.channel));
        let mut table = self.table.lock();
        debug_assert!(stored.seq > table.watermark, "the feed is in order");
        let min_subscribers = stored.draft.min_subscribers;
        if min_subscribers > 0 && table.subscriber_count(&stored.draft.channel) < min_subscribers {
            return Err(NotAccepted::NobodyOnline);
        }
        // Where the channel is, its presence channel finds room.
        let pinned = update.map(|update| update.pin(&mut table)).transpose()?;
        let slot = table.find_or_create(&stored.draft.channel)?;
        let total = table.slots[slot].roster.online().total;
        let wakers = (total.connections > 0).then(|| table.slots[slot].wakers.clone());
        let online = table.slots[slot].visible_users().map(|users| stored.online.unwrap_or(users));
        let message = Message::new(self.epoch, stored, online, &self.memory);
        let id = message.id;
        let shard_wakers = table.mark_dirty(slot);
        table.push(slot, Arc::new(message));
        if let Some(pinned) = pinned {
            pinned.apply(&mut table);
        }
        Ok(Accepted { id, subscribers: total.connections, wakers, shard_wakers })
    }

    /// Raises the watermark over places that hold no message for this node.
    pub fn advance(&self, watermark: Seq) {
        let mut table = self.table.lock();
        table.watermark = table.watermark.max(watermark);
    }

    /// What is missing in front of a channel's ring: the highest seq it does not hold.
    pub fn floor(&self, channel: &ChannelName) -> Seq {
        let table = self.table.lock();
        let ring = table.find(channel).map(|slot| table.slots[slot].ring.floor());
        ring.unwrap_or_else(|| table.tombstones.peek(channel)).seq
    }

    /// Empties a channel's ring up to `floor`, the channel's last message: its engine has not listened
    /// since an earlier one, and cannot vouch for what the ring still holds.
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

    /// What is held of `channel` from `start`, at most `portion` of it.
    ///
    /// # Errors
    /// When `start` is a place that the log has not reached.
    pub fn history(
        &self,
        channel: &ChannelName,
        start: Start,
        limit: ReadLimit,
    ) -> Result<History, AheadOfLog> {
        let table = self.table.lock();
        start.check(self.epoch, table.watermark)?;
        let Some(slot) = table.find(channel) else {
            let floor = table.tombstones.peek(channel);
            let gap = start.gap_below(self.epoch, table.watermark, channel, floor);
            return Ok(History {
                id: self.id(table.watermark),
                gap,
                messages: Vec::new(),
                more: false,
            });
        };
        let resolved = start.resolve(self.epoch, &table, &[slot]);
        let channel_cursor = ChannelCursor::new(slot, resolved.positions[0], true, table.watermark);
        let mut cursor = Cursor::new(resolved.position, vec![channel_cursor]);
        let mut items = Vec::new();
        let more = !cursor.read(&table, self.epoch, None, limit, &mut items);
        drop(table);
        let id = self.id(cursor.position);
        let mut history = History { id, gap: None, messages: Vec::new(), more };
        if resolved.foreign {
            history.gap = Some(Gap::unknown(self.id(resolved.position), channel.clone()));
        }
        for item in items {
            match item.kind {
                ItemKind::Message(message) => history.messages.push(message),
                ItemKind::Gap(gap, _) => history.gap = Some(gap),
            }
        }
        Ok(history)
    }

    /// What holds for `channel`, held or not.
    pub fn rules_for(&self, channel: &ChannelName) -> Arc<ChannelRules> {
        self.rules.load().rules_with_presence_from(&self.first_rules, channel)
    }

    /// Whether `channel` has a presence channel.
    pub fn has_presence_channel(&self, channel: &ChannelName) -> bool {
        self.first_rules.has_presence_channel(channel)
    }

    /// Who is online in `channel`.
    pub fn online(&self, channel: &ChannelName) -> OnlineCounts {
        let table = self.table.lock();
        table.find(channel).map(|slot| table.slots[slot].roster.online()).unwrap_or_default()
    }

    /// Some of all channels, in no order: those in the places from `from` on that `wanted` accepts, and where to go
    /// on. So few that nobody waits for it; `wanted` is asked under the lock.
    pub fn scan_channels(
        &self,
        from: usize,
        wanted: impl Fn(&ChannelName) -> bool,
    ) -> (Vec<ChannelSummary>, Option<usize>) {
        const STEP: usize = 1000;
        let table = self.table.lock();
        let end = (from + STEP).min(table.slots.capacity());
        let channels = (from..end).filter_map(|slot| table.slots.get(slot));
        let summary = |channel: &Channel| ChannelSummary {
            channel: channel.name.clone(),
            online: channel.rules.online.then(|| channel.roster.online().total),
            messages: channel.ring.len(),
        };
        let some = channels.filter(|channel| wanted(&channel.name)).map(summary).collect();
        (some, (end < table.slots.capacity()).then_some(end))
    }

    /// Lets go what has grown too old at `now` (milliseconds since 1970) and forgets idle
    /// channels. Also lets go what encodings have made too much since the last message.
    pub fn sweep(&self, now: u64) {
        let all = 0..self.table.lock().slots.capacity();
        self.sweep_slots(all, now);
    }

    /// The same for some of the channels; called once a second it comes to each well within the age that
    /// messages may have, and within a minute. To look at all of them every second would cost more than
    /// their messages.
    pub fn sweep_next(&self, now: u64) {
        let some = self.table.lock().next_to_sweep();
        self.sweep_slots(some, now);
    }

    fn sweep_slots(&self, slots: Range<usize>, now: u64) {
        self.for_each_slot(slots, |table, slot| table.sweep(slot, now));
        if self.memory.excess() > 0 {
            self.table.lock().evict_to_fit();
        }
    }

    /// How full the log is.
    pub fn stats(&self) -> LogStats {
        let table = self.table.lock();
        LogStats {
            channels: table.len(),
            messages: table.message_count(),
            bytes: self.memory.bytes(),
            evicted: table.evicted(),
            subscriptions: table.subscriptions.clone(),
        }
    }

    fn for_each_slot(&self, slots: Range<usize>, mut apply: impl FnMut(&mut Table, usize)) {
        const STEP: usize = 1000;
        for from in slots.clone().step_by(STEP) {
            let mut table = self.table.lock();
            (from..slots.end.min(from + STEP)).for_each(|slot| apply(&mut table, slot));
        }
    }
}
