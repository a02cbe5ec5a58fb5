//! A portion of older messages as one source of a read.

use std::{collections::HashMap, sync::Arc};

use crate::{
    ChannelName, Hole, Message, Portion, ReadRequest, Seq,
    log::{channel_cursor::ChannelCursor, table::Table},
};

/// A portion of older messages, and what was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Older<'a> {
    pub(crate) request: &'a ReadRequest,
    pub(crate) portion: &'a Portion,
}

/// The portion, read from the cursor on, for the channels that it covers.
pub(super) struct PortionSource<'a> {
    portion: &'a Portion,
    /// The index of each covered channel in the cursor.
    channels: HashMap<&'a ChannelName, usize>,
    /// Indexes of the next message and the next hole.
    message: usize,
    hole: usize,
}

/// The next item of a portion.
pub(super) enum PortionItem<'a> {
    /// A message of the channel at this index.
    Message(usize, &'a Arc<Message>),
    Hole(Hole),
    /// The portion is complete up to here.
    End(Seq),
}

impl<'a> PortionSource<'a> {
    /// Makes a source for the channels that need the engine and whose next messages are in the
    /// portion; returns `None` if there is no such channel.
    pub(super) fn new(
        Older { request, portion }: Older<'a>,
        cursors: &mut [ChannelCursor],
        table: &Table,
    ) -> Option<Self> {
        let mut channels = HashMap::new();
        let mut first = Seq::MAX;
        for (index, cursor) in cursors.iter_mut().enumerate() {
            cursor.in_portion = false;
            let name = &table.slots[cursor.slot].name;
            let covers = |(asked, after): &&(ChannelName, Seq)| {
                asked == name && (*after..portion.upto()).contains(&cursor.position)
            };
            let Some((asked, _)) = request.channels.iter().find(covers) else { continue };
            if cursor.needs_engine(table) && !cursor.is_erased(table) {
                cursor.in_portion = true;
                first = first.min(cursor.position);
                channels.insert(asked, index);
            }
        }
        let message = portion.messages().partition_point(|message| message.id.seq <= first);
        (!channels.is_empty()).then_some(Self { portion, channels, message, hole: 0 })
    }

    /// Returns the seq of the next item.
    pub(super) fn next_seq(&mut self, cursors: &[ChannelCursor]) -> Seq {
        match self.peek(cursors) {
            PortionItem::Message(_, message) => message.id.seq,
            // Before any other message from there on: a reader that is cut in between could not
            // know of it.
            PortionItem::Hole(hole) => hole.first,
            PortionItem::End(upto) => upto,
        }
    }

    /// Returns the next item, and moves over it.
    pub(super) fn next(&mut self, cursors: &[ChannelCursor]) -> PortionItem<'a> {
        let item = self.peek(cursors);
        match item {
            PortionItem::Message(..) => self.message += 1,
            PortionItem::Hole(_) => self.hole += 1,
            PortionItem::End(_) => {}
        }
        item
    }

    /// Returns the next hole that some channel has not moved over.
    pub(super) fn next_hole(&mut self, cursors: &[ChannelCursor]) -> Option<Hole> {
        let holes = self.portion.holes();
        let concerns =
            |hole: &Hole| self.channels.values().any(|index| cursors[*index].position < hole.last);
        self.hole =
            (self.hole..holes.len()).find(|at| concerns(&holes[*at])).unwrap_or(holes.len());
        holes.get(self.hole).copied()
    }

    /// Moves over what the cursors have read already, and returns what is next.
    fn peek(&mut self, cursors: &[ChannelCursor]) -> PortionItem<'a> {
        let messages = self.portion.messages();
        let is_new = |message: &&Arc<Message>| {
            let index = self.channels.get(&message.draft.channel);
            index.is_some_and(|index| cursors[*index].position < message.id.seq)
        };
        self.message = (self.message..messages.len())
            .find(|at| is_new(&&messages[*at]))
            .unwrap_or(messages.len());
        match (messages.get(self.message), self.next_hole(cursors)) {
            (Some(message), hole) if hole.is_none_or(|hole| message.id.seq < hole.first) => {
                PortionItem::Message(self.channels[&message.draft.channel], message)
            }
            (_, Some(hole)) => PortionItem::Hole(hole),
            _ => PortionItem::End(self.portion.upto()),
        }
    }
}
