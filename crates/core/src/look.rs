//! Looking without subscribing: what a channel holds and who is there, as documents.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    AheadOfLog, ChannelName, Count, Gap, Log, MessageId, Portion, Seq, Start, Wire, write_document,
};

/// The most history in one answer: it is held until the client has read it.
const PAGE: Portion = Portion { messages: 1000, bytes: 1024 * 1024 };

/// Who is online in a channel.
#[derive(Clone, Debug, Serialize)]
pub struct Census {
    channel: ChannelName,
    #[serde(flatten)]
    total: Count,
    wires: Wires,
}

#[derive(Clone, Debug, Serialize)]
struct Wires {
    sse: Count,
    chunked: Count,
    ws: Count,
}

/// Some of what is held of a channel.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryPage {
    channel: ChannelName,
    /// Where to go on.
    id: MessageId,
    gap: Option<Lost>,
    /// The documents, oldest first.
    messages: Box<RawValue>,
    /// There is more behind `id`.
    more: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Lost {
    first: Option<Seq>,
    last: Option<Seq>,
    certain: bool,
}

/// A channel whose namespace tells nobody who is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the namespace of {0} tells nobody how many listen (online = false)")]
pub struct OnlineHidden(ChannelName);

impl Log {
    /// Who is online in `channel`, as a document.
    ///
    /// # Errors
    /// When nobody is told.
    pub fn census(&self, channel: ChannelName) -> Result<Census, OnlineHidden> {
        if !self.rules_of(&channel).online {
            return Err(OnlineHidden(channel));
        }
        let online = self.online(&channel);
        let of = |wire: Wire| online.wires[wire.index()];
        let wires = Wires { sse: of(Wire::Sse), chunked: of(Wire::Chunked), ws: of(Wire::Ws) };
        Ok(Census { channel, total: online.total, wires })
    }

    /// What is held of `channel` from `start` on, as a document: at most 1,000 messages, and about 1 MiB of
    /// their data.
    ///
    /// # Errors
    /// When `start` is a place that the log has not reached.
    pub fn page(&self, channel: ChannelName, start: Start) -> Result<HistoryPage, AheadOfLog> {
        let history = self.history(&channel, start, PAGE)?;
        let lost = |gap: Gap| Lost { first: gap.first, last: gap.last, certain: gap.certain };
        let mut documents = vec![b'['];
        for (index, message) in history.messages.iter().enumerate() {
            if index > 0 {
                documents.push(b',');
            }
            write_document(message, &mut documents);
        }
        documents.push(b']');
        // Documents are JSON, and so is a list of them.
        let messages =
            String::from_utf8(documents).ok().and_then(|text| RawValue::from_string(text).ok());
        Ok(HistoryPage {
            channel,
            id: history.id,
            gap: history.gap.map(lost),
            messages: messages.unwrap_or_default(),
            more: history.more,
        })
    }
}
