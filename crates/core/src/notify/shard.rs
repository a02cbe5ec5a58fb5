//! Shards: threads that own many readers' sockets, and are told once that a channel has news, not once
//! for each reader. A desk is where one shard's readers of one channel stand in the log.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::{
    Format, Identity, Message, Portion, Seq,
    log::{Log, table::Table},
};

/// How a shard is woken. Called with no lock held.
pub trait Doorbell: Send + Sync {
    /// There is news at some desk.
    fn ring(&self);

    /// One of its readers should look at the log: a goodbye, a change of the online count.
    fn call(&self, key: u32);
}

/// Names a shard of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardId(u32);

/// One shard's readers of one channel.
#[derive(Debug)]
pub(crate) struct Desk {
    shard: ShardId,
    readers: u32,
    /// The shard has been given everything up to here.
    upto: Seq,
    /// There is something behind it, and the shard's list says so.
    noted: bool,
}

/// What a log knows of one shard.
#[derive(Default)]
pub(crate) struct Shard {
    /// `None`: the shard has closed.
    doorbell: Option<Arc<dyn Doorbell>>,
    /// Slots of channels with news.
    news: Vec<usize>,
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard").field("news", &self.news).finish_non_exhaustive()
    }
}

/// The news of one channel for one shard: what came since the run before it, in order.
#[derive(Debug)]
pub struct Run {
    /// The channel's slot, as in [`Session::slots`](crate::Session::slots).
    pub slot: usize,
    messages: Vec<Arc<Message>>,
    /// Everything up to here was in earlier runs.
    after: Seq,
    /// The last of them: with it a reader has everything of this channel up to here. Without one, the watermark.
    upto: Seq,
    /// Each reader has to look for itself: something is lost, or the channel ends.
    special: bool,
    /// Some message is not for everybody.
    skips: bool,
}

/// Where a reader stands to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// It reads exactly these messages next.
    InStep,
    /// It has read them.
    Past,
    /// It has to look for itself.
    Apart,
}

impl Run {
    /// How a reader stands that has read everything up to `position`.
    pub fn stand(&self, position: Seq) -> Stand {
        let (Some(first), Some(last)) = (self.messages.first(), self.messages.last()) else {
            return Stand::Apart;
        };
        if self.special {
            Stand::Apart
        } else if self.after <= position && position < first.id.seq {
            Stand::InStep
        } else if position >= last.id.seq {
            Stand::Past
        } else {
            Stand::Apart
        }
    }

    /// Whether something in it may be hidden from somebody.
    pub fn skips(&self) -> bool {
        self.skips
    }

    /// Whether something in it is hidden from `reader`.
    pub fn is_hidden_from(&self, reader: &Identity) -> bool {
        self.messages.iter().any(|message| message.is_hidden_from(reader))
    }

    /// Where a reader stands that was in step and has read it: at the last message, whose id it was sent, and not at a
    /// watermark that it was not.
    pub fn upto(&self) -> Seq {
        self.upto
    }

    /// The messages.
    pub fn messages(&self) -> &[Arc<Message>] {
        &self.messages
    }

    /// All of it as it goes out in `format`, for all readers of that format.
    pub fn encoded(&self, format: &dyn Format) -> Bytes {
        if let [message] = &self.messages[..] {
            return message.encoded(format);
        }
        let frames: Vec<Bytes> = self.messages.iter().map(|m| m.encoded(format)).collect();
        let mut joined = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
        frames.iter().for_each(|frame| joined.extend_from_slice(frame));
        joined.freeze()
    }
}

impl Table {
    /// Puts one more reader at its shard's desk in a channel.
    pub(crate) fn sit_down(&mut self, slot: usize, shard: ShardId) {
        let upto = self.watermark;
        let desks = &mut self.slots[slot].desks;
        match desks.iter_mut().find(|desk| desk.shard == shard) {
            Some(desk) => desk.readers += 1,
            None => desks.push(Desk { shard, readers: 1, upto, noted: false }),
        }
    }

    /// Takes a reader from its shard's desk in a channel.
    pub(crate) fn stand_up(&mut self, slot: usize, shard: ShardId) {
        let desks = &mut self.slots[slot].desks;
        if let Some(at) = desks.iter().position(|desk| desk.shard == shard) {
            desks[at].readers -= 1;
            if desks[at].readers == 0 && desks.swap_remove(at).noted {
                // A desk that comes after it notes its own.
                self.shards[shard.0 as usize].news.retain(|noted| *noted != slot);
            }
        }
    }

