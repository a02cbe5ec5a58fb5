//! Messages as records, and records as messages.

use bytes::Bytes;
use tricast_core::{Data, Draft, EventName, Stored};

use crate::{DataKind, Record};

/// Makes the record of a message.
pub(super) fn record_of(stored: &Stored) -> Record {
    let draft = &stored.draft;
    let (kind, data) = match &draft.data {
        Data::Json(text) => (DataKind::Json, Bytes::copy_from_slice(text.as_bytes())),
        Data::Text(text) => (DataKind::Text, Bytes::copy_from_slice(text.as_bytes())),
        Data::Bytes(bytes) => (DataKind::Bytes, bytes.clone()),
    };
    let mut record = Record::new(stored.seq, stored.time, draft.channel.clone(), kind, data);
    record.end = draft.end;
    record.skip_self = draft.skip_self;
    record.event = draft.event.as_ref().map(|event| event.as_str().into());
    record.online = stored.online;
    record
}

/// Makes the message of a record; `None` if it holds what no publisher can send.
pub(super) fn stored_of(record: Record) -> Option<Stored> {
    let text = |data: Bytes| String::from_utf8(data.into()).ok();
    let data = match record.kind {
        DataKind::Json => Data::Json(text(record.data)?),
        DataKind::Text => Data::Text(text(record.data)?),
        DataKind::Bytes => Data::Bytes(record.data),
    };
    let event = record.event.map(|event| event.parse::<EventName>()).transpose().ok()?;
    let draft = Draft::new(record.channel, data)
        .with_event(event)
        .with_skip_self(record.skip_self)
        .with_end(record.end);
    Some(Stored { seq: record.seq, time: record.time, online: record.online, draft })
}
