//! A page of a channel's history. It is measured before it is written, so that no page is written
//! for which there is no memory.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    ChannelName, Gap, History, Message, MessageId, ReadLimit, Seq, document_length, json_length,
    write_document,
};

/// The most history in one page, counted in bytes of JSON: a page is held until its client has
/// read it.
pub(crate) const HISTORY_PAGE: ReadLimit = ReadLimit { messages: 1000, bytes: 1024 * 1024 };

/// A page of a channel's history, as a JSON document.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryPage {
    channel: ChannelName,
    /// Position to continue from.
    id: MessageId,
    gap: Option<GapDocument>,
    /// Documents of the messages, oldest first.
    messages: Box<RawValue>,
    /// Whether there are more messages after `id`.
    more: bool,
}

#[derive(Clone, Debug, Serialize)]
struct GapDocument {
    first: Option<Seq>,
    last: Option<Seq>,
    certain: bool,
}

/// The messages of one page that is not written yet, and the exact length of the page.
#[derive(Debug)]
pub struct HistorySelection {
    messages: Vec<Arc<Message>>,
    /// Length of the list of all documents, with its brackets.
    list_length: usize,
    /// The page with an empty list.
    page: HistoryPage,
}

impl HistorySelection {
    pub(crate) fn new(mut history: History, channel: ChannelName) -> Self {
        let mut list_length = "[]".len();
        let mut selected = 0;
        for message in &history.messages {
            let separator = usize::from(selected > 0);
            // No document is shorter than its data: what cannot fit need not be measured.
            let shortest = list_length + separator + message.draft.data.as_bytes().len();
            if selected > 0 && shortest > HISTORY_PAGE.bytes {
                break;
            }
            let length = list_length + separator + document_length(message);
            if selected > 0 && length > HISTORY_PAGE.bytes {
                break;
            }
            list_length = length;
            selected += 1;
        }
        if selected < history.messages.len() {
            history.messages.truncate(selected);
            history.id = history.messages.last().map_or(history.id, |message| message.id);
            history.more = true;
        }
        let gap_document =
            |gap: Gap| GapDocument { first: gap.first, last: gap.last, certain: gap.certain };
        let page = HistoryPage {
            channel,
            id: history.id,
            gap: history.gap.map(gap_document),
            messages: Box::default(),
            more: history.more,
        };
        Self { messages: history.messages, list_length, page }
    }

    /// Returns the length of the page as JSON.
    pub fn json_length(&self) -> usize {
        json_length(&self.page) - self.page.messages.get().len() + self.list_length
    }

    /// Writes the page.
    pub fn into_page(mut self) -> HistoryPage {
        let mut list = Vec::with_capacity(self.list_length);
        list.push(b'[');
        for message in &self.messages {
            if list.len() > 1 {
                list.push(b',');
            }
            write_document(message, &mut list);
        }
        list.push(b']');
        // Documents are JSON, and so is a list of them.
        let list = String::from_utf8(list).ok().and_then(|text| RawValue::from_string(text).ok());
        self.page.messages = list.unwrap_or_default();
        self.page
    }
}
