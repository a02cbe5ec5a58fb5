//! The cursor of a subscription: reads its channels from there to the head, merged by seq.

use crate::{
    ChannelName, Count, Identity, OnlineChange, ReadLimit, Seq,
    log::{
        channel::Channel,
        channel_cursor::ChannelCursor,
        merge::Merge,
        portion_source::Older,
        read::{Item, Progress},
        table::Table,
    },
};

#[derive(Debug)]
pub(crate) struct Cursor {
    /// The position to resume from: everything up to here has been read on every channel.
    pub(crate) position: Seq,
    pub(crate) channels: Box<[ChannelCursor]>,
}

impl Cursor {
    pub(crate) fn new(position: Seq, channels: Vec<ChannelCursor>) -> Self {
        Self { position, channels: channels.into() }
    }

    /// Adds a channel, which is read from `position` on. If that is history, the cursor moves back
    /// to before it: a reader that is disconnected in between reads some messages again, and loses
    /// none.
    pub(crate) fn add_channel(&mut self, cursor: ChannelCursor, position: Seq) {
        self.position = self.position.min(position);
        let mut channels = std::mem::take(&mut self.channels).into_vec();
        channels.push(cursor);
        self.channels = channels.into();
    }

    /// Removes the channel at `index`.
    pub(crate) fn remove_channel(&mut self, index: usize) -> ChannelCursor {
        let mut channels = std::mem::take(&mut self.channels).into_vec();
        let cursor = channels.remove(index);
        self.channels = channels.into();
        cursor
    }

    /// Reads up to `limit` into `items`; `older` has messages that have left the rings.
    pub(crate) fn read(
        &mut self,
        table: &Table,
        reader: Option<&Identity>,
        limit: ReadLimit,
        older: Option<Older<'_>>,
        items: &mut Vec<Item>,
    ) -> Progress {
        Merge::new(self, table, reader, limit, older, items).run()
    }

    /// Returns the index of a channel in this cursor.
    pub(crate) fn index_of(&self, table: &Table, channel: &ChannelName) -> Option<usize> {
        let slot = table.find(channel)?;
        self.channels.iter().position(|cursor| cursor.slot == slot)
    }

    /// Iterates over the channels that the reader asked for.
    pub(crate) fn explicit(&self) -> impl Iterator<Item = &ChannelCursor> {
        self.channels.iter().filter(|cursor| cursor.explicit)
    }

    /// Returns the names of the channels that the reader asked for.
    pub(crate) fn channel_names(&self, table: &Table) -> Vec<ChannelName> {
        self.explicit().map(|cursor| table.slots[cursor.slot].name.clone()).collect()
    }

    /// Returns the online counts of the channels that the reader asked for, with versions that
    /// grow with each change.
    pub(crate) fn online_counts(&self, table: &Table) -> Vec<(u64, OnlineChange)> {
        let channels = self.explicit().map(|cursor| &table.slots[cursor.slot]);
        let count = |channel: &Channel| {
            let Count { users, connections } = channel.roster.online().total;
            let change = OnlineChange { channel: channel.name.clone(), users, connections };
            (channel.roster.version(), change)
        };
        channels.filter(|channel| channel.rules.online).map(count).collect()
    }

    /// Moves to `seq` on all channels, unless it is past that already.
    pub(crate) fn skip_to(&mut self, seq: Seq) {
        self.position = self.position.max(seq);
        for cursor in &mut self.channels {
            cursor.position = cursor.position.max(seq);
        }
    }

    /// Whether some channel has ended for this reader. A message after that end would undo it.
    pub(crate) fn has_ended_channel(&self) -> bool {
        self.channels.iter().any(|cursor| cursor.ended)
    }

    /// Whether every channel that the reader asked for has ended. A reader that has unsubscribed
    /// from all channels has not ended: it may subscribe to others. A presence channel has no end
    /// of its own, and does not count.
    pub(crate) fn has_ended(&self) -> bool {
        let mut explicit = self.explicit().filter(|cursor| !cursor.is_presence).peekable();
        explicit.peek().is_some() && explicit.all(|cursor| cursor.ended)
    }
}
