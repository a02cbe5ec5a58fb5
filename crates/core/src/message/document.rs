//! The JSON document of a message: the same on every wire (PROTOCOL.md §2).

use base64::{Engine as _, display::Base64Display, engine::general_purpose::STANDARD};

use crate::{
    Data, Message,
    message::json_string::{string_length, write_string},
};

/// Writes the document of `message` to `out`, always as one line.
pub fn write_document(message: &Message, out: &mut Vec<u8>) {
    use std::io::Write as _;

    out.reserve(message.draft.data.as_bytes().len() + 160);
    write_before_data(message, out);
    match &message.draft.data {
        Data::Json(json) => out.extend_from_slice(json.as_bytes()),
        Data::Text(text) => write_string(text, out),
        Data::Bytes(bytes) => {
            let _ = write!(out, "\"{}\"", Base64Display::new(bytes, &STANDARD));
        }
    }
    write_after_data(message, out);
}

/// Returns the length of the document of `message` without writing its data.
pub fn document_length(message: &Message) -> usize {
    let mut around_data = Vec::with_capacity(256);
    write_before_data(message, &mut around_data);
    write_after_data(message, &mut around_data);
    around_data.len()
        + match &message.draft.data {
            Data::Json(json) => json.len(),
            Data::Text(text) => string_length(text),
            Data::Bytes(bytes) => bytes.len().div_ceil(3) * 4 + 2,
        }
}

fn write_before_data(message: &Message, out: &mut Vec<u8>) {
    use std::io::Write as _;

    let _ = write!(
        out,
        "{{\"id\":\"{}\",\"channel\":\"{}\",\"event\":",
        message.id, message.draft.channel
    );
    write_string(message.event(), out);
    out.extend_from_slice(b",\"data\":");
}

fn write_after_data(message: &Message, out: &mut Vec<u8>) {
    use std::io::Write as _;

    if matches!(message.draft.data, Data::Bytes(_)) {
        out.extend_from_slice(b",\"encoding\":\"base64\"");
    }
    if message.draft.end {
        out.extend_from_slice(b",\"end\":true");
    }
    if let Some(online) = message.online {
        let _ = write!(out, ",\"online\":{online}");
    }
    let _ = write!(out, ",\"time\":{}}}", message.time);
}

/// Returns the data as text, as `format=raw` sends it on a wire that can only carry text.
pub fn text_of(data: &Data) -> std::borrow::Cow<'_, str> {
    match data {
        Data::Json(text) | Data::Text(text) => text.into(),
        Data::Bytes(bytes) => STANDARD.encode(bytes).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::{Draft, Epoch, Publisher, Stored, message::memory::MemoryBudget};

    fn message(data: Data, event: Option<&str>, end: bool, online: Option<u32>) -> Message {
        let draft = Draft {
            channel: "a".parse().expect("a name"),
            event: event.map(|name| name.parse().expect("an event")),
            data,
            publisher: Publisher::default(),
            skip_self: false,
            end,
            idempotency: None,
            min_subscribers: 0,
            part: None,
        };
        let stored = Stored { seq: 12, time: 1_700_000_000_000, online, draft };
        let budget = Arc::new(MemoryBudget::new(usize::MAX));
        Message::new(Epoch::begin(0), stored, online, &budget)
    }

    #[test]
    fn the_length_is_that_of_the_document() {
        let every_character: String = (0..0x2100).filter_map(char::from_u32).collect();
        let mut all = vec![Data::Text(every_character), Data::Json("{\"a\": [1]}".to_owned())];
        all.extend((0..5).map(|length| Data::Bytes(Bytes::from(vec![0xff; length]))));
        for data in all {
            for (event, end, online) in [(None, false, None), (Some("ä\"\\"), true, Some(1234))] {
                let message = message(data.clone(), event, end, online);
                let mut document = Vec::new();
                write_document(&message, &mut document);
                assert_eq!(document_length(&message), document.len(), "{message:?}");
            }
        }
    }
}