    /// Notes at every desk of a channel that there is news; gives the doorbells to ring.
    pub(crate) fn spread_news(&mut self, slot: usize) -> Vec<Arc<dyn Doorbell>> {
        let mut doorbells = Vec::new();
        for desk in self.slots[slot].desks.iter_mut().filter(|desk| !desk.noted) {
            desk.noted = true;
            let shard = &mut self.shards[desk.shard.0 as usize];
            shard.news.push(slot);
            // A shard with older news has been rung, and has not come yet.
            if shard.news.len() == 1 {
                doorbells.extend(shard.doorbell.clone());
            }
        }
        doorbells
    }
}

impl Log {
    /// A shard that reads this log from now on.
    pub fn open_shard(&self, doorbell: Arc<dyn Doorbell>) -> ShardId {
        let mut table = self.table.lock();
        let id = ShardId(table.shards.len() as u32);
        table.shards.push(Shard { doorbell: Some(doorbell), news: Vec::new() });
        id
    }

    /// The shard reads no more.
    pub fn close_shard(&self, shard: ShardId) {
        self.table.lock().shards[shard.0 as usize] = Shard::default();
    }

    /// When the oldest message was published that some shard has not yet taken (milliseconds since 1970). Looks
    /// at a part of each shard's list, whose oldest notes come first.
    pub fn oldest_news(&self) -> Option<u64> {
        const SOME: usize = 64;
        let table = self.table.lock();
        let mut oldest: Option<u64> = None;
        for (id, shard) in table.shards.iter().enumerate() {
            for &slot in shard.news.iter().take(SOME) {
                let Some(channel) = table.slots.get(slot) else { continue };
                let here = |desk: &&Desk| desk.shard.0 as usize == id;
                let Some(desk) = channel.desks.iter().find(here) else { continue };
                let first = channel.ring.iter_after(desk.upto).next().map(|message| message.time);
                oldest = [oldest, first].into_iter().flatten().min();
            }
        }
        oldest
    }

    /// Appends to `runs` the news at a shard's desks, each at most a `portion`, all under one lock. News of
    /// channels that are `busy`, because an earlier run of theirs is still on its way, stays for
    /// the next time, as does what is behind a portion: without a ring, so ask again when that is done.
    pub fn take_news(
        &self,
        shard: ShardId,
        busy: impl Fn(usize) -> bool,
        portion: Portion,
        runs: &mut Vec<Run>,
    ) {
        let mut table = self.table.lock();
        let mut news = std::mem::take(&mut table.shards[shard.0 as usize].news);
        let watermark = table.watermark;
        news.retain(|&slot| {
            if busy(slot) {
                return true;
            }
            // The channel may have been forgotten, and its slot given to another.
            let Some(channel) = table.slots.get_mut(slot) else { return false };
            let desk = channel.desks.iter_mut().find(|desk| desk.shard == shard);
            let Some(desk) = desk.filter(|desk| desk.noted) else { return false };
            let run = Run::take(&channel.ring, slot, desk.upto, watermark, portion);
            desk.upto = run.upto;
            desk.noted = run.upto < channel.ring.newest();
            let remains = desk.noted;
            runs.push(run);
            remains
        });
        table.shards[shard.0 as usize].news = news;
    }
}

impl Run {
    fn take(
        ring: &crate::log::ring::Ring,
        slot: usize,
        after: Seq,
        watermark: Seq,
        portion: Portion,
    ) -> Self {
        let special = ring.floor().seq > after;
        let mut run =
            Self { slot, messages: Vec::new(), after, upto: watermark, special, skips: false };
        if special {
            return run;
        }
        let mut bytes = 0;
        for message in ring.iter_after(after) {
            let size = message.draft.data.as_bytes().len();
            let full = run.messages.len() == portion.messages || bytes + size > portion.bytes;
            if full && !run.messages.is_empty() {
                break;
            }
            run.upto = message.id.seq;
            bytes += size;
            run.special |= message.draft.end;
            run.skips |= message.draft.skip_self;
            run.messages.push(message.clone());
        }
        run
    }
}
